"""``colt-llvm train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import llvm_option

if TYPE_CHECKING:
    from colt_llvm.training.train import Trained

_LISTS = ("--from", "--validate")


class _WithLists(click.Command):
    """``--from RUN RUN`` is ``--from RUN --from RUN``: what a shell makes of ``--from colt-runs/*``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        of, first = "", False
        for word in args:
            if word.startswith("-"):
                of, first = (word if word in _LISTS else ""), True
            elif of and not first:
                spread.append(of)
            else:
                first = False
            spread.append(word)
        return super().parse_args(context, spread)


@click.command("train", cls=_WithLists, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--from", "runs", multiple=True, required=True, type=click.Path(path_type=Path), metavar="RUN...",
              help="Run directories of tune, with --objective instructions or size.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("mine.npz"), show_default=True,
              metavar="FILE.npz", help="File of the new policies. They are called after it: mine/nano, mine/small, "
              "mine/base.")  # fmt: skip
@click.option("--validate", multiple=True, metavar="PROGRAM...",
              help="Programs on which old and new policies are compared: files, folders with a program.toml, included "
              "programs. Default: the programs of the runs, each left out of training once.")  # fmt: skip
@click.option("--start", type=click.Path(path_type=Path), metavar="OLD.npz",
              help="Fine-tune this earlier file of train. Default: the policies of the package.")  # fmt: skip
@click.option("--trials", type=int, default=40, show_default=True, help="Trials of each search of the comparison.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Searches of the comparison for each program.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def command(**given: Any) -> None:
    """Fine-tune your own copy of the embedded policies on your runs; tune --models FILE.npz uses it.

    Proposals of language models in those runs count too. A policy that gets worse in the comparison keeps its old
    numbers. No program is run.
    """
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.program.program import resolve_program

    programs = [resolve_program([name]) for name in given["validate"]]
    toolchain = find_toolchain(given["llvm_prefix"])
    from colt_llvm.training.train import TrainOptions, train
    from colt_llvm.training.validation import Effort

    as_json = given["as_json"]
    options = TrainOptions(given["start"], programs, Effort(given["trials"], given["seeds"]))
    trained = train(
        given["runs"], given["output"], toolchain, options,
        say=lambda text: None if as_json else click.echo(f"colt-llvm: {text}", err=True),
    )  # fmt: skip
    if as_json:
        import json

        click.echo(json.dumps(_to_dict(trained), indent=1))
    else:
        _print(trained)


def _print(trained: Trained) -> None:
    tried = sum(len(run.trials) for run in trained.dataset)
    spoken = sum(run.told_by_language_models for run in trained.dataset)
    click.echo(
        f"learned from {tried} trials of {len(trained.dataset)} runs; {spoken} of them proposed by language models"
    )
    for validation in trained.validations:
        name = validation.model.partition("/")[2]
        click.echo(f"{name:<6} {'kept' if validation.kept else 'not kept: it got worse, and has its old numbers'}")
        for objective, one in validation.figures.items():
            click.echo(
                f"       {objective}: {one.old_mean:.2%} before, {one.new_mean:.2%} now (mean of the best over all "
                f"trials); {one.old_last:.2%} and {one.new_last:.2%} at the end"
            )
    for note in _notes(trained):
        click.echo(f"note: {note}")
    click.echo(f"wrote {trained.output}: colt-llvm tune PROGRAM --models {trained.output.name}")


def _notes(trained: Trained) -> list[str]:
    effort = trained.effort
    on = ", ".join(trained.validated_on)
    notes = [
        f"compared on {on}: {effort.trials} trials, {effort.seeds} seeds, each model alone; built, not run; gains are "
        "log ratios"
    ]
    if trained.leave_one_out:
        notes.append(
            "these are the runs' own programs, each with what the others taught: weak evidence; use --validate"
        )
    elif not trained.independent:
        notes.append("what was learned came from a program that it was compared on: weak evidence; use --validate")
    if trained.unknown_actions:
        more = "" if len(trained.unknown_actions) <= 5 else f" and {len(trained.unknown_actions) - 5} more"
        notes.append(
            f"in no table, and learned only as parts of whole sequences: {', '.join(trained.unknown_actions[:5])}{more}"
        )
    return [*notes, *trained.notes]


def _to_dict(trained: Trained) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "output": str(trained.output),
        "models": list(trained.names),
        "runs": [
            {
                "run": str(run.folder), "program": run.program.name, "objective": run.objective,
                "trials": len(run.trials), "by_language_models": run.told_by_language_models,
            }
            for run in trained.dataset
        ],
        "verdicts": [asdict(validation) for validation in trained.validations],
        "validated_on": list(trained.validated_on),
        "leave_one_out": trained.leave_one_out,
        "independent": trained.independent,
        "trials": trained.effort.trials,
        "seeds": trained.effort.seeds,
        "unknown_actions": list(trained.unknown_actions),
        "notes": _notes(trained),
    }  # fmt: skip
