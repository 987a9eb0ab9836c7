"""A source as tokens, and where a decision is written into it: before a definition, a loop, or a call's statement.

Nothing is preprocessed: a directive is one token, and what a macro stands for is not known here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>(?:\s|\\\r?\n)+)
  | (?P<comment>//(?:\\\r?\n|[^\n])*|/\*.*?\*/)
  | (?P<text>(?:u8|[uUL])?R"(?P<fence>[^\s()\\]{0,16})\(.*?\)(?P=fence)"
            |(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
            |(?:u8|[uUL])?'(?:\\.|[^'\\\n])*')
  | (?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*)
  | (?P<number>\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*)
  | (?P<sign>::|->|\[\[|\]\]|.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_DIRECTIVE = re.compile(r"\#(?:\\\r?\n|/\*.*?\*/|(?!//)[^\n\\]|\\(?!\r?\n))*", re.DOTALL)
_OPENING = {")": "(", "]": "[", "}": "{", "]]": "[["}


@dataclass(frozen=True)
class Token:
    """One word of a source."""

    kind: str  #: word, text, number, sign, or directive
    text: str
    start: int  #: offset in the source
    end: int


class Source:
    """One file. text: its bytes as latin-1, so that offsets and columns count bytes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: Sequence[Token] = list(_tokens(text))
        self._starts = [token.start for token in self.tokens]
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def offset(self, line: int, column: int = 1) -> int:
        """Of a place that counts from 1; the end of the text for a line that is not there."""
        return self._lines[line - 1] + column - 1 if 0 < line <= len(self._lines) else len(self.text)

    def line_start(self, offset: int) -> int:
        return self._lines[bisect_right(self._lines, offset) - 1]

    def at(self, offset: int) -> int | None:
        """The index of the token that covers this offset."""
        index = bisect_right(self._starts, offset) - 1
        return index if index >= 0 and offset < self.tokens[index].end else None

    def on_line(self, line: int) -> range:
        """Indices of the tokens that begin on this line."""
        first, after = self.offset(line), self.offset(line + 1)
        return range(bisect_right(self._starts, first - 1), bisect_right(self._starts, after - 1))

    def opening(self, index: int) -> int | None:
        """The index of the bracket that the one at ``index`` closes; None where it closes none."""
        depth = 0
        closing = self.tokens[index].text
        for place in range(index, -1, -1):
            text = self.tokens[place].text if self.tokens[place].kind == "sign" else ""
            depth += (text == closing) - (text == _OPENING[closing])
            if depth == 0:
                return place
        return None

    def is_first_on_line(self, offset: int) -> bool:
        return not self.text[self.line_start(offset) : offset].strip()

    def after_heading(self) -> int:
        """Where the first token begins that is no comment: below a file's heading."""
        return self.tokens[0].start if self.tokens else len(self.text)


def _tokens(text: str) -> Iterator[Token]:
    position, fresh = 0, True  # fresh: nothing but space stands before it on its line
    while position < len(text):
        if fresh and (directive := _DIRECTIVE.match(text, position)):
            yield Token("directive", directive[0], position, directive.end())
            position = directive.end()
            continue
        match = _TOKEN.match(text, position)
        assert match is not None  # the last branch takes any character
        kind = match.lastgroup if match.lastgroup != "fence" else "text"
        if kind == "space":
            fresh = fresh or "\n" in match[0]
        elif kind != "comment":
            fresh = False
            yield Token(str(kind), match[0], position, match.end())
        position = match.end()


_LOOPS = ("for", "while", "do")
_CONTROL = ("if", "for", "while", "switch")
#: Before brackets that belong to a declaration; another name before them, at the end of a line, is a macro by itself.
_IN_DECLARATION = (
    "__attribute__", "__attribute", "__declspec", "alignas", "_Alignas", "decltype", "typeof", "__typeof__", "noexcept",
    "explicit", "requires", "asm", "__asm__", "_Atomic", "_BitInt",
)  # fmt: skip


def definition_spot(source: Source, line: int, name: str) -> int | None:
    """Where the declaration begins whose name stands on this line; None where the name is not written there."""
    index = _name_index(source, line, name)
    if index is None:
        return None
    tokens = source.tokens
    begin = index
    while begin > 0:
        token = tokens[begin - 1]
        if token.kind == "directive" or token.text in (";", "{", "}", ":"):
            break
        if token.text in (")", "]", "]]"):
            opening = source.opening(begin - 1)
            if opening is None or (token.text == ")" and _is_macro_alone(source, opening, begin - 1)):
                break
            begin = opening
            continue
        begin -= 1
    begin = _after_introduction(tokens, begin)
    return tokens[begin].start if begin <= index else None


