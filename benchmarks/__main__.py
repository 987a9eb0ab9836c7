"""``python -m benchmarks``: measure, keep what was measured, and write docs/BENCHMARKS.md from it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.report import write_report
from benchmarks.speed import measure_speed
from colt_llvm.core.files import write_json
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Verifier
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import fingerprint, measuring_core
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import included_programs, load_program, programs_directory
from colt_llvm.run.proof import SHARE

#: Programs of different kinds, train and held-out, for what takes a quiet machine and minutes each.
RUNTIME_PROGRAMS = (
    "sorting", "matmul", "bytecode_vm", "heat2d", "chacha20", "queens", "int8_dot", "lu", "life", "attention",
)  # fmt: skip
_FOLDER = click.Path(path_type=Path)


#: Of a proof, where the search ends by trials and finalists are ranked anew before it.
PROOF_SECONDS = TuneOptions(trials=1).proof_seconds * (1 - SHARE)


@click.group()
@click.option("--results", type=_FOLDER, default=Path("bench-results"), show_default=True)
@click.pass_context
def cli(context: click.Context, results: Path) -> None:
    """Parts can be run one by one; what is there already is not run again."""
    results.mkdir(parents=True, exist_ok=True)
    context.obj = results


@cli.command()
@click.pass_obj
def speed(results: Path) -> None:
    """Steps and evaluations a second; the search's own time; embedded models; models and programs that overlap."""
    from benchmarks.answer_speed import answer_seconds
    from benchmarks.search_speed import overlap, search_seconds

    host = asdict(fingerprint())
    measured = {**measure_speed(), "iterations": search_seconds(), "overlap": overlap()}
    measured["answers"] = answer_seconds(find_toolchain())
    write_json(results / "speed.json", {"date": date.today().isoformat(), "host": host, **measured})


@cli.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.pass_obj
def size(results: Path, seconds: float, jobs: int) -> None:
    """Objective size on every included program."""
    names = [program.name for program in included_programs()]
    run_suite(names, "size", seconds, results / "size", jobs=jobs)


@cli.command()
@click.option("--seconds", default=70.0, show_default=True)
@click.pass_obj
def runtime(results: Path, seconds: float) -> None:
    """Objective runtime, one program at a time."""
    run_suite(RUNTIME_PROGRAMS, "runtime", seconds, results / "runtime")


@cli.command()
@click.option("--rounds", default=1.0, help="Scales the time of each A/B test.")
@click.pass_obj
def control(results: Path, rounds: float) -> None:
    """The baseline of each held-out program against itself: as many proofs as the experiment ``runtime`` has."""
    names = [program.name for program in included_programs("held-out")]
    write_json(results / "control.json", {"ab_tests": run_control(names, PROOF_SECONDS * rounds)})


@cli.command()
@click.option("--rounds", default=40, show_default=True)
@click.pass_obj
def wrapper(results: Path, rounds: int) -> None:
    """What colt-cc costs a build, beside clang."""
    from benchmarks.wrapper_speed import measure_wrapper

    results.mkdir(parents=True, exist_ok=True)
    write_json(results / "wrapper.json", measure_wrapper(rounds))


@cli.command()
@click.option("-o", "--output", type=_FOLDER, default=Path("docs/BENCHMARKS.md"), show_default=True)
@click.pass_obj
def report(results: Path, output: Path) -> None:
    """Write the tables from what was measured."""
    write_report(results, output)


def run_suite(
    programs: Sequence[str], objective: str, seconds: float, folder: Path, *, jobs: int = 1, extra: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Results in the order of ``programs``. What is in ``folder`` already is not run again.

    jobs: programs at once, each with one worker; only where nothing is timed.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def one(name: str) -> dict[str, Any]:
        file = folder / f"{name}.json"
        if file.exists():
            return dict(json.loads(file.read_text()))
        command = [sys.executable, "-m", "colt_llvm.cli.main", "tune", name, "--objective", objective, "--seed", "1"]
        command += ["--time", f"{seconds:g}", "--json", "--run-dir", str(folder / f"run-{name}"), *extra]
        if jobs > 1:
            command += ["--workers", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout) if done.returncode == 0 else {"program": name, "error": done.stderr.strip()}
        write_json(file, result)
        sys.stderr.write(f"{name}: {result.get('verdict', result.get('error'))} {result.get('ratio', '')}\n")
        return dict(result)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, programs))


def run_control(programs: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """A/A: the proof's own procedure, with the baseline's code as the finalist. Nothing may be called improved.

    One A/B test a program; ``seconds`` each, or what its fewest rounds take.
    """
    toolchain, results = find_toolchain(), []
    for name in programs:
        program = load_program(programs_directory() / name)
        objects = prepare_baseline(toolchain, program, "runtime").objects
        linker = linker_of(toolchain, program)
        timer = Timer(Verifier.of(program, TuneOptions(), objects, linker, measuring_core()))
        try:
            copy, control = timer.verifier.link(objects, "finalist-1"), timer.verifier.link(objects, "control")
            policy = ABTestPolicy(seconds=seconds).with_room(1, timer.run_seconds)
            held = ab_test({"copy": copy}, (timer.verifier.baseline, control), timer.time_together, policy)
        finally:
            timer.verifier.close()
        arm = held.arms[0]
        results.append(
            {"program": name, "verdict": arm.verdict.value, "ratio": arm.interval.ratio, "low": arm.interval.low,
             "high": arm.interval.high, "rounds": arm.interval.rounds, "noise": held.noise.ratio}
        )  # fmt: skip
    return results


if __name__ == "__main__":
    cli()
