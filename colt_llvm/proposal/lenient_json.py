"""Objects out of what language models write when they are asked for JSON.

Reads JSON, and around it: prose, code fences, comments, trailing commas, single quotes, Python's None, bare words,
and answers that were cut off. It is a reader of its own: nothing is evaluated, numbers stay text, and every limit
below is fixed, so that no text takes more than a fraction of a second.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TypeAlias

#: A value as read: null is None, every other bare word (true, 1e999, licm) is its text.
Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"

_TEXT_LIMIT = 1 << 18  # characters; of more, the head and the tail are read
_WINDOW = 1 << 15  # characters of one object
_STEPS = 4_000  # tokens of one object
_DEPTH = 16
_CANDIDATES = 8

_PASSES, _PROPOSALS = "passes", "proposals"
_MARKS = {key: re.compile(rf"[{{}}]|\b{key}\b", re.IGNORECASE) for key in (_PASSES, _PROPOSALS)}
_BARE_LIST = re.compile(r"\s*(?:```\w*\s*)?\[\s*\{")
_AFTER_KEY = re.compile(r"[\"'`]?\s{0,20}[:=]")
_SPACE = re.compile(r"(?:[\s;]+|//[^\n]*|#[^\n]*)+")
_STRINGS = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
}
#: Quotes as typesetters have them.
_STRAIGHT = str.maketrans("\u201c\u201d\u201e\u2018\u2019", '"""\'\'')
_ESCAPE = re.compile(r"\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_BARE = re.compile(r"[^\s,:{}\[\]\"']+")
_NULL = frozenset({"null", "none", "undefined", "nil"})


def objects_with_passes(text: str) -> Iterator[dict[str, Value]]:
    """Every object with a key "passes", the last one first; what follows a closed thinking tag before what is in it."""
    yield from _objects_with(_PASSES, text)


def lists_of_proposals(text: str) -> Iterator[list[dict[str, Value]]]:
    """The objects with a key "passes" under each key "proposals", the last first; of a bare list, its own.

    Lists in thinking that was closed are drafts.
    """
    text = text[text.rfind("</think") + 1 :]
    if _BARE_LIST.match(text):
        text = f'{{"{_PROPOSALS}": {text[text.index("[") :]}}}'
    for found in _objects_with(_PROPOSALS, text):
        items = next(value for key, value in found.items() if key.strip().lower() == _PROPOSALS)
        listed = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        yield [item for item in listed if any(name.strip().lower() == _PASSES for name in item)]


def _objects_with(key: str, text: str) -> Iterator[dict[str, Value]]:
    found = False
    for value in _read_objects_with(key, _shortened(text)):
        found = True
        yield value
    if not found and '\\"' in text:  # JSON in a string
        yield from _read_objects_with(key, _ESCAPE.sub(_unescaped, _shortened(text)))
    elif not found and (straight := text.translate(_STRAIGHT)) != text:
        yield from _read_objects_with(key, _shortened(straight))


def _read_objects_with(key: str, text: str) -> Iterator[dict[str, Value]]:
    starts: list[int] = []
    open_objects: list[int] = []
    for match in _MARKS[key].finditer(text):
        if match[0] == "{":
            open_objects.append(match.start())
        elif match[0] == "}":
            if open_objects:
                open_objects.pop()
        elif open_objects and _AFTER_KEY.match(text, match.end()) and (not starts or starts[-1] != open_objects[-1]):
            starts.append(open_objects[-1])
    after_thinking = text.rfind("</think") + 1
    answered = [start for start in starts if start >= after_thinking]
    for start in reversed((answered or starts)[-_CANDIDATES:]):
        found = read_object(text, start)
        if any(name.strip().lower() == key for name in found):
            yield found


def holds_an_object(text: str) -> bool:
    """Whether there is any JSON-like object in it at all."""
    text = _shortened(text)
    last = text.rfind("{")
    first = text.find("{")
    return any(start >= 0 and bool(read_object(text, start)) for start in (last, first))


def read_object(text: str, start: int = 0) -> dict[str, Value]:
    """The object that begins at ``start``, as far as it can be read. Never raises."""
    root: dict[str, Value] = {}
    reader = _Reader(text[start : start + _WINDOW])
    with contextlib.suppress(_Stop):  # cut off, too deep or too long: what was read until there stands
        reader.into_object(root, 0)
    return root


def _shortened(text: str) -> str:
    if len(text) <= _TEXT_LIMIT:
        return text
    half = _TEXT_LIMIT // 2
    return f"{text[:half]}\n{text[-half:]}"


class _Stop(Exception):
    """Nothing more is read."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._steps = 0
        self._cut = False  # in the middle of a string

    def into_object(self, found: dict[str, Value], depth: int) -> None:
        """Fills in place, so that what was read before a stop is kept."""
        self._at += 1
        while (letter := self._next()) != "}":
            if letter in "],":  # out of place
                self._at += 1
                continue
            key = self._scalar() if letter not in "{[:" else ""
            if self._next() not in ":=":
                if self._peek() in "{[":
                    self._value({}, "", depth)
                elif self._peek() == ":":
                    self._at += 1
                continue
            self._at += 1
            if (letter := self._next()) in ",}":
                continue
            self._value(found, key if isinstance(key, str) else "", depth)
        self._at += 1

    def _value(self, into: dict[str, Value], key: str, depth: int) -> None:
        letter = self._next()
        if letter in "{[":
            if depth >= _DEPTH:
                raise _Stop
            if letter == "{":
                inner: dict[str, Value] = {}
                into[key] = inner
                self.into_object(inner, depth + 1)
            else:
                items: list[Value] = []
                into[key] = items
                self._into_list(items, depth + 1)
        else:
            into[key] = self._scalar()

    def _into_list(self, found: list[Value], depth: int) -> None:
        self._at += 1
        while (letter := self._next()) != "]":
            if letter in ",:":
                self._at += 1
            elif letter == "}":  # the list was never closed, the object is
                return
            elif letter in "{[":
                holder: dict[str, Value] = {}
                try:
                    self._value(holder, "", depth)
                finally:
                    found.extend(holder.values())
            else:
                item = self._scalar()
                if not self._cut:  # half a name may be another one's whole
                    found.append(item)
        self._at += 1

    def _scalar(self) -> str | None:
        """A string in quotes, or a bare word."""
        letter = self._peek()
        if letter in _STRINGS:
            match = _STRINGS[letter].match(self._text, self._at)
            if match is None:  # never closed: the rest belongs to it, so this is tried once
                rest = self._text[self._at + 1 :]
                self._at = len(self._text)
                self._cut = True
                return rest.partition("\n")[0]
            self._at = match.end()
            return _ESCAPE.sub(_unescaped, match[1])
        match = _BARE.match(self._text, self._at)
        if match is None:
            raise _Stop
        self._at = match.end()
        return None if match[0].lower() in _NULL else match[0]

    def _next(self) -> str:
        """The next letter that is neither space nor comment. Raises _Stop at the end."""
        self._steps += 1
        if self._steps > _STEPS:
            raise _Stop
        while True:
            if (match := _SPACE.match(self._text, self._at)) is not None:
                self._at = match.end()
            if not self._text.startswith("/*", self._at):
                return self._peek()
            end = self._text.find("*/", self._at + 2)
            self._at = end + 2 if end >= 0 else len(self._text)

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise _Stop
        return self._text[self._at]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 1:
        return _ESCAPED.get(code, code)
    try:
        units = [int(unit, 16) for unit in code[1:].split("\\u")]
        return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    except ValueError:
        return "\ufffd"
