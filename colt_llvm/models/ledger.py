"""What the models did and took, counted call by call. A resumed run has it again from its transcript."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from colt_llvm.models.base import LATE, ModelSpec
from colt_llvm.models.budget import Spending
from colt_llvm.models.replay import asked_as
from colt_llvm.models.transcript import CallRecord


@dataclass
class Account:
    """One model, or all of them.

    calls: requests that went out, repeated and refused ones included. answers: those that came back sound.
    corrections: answers to corrections, which are in ``answers`` too. retries: calls after the first of a request.
    reasoning_tokens: the part of completion_tokens that was thinking, as far as endpoints say.
    cost: in the currency of the prices; estimated_cost: the part of it that the endpoint never confirmed.
    seconds: sum over all calls; longest_seconds: of one.
    """

    calls: int = 0
    answers: int = 0
    corrections: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float = 0.0
    estimated_cost: float = 0.0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, record: CallRecord) -> None:
        self.calls += 1
        self.retries += record.attempt > 1
        if record.error is None:
            self.answers += 1
            self.corrections += record.kind == "correct"
        else:
            self.errors[record.error] += 1
        self.prompt_tokens += record.usage.prompt_tokens
        self.cached_tokens += record.usage.cached_tokens
        self.completion_tokens += record.usage.completion_tokens
        self.reasoning_tokens += record.usage.reasoning_tokens
        self.cost += record.cost
        self.estimated_cost += record.cost if record.estimated else 0.0
        self.seconds += record.seconds
        self.longest_seconds = max(self.longest_seconds, record.seconds)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def to_dict(self) -> dict[str, Any]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        mean = self.seconds / self.calls if self.calls else None
        return {**values, "errors": dict(sorted(self.errors.items())), "tokens": self.tokens, "mean_seconds": mean}


class Ledger:
    """Thread-safe. Every call is added once, as its record.

    Beside models that cost time or money, answers of policies are no calls that a limit counts.
    """

    def __init__(self, specs: Sequence[ModelSpec]) -> None:
        self._largest = max(specs, key=lambda spec: spec.parameters).name if specs else ""
        free = {spec.name for spec in specs if asked_as(spec).can.at_once}
        self._free = frozenset(free if len(free) < len(specs) else ())
        self._accounts = {spec.name: Account() for spec in specs}
        self._total = Account()
        self._last_failures: dict[str, str] = {}
        self._lock = threading.Lock()

    @staticmethod
    def from_records(specs: Sequence[ModelSpec], records: Iterable[CallRecord]) -> Ledger:
        """The ledger of a run that wrote these records."""
        ledger = Ledger(specs)
        for record in records:
            ledger.add(record)
        return ledger

    def add(self, record: CallRecord) -> None:
        """Count a call that went out; an answer served again is none, and one that nobody waited for has its own."""
        if record.served_from is not None or record.error == LATE:
            return
        with self._lock:
            self._accounts.setdefault(record.model, Account()).add(record)
            self._total.add(record)
            if record.error is not None:
                self._last_failures[record.model] = record.error_text

    def silent(self) -> dict[str, tuple[dict[str, int], str]]:
        """Models that were asked and never answered: failures by kind, and what the last one said."""
        with self._lock:
            return {
                name: (dict(sorted(account.errors.items())), self._last_failures.get(name, ""))
                for name, account in self._accounts.items()
                if account.calls and not account.answers
            }

    def is_free(self, model: str) -> bool:
        """Whether a limit does not count this model's calls."""
        return model in self._free

    @property
    def spent(self) -> Spending:
        """What a budget has to know of earlier parts of a run."""
        with self._lock:
            free = sum(self._accounts[name].calls for name in self._free)
            return Spending(self._total.calls - free, self._total.tokens, self._total.cost)

    def errors_of(self, model: str) -> int:
        """Failed calls of one model."""
        with self._lock:
            return sum(self._accounts.get(model, Account()).errors.values())

    def to_dict(self) -> dict[str, Any]:
        """For the result. Shares of the largest model are from 0 to 1, None before any answer or call.

        of_language_models: where policies answer too.
        """
        with self._lock:
            largest = self._accounts.get(self._largest, Account())
            total = self._total
            shares = {
                "of_ordinary_answers": _share(largest.answers - largest.corrections, total.answers - total.corrections),
                "of_answers": _share(largest.answers, total.answers),
                "of_calls": _share(largest.calls, total.calls),
            }
            if self._free:
                others = sum(self._accounts[name].answers for name in self._free)
                shares["of_language_models"] = _share(largest.answers, total.answers - others)
            return {
                "models": {name: account.to_dict() for name, account in self._accounts.items()},
                "total": total.to_dict(),
                "largest": self._largest,
                "largest_share": shares,
            }


def share_of_largest(ledger: Mapping[str, Any]) -> str:
    """A sentence about ``Ledger.to_dict``, without its stop; empty where there is nothing to tell."""
    shares = ledger["largest_share"]
    among = "the language models' answers" if "of_language_models" in shares else "the answers"
    share = shares.get("of_language_models", shares["of_answers"])
    if share is None or len(ledger["models"]) < 2:
        return ""
    return f"{share:.0%} of {among} came from the largest model, {ledger['largest']}"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
