"""A model's text -> a joint action: passes to append, and the model to be queried next (arXiv 2602.01935).

The protocol is one JSON object: ``{"passes": ["NAME", ...], "next_model": "NAME", "reason": "..."}``, and optionally
``"confidence": 0.3``, the chance that the result is better than the state asked at. Where several proposals are wanted,
``{"reason": "...", "proposals": [{"passes": [...], "next_model": "NAME"}, ...]}``. The text is data from outside: it
is read leniently, checked against the names on offer (exact, then normalised, then close), and never reaches a shell.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import split_pipeline
from colt_llvm.llvm.catalogue import Action, Catalogue
from colt_llvm.proposal.lenient_json import Value, holds_an_object, lists_of_proposals, objects_with_passes

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
    further: what else the answer proposes, each with other passes; the error of all of them is that of the first.
    """

    passes: tuple[str, ...] = ()
    next_model: str = ""
    reason: str = ""
    dropped: tuple[str, ...] = ()
    matched: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    confidence: float | None = None
    further: tuple[JointAction, ...] = ()


def parse_answer(
    text: str, passes: Catalogue | Collection[str], edits: Collection[str], models: Collection[str], most: int = 1
) -> JointAction:
    """Never raises, whatever the text. The last object with a known pass in it counts, or the last list of such.

    passes: names that may be used; a catalogue also knows its pipeline texts. most: proposals that are taken.
    """
    names = _reader(passes if isinstance(passes, Catalogue) else tuple(passes), tuple(edits))
    first: Matched | None = None
    for group in (*lists_of_proposals(text), *([found] for found in objects_with_passes(text))):
        actions: dict[tuple[str, ...], JointAction] = {}  # by passes
        for found in group:
            fields = {_key(key): value for key, value in found.items()}
            read = names.read(list(_texts(fields["passes"], 0))[:_TEXTS])
            if read.passes:
                action = _action(fields, read, models)
                actions.setdefault(action.passes, action)
            first = first or read
        if actions:
            return _joined(list(actions.values())[:most])
    if first is not None:
        return JointAction(dropped=tuple(first.dropped), error=NO_KNOWN_PASS)
    return JointAction(error=NO_KNOWN_PASS if holds_an_object(text) else NOT_JSON)


@lru_cache(maxsize=16)
def _reader(passes: Catalogue | tuple[str, ...], edits: tuple[str, ...]) -> NameReader:
    return NameReader(passes if isinstance(passes, Catalogue) else catalogue_of(passes), edits)


def _joined(actions: list[JointAction]) -> JointAction:
    """One answer is one error at most, whichever of its proposals has it."""
    error = next((action.error for action in actions if action.error), None)
    first, *others = (replace(action, error=None) for action in actions)
    return replace(first, error=error, further=tuple(others))


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


_MOST_NAMES = 64  # read of one answer
_MOST_LETTERS = 4_000  # of one text
_NAME_LETTERS = 160  # of one name; the longest of the catalogue has about 60
_CLOSE = 0.78
_CLOSE_MODEL = 0.85
_NAME_DEPTH = 8

_ADAPTOR = re.compile(r"(?:module|cgscc|function|loop|loop-mssa|loop-nest|devirt)(?:<[^()]*>)?\((.*)\)", re.DOTALL)
_PREFIX = re.compile(r"(?:opt\s+)?-{0,2}passes\s*=\s*|-+")
_EDIT = re.compile(r"without\s*[<(\s]\s*([\w-]+)(?:<[^<>]*>)?\s*(?:#\s*(\d{1,6}))?\s*[>)]*", re.IGNORECASE)

#: Names of older LLVM versions and of LLVM's own classes that no spelling rule leads to.
_ALIASES = {
    "loop-unswitch": "simple-loop-unswitch<nontrivial>",
    "loop-idiom-recognize": "loop-idiom",
    "early-cse-memssa": "early-cse<memssa>",
    "indvar-simplify": "indvars",
    "scalarrepl": "sroa",
    "dead-store-elimination": "dse",
    "loop-strength-reduce": "loop-reduce",
}


@dataclass
class Matched:
    """passes: known names in the order given. dropped: what is no name. matched: (given, taken) where they differ."""

    passes: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    matched: list[tuple[str, str]] = field(default_factory=list)


