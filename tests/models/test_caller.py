"""Retries, limits, records and stopping, around calls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from model_helpers import KEY, Run, Sleeps, prompt, spec
from server import Endpoint

from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt
from colt_llvm.models.budget import BudgetSpent, Limits
from colt_llvm.models.caller import Backoff
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.replay import ScriptedModel
from colt_llvm.models.transcript import read_calls


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        yield server


def run_of(endpoint: Endpoint, directory: Path | None = None, *, limits: Limits | None = None, **more: Any) -> Run:
    caller = {name: more.pop(name) for name in ("stop", "deadline", "clock", "sleep", "backoff") if name in more}
    return Run([OpenAICompatible(spec(url=endpoint.url, **more), KEY)], directory, limits, **caller)


def kind_of(run: Run, request_id: int = 0) -> str:
    with pytest.raises(CallError) as caught:
        run.caller.ask("small", prompt(request_id), request_id)
    return caught.value.kind


def test_a_retry_helps_where_it_can(endpoint: Endpoint) -> None:
    endpoint.behave("small", "500", "reset", "no content", "ok")
    run = run_of(endpoint)
    assert run.caller.ask("small", prompt(), 0).usage.total == 120
    total = run.ledger.to_dict()["total"]
    assert (total["calls"], total["answers"], total["retries"]) == (4, 1, 3)
    assert total["errors"] == {"connection": 1, "empty": 1, "server error": 1}


def test_gives_up_after_its_retries_with_the_last_failure(endpoint: Endpoint) -> None:
    endpoint.behave("small", "500", "reset", "429")
    run = run_of(endpoint, max_retries=2)
    assert kind_of(run) == "rate limit"
    assert endpoint.total == 3


@pytest.mark.parametrize("behaviour", ["400", "refusal", "length", "too long", "403"])
def test_does_not_repeat_what_cannot_help(endpoint: Endpoint, behaviour: str) -> None:
    endpoint.behave("small", behaviour)
    kind_of(run_of(endpoint))
    assert endpoint.total == 1


def test_waits_longer_each_time_and_at_least_as_asked(endpoint: Endpoint) -> None:
    endpoint.behave("small", "500", "500", "429:17", "429:9999", "ok")
    sleeps = Sleeps()
    run_of(endpoint, sleep=sleeps).caller.ask("small", prompt(), 0)
    first, second, asked, capped = sleeps.seconds
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert (asked, capped) == (17, 60)


def test_waiting_repeats_and_differs_between_requests() -> None:
    error = CallError("timeout", "late", retryable=True)
    backoff = Backoff()
    assert backoff.seconds(1, error, "a/1") == backoff.seconds(1, error, "a/1") != backoff.seconds(1, error, "a/2")
    assert backoff.seconds(500, error, "a/1") <= backoff.longest_seconds


def test_probing_waits_for_nothing_and_uses_no_retry(endpoint: Endpoint) -> None:
    endpoint.behave("small", "refuses:json")
    sleeps = Sleeps()
    run = run_of(endpoint, sleep=sleeps, max_retries=0)
    assert run.caller.ask("small", prompt(), 0).text
    assert endpoint.total == run.ledger.to_dict()["total"]["calls"] == 3
    assert run.ledger.to_dict()["total"]["errors"] == {"unsupported": 2}
    assert sleeps.seconds == []


BEHAVIOURS = [
    "ok", "refuses:schema", "refuses:json", "refuses:seed", "refuses:max_tokens", "fenced", "prose", "no choices",
    "no content", "refusal", "length", "429:1", "400", "401", "500", "reset", "cut", "never", "too long", "html",
    "half json", "no usage", "echo",
]  # fmt: skip


def test_every_request_is_counted_whatever_comes_of_it(endpoint: Endpoint, tmp_path: Path) -> None:
    models = []
    for number, behaviour in enumerate(BEHAVIOURS):
        name = f"model-{number}"
        endpoint.behave(name, behaviour)
        timeout = 0.2 if behaviour == "never" else 30.0
        models.append(OpenAICompatible(spec(name, endpoint.url, timeout_seconds=timeout, max_retries=1), KEY))
    models.append(OpenAICompatible(spec("stranger", endpoint.url), "wrong-key-0123456789"))
    run = Run(models, tmp_path)

    def ask(name: str) -> None:
        with contextlib.suppress(CallError):
            run.caller.ask(name, prompt(text="x" * 5000), 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, [model.spec.name for model in models]))
    run.close()

    told = run.ledger.to_dict()
    assert told["total"]["calls"] == endpoint.total > len(models)
    assert {name: account["calls"] for name, account in told["models"].items()} == dict(endpoint.counts)
    assert len(read_calls(tmp_path)) == endpoint.total
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2, "long prompts are stored apart"
    for path in files:
        assert KEY not in path.read_text()
        assert "wrong-key" not in path.read_text()
        assert "Bearer v" not in path.read_text()


def test_a_stop_ends_a_call_at_once_and_counts_it_at_its_worst(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "never")
    stop = threading.Event()
    run = run_of(endpoint, tmp_path, stop=stop)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(kind_of, run)
        assert endpoint.reached.acquire(timeout=30)
        stop.set()
        assert future.result(timeout=30) == "cancelled"
    run.close()
    (record,) = read_calls(tmp_path)
    assert record.estimated
    assert record.usage.completion_tokens == 1024
    total = run.ledger.to_dict()["total"]
    assert total["cost"] == total["estimated_cost"] > 0


def test_a_stop_ends_waiting_for_the_next_attempt(endpoint: Endpoint) -> None:
    endpoint.behave("small", "500")
    stop = threading.Event()
    run = run_of(endpoint, stop=stop, sleep=lambda seconds: stop.set())
    assert kind_of(run) == "cancelled"
    assert endpoint.total == run.ledger.to_dict()["total"]["calls"] == 1


def test_nothing_is_asked_after_a_stop_or_the_deadline(endpoint: Endpoint) -> None:
    stop = threading.Event()
    stop.set()
    assert kind_of(run_of(endpoint, stop=stop)) == "cancelled"
    with pytest.raises(BudgetSpent) as caught:
        run_of(endpoint, deadline=10.0, clock=lambda: 10.0).caller.ask("small", prompt(), 0)
    assert caught.value.limit == "seconds"
    assert endpoint.total == 0


def test_a_retry_that_would_come_after_the_deadline_is_left_out(endpoint: Endpoint) -> None:
    endpoint.behave("small", "429:50")
    assert kind_of(run_of(endpoint, deadline=40.0, clock=lambda: 0.0)) == "rate limit"
    assert endpoint.total == 1


class Watched:
    """Answers at once, and remembers the time it was given."""

    def __init__(self, model_spec: ModelSpec) -> None:
        self.spec = model_spec
        self.timeouts: list[float] = []

    def ask(self, asked: Prompt, timeout_seconds: float) -> Answer:
        self.timeouts.append(timeout_seconds)
        return Answer("{}")

    def close(self) -> None: ...


def test_a_call_has_its_own_time_or_what_is_left() -> None:
    model = Watched(spec(timeout_seconds=30.0))
    run = Run([model], deadline=100.0, clock=lambda: 0.0)
    run.caller.ask("small", prompt(), 0)
    run.caller.deadline = 12.0
    run.caller.ask("small", prompt(), 1)
    assert model.timeouts == [30.0, 12.0]


def test_no_more_calls_at_once_than_a_model_takes(endpoint: Endpoint) -> None:
    endpoint.behave("small", "held")
    run = run_of(endpoint, concurrency=2)
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(run.caller.ask, "small", prompt(number), number) for number in range(6)]
        for _ in range(2):
            assert endpoint.reached.acquire(timeout=30)
        assert not endpoint.reached.acquire(timeout=0.2), "a third one went out"
        endpoint.released.set()
        assert all(future.result(timeout=30).text for future in futures)
    assert endpoint.total == 6
    assert endpoint.most_under_way <= 2


def test_calls_under_way_never_overrun_a_limit(endpoint: Endpoint) -> None:
    run = run_of(endpoint, limits=Limits(max_calls=5))
    refused = []

    def ask(number: int) -> None:
        try:
            run.caller.ask("small", prompt(number), number)
        except BudgetSpent as error:
            refused.append(error.limit)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(20)))
    assert endpoint.total == 5
    assert refused == ["calls"] * 15


def test_retries_count_towards_the_limit_too(endpoint: Endpoint) -> None:
    endpoint.behave("small", "500")
    run = run_of(endpoint, limits=Limits(max_calls=3))
    with pytest.raises(BudgetSpent):
        run.caller.ask("small", prompt(), 0)
    assert endpoint.total == 3


def test_a_model_that_breaks_costs_its_request_alone() -> None:
    class Broken(Watched):
        def ask(self, asked: Prompt, timeout_seconds: float) -> Answer:
            raise ZeroDivisionError("oh")

    run = Run([Broken(spec())])
    assert kind_of(run) == "internal"
    assert run.budget.spent.calls == 1


def test_a_scripted_model_fails_and_answers_as_told() -> None:
    scripted = ModelSpec("small", "scripted", 7e9, max_retries=1, options={"answers": ["{}", "error:timeout"]})
    run = Run([ScriptedModel(scripted)])
    assert run.caller.ask("small", prompt(2), 2).text == "{}"
    assert kind_of(run, 3) == "timeout"
    assert run.ledger.to_dict()["total"]["calls"] == 3
