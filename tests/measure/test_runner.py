"""One run: what the program sees, and what is kept of it. Real binaries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from colt_llvm.core.errors import CommandNotFound, OutputLimitExceeded, ProcessTimeout, UsageError
from colt_llvm.core.process import Limits
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.program import Workload

from .conftest import Compile

SHOW = """
    #include <stdio.h>
    #include <stdlib.h>
    #include <unistd.h>
    int main(int argc, char **argv) {
        char cwd[4096];
        printf("%s|%s|%s\\n", argv[0], getenv("LC_ALL"), getcwd(cwd, sizeof cwd));
        for (int i = 1; i < argc; i++) printf("%s\\n", argv[i]);
        fprintf(stderr, "to stderr\\n");
        return argc > 2 ? atoi(argv[2]) : 0;
    }
"""
WRITE = """
    #include <stdio.h>
    int main(int argc, char **argv) {
        if (argc > 1) return 0;
        FILE *f = fopen("out.bin", "wb");
        fwrite("a\\0b", 1, 3, f);
        return fclose(f);
    }
"""
CAT = """
    #include <stdio.h>
    int main(void) { int c; while ((c = getchar()) != EOF) putchar(c); return 0; }
"""


def test_keeps_status_and_both_streams(compile_c: Compile) -> None:
    seen = run_workload(compile_c(SHOW), Workload("w", ("{exe}", "x={exe}", "7")))
    assert seen.status == 7
    assert seen.stdout.splitlines()[1:] == [b"x=../program", b"7"]
    assert seen.stderr == b"to stderr\n"
    assert seen.wall_seconds > 0
    assert seen.cpu_seconds == seen.user_seconds + seen.system_seconds
    assert seen.max_rss_bytes > 100_000


def test_the_program_sees_the_same_name_and_path_length_whatever_its_file(compile_c: Compile, tmp_path: Path) -> None:
    other = tmp_path / "a-much-longer-name-than-the-other"
    other.write_bytes(compile_c(SHOW).read_bytes())
    other.chmod(0o755)
    first, second = (run_workload(file, Workload("w")).stdout.split(b"|") for file in (compile_c(SHOW), other))
    assert first[0] == second[0] == b"../program"
    assert first[1] == b"C"
    assert len(first[2]) == len(second[2])


def test_runs_in_a_fresh_folder_that_is_removed(compile_c: Compile, tmp_path: Path) -> None:
    seen = [run_workload(compile_c(SHOW), Workload("w"), scratch=tmp_path).stdout for _ in range(2)]
    assert seen[0] == seen[1], "of the same name each time, so that a program may print it"
    assert str(tmp_path).encode() in seen[0]
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_removed_after_a_time_out_too(compile_c: Compile, tmp_path: Path) -> None:
    forever = compile_c("int main(void) { for (volatile int i = 0;; i++); }")
    with pytest.raises(ProcessTimeout):
        run_workload(forever, Workload("w"), limits=Limits(wall_seconds=0.2), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_a_file_or_empty(compile_c: Compile, tmp_path: Path) -> None:
    text = tmp_path / "in.txt"
    text.write_bytes(b"one\ntwo")
    assert run_workload(compile_c(CAT), Workload("w", stdin=text)).stdout == b"one\ntwo"
    assert run_workload(compile_c(CAT), Workload("w")).stdout == b""


def test_there_is_no_terminal(compile_c: Compile) -> None:
    source = """
        #include <fcntl.h>
        int main(void) { return open("/dev/tty", O_RDWR) < 0 ? 0 : 1; }
    """
    assert run_workload(compile_c(source), Workload("w")).status == 0


def test_a_crash_is_an_observation(compile_c: Compile) -> None:
    assert run_workload(compile_c("#include <stdlib.h>\nint main(void) { abort(); }"), Workload("w")).status == -6


def test_named_output_files_are_kept(compile_c: Compile) -> None:
    workload = Workload("w", outputs=("out.bin", "other.bin"))
    assert run_workload(compile_c(WRITE), workload).outputs == {"out.bin": b"a\0b", "other.bin": None}


def test_a_file_left_by_an_earlier_run_is_not_this_runs_output(compile_c: Compile, tmp_path: Path) -> None:
    writes = Workload("w", outputs=("out.bin",), cwd=tmp_path)
    assert run_workload(compile_c(WRITE), writes).outputs == {"out.bin": b"a\0b"}
    before = (tmp_path / "out.bin").stat().st_mtime_ns
    idles = Workload("w", ("{exe}", "idle"), outputs=("out.bin",), cwd=tmp_path)
    assert run_workload(compile_c(WRITE), idles).outputs == {"out.bin": None}
    assert (tmp_path / "out.bin").stat().st_mtime_ns == before
    assert run_workload(compile_c(WRITE), writes).outputs == {"out.bin": b"a\0b"}


def test_a_named_working_directory_is_used(compile_c: Compile, tmp_path: Path) -> None:
    seen = run_workload(compile_c(SHOW), Workload("w", cwd=tmp_path))
    assert seen.stdout.strip().endswith(f"|{tmp_path}".encode())


@pytest.mark.parametrize("output", ["/etc/passwd", "../up", "a/../../up"])
def test_outputs_lie_inside_the_working_directory(compile_c: Compile, output: str) -> None:
    with pytest.raises(UsageError, match="inside the working directory"):
        run_workload(compile_c(WRITE), Workload("w", outputs=(output,)))


@pytest.mark.parametrize("missing", [{"stdin": Path("/no/such")}, {"cwd": Path("/no/such")}])
def test_missing_files_of_a_workload_are_named(compile_c: Compile, missing: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="/no/such"):
        run_workload(compile_c(CAT), Workload("w", **missing))  # type: ignore[arg-type]


def test_a_missing_executable_and_too_much_output_are_typed(tmp_path: Path) -> None:
    with pytest.raises(CommandNotFound):
        run_workload(tmp_path / "none", Workload("w"))
    chatter = Workload("w", ("{exe}", "-B", "-c", "print('x' * 100000)"))
    with pytest.raises(OutputLimitExceeded):
        run_workload(Path(sys.executable), chatter, limits=Limits(output_bytes=1000))
