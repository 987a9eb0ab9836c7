"""``tune --build --whole-program``: all units of the program as one module, and one sequence for it.

The mark is the ordinary build still, one object for each source at the objective's level. So what is proved holds
both what linking as one module gives and what the sequence adds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm import __version__
from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.log import LoggedCommand
from colt_llvm.builds.project.learn import Build
from colt_llvm.builds.project.proof import ProjectProof, prove
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.results import build_again, build_as_before, run_test, touch
from colt_llvm.builds.project.search import PROOF_SHARE, Searcher, View
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.whole_program.link import strip_words
from colt_llvm.builds.whole_program.objects import make_object, replacement
from colt_llvm.builds.whole_program.prepare import Whole, output_name, prepare_whole
from colt_llvm.builds.whole_program.store import (
    ProgramRecipe,
    load_program,
    program_file,
    program_misfit,
    remove_program,
    save_program,
)
from colt_llvm.core.errors import ColtError, NotRepeatable, RecipeError
from colt_llvm.evaluate.judge import Judge
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.models.base import ModelSpec
from colt_llvm.objectives.base import is_gain
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


@dataclass(frozen=True)
class Candidate:
    """What is proved. sequence: empty where the level's pipeline is all. ratio: against that pipeline alone."""

    sequence: tuple[str, ...]
    pipeline: str
    object: bytes
    ratio: float


def hand_over(
    project: Project, judge: Judge, whole: Whole, candidate: Candidate, proof: ProjectProof,
    scratch: Path, report: Callable[[str], None],
) -> tuple[Path, list[str]]:  # fmt: skip
    """The recipe's file, and what is wrong: then the tree is as before, built once more.

    Raises NotRepeatable, after that too.
    """
    file = Path(program_file(str(project.root), output_name(project)))
    before = file.read_bytes() if file.is_file() else None
    report("writing the recipe, and building again with it")
    varies: NotRepeatable | None = None
    try:
        save_program(project.root, _recipe(project, whole, candidate, proof))
        wrong = _check(project, build_again(project, whole.units, scratch), file, scratch)
        if not wrong:
            program = Path(shutil.copy(project.relinker.link.output, judge.folder / "built"))
            judge.check(program, thorough=True, core=judge.core)
            wrong = run_test(project, scratch)
    except (ColtError, OSError) as error:
        wrong = " ".join(str(error).split())
        varies = error if isinstance(error, NotRepeatable) else None
    except BaseException:
        _put_back(file, before)
        with contextlib.suppress(ColtError):
            touch(whole.units)  # the next build makes them without the recipe
        raise
    if not wrong:
        return file, []
    report("taking the recipe back, and building once more")
    _put_back(file, before)
    failed = build_as_before(project, whole.units, scratch)
    if varies is not None:
        raise varies
    return file, [f"{wrong}; the recipe was taken back", *([failed] if failed else [])]


def _recipe(project: Project, whole: Whole, candidate: Candidate, proof: ProjectProof) -> ProgramRecipe:
    figures = {"ratio": round(proof.ratio, 6)}
    if proof.interval is not None:
        figures |= {"low": round(proof.interval.low, 6), "high": round(proof.interval.high, 6)}
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
            "baseline": f"clang -{project.options.level}",
            "by": f"colt-llvm {__version__}",
            "made": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "over_one_module": round(candidate.ratio, 6),
            "program": {"name": project.program, **figures, "compared": proof.compared.text},
        },
    )


def _check(project: Project, build: Build, file: Path, scratch: Path) -> str:
    output = project.relinker.link.output
    linked = [c for c in build.commands if c.recipe == str(file)]
    if not linked:
        notes = [c.note for c in build.commands if c.note and _output(c) == output]
        return f"{project.program}: the build linked it without its recipe" + (f" ({notes[-1]})" if notes else "")
    proved = project.relinker.make(scratch / "proved", extra=strip_words(project.relinker.link.command.words))
    if output.read_bytes() != proved.read_bytes():
        return f"{project.program}: the build made another program than the one that was proved"
    return ""


def _output(logged: LoggedCommand) -> Path:
    command = parse(logged.words, logged.cxx, str(logged.directory))
    return Path(os.path.normpath(logged.directory / command.output))


def _put_back(file: Path, before: bytes | None) -> None:
    if before is None:
        remove_program(file)
    else:
        file.write_bytes(before)
