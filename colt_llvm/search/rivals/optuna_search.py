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
_KINDS = ("none", "pass", "edit")


class OptunaSearch(PeerSearch[Any]):
    """algorithm: a class of ``optuna.samplers`` that takes a seed; "" is DEFAULT. Raises UsageError, MissingPeer.

    A slot says whether it is empty, a pass or an edit, and then which: conditional choices, as optuna's users write
    them. For 200 trials of 330 actions a proposal took 9 ms with the samples of all slots modelled together
    (``multivariate``), and 13 ms with each by itself, which found a little less.
    """

    def __init__(self, actions: ActionSet, seed: int, algorithm: str = "") -> None:
        super().__init__("optuna", actions, seed)
        self._optuna = optuna = import_peer("optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._kinds = [kind for kind in _KINDS if {"pass": actions.passes, "edit": actions.edits}.get(kind, True)]
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
                if kind != "none":
                    choices = self.actions.passes if kind == "pass" else self.actions.edits
                    names.append(trial.suggest_categorical(f"{kind}{slot}", choices))
        return trial, self.actions.tidy(names)

    def _tell_library(self, ticket: Any, loss: float | None) -> None:
        if loss is None:
            self._study.tell(ticket, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(ticket, loss)

    def _adopt(self, sequence: Names) -> Any:
        edits = set(self.actions.edits)
        parameters: dict[str, str] = {}
        for slot in range(SLOTS):
            name = sequence[slot] if slot < len(sequence) else None
            kind = "none" if name is None else "edit" if name in edits else "pass"
            parameters[f"kind{slot}"] = kind
            if name is not None:
                parameters[f"{kind}{slot}"] = name
        self._study.enqueue_trial(parameters)
        return self._ask_library()[0]


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
    lambda task, algorithm, _options: OptunaSearch(task.actions, task.seed, algorithm),
    algorithms=True,
)
