"""What of a recipe plain clang can be told for a whole file."""

from __future__ import annotations

from collections.abc import Mapping

from colt_llvm.explain.command_line import CommandLine, nearest

RECIPE = (
    "without<licm#2>", "skip<a>(gvn,indvars)", "skip<b>(gvn)", "optsize<*>", "frame-pointer<a;non-leaf>",
    "inline-threshold<50>", "dce", "noinline<a>", "disable-lsr<*>",
)  # fmt: skip


def searched(worth: Mapping[str, float], most: int = 99) -> tuple[CommandLine, float, list[CommandLine]]:
    """worth: of each word that a command line may hold."""
    tried: list[CommandLine] = []

    def reward(line: CommandLine) -> float:
        tried.append(line)
        words = [line.level or "", *(flags[-1] for flags in line.flags), *line.left_out]
        return sum(worth.get(word, 0.0) for word in words)

    line, known = nearest(RECIPE, reward, 0.0, lambda: len(tried) >= most)
    return line, known, tried


def test_what_pays_for_the_whole_file_is_kept_and_what_most_functions_go_without_is_tried_first() -> None:
    line, known, tried = searched({"gvn": 2.0, "licm": 1.0, "indvars": -1.0, "Os": -1.0, "-disable-lsr": 0.5})
    assert line.words == ("-mllvm", "-disable-lsr", "-mllvm", "-opt-disable=gvn,licm")
    assert (line.level, known) == (None, 3.5)
    first = {name: number for number, one in enumerate(tried) for name in one.left_out}
    assert min(number for number, one in enumerate(tried) if "gvn" in one.left_out) < first["licm"]
    assert all("dce" not in one.words and "noinline" not in one.words for one in tried)


def test_a_word_goes_again_where_a_later_one_makes_it_worse() -> None:
    line = CommandLine(level="Os", left_out=("gvn",))
    assert line.toggled(CommandLine(level="Os")) == CommandLine(left_out=("gvn",))
    assert line.toggled(CommandLine(left_out=("gvn",))) == CommandLine(level="Os")

    def reward(one: CommandLine) -> float:
        known = {("Os", ()): 1.5, ("Os", ("-mllvm", "-disable-lsr")): 1.6, (None, ("-mllvm", "-disable-lsr")): 3.0}
        return known.get((one.level, one.words), 0.0)

    assert nearest(RECIPE, reward, 1.0, lambda: False)[0].words == ("-mllvm", "-disable-lsr")


def test_where_nothing_pays_or_time_is_up_nothing_is_said() -> None:
    assert searched({"gvn": -1.0})[0] == CommandLine()
    line, _, tried = searched({"gvn": 1.0}, most=0)
    assert (line, tried) == (CommandLine(), [])
