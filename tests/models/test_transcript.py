"""What is written down of calls, and what a resumed run makes of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_helpers import KEY, Run, prompt, question, spec
from server import Endpoint

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.models.base import CallError, Message, ModelSpec, Usage
from colt_llvm.models.ledger import Ledger, share_of_largest
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.replay import ScriptedModel
from colt_llvm.models.transcript import CALLS, CallRecord, Transcript, digest_of, read_calls


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        server.answer = lambda body: json.dumps({"passes": [f"pass-{server.total}"]})
        yield server


def run_of(endpoint: Endpoint, directory: Path, told: tuple[int, ...] = (), **more: Any) -> Run:
    return Run([OpenAICompatible(spec(url=endpoint.url, **more), KEY)], directory, told=told)


def ask(run: Run, request_id: int, **more: Any) -> str:
    return run.caller.ask("small", prompt(request_id, **more), request_id).text


def record(request: int = 0, **more: Any) -> CallRecord:
    values: dict[str, Any] = {"digest": "d", "kind": "expand", "model": "small", "attempt": 1, "answer": "{}"}
    return CallRecord(request, **{**values, **more})


def test_reads_back_what_it_wrote(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    written = [
        record(0, usage=Usage(3, 1, 2), cost=0.1 + 0.2, seconds=1 / 3, form={"structured": "json"}),
        record(1, answer=None, error="rate limit", error_text="slow", retryable=True, retry_after_seconds=2.5),
        record(2, answer="\ud800 \u2028 'x'\n", estimated=True, served_from=1),
    ]
    for each in written:
        transcript.append(each)
    transcript.close()
    assert read_calls(tmp_path) == written


def test_long_messages_are_stored_once(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    for number in range(3):
        transcript.append(record(number, messages=(Message("system", "é" * 4000), Message("user", f"short {number}"))))
    transcript.close()
    (stored,) = (tmp_path / "prompts").iterdir()
    assert stored.read_text() == "é" * 4000
    lines = [json.loads(line) for line in (tmp_path / CALLS).read_text().splitlines()]
    assert [line["messages"][1]["content"] for line in lines] == ["short 0", "short 1", "short 2"]
    assert {line["messages"][0]["stored"] for line in lines} == {stored.stem}


@pytest.mark.parametrize("torn", ['{"request": 1, "dig', '{"request": 1}\n', "\n"])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: str) -> None:
    transcript = Transcript(tmp_path)
    transcript.append(record(0))
    transcript.close()
    whole = (tmp_path / CALLS).read_text()
    (tmp_path / CALLS).write_text(whole + torn)
    again = Transcript(tmp_path)
    assert [each.request for each in again.records] == [0]
    again.append(record(2))
    again.close()
    assert [each.request for each in read_calls(tmp_path)] == [0, 2]


def test_a_broken_line_before_the_last_is_an_error(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    transcript.append(record(0))
    transcript.close()
    (tmp_path / CALLS).write_text("{}\n" + (tmp_path / CALLS).read_text())
    with pytest.raises(RunDirectoryError, match="line 1"):
        Transcript(tmp_path)


def test_what_was_not_told_is_served_again_and_not_asked(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "500", "ok")
    first = run_of(endpoint, tmp_path)
    answers = [ask(first, 0), ask(first, 1)]
    first.close()
    asked = endpoint.total
    second = run_of(endpoint, tmp_path, told=(0,))
    assert ask(second, 1) == answers[1]
    assert endpoint.total == asked
    assert ask(second, 2) not in answers
    assert endpoint.total == asked + 1
    second.close()
    assert second.ledger.to_dict()["total"]["calls"] == endpoint.total


def test_failures_are_served_again_too(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "500", "refusal")
    first = run_of(endpoint, tmp_path)
    with pytest.raises(CallError, match="refused"):
        ask(first, 0)
    first.close()
    second = run_of(endpoint, tmp_path)
    with pytest.raises(CallError, match="refused") as caught:
        ask(second, 0)
    second.close()
    assert caught.value.kind == "refusal"
    assert endpoint.total == 2


def test_a_run_killed_between_two_attempts_makes_only_the_next_one(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "500", "ok")
    first = run_of(endpoint, tmp_path)
    ask(first, 0)
    first.close()
    lines = (tmp_path / CALLS).read_text().splitlines(keepends=True)
    (tmp_path / CALLS).write_text(lines[0])  # as if killed before the second one ended
    second = run_of(endpoint, tmp_path)
    ask(second, 0)
    second.close()
    assert [each.attempt for each in read_calls(tmp_path)] == [1, 2]
    assert endpoint.total == 3


def test_a_cancelled_call_counts_and_is_asked_again(endpoint: Endpoint, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    lost = record(0, digest=digest_of(question(0)), answer=None, error="cancelled", usage=Usage(50, 0, 10), cost=0.5)
    transcript.append(lost)
    transcript.close()
    run = run_of(endpoint, tmp_path)
    assert run.budget.spent.cost == 0.5
    assert ask(run, 0)
    run.close()
    assert endpoint.total == 1
    assert run.ledger.to_dict()["total"]["calls"] == 2


@pytest.mark.parametrize("change", [{"kind": "correct"}, {"sequence": ("sroa",)}])
def test_another_question_is_asked(endpoint: Endpoint, tmp_path: Path, change: dict[str, Any]) -> None:
    first = run_of(endpoint, tmp_path)
    ask(first, 0)
    first.close()
    second = run_of(endpoint, tmp_path)
    ask(second, 0, **change)
    second.close()
    assert endpoint.total == 2


def test_an_answer_is_found_again_under_another_id_and_only_once(endpoint: Endpoint, tmp_path: Path) -> None:
    first = run_of(endpoint, tmp_path)
    paid = ask(first, 3)
    ask(first, 4, sequence=("gvn",))
    first.close()
    second = run_of(endpoint, tmp_path, told=(4,))
    assert ask(second, 5) == paid
    assert endpoint.total == 2
    second.close()
    third = run_of(endpoint, tmp_path, told=(4,))
    assert ask(third, 5) == paid, "killed once more"
    assert ask(third, 6) != paid
    third.close()
    assert third.ledger.to_dict()["total"]["calls"] == endpoint.total == 3


def test_what_the_endpoint_refuses_is_not_found_out_twice(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "refuses:json")
    first = run_of(endpoint, tmp_path)
    ask(first, 0)
    first.close()
    second = run_of(endpoint, tmp_path, told=(0,))
    ask(second, 1)
    second.close()
    assert endpoint.total == 4


def test_the_ledger_comes_back_from_the_transcript(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave("small", "500", "refuses:schema", "ok", "cut", "ok", "no usage", "refusal", "ok")
    large = ModelSpec("large", "scripted", 7e10, options={"answers": ["{}", "error:timeout"]}, max_retries=0)
    run = Run([OpenAICompatible(spec(url=endpoint.url), KEY), ScriptedModel(large)], tmp_path)
    for number in range(8):
        for name in ("small", "large"):
            with contextlib.suppress(CallError):
                run.caller.ask(name, prompt(number, kind="correct" if number % 3 == 0 else "expand"), number)
    run.close()
    specs = [spec(url=endpoint.url), large]
    again = Ledger.from_records(specs, read_calls(tmp_path))
    assert again.to_dict() == run.ledger.to_dict()
    assert again.spent == run.ledger.spent == run.budget.spent
    assert again.errors_of("small") == sum(again.to_dict()["models"]["small"]["errors"].values()) > 0


def test_the_ledger_tells_the_share_of_the_largest_model() -> None:
    specs = [spec("small"), spec("large", parameters=7e10)]
    records = [record(number) for number in range(6)]
    records += [record(6, model="large"), record(7, model="large")]
    records += [record(number, model="large", kind="correct") for number in (8, 9)]
    records += [record(10, model="large", answer=None, error="timeout"), replace(record(11), served_from=3)]
    ledger = Ledger.from_records(specs, records)
    told = ledger.to_dict()
    assert told["largest"] == "large"
    assert told["largest_share"] == {"of_ordinary_answers": 2 / 8, "of_answers": 4 / 10, "of_calls": 5 / 11}
    assert told["models"]["large"]["corrections"] == 2
    json.dumps(told)


def test_beside_policies_the_share_is_of_the_language_models_answers_and_their_calls_are_what_limits_count() -> None:
    policy = ModelSpec("embedded/nano", "embedded", 1e3)
    specs = [policy, spec("small"), spec("large", parameters=7e10)]
    records = [record(number, model=policy.name) for number in range(6)]
    records += [record(6), record(7), record(8), record(9, model="large")]
    ledger = Ledger.from_records(specs, records)
    told = ledger.to_dict()
    assert (told["largest_share"]["of_answers"], told["largest_share"]["of_language_models"]) == (0.1, 0.25)
    assert share_of_largest(told) == "25% of the language models' answers came from the largest model, large"
    assert (told["total"]["calls"], ledger.spent.calls) == (10, 4)
    alone = Ledger.from_records([policy, replace(policy, name="embedded/base")], records[:6])
    assert alone.spent.calls == 6, "alone they are what is counted"
    assert share_of_largest(alone.to_dict()) == "100% of the answers came from the largest model, embedded/nano"


def test_a_ledger_of_nothing_has_no_shares() -> None:
    assert set(Ledger([spec()]).to_dict()["largest_share"].values()) == {None}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError):
        Transcript(tmp_path / "file" / "run")
