"""The proof of the whole program with all recipes: checked on every workload, and timed against the baseline."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from colt_llvm.builds.project.options import PROOF_SHARE
from colt_llvm.builds.project.setup import Project
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict, bootstrap_ratio, verdict_of
from colt_llvm.objectives.base import RUN_TIME, SIZE, is_gain
from colt_llvm.program.program import Program

TUNED, BUILT = "tuned", "as-built"
_SHF_ALLOC = 0x2
#: The longest that the A/B test of a stopped run takes.
_STOPPED_SECONDS = 10.0


@dataclass(frozen=True)
class ProjectProof:
    """What is proved of the whole program; fields that are not told here are those of ``ProjectResult``."""

    improved: bool
    ratio: float
    figures: dict[str, tuple[float, float]]
    interval: Interval | None = None
    as_built: Interval | None = None
    as_built_ratio: float | None = None
    wrong: str = ""  # what the tuned program does differently; empty where nothing
    samples: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)


def timer_of(project: Project) -> Timer:
    """The timer that knows what the baseline does on each workload. Raises ProgramError."""
    options = project.options
    whole = Program(project.program, (), workloads=project.workloads, check=options.check)
    core = measuring_core() if options.timed else None
    return Timer(Verifier.of(
        whole, options.unit_options(options.seconds), (), lambda _, place: Path(shutil.copy(project.baseline, place)),
        core,
    ))  # fmt: skip


def prove(project: Project, timer: Timer) -> ProjectProof:
    """Link the program with all that was found, and prove it. Raises NotRepeatable, CompileError."""
    project.run.report("proving the whole program, apart from the search")
    tuned = project.relinker.make(timer.verifier.folder / TUNED)
    return replace(_prove(project, timer, tuned), compared=timer.verifier.compared)


def _prove(project: Project, timer: Timer, tuned: Path) -> ProjectProof:
    figures = {
        SIZE: (_unit_bytes(project, tuned=False), _unit_bytes(project, tuned=True)),
        "program": (loaded_bytes(project.baseline), loaded_bytes(tuned)),
    }
    try:
        timer.verifier.check(tuned, thorough=True, core=timer.verifier.core, proof=True)
    except Miscompiled as error:
        return ProjectProof(False, 1.0, figures, wrong=str(error))
    try:
        if project.as_built is not None:
            timer.verifier.check(project.as_built, thorough=True, core=timer.verifier.core)
    except Miscompiled as error:
        own = f"with the build's own flags the program does something else than at -{project.options.level}"
        return ProjectProof(False, 1.0, figures, notes=(f"{own}: {error}; the build is left as it is",))
    return _time(project, timer, tuned, figures) if project.options.timed else _by_size(project, figures)


def _by_size(project: Project, figures: dict[str, tuple[float, float]]) -> ProjectProof:
    before, after = figures[SIZE]
    built = sum(section_sizes(unit.object).loaded_bytes for unit in project.units)
    note = ""
    if not is_gain(before / after):
        note = f"all objects together are not smaller than at -{project.options.level}"
    elif not is_gain(built / after):
        note = "all objects together are not smaller than with the build's own flags"
    return ProjectProof(
        not note, before / after, figures, as_built_ratio=built / after if project.as_built else None,
        notes=(note,) if note else (),
    )  # fmt: skip


def _time(project: Project, timer: Timer, tuned: Path, figures: dict[str, tuple[float, float]]) -> ProjectProof:
    options = project.options
    seed = int(options.tune.get("seed", 0))
    seconds = options.seconds * PROOF_SHARE
    if project.run.stop.is_set():  # whoever stops a run wants its result soon
        seconds = min(seconds, _STOPPED_SECONDS)
    arms = {TUNED: tuned}
    if project.as_built is not None:
        arms[BUILT] = Path(shutil.copy(project.as_built, timer.verifier.folder / "arm-as-built"))
    control = Path(shutil.copy(project.baseline, timer.verifier.folder / "control"))
    policy = ABTestPolicy(seconds=seconds).with_room(len(arms), timer.run_seconds)
    try:
        held = ab_test(arms, (timer.verifier.baseline, control), timer.time_together, policy, seed=seed)
    except Miscompiled as error:
        return ProjectProof(False, 1.0, figures, wrong=str(error))
    timed = {arm.name: arm for arm in held.arms}
    against_baseline = timed[TUNED]
    notes: tuple[str, ...] = ()
    improved = against_baseline.verdict is Verdict.IMPROVED
    if held.control.verdict is Verdict.IMPROVED:
        improved = False
        notes = ("A/A check failed: this host is too noisy to report a gain; try again when it is idle",)
    elif against_baseline.verdict is Verdict.TOO_NOISY:
        notes = ("the times vary too much to tell; the build is left as it is",)
    as_built: Interval | None = None
    if project.as_built is not None:
        confidence = against_baseline.interval.confidence
        as_built = bootstrap_ratio(timed[BUILT].seconds, against_baseline.seconds, confidence=confidence, seed=seed)
        if verdict_of(as_built, held.noise) is not Verdict.IMPROVED:
            improved = False
            notes = (*notes, "not proven better than the build with its own flags")
    ratio = against_baseline.interval.ratio
    median = sorted(held.baseline_seconds)[len(held.baseline_seconds) // 2]
    samples = {"baseline": held.baseline_seconds, "control": held.control.seconds, "noise": held.noise.ratio,
               **{name: arm.seconds for name, arm in timed.items()}}  # fmt: skip
    return ProjectProof(
        improved, ratio, {RUN_TIME: (median, median / ratio), **figures}, against_baseline.interval, as_built,
        as_built.ratio if as_built else None, samples=samples, notes=notes,
    )  # fmt: skip


def _unit_bytes(project: Project, *, tuned: bool) -> float:
    """Loaded bytes of the program's own objects."""
    total = 0
    for unit in project.units:
        data = project.relinker.objects.get(unit.output, unit.object) if tuned else unit.baseline
        total += section_sizes(data).loaded_bytes
    return float(total)


def loaded_bytes(executable: Path) -> float:
    """Bytes of the sections that are loaded when the program runs; zero-filled ones take none."""
    with open(executable, "rb") as file:
        sections = ELFFile(file).iter_sections()
        return float(sum(s["sh_size"] for s in sections if s["sh_flags"] & _SHF_ALLOC and s["sh_type"] != "SHT_NOBITS"))
