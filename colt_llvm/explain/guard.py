"""Does a recipe still give what it promised? For CI: built, checked and measured again, here and now.

The source may have changed, the compiler, the host: what changed is said, and only the figure decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from colt_llvm.core.errors import CompileError, PassError, RecipeError
from colt_llvm.evaluate.builder import baseline_figures
from colt_llvm.evaluate.target import Built, Target, prepare_target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.unrun import verifier_of
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.explain.variants import of_recipe
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import fingerprint
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.objectives.base import RUN_TIME
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import Recipe, differences

#: kept: the promised gain, or more. less: surely less than promised. unsure: this host is too noisy to tell. fails: it
#: does not build, or does something else than the baseline.
State = Literal["kept", "less", "unsure", "fails"]
#: Relative: sizes and counts are exact, and a promise was written with all digits.
_SAME = 1e-9


@dataclass(frozen=True)
class Guarded:
    """What is left of one recipe's gain."""

    recipe: str  #: its file
    state: State  #: kept, less, unsure or fails
    promised: float  #: baseline / tuned, as the recipe says
    promised_low: float  #: lower end of its interval; the ratio itself where it is exact
    ratio: float | None = None  #: baseline / tuned now; None where it fails
    interval: Interval | None = None  #: of ratio, for run times
    detail: str = ""  #: why it fails, or why it cannot be told; of objects that are not run, how they were checked
    changes: tuple[str, ...] = ()  #: of sources, flags, LLVM, host, object code since then


@dataclass(frozen=True)
class GuardOptions:
    """How it is measured."""

    seconds: float = 60.0  #: of wall clock, for run times; the fewest rounds take longer where they have to
    limits: Mapping[str, Any] = field(default_factory=dict)  #: of TuneOptions, in place of those recorded


def guard(
    place: Path, toolchain: Toolchain, program: Program | None = None, options: GuardOptions | None = None
) -> Guarded:
    """Build, check and measure a recipe again.

    place: a recipe.json, or a run directory with one. program: where no run.json beside it names it. Raises
    RecipeError, UsageError where recipe or program cannot be read; CompileError, ProgramError for the baseline.
    """
    options = options or GuardOptions()
    recipe, program, tuned_with = of_recipe(place, program)
    promised, low = _promise(recipe, place)
    found = Guarded(str(place), "fails", promised, low, changes=tuple(_host_changes(recipe)))
    if toolchain.major != recipe.llvm_major:
        detail = f"made with LLVM {recipe.llvm_major}, and this is {toolchain.version}; tune again, or use that LLVM"
        return replace(found, detail=detail)
    target = prepare_target(toolchain, program, replace(tuned_with, risky=True, **options.limits))
    timer = Timer(verifier_of(target))
    try:
        built = target.rebuild(recipe.pipeline)
        changes = (*differences(recipe, program, toolchain, built.objects), *found.changes)
        found = replace(found, changes=changes)
        executable = timer.verifier.link(built.objects, "guarded")
        timer.verifier.check(executable, thorough=True, core=timer.verifier.core, proof=True)
        if target.objective.timed:
            return _by_time(found, target, timer, built, options.seconds)
        figures = baseline_figures(target, target.rebuild(target.baseline.completion.pipeline))
        ratio = math.exp(target.objective.reward(target.objective.measured(built), figures))
        state: State = "kept" if ratio >= promised * (1 - _SAME) else "less"
        return replace(found, state=state, ratio=ratio, detail=timer.verifier.compared.by)
    except (PassError, CompileError, Miscompiled) as error:
        return replace(found, detail=str(error))
    finally:
        timer.verifier.close()


def _promise(recipe: Recipe, place: Path) -> tuple[float, float]:
    try:
        ratio = float(recipe.evidence["ratio"])
        low = float(dict(recipe.evidence.get("interval") or {}).get("low", ratio))
    except (KeyError, TypeError, ValueError):
        raise RecipeError(f"{place}: promises no gain: evidence.ratio is missing; tune again") from None
    return ratio, low


def _by_time(found: Guarded, target: Target, timer: Timer, built: Built, seconds: float) -> Guarded:
    policy = ABTestPolicy(seconds=seconds).with_room(1, timer.run_seconds)
    arms = {"tuned": timer.verifier.link(built.objects, "tuned")}
    control = timer.verifier.link(target.baseline.objects, "control")
    held = ab_test(arms, (timer.verifier.baseline, control), timer.time_together, policy, seed=target.options.seed)
    arm = held.arms[0]
    interval = _scored(arm.interval, target, timer, built)
    found = replace(found, ratio=interval.ratio, interval=interval)
    if held.control.verdict is Verdict.IMPROVED:
        return replace(found, state="unsure", detail="A/A check failed: this host is too noisy now")
    if interval.high < found.promised_low:
        return replace(found, state="less")
    if arm.verdict is Verdict.TOO_NOISY or interval.low < 1 <= found.promised_low:
        return replace(found, state="unsure", detail="the times scatter too much; give it more --time")
    return replace(found, state="kept")


def _scored(times: Interval, target: Target, timer: Timer, built: Built) -> Interval:
    """Of the objective: for ``balanced``, size counts beside the measured time."""
    if target.objective.time_alone:
        return times
    baseline = {**target.objective.measured(target.baseline_built), RUN_TIME: timer.cpu_seconds}

    def score(ratio: float) -> float:
        figures = {**target.objective.measured(built), RUN_TIME: timer.cpu_seconds / ratio}
        return math.exp(target.objective.reward(figures, baseline)) if 0 < ratio < math.inf else ratio

    return replace(times, ratio=score(times.ratio), low=score(times.low), high=score(times.high))


def _host_changes(recipe: Recipe) -> list[str]:
    then, now = recipe.evidence.get("host"), asdict(fingerprint())
    if not isinstance(then, dict):
        return []
    return [f"{name} is {now[name]!r} and was {then[name]!r}" for name in ("cpu", "kernel", "cores")
            if name in then and name in now and then[name] != now[name]]  # fmt: skip
