"""The strategies that a run can have, by name; and which options go with them."""

from __future__ import annotations

from collections.abc import Mapping

from colt_llvm.core.errors import UsageError

COLT = "colt"

#: Name -> one line for --help. What says [:NAME] takes an algorithm of that library, such as nevergrad:DiscreteDE.
STRATEGIES: Mapping[str, str] = {
    COLT: "one tree search that several models share (arXiv 2602.01935)",
    "mcts": "the same tree with random proposals, no model",
    "random": "random sequences",
    "greedy": "hill climbing with restarts",
    "genetic": "a population of sequences, crossover and mutation",
    "nevergrad": "an optimiser of nevergrad; nevergrad:NAME for another than the default",
    "optuna": "a sampler of optuna; optuna:NAME for another than the default",
}

#: Strategies out of libraries, which name their own algorithms.
_PEERS = ("nevergrad", "optuna")
#: Strategies with COLT's tree, so with its options.
_TREES = (COLT, "mcts")


def split_name(strategy: str) -> tuple[str, str]:
    """The strategy, and the algorithm of its library or "". Raises UsageError for an unknown one."""
    name, colon, algorithm = strategy.partition(":")
    if name not in STRATEGIES or (colon and (name not in _PEERS or not algorithm)):
        raise UsageError(f"--strategy {strategy!r}: use one of {', '.join(STRATEGIES)}, or nevergrad:NAME, optuna:NAME")
    return name, algorithm


def takes_models(strategy: str) -> bool:
    """Whether models propose."""
    return strategy == COLT


def takes_search_options(strategy: str) -> bool:
    """Whether there is a tree, with a preset and options."""
    return strategy in _TREES


def refuse_models(strategy: str) -> None:
    """Raises UsageError where models were named for a strategy that asks none."""
    if not takes_models(strategy):
        raise UsageError(
            f"--strategy {strategy}: asks no model; leave out --models and --max-..., or use --strategy {COLT}"
        )
