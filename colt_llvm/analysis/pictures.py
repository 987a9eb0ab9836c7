"""Pictures of an experiment: convergence, programs, differences with intervals, and who was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.analysis.cells import Results
from colt_llvm.analysis.curves import strategy_curve
from colt_llvm.analysis.groups import group_cells
from colt_llvm.analysis.sentences import below_baseline
from colt_llvm.analysis.summary import Summary, summarise
from colt_llvm.analysis.tables import title_of
from colt_llvm.core.errors import RunDirectoryError, UsageError

#: Of Okabe & Ito ("Color Universal Design", 2008): people with any common colour blindness can tell them apart. Line
#: styles, markers and hatches carry the same distinction in black and white.
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


#: More than this hide each other: the reference and the best others are shown.
_BANDS, _BARS = 2, 4
_AXIS_LABELS = {
    "trials": "trials",
    "seconds": "seconds (wall clock of the search)",
    "money": "money (dollars)",
    "work": "parameters × answers",
}
_BELOW = "below the baseline (%)"


def write_pictures(results: Results, folder: Path, reference: str | None = None) -> list[Path]:
    """SVG and PNG of each picture, into ``folder``; gives the files. Raises UsageError without matplotlib.

    Of each group: convergence-AXIS (trials, seconds, and money or parameters x answers where any were used), programs,
    differences, models.
    """
    files = []
    with drawing():
        for group in group_cells(results, parts=False):
            summary = summarise(group, reference)
            for name, figure in _figures(summary).items():
                files += save(figure, folder, f"{slug_of(summary)}.{name}")
    return files


def _figures(summary: Summary) -> dict[str, Any]:
    figures = {f"convergence-{axis}": draw_convergence(summary, axis) for axis in _AXIS_LABELS}
    figures["programs"] = draw_programs(summary)
    figures["differences"] = draw_differences(summary)
    figures["models"] = draw_models(summary)
    return {name: figure for name, figure in figures.items() if figure is not None}


def slug_of(summary: Summary) -> str:
    """``size-60-trials``: the beginning of the files' names, with LLVM's version and the host where that counts."""
    key = summary.group.key
    parts = (key.objective, "strict" if key.strict else "", str(key.budget), key.llvm, key.host.rpartition(" ")[2])
    return "-".join(filter(None, (re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-") for part in parts)))


def draw_convergence(summary: Summary, axis: str) -> Any:
    """Mean best-so-far of each strategy, with 95% bands of the reference and the best other; None without a curve.

    The mean is of log gains over programs and seeds; what was never proved does not count.
    """
    group = summary.group
    curves = {row.strategy: strategy_curve(group, row.strategy, axis) for row in summary.ranked}
    drawn = {name: curve for name, curve in curves.items() if curve is not None}
    if not drawn or (axis in ("money", "work") and not any(curve.at[-1] > 0 for curve in drawn.values())):
        return None
    figure = new_figure(7.6, 4.2)
    axes = figure.add_subplot()
    for name in _shown(summary, _BANDS):
        if name in drawn:
            curve, style = drawn[name], line_style(group.strategies.index(name))
            low, high = _per_cent(curve.low), _per_cent(curve.high)
            axes.fill_between(curve.at, low, high, color=style["color"], alpha=0.16, lw=0)
            for edge in (low, high):
                axes.plot(curve.at, edge, color=style["color"], linestyle=style["linestyle"], lw=0.6)
    for place, (name, curve) in enumerate(drawn.items()):
        style = line_style(group.strategies.index(name))
        axes.plot(curve.at, _per_cent(curve.mean), markevery=(4 + 3 * place, 24), label=shortened(name),
                  drawstyle="steps-post", **style)  # fmt: skip
    axes.set_xlabel(_AXIS_LABELS[axis])
    axes.set_ylabel(f"best so far, {_BELOW}")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    bands = " and ".join(shortened(name) for name in _shown(summary, _BANDS) if name in drawn)
    figure.suptitle(f"{title_of(group)}\n{_counts(summary)}; 95% bands of {bands}", fontsize=9)
    figure.legend(loc="outside right center", fontsize=8, handlelength=3.5)
    return figure


def draw_programs(summary: Summary) -> Any:
    """Bars of the mean over seeds, one group a program, whiskers from the least to the greatest seed."""
    group, names = summary.group, _shown(summary, _BARS)
    programs = list(group.programs)[::-1]
    thick = 0.8 / len(names)
    figure = new_figure(7.6, 1.4 + 0.14 * len(programs) * (len(names) + 1))
    axes = figure.add_subplot()
    for place, name in enumerate(names):
        at, means, least, most = [], [], [], []
        for index, program in enumerate(programs):
            if program in group.cells[name]:
                gains = np.array([cell.gain for cell in group.cells[name][program]])
                at.append(index + 0.4 - thick * (place + 0.5))
                means.append(below_baseline(float(gains.mean())))
                least.append(means[-1] - below_baseline(float(gains.min())))
                most.append(below_baseline(float(gains.max())) - means[-1])
        # Means of logs and whiskers of one seed may differ by rounding.
        whiskers = np.clip(np.array([least, most]), 0, None)
        axes.barh(at, means, thick, label=shortened(name), xerr=whiskers, error_kw={"lw": 0.8, "capsize": 1.5},
                  **fill_style(group.strategies.index(name)))  # fmt: skip
    suites = {suite for suite, _ in programs}
    axes.set_yticks(range(len(programs)), [p if len(suites) == 1 else f"{s}/{p}" for s, p in programs])
    axes.set_ylim(-0.6, len(programs) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{_BELOW}; whiskers: least and greatest seed")
    figure.suptitle(f"{title_of(group)}\n{summary.reference} and the best others", fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, handlelength=3)
    return figure


def draw_differences(summary: Summary) -> Any:
    """Each strategy against the reference with its 95% interval; None where there is no other."""
    rows = [row for row in summary.ranked if row.comparison is not None][::-1]
    if not rows:
        return None
    figure = new_figure(7.6, 1.5 + 0.3 * len(rows))
    axes = figure.add_subplot()
    axes.axvline(0, color="black", lw=1)
    for index, row in enumerate(rows):
        assert row.comparison is not None
        found = row.comparison
        value, low, high = (below_baseline(x) for x in (found.difference.value, found.difference.low,
                                                        found.difference.high))  # fmt: skip
        if found.difference.bounded:
            axes.plot([low, high], [index, index], color=line_style(0)["color"], lw=1.6)
        face = line_style(0)["color"] if found.told_apart else "white"
        axes.plot(value, index, "o", color=line_style(0)["color"], markerfacecolor=face, markersize=6)
    axes.set_yticks(range(len(rows)), [shortened(row.strategy) for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"result below that of {shortened(summary.reference)} (%): right of 0 is better than it")
    figure.suptitle(f"{title_of(summary.group)}\nlines: 95% intervals; filled: told apart, hollow: not", fontsize=9)
    return figure


def draw_models(summary: Summary) -> Any:
    """Share of answers and of what they cost by model, one bar a strategy that asked any; None where none did."""
    rows = [row for row in summary.ranked if sum(sums["answers"] for sums in row.models.values()) > 0][::-1]
    if not rows:
        return None
    shares = {shortened(row.strategy, 28): row.models for row in rows}
    paid = any(sums["cost"] > 0 for row in rows for sums in row.models.values())
    return draw_shares(shares, "cost" if paid else "work", title_of(summary.group))


def draw_shares(shares: Mapping[str, Mapping[str, Mapping[str, float]]], cost: str, title: str) -> Any:
    """shares: label -> model -> its sums. cost: ``cost`` (money) or ``work`` (parameters x answers)."""
    sizes = {model: sums["parameters"] for models in shares.values() for model, sums in models.items()}
    names = sorted(sizes, key=lambda name: (sizes[name], name))
    figure = new_figure(7.6, 1.7 + 0.34 * len(shares))
    left, right = figure.subplots(1, 2, sharey=True)
    costs = "money" if cost == "cost" else "parameters × answers"
    for axes, what, label in ((left, "calls", "share of calls (%)"), (right, cost, f"share of cost, {costs} (%)")):
        edge = np.zeros(len(shares))
        for index, name in enumerate(names):
            part = np.array([_share(models, name, what) for models in shares.values()])
            axes.barh(range(len(shares)), part, 0.7, left=edge, label=shortened(name) if axes is left else None,
                      **fill_style(index))  # fmt: skip
            edge += part
        axes.set_xlabel(label)
        axes.set_xlim(0, 100)
        axes.set_yticks(range(len(shares)), list(shares))
        axes.grid(axis="y", visible=False)
    figure.suptitle(title, fontsize=9)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, handlelength=3)
    return figure


def _share(models: Mapping[str, Mapping[str, float]], name: str, what: str) -> float:
    total = sum(sums[what] for sums in models.values())
    return 100 * models[name][what] / total if name in models and total else 0.0


def _shown(summary: Summary, count: int) -> list[str]:
    """The reference, then the best others."""
    others = [row.strategy for row in summary.ranked if row.strategy != summary.reference]
    return [summary.reference, *others[: count - 1]]


def _per_cent(gains: Any) -> Any:
    return -100 * np.expm1(-gains)


def _counts(summary: Summary) -> str:
    row = summary.row(summary.reference)
    return f"mean over {row.programs} programs, {row.searches / row.programs:.3g} seeds each"
