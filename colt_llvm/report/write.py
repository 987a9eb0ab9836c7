"""From a run directory to the file."""

from __future__ import annotations

from pathlib import Path

from colt_llvm.errors import RunDirectoryError, UsageError
from colt_llvm.report.page import page
from colt_llvm.report.run import read_run

DEFAULT_NAME = "report.html"


def write_report(run_directory: Path, output: Path | None = None, *, measure: bool = False) -> Path:
    """Write the report and return where it is: ``output``, or report.html in the run directory.

    measure: have what each pass contributes measured, and the hot function looked up, where the run has not got them
    yet; that builds and runs the program.
    Raises RunDirectoryError for a folder without a run, UsageError for a project's run or an output of the run's own.
    """
    run = read_run(run_directory)
    place = output or run_directory / DEFAULT_NAME
    if place.suffix not in (".html", ".htm"):
        raise UsageError(f"-o {place}: a report is HTML; give a name in .html")
    text = page(run, '<p class="missing">Not measured.</p>\n', '<p class="missing">Not looked up.</p>\n')
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunDirectoryError(
            f"{place}: {error.strerror or error}; free some space, or choose another place with -o"
        ) from None
    return place
