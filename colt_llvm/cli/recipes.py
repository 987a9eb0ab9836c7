"""``colt-llvm recipes``."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import llvm_option

if TYPE_CHECKING:
    from colt_llvm.builds.recipes.record import Verified
    from colt_llvm.builds.recipes.status import Entry
    from colt_llvm.llvm.toolchain import Toolchain

_FLAGS_WIDTH = 28


@click.command("recipes", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--prune", is_flag=True, help="Remove recipes that no build uses any more, and list them.")
@click.option("--dry-run", is_flag=True, help="With --prune: list them only.")
@click.option(
    "--verify",
    "verifies",
    is_flag=True,
    help="Rebuild with each recipe that fits, and compare the object with the measured one.",
)
@llvm_option
def command(
    folder: Path, as_json: bool, prune: bool, dry_run: bool, verifies: bool, llvm_prefix: Path | None
) -> int | None:
    """List the recipes in and under FOLDER (default: here), and whether each still fits.

    States: fits; stale (its source, headers or flags have changed); idle (a header that the build makes is missing, or
    it is for another processor); unused (no build uses it); damaged. Exit status 7: a recipe is damaged, or --verify
    built another object than was measured.
    """
    from colt_llvm.builds.recipes.status import entries, find_roots, removable
    from colt_llvm.builds.recipes.status import prune as remove
    from colt_llvm.core.errors import RecipeError, UsageError

    if dry_run and not prune:
        raise UsageError("--dry-run: only with --prune")
    if prune and verifies:
        raise UsageError("--prune, --verify: use one after the other")
    toolchain = _toolchain(llvm_prefix, needed=verifies)
    found = [entry for root in find_roots(folder) for entry in entries(root, toolchain)]
    results: list[Verified] = []
    if prune:
        if not dry_run:
            remove(found)
        _print_removed(removable(found), dry_run, as_json)
    elif verifies and toolchain is not None:
        results = _verify(found, toolchain, as_json)
    elif as_json:
        click.echo(json.dumps([_row(entry) for entry in found], indent=1))
    else:
        _print_list(found, folder)
    damaged = [entry for entry in found if entry.state == "damaged"]
    if damaged:
        raise RecipeError(f"{damaged[0].file}: {damaged[0].reason}")
    return _status(results)


def _toolchain(prefix: Path | None, needed: bool) -> Toolchain | None:
    """Without one, a list can still be made."""
    from colt_llvm.core.errors import ToolchainError
    from colt_llvm.llvm.toolchain import find_toolchain

    try:
        return find_toolchain(prefix)
    except ToolchainError as error:
        if needed or prefix is not None:
            raise
        click.echo(f"colt-llvm: note: LLVM versions are not compared: {error}", err=True)
        return None


def _verify(found: Sequence[Entry], toolchain: Toolchain, as_json: bool) -> list[Verified]:
    from colt_llvm.builds.recipes.record import verify

    results = []
    for result in verify(found, toolchain):
        results.append(result)
        if not as_json:
            words = {"same": "the same", "differs": "DIFFERS", "unverified": "cannot be verified"}[result.outcome]
            click.echo(f"{_name(result.entry)}: {words}{': ' if result.detail else ''}{result.detail}")
    if as_json:
        rows = [{**_row(result.entry), "verified": result.outcome, "detail": result.detail} for result in results]
        click.echo(json.dumps(rows, indent=1))
    skipped = sum(entry.state in ("stale", "unused") for entry in found)
    counts = [sum(result.outcome == outcome for result in results) for outcome in ("same", "differs", "unverified")]
    click.echo(
        f"LLVM {toolchain.version}: {counts[0]} the same, {counts[1]} differ, {counts[2]} cannot be verified, "
        f"{skipped} stale and left out",
        err=True,
    )
    return results


def _status(results: Sequence[Verified]) -> int | None:
    from colt_llvm.builds.recipes.record import passed
    from colt_llvm.core.errors import RecipeError

    return None if passed(results) else RecipeError.exit_status


def _print_removed(removed: Sequence[Entry], dry_run: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_row(entry) for entry in removed], indent=1))
        return
    for entry in removed:
        click.echo(f"{'would remove' if dry_run else 'removed'} {_name(entry)}: {entry.reason}")
    if not removed:
        click.echo("nothing to remove", err=True)


def _print_list(found: Sequence[Entry], folder: Path) -> None:
    if not found:
        click.echo(f"no recipes in or under {folder}, nor above it; colt-llvm tune --build makes them", err=True)
        return
    lines = [("SOURCE", "OBJECTIVE", "GAIN", "AGE", "LLVM", "FLAGS", "STATE")]
    for entry in found:
        row = _row(entry)
        state = f"{entry.state}: {entry.reason}" if entry.reason else entry.state
        flags = shlex.join(row["flags"]) or "-"
        flags = f"{len(entry.program.members)} files as one" if entry.program else flags
        short = flags if len(flags) <= _FLAGS_WIDTH else f"{flags[: _FLAGS_WIDTH - 3]}..."
        age = _age(row["age_days"])
        lines.append((_path(entry), row["objective"] or "-", _gain(row), age, row["llvm"] or "-", short, state))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    states = [entry.state for entry in found]
    counts = ", ".join(f"{state} {states.count(state)}" for state in dict.fromkeys(states))
    click.echo(f"{len(found)} recipe{'s' if len(found) > 1 else ''}: {counts}", err=True)


def _row(entry: Entry) -> dict[str, Any]:
    recipe = entry.recipe or entry.program
    evidence = recipe.evidence if recipe else {}
    if entry.program is not None:
        evidence = {**evidence, **dict(evidence.get("program", {}))}
    return {
        "root": str(entry.root),
        "file": str(entry.file),
        "source": entry.source,
        "state": entry.state,
        "reason": entry.reason,
        "objective": recipe.objective if recipe else "",
        "llvm": recipe.llvm if recipe else "",
        "level": recipe.level if recipe else "",
        "flags": list(entry.recipe.flags) if entry.recipe else [],
        "whole_program": entry.program is not None,
        "made": str(evidence.get("made", "")),
        "age_days": _days(evidence),
        **{name: _number(evidence, name) for name in ("ratio", "low", "high")},
    }


def _name(entry: Entry) -> str:
    flags = shlex.join(entry.recipe.flags) if entry.recipe else ""
    return f"{_path(entry)} ({flags})" if flags else _path(entry)


def _path(entry: Entry) -> str:
    """As seen from here, where that is shorter."""
    full = str(entry.root / entry.source)
    return min(os.path.relpath(full), full, key=len)


def _number(evidence: Mapping[str, Any], name: str) -> float | None:
    value = evidence.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _days(evidence: Mapping[str, Any]) -> int | None:
    try:
        # Only from Python 3.11 on a Z is read.
        made = datetime.fromisoformat(str(evidence.get("made", "")).replace("Z", "+00:00"))
    except ValueError:
        return None
    made = made if made.tzinfo else made.replace(tzinfo=timezone.utc)
    return max(0, (datetime.now(timezone.utc) - made).days)


def _age(days: int | None) -> str:
    if days is None:
        return "-"
    return "today" if days == 0 else f"{days} day{'s' if days > 1 else ''}"


def _gain(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return "-"
    known = row["low"] is not None and row["high"] is not None
    return f"{row['ratio']:.3f}x" + (f" ({row['low']:.3f}-{row['high']:.3f})" if known else "")
