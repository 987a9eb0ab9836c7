"""The words of a C or C++ source with their positions, as far as finding where a declaration or statement begins needs.

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
