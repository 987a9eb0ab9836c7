"""A recipe without the actions that do not pay: shorter to read, quicker to build, easier to trust.

Sizes and counts are exact: an action goes where the figure is no worse without it. Of a run time an action goes only
where measurement shows that the recipe without it is not slower by more than the tolerance; what cannot be told stays.
The result is proved as a claim is, against the baseline and against the full recipe; else the full recipe is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import RecipeError, UsageError
from colt_llvm.explain.minimize_timed import TIME_RAN_OUT, Reduced, Reducer
from colt_llvm.explain.variants import Variant, Workshop, of_recipe
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.measure.intervals import Interval
from colt_llvm.objectives.base import SIZE, SMALLEST_GAIN, is_gain
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import Recipe, opt_lines
from colt_llvm.run.reduction import reduce_sequence
from colt_llvm.run.results import section_changes

DEFAULT_SECONDS = 120.0
#: Of run times: the smallest gain that a claim rules out, too.
DEFAULT_TOLERANCE = 0.01

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Minimized:
    """recipe: the new one; equal in what it builds to the old one where nothing could go.

    dropped: actions that went, in the order of the old sequence. ratio_before, ratio: baseline / tuned of the full and
    of the new recipe, measured side by side where they are run times, with ``interval`` of the new one.
    against_full: full / new of a run time, above 1 where the new one is faster; None of exact figures.
    complete: no single action more can go; False where time ran out.
    kept_full: the proof failed, so the old recipe stands.
    tried: sequences built. notes: what the user should know.
    """

    recipe: Recipe
    dropped: tuple[str, ...]
    ratio_before: float
    ratio: float
    interval: Interval | None = None
    against_full: Interval | None = None
    complete: bool = True
    kept_full: bool = False
    tried: int = 0
    notes: tuple[str, ...] = ()


def minimize(
    place: Path,
    toolchain: Toolchain,
    program: Program | None = None,
    *,
    seconds: float = DEFAULT_SECONDS,
    tolerance: float | None = None,
    limits: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Minimized:
    """Drop what does not pay.

    place: a recipe.json, or a run directory with one. program: where no run.json beside it names it.
    seconds: of wall-clock time in all; a proof of run time may take longer where its fewest rounds do.
    tolerance: how much worse than the full recipe the result may be, as a share (0.01 is 1%). None: nothing at all for
    exact figures, DEFAULT_TOLERANCE for run times.
    limits: timeout_seconds, memory_bytes and allow_nonzero of TuneOptions, in place of what was recorded.

    Raises UsageError, RecipeError where the recipe does not fit or is no better than the baseline, CompileError,
    ProgramError.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"--time {seconds:g}: use a number above 0")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise UsageError(f"--tolerance {tolerance:g}: use 0 to 1, or 0% to 100%")
    recipe, program, options = of_recipe(place, program)
    options = replace(options, **(limits or {}))
    began = clock()
    with Workshop.of(recipe, program, toolchain, options) as workshop:
        full = workshop.check(workshop.build(recipe.sequence))
        if full.failure:
            raise RecipeError(f"{place}: its own build fails here ({full.failure}: {full.detail}); tune again")
        say = on_step or (lambda text: None)
        if workshop.timed:
            return _timed(workshop, full, DEFAULT_TOLERANCE if tolerance is None else tolerance, say, clock, seconds)
        return _exact(workshop, full, tolerance or 0.0, say, lambda: clock() > began + seconds)


