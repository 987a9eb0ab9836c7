"""A recipe without the actions that do not pay: shorter to read, quicker to build, easier to trust.

Sizes and counts are exact: an action goes where the figure is no worse without it. Of a run time an action goes only
where measurement shows that the recipe without it is not slower by more than the tolerance; what cannot be told stays.
The result is proved against the baseline and against the full recipe; else the full recipe is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import RecipeError, UsageError
from colt_llvm.explain.minimize_timed import TIME_RAN_OUT, Reduced, Reducer
from colt_llvm.explain.variants import Variant, Variants, of_recipe
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.measure.intervals import Interval
from colt_llvm.objectives.base import SIZE, SMALLEST_GAIN, is_gain
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import Recipe, opt_lines
from colt_llvm.run.minimizing import reduce_sequence
from colt_llvm.run.results import section_changes

DEFAULT_SECONDS = 120.0
#: Of run times: the smallest gain that a proof rules out, too.
DEFAULT_TOLERANCE = 0.01

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Minimized:
    """A recipe, and what was dropped from it. Run times of the full and of the new one are measured side by side."""

    recipe: Recipe  #: the new one; equal in what it builds to the old one where nothing could go
    dropped: tuple[str, ...]  #: in the order of the old sequence
    ratio_before: float  #: baseline / full
    ratio: float  #: baseline / new
    interval: Interval | None = None  #: of ratio, for run times
    against_full: Interval | None = None  #: full / new, above 1 where the new one is faster; None of exact figures
    complete: bool = True  #: no single action more can go; False where time ran out
    kept_full: bool = False  #: the proof failed, so the old recipe stands
    tried: int = 0  #: sequences built
    notes: tuple[str, ...] = ()  #: what the user should know


@dataclass(frozen=True)
class MinimizeOptions:
    """How long it may take, and what may be lost. Raises UsageError."""

    seconds: float = DEFAULT_SECONDS  #: of wall clock; a proof of run time takes longer where its fewest rounds do
    tolerance: float | None = None  #: share that may be lost; None: 0 for exact figures, else DEFAULT_TOLERANCE
    limits: Mapping[str, Any] = field(default_factory=dict)  #: of TuneOptions, in place of those recorded

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"--time {self.seconds:g}: use a number above 0")
        if self.tolerance is not None and not 0 <= self.tolerance < 1:
            raise UsageError(f"--tolerance {self.tolerance:g}: use 0 to 1, or 0% to 100%")


def minimize(
    place: Path,
    toolchain: Toolchain,
    program: Program | None = None,
    options: MinimizeOptions | None = None,
    on_step: OnStep | None = None,
) -> Minimized:
    """Drop what does not pay.

    place: a recipe.json, or a run directory with one. program: where no run.json beside it names it. on_step: told of
    each step. Raises UsageError, RecipeError where the recipe does not fit or is no better than the baseline,
    CompileError, ProgramError.
    """
    options = options or MinimizeOptions()
    recipe, program, tuned_with = of_recipe(place, program)
    end = time.monotonic() + options.seconds
    with Variants.of(recipe, program, toolchain, replace(tuned_with, **options.limits)) as variants:
        full = variants.check(variants.build(recipe.sequence))
        if full.failure:
            raise RecipeError(f"{place}: its own build fails here ({full.failure}: {full.detail}); tune again")
        say = on_step or (lambda text: None)
        if variants.target.objective.timed:
            return _timed(variants, full, options, say)
        return _exact(variants, full, options.tolerance or 0.0, say, lambda: time.monotonic() > end)


def _exact(variants: Variants, full: Variant, tolerance: float, say: OnStep, over: Callable[[], bool]) -> Minimized:
    """By figures that have no noise."""
    start = variants.reward(full)
    if not is_gain(math.exp(start)):
        raise RecipeError("the recipe is no better than the baseline here and now; tune again")
    floor = max(start + math.log1p(-tolerance), math.log1p(SMALLEST_GAIN))
    best = full
    tried = 0

    def accepts(sequence: tuple[str, ...]) -> bool:
        nonlocal best, floor, tried
        tried += 1
        variant = variants.build(sequence)
        if variant.failure or variants.reward(variant) < floor:
            return False
        variant = variants.check(variant)
        if variant.failure:
            return False
        if not tolerance:
            floor = variants.reward(variant)  # a smaller figure found on the way is not given back
        best = variant
        say(f"{len(sequence)} of {len(full.sequence)} actions left, ratio {variants.ratio(variant):.4f}")
        return True

    _, complete = reduce_sequence(full.sequence, accepts, over)
    notes = [] if complete else [TIME_RAN_OUT]
    proved = variants.prove(best)
    if proved.failure:
        notes.append(f"the full recipe is kept: of {len(best.sequence)} actions alone, {proved.detail}")
        best = full
    ratio = variants.ratio(best)
    return Minimized(
        _recipe(variants, best, ratio, variants.ratio(full), {}), _dropped(full.sequence, best.sequence),
        variants.ratio(full), ratio, complete=complete, kept_full=bool(proved.failure), tried=tried,
        notes=tuple(notes),
    )  # fmt: skip


def _timed(variants: Variants, full: Variant, options: MinimizeOptions, say: OnStep) -> Minimized:
    tolerance = DEFAULT_TOLERANCE if options.tolerance is None else options.tolerance
    reducer = Reducer(variants, full, tolerance, say)
    found = reducer.run(options.seconds, time.monotonic() + options.seconds)
    evidence = _evidence_of_times(found)
    return Minimized(
        _recipe(variants, found.best, found.interval.ratio, found.full_interval.ratio, evidence),
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
        "finalists": {arm.name: {"seconds": list(arm.seconds)} for arm in held.arms},
    }
    if found.against_full is not None:
        evidence["against_full"] = {"ratio": found.against_full.ratio, **_interval(found.against_full)}
    return evidence


def _interval(interval: Interval) -> dict[str, Any]:
    return {"low": interval.low, "high": interval.high, "confidence": interval.confidence, "rounds": interval.rounds}


def _recipe(variants: Variants, variant: Variant, ratio: float, full_ratio: float, evidence: dict[str, Any]) -> Recipe:
    """Valid for ``apply`` like any other; says what it was made from."""
    old, built = variants.recipe, variant.built
    assert built is not None
    return replace(
        old,
        sequence=variant.sequence,
        pipeline=variant.pipeline,
        llvm=variants.target.toolchain.version,
        objects=tuple(loaded_digest(data) for data in built.objects),
        opt=opt_lines(variants.target.toolchain, variants.target.program, old.level, variant.pipeline),
        evidence={
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "by": f"colt-llvm {__version__}",
            "baseline": variants.target.baseline.name,
            "ratio": ratio,
            "size": {"baseline": variants.figures[SIZE], "tuned": built.size},
            "sections": section_changes(variants.target.baseline.objects, built.objects),
            "seed": variants.target.options.seed,
            "host": asdict(fingerprint()),
            "compared": variants.timer.verifier.compared.to_dict(),
            **evidence,
            "minimized_from": {
                "sequence": list(old.sequence), "objects": list(old.objects), "ratio": full_ratio,
                "made": old.evidence.get("made"), "ratio_then": old.evidence.get("ratio"),
            },
        },
    )  # fmt: skip
