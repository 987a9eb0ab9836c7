"""Programs that leave children behind: nobody waits for those, nothing of them is left, and nobody else is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from colt_llvm.core import process
from colt_llvm.core.errors import CommandNotFound, OutputLimitExceeded, ProcessTimeout
from colt_llvm.core.process import Command, Completed, Limits
from tests.test_process import ended

ROOT = Path(__file__).resolve().parents[1]

#: Each prints the id of a process that goes on for a minute and holds standard output.
LEAVES = {
    "a child": """
import os, time
if os.fork() == 0: print(os.getpid(), flush=True); time.sleep(60)
time.sleep(0.3)
""",
    "a session of its own": """
import os, time
if os.fork() == 0: os.setsid(); print(os.getpid(), flush=True); time.sleep(60)
time.sleep(0.3)
""",
    "a daemon": """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    print(os.getpid(), flush=True); time.sleep(60)
time.sleep(0.3)
""",
    "another program, with nothing of the environment": """
import subprocess, sys
child = subprocess.Popen(["setsid", "-f", "sh", "-c", "echo $$; exec sleep 60"], env={"PATH": "/usr/bin:/bin"})
child.wait()
import time; time.sleep(0.3)
""",
    "a chain": """
import os, time
def chain(n):
    if n and os.fork() == 0: os.setsid(); chain(n - 1); time.sleep(60)
    elif not n: print(os.getpid(), flush=True); time.sleep(60)
chain(4); time.sleep(0.3)
""",
}


def contained(code: str, **more: object) -> Command:
    return Command([sys.executable, "-B", "-c", code], contained=True, **more)  # type: ignore[arg-type]


def run(code: str, **more: object) -> Completed:
    (seen,) = process.run_together([contained(code, **more)])
    if isinstance(seen, Completed):
        return seen
    raise seen


@pytest.mark.parametrize("code", LEAVES.values(), ids=LEAVES.keys())
def test_what_is_left_behind_is_not_waited_for_and_is_ended(code: str) -> None:
    seen = run(code, limits=Limits(20))
    assert seen.status == 0
    assert seen.wall_seconds < 15
    assert seen.ended_children
    assert not Path("/proc", seen.stdout.split()[0].decode()).exists()


@pytest.mark.parametrize("code", list(LEAVES.values())[:2], ids=list(LEAVES)[:2])
def test_a_tool_that_leaves_a_child_is_not_waited_for_either(code: str) -> None:
    seen = process.run([sys.executable, "-B", "-c", code], limits=Limits(20))
    assert seen.wall_seconds < 15
    os.kill(int(seen.stdout), signal.SIGKILL) if not ended(int(seen.stdout)) else None


def test_a_daemon_is_ended_with_a_program_at_its_limit(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    open({str(note)!r}, "w").write(str(os.getpid())); time.sleep(60)
while True: print("x" * 100 if {{talks}} else "", end="", flush=True); time.sleep(0.001)
"""
    for talks, limits, kind in [
        (False, Limits(1.0), ProcessTimeout),
        (True, Limits(20, output_bytes=50_000), OutputLimitExceeded),
    ]:
        with pytest.raises(kind):
            run(code.format(talks=talks), limits=limits)
        assert not Path("/proc", note.read_text()).exists()


def test_when_its_owner_is_killed_program_and_daemon_are_too(tmp_path: Path) -> None:
    code = f"""
import sys
from colt_llvm.core.process import Command, run_together
program = '''
import os, time
if os.fork() == 0: os.setsid()
open("{tmp_path}/" + str(os.getpid()), "w").close(); time.sleep(60)
'''
run_together([Command([sys.executable, "-B", "-c", program], contained=True)])
"""
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        until = time.monotonic() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        owner.kill()
        owner.wait()
    pids = [int(file.name) for file in tmp_path.iterdir()]
    assert len(pids) == 2
    assert all(ended(pid) for pid in pids)


def test_runs_side_by_side_end_their_own_only() -> None:
    """Also beside a child of ours that is none of its business."""
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    seen: list[Completed] = []
    quick = LEAVES["a session of its own"]
    slow = """
import os, time
if os.fork() == 0: os.setsid(); time.sleep(1.5); print('child', flush=True); os._exit(0)
os.wait()
"""
    threads = [threading.Thread(target=lambda c=code: seen.append(run(c))) for code in [slow, quick] * 3]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.status for one in seen] == [0] * 6
    assert sum(one.stdout == b"child\n" for one in seen) == 3
    assert other.poll() is None
    other.kill()
    other.wait()


