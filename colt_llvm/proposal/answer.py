"""A model's text -> a joint action: passes to append, and the model to be queried next (arXiv 2602.01935).

The protocol is one JSON object: ``{"passes": ["NAME", ...], "next_model": "NAME", "reason": "..."}``, and optionally
``"confidence": 0.3``, the chance that the result is better than the state asked at. The text is data from outside: it
is read leniently, checked against the names on offer, and never reaches a shell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.proposal.lenient_json import Value, holds_an_object, objects_with_passes
from colt_llvm.proposal.names import Matched, NameReader, catalogue_of, match_model, one_line

#: What a model is told: the effect of a longer step could not be told from its parts.
MOST_ASKED_FOR = 16
#: Longer answers are cut. Whole sequences that a model knows are longer than a step, and have to stay whole: cut, they
#: do something else, and whoever proposed one does not know it again among what was tried.
MOST_PASSES = 40

NOT_JSON = "not JSON"
NO_KNOWN_PASS = "no known pass"
UNKNOWN_MODEL = "unknown model"
NO_NEXT_MODEL = "no next model"

_REASON_LETTERS = 240
_MODEL_LETTERS = 200
_TEXTS = 64
_DEPTH = 12
_NUMBER = re.compile(r"[0-9]{0,3}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True)
class JointAction:
    """What an answer comes to.

    passes: known names, at most MOST_PASSES, in the order given, repeated ones kept; empty when there is no proposal.
    next_model: one of the models on offer; "" where the search has to choose. reason: the model's own words, one line.
    dropped: what is no name. matched: (given, taken) where another spelling was understood, of passes and models.
    error: what counts against the model: NOT_JSON, NO_KNOWN_PASS, UNKNOWN_MODEL, NO_NEXT_MODEL, or None.
    confidence: from 0 to 1; None where there is none, or none that can be read: that is no error.
    """

    passes: tuple[str, ...] = ()
    next_model: str = ""
    reason: str = ""
    dropped: tuple[str, ...] = ()
    matched: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    confidence: float | None = None


def parse_answer(
    text: str, passes: Catalogue | Collection[str], edits: Collection[str], models: Collection[str]
) -> JointAction:
    """Never raises, whatever the text. The last object with a known pass in it counts.

    passes: names that may be used; a catalogue also knows its pipeline texts.
    """
    names = _reader(passes if isinstance(passes, Catalogue) else tuple(passes), tuple(edits))
    first: Matched | None = None
    for found in objects_with_passes(text):
        fields = {_key(key): value for key, value in found.items()}
        read = names.read(list(_texts(fields["passes"], 0))[:_TEXTS])
        if read.passes:
            return _action(fields, read, models)
        first = first or read
    if first is not None:
        return JointAction(dropped=tuple(first.dropped), error=NO_KNOWN_PASS)
    return JointAction(error=NO_KNOWN_PASS if holds_an_object(text) else NOT_JSON)


@lru_cache(maxsize=16)
def _reader(passes: Catalogue | tuple[str, ...], edits: tuple[str, ...]) -> NameReader:
    return NameReader(passes if isinstance(passes, Catalogue) else catalogue_of(passes), edits)


def _action(fields: dict[str, Value], read: Matched, models: Collection[str]) -> JointAction:
    given = _text(fields.get("nextmodel", fields.get("model")), _MODEL_LETTERS)
    next_model = match_model(given, models) if given else None
    matched = list(read.matched)
    if next_model is not None and next_model != given:
        matched.append((given, next_model))
    error = None if next_model is not None else UNKNOWN_MODEL if given else NO_NEXT_MODEL
    return JointAction(
        passes=tuple(read.passes[:MOST_PASSES]),
        next_model=next_model or "",
        reason=_text(fields.get("reason"), _REASON_LETTERS),
        dropped=tuple(read.dropped),
        matched=tuple(matched),
        error=error,
        confidence=_chance(fields.get("confidence")),
    )


def _text(value: Value, most_letters: int) -> str:
    return one_line(value, most_letters) if isinstance(value, str) else ""


def _chance(value: Value) -> float | None:
    """A number from 0 to 1, as it is read: as text. Anything else is as if it had not been said."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return None
    chance = float(value)
    return chance if 0.0 <= chance <= 1.0 else None


def _key(key: str) -> str:
    return "".join(filter(str.isalnum, key.lower()))


def _texts(value: Value, depth: int) -> Iterator[str]:
    """The names in a list, in a list of lists or of objects, or in one text."""
    if isinstance(value, str):
        yield value
    elif depth < _DEPTH and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)
    elif depth < _DEPTH and isinstance(value, dict):
        named = [value[key] for key in value if _key(key) in ("name", "pass", "passes")]
        for item in named or value.values():
            yield from _texts(item, depth + 1)
