"""The models' ledger as a table, live and at the end; columns that would be all empty are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

Row = Mapping[str, Any]


def ledger_table(models: Mapping[str, Any]) -> Table:
    """models: as ``TuneResult.models``, which must not be empty."""
    rows: Mapping[str, Row] = models["models"]
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    columns = {
        title: [shown(row) for row in rows.values()] for title, shown in _COLUMNS.items()
    }  # fmt: skip
    kept = {title: cells for title, cells in columns.items() if title in _ALWAYS or any(cells)}
    for title in kept:
        table.add_column(title, justify="right")
    for number, name in enumerate(rows):
        table.add_row(escape(name), *(cells[number] for cells in kept.values()))
    return table


def _errors(row: Row) -> str:
    kinds = dict(row["errors"])
    wrong = row.get("wrong_answers", 0) - sum(kinds.values())
    if wrong > 0:
        kinds["wrong answer"] = wrong
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())


def _some(name: str, form: str = "{}") -> Callable[[Row], str]:
    return lambda row: form.format(row[name]) if row.get(name) else ""


_ALWAYS = ("calls", "hit rate")
_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "calls": lambda row: str(row["calls"]),
    "hit rate": lambda row: "" if row.get("hit_rate") is None else f"{row['hit_rate']:.0%}",
    "corrections": _some("corrections"),
    "kept": _some("corrections_kept"),
    "tokens": _some("tokens"),
    "cached": _some("cached_tokens"),
    "cost": _some("cost", "{:.4f}"),
    "s a call": lambda row: f"{row['mean_seconds']:.1f}" if (row.get("mean_seconds") or 0) >= 0.05 else "",
    "errors": _errors,
}
