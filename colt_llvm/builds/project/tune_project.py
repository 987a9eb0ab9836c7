"""``tune --build``: learn the build, find where the time goes, tune there, prove the whole, leave recipes.

The order keeps the user's tree right at every moment. Candidates are linked in a folder of ours. The whole program
is proved there too. Only then are recipes written and is the build run again; where that does not give
the very objects that were proved, the recipes go, and the build is run once more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.compile import plain_words
from colt_llvm.builds.profile.profile import profile_program
from colt_llvm.builds.project.options import ProjectOptions, enter
from colt_llvm.builds.project.proof import ProjectProof, judge_of, prove
from colt_llvm.builds.project.result import ProjectResult, UnitResult, nothing_to_do
from colt_llvm.builds.project.results import hand_over, remove_outdated
from colt_llvm.builds.project.search import PROFILE_SHARE, PROOF_SHARE, Searcher, View, shares, tune_options
from colt_llvm.builds.project.setup import NothingCompiled, Project, not_compiled, selected, set_up
from colt_llvm.builds.project.units import Measured, build_unit, call, same_code, unit_program
from colt_llvm.builds.recipes.status import stale
from colt_llvm.builds.whole_program.tune_whole import tune_whole
from colt_llvm.core.errors import ColtError
from colt_llvm.core.files import write_json
from colt_llvm.core.process import Limits
from colt_llvm.evaluate.judge import Judge
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import compile_cores
from colt_llvm.models.base import ModelSpec
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.baseline import prepare_baseline

#: The least that a search of one unit is worth starting for: so many runs of the program, or so many seconds.
_LEAST_RUNS, _LEAST_SECONDS_TIMED, _LEAST_SECONDS = 60, 15.0, 6.0
#: What the start of one search takes beside two runs of the program, roughly; and the longest proof of a stopped run.
_PREPARING_SECONDS, _STOPPED_SECONDS = 4.0, 10.0


def tune_project(
    root: Path,
    toolchain: Toolchain,
    options: ProjectOptions,
    *,
    models: Sequence[ModelSpec] | None,
    run_directory: Path,
    view: View,
    report: Callable[[str], None],
    stop: threading.Event,
) -> ProjectResult:
    """``root``: the folder where the build is run and where ``.colt`` goes.

    Raises ColtError: UsageError for what cannot be learned from the build, CompileError where it fails, ProgramError
    for a program that cannot be judged. The user's tree is then as the build left it.
    """
    began = time.monotonic()
    root = Path(os.path.realpath(root))
    run_directory = Path(os.path.abspath(run_directory))  # clang runs in the units' folders
    enter(run_directory, options)
    with TemporaryDirectory(prefix="colt-") as folder:
        scratch = Path(folder)
        try:
            project = set_up(root, toolchain, options, scratch, report)
        except NothingCompiled:
            if not options.stale_only or any(not unit.gone for unit in stale(root, toolchain)):
                raise
            return nothing_to_do(root.name, options, run_directory, time.monotonic() - began)
        deadline = time.monotonic() + options.seconds * (1 - PROOF_SHARE if options.timed else 1.0)
        judge = judge_of(project, tune_options(options, options.seconds))
        try:
            result = _tune(project, judge, scratch, models, run_directory, view, report, stop, began, deadline)
        finally:
            judge.close()
    write_json(run_directory / "project-result.json", result.to_dict())
    return result


def _tune(
    project: Project, judge: Judge, scratch: Path, models: Sequence[ModelSpec] | None, run_directory: Path,
    view: View, report: Callable[[str], None], stop: threading.Event, began: float,
    deadline: float,
) -> ProjectResult:  # fmt: skip
    """``deadline``: of the searches."""
    options = project.options
    if options.whole_program:
        whole = tune_whole(project, judge, scratch, models, run_directory, view, report, stop)
        if whole is None:
            return nothing_to_do(project.program, options, run_directory, time.monotonic() - began)
        together = Made(project, judge, run_directory, whole.units, "as one module", began, stop)
        return together.result(whole.proof, whole.recipes, whole.notes)
    chosen = {unit.unit.output: unit for unit in selected(project)}
    if not chosen:
        return nothing_to_do(
            project.program, options, run_directory, time.monotonic() - began, tuple(not_compiled(project))
        )
    weights, how = _weights(project, judge, scratch, report)
    least = max(_LEAST_SECONDS_TIMED, _LEAST_RUNS * judge.run_seconds) if options.timed else _LEAST_SECONDS
    searching = max(1.0, deadline - time.monotonic())
    by_name = {str(path): weight for path, weight in weights.items() if path in chosen}
    planned = {Path(path): seconds for path, seconds in shares(by_name, searching, least, options.timed).items()}
    covered = sum(weights[path] for path in planned)
    report(f"{len(planned)} of {len(project.units)} files hold {covered:.0%} of the "
           f"{'run time' if options.timed else 'code'} ({how}); searching")  # fmt: skip
    searcher = Searcher(project, models, run_directory, view, stop, weights)
    preparing = _PREPARING_SECONDS + sum(run.wall_seconds for run in judge.expected)
    results = searcher.search(planned, deadline, preparing)
    if not options.timed:
        levelled = at_level(project, results, list(chosen.values()), scratch, weights, stop)
        outputs = {result.output for result in levelled}
        results = [result for result in results if result.output not in outputs] + levelled
    if not stop.is_set():
        remove_outdated(project, results)
    changed = [result for result in results if result.outcome == "improved"]
    made = Made(project, judge, run_directory, tuple(results), how, began, stop)
    if not changed:
        return made.result(None, [], [])
    report("proving the whole program, apart from the search")
    tuned = project.relinker.make(judge.folder / "tuned")
    proving = options.seconds * PROOF_SHARE
    if stop.is_set():  # whoever stops a run wants its result soon
        proving = min(proving, _STOPPED_SECONDS)
    proof = prove(project, judge, tuned, proving, int(options.tune.get("seed", 0)))
    if not proof.improved:
        return made.result(proof, [], [])
    written, wrong = hand_over(project, judge, results, proof, scratch, report)
    return made.result(proof, written, wrong)


@dataclass(frozen=True)
class Made:
    """What is known when the searches have ended."""

    project: Project
    judge: Judge
    run_directory: Path
    units: tuple[UnitResult, ...]
    profile: str
    began: float
    stop: threading.Event

    def result(self, proof: ProjectProof | None, recipes: Sequence[Path], notes: Sequence[str]) -> ProjectResult:
        project, options = self.project, self.project.options
        improved = proof is not None and proof.improved and bool(recipes)
        said = [*project.notes, *(proof.notes if proof else ()), *notes]
        if proof is not None and proof.wrong:
            said.append(f"the program with all recipes does something else: {proof.wrong}; they were not written")
        units = self.units if improved else tuple(map(_not_used, self.units))
        renewed = {unit.output for unit in units if unit.outcome == "improved"}
        stale = {recipe.source for output, (recipe, _) in project.stale.items() if str(output) not in renewed}
        return ProjectResult(
            verdict="improved" if improved else "no improvement found",
            program=project.program,
            objective=options.objective,
            mark=f"clang -{options.level}",
            ratio=proof.ratio if proof else 1.0,
            interval=proof.interval if proof else None,
            as_built=proof.as_built if proof else None,
            as_built_ratio=proof.as_built_ratio if proof else None,
            figures=proof.figures if proof else {},
            units=units,
            units_of_program=len(project.units),
            profile=self.profile,
            recipes=tuple(os.path.relpath(path, project.root) for path in recipes),
            run_directory=self.run_directory,
            elapsed_seconds=time.monotonic() - self.began,
            interrupted=self.stop.is_set(),
            stale=tuple(sorted(stale)),
            samples=proof.samples if proof else {},
            notes=tuple(said),
            compared=self.judge.compared,
        )


def _not_used(unit: UnitResult) -> UnitResult:
    return replace(unit, outcome="not used") if unit.outcome == "improved" else unit


def _weights(
    project: Project, judge: Judge, scratch: Path, report: Callable[[str], None]
) -> tuple[dict[Path, float], str]:
    """Unit's output -> its share of the run time or of the code, and how that was found."""
    if not project.options.timed:
        total = sum(unit.text for unit in project.units) or 1
        return {unit.unit.output: unit.text / total for unit in project.units}, "by code size"
    report("looking where the time goes")

    def instrument(flags: Sequence[str]) -> Path:
        objects = {}
        for number, unit in enumerate(project.units):
            place = scratch / f"instrumented-{number}.o"
            call(project.toolchain, unit.unit, [*plain_words(unit.unit, project.options.level, place), *flags])
            objects[unit.unit.output] = place.read_bytes()
        return project.relinker.make(scratch / "instrumented", objects, extra=flags)

    profile = profile_program(
        project.toolchain,
        project.mark,
        {str(unit.unit.output): unit.mark for unit in project.units},
        next((w for w in project.workloads if w.timed), project.workloads[0]),
        seconds=project.options.seconds * PROFILE_SHARE,
        instrument=instrument,
        limits=Limits(max(120.0, judge.options.timeout_seconds)),
    )
    if profile.note:
        project.notes.append(f"profile: {profile.note}")
    return {Path(name): weight for name, weight in profile.weights.items() if name}, profile.method


