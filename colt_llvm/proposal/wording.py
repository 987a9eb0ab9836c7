"""All words of the prompts: ours, read from ``templates/``, and those of the user's program, made harmless.

``system.txt`` is one template. The others hold blocks: a line ``@@ name``, then the block's text. Placeholders are
those of string.Template, so what is put in is never read as a template itself. Text from the program
can neither end its fence nor pose as our own.

Its sections are fitted into a number of tokens. Room is given out in the order of priority, so what has the lowest is
shortened first and goes first: of the sections in that order, the last one that has room loses its last items. Tokens
are estimated without a tokenizer, on the safe side for the byte-pair vocabularies in use: four letters of a word, one
digit, one other sign and one space are a token each; the space before a word is free. Beyond ASCII each byte is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import Template

from colt_llvm.core.errors import ColtError
from colt_llvm.models.base import Message

#: Written into journals: prompts of different versions are not to be compared. Goes up with each change of wording.
TEMPLATE_VERSION = "colt-3"

_FOLDER = Path(__file__).resolve().parent / "templates"
_BLOCK = "@@ "


@cache
def template(name: str) -> Template:
    """The whole file as one template."""
    return Template((_FOLDER / name).read_text(encoding="utf-8").strip())


@cache
def blocks(name: str) -> dict[str, Template]:
    """The file's blocks by name."""
    found = {}
    for part in ("\n" + (_FOLDER / name).read_text(encoding="utf-8")).split(f"\n{_BLOCK}")[1:]:
        title, _, text = part.partition("\n")
        found[title.strip()] = Template(text.strip("\n"))
    return found


def say(block: str, **values: object) -> str:
    """A block of the user message with its values filled in."""
    return blocks("user.txt")[block].substitute(values)


def has(block: str) -> bool:
    return block in blocks("user.txt")


_FENCE = "```"


def clean_line(text: str, most_letters: int = 300) -> str:
    """One line: control, format and line-breaking characters become spaces, backticks become quotes."""
    cut = text[: 2 * most_letters]
    plain = cut.isascii() and cut.isprintable()
    line = " ".join((cut.replace("`", "'") if plain else "".join(map(_harmless, cut))).split())
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


#: What a chat format puts around one message, and before the answer.
MESSAGE_TOKENS = 8

_PIECE = re.compile(r"[A-Za-z]{1,4}|\s(?![A-Za-z])|[^A-Za-z\s]|[^\S ]")


_SHORT = 200


def estimate(text: str) -> int:
    """Tokens, rounded up. Of lines joined by line breaks: at most the sum of the lines' and one for each break."""
    return _estimate_line(text) if len(text) <= _SHORT else _estimate(text)


def _estimate(text: str) -> int:
    pieces = len(_PIECE.findall(text))
    return pieces if text.isascii() else pieces + len(text.encode("utf-8", "replace")) - len(text)


_estimate_line = lru_cache(maxsize=8192)(_estimate)  # the same names and lines come again in each question


def estimate_messages(messages: Iterable[Message]) -> int:
    return sum(estimate(message.content) + MESSAGE_TOKENS for message in messages)


class PromptTooSmall(ColtError, ValueError):
    """Not even the least of a prompt fits into the model's context."""

    exit_status = 2


@dataclass(frozen=True)
class Section:
    """A head and items, of which the first ones are worth the most.

    share: the part of the room that it may take at most, 0..1. needed: head and all items must fit.
    least: with fewer items it is left out. inline: items stand in one line, with commas.
    data: items are text from the program, and stand in a fence. grows: beyond its share, into what is left at the end.
    stable: it reads the same at a state, whatever was tried since, so its length must not depend on that either.
    """

    head: str
    items: Sequence[str] = ()
    share: float = 1.0
    needed: bool = False
    least: int = 0
    inline: bool = False
    data: bool = False
    grows: bool = False
    stable: bool = False

    def text(self, count: int) -> str:
        """With its first ``count`` items, and how many are missing."""
        items = list(self.items[:count])
        parts = [self.head]
        if items:
            body = ", ".join(items) if self.inline else "\n".join(items)
            parts.append(fenced(tuple(items)) if self.data else body)
        if count < len(self.items):
            parts.append(say("more", count=len(self.items) - count))
        return "\n".join(parts)

    def fitting(self, room: int) -> int | None:
        """How many items fit; None to leave the section out."""
        between = 2 if self.inline else 1  # a comma may keep its space; a line break
        # Fence, blank line and the line that says what is missing.
        left = room - estimate(self.head) - (12 if self.data else 2)
        everything, count, reserve = left, 0, estimate(say("more", count=len(self.items))) + 2
        for item in self.items:
            everything -= estimate(item) + between
            if everything >= reserve:
                count += 1
            elif everything < 0:
                break
        else:
            if everything >= 0:
                return len(self.items)
        if left < reserve or count < max(self.least, 1 if self.items else 0):
            return None
        return count


#: Of the room, for what reads the same at a state: a provider's cache then holds it.
_FOR_STABLE = 0.6


def fit(sections: Sequence[Section], priorities: Sequence[int], room: int, remedy: str) -> str:
    """The text of at most ``room`` tokens. priorities: indices of the sections, the highest first.

    Raises PromptTooSmall when the needed ones do not fit; its message is ``remedy``.
    """
    texts: dict[int, str] = {}
    left, for_stable = room, int(room * _FOR_STABLE)
    for index in sorted(priorities, key=lambda place: not sections[place].needed):
        section = sections[index]
        if section.needed:
            text = section.text(len(section.items))
        else:
            most = min(left, for_stable) if section.stable else left
            count = section.fitting(min(most, int(room * section.share)))
            if count is None:
                continue
            text = section.text(count)
        cost = estimate(text) + 2  # the blank line between two
        if cost > left:
            if section.needed:
                raise PromptTooSmall(remedy)
            continue
        left -= cost
        for_stable -= cost if section.stable else 0
        texts[index] = text
    for index, section in enumerate(sections):
        if section.grows and index in texts:
            room_again = left + estimate(texts[index])
            texts[index] = section.text(section.fitting(room_again) or 0)
    return "\n\n".join(texts[index] for index in sorted(texts))
