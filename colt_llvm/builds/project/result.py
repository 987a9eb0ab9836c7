"""What tuning a project ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.intervals import Interval


@dataclass(frozen=True)
class UnitResult:
    """One unit. share: of the run time (or of the code, for size), 0 to 1. seconds: spent on it.

    ratio: baseline / tuned, of the whole program's run time with only this unit changed, or of the unit's size.
    outcome: ``improved``, ``no improvement found``, ``kept`` (an earlier recipe fits), ``not used`` (something was
    found, and the program with all that was found is not better, or was taken back) or ``failed``, see note.
    output: the object that it is compiled to; a source may be compiled to several. miscompile: as in ``TuneResult``.
    """

    source: str
    share: float
    seconds: float
    outcome: str
    ratio: float = 1.0
    low: float | None = None
    high: float | None = None
    sequence: tuple[str, ...] = ()
    pipeline: str = ""
    note: str = ""
    output: str = ""
    miscompile: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ProjectResult:
    """verdict: ``improved``, ``no improvement found`` (the tree is then as the build leaves it), or ``nothing to do``.

    mark: what the gain is held against. ratio: mark / tuned of the whole program, with its interval where it is timed.
    as_built: the same against the build's own flags, where those are not the mark's.
    figures: name -> (mark, tuned), of the whole program; where nothing improved, with recipes that are not in use.
    recipes: files written.
    stale: recipes that could not be renewed. compared: of the whole program's runs.
    """

    verdict: str
    program: str
    objective: str
    mark: str
    ratio: float
    interval: Interval | None
    as_built: Interval | None
    as_built_ratio: float | None
    figures: Mapping[str, tuple[float, float]]
    units: tuple[UnitResult, ...]
    units_of_program: int
    profile: str
    recipes: tuple[str, ...]
    run_directory: Path
    elapsed_seconds: float
    interrupted: bool = False
    stale: tuple[str, ...] = ()
    samples: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)

    @property
    def improved(self) -> bool:
        return self.verdict == "improved"

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self), "run_directory": str(self.run_directory), "compared": self.compared.to_dict(),
        }  # fmt: skip


def nothing_to_do(
    program: str, options: ProjectOptions, run_directory: Path, seconds: float, notes: tuple[str, ...] = ()
) -> ProjectResult:
    """For ``--ci`` where every recipe fits."""
    return ProjectResult(
        verdict="nothing to do",
        program=program,
        objective=options.objective,
        mark=f"clang -{options.level}",
        ratio=1.0,
        interval=None,
        as_built=None,
        as_built_ratio=None,
        figures={},
        units=(),
        units_of_program=0,
        profile="not looked at",
        recipes=(),
        run_directory=run_directory,
        elapsed_seconds=seconds,
        notes=notes,
    )
