"""What a model is, whatever answers behind it: a specification, one method, and typed failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.models.kinds import DeclaredKind, find_kind
from colt_llvm.models.question import Question

if TYPE_CHECKING:
    from colt_llvm.models.form import Form


@dataclass(frozen=True)
class Price:
    """Money per million tokens, in one currency throughout a run. cached: of input that the provider had cached.

    Raises UsageError for a price that is no number from 0 on.
    """

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) and value >= 0 for value in (self.input, self.cached, self.output)):
            raise UsageError("prices are per million tokens and must be 0 or more: give input, cached and output")

    def of(self, usage: Usage) -> float:
        """What this usage costs. ``cached_tokens`` are part of ``prompt_tokens``."""
        fresh = usage.prompt_tokens - usage.cached_tokens
        millionths = fresh * self.input + usage.cached_tokens * self.cached + usage.completion_tokens * self.output
        return millionths / 1e6


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. cached_tokens: the part of prompt_tokens that came from the provider's cache.

    reasoning_tokens: the part of completion_tokens that was thinking, where the endpoint says so.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


Reasoning = Literal["auto", "off", "low", "medium", "high"]
#: Tokens for thinking beside ``max_output_tokens``.
THINKING_TOKENS: Mapping[str, int] = {"auto": 0, "off": 0, "low": 1_024, "medium": 4_096, "high": 16_384}


@dataclass(frozen=True)
class ModelSpec:
    """One model as configured. Holds the *name* of the variable with the key, never a key.

    parameters: count, above 0; decides who is small. model: the name that the endpoint knows; ``name`` when left out.
    structured: "auto" finds out once whether the endpoint takes a JSON schema, JSON mode or plain text only.
    reasoning: how much it thinks before it answers; "auto" is as the endpoint has it.
    context_tokens: prompt and answer together; the prompt is cut to fit. max_output_tokens: of one answer, without
    thinking.
    prompt_tokens: the longest prompt, where the context has room for more. concurrency: calls to this model at once.
    options: sent with each request as they are (temperature, ...).
    """

    name: str
    kind: str
    parameters: float
    price: Price = field(default_factory=Price)
    base_url: str | None = None
    model: str = ""
    key_variable: str | None = None
    structured: Literal["auto", "schema", "json", "text"] = "auto"
    reasoning: Reasoning = "auto"
    context_tokens: int = 16_384
    max_output_tokens: int = 1_024
    prompt_tokens: int = 3_000
    timeout_seconds: float = 120.0
    max_retries: int = 4
    concurrency: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def can(self) -> DeclaredKind:
        """What its kind can do. Raises UsageError for a kind that is not installed."""
        return find_kind(self.kind)

    @property
    def output_tokens(self) -> int:
        """Of one answer and its thinking, which take at most half of what the answer leaves of the context."""
        room = max(0, self.context_tokens - self.max_output_tokens) // 2
        return self.max_output_tokens + min(THINKING_TOKENS[self.reasoning], room)

    @property
    def is_language_model(self) -> bool:
        """Whether it reads the prompt's text (and pays for it), and not the question's values."""
        return self.can.reads_text


@dataclass(frozen=True)
class Message:
    """One message of a chat. role: "system" or "user". tokens: estimated; 0 where that is not known."""

    role: str
    content: str
    tokens: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Prompt:
    """A question, and how it reads as text. The text is made only when somebody reads it."""

    question: Question
    render: Callable[[], tuple[Message, ...]]

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The stable part first (system), then what changes (user)."""
        return self.render()


@dataclass(frozen=True)
class Answer:
    """What came back: text in the protocol of :mod:`colt_llvm.proposal.answer`, and what it took.

    note: what was odd about it and how to fix that; "" where it came as it should. reasoning: what it thought before.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    form: Form | None = None  # how the request was put, where the endpoint left a choice
    charged_unknown: bool = False  # the endpoint did not say what it took; usage is empty
    reasoning: str = ""


#: Nobody waits for this answer any more; the call may go on.
LATE = "late"


class CallError(ColtError, ConnectionError):
    """A call to a model failed. The message is safe to show: it holds no key.

    kind: "timeout", "connection", "rate limit", "server error", "authentication", "permission", "quota", "not found",
    "bad request", "too long", "truncated", "empty", "refusal", "garbage", "unsupported" (another form of request is
    tried at once), "cancelled", "internal": counted by kind in the ledger. LATE: no call of its own, so not counted.
    retryable: whether asking the same again can help. retry_after_seconds: how long the endpoint asked to wait.
    usage: what the failed call took all the same.
    """

    text = ""  # what came back of an answer
    context_tokens = 0  # that the endpoint says it takes; 0 where it does not say
    prompt_tokens = 0  # that it says it counted of a prompt that is too long
    reasoning = ""  # what the model thought
    form: Form | None = None  # how to put the next request
    charged_unknown = False  # the endpoint may have worked, and charged, without saying how much
    served = False  # it is an earlier call's failure, written down then

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.usage = usage or Usage()


class NoMoreCalls(ColtError):
    """Nothing will be answered any more in this run: the search ends cleanly with the best so far."""


class LanguageModel(Protocol):
    """Anything that answers. Called from several threads at once."""

    @property
    def spec(self) -> ModelSpec: ...

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """One call, no retry. Raises CallError."""

    def close(self) -> None:
        """Let go of connections. Closing twice is harmless."""


@runtime_checkable
class NegotiatingModel(LanguageModel, Protocol):
    """One that finds out how its endpoint wants requests to be put, and can go on from what was found out."""

    @property
    def form(self) -> Form:
        """How requests are put, as far as it has been found out."""

    def adopt(self, form: Form) -> None:
        """Go on with what an earlier part of the run found out."""
