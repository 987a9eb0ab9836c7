"""Embedded models: three small policies that ship with the package. They are not language models.

They answer in the same protocol as language models, from the question's values alone, in well under 5 ms, with numpy
and without a network. ``docs/embedded-models.md`` says what they were trained on and how good they are.

The user's own copies, which ``colt-llvm train`` writes, answer in the same way (``own``).

nano: a table of expected gains. small: linear in the program's features. base: a perceptron with one hidden layer.
Importing this loads neither numpy nor weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import LanguageModel, ModelSpec

if TYPE_CHECKING:
    from colt_llvm.models.embedded.policy import EmbeddedModel

#: How many learned numbers each has. tools/train_embedded.py writes the file together with the weights.
PARAMETERS: Mapping[str, int] = MappingProxyType(
    json.loads((Path(__file__).parent / "parameters.json").read_text(encoding="utf-8"))
)

#: By name; ``parameters`` is the count of learned numbers.
SPECS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        name: ModelSpec(name=name, kind="embedded", parameters=float(count), max_retries=0, timeout_seconds=10.0)
        for name, count in PARAMETERS.items()
    }
)


def load(name: str) -> LanguageModel:
    """A model that answers. Its weights are read at the first question, once in a process, for all of its users.

    Raises UsageError for a name that is not in SPECS.
    """
    return _load(name)


def append_gains(specs: Iterable[ModelSpec], objective: str) -> dict[str, float]:
    """What each action is expected to bring to a sequence that is good already, as the first of these says that is one.

    Nothing where none is. Raises WeightsError.
    """
    first = next((spec for spec in specs if spec.kind == "embedded"), None)
    return {} if first is None else _of(first).append_gains(objective)


def _load(name: str) -> EmbeddedModel:
    if name not in SPECS:
        raise UsageError(f"no embedded model {name!r}: use one of {', '.join(SPECS)}")
    from colt_llvm.models.embedded.policy import EmbeddedModel

    return EmbeddedModel(SPECS[name])


def load_spec(spec: ModelSpec) -> LanguageModel:
    """As ``load``, of the package or of the user's own file. Raises UsageError and WeightsError."""
    return _of(spec)


def _of(spec: ModelSpec) -> EmbeddedModel:
    from colt_llvm.models.embedded.own import check_spec

    if not spec.options:
        return _load(spec.name)
    check_spec(spec)
    from colt_llvm.models.embedded.policy import EmbeddedModel

    return EmbeddedModel(spec)