class NameReader:
    """catalogue: passes that may be used. edits: edits that may be used."""

    def __init__(self, catalogue: Catalogue, edits: Collection[str]) -> None:
        self._catalogue = catalogue
        self._edits = frozenset(edits)
        self._edited = {edit[len("without<") : -1].partition("#")[0] for edit in edits}
        squeezed: dict[str, str] = {}
        for name in reversed(catalogue.names()):
            squeezed[_squeezed(name)] = name
        self._squeezed = squeezed

    def read(self, texts: Collection[str]) -> Matched:
        """Texts hold one name each, or a comma list of names or pipelines. Never raises."""
        found = Matched()
        for given, name in (pair for text in texts for pair in self._resolve(text[:_MOST_LETTERS], 0)):
            if len(found.passes) + len(found.dropped) >= _MOST_NAMES:
                break
            shown = one_line(given, _NAME_LETTERS)
            if name is None:
                found.dropped.append(shown)
                continue
            found.passes.append(name)
            if shown != name and (shown, name) not in found.matched:
                found.matched.append((shown, name))
        return found

    def _resolve(self, text: str, depth: int) -> Iterator[tuple[str, str | None]]:
        text = text.strip(" \t\r\n`'\"[]{}*.;")
        if not text:
            return
        if name := self._known(text):
            yield text, name
            return
        bare = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
        parts = _parts(bare)
        inner = _ADAPTOR.fullmatch(bare)
        if depth < _NAME_DEPTH and (len(parts) > 1 or bare != text):
            for part in parts:
                yield from self._resolve(part, depth + 1)
        elif depth < _NAME_DEPTH and inner is not None:
            yield from self._resolve(inner[1], depth + 1)
        elif depth < _NAME_DEPTH and len(words := text.split()) > 1 and not text.lower().startswith("without"):
            for word in words:
                yield from self._resolve(word, depth + 1)
        else:
            yield text, self._close(text)

    def _known(self, text: str) -> str | None:
        """A name, an edit, a pipeline text, or one of these in another spelling."""
        if text in self._edits:
            return text
        if len(text) > 4 * _NAME_LETTERS:
            return None
        if match := _EDIT.fullmatch(text):
            return self._edit(match[1].lower(), match[2])
        if text in self._catalogue:
            return self._catalogue[text].name
        plain = text.lower().lstrip("-").replace("_", "-").removesuffix("()")
        for name in (plain, plain.removesuffix("pass").rstrip("-"), _ALIASES.get(plain, "")):
            if name in self._catalogue:
                return self._catalogue[name].name
        return self._squeezed.get(_squeezed(plain)) or self._squeezed.get(_squeezed(plain.removesuffix("pass")))

    def _edit(self, name: str, place: str | None) -> str | None:
        if name not in self._edited:
            near = difflib.get_close_matches(name[:_NAME_LETTERS], self._edited, n=1, cutoff=_CLOSE)
            if not near:
                return None
            name = near[0]
        whole = f"without<{name}>"
        edit = f"without<{name}#{int(place)}>" if place else whole
        if edit in self._edits:
            return edit
        # A pass that runs once has no numbered edit: its first place is the whole of it.
        return whole if place and int(place) == 1 and whole in self._edits else None

    def _close(self, text: str) -> str | None:
        if len(text) > _NAME_LETTERS or _EDIT.fullmatch(text):
            return None
        name = text.lower().lstrip("-").replace("_", "-")
        pass_name = name.partition("<")[0]
        for near in self._catalogue.close_matches(name, 1):
            same_pass = self._catalogue[near].pass_name == pass_name
            if same_pass or difflib.SequenceMatcher(None, name, near).ratio() >= _CLOSE:
                return near
        return None


def catalogue_of(names: Collection[str]) -> Catalogue:
    """A catalogue that knows no more than names."""
    actions = (Action(name, name, "module", "", pass_name=name.partition("<")[0]) for name in names)
    return Catalogue(0, tuple(actions))


def match_model(given: str, models: Collection[str]) -> str | None:
    """The model of this name; else the only one that looks like it."""
    given = given.strip()
    if given in models:
        return given
    for spelling in (str.lower, _squeezed):
        same = [name for name in models if spelling(name) == spelling(given)]
        if len(same) == 1:
            return same[0]
    lowered = {name.lower(): name for name in models}
    near = difflib.get_close_matches(given[:_NAME_LETTERS].lower(), lowered, n=2, cutoff=_CLOSE_MODEL)
    return lowered[near[0]] if len(near) == 1 else None


def one_line(text: str, most_letters: int) -> str:
    """Without control characters and lone surrogates, so that it can be shown and written anywhere."""
    line = " ".join(text[: 8 * most_letters].split())
    return "".join(letter for letter in line if unicodedata.category(letter)[0] != "C")[:most_letters].strip()


def _parts(text: str) -> list[str]:
    """The parts of a list; where brackets do not match, commas alone decide."""
    text = text.replace("->", ",").replace("\n", ",")
    try:
        return split_pipeline(text)
    except UsageError:
        return [part for part in text.split(",") if part.strip()]


def _squeezed(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower())) if "<" not in name else name.lower()
