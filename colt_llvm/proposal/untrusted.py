"""Text from the user's program, made harmless for a prompt: it can neither end its fence nor pose as our own."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_FENCE = "```"


def clean_line(text: str, most_letters: int = 300) -> str:
    """One line: control, format and line-breaking characters become spaces, backticks become quotes."""
    cut = text[: 2 * most_letters]
    line = " ".join("".join(_harmless(letter) for letter in cut).split())
    if line.startswith("#"):  # as a heading of the prompt does
        line = f" {line}"
    return line if len(line) <= most_letters and len(text) == len(cut) else f"{line[: most_letters - 3]}..."


def clean_block(text: str, most_letters: int, line_letters: int = 200) -> tuple[str, ...]:
    """Lines of at most ``line_letters``, indentation kept; empty ones and what is past ``most_letters`` go."""
    lines = []
    for raw in text[:most_letters].splitlines():
        line = clean_line(raw, line_letters)
        if line:
            indent = min(8, len(raw) - len(raw.lstrip(" \t")))
            lines.append(" " * indent + line)
    return tuple(lines)


def fenced(lines: tuple[str, ...]) -> str:
    return "\n".join([_FENCE, *lines, _FENCE])


@lru_cache(maxsize=4096)
def _harmless(letter: str) -> str:
    if letter == "`":
        return "'"
    return " " if unicodedata.category(letter)[0] in "CZ" else letter
