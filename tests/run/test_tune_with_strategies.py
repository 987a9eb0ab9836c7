"""``tune --strategy``: the same run, journal, resume and proof, whoever proposes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tune_helpers import SOURCE, spawn, trials_of, tune_here

from colt_llvm.cli.main import run
from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.embedded import SPECS as EMBEDDED
from colt_llvm.models.registry import BLIND_SPEC
from colt_llvm.run.asking import members, specs_for, with_earlier_preset, with_preset
from colt_llvm.search.registry import STRATEGIES

QUICK = ("--objective", "instructions", "--seed", "1", "--workers", "1")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "parts.c"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("mcts", "proposed at random to a tree search, no model"),
        ("optuna:RandomSampler", "proposed by optuna search, no model"),
    ],
)
def test_it_tunes_and_says_who_proposed(
    source: Path, capfd: pytest.CaptureFixture[str], strategy: str, said: str
) -> None:
    pytest.importorskip("optuna")
    result = tune_here(capfd, source, *QUICK, "--trials", "4", "--strategy", strategy)
    folder = Path(result["run_directory"])
    assert said in result["notes"]
    assert (result["trials"], result["models"]) == (4, {})
    header = json.loads((folder / "run.json").read_text())
    assert (header["options"]["strategy"], header["models"]) == (strategy, [])
    names = {trial["proposal"]["model"] for trial in trials_of(folder)}
    assert names == {strategy.partition(":")[0]}


def test_what_a_person_sees_needs_no_tree(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", str(source), *QUICK, "--trials", "2", "--strategy", "greedy"]) == 0
    out, err = capfd.readouterr()
    assert "2 trials" in out
    assert "note: proposed by greedy search, no model" in out
    assert "Traceback" not in out + err


def test_a_killed_run_of_a_strategy_goes_on_as_if_nothing_had_been(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = (source, *QUICK, "--strategy", "genetic")
    journal = tmp_path / "killed" / "trials.jsonl"
    child = spawn("tune", *arguments, "--trials", "100000", "--run-dir", "killed", cwd=tmp_path)
    try:
        wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 12, child)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate()
    known = journal.read_bytes().count(b"\n")
    wanted = str(known + 5)
    resumed = tune_here(capfd, "--resume", tmp_path / "killed", "--trials", wanted)
    whole = tune_here(capfd, *arguments, "--trials", wanted, "--run-dir", tmp_path / "whole")
    assert trials_of(tmp_path / "killed") == trials_of(tmp_path / "whole")
    for name in ("verdict", "ratio", "sequence", "trials", "found_at_trial", "notes"):
        assert resumed[name] == whole[name], name


def wait_for(condition: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "never came about"
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)


def test_a_run_from_before_there_were_strategies_is_colts(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tune_here(capfd, source, *QUICK, "--trials", "2", "--models", "blind", "--run-dir", "old")
    header = tmp_path / "old" / "run.json"
    content = json.loads(header.read_text())
    assert content["options"].pop("strategy") == "colt"
    header.write_text(json.dumps(content))
    assert tune_here(capfd, "--resume", tmp_path / "old", "--trials", "3")["trials"] == 3


@pytest.mark.parametrize(
    ("strategy", "models", "preset"),
    [
        ("colt", ["embedded"], "retrieval"),
        ("colt", ["random", "embedded"], "retrieval"),
        ("colt", ["openai", "embedded"], "together"),
        ("colt", ["python"], "paper"),
        ("colt", ["random"], "broad"),
        ("mcts", [], "broad"),
        ("greedy", [], ""),
    ],
)
def test_the_default_preset_is_that_of_who_proposes(strategy: str, models: list[str], preset: str) -> None:
    specs = [ModelSpec(kind, kind, 1.0) for kind in models]
    assert with_preset(TuneOptions(strategy=strategy), specs).preset == preset


def test_policies_are_members_where_language_models_search_together() -> None:
    endpoint = ModelSpec("far", "openai", 7e9)
    options = with_preset(TuneOptions(), [endpoint])
    assert [spec.name for spec in members(options, [endpoint])] == [*EMBEDDED, "far"]
    own = ModelSpec("mine/base", "embedded", 1e5)
    assert members(options, [own, endpoint]) == [own, endpoint], "those that were named"
    assert members(TuneOptions(preset="paper"), [endpoint]) == [endpoint]


def test_a_preset_that_was_chosen_stays() -> None:
    assert with_preset(TuneOptions(preset="paper"), [BLIND_SPEC]).preset == "paper"
    assert with_earlier_preset(TuneOptions(preset="paper"), [BLIND_SPEC]).preset == "paper"


def test_a_run_names_its_preset_and_one_from_before_goes_on_with_the_one_it_had(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def requests(folder: str) -> list[object]:
        return [trial["request"] for trial in trials_of(tmp_path / folder)]

    tune_here(capfd, source, *QUICK, "--trials", "1", "--run-dir", "new")
    assert json.loads((tmp_path / "new" / "run.json").read_text())["options"]["preset"] == "retrieval"

    tune_here(capfd, source, *QUICK, "--preset", "broad", "--trials", "30", "--run-dir", "whole")
    tune_here(capfd, source, *QUICK, "--preset", "broad", "--trials", "14", "--run-dir", "old")
    header = tmp_path / "old" / "run.json"
    content = json.loads(header.read_text())
    content["options"]["preset"] = ""
    header.write_text(json.dumps(content))
    tune_here(capfd, "--resume", tmp_path / "old", "--trials", "30")
    assert requests("old") == requests("whole")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--strategy", "magic"], "use one of colt, mcts, random"),
        (["--strategy", "genetic:fast"], "nevergrad:NAME"),
        (["--strategy", "optuna:"], "nevergrad:NAME"),
        (["--strategy", "genetic", "--models", "embedded/base"], "leave out --models"),
        (["--strategy", "mcts", "--models", "blind"], "leave out --models"),
        (["--strategy", "random", "--max-calls", "5"], "leave out --models and --max-"),
        (["--strategy", "greedy", "--preset", "paper"], "has no tree; leave out --preset"),
        (["--strategy", "nevergrad", "--branching", "3"], "has no tree; leave out --preset"),
    ],
)
def test_what_does_not_go_with_a_strategy_is_refused_in_one_line(
    source: Path, capfd: pytest.CaptureFixture[str], options: list[str], remedy: str
) -> None:
    assert run(["tune", str(source), *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert remedy in err
    assert len(err.splitlines()) == 1
    assert not (source.parent / "colt-runs").exists()


def test_the_help_names_every_strategy(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--help-all"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert all(f"{name}: " in told for name in STRATEGIES)


def test_the_tree_without_models_takes_the_trees_options() -> None:
    assert TuneOptions(strategy="mcts", preset="paper", search={"branching": 3}).search["branching"] == 3


def test_models_named_for_a_strategy_without_are_refused_from_python_too() -> None:
    assert specs_for("random", None) == []
    with pytest.raises(UsageError, match="asks no model"):
        specs_for("random", [BLIND_SPEC])
    assert [spec.name for spec in specs_for("colt", [BLIND_SPEC])] == ["blind"]
