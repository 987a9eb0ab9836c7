"""Fits and checks how sure the embedded models say that they are (``colt_llvm/models/embedded/policy.py``).

    embedded_confidence.py rows FILE --programs ...   answers of noise-free searches and whether they hit, one a line
    embedded_confidence.py fit FILE                   the constants, by the rows of a file
    embedded_confidence.py check FILE                 what was said against what was seen, in five bins

Only train programs are taken, each with its own row left out of the coreset.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from embedded_programs import origin, train_programs

from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.base import Answer, Prompt
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel, own_rate
from colt_llvm.models.embedded.weights import BUILT, FILE, Weights, read_arrays, weights
from colt_llvm.models.question import Question
from colt_llvm.program.program import resolve_program
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import PRESETS
from colt_llvm.training.validation import cached_evaluator, learning_curve

_WHOLE, _FIRST, _STEP = "whole", "first", "step"


@dataclass
class Row:
    """One answer. kind: whole, first or step. rate: the model's own, smoothed. hit: a new state that is better."""

    program: str
    objective: str
    kind: str
    rate: float
    relative: float
    said: float
    hit: bool = False


class Recorded(EmbeddedModel):
    """Answers as the policy does, and appends a row for each answer."""

    def __init__(self, name: str, program: str, known: Weights, rows: list[Row]) -> None:
        super().__init__(SPECS[name], known=known)
        self._program, self._rows = program, rows
        self._relative: float | None = None

    def _step(self, question: Question) -> tuple[list[str], float | None]:
        passes, self._relative = super()._step(question)
        return passes, self._relative

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        self._relative = None
        question, answer = prompt.question, super().ask(prompt, timeout_seconds)
        kind = _WHOLE if self._relative is None else _FIRST if question.kind == "seed" else _STEP
        rate, said = own_rate(question, self.spec.name), json.loads(answer.text)["confidence"]
        self._rows.append(Row(self._program, question.objective, kind, rate, self._relative or 0.0, said))
        return answer


class Calibration:
    """Says of the last row whether it hit, when its trial is told."""

    def __init__(self, root_key: str, rows: list[Row]) -> None:
        self._rows = rows
        self._rewards: dict[tuple[str, ...], float] = {(): 0.0}
        self._keys = {root_key}

    def __call__(self, trial: TrialRecord) -> None:
        request, proposal, outcome = trial.request, trial.proposal, trial.outcome
        if outcome.reward is None:
            return
        if request.kind != "refine" and outcome.key not in self._keys:
            self._rows[-1].hit = outcome.reward > self._rewards[request.sequence]
        self._keys.add(outcome.key or "")
        self._rewards.setdefault(request.sequence + proposal.passes, outcome.reward)


def without(known: Weights, program: str) -> Weights:
    """The weights without the rows of the coreset that are of the program or made from it."""
    names = str(read_arrays(FILE)["small_programs"]).split("\n")
    places = [place for place, name in enumerate(names) if origin(name) == program]
    coresets = {
        name: replace(core, rewards=np.delete(core.rewards, places, 0), features=np.delete(core.features, places, 0))
        for name, core in known.coresets.items()
    }
    return replace(known, coresets=coresets)


def gather(options: argparse.Namespace) -> None:
    toolchain = find_toolchain()
    for objective in options.objectives:
        for program in options.programs:
            with cached_evaluator(toolchain, resolve_program([program]), objective) as bench:
                for seed in range(1, options.seeds + 1):
                    rows: list[Row] = []
                    models = [Recorded(name, program, without(weights(), program), rows) for name in SPECS]
                    calibration = Calibration(bench.root_key, rows)
                    learning_curve(bench, models, PRESETS["retrieval"], options.trials, seed, observers=[calibration])
                    with options.file.open("a", encoding="utf-8") as file:
                        file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
                    print(
                        f"{objective} {program} {seed}: {sum(row.hit for row in rows)} of {len(rows)} hit", flush=True
                    )


def read(file: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def fit(options: argparse.Namespace) -> None:
    rows = read(options.file)
    whole, steps = [row for row in rows if row.kind == _WHOLE], [row for row in rows if row.kind != _WHOLE]
    odds = {id(row): float(np.log(row.rate / (1 - row.rate))) for row in rows}
    found = logistic(np.array([[1, odds[id(row)]] for row in whole]), np.array([row.hit for row in whole], float))
    print("whole: constant, rate", found.round(2))
    inputs = np.array([[1, odds[id(row)], row.relative, row.kind == _FIRST] for row in steps], float)
    found = logistic(inputs, np.array([row.hit for row in steps], float))
    print("step: constant, rate, relative gain; seed proposal: more", found.round(2))


def logistic(inputs: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """[columns]: by Newton's method; half of the squares of all but the first coefficient count against them."""
    drawn = np.diag([0.0] + [1.0] * (inputs.shape[1] - 1))
    found = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (chance - hits) + drawn @ found
        curve = (inputs.T * (chance * (1 - chance))) @ inputs + drawn
        found = found - np.linalg.solve(curve, slope)
    return found


def check(options: argparse.Namespace) -> None:
    rows = read(options.file)
    print("said from, to: answers, mean said, part that hit")
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        within = [row for row in rows if low <= row.said < low + 0.2]
        if within:
            said, seen = np.mean([row.said for row in within]), np.mean([row.hit for row in within])
            print(f"{low:.1f} {low + 0.2:.1f}: {len(within)} {said:.3f} {seen:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("rows")
    part.add_argument("file", type=Path)
    names = sorted(program.name for program in train_programs())
    part.add_argument("--programs", nargs="+", default=names, choices=names)
    part.add_argument("--objectives", nargs="+", default=list(BUILT), choices=BUILT)
    part.add_argument("--trials", type=int, default=100)
    part.add_argument("--seeds", type=int, default=1)
    part.set_defaults(call=gather)
    for name, call in (("fit", fit), ("check", check)):
        part = parts.add_parser(name)
        part.add_argument("file", type=Path)
        part.set_defaults(call=call)
    options = parser.parse_args()
    options.call(options)


if __name__ == "__main__":
    main()
