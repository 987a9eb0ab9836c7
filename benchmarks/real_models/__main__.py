"""``python -m benchmarks.real_models``: COLT with real language models, and what each of its parts brings there.

Results go to ``real-models.jsonl`` in the results folder after each run; what is there is not run again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks import records
from benchmarks.real_models.runs import VARIANTS, Cell, Variant, asked_in, run
from benchmarks.real_models.section import FILE, real_models_section
from benchmarks.real_models.server import CONTEXT_TOKENS, Server, serving
from benchmarks.real_models.weights import WEIGHTS, Weights, fetch, fetch_server
from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.measure.host import fingerprint
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.registry import read_models
from colt_llvm.program.program import included_programs

DEFAULT_VARIANTS = ("together", "policies", "largest", "random", "uncorrected")


@dataclass(frozen=True)
class Local:
    """Models that this module serves itself, anew for each run: then nothing is left in their caches."""

    library: Path
    weights: dict[Weights, Path]
    folder: Path  # for logs

    @contextmanager
    def serve(self, variant: Variant) -> Iterator[tuple[list[ModelSpec], list[Server]]]:
        """Specifications of all, and the servers of those that the variant asks."""
        specs = [_spec(each) for each in self.weights]
        with ExitStack() as stack:
            asked = {spec.name for spec in asked_in(variant, specs)}
            servers = [
                stack.enter_context(serving(self.library, file, each.name, self.folder))
                for each, file in self.weights.items()
                if each.name in asked
            ]
            urls = {server.name: f"{server.url}/v1" for server in servers}
            yield [replace(spec, base_url=urls.get(spec.name, spec.base_url)) for spec in specs], servers


def _spec(weights: Weights) -> ModelSpec:
    return ModelSpec(
        weights.name, "openai", weights.parameters, weights.price, base_url="http://127.0.0.1/v1", concurrency=1,
        context_tokens=CONTEXT_TOKENS, max_output_tokens=512, timeout_seconds=900.0,
    )  # fmt: skip


def measure(cells: Sequence[Cell], models: Local | list[ModelSpec], results: Path) -> None:
    """Run what is missing. Raises ColtError; what was measured until then is kept."""
    file, folder = results / FILE, (results / "real-models").absolute()
    known = {(record["cell"], record["served"]) for record in records.read(file)}
    for cell in cells:
        served = isinstance(models, Local)
        if (cell.name, served) in known:
            continue
        sys.stderr.write(f"real-models: {cell.name}\n")
        started = time.monotonic()
        if isinstance(models, Local):
            with models.serve(cell.variant) as (specs, servers):
                record = run(cell, specs, folder)
                record["counted"] = _sum([server.counted() for server in servers])
        else:
            record = run(cell, models, folder)
        records.append(file, {**record, "served": served, "whole_seconds": time.monotonic() - started,
                              "date": date.today().isoformat(), "cpu": fingerprint().cpu})  # fmt: skip


def _sum(counted: Sequence[Any]) -> dict[str, int]:
    return {name: sum(getattr(each, name) for each in counted) for name in ("prompt", "cached", "completion")}


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("bench-results"), show_default=True)
@click.option("--programs", default="lz77,huffman", show_default=True, metavar="LIST", help="Included programs.")
@click.option("--seeds", default=1, show_default=True, help="Runs of each.")
@click.option("--trials", default=40, show_default=True, help="Of each run.")
@click.option(
    "--variants",
    default=",".join(DEFAULT_VARIANTS),
    show_default=True,
    metavar="LIST",
    help=f"Of {', '.join(variant.name for variant in VARIANTS)}.",
)
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Models of your own, as colt-llvm models --example shows; nothing is fetched or served then.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where weights and server are kept. Default: real-models/fetched in the results folder.",
)
def main(
    results: Path, programs: str, seeds: int, trials: int, variants: str, models: Path | None, folder: Path | None
) -> None:  # fmt: skip
    """Run COLT with language models, the largest alone, and the policies alone. Fetches 900 MB the first time."""
    try:
        cells = cells_of(programs.split(","), variants.split(","), range(seeds), trials)
        results.mkdir(parents=True, exist_ok=True)
        if models is not None:
            measure(cells, read_models(models), results)
        else:
            kept = (folder or results / "real-models" / "fetched").absolute()
            files = fetch(WEIGHTS, kept)
            weights = {each: files[each.name] for each in WEIGHTS}
            measure(cells, Local(fetch_server(kept), weights, results.absolute() / "real-models" / "logs"), results)
    except ColtError as error:
        sys.stderr.write(f"real-models: {error}\n")
        sys.exit(error.exit_status)
    click.echo(real_models_section(results))


def cells_of(programs: Sequence[str], variants: Sequence[str], seeds: Sequence[int], trials: int) -> list[Cell]:
    """Every variant of a program before the next program. Raises UsageError for a name that is not known."""
    known = {variant.name: variant for variant in VARIANTS}
    included = {program.name for program in included_programs()}
    for name, names in [*((name, known) for name in variants), *((name, included) for name in programs)]:
        if name not in names:
            raise UsageError(f"{name!r} is none of {', '.join(sorted(names))}")
    return [
        Cell(program, known[variant], seed, trials) for program in programs for seed in seeds for variant in variants
    ]


if __name__ == "__main__":
    main()
