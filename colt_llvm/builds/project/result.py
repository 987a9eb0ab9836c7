"""What tuning a project, and each of its units, ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.intervals import Interval

if TYPE_CHECKING:
    from colt_llvm.builds.project.proof import ProjectProof


@dataclass(frozen=True)
class UnitResult:
    """What tuning one unit ends with.

    Outcomes: ``improved``; ``no improvement found``; ``kept``, an earlier recipe fits; ``not used``, something was
    found, and the program with all that was found is not better, or was taken back; ``failed``, see the note.
    """

    source: str
    share: float  # of the run time (or of the code, for size), 0 to 1
    seconds: float  # spent on it
    outcome: str
    ratio: float = 1.0  # baseline / tuned: the whole program's run time with only this unit changed, or the unit's size
    low: float | None = None  # of the ratio's interval, where it is timed
    high: float | None = None
    sequence: tuple[str, ...] = ()  # actions by name
    pipeline: str = ""
    note: str = ""
    output: str = ""  # the object; one source may be compiled to several
    miscompile: Mapping[str, Any] | None = None  # as in ``TuneResult``


@dataclass(frozen=True)
class ProjectResult:
    """What tuning a project ends with.

    Verdicts: ``improved``; ``no improvement found``, the tree is as the build leaves it; ``nothing to do``, every
    recipe fits.
    """

    verdict: str
    program: str
    objective: str
    baseline: str  # what the gain is against, such as clang -O3
    ratio: float  # baseline / tuned, of the whole program
    interval: Interval | None  # of the ratio, where it is timed
    as_built: Interval | None  # of the ratio against the build with its own flags, where those give other code
    as_built_ratio: float | None
    figures: Mapping[str, tuple[float, float]]  # name -> (baseline, tuned), also where recipes are not in use
    units: tuple[UnitResult, ...]
    units_of_program: int
    profile: str  # how the shares were found
    recipes: tuple[str, ...]  # files written, relative to the project
    run_directory: Path
    elapsed_seconds: float
    interrupted: bool = False
    stale: tuple[str, ...] = ()  # sources whose recipes could not be renewed
    samples: Mapping[str, Any] = field(default_factory=dict)  # CPU seconds of each run of the proof
    notes: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)  # what of the whole program's runs

    @property
    def improved(self) -> bool:
        """Whether recipes were written."""
        return self.verdict == "improved"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            **asdict(self), "run_directory": str(self.run_directory), "compared": self.compared.to_dict(),
        }  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """What searches, proof and the build with recipes ended with."""

    units: tuple[UnitResult, ...]
    profile: str  # how the shares were found
    proof: ProjectProof | None = None  # None where nothing was found
    recipes: Sequence[Path] = ()  # files written
    notes: Sequence[str] = ()


def nothing_to_do(
    program: str, options: ProjectOptions, run_directory: Path, seconds: float, notes: tuple[str, ...] = ()
) -> ProjectResult:
    """The result where every recipe fits, which is how ``--ci`` mostly ends."""
    return ProjectResult(
        verdict="nothing to do",
        program=program,
        objective=options.objective,
        baseline=f"clang -{options.level}",
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