def at_level(
    project: Project, results: Sequence[UnitResult], units: Sequence[Measured], scratch: Path,
    weights: Mapping[Path, float], stop: threading.Event,
) -> list[UnitResult]:  # fmt: skip
    """Results for those of ``units`` for which nothing better is known. ``project.relinker.objects`` grows."""
    if project.as_built is None:
        return []
    done = {result.output for result in results if result.outcome in ("improved", "kept")}
    larger = [
        unit for unit in units
        if str(unit.unit.output) not in done and unit.unit.output not in project.relinker.objects
        and _bytes(unit.mark) < _bytes(unit.object)
    ]  # fmt: skip
    pipelines: dict[tuple[str, ...], str] = {}

    def build(unit: Measured) -> tuple[str, bytes] | None:
        with TemporaryDirectory(prefix="colt-", dir=scratch) as folder:
            return None if stop.is_set() else _at_level(project, unit, Path(folder), pipelines)

    found, alike = [], []
    with ThreadPoolExecutor(len(compile_cores())) as pool:
        for unit, made in zip(larger, pool.map(build, larger), strict=True):
            if made is None:
                alike.append(unit)
                continue
            pipeline, data = made
            project.relinker.objects[unit.unit.output] = data
            note = f"its own level is -{unit.unit.command.level or 'O0'}; built at -{project.options.level}"
            share = weights.get(unit.unit.output, 0.0)
            found.append(UnitResult(unit.name, share, 0.0, "improved", pipeline=pipeline, note=note,
                                    output=str(unit.unit.output)))  # fmt: skip
    if alike and not stop.is_set():
        _leave_out(project, alike, scratch)
    return found


