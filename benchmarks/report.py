"""docs/BENCHMARKS.md from the results folder: as measured, favourable or not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.projects.steps import proof_in
from benchmarks.real_models.section import real_models_section
from benchmarks.strategies_report import (
    ablations_section,
    decisions_section,
    long_section,
    minute_section,
    runtime_section,
    strategies_section,
)
from colt_llvm.program.program import included_programs

Result = dict[str, Any]


def write_report(results: Path, output: Path) -> None:
    """Sections whose results are missing, and sections not made here, stay as ``output`` has them."""
    earlier = _sections(output)
    parts = []
    parts.append(_speed(_load(results / "speed.json")))
    parts.append(_suite("Code size", _SIZE_TEXT, _all(results / "size"), "size"))
    parts.append(_suite("Run time", _RUNTIME_TEXT, _all(results / "runtime"), "runtime"))
    parts.append(runtime_section(results / "runtime-peers"))
    parts.append(_control(_load(results / "control.json")))
    parts.append(strategies_section(results / "strategies"))
    parts.append(minute_section(results / "minute"))
    parts.append(decisions_section(results / "decisions"))
    parts.append(long_section(results / "long"))
    parts.append(ablations_section(results / "ablations"))
    parts.append(_wrapper(_load(results / "wrapper.json")))
    parts.append(projects_table(_load(results / "projects.json")))
    parts += filter(None, [real_models_section(results)])
    made = {_title(part): earlier.get(_title(part), part) if _NOT_MEASURED in part else part for part in parts}
    kept = [*made.values(), *(part for title, part in earlier.items() if title not in made)]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join(["# Benchmarks\n", _INTRODUCTION, *kept]), encoding="utf-8")


_NOT_MEASURED = "Not measured.\n"


def _title(section: str) -> str:
    return section.partition("\n")[0]


def _sections(file: Path) -> dict[str, str]:
    """Heading -> section of a report that is there already."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    parts = [f"## {part}" for part in f"\n{text}".split("\n## ")[1:]]
    return {_title(part): part if part.endswith("\n") else f"{part}\n" for part in parts}


_INTRODUCTION = (
    "Written by `make bench`, whose parts can be run at different times. Ratios are baseline over tuned, so above 1 is "
    "better. The machine was a shared one with virtual cores and was not idle; figures in seconds hold for it alone.\n"
)
_SIZE_TEXT = (
    "`colt-llvm tune PROGRAM --objective size --time 60 --workers 1`, two programs at a time on two cores. Bytes are "
    "those of the object's loaded sections; the baseline is plain `clang -Oz`. Every tuned program was built again "
    "from its recipe's one pipeline, and checked on all its workloads.\n"
)
_RUNTIME_TEXT = (
    "`colt-llvm tune PROGRAM --time 70`, one program at a time. The baseline is plain `clang -O3`. The interval is of "
    "the proof, measured after the search; a program counts as improved only where it is past 1 and past "
    "the noise floor of that A/A control. `busy` is the share of the search in which the measuring core ran the user's "
    "program.\n"
)


def _load(path: Path) -> Result | None:
    return dict(json.loads(path.read_text())) if path.exists() else None


