"""Which models are worth asking. There is no clock in it, only the order of what is told, so that runs repeat.

Why so: docs/decisions/0016.
"""

from __future__ import annotations

from dataclasses import dataclass

from colt_llvm.models.base import LATE

#: Failures after which asking again cannot help.
_FOR_GOOD = frozenset({"authentication"})
#: Failures that cost much time.
_SLOW = frozenset({"timeout", LATE})


@dataclass
class _State:
    failed: int = 0  # in a row, while it is not set aside
    span: int = 0  # how long it was set aside last, in requests
    back_at: int | None = None  # it may be tried again when so many requests were observed; None: it was never away
    gone: bool = False
    answered: bool = False  # ever


class Health:
    """A model that fails ``patience`` times in a row is set aside for ``first`` requests, then has one try.

    When that fails too it is set aside for twice as long, up to ``longest`` requests. One success clears it.
    One that never answered is set aside at its first time-out: three of them could be all that a run does.
    """

    def __init__(self, patience: int = 3, first: int = 8, longest: int = 64) -> None:
        self._patience = patience
        self._first = first
        self._longest = longest
        self._observed = 0
        self._states: dict[str, _State] = {}

    def observe(self, model: str, ok: bool, kind: str = "") -> None:
        """How a request to this model ended; in the order in which trials are told. kind: of the failure."""
        self._observed += 1
        state = self._states.setdefault(model, _State())
        if kind in _FOR_GOOD and not ok:
            state.gone = True
        elif ok:
            self._states[model] = _State(gone=state.gone, answered=True)
        elif self.available(model):
            state.failed += 1
            patience = 1 if kind in _SLOW and not state.answered else self._patience
            if state.failed >= patience or state.back_at is not None:
                state.span = min(self._longest, state.span * 2 or self._first)
                state.back_at = self._observed + state.span

    def available(self, model: str) -> bool:
        """Whether it may be asked now."""
        state = self._states.get(model)
        if state is None:
            return True
        return not state.gone and (state.back_at is None or self._observed >= state.back_at)

    def gone(self, model: str) -> bool:
        """Whether it is set aside for good."""
        return model in self._states and self._states[model].gone
