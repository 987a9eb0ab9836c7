"""Samplers of optuna over sequences of up to eight actions."""

from __future__ import annotations

import warnings
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ActionSet
from colt_llvm.search.rivals.peer_search import Names, PeerSearch, import_peer
from colt_llvm.search.strategy import DeclaredStrategy

DEFAULT = "TPESampler"
SLOTS = 8


class OptunaSearch(PeerSearch[Any]):
    """algorithm: a class of ``optuna.samplers`` that takes a seed; "" is DEFAULT. Raises UsageError, MissingPeer.

    A slot says whether it is empty, a pass, an edit or a pass for one function, and then which: conditional choices, as
    optuna's users write them; of a pass for one function it says function and pass apart. For 200 trials of 330 actions
    a proposal took 9 ms with the samples of all slots modelled together (``multivariate``), and 13 ms with each by
    itself, which found a little less.
    """

    def __init__(self, actions: ActionSet, seed: int, algorithm: str = "") -> None:
        super().__init__("optuna", actions, seed)
        self._optuna = optuna = import_peer("optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        steps = frozenset(actions.steps)
        named = {"pass": actions.passes, "edit": tuple(name for name in actions.edits if name not in steps)}
        self._choices = {kind: names for kind, names in named.items() if names}
        self._steps = dict(map(_taken_apart, actions.steps))  # (function, what) -> name
        self._functions = tuple(dict.fromkeys(function for function, _ in self._steps))
        self._whats = tuple(dict.fromkeys(what for _, what in self._steps))
        self._kinds = ("none", *self._choices, *(["step"] if self._steps else []))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate is marked as experimental
            self._study = optuna.create_study(sampler=_sampler(optuna, algorithm or DEFAULT, seed % 2**32))

    def _ask_library(self) -> tuple[Any, Names]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            names = []
            for slot in range(SLOTS):
                kind = trial.suggest_categorical(f"kind{slot}", self._kinds)
                if kind == "step":
                    function = trial.suggest_categorical(f"function{slot}", self._functions)
                    names.append(self._steps[function, trial.suggest_categorical(f"step{slot}", self._whats)])
                elif kind != "none":
                    names.append(trial.suggest_categorical(f"{kind}{slot}", self._choices[kind]))
        return trial, self.actions.tidy(names)

    def _tell_library(self, ticket: Any, loss: float | None) -> None:
        if loss is None:
            self._study.tell(ticket, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(ticket, loss)

    def _adopt(self, sequence: Names) -> Any:
        kinds = {name: kind for kind, names in self._choices.items() for name in names}
        parameters: dict[str, str] = {}
        for slot in range(SLOTS):
            name = sequence[slot] if slot < len(sequence) else None
            kind = "none" if name is None else kinds.get(name, "step")
            parameters[f"kind{slot}"] = kind
            if name is not None and kind == "step":
                (parameters[f"function{slot}"], parameters[f"step{slot}"]), _ = _taken_apart(name)
            elif name is not None:
                parameters[f"{kind}{slot}"] = name
        self._study.enqueue_trial(parameters)
        return self._ask_library()[0]


def _taken_apart(step: str) -> tuple[tuple[str, str], str]:
    """``skip<f>(gvn)`` as (("f", "skip(gvn)"), itself)."""
    kind, _, rest = step.partition("<")
    function, _, what = rest.partition(">(")
    return (function, f"{kind}({what}"), step


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    kind = getattr(optuna.samplers, name, None) if name.endswith("Sampler") else None
    if kind is None:
        raise UsageError(f"--strategy optuna:{name}: optuna has no such sampler; try {DEFAULT} or RandomSampler")
    try:
        return kind(seed=seed, multivariate=True) if name == DEFAULT else kind(seed=seed)
    except (TypeError, ImportError) as error:
        raise UsageError(f"--strategy optuna:{name}: cannot be made ({error}); try {DEFAULT}") from None


OPTUNA = DeclaredStrategy(
    "optuna",
    "a sampler of optuna; optuna:NAME for another than the default",
    lambda task, algorithm, _options: OptunaSearch(task.table, task.seed, algorithm),
    algorithms=True,
)