def _leave_out(project: Project, units: Sequence[Measured], scratch: Path) -> None:
    """No recipe gives these the mark's code, so they are the build's own in the mark too."""
    outputs = {unit.unit.output for unit in units}
    project.units = [unit for unit in project.units if unit.unit.output not in outputs]
    project.mark = project.relinker.make(
        scratch / "mark-without", {unit.unit.output: unit.mark for unit in project.units}
    )
    names = ", ".join(unit.name for unit in units)
    project.notes.append(
        f"{names}: no recipe gives what clang -{project.options.level} does; left as the build makes it"
    )


def _at_level(
    project: Project, unit: Measured, folder: Path, pipelines: dict[tuple[str, ...], str]
) -> tuple[str, bytes] | None:
    """(pipeline, object) where that is the mark's object. pipelines: by flags, as far as they are known."""
    level, options = project.options.level, project.options
    try:
        program = unit_program(project.toolchain, unit.unit, level, folder, project.workloads, options.check)
        if program.cflags not in pipelines:
            baseline = prepare_baseline(project.toolchain, program, LOADED_SIZE.name)
            pipelines[program.cflags] = baseline.completion.pipeline
        pipeline = pipelines[program.cflags]
        data = build_unit(project.toolchain, unit.unit, level, pipeline, folder)
    except ColtError as error:
        project.notes.append(f"{unit.name}: left as it is ({' '.join(str(error).split())})")
        return None
    return (pipeline, data) if same_code(data, unit.mark) else None


def _bytes(data: bytes) -> int:
    return section_sizes(data).loaded_bytes
