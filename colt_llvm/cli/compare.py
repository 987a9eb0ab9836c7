"""``colt-llvm compare``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import (
    HOW_LONG,
    WHAT_TO_PROVE,
    WHERE_IT_GOES,
    limit_options,
    limits_of,
    llvm_option,
    program_of,
    source_options,
    workload_options,
)
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.objectives.size import LOADED_SIZE

if TYPE_CHECKING:
    from colt_llvm.compare.comparison import Comparison, Row
    from colt_llvm.compare.plain_build import Rung

#: Of this command alone, or said below as tune needs it.
_NOT_TUNES = ("objective", "seconds", "seed", "as_json")

_options_of_compare = together(
    source_options,
    option("--objective", default=RUNTIME.name, show_default=True, metavar="runtime|size", group=WHAT_TO_PROVE,
           common=True, help="CPU time against clang -O3, or loaded bytes of the executable against clang -Oz."),
    option("--time", "seconds", type=float, default=60.0, show_default=True, metavar="SECONDS", group=HOW_LONG,
           common=True, help="Time for the A/B test of run times; builds and checks come before it."),
    option("--seed", type=int, default=0, show_default=True, metavar="N", group=HOW_LONG,
           help="Random seed of the order of runs."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, common=True, help="Print JSON, raw times too."),
    workload_options,
    limit_options,
    llvm_option,
)  # fmt: skip


@click.command("compare", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_compare
def command(**given: Any) -> None:
    """Measure what plain clang gives PROGRAM without any search: flags, a profile, link-time optimisation.

    Every build is checked like a candidate of tune, and all are timed in one A/B test. Start here: what a flag gives
    needs no recipe.
    """
    from colt_llvm.compare.comparison import compare, comparison_to_dict
    from colt_llvm.evaluate.options import TuneOptions
    from colt_llvm.llvm.toolchain import find_toolchain

    options = TuneOptions(
        objective=given["objective"], seconds=given["seconds"], seed=given["seed"], **limits_of(given)
    )
    program = program_of(given)
    say = None if given["as_json"] else lambda text: click.echo(f"colt-llvm: {text}", err=True)
    with TemporaryDirectory(prefix="colt-compare-") as scratch:
        found = compare(program, find_toolchain(given["llvm_prefix"]), options, Path(scratch), say)
    if given["as_json"]:
        click.echo(json.dumps(comparison_to_dict(found), indent=1))
    else:
        _print(program.name, found)
        click.echo(_conclusion(found))


def _print(name: str, found: Comparison) -> None:
    from colt_llvm.compare.plain_build import COSTS

    timed = found.objective == RUNTIME.name
    lines = [("BUILD", "SPEED" if timed else "SMALLER", "VERDICT", "BYTES", "BUILD TIME")]
    for row in found.rows:
        baseline = row is found.rows[0]
        size, took = (f"{row.size:,}", f"{row.build_seconds:.1f} s") if row.size else ("", "")
        lines.append((row.rung.name, _gain(row, baseline), _verdict(row, baseline), size, took))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.echo(f"{name}: {_against(found)}")
    for line in lines:
        cells = [f"{cell:>{width}}" if index > 2 else f"{cell:<{width}}"
                 for index, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        click.echo("  ".join(cells).rstrip())
    for row in found.rows:
        if row.state in ("differs", "not built"):
            click.echo(f"{row.rung.name}: {row.detail}")
    for cost in COSTS[found.objective]:
        click.echo(f"cost: {cost}")
    for note in found.notes:
        click.echo(f"note: {note}")


def _against(found: Comparison) -> str:
    if found.objective == LOADED_SIZE.name:
        return "loaded bytes of the executable, start-up code included, against clang -Oz"
    if found.noise is None:
        return "CPU time against clang -O3"
    return f"CPU time against clang -O3, {found.rounds} rounds, noise floor {found.noise:.1%}"


def _gain(row: Row, baseline: bool) -> str:
    if baseline:
        return "1"
    if row.ratio is None:
        return ""
    if row.interval is None:
        return f"{row.ratio:.4f}x"
    return f"{row.ratio:.3f}x ({row.interval.low:.3f} to {row.interval.high:.3f})"


def _verdict(row: Row, baseline: bool) -> str:
    from colt_llvm.measure.intervals import Verdict

    if baseline:
        return "baseline"
    if row.verdict is Verdict.NO_IMPROVEMENT and (row.interval.high if row.interval else row.ratio or 1.0) < 1:
        return "worse"
    if row.verdict is not None:
        return row.verdict.value
    return f"same code as {row.detail}" if row.state == "same code" else row.state


def _conclusion(found: Comparison) -> str:
    best = found.best
    if best is None or best.ratio is None:
        return (
            f"Nothing that plain clang offers is shown to beat clang {found.rows[0].rung.name}; tune searches further."
        )
    line = f"Best without a search: {best.rung.name}, {best.ratio:.3f}x."
    if best.rung.level == found.rows[0].rung.level and (best.rung.flags or best.rung.profile) and not best.rung.lto:
        line += f" On top of it: colt-llvm tune {_given_again(best.rung)}"
        line += " --pgo" if best.rung.profile else ""
        line += " --objective size" if found.objective == LOADED_SIZE.name else ""
    return line


def _given_again(rung: Rung) -> str:
    """What this command was given that is tune's too, with the flags of ``rung``."""
    context = click.get_current_context()
    words = list(context.params["sources"])
    for parameter in context.command.params:
        name = parameter.name or ""
        ours = name in _NOT_TUNES or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE
        if ours or not isinstance(parameter, click.Option):
            continue
        if parameter.is_flag:
            words.append(parameter.opts[0])
            continue
        value = context.params[name]
        words += [f"{parameter.opts[0]}={one}" for one in (value if parameter.multiple else [value])]
    words += [f"--cflags={' '.join(rung.flags)}"] if rung.flags else []
    words += [f"--ldflags={' '.join(rung.ldflags)}"] if rung.ldflags else []
    return shlex.join(words)
