"""Questions, specifications and callers for the tests of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from colt_llvm.models.base import LanguageModel, Message, ModelSpec, Price, Prompt
from colt_llvm.models.budget import Budget, Limits
from colt_llvm.models.caller import Caller, Waiting
from colt_llvm.models.ledger import Ledger
from colt_llvm.models.question import Attempt, Offer, Question, State
from colt_llvm.models.transcript import Transcript

KEY = "very-secret-key-0123456789"
PRICE = Price(input=1.0, cached=0.5, output=4.0)
OFFERS = (Offer("small", 7e9), Offer("large", 7e10))


def question(request_id: int = 0, kind: str = "expand", sequence: tuple[str, ...] = (), **more: Any) -> Question:
    rejected = Attempt(("gvn",), "small", -0.1) if kind == "correct" else None
    return Question(
        request_id=request_id, seed=1, kind=kind, acting="small", objective="size", baseline="clang -Oz", cpu="x86-64",
        state=State(sequence, 0.0), rejected=rejected, offers=OFFERS, passes=("licm", "gvn", "sroa"), **more,
    )  # fmt: skip


def prompt(request_id: int = 0, kind: str = "expand", text: str = "Propose passes as JSON.", **more: Any) -> Prompt:
    return Prompt(question(request_id, kind, **more), lambda: (Message("system", "You tune."), Message("user", text)))


def spec(name: str = "small", url: str = "http://127.0.0.1:1/v1", **more: Any) -> ModelSpec:
    values: dict[str, Any] = {"price": PRICE, "base_url": url, "key_variable": "TEST_KEY", "timeout_seconds": 30.0}
    return ModelSpec(name, "openai", **{"parameters": 7e9, **values, **more})


class Sleeps:
    """Takes no time, and remembers how long it was asked to take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Run:
    """A caller with all that belongs to it, over a folder if there is one."""

    def __init__(
        self,
        models: Iterable[LanguageModel],
        directory: Path | None = None,
        limits: Limits | None = None,
        told: Iterable[int] = (),
        **more: Any,
    ) -> None:
        models = list(models)
        specs = [model.spec for model in models]
        self.transcript = Transcript(directory, set(told)) if directory else None
        self.ledger = Ledger.from_records(specs, self.transcript.records if self.transcript else ())
        self.budget = Budget(limits, self.ledger.spent)
        self.sleeps: Callable[[float], None] = more.pop("sleep", Sleeps())
        self.caller = Caller(models, self.budget, self.ledger, self.transcript, Waiting(sleep=self.sleeps, **more))

    def close(self) -> None:
        self.caller.close()
        if self.transcript is not None:
            self.transcript.close()