def _exact(workshop: Workshop, full: Variant, tolerance: float, say: OnStep, over: Callable[[], bool]) -> Minimized:
    """By figures that have no noise."""
    start = workshop.reward(full)
    if not is_gain(math.exp(start)):
        raise RecipeError("the recipe is no better than the baseline here and now; tune again")
    floor = max(start + math.log1p(-tolerance), math.log1p(SMALLEST_GAIN))
    best = full
    tried = 0

    def accepts(sequence: tuple[str, ...]) -> bool:
        nonlocal best, floor, tried
        tried += 1
        variant = workshop.build(sequence)
        if variant.failure or workshop.reward(variant) < floor:
            return False
        variant = workshop.check(variant)
        if variant.failure:
            return False
        if not tolerance:
            floor = workshop.reward(variant)  # a smaller figure found on the way is not given back
        best = variant
        say(f"{len(sequence)} of {len(full.sequence)} actions left, ratio {workshop.ratio(variant):.4f}")
        return True

    _, complete = reduce_sequence(full.sequence, accepts, over)
    notes = [] if complete else [TIME_RAN_OUT]
    proved = workshop.prove(best)
    if proved.failure:
        notes.append(f"the full recipe is kept: of {len(best.sequence)} actions alone, {proved.detail}")
        best = full
    ratio = workshop.ratio(best)
    return Minimized(
        _recipe(workshop, best, ratio, workshop.ratio(full), {}), _dropped(full.sequence, best.sequence),
        workshop.ratio(full), ratio, complete=complete, kept_full=bool(proved.failure), tried=tried,
        notes=tuple(notes),
    )  # fmt: skip


def _timed(
    workshop: Workshop, full: Variant, tolerance: float, say: OnStep, clock: Callable[[], float], seconds: float
) -> Minimized:
    reducer = Reducer(workshop, full, tolerance, say, clock)
    found = reducer.run(seconds, clock() + seconds)
    evidence = _evidence_of_times(found)
    return Minimized(
        _recipe(workshop, found.best, found.interval.ratio, found.full_interval.ratio, evidence),
        _dropped(full.sequence, found.best.sequence), found.full_interval.ratio, found.interval.ratio,
        found.interval, found.against_full, found.complete, found.kept_full, reducer.tried, found.notes,
    )  # fmt: skip


def _dropped(full: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
    """What of ``full`` is not in ``kept``, which is a part of it in the same order."""
    dropped = []
    rest = list(kept)
    for action in full:
        if rest and rest[0] == action:
            rest.pop(0)
        else:
            dropped.append(action)
    return tuple(dropped)


def _evidence_of_times(found: Reduced) -> dict[str, Any]:
    held = found.ab_test
    evidence: dict[str, Any] = {
        "interval": _interval(found.interval),
        "host_noise": held.noise.ratio,
        "baseline_seconds": list(held.baseline_seconds),
        "control_seconds": list(held.control.seconds),
        "finalists": {claim.name: {"seconds": list(claim.seconds)} for claim in held.arms},
    }
    if found.against_full is not None:
        evidence["against_full"] = {"ratio": found.against_full.ratio, **_interval(found.against_full)}
    return evidence


def _interval(interval: Interval) -> dict[str, Any]:
    return {"low": interval.low, "high": interval.high, "confidence": interval.confidence, "rounds": interval.rounds}


def _recipe(workshop: Workshop, variant: Variant, ratio: float, full_ratio: float, evidence: dict[str, Any]) -> Recipe:
    """Valid for ``apply`` like any other; says what it was made from."""
    old, built = workshop.recipe, variant.built
    assert built is not None
    return replace(
        old,
        sequence=variant.sequence,
        pipeline=variant.pipeline,
        llvm=workshop.toolchain.version,
        objects=tuple(loaded_digest(data) for data in built.objects),
        opt=opt_lines(workshop.toolchain, workshop.program, old.level, variant.pipeline),
        evidence={
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "by": f"colt-llvm {__version__}",
            "baseline": workshop.baseline.name,
            "ratio": ratio,
            "size": {"baseline": workshop.figures[SIZE], "tuned": built.size},
            "sections": section_changes(workshop.baseline.objects, built.objects),
            "seed": workshop.options.seed,
            "host": asdict(fingerprint()),
            "compared": workshop.judge.compared.to_dict(),
            **evidence,
            "minimized_from": {
                "sequence": list(old.sequence), "objects": list(old.objects), "ratio": full_ratio,
                "made": old.evidence.get("made"), "ratio_then": old.evidence.get("ratio"),
            },
        },
    )  # fmt: skip
