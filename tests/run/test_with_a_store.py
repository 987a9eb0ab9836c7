"""``tune --store``: what one run proved is the first that the next one tries, also under other names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tune_helpers import EXACT, SOURCE, trials_of, tune_here

from colt_llvm.decisions.offers import scope_of
from colt_llvm.decisions.store import Store
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import program_from_files
from colt_llvm.run.setup import known_functions
from colt_llvm.search.colt import KNOWN

OPTIONS = (*EXACT, "--trials", "4", "--scopes", "passes,module,function,call", "--store", "store")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parts.c").write_text(SOURCE)
    renamed = SOURCE
    for name in ("weight(", "compare", "mix", "show"):
        renamed = renamed.replace(name, f"own_{name}")
    Path("renamed.c").write_text(renamed)


def known_in(run: str) -> list[list[str]]:
    return [trial["proposal"]["passes"] for trial in trials_of(Path(run)) if trial["proposal"]["model"] == KNOWN]


@pytest.mark.llvm
def test_a_run_begins_with_what_is_known_and_adds_what_it_proved(capfd: pytest.CaptureFixture[str]) -> None:
    target = prepare_target(find_toolchain(), program_from_files(["parts.c"]), TuneOptions("size", store="store"))
    earlier = known_functions(target)
    earlier.keep(("frame-pointer<main;non-leaf>", "alwaysinline<mix>"), {})
    first = tune_here(capfd, "renamed.c", *OPTIONS, "--run-dir", "run")
    (begun,) = known_in("run")
    assert sorted(begun) == ["alwaysinline<own_mix>", "frame-pointer<main;non-leaf>"]
    assert trials_of(Path("run"))[0]["proposal"]["passes"] == begun
    assert json.loads(Path("run/known.json").read_text())["sequences"] == [begun]
    assert "2 functions are known from earlier runs; the first trial has what they found" in first["notes"]
    kept = {scope_of(name) for name in first["sequence"]} & {"function", "call"}
    rows = Store(Path("store")).read(earlier.context, [one.digest for one in earlier.functions.values()])
    assert bool(kept) == any(row.saved for row in rows.values())
    # A run that goes on has what it began with, whatever is known by then, or nothing any more.
    Path("store").write_bytes(b"gone" * 1000)
    again = tune_here(capfd, "--resume", "run", "--trials", "5")
    assert again["trials"] == 5
    assert known_in("run") == [begun]
    assert sum("not a database" in note for note in again["notes"]) == bool(kept)
