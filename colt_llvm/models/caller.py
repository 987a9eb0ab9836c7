"""Asking a model: retries, limits and the record of every call, around the one method that models have."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.models.base import LATE, Answer, CallError, LanguageModel, ModelSpec, NegotiatingModel, Prompt, Usage
from colt_llvm.models.budget import Budget, BudgetSpent, Spending, worst_cost, worst_usage
from colt_llvm.models.failures import ChatError, timed_out
from colt_llvm.models.form import Form
from colt_llvm.models.ledger import Ledger
from colt_llvm.models.prompt_size import PromptSizes
from colt_llvm.models.transcript import CallRecord, Transcript, digest_of

_POLL_SECONDS = 0.05
#: A call that its own timeout did not end is left behind after this.
_GRACE_SECONDS = 1.0
#: More than an endpoint can refuse one after the other.
_MOST_PROBES = 16
#: Of a run's time: how long a model that has not answered yet may hold up a request.
_PATIENCE = 0.25
_WAITED_FOR = threading.Event()  # never set: for calls that are not given up


@dataclass(frozen=True)
class Backoff:
    """Seconds to wait before a repeated call: doubling, spread by up to a half, at least what the endpoint asks for."""

    first_seconds: float = 1.0
    longest_seconds: float = 30.0
    longest_retry_after_seconds: float = 60.0

    def seconds(self, failed: int, error: CallError, salt: str) -> float:
        """failed: failures so far, from 1 on. salt: decides the spread, so that it repeats."""
        if error.kind == "unsupported":
            return 0.0
        wait = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failed - 1, 30))
        wait *= 0.5 + random.Random(f"{salt}/{failed}").random() / 2
        return max(wait, min(error.retry_after_seconds or 0.0, self.longest_retry_after_seconds))


@dataclass(frozen=True)
class Waiting:
    """How long calls are waited for."""

    stop: threading.Event | None = None  # ends all waiting at once
    deadline: float | None = None  # on ``clock``; no call goes on after it
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None  # None: until ``stop`` is set


_NO_END = Waiting()


class Caller:
    """Thread-safe.

    An endpoint that has not answered yet may be down, and waiting for it all that a run does. So its requests are given
    up (LATE) after a quarter of the run's time where that has an end, and at once while such a call is still under way;
    and its time-outs are not tried again. A call that was given up goes on, and is counted when it ends.
    """

    def __init__(
        self,
        models: Iterable[LanguageModel],
        budget: Budget,
        ledger: Ledger,
        transcript: Transcript | None = None,
        waiting: Waiting = _NO_END,
    ) -> None:
        self._models = {model.spec.name: model for model in models}
        self._budget = budget
        self.ledger = ledger
        self._transcript = transcript
        self._stop = waiting.stop or threading.Event()
        self.deadline = waiting.deadline
        self._backoff = waiting.backoff
        self._clock = waiting.clock
        self._sleep = waiting.sleep or self._stop.wait
        self._slots = {name: threading.Semaphore(model.spec.concurrency) for name, model in self._models.items()}
        self._writing = threading.Lock()
        self._patience_seconds = None if self.deadline is None else max(0.0, self.deadline - self._clock()) * _PATIENCE
        self._answered = {record.model for record in transcript.records if not record.error} if transcript else set()
        self._given_up: dict[threading.Thread, str] = {}  # calls that go on, and their models
        self._closing = threading.Event()
        self.sizes = PromptSizes(model.spec for model in self._models.values())
        for record in transcript.records if transcript else ():
            self.sizes.observe(record)
        _restore_forms(self._models, transcript)

    def ask(self, name: str, prompt: Prompt, request_id: int) -> Answer:
        """The model's answer. Raises CallError (the last one), or BudgetSpent when a limit is reached."""
        if name not in self._models:
            raise UsageError(f"unknown model {name!r}: the models are {', '.join(self._models)}")
        spec = self._models[name].spec
        if not spec.can.has_endpoint or self._patience_seconds is None or name in self._answered:
            return self._ask(spec, prompt, request_id, _WAITED_FOR)
        return self._ask_silent(spec, prompt, request_id, self._patience_seconds)

    def _ask_silent(self, spec: ModelSpec, prompt: Prompt, request_id: int, patience_seconds: float) -> Answer:
        """As ``_ask``, for a while. Raises CallError, LATE after that."""
        with self._writing:
            if spec.name in self._given_up.values():
                raise self._late(spec, prompt, request_id, "an earlier call has not come back yet")
        results: SimpleQueue[Answer | Exception] = SimpleQueue()
        given_up = threading.Event()

        def work() -> None:
            try:
                results.put(self._ask(spec, prompt, request_id, given_up))
            except Exception as error:
                results.put(error)
            finally:
                with self._writing:
                    self._given_up.pop(thread, None)

        thread = threading.Thread(target=work, name=f"wait for {spec.name}", daemon=True)
        thread.start()
        until = time.monotonic() + patience_seconds
        while True:
            with contextlib.suppress(Empty):
                result = results.get(timeout=_POLL_SECONDS)
                if isinstance(result, Exception):
                    raise result
                return result
            if self._stop.is_set():
                given_up.set()  # wakes it, and it says that it was cancelled
            elif time.monotonic() > until:
                with self._writing:
                    if thread.is_alive() and results.empty():
                        given_up.set()
                        self._given_up[thread] = spec.name
                        said = f"no answer yet in {patience_seconds:.3g} s, a quarter of the time; raise --time"
                        raise self._late(spec, prompt, request_id, said)

    def _late(self, spec: ModelSpec, prompt: Prompt, request_id: int, said: str) -> CallError:
        """Written down, so that a resumed run and a replay make the same of this request."""
        error = CallError(LATE, f"model {spec.name}: {said}")
        question = prompt.question
        record = CallRecord(
            request_id, digest_of(question), question.kind, spec.name, 0, error=LATE, error_text=str(error)
        )  # fmt: skip
        if self._transcript is not None:
            self._transcript.append(record)
        return error

    def _ask(self, spec: ModelSpec, prompt: Prompt, request_id: int, given_up: threading.Event) -> Answer:
        """Attempts until one is answered. given_up: nobody waits any more, so no other one is made."""
        attempt = failed = 0
        while True:
            attempt += 1
            try:
                return self._attempt(spec, prompt, request_id, attempt, given_up)
            except CallError as error:
                failed += error.kind != "unsupported"
                if not error.retryable or failed > spec.max_retries or attempt - failed > _MOST_PROBES:
                    raise
                if not error.served and not spec.can.recorded:
                    self._wait(self._backoff.seconds(failed, error, f"{spec.name}/{request_id}"), error, given_up)

    def room(self, name: str) -> int:
        """Tokens, as they are estimated, that a prompt for this model may have."""
        model = self._models[name]
        return self.sizes.room(name, model.form.thinking if isinstance(model, NegotiatingModel) else 0)

    def close(self) -> None:
        """Let go of all connections, and of calls that nobody waits for."""
        self._closing.set()
        with self._writing:
            going_on = list(self._given_up)
        for thread in going_on:
            thread.join(_GRACE_SECONDS)
        for model in self._models.values():
            model.close()

    def _attempt(
        self, spec: ModelSpec, prompt: Prompt, request_id: int, attempt: int, given_up: threading.Event
    ) -> Answer:
        """One call, or one that was recorded and is served again."""
        digest = digest_of(prompt.question)
        if self._transcript is not None:
            recorded = self._transcript.take(request_id, digest, spec.name)
            if recorded is not None:
                try:
                    return recorded.outcome()
                except CallError as error:
                    error.served = True
                    raise
        messages = prompt.messages if spec.is_language_model else ()
        estimated = sum(message.tokens for message in messages)
        record = CallRecord(
            request_id, digest, prompt.question.kind, spec.name, attempt, messages=messages, estimated_prompt=estimated
        )  # fmt: skip
        slot = self._slots[spec.name]
        while not slot.acquire(timeout=_POLL_SECONDS):
            self._go_on(spec, given_up)
        try:
            return self._call(spec, prompt, record, given_up)
        finally:
            slot.release()

    def _call(self, spec: ModelSpec, prompt: Prompt, record: CallRecord, given_up: threading.Event) -> Answer:
        """One call that goes out: reserved beforehand, written down afterwards, whatever comes of it."""
        model = self._models[spec.name]
        form = model.form if isinstance(model, NegotiatingModel) else None
        thinking = form.thinking if form is not None else 0
        worst = worst_usage(spec, record.messages, form is None or bool(form.length), thinking)
        one = int(not self.ledger.is_free(spec.name))
        reserved = Spending(one, worst.total, worst_cost(spec, worst))
        ticket = self._budget.reserve(reserved, give_up=lambda: self._over() or given_up.is_set())
        if ticket is None:
            self._go_on(spec, given_up)
            raise CallError("cancelled", f"model {spec.name}: stopped while waiting for room in the budget")
        took: Spending | None = None
        started = self._clock()
        try:
            self._go_on(spec, given_up)
            outcome: Answer | CallError
            try:
                outcome = self._answer(model, prompt, self._seconds_left(spec))
            except CallError as error:
                outcome = error
                if error.kind == "timeout" and spec.can.has_endpoint and spec.name not in self._answered:
                    error.retryable = False
            record = _finished(record, outcome, spec, worst, reserved.cost, self._clock() - started)
            took = Spending(one * (record.error != LATE), record.usage.total, record.cost)
            with self._writing:
                if record.error is None:
                    self._answered.add(spec.name)
                if self._transcript is not None:
                    self._transcript.append(record)
                self.ledger.add(record)
                self.sizes.observe(record)
            if isinstance(outcome, CallError):
                raise outcome
            return Answer(outcome.text, record.usage, outcome.note)
        finally:
            self._budget.settle(ticket, took or Spending())

    def _answer(self, model: LanguageModel, prompt: Prompt, seconds: float) -> Answer:
        """Ask directly what answers in this process; an endpoint from a thread, which can be left behind."""
        if not model.spec.can.has_endpoint:
            return _guarded(model, prompt, seconds)
        results: SimpleQueue[Answer | ColtError] = SimpleQueue()

        def work() -> None:
            try:
                results.put(_guarded(model, prompt, seconds))
            except ColtError as error:
                results.put(error)

        threading.Thread(target=work, name=f"ask {model.spec.name}", daemon=True).start()
        started = time.monotonic()
        given_up = started + seconds + _GRACE_SECONDS
        while True:
            try:
                result = results.get(timeout=_POLL_SECONDS)
            except Empty:
                if self._stop.is_set() or self._closing.is_set():
                    waited = f"{time.monotonic() - started:.3g} s"
                    said = f"model {model.spec.name}: stopped before it answered, after {waited}; try models --check"
                    raise ChatError("cancelled", said, charged_unknown=True) from None
                if time.monotonic() > given_up:
                    raise timed_out(model.spec, seconds) from None
                continue
            if isinstance(result, ColtError):
                raise result
            return result

    def _wait(self, seconds: float, error: CallError, given_up: threading.Event) -> None:
        """Before the next attempt. Raises the error itself where there is no time for another one.

        A stop raises CallError of the kind "cancelled": what the search would make of the failure is still open.
        """
        if self.deadline is not None and self._clock() + seconds >= self.deadline:
            raise error
        if seconds > 0:
            self._sleep(seconds) if given_up is _WAITED_FOR else given_up.wait(seconds)
        if self._stop.is_set():
            raise CallError("cancelled", f"{error}; stopped before it was asked again")

    def _over(self) -> bool:
        return self._stop.is_set() or (self.deadline is not None and self._clock() >= self.deadline)

    def _go_on(self, spec: ModelSpec, given_up: threading.Event) -> None:
        """Raises CallError after a stop and where nobody waits any more, BudgetSpent after the deadline."""
        if self._stop.is_set():
            raise CallError("cancelled", f"model {spec.name}: stopped before it was asked")
        if self._over():
            raise BudgetSpent("seconds", "no time is left for another call; raise --time to go on")
        if given_up.is_set():
            raise CallError("cancelled", f"model {spec.name}: given up before it was asked")

    def _seconds_left(self, spec: ModelSpec) -> float:
        if self.deadline is None:
            return spec.timeout_seconds
        return max(0.001, min(spec.timeout_seconds, self.deadline - self._clock()))


