"""Sections of a message, and how they are fitted into a number of tokens.

Room is given out in the order of priority, so what has the lowest is shortened first and goes first: of the sections in
the order of priority, the last one that has room loses its last items.

Tokens are estimated without a tokenizer, on the safe side for the byte-pair vocabularies in use: four letters of a
word, one digit, one other sign and one space are a token each; the space before a word is free. Beyond ASCII each byte
is a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from colt_llvm.core.errors import ColtError
from colt_llvm.models.base import Message
from colt_llvm.proposal.wording import fenced, say

#: What a chat format puts around one message, and before the answer.
MESSAGE_TOKENS = 8

_PIECE = re.compile(r"[A-Za-z]{1,4}|\s(?![A-Za-z])|[^A-Za-z\s]|[^\S ]")


def estimate(text: str) -> int:
    """Tokens, rounded up. Of lines joined by line breaks: at most the sum of the lines' and one for each break."""
    pieces = sum(1 for _ in _PIECE.finditer(text))
    return pieces if text.isascii() else pieces + len(text.encode("utf-8", "replace")) - len(text)


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
    data: items are text from the program, and stand in a fence.
    """

    head: str
    items: Sequence[str] = ()
    share: float = 1.0
    needed: bool = False
    least: int = 0
    inline: bool = False
    data: bool = False

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


def fit(sections: Sequence[Section], priorities: Sequence[int], room: int, remedy: str) -> str:
    """The text of at most ``room`` tokens. priorities: indices of the sections, the highest first.

    Raises PromptTooSmall when the needed ones do not fit; its message is ``remedy``.
    """
    texts: dict[int, str] = {}
    left = room
    for index in sorted(priorities, key=lambda place: not sections[place].needed):
        section = sections[index]
        if section.needed:
            text = section.text(len(section.items))
        else:
            count = section.fitting(min(left, int(room * section.share)))
            if count is None:
                continue
            text = section.text(count)
        cost = estimate(text) + 2  # the blank line between two
        if cost > left:
            if section.needed:
                raise PromptTooSmall(remedy)
            continue
        left -= cost
        texts[index] = text
    return "\n\n".join(texts[index] for index in sorted(texts))
