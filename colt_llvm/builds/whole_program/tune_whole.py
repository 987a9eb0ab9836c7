"""``tune --build --whole-program``: all units of the program as one module, and one sequence for it.

The baseline is still the ordinary build, one object for each source at the objective's level. So the proof is of what
linking as one module gives and of what the sequence adds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.compile import Steps
from colt_llvm.builds.cc.log import LoggedCommand
from colt_llvm.builds.project.install import Recipes, install, summary_of
from colt_llvm.builds.project.learn import Build
from colt_llvm.builds.project.proof import ProjectProof, prove
from colt_llvm.builds.project.result import Ended, UnitResult
from colt_llvm.builds.project.search import Searcher
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.recipes.record import signature
from colt_llvm.builds.recipes.store import remove_store
from colt_llvm.builds.whole_program.link import strip_words
from colt_llvm.builds.whole_program.objects import make_object, replacement
from colt_llvm.builds.whole_program.prepare import Whole, output_name, prepare_whole
from colt_llvm.builds.whole_program.store import (
    ProgramRecipe,
    load_program,
    program_file,
    program_misfit,
    save_program,
)
from colt_llvm.core.errors import ColtError, NotRepeatable, RecipeError
from colt_llvm.evaluate.timer import Timer
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.objectives.base import is_gain
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.recipe import load_recipe

_PROFILE = "as one module"


@dataclass(frozen=True)
class Candidate:
    """What is proved: an object for the whole program."""

    sequence: tuple[str, ...]  # empty where the level's own pipeline is all
    pipeline: str
    object: bytes
    ratio: float  # against the level's own pipeline over the same module


def tune_whole(project: Project, timer: Timer) -> Ended | None:
    """Search, prove and install; None where only stale recipes are to be renewed, and there are none.

    Raises UsageError where the units cannot be one module.
    """
    options, run = project.options, project.run
    if options.stale_only and _fits(project):
        return None
    run.report("linking the files as one module")
    folder = run.directory / "units" / "whole-program"
    whole = prepare_whole(project, folder)
    run.report(
        f"{len(whole.units)} of {len(project.units)} files as one module; {len(whole.merged.kept)} symbols stay visible"
    )
    candidate, unit = _search(project, whole, folder)
    project.relinker.objects.update(replacement(whole.places, candidate.object, whole.empty))
    proof = _by_program(project, prove(project, timer))
    if not proof.improved:
        return Ended((unit,), _PROFILE, proof, notes=() if run.stop.is_set() else _remove_outdated(project))
    written, notes = install(project, timer.verifier, _recipes(project, whole, candidate, proof))
    return Ended((unit,), _PROFILE, proof, written, notes)


def _file(project: Project) -> Path:
    """Of the program's recipe."""
    return Path(program_file(str(project.root), output_name(project)))


def _fits(project: Project) -> bool:
    """Whether nothing is stale: the program has a recipe that fits, or none."""
    if not _file(project).is_file():
        return True
    try:
        recipe = load_program(_file(project))
    except RecipeError:
        return False
    return not program_misfit(recipe, str(project.root), project.toolchain.major, project.toolchain.triple)


def _remove_outdated(project: Project) -> tuple[str, ...]:
    """Remove a stale recipe for which nothing better is found any more: each link would complain of it."""
    if _fits(project):
        return ()
    remove_store(_file(project))
    return (f"{project.program}: its program recipe was removed (it was stale, and nothing better was found now)",)


def _search(project: Project, whole: Whole, folder: Path) -> tuple[Candidate, UnitResult]:
    """The best object for the merged module: what the search found, else the level's own pipeline over it."""
    options = project.options
    name = f"{project.program} ({len(whole.units)} files as one)"

    def link(objects: Sequence[bytes], place: Path) -> Path:
        return project.relinker.make(place, replacement(whole.places, objects[0], whole.empty))

    note = ""
    try:
        made = Searcher(project, {}).search_program(whole.program, folder, link, options.search_seconds, name)
        if made.improved and made.recipe is not None:
            data = _object(project, whole, made.pipeline)
            if loaded_digest(data) == load_recipe(made.recipe).objects[0]:
                interval = made.interval
                unit = UnitResult(
                    name, 1.0, made.elapsed_seconds, "improved", made.ratio, interval.low if interval else None,
                    interval.high if interval else None, made.sequence, made.pipeline,
                    "its ratio is against the same files as one module without a sequence",
                )  # fmt: skip
                return Candidate(made.sequence, made.pipeline, data, made.ratio), unit
            note = "the sequence gives another object when it is built again; "
    except NotRepeatable:
        raise  # then no candidate can be checked
    except ColtError as error:
        note = f"{' '.join(str(error).split())}; "
    pipeline = prepare_baseline(project.toolchain, whole.program, options.objective).completion.pipeline
    unit = UnitResult(name, 1.0, 0.0, "improved", ratio=1.0, pipeline=pipeline,
                      note=f"{note}no sequence beats -{options.level} over all files as one module")  # fmt: skip
    return Candidate((), pipeline, _object(project, whole, pipeline), 1.0), unit


def _object(project: Project, whole: Whole, pipeline: str) -> bytes:
    toolchain = project.toolchain
    with TemporaryDirectory(prefix="colt-") as folder:
        steps = Steps(project.relinker.clang, toolchain.library, project.options.level, pipeline)
        return make_object(steps, whole.merged.bitcode, whole.flags, Path(folder))


def _by_program(project: Project, proof: ProjectProof) -> ProjectProof:
    """For size the linked program decides: objects hold functions that a linker may leave out anyway."""
    if project.options.timed or proof.wrong:
        return proof
    before, after = proof.figures["program"]
    return replace(proof, improved=proof.improved and is_gain(before / after), ratio=before / after)


def _recipes(project: Project, whole: Whole, candidate: Candidate, proof: ProjectProof) -> Recipes:
    """The recipe of the program."""

    def write() -> list[Path]:
        return [save_program(project.root, _recipe(project, whole, candidate, proof))]

    return Recipes([_file(project)], whole.units, write, lambda build: _difference(project, build))


def _recipe(project: Project, whole: Whole, candidate: Candidate, proof: ProjectProof) -> ProgramRecipe:
    return ProgramRecipe(
        output=output_name(project),
        members=whole.members,
        link=tuple(normalised(project.relinker.link.command.words, str(project.root))),
        kept=whole.merged.kept,
        level=project.options.level,
        llvm=project.toolchain.version,
        triple=project.toolchain.triple,
        objective=project.options.objective,
        sequence=candidate.sequence,
        pipeline=candidate.pipeline,
        object=loaded_digest(candidate.object),
        evidence={
            **signature(),
            "baseline": f"clang -{project.options.level}",
            "over_one_module": round(candidate.ratio, 6),
            "program": summary_of(project, proof),
        },
    )


def _difference(project: Project, build: Build) -> str:
    """In what the build's program is not the one that was proved."""
    output = project.relinker.link.output
    if not any(command.recipe == str(_file(project)) for command in build.commands):
        notes = [command.note for command in build.commands if command.note and _output(command) == output]
        return f"{project.program}: the build linked it without its recipe" + (f" ({notes[-1]})" if notes else "")
    words = strip_words(project.relinker.link.command.words)
    proved = project.relinker.make(project.temporary / "proved", extra=words)
    if output.read_bytes() != proved.read_bytes():
        return f"{project.program}: the build made another program than the one that was proved"
    return ""


def _output(logged: LoggedCommand) -> Path:
    command = parse(logged.words, logged.cxx, str(logged.directory))
    return Path(os.path.normpath(logged.directory / command.output))
