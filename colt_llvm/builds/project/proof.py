"""The whole program with all recipes, against the mark: checked on every workload, and timed apart from the search."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from colt_llvm.builds.project.setup import Project
from colt_llvm.evaluate.judge import Judge, Miscompiled
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict, bootstrap_ratio, verdict_of
from colt_llvm.objectives.base import RUN_TIME, SIZE, is_gain
from colt_llvm.program.program import Program

TUNED, BUILT = "tuned", "as-built"
_SHF_ALLOC = 0x2


@dataclass(frozen=True)
class ProjectProof:
    """See ``ProjectResult`` for the fields. wrong: what the tuned program does differently; empty where nothing."""

    improved: bool
    ratio: float
    figures: dict[str, tuple[float, float]]
    interval: Interval | None = None
    as_built: Interval | None = None
    as_built_ratio: float | None = None
    wrong: str = ""
    samples: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)


def judge_of(project: Project, options: TuneOptions) -> Judge:
    """Knows what the mark does on each workload. Raises ProgramError."""
    whole = Program(project.program, (), workloads=project.workloads, check=project.options.check)
    core = measuring_core() if project.options.timed else None
    return Judge.of(
        project.toolchain, whole, options, (), core, lambda _, place: Path(shutil.copy(project.mark, place))
    )


def prove(project: Project, judge_: Judge, tuned: Path, seconds: float, seed: int) -> ProjectProof:
    """``seconds``: for timing. The program at ``tuned`` has to be in the judge's folder. Raises NotRepeatable."""
    proof = _prove(project, judge_, tuned, seconds, seed)
    return replace(proof, compared=judge_.compared)


def _prove(project: Project, judge_: Judge, tuned: Path, seconds: float, seed: int) -> ProjectProof:
    figures = {
        SIZE: (_unit_bytes(project, tuned=False), _unit_bytes(project, tuned=True)),
        "program": (loaded_bytes(project.mark), loaded_bytes(tuned)),
    }
    try:
        judge_.check(tuned, thorough=True, core=judge_.core, proof=True)
    except Miscompiled as error:
        return ProjectProof(False, 1.0, figures, wrong=str(error))
    try:
        if project.as_built is not None:
            judge_.check(project.as_built, thorough=True, core=judge_.core)
    except Miscompiled as error:
        own = f"with the build's own flags the program does something else than at -{project.options.level}"
        return ProjectProof(False, 1.0, figures, notes=(f"{own}: {error}; the build is left as it is",))
    built_bytes = sum(section_sizes(unit.object).loaded_bytes for unit in project.units)
    if not project.options.timed:
        ratio, against = figures[SIZE][0] / figures[SIZE][1], built_bytes / figures[SIZE][1]
        notes = []
        if not is_gain(ratio):
            notes.append(f"all objects together are not smaller than at -{project.options.level}")
        elif not is_gain(against):
            notes.append("all objects together are not smaller than with the build's own flags")
        as_built_ratio = against if project.as_built else None
        return ProjectProof(not notes, ratio, figures, as_built_ratio=as_built_ratio, notes=tuple(notes))
    return _time(project, judge_, tuned, seconds, seed, figures)


def _time(
    project: Project, judge_: Judge, tuned: Path, seconds: float, seed: int, figures: dict[str, tuple[float, float]]
) -> ProjectProof:
    arms = {TUNED: tuned}
    if project.as_built is not None:
        arms[BUILT] = Path(shutil.copy(project.as_built, judge_.folder / "arm-as-built"))
    control = Path(shutil.copy(project.mark, judge_.folder / "control"))
    policy = ABTestPolicy(seconds=seconds).with_room(len(arms), judge_.run_seconds)
    try:
        held = ab_test(arms, (judge_.baseline, control), judge_.time_together, policy, seed=seed)
    except Miscompiled as error:
        return ProjectProof(False, 1.0, figures, wrong=str(error))
    claims = {claim.name: claim for claim in held.arms}
    tuned_claim = claims[TUNED]
    notes: tuple[str, ...] = ()
    improved = tuned_claim.verdict is Verdict.IMPROVED
    if held.control.verdict is Verdict.IMPROVED:
        improved, notes = False, ("the mark beat itself: this host is too noisy now for any claim",)
    elif tuned_claim.verdict is Verdict.TOO_NOISY:
        notes = ("the times scatter too much to tell; the build is left as it is",)
    as_built: Interval | None = None
    if project.as_built is not None:
        as_built = bootstrap_ratio(
            claims[BUILT].seconds, tuned_claim.seconds, confidence=tuned_claim.interval.confidence, seed=seed
        )
        if verdict_of(as_built, held.noise) is not Verdict.IMPROVED:
            improved = False
            notes = (*notes, "not proven better than the build with its own flags")
    middle = sorted(held.baseline_seconds)[len(held.baseline_seconds) // 2]
    figures = {RUN_TIME: (middle, middle / tuned_claim.interval.ratio), **figures}
    samples = {"mark": held.baseline_seconds, "control": held.control.seconds, "noise": held.noise.ratio,
               **{claim.name: claim.seconds for claim in held.arms}}  # fmt: skip
    return ProjectProof(improved, tuned_claim.interval.ratio, figures, tuned_claim.interval, as_built,
                        as_built.ratio if as_built else None, "", samples, notes)  # fmt: skip


def _unit_bytes(project: Project, *, tuned: bool) -> float:
    """Loaded bytes of the program's own objects."""
    total = 0
    for unit in project.units:
        data = project.relinker.objects.get(unit.unit.output, unit.object) if tuned else unit.mark
        total += section_sizes(data).loaded_bytes
    return float(total)


def loaded_bytes(executable: Path) -> float:
    """Of the sections that are loaded when it runs, zero-filled ones left out."""
    with open(executable, "rb") as file:
        sections = ELFFile(file).iter_sections()
        return float(sum(s["sh_size"] for s in sections if s["sh_flags"] & _SHF_ALLOC and s["sh_type"] != "SHT_NOBITS"))
