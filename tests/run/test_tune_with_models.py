"""Tuning with models behind a real HTTP server on loopback, which misbehaves; killed, replayed, stopped, refused."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Endpoint
from tune_helpers import SOURCE, spawn, trials_of, tune_here

import colt_llvm
from colt_llvm.cli.main import run

KEY = "not-for-any-file-4711"
PASSES = (
    "without<licm>", "without<instcombine>", "instcombine", "gvn", "sroa", "simplifycfg", "without<simplifycfg>",
    "licm", "dse", "without<gvn>", "early-cse", "mergefunc", "without<tailcallelim>", "reassociate", "jump-threading",
)  # fmt: skip
#: Of the models alone, by the rules of the paper.
PAPER = ("--preset", "paper")
EXACT = ("--objective", "instructions", "--seed", "1", "--workers", "1")


def answer(body: dict[str, Any]) -> str:
    """Follows from the model and what it was told, so a run repeats."""
    text = body["model"] + body["messages"][-1]["content"]
    digest = hashlib.sha256(text.encode()).digest()
    passes = [PASSES[digest[index] % len(PASSES)] for index in range(1 + digest[0] % 2)]
    return json.dumps({"passes": passes, "next_model": ("tiny", "huge")[digest[9] % 4 == 0]})


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as served:
        served.answer = answer
        yield served


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEST_KEY", KEY)
    path = tmp_path / "parts.c"
    path.write_text(SOURCE)
    return path


def models(folder: Path, url: str, *names: str, **more: str) -> Path:
    """A configuration; each model in it is ten times as large as the one before."""
    text = f'[endpoint.here]\nbase_url = "{url}"\nkey_variable = "TEST_KEY"\n'
    for number, name in enumerate(names or ("tiny", "huge")):
        text += f'[[model]]\nname = "{name}"\nendpoint = "here"\nparameters = {10 ** (9 + number)}\n'
        text += "price = { input = 1.0, cached = 0.5, output = 4.0 }\ncontext_tokens = 24000\n"
        text += "".join(f"{key} = {value}\n" for key, value in more.items())
    file = folder / "models.toml"
    file.write_text(text)
    return file


def ledger_of(result: dict[str, Any]) -> dict[str, Any]:
    """But for how long things took."""
    ledger: dict[str, Any] = json.loads(json.dumps(result["models"]))
    for row in (*ledger["models"].values(), ledger["total"]):
        for name in ("seconds", "longest_seconds", "mean_seconds"):
            del row[name]
    return ledger


def assert_no_key_in(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "calls.jsonl" for path in files)
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_a_run_survives_all_that_an_endpoint_can_do(
    source: Path, tmp_path: Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends with a checked result, the ledger agrees with the server's own count, and no file holds the key."""
    endpoint.behave(
        "tiny", "refuses:schema", "ok", "fenced", "prose", "429:0", "ok", "500", "ok", "no choices", "ok", "refusal",
        "ok", "length", "ok", "html", "ok", "half json", "ok", "cut", "ok", "reset", "echo", "ok",
    )  # fmt: skip
    endpoint.behave("huge", "ok", "too long", "ok", "503", "ok", "no content", "ok", "parts", "no usage", "ok")
    endpoint.behave("revoked", "ok", "401")
    file = models(tmp_path, endpoint.url, "tiny", "revoked", "huge", max_retries="1")
    common = [source, "--models", file, "--objective", "size", "--workers", "1", "--trials", "30", *PAPER]
    totals: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for name in ("tiny", "huge", "revoked"):
        folder = tmp_path / f"run-{name}"
        result = tune_here(capfd, *common, "--next-model", f"fixed:{name}", "--run-dir", folder)
        assert result["trials"] == 30
        counted = result["models"]
        assert counted["total"]["calls"] == counted["total"]["answers"] + sum(counted["total"]["errors"].values())
        assert counted["total"]["calls"] == len((folder / "calls.jsonl").read_text().splitlines())
        totals.update({model: row["calls"] for model, row in counted["models"].items()})
        errors.update(counted["total"]["errors"])
        assert_no_key_in(folder)
    assert totals == endpoint.counts
    expected = {"unsupported", "rate limit", "server error", "empty", "refusal", "truncated", "garbage", "too long"}
    assert expected <= set(errors)
    assert errors["authentication"] == 1, "asked no more after that"
    assert any("set aside for failing: revoked" in note for note in result["notes"])


