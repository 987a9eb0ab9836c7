"""``colt-llvm prompt``: shows what a model would read, and asks nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from colt_llvm.cli.prompt import command
from colt_llvm.core.errors import UsageError

SOURCE = """
int sum(const int *numbers, int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += numbers[i];
    return total;
}
int main(void) { int few[] = {1, 2, 3}; return sum(few, 3) != 6; }
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "sum.c"
    path.write_text(SOURCE)
    return str(path)


def shown(*arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_prints_both_messages_and_counts_their_tokens(source: str) -> None:
    result = shown(source, "--objective", "size", "--models", "tiny:1e9,huge:1e12")
    system, user = result.stdout.removeprefix("[system]\n").split("\n[user]\n")
    assert "instcombine: " in system
    for part in ("clang -Oz", "without<NAME>", "tiny | 1B", "huge | 1T", "TotalInsts", "ratio 1, ", "seed proposal 1"):
        assert part in user
    assert "tokens of 15360" in result.stderr


def test_shows_a_correction_of_the_last_action(source: str) -> None:
    arguments = ["--objective", "instructions", "--kind", "correct", "--sequence", "gvn,loop-unroll<O3>"]
    text = shown(source, *arguments, "--max-tokens", "6000", "--proposals", "3").stdout
    assert "sequence: gvn\n" in text
    assert "proposed: loop-unroll<O3>" in text
    assert "It holds 3 proposals." in text


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--kind", "correct"], "--sequence"),
        (["--models", "tiny"], "small:7e9"),
        (["--models", "tiny:-1"], "small:7e9"),
        (["--sequence", "polly"], "polly"),
    ],
)
def test_refuses_what_it_cannot_show(arguments: list[str], remedy: str, source: str) -> None:
    with pytest.raises(UsageError, match=remedy):
        shown(source, *arguments)
