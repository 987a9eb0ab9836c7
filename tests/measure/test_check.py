"""What counts as the same behaviour, and which baselines are refused, in words a user can act on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import ProgramError
from colt_llvm.core.process import Limits
from colt_llvm.measure.check import BaselineRuns, verify_baseline
from colt_llvm.measure.lines import same_line, same_number
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Check, Workload

from .comparing import difference
from .conftest import Compile

SEEN = Observation(0, b"one\ntwo\n", {}, 0.1, 0.0, 0.1, 1)
LOOSE = Check(float_tolerance=1e-6)


def seen(stdout: bytes = b"", status: int = 0, **outputs: bytes | None) -> Observation:
    return dataclasses.replace(SEEN, stdout=stdout, status=status, outputs=outputs)


def test_times_do_not_count() -> None:
    assert difference(SEEN, dataclasses.replace(SEEN, user_seconds=9.0)) is None


@pytest.mark.parametrize(
    ("actual", "line"),
    [
        (seen(b"one\ntwo\n", status=3), "ended with exit status 3 instead of exit status 0"),
        (seen(b"one\ntwo\n", status=-11), "ended with SIGSEGV instead of exit status 0"),
        (seen(b"one\ntwp\n"), 'output line 2: "twp" instead of "two"'),
        (seen(b"one\n"), 'output line 2: "" instead of "two"'),
        (seen(b"one\ntwo"), 'output line 3: its end instead of ""'),
        (seen(b"one\ntwo\n\0x"), 'output line 3: "·x" instead of ""'),
    ],
)
def test_the_first_difference_is_told_in_one_line(actual: Observation, line: str) -> None:
    assert difference(SEEN, actual) == line


def test_output_files_are_compared() -> None:
    expected = seen(a=b"1", b=None)
    assert difference(expected, seen(a=b"1", b=None)) is None
    assert difference(expected, seen(a=None, b=None)) == "file a was not written"
    assert difference(expected, seen(a=b"1", b=b"")) == "file b was written"
    assert difference(expected, seen(a=b"2", b=None)) == 'file a line 1: "2" instead of "1"'


def test_long_lines_are_cut_to_the_place_that_differs() -> None:
    line = difference(seen(b"x" * 5000 + b"y"), seen(b"x" * 5000 + b"z"))
    assert line is not None
    assert len(line) < 200
    assert 'z"' in line
    assert 'y"' in line


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([0.0, 1e-6, 0.5]))
def test_any_bytes_can_be_compared(left: bytes, right: bytes, tolerance: float) -> None:
    found = difference(seen(left), seen(right), Check(tolerance))
    assert found is None or "\n" not in found
    assert difference(seen(left), seen(left), Check(tolerance)) is None
    if tolerance == 0:
        assert (found is None) == (left == right)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (b"sum=3.1415926, n=7", b"sum=3.1415927, n=7", True),
        (b"sum=3.1415926, n=7", b"sum=3.1416926, n=7", False),
        (b"sum 3.14", b"sun 3.14", False),
        (b"1.0 2.0", b"1.0", False),
        (b"1e10", b"1.00000001e+10", True),
        (b"checksum 123456789", b"checksum 123456788", False),  # integers have no rounding
        (b"x 1", b"x 0.9999999", True),
        (b"a1.5b", b"a1.6b", False),  # part of a word: no number
        (b"0x1e5", b"0x1e6", False),
        (b"v1.2.3", b"v1.2.4", False),
        (b"nan", b"-nan", True),
        (b"nan(0x1)", b"NaN", True),
        (b"nan", b"1.0", False),
        (b"inf", b"inf", True),
        (b"inf", b"-inf", False),
        (b"inf", b"1e308", False),
        (b"r 1.2e-17", b"r 0.0", True),
        (b"r 1e-5", b"r 2e-5", False),
        (b"[   0.000]", b"[  -0.000]", True),
        (b"[1.0, 2.0]", b"[1.0,2.0]", False),
        (b"1.0\r", b"1.0", True),
        (b"info 1.0", b"nano 1.0", False),
    ],
)
def test_numbers_in_text_may_differ_by_the_tolerance(expected: bytes, actual: bytes, same: bool) -> None:
    assert (difference(seen(expected), seen(actual), LOOSE) is None) is same


@given(st.floats(-1e300, 1e300), st.floats(1e-12, 1e-3))
def test_tolerance_is_relative_and_symmetric(value: float, tolerance: float) -> None:
    near, far = repr(value * (1 + tolerance / 2)).encode(), repr(value * (1 + tolerance * 3)).encode()
    exact = repr(value).encode()
    assert same_number(exact, near, tolerance)
    assert same_number(near, exact, tolerance)
    if abs(value) > 1e-2:
        assert not same_number(exact, far, tolerance)


def test_a_line_of_a_million_digits_takes_no_time() -> None:
    digits = b"7" * 1_000_000 + b"x"
    assert not same_line(digits, digits + b"y", 1e-6)


ECHO = """
    #include <stdio.h>
    int main(int argc, char **argv) { puts(argc > 1 ? argv[1] : "hello"); return argc > 2; }
