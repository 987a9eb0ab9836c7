"""Children side by side: each with its own end, its own limits, its own output, and none left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from colt_llvm.core import process
from colt_llvm.core.errors import CommandNotFound, OutputLimitExceeded, ProcessTimeout
from colt_llvm.core.launch import set_time_slice
from colt_llvm.core.process import Command, Completed, Limits


def python(code: str, *arguments: object, **more: object) -> Command:
    return Command([sys.executable, "-B", "-c", code, *map(str, arguments)], **more)  # type: ignore[arg-type]


def test_each_has_its_own_status_and_streams_in_the_order_given() -> None:
    code = "import sys, time; time.sleep(float(sys.argv[1])); print(sys.argv[1]); sys.exit(int(sys.argv[2]))"
    ended = process.run_together([python(code, 0.3, 1), python(code, 0.0, 2), python(code, 0.1, 3)])
    assert [(one.status, one.stdout) for one in ended if isinstance(one, Completed)] == [
        (1, b"0.3\n"), (2, b"0.0\n"), (3, b"0.1\n"),
    ]  # fmt: skip


def test_they_do_run_at_once(tmp_path: Path) -> None:
    """Each waits for the other's file, so one after the other would never end."""
    code = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.001)
"""
    a, b = tmp_path / "a", tmp_path / "b"
    limits = Limits(wall_seconds=30.0)
    ended = process.run_together([python(code, a, b, limits=limits), python(code, b, a, limits=limits)])
    assert [getattr(one, "status", one) for one in ended] == [0, 0]


def test_one_at_its_limit_is_ended_and_the_others_go_on() -> None:
    forever = python("while True: pass", limits=Limits(wall_seconds=0.3))
    writer = python("while True: print('x' * 1000)", limits=Limits(output_bytes=100_000))
    calm = python("import time; time.sleep(0.6); print('done')")
    ended = process.run_together([forever, writer, calm])
    assert [type(one) for one in ended] == [ProcessTimeout, OutputLimitExceeded, Completed]
    assert ended[2].stdout == b"done\n"  # type: ignore[union-attr]


def test_cpu_seconds_are_each_ones_own_though_they_share_a_core() -> None:
    core = max(os.sched_getaffinity(0))
    burn = "import sys, time\nwhile time.process_time() < float(sys.argv[1]): pass"
    ended = process.run_together([python(burn, 0.2), python(burn, 0.2), python("pass")], core=core, slice_seconds=0.005)
    first, second, idle = (one.user_seconds + one.system_seconds for one in ended if isinstance(one, Completed))
    assert first == pytest.approx(0.2, rel=0.2)
    assert second == pytest.approx(0.2, rel=0.2)
    assert idle < 0.15
    # On one core: each took its time, and most of the other's.
    assert all(one.wall_seconds > 0.3 for one in ended[:2] if isinstance(one, Completed))


def test_a_child_that_closes_its_streams_does_not_hold_up_the_others() -> None:
    closes = "import os, time; os.close(1); os.close(2); time.sleep(0.5)"
    ended = process.run_together([python(closes), python("print('x' * 300000)"), python(closes)])
    assert [one.status for one in ended if isinstance(one, Completed)] == [0, 0, 0]
    assert len(ended[1].stdout) == 300_001  # type: ignore[union-attr]


def test_when_one_cannot_be_started_none_is_left_running(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    first = python("import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)", mark)
    with pytest.raises(CommandNotFound, match="install it"):
        process.run_together([first, Command([tmp_path / "nothing"])])
    time.sleep(0.2)
    if mark.exists() and mark.read_text():
        assert not Path(f"/proc/{mark.read_text()}").exists()


def test_what_a_child_left_behind_is_ended_with_it(tmp_path: Path) -> None:
    """At once, not when all are done: it would take time from the others."""
    mark = tmp_path / "pid"
    leaves = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         stdin=-3, stdout=-3, stderr=-3)
open(sys.argv[1], "w").write(str(child.pid))
"""
    watches = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[1])
while not (mark.exists() and mark.read_text()): time.sleep(0.01)
state = pathlib.Path("/proc", mark.read_text(), "stat")
def runs():
    try: return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError: return False
while runs(): time.sleep(0.01)
"""
    limits = Limits(wall_seconds=20.0)
    ended = process.run_together([python(leaves, mark), python(watches, mark, limits=limits)])
    assert isinstance(ended[1], Completed), ended[1]


def test_a_time_slice_is_taken_by_an_ordinary_process_and_changes_nothing_else() -> None:
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    try:
        os.setpriority(os.PRIO_PROCESS, child, 5)
        taken = set_time_slice(child, 0.008)
        assert os.sched_getscheduler(child) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, child) == 5
        os.sched_setscheduler(child, os.SCHED_IDLE, os.sched_param(0))
        assert not set_time_slice(child, 0.008)
        assert os.sched_getscheduler(child) == os.SCHED_IDLE
        assert taken == (os.uname().machine in ("x86_64", "aarch64", "riscv64"))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_no_slice_for_a_process_that_is_gone() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert not set_time_slice(child, 0.008)
