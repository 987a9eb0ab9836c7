"""How long the prompts of a model may be: by its settings, and by what its endpoint said and counted so far.

Prompts are fitted by an estimate that needs no tokenizer. What endpoints count says how far off that is, and where they
count far too little, they have cut the prompt without a word.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from colt_llvm.models.base import ModelSpec
from colt_llvm.models.transcript import CallRecord

#: Counted tokens in parts of the estimate. Below it the prompt was cut: the estimate is not wrong by so much.
CUT_BELOW = 0.5
#: Estimates of shorter prompts say little.
LONG_ENOUGH = 1_000
#: The part is rounded up to these steps, so that prompts, and what a provider has cached of them, seldom change.
_STEP, _SPARE = 0.1, 0.03
_LEAST_PART, _GREATEST_PART = 0.6, 1.6
_REPLIES = 3  # until what they count is made use of


@dataclass
class _Learned:
    estimated: int = 0  # tokens of the prompts that were counted
    counted: int = 0
    replies: int = 0
    context: int = 0  # that the endpoint takes; 0: it has not said so
    cut: str = ""  # what to tell of a prompt that was cut
    short: int = 0  # the last count that was far too small

    @property
    def part(self) -> float:
        """Tokens that are counted, in parts of the estimate."""
        if self.replies < _REPLIES:
            return 1.0
        steps = math.ceil((self.counted / self.estimated + _SPARE) / _STEP - 1e-9)
        return min(_GREATEST_PART, max(_LEAST_PART, steps * _STEP))


class PromptSizes:
    """Thread-safe. Calls are observed in the order in which they end, so that a resumed run knows the same."""

    def __init__(self, specs: Iterable[ModelSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._learned = {name: _Learned() for name in self._specs}
        self._lock = threading.Lock()

    def observe(self, record: CallRecord) -> None:
        """What the endpoint counted, or said that it takes."""
        if record.model not in self._specs or record.served_from is not None:
            return
        estimated = record.estimated_prompt
        counted = record.usage.prompt_tokens if record.error is None and not record.estimated else record.counted_prompt
        with self._lock:
            learned = self._learned[record.model]
            if record.context_tokens:
                learned.context = record.context_tokens
            if not estimated or not counted:
                return
            if estimated > LONG_ENOUGH and counted < CUT_BELOW * estimated:
                self._cut(record.model, estimated, counted)
                return
            learned.estimated += estimated
            learned.counted += counted
            learned.replies += _REPLIES if record.error else 1  # a refusal is to be heeded at once

    def _cut(self, name: str, estimated: int, counted: int) -> None:
        learned, spec = self._learned[name], self._specs[name]
        if learned.replies and counted != learned.short:  # some count only what they had not cached
            learned.short = counted
            return
        learned.cut = (
            f"{name}: its endpoint counted {counted:,} prompt tokens of about {estimated:,}, so it cuts long prompts; "
            "serve it with a longer context, or set context_tokens to what it has"
        )
        if counted >= LONG_ENOUGH:  # fewer are none that a prompt could be fitted into
            learned.context = min(learned.context or spec.context_tokens, counted + spec.output_tokens)

    def room(self, name: str, thinking: int = 0) -> int:
        """Tokens, as they are estimated, that a prompt may have. thinking: what an answer takes beyond its limit."""
        spec = self._specs[name]
        with self._lock:
            learned = self._learned[name]
            context = min(spec.context_tokens, learned.context or spec.context_tokens)
            most = min(context - spec.output_tokens - thinking, spec.prompt_tokens)
            return int(most / learned.part)

    def notes(self) -> list[str]:
        """What to tell of endpoints that cut prompts."""
        with self._lock:
            return [learned.cut for learned in self._learned.values() if learned.cut]
