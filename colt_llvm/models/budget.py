"""Limits on calls, tokens and money that calls under way cannot overrun, whatever the threads do.

Before a call its worst case is reserved; afterwards what it took is settled in its place. A call that does not fit
waits while calls under way might give room back, and is refused when none is under way. Why so: docs/decisions/0014.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import Message, ModelSpec, NoMoreCalls, Usage

_POLL_SECONDS = 0.05


class BudgetSpent(NoMoreCalls):
    """The next call might overrun a limit; the search ends with the best so far. limit: "calls", "tokens", ..."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True)
class Limits:
    """None: no limit. max_cost is in the currency of the prices; max_tokens counts prompts and answers."""

    max_cost: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_cost", "max_calls", "max_tokens"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name.replace('_', '-')} is {value}: give a number that is 0 or more")


@dataclass(frozen=True)
class Spending:
    """What calls took, or may take at worst. cost: in the currency of the prices."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)


class Budget:
    """Thread-safe. spent: by earlier parts of the run."""

    def __init__(self, limits: Limits | None = None, spent: Spending | None = None) -> None:
        self.limits = limits or Limits()
        self._spent = spent or Spending()
        self._under_way: dict[int, Spending] = {}
        self._tickets = 0
        self._changed = threading.Condition()

    @property
    def spent(self) -> Spending:
        """Settled calls only."""
        with self._changed:
            return self._spent

    def reserve(self, worst: Spending, give_up: Callable[[], bool] = lambda: False) -> int | None:
        """A ticket for one call, to be settled; None when ``give_up`` says so first. Raises BudgetSpent."""
        with self._changed:
            while not give_up():
                limit = self._exceeded(worst)
                if limit is None:
                    self._tickets += 1
                    self._under_way[self._tickets] = worst
                    return self._tickets
                if not self._under_way:
                    raise BudgetSpent(limit, f"the next call might go over --max-{limit}; raise it to go on")
                self._changed.wait(_POLL_SECONDS)
        return None

    def settle(self, ticket: int, took: Spending) -> None:
        """Put what a call took in the place of its worst case."""
        with self._changed:
            del self._under_way[ticket]
            self._spent += took
            self._changed.notify_all()

    def _exceeded(self, worst: Spending) -> str | None:
        total = sum(self._under_way.values(), self._spent) + worst
        for name, value in (("calls", total.calls), ("tokens", total.tokens), ("cost", total.cost)):
            most = getattr(self.limits, f"max_{name}")
            if most is not None and value > most:
                return name
        return None


def worst_usage(spec: ModelSpec, messages: Iterable[Message], limits_output: bool = True, thinking: int = 0) -> Usage:
    """Tokens that a call may take at worst: half a token a byte of the prompt, and the longest answer.

    Half a token a byte is above what tokenizers make of English and of LLVM IR (a quarter to two fifths). Where the
    endpoint takes no limit of the answer (``limits_output``), the answer may fill the rest of the context.
    thinking: tokens that an answer is given beyond its limit.
    """
    if not spec.is_language_model:
        return Usage()
    prompt = sum(16 + math.ceil(len(message.content.encode("utf-8", "replace")) / 2) for message in messages)
    longest = spec.output_tokens + thinking
    if not limits_output:
        longest = max(longest, spec.context_tokens)
    return Usage(prompt, 0, longest)


def worst_cost(spec: ModelSpec, usage: Usage) -> float:
    """Price of the worst case, also where cached input is dearer than fresh input."""
    return max(
        spec.price.of(usage), spec.price.of(Usage(usage.prompt_tokens, usage.prompt_tokens, usage.completion_tokens))
    )
