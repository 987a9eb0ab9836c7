"""What each action of a recipe contributes: the recipe without it, built, checked and measured.

An ablation: every action is left out in turn, the others stay. Two actions that each make up for the other both show
nothing; ``minimize`` drops them one after another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RecipeError, RunDirectoryError
from colt_llvm.core.files import write_json
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.explain.variants import Variant, Variants, of_recipe
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import fingerprint
from colt_llvm.measure.intervals import bootstrap_ratio
from colt_llvm.program.program import Program

FILE_NAME = "contributions.json"
KIND, VERSION = "colt-llvm contributions", 1
#: Fewer rounds give intervals that say nothing; actions for which there is no time are left unmeasured.
_LEAST_ROUNDS = 8
_CONFIDENCE = 0.95
_FULL = "full"

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Contribution:
    """One action left out."""

    action: str
    position: int  #: in the recipe's sequence, from 0
    ratio: float | None = None  #: baseline / the recipe without it, in the objective's figure; None: not known
    interval: tuple[float, float] | None = None  #: of ratio, for run times
    factor: float | None = None  #: how many times better the recipe is with it, above 1 where it pays
    factor_interval: tuple[float, float] | None = None  #: for run times
    no_effect: bool = False  #: the object code is the same without it, so nothing was measured
    checked: bool = False  #: the recipe without it passed every workload
    failure: str = ""  #: why there is no ratio; "" where there is one
    figures: Mapping[str, float] = field(default_factory=dict)  #: sizes and counts without it, by name


@dataclass(frozen=True)
class Contributions:
    """All of a recipe, in the order of its sequence."""

    sequence: tuple[str, ...]
    objective: str
    ratio: float  #: of the whole recipe, measured beside them
    interval: tuple[float, float] | None  #: of ratio, for run times
    actions: tuple[Contribution, ...]
    confidence: float = _CONFIDENCE  #: of each interval by itself
    rounds: int = 0  #: of timing; 0 where nothing was timed
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.actions)

    def __len__(self) -> int:
        return len(self.actions)


def contributions(
    place: Path,
    toolchain: Toolchain,
    program: Program | None = None,
    *,
    seconds: float = 60.0,
    save: bool = True,
    on_step: OnStep | None = None,
) -> Contributions:
    """Leave out each action of a recipe in turn.

    place: a run directory, or a recipe with its ``program``. seconds: of wall-clock time for timing, where run time
    is the objective; else nothing is timed. save: write contributions.json beside the recipe.
    on_step: called with (actions done, all actions) as variants are built.

    Raises RecipeError, UsageError, CompileError, ProgramError, RunDirectoryError.
    """
    recipe, program, options = of_recipe(place, program)
    with Variants.of(recipe, program, toolchain, options) as variants:
        full = variants.check(variants.build(recipe.sequence))
        without = []
        for index in range(len(recipe.sequence)):
            shorter = recipe.sequence[:index] + recipe.sequence[index + 1 :]
            without.append(_checked(variants, full, shorter))
            if on_step:
                on_step(index + 1, len(recipe.sequence))
        found = (_timed if variants.target.objective.timed else _exact)(variants, full, without, seconds)
    if save:
        folder = place if place.is_dir() else place.parent
        head = {"kind": KIND, "version": VERSION, "llvm": toolchain.version, "host": asdict(fingerprint())}
        write_json(folder / FILE_NAME, {**head, **asdict(found)})
    return found


def read_contributions(folder: Path) -> Contributions | None:
    """What was written before; None where nothing was. Raises RunDirectoryError for a damaged file."""
    file = folder / FILE_NAME
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({error}); remove it, and it is measured again") from None
    try:
        if data["kind"] != KIND or data["version"] != VERSION:
            raise ValueError(f"{data['kind']} {data['version']}")
        return Contributions(
            sequence=tuple(map(str, data["sequence"])),
            objective=str(data["objective"]),
            ratio=float(data["ratio"]),
            interval=_pair(data["interval"]),
            actions=tuple(_contribution(item) for item in data["actions"]),
            confidence=float(data["confidence"]),
            rounds=int(data["rounds"]),
            notes=tuple(map(str, data["notes"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{file}: is damaged ({error}); remove it, and it is measured again") from None


def _contribution(item: Mapping[str, Any]) -> Contribution:
    pairs = {name: _pair(item[name]) for name in ("interval", "factor_interval")}
    return Contribution(**{**item, **pairs})


def _pair(value: Sequence[float] | None) -> tuple[float, float] | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _checked(variants: Variants, full: Variant, sequence: tuple[str, ...]) -> Variant:
    variant = variants.build(sequence)
    return replace(full, sequence=sequence) if variant.key == full.key else variants.check(variant)


def _draft(variants: Variants, full: Variant, index: int, variant: Variant) -> Contribution:
    return Contribution(
        action=variants.recipe.sequence[index],
        position=index,
        no_effect=variant.key == full.key and not variant.failure,
        checked=variant.checked,
        failure=f"{variant.failure}: {variant.detail}" if variant.failure else "",
        figures=dict(variant.built.figures) if variant.built else {},
    )


def _exact(variants: Variants, full: Variant, without: Sequence[Variant], seconds: float) -> Contributions:
    """Figures that have no noise."""
    del seconds
    ratio = variants.ratio(full)
    actions = []
    for index, variant in enumerate(without):
        draft = _draft(variants, full, index, variant)
        if not draft.failure:
            draft = replace(draft, ratio=variants.ratio(variant), factor=ratio / variants.ratio(variant))
        actions.append(draft)
    return Contributions(variants.recipe.sequence, variants.target.objective.name, ratio, None, tuple(actions))


def _timed(variants: Variants, full: Variant, without: Sequence[Variant], seconds: float) -> Contributions:
    """All in one A/B test, so that a drift of the host meets all of them. Equal objects are one arm."""
    timer = variants.timer
    assert full.executable is not None
    arms: dict[str, Path] = {_FULL: full.executable}
    policy = ABTestPolicy(seconds=seconds, min_rounds=_LEAST_ROUNDS)
    left_out = 0
    for variant in without:
        if variant.failure or variant.key == full.key or variant.key in arms or variant.executable is None:
            continue
        if policy.least_seconds(len(arms) + 1, timer.run_seconds) > seconds and len(arms) > 1:
            left_out += 1
            continue
        arms[variant.key] = variant.executable
    control = timer.verifier.link(variants.target.baseline.objects, "control")
    try:
        baselines, seed = (timer.verifier.baseline, control), variants.target.options.seed
        held = ab_test(arms, baselines, timer.time_together, policy, seed=seed)
    except Miscompiled as error:
        # Seen late, as it does not show each time: without that arm, all is measured anew.
        wrong = [variant for variant in without if variant.executable == error.executable]
        if not wrong or wrong[0].key == full.key:
            raise RecipeError(f"the recipe's own build does something else: {error}; tune again") from error
        failed = [
            replace(variant, failure="miscompile", detail=str(error)) if variant.key == wrong[0].key else variant
            for variant in without
        ]
        return _timed(variants, full, failed, seconds)
    times = {arm.name: arm.seconds for arm in held.arms}

    def measured(arm: str, against: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
        interval = bootstrap_ratio(against, times[arm], confidence=_CONFIDENCE, seed=variants.target.options.seed)
        known = math.isfinite(interval.high) and interval.low > 0
        return interval.ratio, (interval.low, interval.high) if known else None

    def scored(variant: Variant, against: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
        arm = _FULL if variant.key == full.key else variant.key
        ratio, interval = measured(arm, against)
        low_high = interval and (variants.ratio(variant, interval[0]), variants.ratio(variant, interval[1]))
        return variants.ratio(variant, ratio), low_high

    whole, whole_interval = scored(full, held.baseline_seconds)
    # With ``balanced`` the sizes of both count in the factor too; a ratio of 1 leaves them alone.
    actions = []
    for index, variant in enumerate(without):
        draft = _draft(variants, full, index, variant)
        if draft.no_effect:
            draft = replace(draft, ratio=whole, interval=whole_interval, factor=1.0)
        elif not draft.failure and variant.key in times:
            ratio, interval = scored(variant, held.baseline_seconds)
            factor, factor_interval = scored(variant, times[_FULL])
            still = variants.ratio(full)
            draft = replace(
                draft, ratio=ratio, interval=interval, factor=still / factor,
                factor_interval=factor_interval and (still / factor_interval[1], still / factor_interval[0]),
            )  # fmt: skip
        elif not draft.failure:
            draft = replace(draft, failure="not measured: no time was left; give more seconds")
        actions.append(draft)
    notes = []
    if left_out:
        notes.append(f"{left_out} of {len(without)} actions were not measured for lack of time")
    if held.control.verdict.value == "improved":
        notes.append("A/A check failed: this host is too noisy now to tell what an action contributes")
    return Contributions(
        variants.recipe.sequence, variants.target.objective.name, whole, whole_interval, tuple(actions),
        rounds=len(held.orders), notes=tuple(notes),
    )  # fmt: skip
