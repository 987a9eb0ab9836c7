"""Training data beside the journals: what single actions bring, at states that greedy walks come through.

Each line of a file is one try: the state's sequence and reward, the action, and the reward after it (null: it failed;
``same``: the code did not change). Walks draw half of their actions by what they brought so far in any program of this
objective, so that good actions are seen often, and all others at least sometimes.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedded_programs import origin

from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.embedded.weights import BUILT
from colt_llvm.program.program import Program
from colt_llvm.training.validation import CachedEvaluator, cached_evaluator

_WIDTH, _DEPTH = 14, 8
_TOLERATED_LOSS = 0.08  # of a step that a walk goes on from all the same


class Gains:
    """Mean gain above 0 of each action so far; new ones count as good."""

    def __init__(self) -> None:
        self._sum: dict[str, float] = defaultdict(lambda: 0.01)
        self._count: dict[str, int] = defaultdict(lambda: 1)

    def note(self, action: str, gain: float) -> None:
        self._sum[action] += max(0.0, gain)
        self._count[action] += 1

    def __call__(self, action: str) -> float:
        return self._sum[action] / self._count[action]


def sample(
    toolchain: Toolchain, programs: Mapping[str, Sequence[Program]], folder: Path, seconds: float, seed: int
) -> None:
    """``seconds`` for each program of each objective; a third for a variant, of which there are many.

    A file that exists is left alone, so this can be run again.
    """
    gains = {objective: Gains() for objective in BUILT}
    for objective, some in programs.items():
        for program in some:
            path = folder / objective / f"{program.name}.jsonl"
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with cached_evaluator(toolchain, program, objective) as bench:
                    draws = random.Random(f"{seed}/{objective}/{program.name}")
                    own = seconds if origin(program.name) == program.name else seconds / 3
                    lines = _walks(bench, gains[objective], draws, time.monotonic() + own)
            except ColtError as error:
                print(f"{program.name}, {objective}: left out: {error}")
                continue
            head = {"program": program.name, "objective": objective, "features": bench.features}
            path.write_text("".join(json.dumps(line) + "\n" for line in [head, *lines]), encoding="utf-8")
            best = max((line["after"] for line in lines if line["after"] is not None), default=0.0)
            print(f"{program.name}, {objective}: {len(lines)} samples, best reward {best:.4f}", flush=True)


def _walks(bench: CachedEvaluator, gains: Gains, draws: random.Random, deadline: float) -> list[dict]:
    lines: list[dict] = []
    while time.monotonic() < deadline:
        sequence: tuple[str, ...] = ()
        for _ in range(_DEPTH):
            here = bench.outcome(sequence)
            found: list[tuple[float, str]] = []
            for action in _some_actions(bench, sequence, gains, draws):
                if time.monotonic() > deadline:
                    break
                after = bench.outcome((*sequence, action))
                same = after.key is not None and after.key == (here.key if sequence else bench.root_key)
                lines.append(
                    {"at": sequence, "reward": here.reward, "action": action, "after": after.reward, "same": same}
                )
                if after.reward is not None:
                    gains.note(action, after.reward - here.reward)
                    if not same:
                        found.append((after.reward - here.reward, action))
            found = [(gain, action) for gain, action in found if gain > -_TOLERATED_LOSS]
            if not found:
                break
            _, action = max(found) if draws.random() < 0.75 else draws.choice(found)
            sequence = (*sequence, action)
    return lines


def _some_actions(bench: CachedEvaluator, sequence: tuple[str, ...], gains: Gains, draws: random.Random) -> list[str]:
    whole = [edit for edit in bench.edits if "#" not in edit]
    places = [edit for edit in bench.edits if "#" in edit]
    every = [*whole, *places, *bench.passes]
    weights = [gains(action) for action in every]
    chosen: dict[str, None] = {}
    while len(chosen) < _WIDTH:
        if draws.random() < 0.5:
            action = draws.choices(every, weights)[0]
        else:
            action = draws.choice(draws.choice((whole, places, bench.passes)))
        if not (is_edit(action) and action in sequence):
            chosen[action] = None
    return list(chosen)
