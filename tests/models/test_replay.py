"""A recorded run answered again, without any call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_helpers import KEY, Run, prompt, spec
from server import Endpoint

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.models.base import CallError, ModelSpec
from colt_llvm.models.budget import BudgetSpent
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.registry import connect, load_models
from colt_llvm.models.replay import ReplayDiverged, ReplayModel, TranscriptEnded, asked_as
from colt_llvm.models.specs import spec_to_dict
from colt_llvm.models.transcript import read_calls


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, list[str]]:
    """A run of four requests, the third of which failed, and what came of them."""
    run_directory = tmp_path / "run"
    with Endpoint(KEY) as endpoint:
        endpoint.answer = lambda body: json.dumps({"passes": [f"pass-{endpoint.total}"]})
        endpoint.behave("small", "500", "ok", "refuses:schema", "refusal", "ok")
        model = OpenAICompatible(spec(url=endpoint.url), KEY)
        run = Run([model], run_directory)
        results = outcomes(run, range(4))
        run.close()
        (run_directory / "run.json").write_text(json.dumps({"models": [spec_to_dict(model.spec)]}))
    return run_directory, results


def outcomes(run: Run, ids: range) -> list[str]:
    results = []
    for number in ids:
        try:
            results.append(run.caller.ask("small", prompt(number), number).text)
        except CallError as error:
            results.append(f"{error.kind}: {error}")
    return results


def replaying(run_directory: Path, **more: Any) -> Run:
    return Run([connect(model, {}) for model in load_models(f"replay:{run_directory}", {})], **more)


def test_gives_the_same_again_without_key_or_endpoint(recorded: tuple[Path, list[str]], tmp_path: Path) -> None:
    run = replaying(recorded[0], directory=tmp_path / "again")
    assert outcomes(run, range(4)) == recorded[1]
    run.close()
    first, again = read_calls(recorded[0]), read_calls(tmp_path / "again")
    assert [(one.answer, one.error, one.cost, one.usage) for one in first] == [
        (one.answer, one.error, one.cost, one.usage) for one in again
    ]
    assert run.sleeps.seconds == [], "nothing is waited for"  # type: ignore[attr-defined]


def test_a_replay_can_be_replayed(recorded: tuple[Path, list[str]], tmp_path: Path) -> None:
    again = tmp_path / "again"
    run = replaying(recorded[0], directory=again)
    outcomes(run, range(4))
    run.close()
    specs = load_models(f"replay:{recorded[0]}", {})
    (again / "run.json").write_text(json.dumps({"models": [spec_to_dict(one) for one in specs]}))
    assert outcomes(replaying(again), range(4)) == recorded[1]


def test_ends_where_the_transcript_ends(recorded: tuple[Path, list[str]]) -> None:
    run = replaying(recorded[0])
    with pytest.raises(TranscriptEnded) as caught:
        outcomes(run, range(5))
    assert isinstance(caught.value, BudgetSpent), "so the search ends with the best so far"


def test_says_when_the_search_goes_another_way(recorded: tuple[Path, list[str]]) -> None:
    run = replaying(recorded[0])
    outcomes(run, range(1))
    with pytest.raises(ReplayDiverged, match="seed"):
        run.caller.ask("small", prompt(1, sequence=("sroa",)), 1)


def test_the_models_keep_name_size_and_price(recorded: tuple[Path, list[str]]) -> None:
    (replayed,) = load_models(f"replay:{recorded[0]}", {})
    original = spec()
    assert (replayed.name, replayed.parameters, replayed.price) == (
        original.name,
        original.parameters,
        original.price,
    )
    assert (replayed.kind, replayed.key_variable, replayed.base_url) == ("replay", None, None)


@pytest.mark.parametrize(
    ("header", "said"),
    [(None, "no run.json"), ("{", "cannot be read"), ("{}", "without models"), ('{"models": [{}]}', "no calls.jsonl")],
)
def test_refuses_a_folder_that_has_nothing_to_replay(tmp_path: Path, header: str | None, said: str) -> None:
    if header is not None:
        (tmp_path / "run.json").write_text(header)
    with pytest.raises(RunDirectoryError, match=said):
        load_models(f"replay:{tmp_path}", {})


def test_what_a_model_was_is_known_also_of_the_replay_of_a_replay(recorded: tuple[Path, list[str]]) -> None:
    own = ModelSpec("mine/base", "embedded", 9.0, model="embedded/base", options={"file": "mine.npz", "digest": "ab"})
    for _ in range(2):
        (recorded[0] / "run.json").write_text(json.dumps({"models": [spec_to_dict(own)]}))
        (replayed,) = load_models(f"replay:{recorded[0]}", {})
        assert replayed.kind == "replay"
        was = asked_as(replayed)
        assert (was.name, was.kind, was.model, was.options) == (
            "mine/base", "embedded", "embedded/base", {"file": "mine.npz", "digest": "ab"},
        )  # fmt: skip
        own = replayed


def test_refuses_a_replay_of_no_run() -> None:
    with pytest.raises(UsageError, match="replay:RUN"):
        ReplayModel.of(ModelSpec("small", "replay", 7e9))
