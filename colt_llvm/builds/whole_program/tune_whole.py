"""``tune --build --whole-program``: all units of the program as one module, and one sequence for it.

The mark is the ordinary build still, one object for each source at the objective's level. So what is proved holds
both what linking as one module gives and what the sequence adds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.project.budget import PROOF_SHARE
from colt_llvm.builds.project.proof import ProjectProof, prove
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.search import Searcher, View
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.whole_program.make import make_object, replacement
from colt_llvm.builds.whole_program.prepare import Whole, output_name, prepare_whole
from colt_llvm.builds.whole_program.results import Candidate, hand_over
from colt_llvm.builds.whole_program.store import load_program, program_file, program_misfit, remove_program
from colt_llvm.core.errors import ColtError, NotRepeatable, RecipeError
from colt_llvm.evaluate.judge import Judge
from colt_llvm.measure import loaded_digest
from colt_llvm.models.base import ModelSpec
from colt_llvm.objectives.objective import is_gain
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.recipe import load_recipe

_STOPPED_SECONDS = 10.0


@dataclass(frozen=True)
class WholeResult:
    """units: one, for all files together. proof: None where nothing was worth one."""

    units: tuple[UnitResult, ...]
    proof: ProjectProof | None
    recipes: tuple[Path, ...]
    notes: tuple[str, ...]


def tune_whole(
    project: Project, judge: Judge, scratch: Path, models: Sequence[ModelSpec] | None, run_directory: Path,
    view: View, report: Callable[[str], None], stop: threading.Event,
) -> WholeResult | None:  # fmt: skip
    """None where only what is stale was asked for, and nothing is. Raises UsageError where the units cannot be one."""
    options = project.options
    if options.stale_only and _fits(project):
        return None
    report("linking the files as one module")
    folder = run_directory / "units" / "whole-program"
    whole = prepare_whole(project, folder, scratch)
    name = f"{project.program} ({len(whole.units)} files as one)"
    report(
        f"{len(whole.units)} of {len(project.units)} files as one module; {len(whole.merged.kept)} symbols stay visible"
    )
    candidate, unit = _search(project, whole, folder, name, Searcher(project, models, run_directory, view, stop, {}))
    project.relinker.objects.update(replacement(whole.places, candidate.object, whole.empty))
    report("proving the whole program, apart from the search")
    tuned = project.relinker.make(judge.folder / "tuned")
    seconds = options.seconds * PROOF_SHARE
    if stop.is_set():  # whoever stops a run wants its result soon
        seconds = min(seconds, _STOPPED_SECONDS)
    proof = _by_program(project, prove(project, judge, tuned, seconds, int(options.tune.get("seed", 0))))
    if not proof.improved:
        return WholeResult((unit,), proof, (), () if stop.is_set() else _remove_outdated(project))
    written, wrong = hand_over(project, judge, whole, candidate, proof, scratch, report)
    if wrong:
        return WholeResult((unit,), replace(proof, improved=False), (), tuple(wrong))
    return WholeResult((unit,), proof, (written,), ())


def _fits(project: Project) -> bool:
    """Whether there is nothing stale: a recipe that fits, or none."""
    file = Path(program_file(str(project.root), output_name(project)))
    if not file.is_file():
        return True
    try:
        recipe = load_program(file)
    except RecipeError:
        return False
    return not program_misfit(recipe, str(project.root), project.toolchain.major, project.toolchain.triple)


def _remove_outdated(project: Project) -> tuple[str, ...]:
    """A stale recipe of a program for which nothing is found any more has no use, and each link would say so."""
    if _fits(project):
        return ()
    remove_program(Path(program_file(str(project.root), output_name(project))))
    return (f"{project.program}: its program recipe was removed (it was stale, and nothing better was found now)",)


def _search(
    project: Project, whole: Whole, folder: Path, name: str, searcher: Searcher
) -> tuple[Candidate, UnitResult]:
    """The best object for the merged module: what the search found, else the level's own pipeline over it."""
    options = project.options
    seconds = options.seconds * (1 - PROOF_SHARE if options.timed else 1.0)

    def link(objects: Sequence[bytes], place: Path) -> Path:
        return project.relinker.make(place, replacement(whole.places, objects[0], whole.empty))

    note = ""
    try:
        made = searcher.search_program(whole.program, folder, link, seconds, name)
        if made.improved and made.recipe is not None:
            data = _object(project, whole, made.pipeline)
            if loaded_digest(data) == load_recipe(made.recipe).objects[0]:
                interval = made.interval
                unit = UnitResult(
                    name, 1.0, made.elapsed_seconds, "improved", made.ratio, interval.low if interval else None,
                    interval.high if interval else None, made.sequence, made.pipeline,
                    "its ratio is held against the same files as one module without a sequence",
                )  # fmt: skip
                return Candidate(made.sequence, made.pipeline, data, made.ratio), unit
            note = "the sequence gives another object when it is built again; "
    except NotRepeatable:
        raise  # then nothing can be judged
    except ColtError as error:
        note = f"{' '.join(str(error).split())}; "
    pipeline = prepare_baseline(project.toolchain, whole.program, options.objective).completion.pipeline
    unit = UnitResult(name, 1.0, 0.0, "improved", ratio=1.0, pipeline=pipeline,
                      note=f"{note}no sequence beats -{options.level} over all files as one module")  # fmt: skip
    return Candidate((), pipeline, _object(project, whole, pipeline), 1.0), unit


def _object(project: Project, whole: Whole, pipeline: str) -> bytes:
    toolchain = project.toolchain
    with TemporaryDirectory(prefix="colt-") as folder:
        return make_object(
            project.relinker.clang, toolchain.library, whole.merged.bitcode, project.options.level, pipeline,
            whole.flags, Path(folder),
        )  # fmt: skip


def _by_program(project: Project, proof: ProjectProof) -> ProjectProof:
    """For size, of the program as it is linked: objects hold functions that a linker may leave out anyway."""
    if project.options.timed or proof.wrong:
        return proof
    mark, tuned = proof.figures["program"]
    return replace(proof, improved=proof.improved and is_gain(mark / tuned), ratio=mark / tuned)