@pytest.mark.slow
def test_a_killed_run_with_models_goes_on_with_the_same_tree_and_ledger(
    source: Path, tmp_path: Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """Killed while a call is under way. Its answer never came, so it is asked again; nothing else is."""
    file = models(tmp_path, endpoint.url)
    with Endpoint(KEY) as other:
        other.answer = answer
        (tmp_path / "other").mkdir()
        again = models(tmp_path / "other", other.url)
        whole = tune_here(
            capfd, source, "--models", again, *EXACT, *PAPER, "--trials", "30", "--run-dir", tmp_path / "whole"
        )
        assert other.total == whole["models"]["total"]["calls"]

    for name in ("tiny", "huge"):
        endpoint.behave(name, *["ok"] * 9, "held")
    child = spawn(
        "tune", source, "--models", file, *EXACT, *PAPER, "--trials", "30", "--run-dir", "killed", cwd=tmp_path,
        TEST_KEY=KEY,
    )  # fmt: skip
    journal = tmp_path / "killed" / "trials.jsonl"
    while endpoint.under_way == 0 or endpoint._behaviours[endpoint.received[-1].model][0] != "held":
        assert endpoint.reached.acquire(timeout=60), child.communicate()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    done = len(journal.read_text().splitlines())
    assert 0 < done < 30
    endpoint.released.set()
    for name in ("tiny", "huge"):
        endpoint.behave(name, "ok")

    resumed = tune_here(capfd, "--resume", tmp_path / "killed")
    assert trials_of(tmp_path / "killed") == trials_of(tmp_path / "whole")
    assert ledger_of(resumed) == ledger_of(whole)
    assert endpoint.total == other.total + 1
    assert_no_key_in(tmp_path / "killed")


def test_an_answer_that_was_paid_for_but_not_used_is_not_asked_for_again(
    source: Path, tmp_path: Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """As when a run is killed after a model answered and before the trial was over."""
    file = models(tmp_path, endpoint.url)
    first = tune_here(capfd, source, "--models", file, *EXACT, *PAPER, "--trials", "12", "--run-dir", tmp_path / "run")
    journal = tmp_path / "run" / "trials.jsonl"
    trials, lines = trials_of(tmp_path / "run"), journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:9]))
    asked = endpoint.total
    again = tune_here(capfd, "--resume", tmp_path / "run")
    assert endpoint.total == asked
    assert trials_of(tmp_path / "run") == trials
    assert ledger_of(again) == ledger_of(first)