def _guarded(model: LanguageModel, prompt: Prompt, seconds: float) -> Answer:
    """A model that breaks costs its request, not the run."""
    try:
        return model.ask(prompt, seconds)
    except ColtError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CallError("internal", f"model {model.spec.name}: broke ({said}); leave it out of --models") from error


def _finished(
    record: CallRecord, outcome: Answer | CallError, spec: ModelSpec, worst: Usage, worst_price: float, seconds: float
) -> CallRecord:
    """The record with what came of the call."""
    unknown = outcome.charged_unknown
    record = replace(
        record,
        seconds=seconds,
        reasoning=outcome.reasoning,
        form=outcome.form.to_dict() if outcome.form is not None else None,
    )
    if isinstance(outcome, Answer):
        usage = outcome.usage
        if unknown:
            length = -(-len(outcome.text.encode("utf-8", "replace")) // 2)
            usage = Usage(worst.prompt_tokens, 0, min(length, worst.completion_tokens))
        return replace(record, answer=outcome.text, usage=usage, cost=spec.price.of(usage), estimated=unknown)
    return replace(
        record,
        answer=outcome.text or None,
        error=outcome.kind,
        error_text=str(outcome),
        retryable=outcome.retryable,
        retry_after_seconds=outcome.retry_after_seconds,
        usage=worst if unknown else outcome.usage,
        cost=worst_price if unknown else spec.price.of(outcome.usage),
        estimated=unknown,
        counted_prompt=outcome.prompt_tokens,
        context_tokens=outcome.context_tokens,
    )


def _restore_forms(models: dict[str, LanguageModel], transcript: Transcript | None) -> None:
    """Let endpoints be asked as earlier parts of the run found out."""
    for name, form in (transcript.forms() if transcript is not None else {}).items():
        model = models.get(name)
        if isinstance(model, NegotiatingModel):
            model.adopt(Form.from_dict(form))
