"""From the name of a strategy to a search and whoever answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.replay import asked_as
from colt_llvm.run.asking import Asking, CallOptions, ask_models, default_models
from colt_llvm.search.registry import find_strategy, refuse_models
from colt_llvm.search.strategy import Task


def specs_for(strategy: str, models: Sequence[ModelSpec] | None) -> list[ModelSpec]:
    """The models of a run: those named, or the embedded policies; none where the strategy asks none.

    Raises UsageError where models are named for a strategy that asks none.
    """
    if not find_strategy(strategy)[0].asks_models:
        if models:
            refuse_models(strategy)
        return []
    return list(models) if models is not None else default_models()


def default_preset(specs: Sequence[ModelSpec]) -> str:
    """Of the search, where the user chose none: by what asking costs, and by whether whole sequences are known."""
    asked = [asked_as(spec) for spec in specs]
    if any(spec.is_language_model for spec in asked):
        return "paper"
    return "retrieval" if any(spec.can.knows_sequences for spec in asked) else "broad"


def with_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """With the preset named that a new run has: a later version may have another default, and goes on alike."""
    if options.preset or not find_strategy(options.strategy)[0].has_tree:
        return options
    return replace(options, preset=default_preset(specs))


def with_earlier_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """The same for the options of a run that names none: it was made before presets were written down."""
    if options.preset or not find_strategy(options.strategy)[0].has_tree:
        return options
    reading = any(asked_as(spec).is_language_model for spec in specs)
    return replace(options, preset="paper" if reading else "broad")


def make_strategy(
    options: TuneOptions,
    task: Task,
    catalogue: Catalogue,
    specs: Sequence[ModelSpec] | None = None,
    calls: CallOptions | None = None,
) -> Asking:
    """What ``options.strategy`` names, with ``task.seed``. Raises UsageError.

    specs: the models of "colt" (None: the embedded policies), of no other. calls: of these models.
    """
    specs = specs_for(options.strategy, specs)
    if find_strategy(options.strategy)[0].asks_models:
        return ask_models(specs, task, with_preset(options, specs).colt_options, catalogue, calls or CallOptions())
    strategy, algorithm = find_strategy(options.strategy)
    search = strategy.made(task, algorithm, with_preset(options, []).colt_options if strategy.has_tree else None)
    return Asking(search, search, note=strategy.note or f"proposed by {strategy.name} search, no model")
