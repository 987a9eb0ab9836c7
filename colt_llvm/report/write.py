"""From a run directory to the file."""

from __future__ import annotations

from pathlib import Path

from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.explain.contributions import contributions, read_contributions
from colt_llvm.explain.hot_function import hot_function, read_hot_function
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.report.measured import code_section, missing, passes_section
from colt_llvm.report.page import page
from colt_llvm.report.run import Run, read_run

DEFAULT_NAME = "report.html"
_LATER = "colt-llvm report RUN, without --no-measure"


def write_report(run_directory: Path, output: Path | None = None, *, toolchain: Toolchain | None = None) -> Path:
    """Write the report and return where it is: ``output``, or report.html in the run directory.

    toolchain: to measure what each pass contributes and to look up the hot function, where the run has not got them
    yet; that builds and runs the program, and is kept in the run directory. None: they are left out then.
    Raises RunDirectoryError for a folder without a run, UsageError for a project's run or an output that is no page.
    """
    run = read_run(run_directory)
    place = output or run_directory / DEFAULT_NAME
    if place.suffix not in (".html", ".htm"):
        raise UsageError(f"-o {place}: a report is HTML; give a name in .html")
    text = page(run, _passes(run, toolchain), _code(run, toolchain))
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunDirectoryError(
            f"{place}: {error.strerror or error}; free some space, or choose another place with -o"
        ) from None
    return place


def _passes(run: Run, toolchain: Toolchain | None) -> str:
    """What is known or can be measured; else why not: a report is worth having without it."""
    if run.recipe is None:
        return missing("There is no recipe, so no pass to leave out.")
    try:
        found = read_contributions(run.directory)
        if found is None or found.sequence != run.recipe.sequence:
            if toolchain is None:
                return missing("Not measured.", _LATER)
            found = contributions(run.directory, toolchain)
    except ColtError as error:
        return missing(f"Not measured: {error}")
    return passes_section(found, run.baseline)


def _code(run: Run, toolchain: Toolchain | None) -> str:
    if run.recipe is None:
        return missing("There is no recipe, so no function to compare.")
    try:
        found = read_hot_function(run.directory)
        if found is None or found.sequence != run.recipe.sequence:
            if toolchain is None:
                return missing("Not looked up.", _LATER)
            found = hot_function(run.directory, toolchain)
    except ColtError as error:
        return missing(f"Not looked up: {error}")
    return code_section(found)
