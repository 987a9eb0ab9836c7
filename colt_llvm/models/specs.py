"""Model specifications as plain values: checked once, written to a run's header and back. No key is in them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import urlsplit

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import THINKING_TOKENS, ModelSpec, Price
from colt_llvm.models.kinds import find_kind, kind_names

Record = dict[str, Any]

SPEC_KEYS = tuple(field.name for field in fields(ModelSpec))
PRICE_KEYS = tuple(field.name for field in fields(Price))
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"(api[-_]?)?key|authorization|bearer|secret|password|(api|auth|access)[-_]?token|headers", re.I)
#: Fields of a request that the caller fills in.
_OURS = {
    "model", "messages", "stream", "n", "response_format", "max_tokens", "max_completion_tokens", "tools", "functions",
    "stream_options", "seed",
}  # fmt: skip
#: A prompt without a catalogue would be of no use.
_LEAST_PROMPT_TOKENS = 1_500
_NUMBERS: Mapping[str, tuple[type, float]] = {
    "context_tokens": (int, 256),
    "max_output_tokens": (int, 1),
    "prompt_tokens": (int, _LEAST_PROMPT_TOKENS),
    "timeout_seconds": (float, 0.001),
    "max_retries": (int, 0),
    "concurrency": (int, 1),
}


def spec_to_dict(spec: ModelSpec) -> Record:
    """One dict for JSON; ``price`` and ``options`` are dicts in it."""
    return {
        **{name: getattr(spec, name) for name in SPEC_KEYS},
        "price": asdict(spec.price),
        "options": dict(spec.options),
    }


def spec_from_dict(record: Mapping[str, Any], where: str = "model") -> ModelSpec:
    """The inverse of :func:`spec_to_dict`; what is left out has its default. Raises UsageError."""
    refuse_unknown(record, SPEC_KEYS, where)
    name = record.get("name")
    if not isinstance(name, str) or not name or not name.isprintable() or any(mark in name for mark in ", \t"):
        raise UsageError(f'{where}: give it a name without spaces and commas, such as name = "qwen-7b"')
    where = f"model {name}"
    kind = record.get("kind", "openai" if record.get("base_url") else None)
    try:
        can = find_kind(str(kind))
    except UsageError as error:
        raise UsageError(f"{where}: {error}{_near(kind, kind_names())}") from None
    values: Record = {"name": name, "kind": kind}
    values["parameters"] = _number(record.get("parameters"), f"{where}: parameters", "its parameter count, such as 7e9")
    if values["parameters"] <= 0:
        raise UsageError(f"{where}: parameters must be above 0; give its parameter count, such as 7e9")
    values["price"] = _price(record.get("price", {}), where)
    for key in ("base_url", "key_variable", "model"):
        value = record.get(key)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{where}: {key} must be text in quotes")
        if value:
            values[key] = value
    for key, (of, least) in _NUMBERS.items():
        if key in record:
            value = _number(record[key], f"{where}: {key}", f"a number from {least:g} on")
            if value < least or (of is int and value != int(value)):
                raise UsageError(
                    f"{where}: {key} is {value:g}; give a {'whole ' if of is int else ''}number from {least:g} on"
                )
            values[key] = of(value)
    structured = record.get("structured", "auto")
    if structured not in ("auto", "schema", "json", "text"):
        raise UsageError(f"{where}: structured is {structured!r}; use auto, schema, json or text")
    values["structured"] = structured
    reasoning = record.get("reasoning", "auto")
    if reasoning not in THINKING_TOKENS:
        raise UsageError(f"{where}: reasoning is {reasoning!r}; use {', '.join(THINKING_TOKENS)}")
    values["reasoning"] = reasoning
    values["options"] = _options(record.get("options", {}), can.has_endpoint, where)
    spec = ModelSpec(**values)
    if spec.is_language_model and spec.context_tokens - spec.output_tokens < _LEAST_PROMPT_TOKENS:
        beside = (
            "max_output_tokens" if spec.output_tokens == spec.max_output_tokens else "tokens of thinking and answer"
        )
        raise UsageError(
            f"{where}: {spec.context_tokens} context_tokens leave too little room for the prompt beside "
            f"{spec.output_tokens} {beside}; it needs {_LEAST_PROMPT_TOKENS} or more"
        )
    _check_endpoint(spec, where)
    return spec


def refuse_unknown(record: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises UsageError for a key that is not known, with the nearest one that is. Values are not shown."""
    names = list(known)
    for key in record:
        if key in names:
            continue
        if _SECRET.fullmatch(str(key)):
            raise UsageError(
                f'{where}: keys do not belong here; export it, and name the variable: key_variable = "MY_API_KEY"'
            )
        raise UsageError(f"{where}: unknown key {key!r}{_near(key, names) or '; known are ' + ', '.join(names)}")


def check_url(url: str, where: str) -> None:
    """Only http and https, and no secret in it. Raises UsageError, which does not show it: it may hold a password."""
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        bad = True
    if bad:
        raise UsageError(f"{where}: base_url must be an address such as http://127.0.0.1:8000/v1 (http or https)")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"{where}: base_url holds a user, a query or a fragment; keep keys in the variable key_variable names"
        )


def check_variable(name: str, where: str) -> None:
    """A variable's name, and not the key itself. Raises UsageError, which does not show it: it may be the key."""
    if not _VARIABLE.fullmatch(name):
        raise UsageError(
            f"{where}: key_variable is the name of an environment variable, such as MY_API_KEY, never the key"
        )


def key_of(spec: ModelSpec, environment: Mapping[str, str]) -> str | None:
    """The key of an endpoint; None where none is needed. Raises UsageError, which names the variable."""
    if spec.key_variable is None:
        return None
    key = environment.get(spec.key_variable, "").strip()
    if not key:
        raise UsageError(
            f"model {spec.name}: ${spec.key_variable} is not set; export its key there, or leave the model out"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"model {spec.name}: ${spec.key_variable} holds what cannot be a key; export it again")
    return key


def _check_endpoint(spec: ModelSpec, where: str) -> None:
    if not spec.can.has_endpoint:
        if spec.base_url or spec.key_variable:
            raise UsageError(f"{where}: kind {spec.kind} has no endpoint; leave out base_url and key_variable")
        return
    if not spec.base_url:
        raise UsageError(f'{where}: give base_url, or endpoint = "NAME" with a table [endpoint.NAME]')
    check_url(spec.base_url, where)
    if spec.key_variable:
        check_variable(spec.key_variable, where)


def _price(value: Any, where: str) -> Price:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: price is a table: price = {{ input = 0.5, cached = 0.1, output = 1.5 }}")
    refuse_unknown(value, PRICE_KEYS, f"{where}: price")
    given = {key: _number(item, f"{where}: price.{key}", "money per million tokens") for key, item in value.items()}
    return Price(**{"cached": given.get("input", 0.0), **given})


def _options(value: Any, has_endpoint: bool, where: str) -> Record:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: options is a table, such as options = {{ temperature = 0.7 }}")
    for key in value:
        if has_endpoint and _SECRET.search(str(key)) and not str(key).endswith("tokens"):
            raise UsageError(f"{where}: options hold what looks like a secret; name a variable with key_variable")
        if has_endpoint and key in _OURS:
            raise UsageError(f"{where}: options.{key} is filled in by colt-llvm; leave it out")
    return dict(value)


def _number(value: Any, what: str, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{what} must be a number; give {wanted}")
    return float(value)


def _near(key: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
