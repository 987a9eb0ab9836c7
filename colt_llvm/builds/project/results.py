"""What was proved, written as recipes and built by the project itself; taken back where that gives something else."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from colt_llvm.builds.project.proof import ProjectProof
from colt_llvm.builds.project.recipes import (
    Keeper,
    build_again,
    build_as_before,
    check_build,
    improved_units,
    run_test,
    touch,
    write_recipes,
)
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.setup import Project
from colt_llvm.core.errors import ColtError, NotRepeatable
from colt_llvm.evaluate.judge import Judge


def hand_over(
    project: Project, judge: Judge, results: Sequence[UnitResult], proof: ProjectProof, scratch: Path,
    report: Callable[[str], None],
) -> tuple[list[Path], list[str]]:  # fmt: skip
    """The recipes that are written, or what is wrong: then the tree is as before, built once more.

    Raises NotRepeatable, after that too.
    """
    report("writing the recipes, and building again with them")
    keeper = Keeper(project)
    units = [unit for unit, _ in improved_units(project, results)]
    written: list[Path] = []
    wrong: list[str] = []
    varies: NotRepeatable | None = None
    try:
        written = write_recipes(project, results, _summary(proof))
        wrong = check_build(project, build_again(project, units, scratch), units)
        if not wrong:
            program = Path(shutil.copy(project.relinker.link.output, judge.folder / "built"))
            judge.check(program, thorough=True, core=judge.core)
            if failed := run_test(project, scratch):
                wrong = [failed]
    except (ColtError, OSError) as error:
        wrong = [" ".join(str(error).split())]
        varies = error if isinstance(error, NotRepeatable) else None
    except BaseException:
        keeper.restore()
        with contextlib.suppress(ColtError):
            touch(units)  # the next build makes them without recipes
        raise
    if not wrong:
        return written, []
    report("taking the recipes back, and building once more")
    keeper.restore()
    failed = build_as_before(project, units, scratch)
    if varies is not None:
        raise varies
    return [], [f"{wrong[0]}; the recipes were taken back", *([failed] if failed else [])]


def _summary(proof: ProjectProof) -> dict[str, Any]:
    """Of the whole program, for the recipes."""
    found: dict[str, Any] = {"ratio": round(proof.ratio, 6), "compared": proof.compared.text}
    if proof.interval is not None:
        found |= {"low": round(proof.interval.low, 6), "high": round(proof.interval.high, 6)}
    return found
