"""From the trials of a run to what each action gained at a state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from colt_llvm.run.driver import TrialRecord

MOST_GAIN = 0.08  # of one try: a program that shrinks by a half must not drown the others
LEAST_STATE = -0.1  # reward: tries at states below this teach nothing
_LEAST_MARK = -0.01  # gains are held against the state's reward, or this
_TRIAL_WEIGHT = 0.5  # of a proposal's share, against 1 of a single action that was sampled


@dataclass(frozen=True)
class Try:
    """One action at one state. gain: a log ratio, 0 to MOST_GAIN. weight: of this row against the others."""

    program: str
    objective: str
    held: tuple[str, ...]
    action: str
    gain: float
    weight: float


def gain_of(after: float | None, reward: float) -> float:
    """To climb back to the baseline is no gain: any full pipeline does that."""
    return 0.0 if after is None else min(max(after - max(reward, _LEAST_MARK), 0.0), MOST_GAIN)


def tries_of(
    trials: Iterable[TrialRecord], program: str, objective: str, weight_of: Callable[[str], float] = lambda name: 1.0
) -> Iterator[Try]:
    """The actions of a proposal share its gain. weight_of: how much the word of whoever proposed counts.

    Refined sequences are left out: they say nothing of one action.
    """
    rewards: dict[tuple[str, ...], float] = {(): 0.0}
    keys: set[str | None] = set()
    for trial in trials:
        at, added = trial.request.sequence, trial.proposal.passes
        reward, key = trial.outcome.reward, trial.outcome.key
        if reward is not None:
            rewards.setdefault(at + added, reward)
        here = rewards.get(at, 0.0)
        gain = 0.0 if key in keys else gain_of(reward, here)
        keys.add(key)
        if here < LEAST_STATE or trial.request.kind == "refine":
            continue
        weight = _TRIAL_WEIGHT * weight_of(trial.proposal.model) / len(added) if added else 0.0
        for place, action in enumerate(added):
            yield Try(program, objective, at + added[:place], action, gain / len(added), weight)
