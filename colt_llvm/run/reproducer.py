"""What shows a wrong program with LLVM's own tools: bitcode and a script, ready for an upstream report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.evaluate.target import Target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import Baseline
from colt_llvm.program.compilation import baseline_command, codegen_command, front_end_command
from colt_llvm.program.program import IR_SUFFIXES, Program, Workload
from colt_llvm.run.pass_bisection import Bisection, DecidingPass

SCRIPT = "reproduce.sh"
_WHICH = ("right", "wrong")


@dataclass(frozen=True)
class Shown:
    """What goes wrong."""

    difference: str  # to the baseline, in one line
    pipeline: str  # of the candidate
    module: int  # which source it is about
    deciding: DecidingPass | None = None  # None where it was not found
    bisection: Bisection | None = None  # that found it


def write_reproducer(folder: Path, target: Target, shown: Shown, *, part: bool = False) -> list[str]:
    """Write ``program.bc`` and ``reproduce.sh`` to ``folder``; the script's commands.

    part: of something larger, so that the script ends with objects.
    """
    toolchain, program, baseline = target.toolchain, target.program, target.baseline
    module, deciding, bisection, difference = shown.module, shown.deciding, shown.bisection, shown.difference
    (folder / "program.bc").write_bytes(baseline.bitcodes[module])
    source = program.sources[module]
    opt = toolchain.opt or toolchain.prefix / "bin" / "opt"
    if deciding is not None and bisection is not None:
        first, second = deciding.number - 1, deciding.number
        limits: Sequence[int | None] = (first, second) if deciding.wrong_from_here else (second, first)
        pipelines = [bisection.pipeline] * 2
    else:
        limits, pipelines = (None, None), [baseline.completion.pipeline, shown.pipeline]
    lines = []
    for which, limit, text in zip(_WHICH, limits, pipelines, strict=True):
        command = Bisection(opt, Path(), text, folder, 0.0).command("program.bc", f"{which}.bc", limit)
        lines.append(f"{shlex.join(command)} 2> {which}.log")  # which passes ran
    if deciding is not None and deciding.alone:
        before, after = _WHICH if deciding.wrong_from_here else reversed(_WHICH)
        alone = Bisection(opt, Path(), pipelines[0], folder, 0.0).command(
            f"{before}.bc", f"{after}.bc", passes=deciding.alone
        )
        lines.append(f"# {deciding.name} alone does it: {shlex.join(alone)}")
    lines += _objects(toolchain, program, baseline, module)
    lines += _programs(toolchain, program, module, difference) if not part else [
        "# link the project with right.o and with wrong.o in the place of this file's object, and run it"
    ]  # fmt: skip
    how = f"program.bc is what the front end makes of {program.name}"
    if source.suffix not in IR_SUFFIXES:
        command = [*front_end_command(toolchain, program, source, baseline.level), "-o", "program.bc"]
        how = f"program.bc was made by: {shlex.join(command)}"
    head = [
        "#!/bin/sh",
        f"# LLVM {toolchain.version}, {toolchain.triple}. {_one_line(difference)}",
        f"# {how}",
        'cd "$(dirname "$0")" || exit 1',
        "ulimit -t 20; ulimit -v 8388608  # a wrong program may never end, or take all memory",
    ]
    script = folder / SCRIPT
    script.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    script.chmod(0o755)
    return lines


def _objects(toolchain: Toolchain, program: Program, baseline: Baseline, module: int) -> list[str]:
    lines = [
        shlex.join([*codegen_command(toolchain, program, Path(f"{which}.bc"), baseline.level), "-o", f"{which}.o"])
        for which in _WHICH
    ]
    for index, source in enumerate((*program.sources, *program.harness)):
        if index != module:
            command = baseline_command(toolchain, program, source, baseline.level)
            lines.append(shlex.join([*command, "-o", f"other-{index}.o"]))
    return lines


def _programs(toolchain: Toolchain, program: Program, module: int, difference: str) -> list[str]:
    others = [f"other-{index}.o" for index in range(len(program.sources) + len(program.harness)) if index != module]
    compiler, workload = str(toolchain.compiler(program.is_cxx)), _workload(program.workloads, difference)
    lines = []
    for which in _WHICH:
        lines.append(shlex.join([compiler, f"{which}.o", *others, "-o", which, *program.ldflags]))
        words = [word.replace("{exe}", f"./{which}") for word in workload.command]
        given = shlex.quote(str(workload.stdin)) if workload.stdin is not None else "/dev/null"
        lines.append(f'echo "{which}:"; {shlex.join(words)} < {given}; echo "exit status $?"')
        lines += [f"cat {shlex.quote(name)}" for name in workload.outputs]
    return lines


def _workload(workloads: Sequence[Workload], difference: str) -> Workload:
    """The one that the difference names."""
    return next((w for w in workloads if difference.startswith(f"workload {w.name}:")), workloads[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