def _name_index(source: Source, line: int, name: str) -> int | None:
    """Of the token that is the function's name and has its parameters after it."""
    words = _words_of(name)
    if not words:
        return None
    tokens = source.tokens
    for index in source.on_line(line):
        if tuple(token.text for token in tokens[index : index + len(words)]) != words:
            continue
        before, after = tokens[index - 1].text if index else "", index + len(words)
        if before == "~" or after >= len(tokens):
            continue
        if tokens[after].text == "(" or (tokens[after].text == "<" and words[0] != "operator"):
            return index
    return None


def _words_of(name: str) -> tuple[str, ...]:
    """A function's own name, its template arguments left out, as tokens; () for what has no name in the source."""
    is_operator = name.startswith("operator") and not (name[8:9].isalnum() or name[8:9] == "_")
    plain = name if is_operator and name[8:9] in "<-" else name.partition("<")[0]
    return tuple(token.text for token in Source(plain).tokens)


def _is_macro_alone(source: Source, opening: int, closing: int) -> bool:
    """Whether ``NAME(...)`` is a line of its own, as a macro that needs no semicolon."""
    tokens = source.tokens
    if opening == 0 or tokens[opening - 1].kind != "word" or tokens[opening - 1].text in _IN_DECLARATION:
        return False
    between = source.text[tokens[closing].end : tokens[closing + 1].start]
    return "\n" in between and source.is_first_on_line(tokens[opening - 1].start)


def _after_introduction(tokens: Sequence[Token], begin: int) -> int:
    """Past ``template <...>``, ``extern "C"`` and ``[[...]]``, after which an attribute may stand."""
    while begin + 1 < len(tokens):
        text, following = tokens[begin].text, tokens[begin + 1].text
        if text == "template" and following == "<":
            begin = _after_angles(tokens, begin + 1)
        elif text == "extern" and tokens[begin + 1].kind == "text":
            begin += 2
        elif text == "[[":
            begin = next((i + 1 for i in range(begin, len(tokens)) if tokens[i].text == "]]"), begin + 1)
        else:
            return begin
    return begin


def _after_angles(tokens: Sequence[Token], begin: int) -> int:
    depth = 0
    for index in range(begin, len(tokens)):
        depth += (tokens[index].text == "<") - (tokens[index].text == ">")
        if depth == 0:
            return index + 1
    return len(tokens)


def loop_spot(source: Source, line: int, column: int) -> int | None:
    """Where the loop stands that begins here; None where something else does, such as a macro."""
    index = source.at(source.offset(line, column))
    if index is None or source.tokens[index].text not in _LOOPS:
        return None
    return source.tokens[index].start


def statement_spot(source: Source, line: int, column: int) -> int | None:
    """Where the statement begins that holds the call at this place; None in the head of a control statement."""
    index = source.at(source.offset(line, column))
    begin = None if index is None else _statement_begin(source, index)
    return None if begin is None or _is_in_brackets(source, begin) else source.tokens[begin].start


def _statement_begin(source: Source, index: int) -> int | None:
    tokens = source.tokens
    begin = index
    while begin > 0:
        token = tokens[begin - 1]
        if token.kind == "directive" or token.text in (";", "{", "}", "else", "do") or _is_label_end(source, begin - 1):
            return begin
        if token.text in (")", "]"):
            opening = source.opening(begin - 1)
            if opening is None:
                return None
            if token.text == ")" and opening and tokens[opening - 1].text in _CONTROL:
                return begin
            begin = opening
            continue
        if token.text == "(" and begin > 1 and tokens[begin - 2].text in _CONTROL:
            return None
        begin -= 1
    return None


def _is_label_end(source: Source, index: int) -> bool:
    """Of ``case X:``, ``default:`` and ``name:``, not of ``a ? b : c``."""
    tokens = source.tokens
    if tokens[index].text != ":":
        return False
    for place in range(index - 1, -1, -1):
        text = tokens[place].text
        if text in ("case", "default"):
            return True
        if text == "?":
            return False
        if text in (";", "{", "}", ":"):
            return place == index - 2 and tokens[index - 1].kind == "word"
    return False


def _is_in_brackets(source: Source, index: int) -> bool:
    """Of a ``for`` between its semicolons."""
    depth = 0
    for token in reversed(source.tokens[:index]):
        if token.kind == "directive" or token.text in ("{", "}"):
            return False
        depth += (token.text == ")") - (token.text == "(")
        if depth < 0:
            return True
    return False
