"""``python -m benchmarks.projects``: five projects of other people, built, tuned and tested with their own tests.

Results go to ``projects.json`` in the results folder after each step; what is there is not run again. The sources are
fetched once, into ``projects/sources`` beside it; nothing of theirs is part of this project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.projects.descriptions import PROJECTS, Project
from benchmarks.projects.fetch import digest_of, fetch, version_of
from benchmarks.projects.steps import STEPS, Setting, proof_in
from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.measure.host import fingerprint

FILE = "projects.json"


def run_projects(
    projects: Sequence[Project], steps: Sequence[str], results: Path, toolchain: Toolchain, seconds: float
) -> dict[str, Any]:
    """Run what is missing, and return all that is known. Raises FetchError before anything is run."""
    state = load(results, toolchain)
    archives = fetch([project.package for project in projects], results.absolute() / "projects" / "sources")
    for project in projects:
        archive = archives[project.package]
        entry = state["projects"].setdefault(project.name, {})
        source = {"version": version_of(archive), "sha256": digest_of(archive)}
        if entry.get("sha256", source["sha256"]) != source["sha256"]:
            raise UsageError(f"{results / FILE}: was made with another {project.name}; use another --results folder")
        described = {"kind": project.kind, "build_system": project.build_system, **source}
        state["projects"][project.name] = {**entry, **described, "steps": entry.get("steps", {})}
        folder = results.absolute() / "projects" / project.name
        folder.mkdir(parents=True, exist_ok=True)
        _run_steps(Setting(project, archive, folder, toolchain, seconds), steps, state, results)
    return state


def load(results: Path, toolchain: Toolchain) -> dict[str, Any]:
    """What was measured before, or the beginning of a new file. Raises UsageError where that is of another LLVM."""
    path = results / FILE
    if not path.exists():
        host = asdict(fingerprint())
        return {"date": date.today().isoformat(), "host": host, "llvm": toolchain.version, "projects": {}}
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = state["llvm"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: is not a file of results ({error}); delete it and run again") from None
    if version != toolchain.version:
        raise UsageError(f"{path}: was made with LLVM {version}; use another --results folder for {toolchain.version}")
    return state


def missing_steps(known: Mapping[str, Mapping[str, Any]], steps: Sequence[str]) -> list[str]:
    """Of ``steps``, in their order, those that are not there or ended with an error."""
    return [step for step in STEPS if step in steps and (step not in known or "error" in known[step])]


def _run_steps(setting: Setting, steps: Sequence[str], state: dict[str, Any], results: Path) -> None:
    known = state["projects"][setting.project.name]["steps"]
    for step in missing_steps(known, steps):
        sys.stderr.write(f"{setting.project.name}: {step}\n")
        try:
            known[step] = {**STEPS[step](setting, known), "time": setting.seconds}
        except (ColtError, OSError) as error:
            known[step] = {"error": str(error)}
            sys.stderr.write(f"{setting.project.name}: {step}: {error}\n")
        write_json(results / FILE, state)


def failures(state: Mapping[str, Any]) -> list[str]:
    """One line for each step that did not show what it should."""
    found = []
    for name, entry in state["projects"].items():
        for step, result in entry["steps"].items():
            if "error" in result:
                found.append(f"{name}, {step}: {result['error']}")
            elif result.get("different"):
                found.append(f"{name}, {step}: {len(result['different'])} objects are not clang's")
            elif result.get("rebuild_same") is False:
                found.append(f"{name}, {step}: a second build gave other objects")
            elif proof_in(result).get("verdict") == "improved" and not result["recipes_used"]:
                found.append(f"{name}, {step}: recipes were written, and the build used none")
    return found


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("bench-results"), show_default=True)
@click.option("--time", "seconds", default=420.0, show_default=True, help="Seconds for each tuning.")
@click.option("--only", multiple=True, type=click.Choice([project.name for project in PROJECTS]), help="Repeats.")
@click.option("--step", "steps", multiple=True, type=click.Choice(list(STEPS)), help="Repeats. Default: all.")
@click.option("--llvm-prefix", type=click.Path(path_type=Path), help="Folder of the LLVM to use.")
def main(
    results: Path, seconds: float, only: tuple[str, ...], steps: tuple[str, ...], llvm_prefix: Path | None
) -> None:
    """Build, tune and test five projects of other people. Needs the network the first time."""
    projects = [project for project in PROJECTS if not only or project.name in only]
    try:
        results.mkdir(parents=True, exist_ok=True)
        state = run_projects(projects, steps or tuple(STEPS), results, find_toolchain(llvm_prefix), seconds)
    except ColtError as error:
        sys.stderr.write(f"projects: {error}\n")
        sys.exit(error.exit_status)
    from benchmarks.report import projects_table

    click.echo(projects_table(state))
    if found := failures(state):
        sys.stderr.write("".join(f"projects: {line}\n" for line in found))
        sys.exit(1)


if __name__ == "__main__":
    main()
