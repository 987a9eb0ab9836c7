"""``colt-llvm prompt``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import llvm_option, objective_option, program_of, source_options
from colt_llvm.core.errors import UsageError

if TYPE_CHECKING:
    from colt_llvm.evaluate.target import Target
    from colt_llvm.llvm.catalogue import Catalogue
    from colt_llvm.models.question import Offer, Question


@click.command("prompt", context_settings={"help_option_names": ["-h", "--help"]})
@source_options
@objective_option(help="Objective that the prompt names.")
@click.option("--kind", type=click.Choice(["seed", "expand", "correct"]), default="seed", show_default=True,
              help="Ask for a first step, for the next step, or to correct the last action of --sequence.")  # fmt: skip
@click.option("--sequence", default="", metavar="A,B,...",
              help="Actions of the state that is shown. Default: none, the root of the search.")  # fmt: skip
@click.option("--models", default="small:7e9,large:70e9", show_default=True, metavar="NAME:PARAMETERS,...",
              help="Models that the prompt offers as next model.")  # fmt: skip
@click.option("--proposals", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Proposals that the answer is to hold.")  # fmt: skip
@click.option("--max-tokens", type=click.IntRange(1), default=15_360, show_default=True, metavar="N",
              help="Longest prompt, in tokens as colt-llvm estimates them.")  # fmt: skip
@llvm_option
def command(**given: Any) -> None:
    """Print the prompt that a language model gets for PROGRAM. No model is asked, and the program is not run."""
    program = program_of(given)
    offers = _offers(given["models"])
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    from colt_llvm.evaluate.options import TuneOptions
    from colt_llvm.evaluate.target import prepare_target
    from colt_llvm.proposal.prompt import render
    from colt_llvm.proposal.wording import estimate_messages

    target = prepare_target(toolchain, program, TuneOptions(objective=given["objective"]))
    catalogue = target.catalogue
    shown = _Shown(given["kind"], _names(given["sequence"], catalogue), offers, given["proposals"])
    question = _question(target, shown)
    messages = render(question, {action.name: action.summary for action in catalogue}, given["max_tokens"])
    for message in messages:
        click.echo(f"[{message.role}]\n{message.content}\n")
    click.echo(f"about {estimate_messages(messages)} tokens of {given['max_tokens']}", err=True)


@dataclass(frozen=True)
class _Shown:
    """What the options ask for."""

    kind: str  # seed, expand or correct
    sequence: tuple[str, ...]  # actions of the state
    offers: tuple[Offer, ...]
    proposals: int  # that the answer is to hold


def _names(text: str, catalogue: Catalogue) -> tuple[str, ...]:
    from colt_llvm.core.text import split_pipeline
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


def _question(target: Target, shown: _Shown) -> Question:
    """The question at one state, with all that can be known of it without running the program."""
    import math

    from colt_llvm.evaluate.builder import Builder
    from colt_llvm.measure import host
    from colt_llvm.models.question import Attempt, Question, State
    from colt_llvm.objectives.base import MissingFigureError
    from colt_llvm.run.setup import gather, program_features

    kind, sequence = shown.kind, shown.sequence
    acting = shown.offers[0].name if shown.offers else ""
    if kind == "correct" and not sequence:
        raise UsageError("--kind correct: give a --sequence; its last action is what is corrected")
    goal = target.objective
    with Builder(target) as builder:
        root = goal.measured(builder.build(()))

        def state(names: tuple[str, ...]) -> State:
            figures = goal.measured(builder.build(names)) if names else root
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
            rejected = Attempt(sequence[-1:], acting, gain if known else None, failure)
            sequence = sequence[:-1]
        here = state(sequence)
        return Question(
            request_id=0,
            seed=0,
            kind=kind,
            acting=acting,
            objective=goal.name,
            baseline=target.baseline.name,
            cpu=host.fingerprint().cpu,
            state=here,
            parent=state(sequence[:-1]) if sequence else None,
            grandparent=state(sequence[:-2]) if len(sequence) > 1 else None,
            rejected=rejected,
            tried=() if rejected is None else (rejected,),
            best=None,
            offers=shown.offers,
            program=program_features(builder),
            passes=tuple(target.catalogue.names()),
            edits=tuple(target.sequences.edits),
            wanted=shown.proposals if shown.proposals > 1 else None,
            evidence=gather(builder, sequence, for_size=goal.excerpt == "largest"),
        )
