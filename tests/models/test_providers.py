"""Models named in one word, and files to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.core.errors import UsageError
from colt_llvm.models.registry import PROVIDERS, load_models, parameters_in, read_models


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("qwen3:4b", 4e9), ("qwen2.5-coder:0.5b-instruct", 5e8), ("Qwen/Qwen2.5-Coder-32B-Instruct", 32e9),
        ("mixtral-8x7b", 56e9), ("gemma-3-270m-it", 270e6), ("llama3.1:70b-q4_K_M", 70e9), ("gpt-4o", None),
        ("phi4", None), ("b12", None), ("model-3.2", None), ("200b", 200e9),
    ],
)  # fmt: skip
def test_a_name_tells_how_large_a_model_is(name: str, parameters: float | None) -> None:
    assert parameters_in(name) == parameters


def test_a_word_is_enough_for_a_local_model() -> None:
    first, second = load_models("ollama:qwen3:4b,vllm:Qwen/Qwen2.5-Coder-32B-Instruct")
    assert (first.name, first.model, first.parameters) == ("ollama:qwen3:4b", "qwen3:4b", 4e9)
    assert first.base_url == "http://127.0.0.1:11434/v1"
    assert (first.concurrency, first.key_variable) == (1, None)
    assert first.timeout_seconds >= 300
    assert (second.model, second.parameters) == ("Qwen/Qwen2.5-Coder-32B-Instruct", 32e9)


def test_a_size_may_be_said() -> None:
    (spec,) = load_models("openai:gpt-4o@200b")
    assert (spec.model, spec.parameters, spec.key_variable) == ("gpt-4o", 200e9, "OPENAI_API_KEY")
    (spec,) = load_models("llamacpp:default@1.5b")
    assert (spec.name, spec.parameters) == ("llama.cpp:default", 1.5e9)


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        ("openai:gpt-4o", "openai:gpt-4o@7b"), ("ollama:", "ollama:qwen3:4b"), ("ollama:@4b", "ollama:qwen3:4b"),
        ("nobody:qwen3:4b", "ollama:MODEL"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(named: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=remedy):
        load_models(named)


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_example_is_a_file_that_means_the_same(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "--example", name]) == 0
    file = tmp_path / "models.toml"
    file.write_text(capsys.readouterr().out)
    (of_file,) = read_models(file)
    (of_word,) = load_models(f"{name}:{PROVIDERS[name].model}")
    for field in (
        "model",
        "parameters",
        "base_url",
        "key_variable",
        "context_tokens",
        "timeout_seconds",
        "concurrency",
    ):
        assert getattr(of_file, field) == getattr(of_word, field), field


def test_an_unknown_provider_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--example", "nobody"]) == 2
    assert "use one of ollama" in capsys.readouterr().err
    assert run(["models", "--example"]) == 0
    assert "[endpoint.vllm]" in capsys.readouterr().out