def test_a_run_is_replayed_offline_node_for_node(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint(KEY) as endpoint:
        endpoint.answer = answer
        endpoint.behave("tiny", "ok", "prose", "500", "ok")
        file = models(tmp_path, endpoint.url)
        first = tune_here(
            capfd, source, "--models", file, *EXACT, *PAPER, "--trials", "20", "--run-dir", tmp_path / "run"
        )
    monkeypatch.delenv("TEST_KEY")
    replayed = tune_here(
        capfd, source, "--models", f"replay:{tmp_path / 'run'}", *EXACT, "--run-dir", tmp_path / "again"
    )
    assert trials_of(tmp_path / "again") == trials_of(tmp_path / "run")
    assert ledger_of(replayed) == ledger_of(first)
    assert replayed["sequence"] == first["sequence"]
    assert any("the transcript ends here" in note for note in replayed["notes"])

    # Another search asks other things: that is said, and nothing is made up.
    other = ["tune", str(source), "--models", f"replay:{tmp_path / 'run'}", "--objective", "size", "--workers", "1"]
    assert run([*other, "--run-dir", str(tmp_path / "other"), "--trials", "20"]) == 1
    assert "replay with the program, objective" in capfd.readouterr().err


def test_a_run_of_the_embedded_policies_is_replayed_refinement_and_all(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What refinement tries follows from the policies' weights, which a replay has to find again; twice over too."""
    tune_here(capfd, source, *EXACT, "--trials", "45", "--run-dir", tmp_path / "0")
    for before, after in ("0", "1"), ("1", "2"):
        tune_here(capfd, source, "--models", f"replay:{tmp_path / before}", *EXACT, "--trials", "45",
                  "--run-dir", tmp_path / after)  # fmt: skip
    assert trials_of(tmp_path / "1") == trials_of(tmp_path / "0")
    assert trials_of(tmp_path / "2") == trials_of(tmp_path / "0")
    kinds = [json.loads(line)["request"]["kind"] for line in (tmp_path / "0" / "trials.jsonl").read_text().splitlines()]
    assert kinds.count("refine") > 10


def test_policies_and_language_models_search_together_whatever_becomes_of_the_run(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Killed in the midst of an answer's proposals and taken up again; replayed offline with nothing said twice."""

    def several(body: dict[str, Any]) -> str:
        schema = body["response_format"]["json_schema"]["schema"]
        wanted = schema["properties"]["proposals"]["maxItems"]
        one = json.loads(answer(body))
        others = [{**one, "passes": [name, *one["passes"]]} for name in PASSES[: wanted - 1]]
        return json.dumps({"reason": "r", "proposals": [one, *others]})

    run = tmp_path / "run"
    options: dict[str, Any] = {
        "objective": "instructions", "trials": 18, "seed": 1, "workers": 1, "scopes": ("passes",),
        "search": {"seeds": 2, "seed_share": 0.0, "refine_share": 0.0},
    }  # fmt: skip
    with Endpoint(KEY) as endpoint:
        endpoint.answer = several
        colt_llvm.tune(source, models=str(models(tmp_path, endpoint.url)), run_directory=run, **options)
        first, trials = json.loads((run / "result.json").read_text()), trials_of(run)
        rows = first["models"]["models"]
        assert json.loads((run / "run.json").read_text())["options"]["preset"] == "together"
        assert list(rows) == ["embedded/nano", "embedded/small", "embedded/base", "tiny", "huge"]
        assert rows["tiny"]["calls"] + rows["huge"]["calls"] == endpoint.total > 0
        assert rows["huge"]["calls"] <= 0.25 * endpoint.total
        assert {trial["request"]["model"] for trial in trials[:2]} <= {*list(rows)[:3]}
        journal = run / "trials.jsonl"
        cut = max(number for number, trial in enumerate(trials) if "given" in trial["request"])
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:cut]))
        again = tune_here(capfd, "--resume", run)
        assert rows["tiny"]["calls"] + rows["huge"]["calls"] == endpoint.total
        assert trials_of(run) == trials
        assert ledger_of(again) == ledger_of(first)
    colt_llvm.tune(source, models=f"replay:{run}", run_directory=tmp_path / "again", **options)
    assert trials_of(tmp_path / "again") == trials
    assert ledger_of(json.loads((tmp_path / "again" / "result.json").read_text())) == ledger_of(first)


