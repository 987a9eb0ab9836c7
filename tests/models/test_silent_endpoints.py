"""An endpoint that never answered holds nothing up: others propose meanwhile, and the run repeats."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from model_helpers import KEY, Run, prompt, spec
from server import Endpoint

from colt_llvm.models.base import CallError
from colt_llvm.models.budget import Limits
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.transcript import Recorded, read_calls


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        yield server


def run_of(endpoint: Endpoint, directory: Path, seconds: float | None, **more: object) -> Run:
    """seconds: of the run, which stays at its beginning: a busy machine ends nothing here."""
    caller = {name: more.pop(name) for name in ("limits", "stop") if name in more}
    model = OpenAICompatible(spec(url=endpoint.url, **more), KEY)
    return Run([model], directory, deadline=seconds, clock=lambda: 0.0, **caller)  # type: ignore[arg-type]


def failure(run: Run, request: int) -> CallError:
    with pytest.raises(CallError) as caught:
        run.caller.ask("small", prompt(request), request)
    return caught.value


def test_a_request_is_given_up_and_its_call_is_counted_when_it_ends(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "held")
    run = run_of(endpoint, tmp_path, 10.0)
    late = failure(run, 0)
    assert (late.kind, late.retryable) == ("late", False)
    assert "raise --time" in str(late)
    assert failure(run, 1).kind == "late", "at once, as the call is still under way"
    assert endpoint.total == 1
    assert run.ledger.to_dict()["total"]["calls"] == 0
    endpoint.released.set()
    until = time.monotonic() + 30
    while not run.ledger.to_dict()["total"]["answers"] and time.monotonic() < until:
        time.sleep(0.01)
    assert run.caller.ask("small", prompt(2), 2).text, "it has answered, so it is asked and waited for"
    run.close()
    assert run.ledger.to_dict()["total"]["calls"] == endpoint.total == 2
    assert run.budget.spent.tokens == 240

    records = read_calls(tmp_path)
    assert [record.error for record in records] == ["late", "late", None, None]
    replayed = Recorded(records)
    served = replayed.take(0, records[0].digest, "small")
    assert served is not None
    assert served.error == "late"
    assert replayed.take(0, records[0].digest, "small") is None, "the search went on without that answer"


def test_what_is_still_under_way_at_the_end_is_counted_at_its_worst(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "never")
    run = run_of(endpoint, tmp_path, 8.0)
    with ThreadPoolExecutor(4) as pool:
        kinds = list(pool.map(lambda number: failure(run, number).kind, range(4)))
    assert set(kinds) == {"late"}
    run.close()
    total = run.ledger.to_dict()["total"]
    assert total["calls"] == endpoint.total == 4
    assert total["cost"] == total["estimated_cost"] > 0
    ((name, (counts, last)),) = run.ledger.silent().items()
    assert (name, counts) == ("small", {"cancelled": 4})
    assert last.startswith("model small: stopped before it answered, after ")
    assert "models --check" in last


def test_waiting_for_the_next_attempt_is_given_up_too(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "429:7")
    run = run_of(endpoint, tmp_path, 8.0)
    assert failure(run, 0).kind == "late"
    run.close()
    assert endpoint.total == 1, "and no other attempt is made"
    assert run.ledger.to_dict()["total"]["cost"] == 0


def test_a_stop_ends_the_waiting_at_once(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "429:59")
    stop = threading.Event()
    run = run_of(endpoint, tmp_path, 4000.0, stop=stop)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(failure, run, 0)
        assert endpoint.reached.acquire(timeout=30)
        stop.set()
        assert waiting.result(timeout=30).kind == "cancelled"
    run.close()


def test_a_time_out_of_one_that_never_answered_is_not_tried_again(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "never", "ok", "never", "ok")
    run = run_of(endpoint, tmp_path, None, timeout_seconds=0.3)
    assert failure(run, 0).kind == "timeout"
    assert endpoint.total == 1
    assert run.caller.ask("small", prompt(1), 1).text
    assert run.caller.ask("small", prompt(2), 2).text
    assert endpoint.total == 4, "one that has answered is tried again"


def test_those_that_wait_for_their_turn_are_given_up_without_a_call(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "held")
    run = run_of(endpoint, tmp_path, 8.0, concurrency=1, limits=Limits(max_calls=3))
    with ThreadPoolExecutor(6) as pool:
        kinds = list(pool.map(lambda number: failure(run, number).kind, range(6)))
    assert set(kinds) == {"late"}
    run.close()
    assert endpoint.total == run.budget.spent.calls == 1