"""


def verified(executable: Path, *workloads: Workload, **options: object) -> list[Observation]:
    check = options.pop("check", None)
    runs = BaselineRuns(**{"next_second": False, "limits": Limits(wall_seconds=5), **options})  # type: ignore[arg-type]
    return verify_baseline(executable, workloads or [Workload("default")], check, runs=runs)  # type: ignore[arg-type]


def test_a_steady_baseline_is_accepted_workload_by_workload(compile_c: Compile) -> None:
    workloads = [Workload("a", ("{exe}", "x")), Workload("b", ("{exe}", "y"))]
    assert [found.stdout for found in verified(compile_c(ECHO), *workloads)] == [b"x\n", b"y\n"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("int main(void) { __builtin_trap(); }", "default: the baseline dies of SIG.*fix"),
        ("int main(void) { return 3; }", "exit status 3.*allow a nonzero status"),
        (
            '#include <stdio.h>\nint main(void) { fputs("cannot open x\\n", stderr); return 2; }',
            'and says "cannot open x"',
        ),
        ('#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf("%d", getpid()); }', "differs.*line 1"),
        ('#include <stdio.h>\nint main(void) { int x; printf("at %p", (void *)&x); }', "seems to print an address"),
        (
            "#include <stdio.h>\n#include <time.h>\nint main(void) { struct timespec t; clock_gettime(0, &t); "
            'printf("took %ld ns", t.tv_nsec); }',
            "seems to print a time",
        ),
        ('#include <stdio.h>\nint main(void) { for (;;) puts("more input?"); }', "prints more than.*as a file"),
    ],
)
def test_refuses_what_cannot_be_verified_and_says_what_to_do(compile_c: Compile, source: str, words: str) -> None:
    with pytest.raises(ProgramError, match=words) as caught:
        verified(compile_c(source), limits=Limits(wall_seconds=20, output_bytes=100_000))
    assert "\n" not in str(caught.value)


def test_refuses_a_program_that_never_ends(compile_c: Compile) -> None:
    forever = compile_c("int main(void) { for (volatile int i = 0;; i++); }")
    with pytest.raises(ProgramError, match=r"never ends within 0\.3 s; give --run a smaller input or raise --timeout"):
        verified(forever, limits=Limits(wall_seconds=0.3))


def test_the_clocks_second_as_a_seed_is_found_out(compile_c: Compile) -> None:
    source = '#include <stdio.h>\n#include <time.h>\nint main(void) { printf("%ld", (long)time(0)); }'
    with pytest.raises(ProgramError, match="differs from run to run"):
        verified(compile_c(source), next_second=True)


def test_a_steady_nonzero_status_is_accepted_on_request_and_a_crash_never(compile_c: Compile) -> None:
    assert verified(compile_c("int main(void) { return 3; }"), allow_nonzero=True)[0].status == 3
    with pytest.raises(ProgramError, match="SIGABRT"):
        verified(compile_c("#include <stdlib.h>\nint main(void) { abort(); }"), allow_nonzero=True)


def test_known_output_is_held_against_the_baseline(compile_c: Compile, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    known.write_text("hello\n")
    verified(compile_c(ECHO), Workload("w", expected_stdout=known))
    known.write_text("hallo\n")
    with pytest.raises(ProgramError, match='wrong output, output line 1: "hello" instead of "hallo"'):
        verified(compile_c(ECHO), Workload("w", expected_stdout=known))
    with pytest.raises(ProgramError, match="cannot be read"):
        verified(compile_c(ECHO), Workload("w", expected_stdout=tmp_path / "none"))


def test_the_float_tolerance_holds_for_the_baseline_too(compile_c: Compile, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    known.write_text("1.00000001\n")
    workload = Workload("w", ("{exe}", "1.0"), expected_stdout=known)
    verified(compile_c(ECHO), workload, check=LOOSE)
    with pytest.raises(ProgramError, match="float tolerance"):
        verified(compile_c(ECHO), workload)
