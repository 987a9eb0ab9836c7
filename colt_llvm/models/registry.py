"""From what the user named (a list of names, or a TOML file) to specifications, and to something that answers."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import find_plugin, offered
from colt_llvm.models.base import LanguageModel, ModelSpec
from colt_llvm.models.embedded.own import is_own, own_specs
from colt_llvm.models.kinds import GROUP, find_kind
from colt_llvm.models.specs import SPEC_KEYS, check_url, check_variable, refuse_unknown, spec_from_dict

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
        f"prompt_tokens = {spec.prompt_tokens}  # the longest prompt; more shows more of the code",
        '# reasoning = "off"  # of a model that thinks: off, low, medium or high; auto is as the server has it',
        f"timeout_seconds = {spec.timeout_seconds:g}",
        f"concurrency = {spec.concurrency}  # calls at once",
        "# price = { input = 0.5, cached = 0.1, output = 1.5 }  # per million tokens: fill in yours",
    ]
    return "\n".join(line for index, line in enumerate(lines) if line or lines[index - 1]) + "\n"


_toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

EMBEDDED = "embedded/"
REPLAY = "replay:"
#: Draws passes and the next model at random; the measure of what asking is worth.
RANDOM_SPEC = ModelSpec("random", "random", 1.0)
#: No model at all: proposals by what has paid in the run. A set of its own.
BLIND_SPEC = ModelSpec("blind", "random", 1.0)


def load_models(text: str, environment: Mapping[str, str] = os.environ) -> list[ModelSpec]:
    """What ``--models`` says: a comma-separated list of names, or a .toml file. Raises UsageError."""
    if text.strip().endswith(".toml"):
        specs = read_models(Path(text.strip()))
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
        specs = [spec for name in names for spec in _named(name, environment)]
    if not specs:
        raise UsageError("no models: name some, such as embedded/nano,embedded/base, or a .toml file")
    if len(specs) > 1 and BLIND_SPEC in specs:
        raise UsageError("blind proposes without a model; name it alone, or leave it out")
    for spec in specs:
        if [other.name for other in specs].count(spec.name) > 1:
            raise UsageError(f"model {spec.name} is named twice; give each model a name of its own")
    return specs


def connect(spec: ModelSpec, environment: Mapping[str, str] = os.environ) -> LanguageModel:
    """Something that answers for this specification. Nothing is asked yet. Raises UsageError."""
    return spec.can.connect(spec, environment)


def read_models(file: Path) -> list[ModelSpec]:
    """The models of a TOML file, in its order. Raises UsageError, which names the file."""
    try:
        data = _toml.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file; colt-llvm models --example prints one to begin with") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name a file that can") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8 text; write it again as such") from None
    except (_toml.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: {str(error).splitlines()[0]}; fix the TOML") from None
    try:
        return models_of(data)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


def models_of(data: Mapping[str, Any]) -> list[ModelSpec]:
    """Specifications from parsed TOML: ``[[model]]`` and ``[endpoint.NAME]`` tables. Raises UsageError."""
    refuse_unknown(data, ("model", "endpoint"), "the file")
    endpoints = data.get("endpoint", {})
    if not isinstance(endpoints, Mapping) or not all(isinstance(item, Mapping) for item in endpoints.values()):
        raise UsageError("endpoints are tables: [endpoint.NAME] with base_url and key_variable")
    for name, endpoint in endpoints.items():
        _check_endpoint(endpoint, f"endpoint {name}")
    tables = data.get("model", [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables) or not tables:
        raise UsageError("write each model as a table headed [[model]]; colt-llvm models --example shows some")
    return [_model(dict(table), number, endpoints) for number, table in enumerate(tables, start=1)]


def configuration_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own models are looked up by name."""
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(
        environment.get("HOME", os.path.expanduser("~")), ".config"
    )
    return Path(home) / "colt-llvm" / "models.toml"


def example(provider: str = "") -> str:
    """A TOML file to begin with; of one provider's models, or of several. Raises UsageError."""
    if provider:
        return example_of(provider)
    return Path(__file__).with_name("example.toml").read_text(encoding="utf-8")


def _check_endpoint(endpoint: Mapping[str, Any], where: str) -> None:
    refuse_unknown(endpoint, ("base_url", "key_variable"), where)
    for key, value in endpoint.items():
        if not isinstance(value, str) or not value:
            raise UsageError(f"{where}: {key} must be text in quotes")
    if "base_url" not in endpoint:
        raise UsageError(f"{where}: give base_url, such as http://127.0.0.1:8000/v1")
    check_url(endpoint["base_url"], where)
    if "key_variable" in endpoint:
        check_variable(endpoint["key_variable"], where)


def _model(table: dict[str, Any], number: int, endpoints: Mapping[str, Mapping[str, str]]) -> ModelSpec:
    where = f"model {table['name']}" if isinstance(table.get("name"), str) else f"model number {number}"
    refuse_unknown(table, (*SPEC_KEYS, "endpoint"), where)
    endpoint = table.pop("endpoint", None)
    if endpoint is not None:
        if endpoint not in endpoints:
            raise UsageError(f"{where}: no table [endpoint.{endpoint}]; there are {', '.join(endpoints) or 'none'}")
        table = {"kind": "openai", **endpoints[endpoint], **table}
    if table.get("kind") == "replay":
        raise UsageError(f"{where}: a replay is named on the command line: --models {REPLAY}RUN")
    if table.get("kind") == "embedded":
        refuse_unknown(table, ("name", "kind"), where)
        name = str(table.get("name"))
        if is_own(name):
            specs = own_specs(name)
            if len(specs) > 1:
                raise UsageError(f"{where}: is a file of several models; write one [[model]] for each, as {name}:base")
            return specs[0]
        return _embedded(name)
    return spec_from_dict(table, where)


def _embedded(name: str) -> ModelSpec:
    from colt_llvm.models.embedded import SPECS

    if name not in SPECS:
        raise UsageError(f"unknown model {name!r}: the embedded ones are {', '.join(SPECS)}")
    return SPECS[name]


def _named(name: str, environment: Mapping[str, str]) -> list[ModelSpec]:
    if is_own(name):
        return own_specs(name)
    if name.startswith(EMBEDDED):
        return [_embedded(name)]
    if name.startswith(REPLAY):
        from colt_llvm.models.replay import specs_of_run

        return specs_of_run(Path(name[len(REPLAY) :]))
    if provided := spec_of(name):
        return [provided]
    for spec in (RANDOM_SPEC, BLIND_SPEC):
        if name == spec.name:
            return [spec]
    file = configuration_file(environment)
    configured = read_models(file) if file.exists() else []
    for spec in configured:
        if spec.name == name:
            return [spec]
    if find_plugin(GROUP, name) is not None:
        kind = find_kind(name)
        return [ModelSpec(kind.name, name, kind.parameters)]
    shipped = ("embedded/nano", "embedded/small", "embedded/base", RANDOM_SPEC.name, BLIND_SPEC.name)
    known = [
        *shipped,
        *offered(GROUP),
        *(spec.name for spec in configured),
        "replay:RUN",
        "a .npz of colt-llvm train",
        *(f"{provider}:MODEL" for provider in PROVIDERS),
    ]
    raise UsageError(f"unknown model {name!r}: known are {', '.join(known)} and what {file} defines")
