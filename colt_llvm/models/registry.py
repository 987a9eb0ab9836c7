"""From what the user named (a list of names, or a TOML file) to specifications, and to something that answers."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import find_plugin, offered
from colt_llvm.models.base import LanguageModel, ModelSpec
from colt_llvm.models.embedded.own import is_own, own_specs
from colt_llvm.models.kinds import GROUP, find_kind
from colt_llvm.models.providers import PROVIDERS, example_of, spec_of
from colt_llvm.models.specs import SPEC_KEYS, check_url, check_variable, refuse_unknown, spec_from_dict

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
