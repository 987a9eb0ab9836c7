"""What differs between two runs of the program itself is left out, and no more than that."""

from __future__ import annotations

import dataclasses

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.measure.check import OwnCheck
from colt_llvm.measure.compared import Compared, compared
from colt_llvm.measure.difference import differences, with_varying
from colt_llvm.measure.folder_state import FileSeen
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Check, Workload

from .comparing import difference

PLAIN = Observation(0, b"", {}, 0.1, 0.0, 0.1, 1)


def file(content: bytes, mode: int = 0o644) -> FileSeen:
    return FileSeen("file", mode, len(content), content.hex(), content)


def seen(stderr: bytes = b"", stdout: bytes = b"", **files: FileSeen) -> Observation:
    return dataclasses.replace(PLAIN, stderr=stderr, stdout=stdout, files=files)


@pytest.mark.parametrize(
    ("expected", "actual", "line"),
    [
        (seen(b"a\nb\n"), seen(b"a\nc\n"), 'standard error line 2: "c" instead of "b"'),
        (seen(b"a\n"), seen(b""), 'standard error line 1: "" instead of "a"'),
        (seen(x=file(b"1")), seen(x=file(b"2")), 'file x line 1: "2" instead of "1"'),
        (seen(x=file(b"1")), seen(), "file x was not written"),
        (seen(), seen(x=file(b"")), "file x was written"),
        (seen(x=FileSeen("removed")), seen(), "file x was not removed"),
        (seen(x=file(b"1")), seen(x=FileSeen("removed")), "file x is removed instead of a file"),
        (seen(x=file(b"1", 0o755)), seen(x=file(b"1")), "file x has mode 644 instead of 755"),
        (seen(x=FileSeen("link", digest="a")), seen(x=FileSeen("link", digest="b")), "file x leads to b instead of a"),
        (seen(x=FileSeen("file", 0, 9, "f")), seen(x=FileSeen("file", 0, 8, "e")),
         "file x holds something else (8 bytes instead of 9)"),
    ],
)  # fmt: skip
def test_standard_error_and_files_that_nobody_named_are_compared(
    expected: Observation, actual: Observation, line: str
) -> None:
    assert difference(expected, actual) == line
    assert difference(actual, actual) is None


def test_lines_that_vary_by_themselves_are_left_out_and_the_others_are_not() -> None:
    expected = with_varying(seen(b"answer 5\ntook 3 ms\n"), seen(b"answer 5\ntook 4 ms\n"))
    assert difference(expected, seen(b"answer 5\ntook 9 ms\n")) is None
    assert (
        difference(expected, seen(b"answer 6\ntook 9 ms\n"))
        == 'standard error line 1: "answer 6" instead of "answer 5"'
    )


def test_a_figure_that_varies_does_not_hide_the_rest_of_its_line() -> None:
    expected = with_varying(seen(b"answer 5 in   9 ns at 0x7ffe10\n"), seen(b"answer 5 in 123 ns at 0x7ffd20\n"))
    assert difference(expected, seen(b"answer 5 in 77 ns at 0x7ff000\n")) is None
    assert difference(expected, seen(b"answer 6 in 77 ns at 0x7ff000\n")) is not None
    assert difference(expected, seen(b"answer 5 in 77 ns, at 0x7ff000\n")) is not None
    words = with_varying(seen(b"by alice\nok\n"), seen(b"by bob\nok\n"))
    assert difference(words, seen(b"by carol\nok\n")) is None


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (b"took 0.10 s", b"took 0.05 s", True),
        (b"took 100 ms", b"took 50 ms", True),
        (b"took 100ms", b"took 50 ms", False),
        (b"sum 3, took 0.10 seconds", b"sum 3, took 0.05 seconds", True),
        (b"sum 3, took 0.10 s", b"sum 4, took 0.05 s", False),
        (b"answer 10 s", b"answer 5 s", False),
        (b"0.10 spins", b"0.05 spins", False),
        (b"0.10", b"0.05", False),
    ],
)
def test_what_a_run_says_of_its_own_time_need_not_be_the_same(expected: bytes, actual: bytes, same: bool) -> None:
    """Printed to hundredths it does not vary from run to run, and a faster candidate says something else."""
    slow = dataclasses.replace(seen(expected), wall_seconds=0.11)
    fast = dataclasses.replace(seen(actual), wall_seconds=0.06, user_seconds=0.05)
    assert (difference(slow, fast) is None) is same