def _all(folder: Path) -> list[Result]:
    return [dict(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def _speed(result: Result | None) -> str:
    if result is None:
        return "## Speed\n\nNot measured.\n"
    host, steps = result["host"], result["steps"]
    lines = [
        "## Speed\n",
        f"{result['date']}, {host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, LLVM {result['llvm']}.\n",
        "| what | figure |",
        "|---|---|",
        f"| environment steps a second, smallest program, random episodes | {steps['walk']:.0f} |",
        f"| the same, every state new to the service | {steps['fresh']:.0f} |",
        f"| passes a second in one `multistep` of ten, every state new | {steps['multistep_passes']:.0f} |",
        f"| `colt-llvm --help`, best of 5 | {result['help_seconds']:.2f} s |",
        *_search_rows(result),
        "",
        "Evaluations a second, against one `opt` process for each sequence, in one run. *steps*: every prefix of "
        "random sequences of ten passes, valued by IR instruction count as it is, by one `env.step` from the prefix "
        "before; `opt` runs the whole prefix and must give the same count. *random*: five random passes and the -Oz "
        "pipeline after them, for `instructions`; hardly a state is met twice. *search*: what a search of 300 trials "
        "evaluates.\n",
        "| program | sequences | environment | opt | ratio |",
        "|---|---|---|---|---|",
    ]
    for kind in ("steps_by_prefix", "random_sequences", "search"):
        for name, row in result.get(kind, {}).items():
            label = kind.partition("_")[0]
            lines.append(f"| {name} | {label} | {row['environment']:.1f} | {row['opt']:.1f} | {row['ratio']:.1f} |")
    return "\n".join(lines) + "\n"


def _search_rows(result: Result) -> list[str]:
    """Rows of the first table; none where that was not measured."""
    rows = [
        f"| the search's own time for an iteration, tree of {row['nodes']:,} nodes, mean sequence of "
        f"{row['mean_passes']:.0f} passes | {1000 * row['seconds']:.2f} ms |"
        for row in result.get("iterations", [])
    ]
    rows += _answer_rows(result.get("answers"))
    if overlap := result.get("overlap"):
        rows.append(
            "| a model of 2 s and a program of 0.3 s (both asleep): four calls in flight against one | "
            f"{overlap['ratio']:.1f} times faster |"
        )
    return rows


def _answer_rows(result: Result | None) -> list[str]:
    if result is None:
        return []
    asked = f"{result['mean_tried']:.0f} of {result['actions']} actions tried so far"
    trial = f"a trial of {result['program']}, which is built, not run ({1000 * result['trial_seconds']:.0f} ms)"
    return [
        f"| one answer of `{name}`, {asked} | {1e6 * row['seconds']:.0f} µs; {row['trials']:.2%} of {trial} |"
        for name, row in result["models"].items()
    ]


def _suite(title: str, text: str, results: Sequence[Result], figure: str) -> str:
    lines = [f"## {title}\n", text]
    if not results:
        return "\n".join([*lines, "Not measured.\n"])
    splits = {program.name: program.split for program in included_programs()}
    measured = [result for result in results if "error" not in result]
    for label, chosen in (("all", measured), *((s, [r for r in measured if splits.get(r["program"]) == s])
                                             for s in ("train", "held-out"))):  # fmt: skip
        if chosen:
            mean = math.exp(sum(math.log(_gain(result)) for result in chosen) / len(chosen))
            improved = sum(result["verdict"] == "improved" for result in chosen)
            smaller = f" ({1 - 1 / mean:.1%} smaller)" if figure == "size" else ""
            lines.append(f"- {label}: geometric mean {mean:.4f}{smaller}, {improved} of {len(chosen)} improved")
    lines += ["", "| program | split | baseline | tuned | ratio | interval | trials | wrong or failed | busy |",
              "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for result in results:
        lines.append(_row(result, splits.get(result["program"], ""), figure))
    return "\n".join(lines) + "\n"


def _gain(result: Result) -> float:
    """What the user gets: 1 where the baseline is kept."""
    return float(result["ratio"]) if result["verdict"] == "improved" else 1.0


def _row(result: Result, split: str, figure: str) -> str:
    if "error" in result:
        return f"| {result['program']} | {split} | {result['error']} | | | | | | |"
    baseline, tuned = result["figures"][figure]
    shown = "{:.0f}" if figure == "size" else "{:.3f} s"
    interval = result["interval"]
    span = f"{interval['low']:.3f} to {interval['high']:.3f}" if interval else ""
    failures = ", ".join(f"{kind} {count}" for kind, count in sorted(result["failures"].items()))
    busy = f"{result['busy_fraction']:.0%}" if result["busy_fraction"] is not None else ""
    improved = result["verdict"] == "improved"
    return (
        f"| {result['program']} | {split} | {shown.format(baseline)} | {shown.format(tuned) if improved else 'kept'} | "
        f"{_gain(result):.4f} | {span} | {result['trials']} | {failures} | {busy} |"
    )


def _control(result: Result | None) -> str:
    lines = [
        "## The baseline against itself\n",
        "The A/A control: the proof's own procedure, with a copy of the baseline as finalist.\n",
    ]
    if result is None:
        return "\n".join([*lines, "Not measured.\n"])
    tests = result.get("ab_tests") or result.get("contests", ())  # as older results call them
    false = sum(row["verdict"] == "improved" for row in tests)
    lines += [f"{false} of {len(tests)} were called improved.\n",
              "| program | verdict | ratio | interval | rounds | noise |", "|---|---|---|---|---|---|"]  # fmt: skip
    for row in tests:
        lines.append(
            f"| {row['program']} | {row['verdict']} | {row['ratio']:.4f} | {row['low']:.4f} to {row['high']:.4f} | "
            f"{row['rounds']} | {row['noise']:.2%} |"
        )
    return "\n".join(lines) + "\n"


def _wrapper(result: Result | None) -> str:
    lines = [
        "## What colt-cc costs a build\n",
        "One small file by clang and by colt-cc in turn; median milliseconds, and what is more than clang's.\n",
    ]
    if result is None:
        return "\n".join([*lines, _NOT_MEASURED])
    lines += ["| way | ms | more than clang |", "|---|---|---|"]
    lines += [
        f"| {way} | {milliseconds:.1f} | {milliseconds - result['clang']:.1f} |"
        for way, milliseconds in result.items()
        if way not in ("rounds", "python")
    ]
    return "\n".join(
        [*lines, "", f"{result['rounds']:.0f} rounds; python3 alone starts in {result['python']:.1f} ms.\n"]
    )


_PROJECTS_TEXT = (
    "`make bench-projects`. Sources are the distribution's, unchanged; a fresh copy for each step; `tune --build` with "
    "the project's own build command, and its own tests after a full rebuild. *Same objects*: of a build through "
    "colt-cc without recipes, how many are clang's own, byte for byte. *Size* is the program's against every unit at "
    "`-Oz`, *run time* that of one workload against every unit at `-O3`, with the interval of the proof; what did not "
    "improve is kept as it was. *Recipes*: compilations of the rebuild that used one, for size and run time.\n"
)


def projects_table(results: Mapping[str, Any] | None) -> str:
    """A section in Markdown of what ``projects.json`` holds; None or no project is "Not measured."."""
    lines = ["## Projects\n", _PROJECTS_TEXT]
    if not results or not results["projects"]:
        return "\n".join([*lines, _NOT_MEASURED])
    host = results["host"]
    lines += [
        f"{results['date']}, {host['cpu']}, {host['cores']} cores, LLVM {results['llvm']}{_tuning_seconds(results)}.\n",
        "| project | kind, build | own tests | same objects | workload | size | run time | recipes | rebuild |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    problems = []
    for name, entry in sorted(results["projects"].items()):
        steps = entry["steps"]
        lines.append(_project_row(name, entry, steps))
        problems += [f"- {name}, {step}: {steps[step]['error']}" for step in steps if "error" in steps[step]]
    if problems:
        lines += ["", "Did not end well:\n", *problems]
    return "\n".join(lines) + "\n"


def _tuning_seconds(results: Mapping[str, Any]) -> str:
    """How long each tuning was given, where all had the same."""
    steps = [step for entry in results["projects"].values() for step in entry["steps"].values()]
    given = {step["time"] for step in steps if "time" in step}
    return f", {given.pop():.0f} s for each tuning" if len(given) == 1 else ""


def _project_row(name: str, entry: Mapping[str, Any], steps: Mapping[str, Any]) -> str:
    done = {step: result for step, result in steps.items() if "error" not in result}
    tuned = [done[step] for step in ("size", "runtime") if step in done]
    cells = [
        f"{name} {entry['version']}",
        f"{entry['kind']}, {entry['build_system']}",
        # A step ends only where the project's own tests passed.
        f"passed in {len(done)} of {len(steps)} steps",
        _same_objects(done.get("wrapped")),
        f"{done['plain']['run_seconds']:.2f} s" if "plain" in done else "",
        _project_gain(steps.get("size")),
        _project_gain(steps.get("runtime")),
        ", ".join(str(result["recipes_used"]) for result in tuned),
        ("same bytes" if all(result["rebuild_same"] for result in tuned) else "DIFFERENT") if tuned else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _same_objects(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return ""
    same = result["objects"] - len(result["different"]) - len(result["same_loaded"])
    dated = f", and {len(result['same_loaded'])} but for a build date" if result["same_loaded"] else ""
    return f"{same} of {result['objects']}{dated}"


def _project_gain(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return ""
    if "error" in result:
        return "failed"
    proof = proof_in(result)
    span = f" ({proof['interval'][0]:.3f} to {proof['interval'][1]:.3f})" if proof["interval"] else ""
    if proof["verdict"] != "improved":
        return f"kept{span}"
    return f"{proof['ratio']:.4f}{span}, {len(proof['units_tuned'])} of {proof['units']} units"
