"""``colt-llvm models`` lists what may be asked, and tries it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))

from model_helpers import KEY
from server import Endpoint, completion

from colt_llvm.cli.models import command
from colt_llvm.core.errors import UsageError
from colt_llvm.models.registry import example


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        yield server


@pytest.fixture
def file(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOOD_KEY", KEY)
    monkeypatch.setenv("WRONG_KEY", "wrong-key-0123456789")
    monkeypatch.delenv("NO_KEY", raising=False)
    models = [
        f'[[model]]\nname = "{name}"\nparameters = 7e9\nbase_url = "{endpoint.url}"\nkey_variable = "{variable}"\n'
        "price = { input = 1.0, output = 2.0 }\n"
        for name, variable in (("good", "GOOD_KEY"), ("wrong", "WRONG_KEY"), ("none", "NO_KEY"))
    ]
    path = tmp_path / "models.toml"
    path.write_text("\n".join(models))
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int | None = None) -> str:
    assert command.main(list(arguments), standalone_mode=False) == status
    out, err = capsys.readouterr()
    assert KEY not in out + err
    assert "wrong-key" not in out + err
    return out


def test_lists_the_embedded_policies_as_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys)
    for name in ("embedded/nano", "embedded/small", "embedded/base"):
        assert name in out
    assert out.count("small policy, not a language model") == 3


def test_lists_the_models_of_the_configuration_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config" / "colt-llvm").mkdir(parents=True)
    (tmp_path / "config" / "colt-llvm" / "models.toml").write_text(example())
    assert "qwen-32b" in printed(capsys)


def test_tells_price_endpoint_and_whether_the_key_is_set(
    capsys: pytest.CaptureFixture[str], file: Path, endpoint: Endpoint
) -> None:
    out = printed(capsys, "--models", str(file))
    assert "7B" in out
    assert "1/1/2" in out
    assert "$GOOD_KEY set" in out
    assert "$NO_KEY NOT SET" in out
    assert endpoint.total == 0


def test_the_example_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--example") == example()


def test_a_check_shows_what_came_of_one_question_each(
    capsys: pytest.CaptureFixture[str], file: Path, endpoint: Endpoint
) -> None:
    endpoint.behave("good", "refuses:schema")
    out = printed(capsys, "--models", str(file), "--check", status=1)
    assert "answered after" in out
    assert "in 2 requests" in out
    assert "structured output: json" in out
    assert "200 + 40" not in out
    assert "100 + 20 tokens" in out
    assert out.count("failed: ") == 2
    assert "$NO_KEY is not set" in out
    assert endpoint.counts == {"good": 2, "wrong": 1}


def test_json_has_the_same_for_programs(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(printed(capsys, "--models", str(file), "--check", "--json", status=1))
    assert [(row["name"], row["key_set"], row["check"]["error"] is None) for row in rows] == [
        ("good", True, True),
        ("wrong", True, False),
        ("none", False, False),
    ]
    assert rows[0]["check"]["cost"] == pytest.approx((100 * 1.0 + 20 * 2.0) / 1e6)


def test_a_check_asks_a_failing_model_once(capsys: pytest.CaptureFixture[str], file: Path, endpoint: Endpoint) -> None:
    endpoint.behave("good", "500")
    assert "failed: model good" in printed(capsys, "--models", str(file), "--check", status=1)
    assert endpoint.counts["good"] == 1


def test_a_check_ends_well_where_all_answer(
    capsys: pytest.CaptureFixture[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_KEY", KEY)
    (tmp_path / "m.toml").write_text(
        f'[[model]]\nname = "a"\nparameters = 7e9\nbase_url = "{endpoint.url}"\nkey_variable = "GOOD_KEY"\n'
    )
    assert "answered after" in printed(capsys, "--models", str(tmp_path / "m.toml"), "--check")
    endpoint.behave("a", "reasoning")
    out = printed(capsys, "--models", str(tmp_path / "m.toml"), "--check")
    assert " s (as reasoning_content: turn its thinking off" in out


@pytest.mark.parametrize("said", ["I would try licm.", '{"passes": ["..."], "next_model": "a"}', "{}"])
def test_a_check_fails_where_the_answer_is_no_proposal(
    capsys: pytest.CaptureFixture[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("GOOD_KEY", KEY)
    (tmp_path / "m.toml").write_text(
        f'[[model]]\nname = "a"\nparameters = 7e9\nbase_url = "{endpoint.url}"\nkey_variable = "GOOD_KEY"\n'
    )
    endpoint.answer = lambda body: said
    assert "names no pass" in printed(capsys, "--models", str(tmp_path / "m.toml"), "--check", status=1)


def one_model(endpoint: Endpoint, folder: Path, more: str = "") -> str:
    (folder / "m.toml").write_text(
        f'[[model]]\nname = "a"\nparameters = 7e9\nbase_url = "{endpoint.url}"\nkey_variable = "GOOD_KEY"\n{more}'
    )
    return str(folder / "m.toml")


def test_a_check_asks_as_much_as_a_search_and_reads_the_answer_as_one(
    capsys: pytest.CaptureFixture[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_KEY", KEY)
    file = one_model(endpoint, tmp_path, "price = { input = 2.0, output = 4.0 }\nprompt_tokens = 12000\n")
    (row,) = json.loads(printed(capsys, "--models", file, "--check", "--json"))
    check = row["check"]
    asked = endpoint.received[0].body
    assert sum(len(message["content"]) for message in asked["messages"]) > 15_000
    assert set(check["proposal"]) <= set(
        asked["response_format"]["json_schema"]["schema"]["properties"]["passes"]["items"]["enum"]
    )
    assert check["cost_of_100"] == pytest.approx(100 * check["cost"])
    assert "may cut long prompts" in check["note"]  # this one says 100 tokens, whatever it is sent
    assert "100 calls" in printed(capsys, "--models", file, "--check")
    endpoint.answer = lambda body: '{"reason": "x", "passes": ["no-such-pass"], "next_model": "a"}'
    assert "names no pass that exists" in printed(capsys, "--models", file, "--check", status=1)


def test_a_check_says_who_answered_in_place_of_the_model(
    capsys: pytest.CaptureFixture[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_KEY", KEY)
    monkeypatch.setattr("server.completion", served_by("tiny-llama"))
    assert "tiny-llama answered, and a-large was asked for" in printed(
        capsys, "--models", one_model(endpoint, tmp_path, 'model = "a-large"\n'), "--check"
    )
    monkeypatch.setattr("server.completion", served_by("vendor/A-Large-2026-01-01"))
    assert "asked for" not in printed(
        capsys, "--models", one_model(endpoint, tmp_path, 'model = "a-large"\n'), "--check"
    )


def served_by(name: str) -> Callable[..., dict[str, Any]]:
    return lambda *parts, **more: {**completion(*parts, **more), "model": name}


def test_the_seconds_of_a_check_are_without_loading_what_asks(endpoint: Endpoint, tmp_path: Path) -> None:
    """In a process that has loaded nothing yet. What asks takes a second to load; the endpoint a few milliseconds."""
    (tmp_path / "m.toml").write_text(
        f'[[model]]\nname = "a"\nparameters = 7e9\nbase_url = "{endpoint.url}"\nkey_variable = "K"\n'
    )
    script = (
        "import sys, colt_llvm.models.caller as caller\n"
        "from colt_llvm.cli.main import run\n"
        "ask = caller.Caller._call\n"
        "caller.Caller._call = lambda *a: (print('loaded', 'openai' in sys.modules), ask(*a))[1]\n"
        "assert 'openai' not in sys.modules\n"
        f"sys.exit(run(['models', '--models', {str(tmp_path / 'm.toml')!r}, '--check']))"
    )
    environment = {**os.environ, "K": KEY}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "loaded True" in done.stdout


def test_a_bad_file_is_refused_as_bad_use(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[model]]\n")
    with pytest.raises(UsageError) as caught:
        command.main(["--models", str(tmp_path / "bad.toml")], standalone_mode=False)
    assert caught.value.exit_status == 2
    with pytest.raises(click.UsageError):
        command.main(["--nonsense"], standalone_mode=False)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("port", "is the endpoint up, and base_url right (http or https, the port)?"),
        ("name", "check model: the name that the endpoint knows it by; it has qwen3:4b, qwen3:8b"),
        ("key", "check the key in $GOOD_KEY"),
        ("context", "set context_tokens to 4096"),
        ("path", "check base_url (does it end in /v1?) and model"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_remedy(
    capsys: pytest.CaptureFixture[str], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    wrong: str, remedy: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("GOOD_KEY", "wrong-key-0123456789" if wrong == "key" else KEY)
    endpoint.names = ["qwen3:4b", "qwen3:8b"]
    endpoint.behave("a", {"name": "no such model", "context": "too long", "path": "404"}.get(wrong, "ok"))
    file = Path(one_model(endpoint, tmp_path))
    if wrong == "port":
        file.write_text(file.read_text().replace(endpoint.url, "http://127.0.0.1:1/v1"))
    out = printed(capsys, "--models", str(file), "--check", status=1)
    (line,) = [line for line in out.splitlines() if "failed" in line]
    assert remedy in line
