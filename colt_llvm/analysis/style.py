"""How all pictures look: told apart by shape as well as colour, the same bytes each time, no display needed.

Colours are those of Okabe & Ito ("Color Universal Design", 2008), which people with any common colour blindness can
tell apart. Line styles, markers and hatches carry the same distinction in black and white.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError, UsageError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)),
                           (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2)))  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo", "----")
FORMATS = ("svg", "png")

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "colt-llvm", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "hatch.linewidth": 0.7, "legend.frameon": False,
    "figure.dpi": 100.0, "savefig.dpi": 150.0, "text.usetex": False, "text.parse_math": False,
}  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Within it figures are made and saved in this style. Raises UsageError where matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError('pictures need matplotlib: pip install "colt-llvm[plots]"') from None
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc would make other pictures
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """NAME.svg and NAME.png, without a date in them. Raises RunDirectoryError."""
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for ending in FORMATS:
            file = folder / f"{name}.{ending}"
            figure.savefig(file, metadata={"Date": None} if ending == "svg" else {"Software": None})
            files.append(file)
    except OSError as error:
        raise RunDirectoryError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from None
    return files


def line_style(index: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line with this number: no two of the first 56 are alike in all."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4.5,
        "linewidth": 1.5,
    }


def fill_style(index: int) -> dict[str, Any]:
    """Face colour, hatch and edge of the bar with this number."""
    return {
        "facecolor": COLOURS[index % len(COLOURS)] + ("ff" if index == 0 else "99"),
        "hatch": HATCHES[index % len(HATCHES)],
        "edgecolor": "black",
        "linewidth": 0.6,
    }


def shortened(label: str, length: int = 34) -> str:
    return label if len(label) <= length else f"{label[: length - 1]}…"
