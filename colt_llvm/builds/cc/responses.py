"""Response files (``@file``), read as clang's driver reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence

_DEPTH = 16
_SPACE = " \t\r\n"


def expand(words: Sequence[str], directory: str, depth: int = 0) -> list[str]:
    """Response files read in place; one that cannot be read stays a word. Names are relative to ``directory``."""
    expanded: list[str] = []
    for word in words:
        text = _read(os.path.join(directory, word[1:])) if word.startswith("@") and depth < _DEPTH else None
        expanded += [word] if text is None else expand(split(text), directory, depth + 1)
    return expanded


def _read(path: str) -> str | None:
    try:
        if not os.path.isfile(path):
            return None  # a pipe can be read only once, and that is for clang
        with open(path, "rb") as file:
            return os.fsdecode(file.read().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, ValueError):
        return None


def split(text: str) -> list[str]:
    """Words, with quotes and backslashes as clang takes them: a backslash counts in either kind of quotes."""
    words: list[str] = []
    word: list[str] = []
    inside, quote = False, ""
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            word.append(next(letters, letter))
            inside = True
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word.append(letter)
        elif letter in "'\"":
            quote, inside = letter, True
        elif letter in _SPACE:
            if inside:
                words.append("".join(word))
            word, inside = [], False
        else:
            word.append(letter)
            inside = True
    return [*words, "".join(word)] if inside else words
