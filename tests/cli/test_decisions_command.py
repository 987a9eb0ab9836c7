"""``colt-llvm decisions``: a person finds the function by its size, its share of the time and its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.explain import whereabouts
from colt_llvm.measure.samples import CannotProfile
from colt_llvm.program.program import Workload

SOURCE = """#include <stdio.h>
static unsigned square(unsigned x) { return x * x + 1; }
__attribute__((noinline)) unsigned cube(unsigned x) {
    unsigned y = 0;
    for (unsigned i = 0; i < x; i++)
        y += square(i) ^ square(x);
    return y;
}
int main(int argc, char **argv) {
    unsigned sum = argc > 1 ? (unsigned)*argv[1] : 7;
    for (unsigned i = 0; i < 4000; i++) sum += cube(sum % 4000);
    printf("%u\\n", sum);
    return argc == 3;
}
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "squares.c").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return "squares.c"


def listed(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, dict[str, object]], str]:
    assert run(["decisions", *arguments, "--json"]) == 0
    out, err = capfd.readouterr()
    return {offer["name"]: offer for offer in json.loads(out)}, err


def test_each_has_its_place_its_bytes_and_its_share(
    source: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "symbol_samples", lambda *_: {"cube": 30, "main": 9, "printf": 1})
    offers, _ = listed(capfd, source)
    square = offers["noinline<square>"]
    assert square["place"] == "squares.c:2"
    assert square["source_name"] == "square"
    assert square["bytes"] == 0, "the baseline inlines it"
    assert square["share"] == 0.0
    assert offers["optsize<cube>"]["share"] == 0.75
    assert int(str(offers["optsize<cube>"]["bytes"])) > 10
    assert str(offers["noinline<cube;square#2>"]["place"]).startswith("squares.c:6:")
    assert str(offers["nounroll<main#1>"]["place"]).startswith("squares.c:11:")
    assert offers["inline-threshold<225>"]["place"] is None
    assert run(["decisions", source]) == 0
    out, _ = capfd.readouterr()
    line = next(line for line in out.splitlines() if line.startswith("optsize<cube>"))
    assert "75.0% of the time" in line
    assert line.endswith("cube, squares.c:3")


def test_where_nothing_can_be_sampled_it_says_so(
    source: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise CannotProfile("perf is not installed")

    monkeypatch.setattr(whereabouts, "symbol_samples", none)
    offers, _ = listed(capfd, source)
    assert offers["optsize<cube>"]["share"] is None
    assert run(["decisions", source]) == 0
    out, err = capfd.readouterr()
    assert "time not measured" in out
    assert "time in functions: not measured (perf is not installed)" in err


def test_the_program_runs_with_the_arguments_that_are_given(
    source: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []

    def sampled(_: object, workload: Workload, *__: object) -> dict[str, int]:
        seen.append(workload.command)
        return {"a": 1}

    monkeypatch.setattr(whereabouts, "symbol_samples", sampled)
    listed(capfd, source, "--args", "x y")
    assert seen == [("{exe}", "x", "y")]
