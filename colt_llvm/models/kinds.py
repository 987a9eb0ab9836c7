"""Kinds of models by name: what each can do, and how one is connected; those of installed packages too.

A package adds one with an entry point, a :class:`DeclaredKind`:

    [project.entry-points."colt_llvm.models"]
    leave-out = "their_package:LEAVE_OUT"

It is then named as ``--models leave-out``, or as ``kind`` in a .toml file; without an entry point as ``module:NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import find_plugin, offered

if TYPE_CHECKING:
    from colt_llvm.models.base import LanguageModel, ModelSpec

GROUP = "colt_llvm.models"

#: Of a specification and the variables of the shell; nothing is asked yet. Raises UsageError.
Connect = Callable[["ModelSpec", Mapping[str, str]], "LanguageModel"]


@dataclass(frozen=True)
class DeclaredKind:
    """A kind of model, and what the rest of a run has to know of it."""

    name: str  # ``kind`` of a specification
    summary: str  # a few words for ``colt-llvm models``
    connect: Connect
    parameters: float = 1.0  # of a model that is named by its kind alone: decides who is small
    reads_text: bool = False  # it reads the prompt as text, and is paid for that; else the question's values
    has_endpoint: bool = False  # it is a service that may be down: its key is tried first, its calls may be given up
    at_once: bool = False  # it answers in a fraction of a millisecond, in the thread that tells the search
    knows_sequences: bool = False  # it proposes whole sequences, for which the preset "retrieval" is
    recorded: bool = False  # its answers are those of another run, in their order: one request at a time
    check: Callable[[ModelSpec], None] | None = None  # before a run; raises ColtError for what would fail every call
    note: str = ""  # of a result where only such models proposed


def _openai(spec: ModelSpec, environment: Mapping[str, str]) -> LanguageModel:
    from colt_llvm.models.openai_compatible import OpenAICompatible
    from colt_llvm.models.specs import key_of

    return OpenAICompatible(spec, key_of(spec, environment))


def _embedded(spec: ModelSpec, _environment: Mapping[str, str]) -> LanguageModel:
    from colt_llvm.models.embedded import load_spec

    return load_spec(spec)


def _check_embedded(spec: ModelSpec) -> None:
    """Raises WeightsError for a file of the user's own policies that is gone or has changed."""
    from colt_llvm.models.embedded.own import check_spec

    check_spec(spec)


def _replay(spec: ModelSpec, _environment: Mapping[str, str]) -> LanguageModel:
    from colt_llvm.models.replay import ReplayModel

    return ReplayModel.of(spec)


def _scripted(spec: ModelSpec, _environment: Mapping[str, str]) -> LanguageModel:
    from colt_llvm.models.replay import ScriptedModel

    return ScriptedModel(spec)


def _random(spec: ModelSpec, _environment: Mapping[str, str]) -> LanguageModel:
    from colt_llvm.models.replay import RandomModel

    return RandomModel(spec)


def _python(spec: ModelSpec, _environment: Mapping[str, str]) -> LanguageModel:
    raise UsageError(
        f"model {spec.name}: is an object of Python; give it as such: colt_llvm.tune(..., models=[object])"
    )


_OURS = {
    kind.name: kind
    for kind in (
        DeclaredKind("openai", "language model", _openai, reads_text=True, has_endpoint=True),
        DeclaredKind(
            "embedded", "small policy, not a language model", _embedded, at_once=True, knows_sequences=True,
            check=_check_embedded,
            note="proposed by the embedded models: small policies, not language models; --models names others",
        ),
        DeclaredKind("replay", "replay", _replay, recorded=True),
        DeclaredKind("scripted", "scripted", _scripted, reads_text=True),
        DeclaredKind("random", "draws at random", _random),
        DeclaredKind("python", "python", _python, reads_text=True),
    )
}  # fmt: skip


@cache
def find_kind(name: str) -> DeclaredKind:
    """The kind of this name, or of ``module:NAME``. Raises UsageError, which lists what there is."""
    if name in _OURS:
        return _OURS[name]
    found = find_plugin(GROUP, name)
    if isinstance(found, DeclaredKind):
        return found
    if found is not None:
        raise UsageError(f"model kind {name}: is a {type(found).__name__}; name a DeclaredKind")
    raise UsageError(f"kind is {name!r}; use one of {', '.join(kind_names())}")


def kind_names() -> list[str]:
    """Ours, then those of installed packages."""
    return [*_OURS, *offered(GROUP)]