def test_a_wrong_key_is_one_clear_line_before_anything_is_done(
    source: Path, tmp_path: Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = models(tmp_path, endpoint.url)
    for value, said in (("wrong-key", "refuses access (401)"), ("", "$TEST_KEY is not set")):
        monkeypatch.setenv("TEST_KEY", value)
        assert run(["tune", str(source), "--models", str(file), "--run-dir", str(tmp_path / "run")]) == 2
        err = capfd.readouterr().err
        assert len(err.strip().splitlines()) == 1
        assert said in err
        assert not value or value not in err
    assert endpoint.total == 0
    assert not (tmp_path / "run").exists()


def test_limits_hold_with_several_calls_under_way(
    source: Path, tmp_path: Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    calls, second = itertools.count(), threading.Event()

    def overlapping(body: dict[str, Any]) -> str:
        if next(calls):
            second.set()
        else:  # the first one is not answered before there is a second
            second.wait(60)
        return answer(body)

    endpoint.answer = overlapping
    file = models(tmp_path, endpoint.url)
    arguments = ["--models", file, "--objective", "instructions", "--workers", "2", "--trials", "200", *PAPER]
    result = tune_here(capfd, source, *arguments, "--max-calls", "7", "--run-dir", tmp_path / "calls")
    assert endpoint.total == result["models"]["total"]["calls"] == 7
    assert result["trials"] == 7
    assert any("--max-calls" in note for note in result["notes"])
    assert endpoint.most_under_way > 1

    # The limit can be raised, and counts what was spent before.
    more = tune_here(capfd, "--resume", tmp_path / "calls", "--max-calls", "10")
    assert endpoint.total == more["models"]["total"]["calls"] == 10
    assert more["trials"] >= 10 - 4, "answers under way at the limit are not lost"

    result = tune_here(capfd, source, *arguments, "--max-tokens", "10000", "--run-dir", tmp_path / "tokens")
    assert 0 < result["models"]["total"]["tokens"] <= 10000
    assert any("--max-tokens" in note for note in result["notes"]), "and it was reached"
    result = tune_here(capfd, source, *arguments, "--max-cost", "0.015", "--run-dir", tmp_path / "cost")
    assert 0 < result["models"]["total"]["cost"] <= 0.015
    assert any("--max-cost" in note for note in result["notes"]), "and it was reached"
    assert result["trials"] > 0


def test_with_no_endpoint_left_the_embedded_policy_goes_on_and_that_is_said(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Endpoint() as gone:
        url = gone.url
    file = models(tmp_path, url, max_retries="0")
    arguments = ["--models", file, *EXACT, *PAPER, "--trials", "20", "--run-dir", tmp_path / "run"]
    result = tune_here(capfd, source, *arguments)
    assert result["trials"] == 20
    assert set(result["models"]["total"]["errors"]) == {"connection"}
    assert any("embedded/base answered instead" in note for note in result["notes"])
    signed = {trial["proposal"]["model"] for trial in trials_of(tmp_path / "run")}
    assert signed == {"random expansion", "embedded/base"}


def test_while_an_endpoint_never_answers_the_embedded_policy_goes_on_and_a_replay_does_the_same(
    endpoint: Endpoint, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave("small", "never")
    endpoint.behave("large", "never")
    file = models(tmp_path, endpoint.url, "small", "large")
    run = tmp_path / "run"
    result = tune_here(
        capfd, source, "--models", file, *EXACT, *PAPER, "--time", "24", "--trials", "30", "--run-dir", run
    )
    assert result["trials"] == 30
    notes = " ".join(result["notes"])
    assert "no call of large came back" in notes
    assert "embedded/base answered instead" in notes
    total = result["models"]["total"]
    assert total["calls"] == endpoint.total
    assert total["answers"] == 0
    signed = [trial["proposal"]["model"] for trial in trials_of(run)]
    assert signed.count("embedded/base") > 20
    again = tmp_path / "again"
    tune_here(capfd, source, "--models", f"replay:{run}", *EXACT, "--trials", "30", "--run-dir", again)
    assert [trial["proposal"] for trial in trials_of(again)] == [trial["proposal"] for trial in trials_of(run)]


def test_without_models_the_embedded_policies_propose_and_that_is_said(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = tune_here(capfd, source, *EXACT, "--trials", "10", "--run-dir", tmp_path / "run")
    assert set(result["models"]["models"]) == {"embedded/nano", "embedded/small", "embedded/base"}
    assert any("small policies" in note for note in result["notes"])


def test_an_interrupt_does_not_wait_for_a_model_that_never_answers(
    source: Path, tmp_path: Path, endpoint: Endpoint
) -> None:
    endpoint.behave("huge", "ok", "ok", "never")
    endpoint.behave("tiny", "never")
    file = models(tmp_path, endpoint.url, timeout_seconds="500")
    child = spawn(
        "tune", source, "--models", file, *EXACT, *PAPER, "--json", "--run-dir", "run", cwd=tmp_path, TEST_KEY=KEY
    )
    for _ in range(3):
        assert endpoint.reached.acquire(timeout=60), child.communicate()
    child.send_signal(signal.SIGINT)
    try:
        out, err = child.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        raise
    assert child.returncode == 0, err
    result = json.loads(out)
    assert result["interrupted"] is True
    assert result["models"]["total"]["calls"] == endpoint.total == 3
    assert result["models"]["total"]["errors"] == {"cancelled": 1}