def test_the_calling_process_has_no_child_and_no_descriptor_more() -> None:
    run("pass")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run("pass")
        with pytest.raises(CommandNotFound):
            process.run_together([Command(["no-such-command"], contained=True)])
        with pytest.raises(ProcessTimeout):
            run("import time; time.sleep(60)", limits=Limits(0.1))
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_another_supervisor_takes_over_where_one_was_killed() -> None:
    waiting = int(run("import os; print(os.getppid())").stdout)
    os.kill(waiting, signal.SIGKILL)
    assert run("print(1)").stdout == b"1\n"


def test_a_fork_of_this_process_has_supervisors_of_its_own() -> None:
    first = run("import os; print(os.getppid())").stdout
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, run("import os; print(os.getppid())").stdout)
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) != first
    assert run("import os; print(os.getppid())").stdout == first
    os.close(reader)
    os.close(writer)


def test_a_contained_program_finds_what_any_other_finds(tmp_path: Path) -> None:
    variables = {f"LONG_{number}": "x" * 100_000 for number in range(5)} | {"PATH": "/usr/bin:/bin", "ODD": "\udcff"}
    core = max(os.sched_getaffinity(0))
    code = """
import os, resource, signal, sys
print(os.getcwd(), os.getsid(0) == os.getpid(), os.sched_getaffinity(0), sorted(os.listdir("/proc/self/fd"))[:4])
print(len(os.environ), os.environb[b"ODD"], sys.stdin.read(), signal.getsignal(signal.SIGCHLD))
print(resource.getrlimit(resource.RLIMIT_STACK), sys.argv[1:])
"""
    file = tmp_path / "in"
    file.write_text("text")
    commands = [
        Command([sys.executable, "-B", "-c", code, "$(date)", "\udcfe"], stdin=file, cwd=tmp_path, env=variables,
                contained=how) for how in (True, False)
    ]  # fmt: skip
    (first,), (second,) = (process.run_together([command], core=core) for command in commands)
    assert isinstance(first, Completed)
    assert isinstance(second, Completed)
    assert (first.status, first.stdout, first.stderr) == (second.status, second.stdout, second.stderr)
    assert f"{tmp_path} True {{{core}}}".encode() in first.stdout


def test_limits_are_there_before_the_program_is(tmp_path: Path) -> None:
    code = "import resource as r; print(*(r.getrlimit(getattr(r, 'RLIMIT_' + n))[0] for n in ('CORE', 'FSIZE', 'AS')))"
    for memory in (512 << 20, None):
        limits = Limits(memory_bytes=memory, output_bytes=1 << 20)
        seen = [run(code, limits=limits).stdout for _ in range(10)]
        assert set(seen) == {f"0 {1 << 20} {memory or -1}\n".encode()}
    for _ in range(5):
        with pytest.raises(CommandNotFound):
            process.run_together([Command(["no-such-command"], limits=Limits(memory_bytes=1 << 30), contained=True)])
        assert process.run_together([Command(["true"], limits=Limits(memory_bytes=1 << 16), contained=True)])[0].status


@pytest.mark.parametrize(
    ("mode", "reason"), [(0o644, "check its permissions"), (0o755, "not executable on this machine")]
)
def test_what_cannot_be_started_is_named(tmp_path: Path, mode: int, reason: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\0not a program")
    file.chmod(mode)
    with pytest.raises(CommandNotFound, match=reason):
        process.run_together([Command([file], contained=True)])
    with pytest.raises(FileNotFoundError) as caught:
        process.run_together([Command(["true"], cwd=tmp_path / "none", contained=True)])
    assert not isinstance(caught.value, CommandNotFound)


def test_a_child_that_cannot_be_ended_is_named_and_not_waited_for() -> None:
    """As one of another user's: here nothing is sent to it at all."""
    code = """
import os, subprocess, time
from colt_llvm.core import supervisor
child = subprocess.Popen(["sleep", "60"])
while supervisor._name(child.pid) != "sleep": time.sleep(0.01)
supervisor._ENDING_SECONDS = 0.1
kill, os.kill = os.kill, lambda pid, number: None
print(supervisor._end_the_rest(0), child.pid)
kill(child.pid, 9)
"""
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    pid = seen.stdout.split()[-1]
    assert seen.stdout == f"(['sleep'], ['sleep ({pid})']) {pid}\n"