def test_all_is_left_out_where_lines_do_not_correspond() -> None:
    expected = with_varying(seen(b"...\nok\n", x=file(b"1\0")), seen(b"..\n..\nok\n", x=file(b"2\0")))
    assert difference(expected, seen(b"", x=file(b"3\0"))) is None
    assert difference(expected, seen(b"")) is None, "nor does it count whether it was written"


def test_files_that_have_another_name_each_time_are_left_out() -> None:
    expected = with_varying(seen(a=file(b"1"), log1=file(b"x")), seen(a=file(b"1"), log2=file(b"x")))
    assert difference(expected, seen(a=file(b"1"), log3=file(b"x"))) is None
    assert difference(expected, seen(a=file(b"2"), log3=file(b"x"))) is not None
    once = with_varying(seen(cache=file(b"1")), seen())
    assert difference(once, seen()) is None
    assert difference(once, seen(other=file(b"1"))) == "file other was written"


def test_standard_output_status_and_named_files_stay_strict() -> None:
    first = dataclasses.replace(PLAIN, stdout=b"1\n", outputs={"f": b"1"})
    for other in (dataclasses.replace(first, stdout=b"2\n"), dataclasses.replace(first, outputs={"f": b"2"}),
                  dataclasses.replace(first, status=1)):  # fmt: skip
        assert difference(with_varying(first, other), other) is not None
        assert next(differences(first, other)).strict


@pytest.mark.parametrize(
    ("pattern", "name"), [("log", "log"), ("*.log", "a/b.log"), ("a", "a/b/c"), ("./a/b", "a/b"), ("/t/*", "/t/x")]
)
def test_what_the_user_ignores(pattern: str, name: str) -> None:
    actual = dataclasses.replace(PLAIN, files={name: file(b"x")}, stderr=b"x")
    assert difference(PLAIN, actual, Check(ignore=(pattern, "stderr"))) is None
    assert difference(PLAIN, actual, Check(ignore=(pattern,))) is not None
    assert difference(PLAIN, actual, Check(ignore=("other", "stderr"))) is not None


def test_standard_output_cannot_be_ignored() -> None:
    with pytest.raises(UsageError, match="always compared"):
        Check(ignore=("stdout",))


def said(*observations: Observation, check: Check | None = None, own: OwnCheck | None = None) -> Compared:
    workloads = [Workload(f"w{number}") for number in range(len(observations))]
    return compared(workloads, observations, check or Check(), own)


def test_the_verdict_says_what_was_compared() -> None:
    assert said(PLAIN).text == "only the exit status was compared"
    assert said(seen(stdout=b"1")).text == "compared: exit status, standard output"
    assert said(seen(b"e", b"1", a=file(b""), b=file(b""))).text == (
        "compared: exit status, standard output, standard error, 2 files (a, b)"
    )
    assert said(PLAIN, seen(stdout=b"1")).left_out == ("of workload w0 only the exit status was compared",)
    only = said(seen(b"e"), check=Check(ignore=("stderr",)))
    assert only.text == "only the exit status was compared; left out: standard error, by --ignore"


def test_the_verdict_says_what_was_left_out() -> None:
    expected = with_varying(seen(b"a\n1 s\n", log=file(b"1\0")), seen(b"a\n2 s\n", log=file(b"2\0")))
    found = said(expected)
    assert found.what == ("exit status", "standard error")
    assert found.left_out == (
        "figures in standard error line 2, which differs between the baseline's own runs",
        "1 file (log), which differ between the baseline's own runs",
    )
    assert Compared.from_dict(found.to_dict()) == found


def test_a_time_that_a_run_tells_of_itself_is_said_to_be_left_out() -> None:
    assert said(seen(b"took 0.10 s\n")).left_out == ("the run time that standard error tells",)
    assert not said(seen(b"answer 7 s\n")).left_out


def test_a_check_of_the_callers_own_is_named() -> None:
    own = OwnCheck(lambda run: None, replaces=True)
    assert said(seen(b"e", b"1"), own=own).what == ("exit status", "check <lambda>")
