"""The table of the projects for docs/BENCHMARKS.md: as measured, favourable or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = (
    "`make bench-projects`. Sources are the distribution's, unchanged; a fresh copy for each step; `tune --build` with "
    "the project's own build command, and its own tests after a full rebuild. *Same objects*: of a build through "
    "colt-cc without recipes, how many are clang's own, byte for byte. *Size* is the program's against every unit at "
    "`-Oz`, *run time* that of one workload against every unit at `-O3`, with the interval of the proof; what did not "
    "improve is kept as it was. *Recipes*: compilations of the rebuild that used one, for size and run time.\n"
)


def projects_table(results: Mapping[str, Any] | None) -> str:
    """A section in Markdown of what ``projects.json`` holds; None or no project is "Not measured."."""
    lines = ["## Projects\n", _TEXT]
    if not results or not results["projects"]:
        return "\n".join([*lines, "Not measured.\n"])
    host = results["host"]
    lines += [
        f"{results['date']}, {host['cpu']}, {host['cores']} cores, LLVM {results['llvm']}{_seconds(results)}.\n",
        "| project | kind, build | own tests | same objects | workload | size | run time | recipes | rebuild |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    problems = []
    for name, entry in sorted(results["projects"].items()):
        steps = entry["steps"]
        lines.append(_row(name, entry, steps))
        problems += [f"- {name}, {step}: {steps[step]['error']}" for step in steps if "error" in steps[step]]
    if problems:
        lines += ["", "Did not end well:\n", *problems]
    return "\n".join(lines) + "\n"


def _seconds(results: Mapping[str, Any]) -> str:
    """How long each tuning was given, where all had the same."""
    steps = [step for entry in results["projects"].values() for step in entry["steps"].values()]
    given = {step["time"] for step in steps if "time" in step}
    return f", {given.pop():.0f} s for each tuning" if len(given) == 1 else ""


def _row(name: str, entry: Mapping[str, Any], steps: Mapping[str, Any]) -> str:
    done = {step: result for step, result in steps.items() if "error" not in result}
    tuned = [done[step] for step in ("size", "runtime") if step in done]
    cells = [
        f"{name} {entry['version']}",
        f"{entry['kind']}, {entry['build_system']}",
        # A step ends only where the project's own tests passed.
        f"passed in {len(done)} of {len(steps)} steps",
        _same(done.get("wrapped")),
        f"{done['plain']['run_seconds']:.2f} s" if "plain" in done else "",
        _gain(steps.get("size")),
        _gain(steps.get("runtime")),
        ", ".join(str(result["recipes_used"]) for result in tuned),
        ("same bytes" if all(result["rebuild_same"] for result in tuned) else "DIFFERENT") if tuned else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _same(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return ""
    same = result["objects"] - len(result["different"]) - len(result["same_loaded"])
    dated = f", and {len(result['same_loaded'])} but for a build date" if result["same_loaded"] else ""
    return f"{same} of {result['objects']}{dated}"


def _gain(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return ""
    if "error" in result:
        return "failed"
    claim = result["claim"]
    span = f" ({claim['interval'][0]:.3f} to {claim['interval'][1]:.3f})" if claim["interval"] else ""
    if claim["verdict"] != "improved":
        return f"kept{span}"
    return f"{claim['ratio']:.4f}{span}, {len(claim['units_tuned'])} of {claim['units']} units"
