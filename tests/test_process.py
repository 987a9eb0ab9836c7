"""Children under limits: what is captured, what is ended, and how failures are typed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CommandNotFound, OutputLimitExceeded, ProcessTimeout
from colt_llvm.core.process import Limits


def python(code: str, *arguments: str, **options: object) -> process.Completed:
    """No bytecode is written: a limit on what it may write would cut it short, and Python reads it all the same."""
    return process.run([sys.executable, "-B", "-c", code, *arguments], **options)  # type: ignore[arg-type]


def ended(pid: int) -> bool:
    """Gone, or a zombie that waits for whoever adopted it."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_captures_status_and_both_streams() -> None:
    seen = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert (seen.status, seen.stdout, seen.stderr) == (7, b"out\n", b"err\n")
    assert seen.describe_status() == "exit status 7"
    assert seen.max_rss_bytes > 1 << 20


def test_tells_the_signal_that_ended_a_child() -> None:
    seen = python("import os; os.kill(os.getpid(), 11)")
    assert seen.status == -11
    assert seen.describe_status() == "SIGSEGV"
    real_time = python("import os; os.kill(os.getpid(), 40)")
    assert real_time.describe_status() == "signal 40"


def test_large_output_on_both_streams_does_not_block() -> None:
    seen = python("import sys; sys.stdout.write('o' * 300000); sys.stderr.write('e' * 300000); sys.stdout.write('o')")
    assert (len(seen.stdout), len(seen.stderr)) == (300001, 300000)


def test_no_shell_reads_the_arguments() -> None:
    assert python("import sys; print(sys.argv[1:])", "$(date); *", "").stdout == b"['$(date); *', '']\n"


@pytest.mark.parametrize("size", [0, 3, 1_000_000])
def test_standard_input_may_be_bytes(size: int) -> None:
    seen = python("import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * size)
    assert int(seen.stdout) == size


def test_standard_input_may_be_a_file_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"text")
    read = "import sys; print(sys.stdin.read())"
    assert python(read, stdin=file).stdout == b"text\n"
    assert python(read).stdout == b"\n"


def test_input_that_nobody_reads_does_no_harm() -> None:
    assert python("pass", stdin=b"x" * 10_000_000).status == 0


def test_a_child_has_no_terminal() -> None:
    assert python("open('/dev/tty')").status == 1


def test_working_directory_and_environment_are_the_childs_own(tmp_path: Path) -> None:
    seen = python(
        "import os; print(os.getcwd(), os.environ.get('X'), 'HOME' in os.environ)", cwd=tmp_path, env={"X": "1"}
    )
    assert seen.stdout == f"{tmp_path} 1 False\n".encode()


def test_a_child_that_never_ends_is_ended() -> None:
    with pytest.raises(ProcessTimeout, match=r"still running after 0\.3 s") as caught:
        python("import time; time.sleep(60)", limits=Limits(wall_seconds=0.3))
    assert isinstance(caught.value, ColtError)
    assert isinstance(caught.value, TimeoutError)


def test_a_child_that_closes_its_streams_is_still_limited() -> None:
    with pytest.raises(ProcessTimeout):
        python("import os, time; os.close(1); os.close(2); time.sleep(60)", limits=Limits(wall_seconds=0.5))


def test_a_child_that_ignores_sigterm_is_ended() -> None:
    with pytest.raises(ProcessTimeout):
        python(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
            limits=Limits(wall_seconds=0.5),
        )


GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
"""


def test_grandchildren_are_ended_when_the_child_ends_by_itself() -> None:
    assert ended(int(python(GRANDCHILD).stdout))


def test_grandchildren_are_ended_on_a_time_out(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = GRANDCHILD + f"open({str(note)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    with pytest.raises(ProcessTimeout):
        python(code, limits=Limits(wall_seconds=2))
    assert ended(int(note.read_text()))


def test_too_much_output_ends_the_child() -> None:
    with pytest.raises(OutputLimitExceeded, match="more than 1000 bytes"):
        python("while True: print('x' * 100)", limits=Limits(output_bytes=1000))


def test_output_within_the_limit_is_kept_whole() -> None:
    assert len(python("print('x' * 999)", limits=Limits(output_bytes=1000)).stdout) == 1000


def test_a_file_over_the_limit_ends_the_child(tmp_path: Path) -> None:
    # Limits are set once the child is under way, and this one could be quicker than that.
    code = """if True:
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        while resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY:
            pass
        open("f", "wb").write(bytes(100000))
    """
    assert python(code, cwd=tmp_path, limits=Limits(output_bytes=10000)).status == -signal.SIGXFSZ
    assert (tmp_path / "f").stat().st_size <= 10000


def test_memory_is_limited() -> None:
    seen = python("import time; time.sleep(0.2); bytearray(1 << 30)", limits=Limits(memory_bytes=512 << 20))
    assert b"MemoryError" in seen.stderr


def test_no_core_file_is_written() -> None:
    # The limits are set just after the start, so a child that looks at once might not see them yet.
    seen = python("import resource, time; time.sleep(0.2); print(resource.getrlimit(resource.RLIMIT_CORE))")
    assert seen.stdout == b"(0, 0)\n"


def test_no_limits_are_possible() -> None:
    assert python("print(1)", limits=Limits(None, None, None)).stdout == b"1\n"


def test_a_limit_above_what_this_process_may_use_is_no_error() -> None:
    code = """
import resource, sys
from colt_llvm.core import process
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
import os
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
print(process.run(['/bin/true'], limits=process.Limits(memory_bytes=8 << 30)).status)
"""
    root = str(Path(process.__file__).resolve().parents[2])
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert (seen.stdout, seen.stderr) == ("0\n", "")


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandNotFound, match="no-such-command: not found; install it"):
        process.run(["no-such-command"])


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_file_that_cannot_be_executed_is_named(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\0not a program")
    file.chmod(mode)
    with pytest.raises(CommandNotFound, match="not executable"):
        process.run([file])


def test_a_path_below_a_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandNotFound):
        process.run([tmp_path / "file" / "below"])


def test_a_missing_working_directory_is_not_taken_for_a_missing_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        python("pass", cwd=tmp_path / "none")
    assert not isinstance(caught.value, CommandNotFound)


def test_runs_on_the_core_asked_for_and_leaves_the_parent_where_it_was() -> None:
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    seen = python("import os; print(os.sched_getaffinity(0))", core=core)
    assert seen.stdout == f"{{{core}}}\n".encode()
    assert os.sched_getaffinity(0) == allowed
    with pytest.raises(CommandNotFound):
        process.run(["no-such-command"], core=core)
    assert os.sched_getaffinity(0) == allowed


def test_times_are_the_childs_own() -> None:
    busy = python("import time\nwhile time.process_time() < 0.3: pass")
    idle = python("import time; time.sleep(0.3)")
    assert busy.user_seconds + busy.system_seconds >= 0.3
    assert idle.wall_seconds >= 0.3
    assert idle.user_seconds + idle.system_seconds < busy.user_seconds + busy.system_seconds


def test_many_threads_run_children_side_by_side() -> None:
    seen: list[bytes] = []
    threads = [
        threading.Thread(target=lambda i=i: seen.append(python(f"print({i})").stdout))  # type: ignore[misc]
        for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, seen)) == list(range(12))


def test_no_descriptors_and_no_zombies_are_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        process.run(["true"])
        with pytest.raises(ProcessTimeout):
            process.run(["sleep", "60"], limits=Limits(wall_seconds=0.05))
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_descriptors_of_this_process_are_not_inherited(tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as file:
        seen = python("import os, sys; print(os.path.exists(f'/proc/self/fd/{sys.argv[1]}'))", str(file.fileno()))
    assert seen.stdout == b"False\n" or file.fileno() < 4


def test_stack_limits_are_left_alone() -> None:
    seen = python("import resource; print(resource.getrlimit(resource.RLIMIT_STACK))")
    assert seen.stdout.decode().strip() == str(resource.getrlimit(resource.RLIMIT_STACK))
