"""``tune --build``: learn the build, find where the time goes, tune there, prove the whole, leave recipes.

The order keeps the user's tree right at every moment. Candidates are linked in a folder of ours. The whole program
is proved there too. Only then are recipes written and is the build run again; where that does not give
the very objects that were proved, the recipes go, and the build is run once more.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.baseline import prepare_baseline
from colt_llvm.build.budget import PROFILE_SHARE, PROOF_SHARE, shares
from colt_llvm.build.compile import plain_words
from colt_llvm.build.listing import stale
from colt_llvm.build.profile import profile_program
from colt_llvm.build.project_options import ProjectOptions
from colt_llvm.build.project_proof import ProjectProof, judge_of, prove
from colt_llvm.build.project_recipes import Keeper, build_again, check_build, remove_outdated, run_test, write_recipes
from colt_llvm.build.project_result import ProjectResult, UnitResult, nothing_to_do
from colt_llvm.build.project_search import Searcher, View, tune_options
from colt_llvm.build.project_setup import NothingCompiled, Project, selected, set_up
from colt_llvm.build.units import Measured, build_unit, call, same_code, unit_program
from colt_llvm.errors import ColtError
from colt_llvm.journal import write_json
from colt_llvm.measure import section_sizes
from colt_llvm.models.base import ModelSpec
from colt_llvm.process import Limits
from colt_llvm.toolchain import Toolchain
from colt_llvm.tune.judge import Judge

#: The least that a search of one unit is worth starting for: so many runs of the program, or so many seconds.
_LEAST_RUNS, _LEAST_SECONDS_TIMED, _LEAST_SECONDS = 60, 15.0, 6.0


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
    run_directory.mkdir(parents=True, exist_ok=True)
    write_json(run_directory / "project.json", {"kind": "colt-llvm project", "version": 1, **options.to_dict()})
    with TemporaryDirectory(prefix="colt-") as folder:
        scratch = Path(folder)
        try:
            project = set_up(root, toolchain, options, scratch, report)
        except NothingCompiled:
            if not options.stale_only or any(not unit.gone for unit in stale(root, toolchain)):
                raise
            return nothing_to_do(options, run_directory, time.monotonic() - began)
        judge = judge_of(project, tune_options(options, options.seconds))
        try:
            result = _tune(project, judge, scratch, models, run_directory, view, report, stop, began)
        finally:
            judge.close()
    write_json(run_directory / "project-result.json", result.to_dict())
    return result


def _tune(
    project: Project, judge: Judge, scratch: Path, models: Sequence[ModelSpec] | None, run_directory: Path,
    view: View, report: Callable[[str], None], stop: threading.Event, began: float,
) -> ProjectResult:  # fmt: skip
    options = project.options
    chosen = {unit.unit.output: unit for unit in selected(project)}
    if not chosen:
        return nothing_to_do(options, run_directory, time.monotonic() - began)
    weights, how = _weights(project, judge, scratch, report)
    least = max(_LEAST_SECONDS_TIMED, _LEAST_RUNS * judge.run_seconds) if options.timed else _LEAST_SECONDS
    searching = options.seconds * (1 - (PROFILE_SHARE + PROOF_SHARE if options.timed else 0.0))
    by_name = {str(path): weight for path, weight in weights.items() if path in chosen}
    planned = {Path(path): seconds for path, seconds in shares(by_name, searching, least, options.timed).items()}
    covered = sum(weights[path] for path in planned)
    report(f"{len(planned)} of {len(project.units)} files hold {covered:.0%} of the "
           f"{'run time' if options.timed else 'code'} ({how}); searching")  # fmt: skip
    searcher = Searcher(project, models, run_directory, view, stop, weights)
    results = searcher.search(planned, time.monotonic() + searching)
    if not options.timed:
        levelled = _at_level(project, results, [chosen[path] for path in chosen], scratch, weights)
        names = {result.source for result in levelled}
        results = [result for result in results if result.source not in names] + levelled
    if not stop.is_set():
        remove_outdated(project, results)
    changed = [result for result in results if result.outcome == "improved"]
    made = Made(project, judge, run_directory, tuple(results), how, began, stop)
    if not changed:
        return made.result(None, [], [])
    report("proving the whole program, apart from the search")
    tuned = project.relinker.make(judge.folder / "tuned")
    proof = prove(project, judge, tuned, options.seconds * PROOF_SHARE, int(options.tune.get("seed", 0)))
    if not proof.improved:
        return made.result(proof, [], [])
    return _hand_over(project, judge, made, proof, scratch, report)


def _hand_over(
    project: Project, judge: Judge, made: Made, proof: ProjectProof, scratch: Path, report: Callable[[str], None]
) -> ProjectResult:
    report("writing the recipes, and building again with them")
    keeper = Keeper(project)
    units = [unit for unit in project.units if unit.name in {r.source for r in made.units if r.outcome == "improved"}]
    wrong: list[str] = []
    try:
        written = write_recipes(project, made.units, _summary(proof))
        build = build_again(project, units, scratch)
        wrong = check_build(project, build, written)
        if not wrong:
            program = Path(shutil.copy(project.relinker.link.output, judge.folder / "built"))
            judge.check(program, thorough=True, core=judge.core)
            if failed := run_test(project, scratch):
                wrong = [failed]
    except (ColtError, OSError) as error:
        wrong = [" ".join(str(error).split())]
    except BaseException:
        keeper.restore()
        raise
    if wrong:
        report("taking the recipes back, and building once more")
        keeper.restore()
        build_again(project, units, scratch)
        return made.result(replace(proof, improved=False), [], [f"{wrong[0]}; the recipes were taken back"])
    return made.result(proof, written, [])


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
        renewed = {unit.source for unit in self.units if unit.outcome == "improved"} if recipes else set()
        stale = [recipe.source for recipe, _ in project.stale.values() if recipe.source not in renewed]
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
            units=self.units,
            units_of_program=len(project.units),
            profile=self.profile,
            recipes=tuple(os.path.relpath(path, project.root) for path in recipes),
            run_directory=self.run_directory,
            elapsed_seconds=time.monotonic() - self.began,
            interrupted=self.stop.is_set(),
            stale=tuple(sorted(stale)),
            samples=proof.samples if proof else {},
            notes=tuple(said),
        )


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


def _at_level(
    project: Project, results: Sequence[UnitResult], units: Sequence[Measured], scratch: Path,
    weights: Mapping[Path, float],
) -> list[UnitResult]:  # fmt: skip
    """For size: units that the build makes larger than the mark does get the mark's own pipeline as their recipe."""
    if project.as_built is None:
        return []
    done = {result.source for result in results if result.outcome in ("improved", "kept")}
    found = []
    for unit in units:
        if unit.name in done or unit.unit.output in project.relinker.objects or not _smaller(unit.mark, unit.object):
            continue
        with TemporaryDirectory(prefix="colt-", dir=scratch) as folder:
            program = unit_program(
                project.toolchain, unit.unit, project.options.level, Path(folder), project.workloads,
                project.options.check,
            )  # fmt: skip
            pipeline = prepare_baseline(project.toolchain, program, "size").completion.pipeline
            data = build_unit(project.toolchain, unit.unit, project.options.level, pipeline, Path(folder))
        if same_code(data, unit.mark):
            project.relinker.objects[unit.unit.output] = data
            note = f"its own level is -{unit.unit.command.level or 'O0'}; built at -{project.options.level}"
            share = weights.get(unit.unit.output, 0.0)
            found.append(UnitResult(unit.name, share, 0.0, "improved", pipeline=pipeline, note=note))
    return found


def _smaller(a: bytes, b: bytes) -> bool:
    return section_sizes(a).loaded_bytes < section_sizes(b).loaded_bytes


def _summary(proof: ProjectProof) -> dict[str, Any]:
    """Of the whole program, for the recipes."""
    found: dict[str, Any] = {"ratio": round(proof.ratio, 6)}
    if proof.interval is not None:
        found |= {"low": round(proof.interval.low, 6), "high": round(proof.interval.high, 6)}
    return found
