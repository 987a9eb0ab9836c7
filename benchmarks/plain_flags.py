"""Is what a search for size finds ever larger than what plain flags of clang give?

Tunes programs for ``size``, and builds them with clang at -Os, -O1, -O2, and -Oz with other inliner thresholds.

    python -m benchmarks.plain_flags [PROGRAM ...] [--seconds 60 | --trials N] [--folder FOLDER]

Without names it takes the train programs. Started again with the same folder it goes on. Ends with 1 where a result is
larger than one of these.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import colt_llvm
from benchmarks.records import append, read, table
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.program import Program, included_programs, load_program, programs_directory
from colt_llvm.program.recipe import apply_recipe, load_recipe

BASELINE = "-Oz"
FLAGS = ("-Os", "-O1", "-O2", *(f"-Oz -mllvm -inline-threshold={value}" for value in (25, 50, 100, 225, 500)))


def plain_size(toolchain: Toolchain, program: Program, flags: str) -> int:
    """Loaded bytes of the objects that clang makes with these flags."""
    total = 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        made = Path(folder, "plain.o")
        for source in program.sources:
            command: list[str | Path] = [
                toolchain.compiler(program.is_cxx),
                *flags.split(),
                *program.cflags,
                "-c",
                source,
                "-o",
                made,
            ]
            subprocess.run(command, check=True, capture_output=True)
            total += loaded_bytes([made.read_bytes()])
    return total


def loaded_bytes(objects: Sequence[bytes]) -> int:
    return sum(section_sizes(data).loaded_bytes for data in objects)


def tuned_size(toolchain: Toolchain, program: Program, run: Path, seconds: float | None, trials: int | None) -> int:
    """Loaded bytes of the recipe's objects; of the baseline's, where no recipe was found."""
    shutil.rmtree(run, ignore_errors=True)
    source = programs_directory() / program.name
    colt_llvm.tune(source, objective="size", seconds=seconds, trials=trials, seed=1, workers=1, run_directory=run,
                   llvm_prefix=toolchain.prefix)  # fmt: skip
    recipe = run / "recipe.json"
    if not recipe.exists():
        return loaded_bytes(baseline_objects(toolchain, program, "Oz"))
    return loaded_bytes(apply_recipe(load_recipe(recipe), toolchain, program))


def larger(record: dict[str, Any]) -> list[str]:
    """The flags whose result is smaller than the tuned one."""
    return [flags for flags in FLAGS if record["plain"][flags] < record["tuned"]]


def summary(records: Sequence[dict[str, Any]]) -> str:
    """Bytes of each program, and by how much all are smaller than -Oz in the geometric mean."""
    rows: list[tuple[object, ...]] = []
    gains: list[tuple[float, float]] = []
    for record in records:
        plain, tuned = record["plain"], record["tuned"]
        best = min(FLAGS, key=lambda flags: plain[flags])
        gains.append((math.log(plain[BASELINE] / min(plain.values())), math.log(plain[BASELINE] / tuned)))
        rows.append((record["name"], plain[BASELINE], plain[best], best, tuned, "LARGER" if larger(record) else ""))
    means = [f"{math.exp(math.fsum(column) / len(gains)):.4f}x" for column in zip(*gains, strict=True)]
    return table(
        ("program", "-Oz", "best plain", "flags", "tuned", ""), [*rows, ("all", "", means[0], "", means[1], "")]
    )


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seconds", type=float, help="Of each search. [default: 60, without --trials]")
@click.option("--trials", type=int, help="Of each search.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("bench-results/plain-flags"))
def main(names: Sequence[str], seconds: float | None, trials: int | None, folder: Path) -> None:
    """Tune what is not in the folder yet, and print the table."""
    if trials is None and seconds is None:
        seconds = 60.0
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{f'{trials}-trials' if seconds is None else f'{seconds:g}-s'}.jsonl"
    programs = [load_program(programs_directory() / name) for name in names] or included_programs("train")
    toolchain = find_toolchain()
    known = {record["name"] for record in read(kept)}
    for program in programs:
        if program.name in known:
            continue
        plain = {flags: plain_size(toolchain, program, flags) for flags in (BASELINE, *FLAGS)}
        tuned = tuned_size(toolchain, program, folder / "runs" / program.name, seconds, trials)
        append(kept, {"name": program.name, "plain": plain, "tuned": tuned})
    records = [record for record in read(kept) if record["name"] in {program.name for program in programs}]
    click.echo(summary(records))
    raise SystemExit(any(larger(record) for record in records))


if __name__ == "__main__":
    main()
