"""A program recipe written, the build run again, and both taken back where that gives another program."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from colt_llvm import __version__
from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.log import LoggedCommand
from colt_llvm.builds.project.learn import Build
from colt_llvm.builds.project.proof import ProjectProof
from colt_llvm.builds.project.recipes import build_again, build_as_before, run_test, touch
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.whole_program.link import strip_words
from colt_llvm.builds.whole_program.prepare import Whole, output_name
from colt_llvm.builds.whole_program.store import ProgramRecipe, program_file, remove_program, save_program
from colt_llvm.core.errors import ColtError, NotRepeatable
from colt_llvm.evaluate.judge import Judge
from colt_llvm.measure import loaded_digest


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
