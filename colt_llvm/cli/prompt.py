"""``colt-llvm prompt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import llvm_option, program_from_options, program_options
from colt_llvm.core.errors import UsageError

if TYPE_CHECKING:
    from colt_llvm.llvm.catalogue import Catalogue
    from colt_llvm.llvm.toolchain import Toolchain
    from colt_llvm.models.question import Offer, Question
    from colt_llvm.program.program import Program


@click.command("prompt", context_settings={"help_option_names": ["-h", "--help"]})
@program_options
@click.option("--objective", type=click.Choice(["runtime", "size", "balanced", "instructions"]), default="runtime",
              show_default=True, help="What the model is asked to better.")  # fmt: skip
@click.option("--kind", type=click.Choice(["seed", "expand", "correct"]), default="seed", show_default=True,
              help="A first idea, a next step, or a correction of the last action of --sequence.")  # fmt: skip
@click.option("--sequence", default="", metavar="A,B,...", help="The state that is shown. Default: the root.")
@click.option("--models", default="small:7e9,large:70e9", show_default=True, metavar="NAME:PARAMETERS,...",
              help="Models on offer.")  # fmt: skip
@click.option("--max-tokens", type=click.IntRange(1), default=15_360, show_default=True, metavar="N",
              help="Room for the prompt, by our own estimate.")  # fmt: skip
@llvm_option
def command(**given: Any) -> None:
    """Print what a language model would read about PROGRAM. No model is asked, and the program is not run."""
    program = program_from_options(
        given["sources"], given["cflags"], given["ldflags"], given["harness"], given["arguments"],
        given["stdin"], given["runs"], given["output_files"], given["ignored"], given["float_tolerance"],
    )  # fmt: skip
    offers = _offers(given["models"])
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    from colt_llvm.llvm.acceptance import toolchain_catalogue
    from colt_llvm.proposal.prompt import render
    from colt_llvm.proposal.tokens import estimate_messages
    from colt_llvm.run.session import RISKS_AVOIDED

    catalogue = toolchain_catalogue(toolchain).without(RISKS_AVOIDED)
    question = _question(
        program, toolchain, catalogue, given["objective"], given["kind"], _names(given["sequence"], catalogue), offers
    )
    messages = render(question, {action.name: action.summary for action in catalogue}, given["max_tokens"])
    for message in messages:
        click.echo(f"[{message.role}]\n{message.content}\n")
    click.echo(f"about {estimate_messages(messages)} tokens of {given['max_tokens']}", err=True)


def _names(text: str, catalogue: Catalogue) -> tuple[str, ...]:
    from colt_llvm.llvm.catalogue import split_pipeline
    from colt_llvm.llvm.pipeline import is_edit

    return tuple(part if is_edit(part) else catalogue[part].name for part in split_pipeline(text))


def _offers(text: str) -> tuple[Offer, ...]:
    from colt_llvm.models.question import Offer

    offers = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, count = part.rpartition(":")
        try:
            parameters = float(count)
        except ValueError:
            parameters = 0.0
        if not name or not parameters > 0:
            raise UsageError(f"--models {part!r}: write a name and a parameter count, such as small:7e9")
        offers.append(Offer(name, parameters))
    return tuple(offers)


def _question(
    program: Program,
    toolchain: Toolchain,
    catalogue: Catalogue,
    objective: str,
    kind: str,
    sequence: tuple[str, ...],
    offers: tuple[Offer, ...],
) -> Question:
    """The question at one state, with all that can be known of it without running the program."""
    import math

    from colt_llvm.env import ServiceOptions
    from colt_llvm.evaluate.builder import Builder, Sequences
    from colt_llvm.measure import host
    from colt_llvm.models.question import Attempt, Question, State
    from colt_llvm.objectives.objective import MissingFigureError
    from colt_llvm.program.baseline import prepare_baseline
    from colt_llvm.run.evidence import gather, program_features
    from colt_llvm.search import Objective

    if kind == "correct" and not sequence:
        raise UsageError("--kind correct: give a --sequence; its last action is what is corrected")
    baseline = prepare_baseline(toolchain, program, objective)
    goal = Objective(objective)
    with Builder(
        toolchain, program, baseline, catalogue, with_objects=objective != "instructions",
        options=ServiceOptions(llvm_prefix=toolchain.prefix),
    ) as builder:  # fmt: skip
        root = builder.build(()).figures

        def state(names: tuple[str, ...]) -> State:
            figures = builder.build(names).figures if names else root
            try:
                reward = goal.reward(figures, root)
            except MissingFigureError:  # a run time, which is not measured here
                reward = 0.0 if not names else math.nan
            return State(names, reward, figures)

        rejected = None
        if kind == "correct":
            gain = state(sequence).reward - state(sequence[:-1]).reward
            known = math.isfinite(gain)
            failure = None if known else "not measured"
            rejected = Attempt(sequence[-1:], offers[0].name if offers else "", gain if known else None, failure)
            sequence = sequence[:-1]
        shown = state(sequence)
        return Question(
            request_id=0,
            seed=0,
            kind=kind,
            acting=offers[0].name if offers else "",
            objective=objective,
            baseline=baseline.name,
            cpu=host.fingerprint().cpu,
            state=shown,
            parent=state(sequence[:-1]) if sequence else None,
            grandparent=state(sequence[:-2]) if len(sequence) > 1 else None,
            rejected=rejected,
            tried=() if rejected is None else (rejected,),
            best=None,
            offers=offers,
            program=program_features(builder),
            passes=tuple(catalogue.names()),
            edits=tuple(Sequences(catalogue, baseline).edits),
            evidence=gather(builder, sequence, for_size=objective == "size"),
        )
