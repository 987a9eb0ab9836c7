"""What a model is told of a state's code: asked of the environment, cut to what fits a prompt."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from compiler_gym.errors import ServiceError

import colt_llvm.env  # noqa: F401  (compiler_gym cannot be imported before it)
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.excerpt import function_in, shorten
from colt_llvm.llvm.flow import changed_functions
from colt_llvm.llvm.remarks import Remark
from colt_llvm.models.question import Evidence

logger = logging.getLogger(__name__)

MAX_REMARKS = 24
MAX_FUNCTIONS = 24
DEFAULT_CHARACTERS = 6_000
_FAILURES = (ColtError, ServiceError)
_REMARK_SHARE = 0.4  # of the characters, at most


class Observer(Protocol):
    """``tune.builder.Builder``, as far as this needs it."""

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]: ...


def gather(
    builder: Observer,
    sequence: Sequence[str],
    *,
    max_characters: int = DEFAULT_CHARACTERS,
    for_size: bool = False,
) -> Evidence:
    """Evidence about the completed sequence, its remarks and excerpt together in at most ``max_characters``.

    Functions count as changed against the empty sequence, which is the baseline. for_size: the excerpt shows the
    largest function, not the hottest. A pass or an observation that fails gives empty Evidence: a run goes on without.
    """
    excerpt_space = "IrExcerptLargest" if for_size else "IrExcerpt"
    try:
        before = str(builder.observe((), ["FunctionHashes"])[0])
        wanted = ["InstCountDict", "OptRemarks", excerpt_space, "FunctionHashes"]
        counts, remarks, excerpt, after = builder.observe(sequence, wanted)
    except _FAILURES as error:
        logger.info("no evidence for %s: %s", list(sequence), error)
        return Evidence()
    lines = _within(
        [Remark.from_json(line).line() for line in str(remarks).splitlines()], int(max_characters * _REMARK_SHARE)
    )
    text = shorten(str(excerpt), max(0, max_characters - sum(len(line) + 1 for line in lines)), for_size=for_size)
    changed = changed_functions(json.loads(before), json.loads(str(after)))
    return Evidence(
        features=_floats(counts),
        changed_functions=tuple(changed[:MAX_FUNCTIONS]),
        remarks=tuple(lines),
        excerpt=text,
        excerpt_of=function_in(text),
    )


def program_features(builder: Observer) -> Mapping[str, float]:
    """InstCount of the baseline's IR by name (``TotalInstsCount``, ``LoadCount``, ...). Empty where it fails."""
    try:
        return _floats(builder.observe((), ["InstCountDict"])[0])
    except _FAILURES as error:
        logger.info("no features of the program: %s", error)
        return {}


def _within(lines: Sequence[str], max_characters: int) -> list[str]:
    kept: list[str] = []
    room = max_characters
    for line in lines[:MAX_REMARKS]:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept


def _floats(counts: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(count) for name, count in sorted(counts.items())}
