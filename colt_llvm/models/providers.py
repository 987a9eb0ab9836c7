"""Endpoints that people have, so that one word names a model: ``ollama:qwen3:4b``, ``openai:gpt-4o@200b``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import ModelSpec

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,2})?)([bm])(?![a-z0-9])", re.I)
_UNITS = {"b": 1e9, "m": 1e6}


@dataclass(frozen=True)
class Provider:
    """A kind of server that speaks OpenAI's chat completions, as it is right after its installation."""

    name: str  #: before the colon
    base_url: str  #: where it listens
    model: str  #: an example of a model's name
    key_variable: str | None = None  #: holds the key; None: it asks for none
    context_tokens: int = 16_384  #: prompt and answer together, as it serves by default
    max_output_tokens: int = 1_024  #: of one answer
    timeout_seconds: float = 120.0  #: of one call
    concurrency: int = 8  #: calls at once
    advice: str = ""  #: what to know, one line


_SLOW, _ONE = 600.0, 1
PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("ollama", "http://127.0.0.1:11434/v1", "qwen3:4b", None, 4_096, 768, _SLOW, _ONE,
                 "it cuts longer prompts without a word: raise context_tokens and OLLAMA_CONTEXT_LENGTH together"),
        Provider("vllm", "http://127.0.0.1:8000/v1", "Qwen/Qwen2.5-Coder-32B-Instruct", timeout_seconds=_SLOW,
                 advice="context_tokens is what --max-model-len says"),
        Provider("llama.cpp", "http://127.0.0.1:8080/v1", "qwen3-4b", None, 4_096, 768, _SLOW, _ONE,
                 "start llama-server with -c 4096 or more, and context_tokens alike"),
        Provider("lmstudio", "http://127.0.0.1:1234/v1", "qwen3-4b", None, 4_096, 768, _SLOW, _ONE,
                 "load the model with a context of 4096 or more, and context_tokens alike"),
        Provider("openrouter", "https://openrouter.ai/api/v1", "qwen/qwen3-32b", "OPENROUTER_API_KEY", 32_768,
                 advice="fill in the price per million tokens, or --max-cost counts nothing"),
        Provider("openai", "https://api.openai.com/v1", "gpt-4o@200b", "OPENAI_API_KEY", 65_536,
                 advice="fill in the price per million tokens, or --max-cost counts nothing"),
    )
}  # fmt: skip


def spec_of(text: str) -> ModelSpec | None:
    """``PROVIDER:MODEL`` or ``PROVIDER:MODEL@SIZE``; None where no provider is named. Raises UsageError."""
    name, colon, model = text.partition(":")
    provider = PROVIDERS.get("llama.cpp" if name == "llamacpp" else name)
    if provider is None or not colon:
        return None
    model, _, said = model.partition("@")
    parameters = parameters_in(said or model)
    if not model:
        raise UsageError(f"{text}: name the model too, such as {provider.name}:{provider.model}")
    if parameters is None:
        raise UsageError(f"{text}: say how large it is, for that decides who is small: {provider.name}:{model}@7b")
    return ModelSpec(
        f"{provider.name}:{model}", "openai", parameters, base_url=provider.base_url, model=model,
        key_variable=provider.key_variable, context_tokens=provider.context_tokens,
        max_output_tokens=provider.max_output_tokens, timeout_seconds=provider.timeout_seconds,
        concurrency=provider.concurrency,
    )  # fmt: skip


def parameters_in(name: str) -> float | None:
    """The parameter count that a name tells, 4e9 of ``qwen3:4b``, 5.6e10 of ``8x7b``; None where it tells none."""
    found = _SIZE.findall(name)
    if not found:
        return None
    experts, size, unit = found[-1]
    return int(experts or 1) * float(size) * _UNITS[unit.lower()]


def example_of(name: str) -> str:
    """A TOML file for this provider. Raises UsageError."""
    provider = PROVIDERS.get("llama.cpp" if name == "llamacpp" else name)
    if provider is None:
        raise UsageError(f"--example {name}: no such provider; use one of {', '.join(PROVIDERS)}, or leave it out")
    spec = spec_of(f"{provider.name}:{provider.model}")
    assert spec is not None
    lines = [
        "# Keep this as models.toml, and try it: colt-llvm models --models models.toml --check",
        f"# Without a file, --models {provider.name}:{provider.model} means the same.",
        f"# Note: {provider.advice}.",
        "",
        f'[endpoint."{provider.name}"]',
        f'base_url = "{provider.base_url}"',
        f'key_variable = "{provider.key_variable}"  # export your key there' if provider.key_variable else "",
        "",
        "[[model]]",
        f'name = "{spec.model.rpartition("/")[2]}"',
        f'endpoint = "{provider.name}"',
        f'model = "{spec.model}"  # as the server calls it',
        f"parameters = {spec.parameters:.3g}  # decides who is small; an estimate will do",
        f"context_tokens = {spec.context_tokens}  # prompt and answer together",
        f"max_output_tokens = {spec.max_output_tokens}",
        f"timeout_seconds = {spec.timeout_seconds:g}",
        f"concurrency = {spec.concurrency}  # calls at once",
        "# price = { input = 0.5, cached = 0.1, output = 1.5 }  # per million tokens: fill in yours",
    ]
    return "\n".join(line for index, line in enumerate(lines) if line or lines[index - 1]) + "\n"
