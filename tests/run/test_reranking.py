"""Which trials of a timed search become finalists: those that looked best are timed once more, here without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from colt_llvm.core.errors import PassError
from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.measure.intervals import Verdict
from colt_llvm.objectives.base import Objective
from colt_llvm.run.proof import MOST_CANDIDATES, Finalist, Proof, Prover, Reranking, ranked, seconds_for
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import Proposal, Request

BASELINE_SECONDS = 1.0


def trial(number: int, name: str, reward: float | None, key: str = "") -> TrialRecord:
    request = Request(number, 0, (), "m", "seed")
    outcome = Evaluation(
        reward, key or name, None if reward is not None else "miscompile", {"size": 1.0, "runtime": 1.0}
    )
    return TrialRecord(request, Proposal((name,), "m", "m"), outcome, 0.0, False)


class FakeTimer:
    """Takes the seconds given for each executable; what has none is wrong. The clock is the sum."""

    run_seconds = BASELINE_SECONDS
    verifier = property(lambda self: self)

    def __init__(self, folder: Path, seconds: dict[str, float]) -> None:
        self.baseline = folder / "baseline"
        self.seconds = {"baseline": BASELINE_SECONDS, **seconds}
        self.runs: Counter[str] = Counter()
        self.now = 0.0

    def time(self, executable: Path) -> float:
        name = executable.read_text() if executable.exists() else executable.name
        self.runs[name] += 1
        self.now += self.seconds.get(name, 0.1)
        if name not in self.seconds:
            raise Miscompiled(f"{name} prints something else")
        return self.seconds[name]

    def outcomes(self, executables: Sequence[Path]) -> list[float | Miscompiled]:
        found: list[float | Miscompiled] = []
        for executable in executables:
            try:
                found.append(self.time(executable))
            except Miscompiled as error:
                found.append(error)
        return found


def hold(
    folder: Path, trials: list[TrialRecord], seconds: dict[str, float], budget: float = 1e6
) -> tuple[list[str], dict[str, float], dict[str, str], FakeTimer]:
    timer = FakeTimer(folder, seconds)
    rejected: dict[str, str] = {}

    def build(trial: TrialRecord, name: str) -> Path:
        (passes,) = trial.sequence
        if passes == "unbuildable":
            raise PassError("no such pass")
        (folder / name).write_text(passes)
        return folder / name

    reranking = Reranking(timer, build, lambda trial, ratio: ratio, 0, lambda: timer.now)  # type: ignore[arg-type]
    order, shown = reranking.order(trials, budget, rejected)
    return [trial.sequence[0] for trial in order], shown, rejected, timer


def test_the_order_is_that_of_the_new_times(tmp_path: Path) -> None:
    trials = [trial(0, "lucky", 0.3), trial(1, "fair", 0.2), trial(2, "fast", 0.1)]
    order, shown, rejected, _ = hold(tmp_path, trials, {"lucky": 1.0, "fair": 0.9, "fast": 0.5})
    assert order == ["fast", "fair", "lucky"]
    assert shown == {"lucky": pytest.approx(1.0), "fair": pytest.approx(1 / 0.9), "fast": pytest.approx(2.0)}
    assert not rejected


def test_those_that_took_no_part_stay_behind_in_their_order(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(MOST_CANDIDATES + 3)]
    trials = [trial(number, name, 1.0 - 0.01 * number) for number, name in enumerate(names)]
    seconds = {name: 1.0 - 0.01 * number for number, name in enumerate(names)}
    order, shown, _, timer = hold(tmp_path, trials, seconds)
    assert order == [*reversed(names[:MOST_CANDIDATES]), *names[MOST_CANDIDATES:]]
    assert len(shown) == MOST_CANDIDATES
    assert names[-1] not in timer.runs


def test_what_is_wrong_or_cannot_be_built_is_left_out_with_its_reason_and_run_once(tmp_path: Path) -> None:
    trials = [trial(0, "wrong", 0.3), trial(1, "unbuildable", 0.2), trial(2, "fine", 0.1)]
    order, shown, rejected, timer = hold(tmp_path, trials, {"fine": 0.9})
    assert order == ["fine"]
    assert list(shown) == ["fine"]
    assert rejected == {"wrong": "wrong prints something else", "unbuildable": "no such pass"}
    assert timer.runs["wrong"] == 1
    assert timer.runs["fine"] > 1


def test_a_baseline_that_turns_wrong_is_no_candidates_fault(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path, {"fine": 0.9})
    del timer.seconds["baseline"]
    (tmp_path / "fine").write_text("fine")
    reranking = Reranking(timer, lambda trial, name: tmp_path / "fine", lambda trial, ratio: ratio, 0,  # type: ignore[arg-type]
                          lambda: timer.now)  # fmt: skip
    with pytest.raises(Miscompiled, match="baseline prints"):
        reranking.order([trial(0, "fine", 0.1)], 1e6, {})


def test_no_executable_is_left(tmp_path: Path) -> None:
    hold(tmp_path, [trial(0, "a", 0.3), trial(1, "wrong", 0.2)], {"a": 1.0})
    assert not list(tmp_path.iterdir())


def test_takes_a_share_of_the_seconds_where_more_can_take_part_than_the_ab_test_holds() -> None:
    many = [trial(number, f"p{number}", 0.1) for number in range(20)]
    assert seconds_for(many, lambda seconds: 3, 60.0, 0.1) == pytest.approx(18.0)
    assert seconds_for(many[:4], lambda seconds: 3, 60.0, 0.1) == pytest.approx(18.0)
    assert seconds_for(many[:3], lambda seconds: 3, 60.0, 0.1) == 0.0
    assert seconds_for(many, lambda seconds: 3, 60.0, 1.0) == 0.0  # 18 runs: one candidate, seven times
    assert seconds_for([], lambda seconds: 1, 60.0, 0.1) == 0.0


def test_ranked_has_each_object_code_once_where_its_best_is() -> None:
    trials = [trial(0, "a", 0.1, "x"), trial(1, "b", 0.2, "y"), trial(2, "c", 0.3, "x"), trial(3, "d", None, "z"),
              trial(4, "e", -0.1, "w"), trial(5, "f", 0.3, "x")]  # fmt: skip
    assert [trial.request.id for trial in ranked(trials)] == [2, 1]


class Rehearsal(Prover):
    """A prover whose builds are files and whose A/B test is named, not held."""

    tested: list[str]
    test_seconds = 0.0

    def _affordable(self, seconds: float) -> int:
        return 2

    def _built(self, sequence: tuple[str, ...], name: str) -> Any:
        place = self.timer.baseline.parent / name
        place.write_text(sequence[0])
        return "", None, place

    def _rebuild(self, trial: TrialRecord, name: str) -> Any:
        return trial

    def _time(self, finalists: Any, seconds: float, rejected: Any) -> Proof:
        self.tested = [trial.sequence[0] for trial in finalists]
        self.test_seconds = seconds
        return Proof(Verdict.NO_IMPROVEMENT, rejected=rejected)


def rehearse(folder: Path, trials: list[TrialRecord], objective: Objective, seconds: float) -> tuple[Rehearsal, Proof]:
    timer = FakeTimer(folder, {"lucky": 1.0, "fair": 0.9, "fast": 0.5})
    target = SimpleNamespace(objective=objective)
    prover = Rehearsal(target, timer, {"runtime": 1.0, "size": 1.0}, None, clock=lambda: timer.now)  # type: ignore[arg-type]
    return prover, prover.prove(trials, seconds)


TRIALS = [trial(0, "lucky", 0.3), trial(1, "fair", 0.2), trial(2, "fast", 0.1), trial(3, "wrong", 0.05)]


def test_the_proof_is_of_those_that_the_reranking_has_first_in_the_time_that_is_left(tmp_path: Path) -> None:
    prover, proof = rehearse(tmp_path, TRIALS, Objective("runtime"), 200.0)
    assert prover.tested == ["fast", "fair"]
    assert prover.test_seconds == pytest.approx(140.0)
    assert list(proof.reranking) == ["lucky", "fair", "fast"]
    assert proof.rejected == {"wrong": "wrong prints something else"}


def test_without_time_for_a_reranking_the_proof_is_of_those_that_looked_best_in_all_of_the_time(tmp_path: Path) -> None:
    prover, proof = rehearse(tmp_path, TRIALS, Objective("runtime"), 30.0)
    assert prover.tested == ["lucky", "fair"]
    assert prover.test_seconds == 30.0
    assert not proof.reranking


class LateTimer(FakeTimer):
    """``late`` does something else in its fourth run, ``slow`` and the baseline never."""

    program_seconds = 0.0

    def link(self, objects: object, name: str) -> Path:
        return self.baseline.parent / name

    def why_in_turn(self, count: int) -> str:
        return ""

    def time_together(self, executables: Sequence[Path]) -> list[float]:
        for executable in executables:
            self.runs[executable.name] += 1
            if executable.name == "late" and self.runs["late"] > 3:
                raise Miscompiled("prints something else", executable, {"workload": "default"})
        return [self.seconds.get(executable.name, BASELINE_SECONDS) for executable in executables]


@pytest.mark.parametrize("names", [["late", "fine"], ["late"]])
def test_a_finalist_that_is_wrong_in_the_ab_test_costs_itself_alone(tmp_path: Path, names: list[str]) -> None:
    timer = LateTimer(tmp_path, {"late": 0.01, "fine": 0.05})
    finalists = [
        Finalist(trial(number, name, 0.1), (name,), "", None, tmp_path / name)  # type: ignore[arg-type]
        for number, name in enumerate(names)
    ]
    target = SimpleNamespace(objective=Objective("runtime"), baseline=SimpleNamespace(objects=()))
    prover = Prover(target, timer, {"runtime": 1.0}, None)  # type: ignore[arg-type]
    rejected: dict[str, str] = {}
    proof = prover._time(finalists, 0.1, rejected)
    assert rejected == {"late": "prints something else"}
    assert (proof.winner and proof.winner.sequence) == (("fine",) if "fine" in names else None)
