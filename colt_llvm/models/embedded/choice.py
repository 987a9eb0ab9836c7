"""From scores to a proposal: what this run has shown is weighed in, and a few actions are drawn. Plain Python.

All randomness comes from the question and the model's name, so the same question has the same answer everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from random import Random
from threading import local

from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.models.question import Question


@dataclass(frozen=True)
class ChoiceOptions:
    """trust: weight of the gain seen in this run against the learned one, 0..1; for objectives without data, 0.9.

    sharpness: weights of the draw are scores to this power; greater is greedier. lengths: how many actions a proposal
    has, drawn from these. pool: the draw is among so many best. floor: score of an action of which nothing good is
    known, as a part of the best score. pipeline: a whole pipeline's score is cut to this part, as it ends all edits.
    """

    trust: float = 0.85
    sharpness: float = 1.5
    lengths: tuple[int, ...] = (1, 1, 2, 2, 3)
    pool: int = 64
    floor: float = 0.01
    pipeline: float = 0.3


#: Passes of the catalogue that are whole pipelines.
PIPELINES = frozenset(
    {
        "default", "thinlto-pre-link", "thinlto", "lto-pre-link", "lto", "function-simplification", "inline-simplify",
        "scc-oz-module-inliner",
    }
)  # fmt: skip

DEFAULTS = ChoiceOptions()
_TRUST_WITHOUT_DATA = 0.9
DIGITS = 7  # scores are rounded, so that the last bits of an exponential or a sum do not decide
_JITTER = 0.25  # of the order in which seeds are tried, from run to run
_MOST_TRIES = 20  # draws until a proposal is new at this state

_of_thread = local()


def generator(question: Question, name: str) -> Random:
    """Seeded by the question; seeding with text gives the same stream on every Python and host.

    It is the thread's own, and good until that asks for the next: a new one would be seeded twice.
    """
    if not hasattr(_of_thread, "random"):
        _of_thread.random = Random()
    random: Random = _of_thread.random
    random.seed(f"{question.seed}/{question.request_id}/{question.kind}/{name}")
    return random


@lru_cache(maxsize=4096)
def is_pipeline(name: str) -> bool:
    """Whether an action is a whole pipeline, after which nothing completes the sequence and edits mean nothing."""
    return name.partition("<")[0] in PIPELINES


_is_edit = lru_cache(maxsize=4096)(is_edit)


def had(question: Question) -> set[tuple[str, ...]]:
    """What was proposed at this state, also by requests in flight."""
    return {attempt.passes for attempt in question.tried}.union(question.proposed)


def barred(question: Question) -> set[str]:
    """Actions that are not proposed at this state: edits that are there or mean nothing, what was tried or rejected.

    Trying one again could only help in company, and breadth pays more.
    """
    held = question.state.sequence
    names = set(question.edits if any(map(is_pipeline, held)) else filter(_is_edit, held))
    names |= {passes[0] for passes in had(question) if len(passes) == 1}
    if question.rejected is not None:
        names |= set(question.rejected.passes)
    return names


def first_action(question: Question, learned: Mapping[str, float], barred: Collection[str], name: str) -> str | None:
    """For a seed: the first in the order of learned gains that was not tried, one further down for each in flight.

    The order is a little shuffled by the run's seed. None where the order has come to its end: a restart.
    """
    shuffled = Random(f"{question.seed}/order/{name}")
    jitter = {action: shuffled.uniform(1.0 - _JITTER, 1.0 + _JITTER) for action in sorted(learned)}
    order = sorted(learned, key=lambda action: (-round(learned[action] * jitter[action], DIGITS), action))
    return next(islice((action for action in order if action not in barred), question.in_flight, None), None)


def choose(
    question: Question, names: Sequence[str], scores: Sequence[float], random: Random, options: ChoiceOptions
) -> list[str]:
    """One to three actions, drawn by score, new at this state where that can be had; none where there are no names.

    names: the pool, best first. scores: theirs.
    """
    if not names:
        return []
    tried = had(question)
    weights = draw_weights(scores, options)
    for _ in range(_MOST_TRIES):
        chosen = of_one_kind(draw(names, weights, min(len(names), random.choice(options.lengths)), random))
        if tuple(chosen) not in tried:
            return chosen
    fresh = (name for name in names if (name,) not in tried)
    return [next(fresh, names[0])]


def draw_weights(scores: Sequence[float], options: ChoiceOptions) -> list[float]:
    """Relative chances: a score to a power, against the best; never 0."""
    best = max(scores)
    if not best > 0:
        return [1.0] * len(scores)
    least, least_weight = options.floor * best, options.floor**options.sharpness
    return [(score / best) ** options.sharpness if score > least else least_weight for score in scores]


def draw(names: Sequence[str], weights: Sequence[float], count: int, random: Random) -> list[str]:
    """``count`` different names, one after another by weight, the better first."""
    left, heavy = list(names), list(weights)
    chosen = []
    for _ in range(count):
        place = random.choices(range(len(left)), heavy)[0]
        chosen.append((-heavy.pop(place), left.pop(place)))
    return [name for _, name in sorted(chosen)]


def of_one_kind(names: Sequence[str]) -> list[str]:
    """Without edits beside a whole pipeline; whichever comes first stays."""
    pipelines = [is_pipeline(name) for name in names]
    if not any(pipelines):
        return list(names)
    first = next(name for name in names if is_edit(name) or is_pipeline(name))
    return [name for name in names if not (is_pipeline(name) if is_edit(first) else is_edit(name))]


def trust_in_run(question: Question, known_objectives: Sequence[str], options: ChoiceOptions) -> float:
    """How much this run counts against the learned part."""
    return options.trust if question.objective in known_objectives else _TRUST_WITHOUT_DATA
