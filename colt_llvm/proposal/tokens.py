"""How many tokens a text takes at most, without a tokenizer.

The rule, on the safe side for the byte-pair vocabularies in use: four letters of a word, one digit, one other sign
and one space are a token each; the space before a word is free. Beyond ASCII each byte is a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from colt_llvm.models.base import Message

#: What a chat format puts around one message, and before the answer.
MESSAGE_TOKENS = 8

_PIECE = re.compile(r"[A-Za-z]{1,4}|\s(?![A-Za-z])|[^A-Za-z\s]|[^\S ]")


def estimate(text: str) -> int:
    """Tokens, rounded up. Of lines joined by line breaks: at most the sum of the lines' and one for each break."""
    pieces = sum(1 for _ in _PIECE.finditer(text))
    return pieces if text.isascii() else pieces + len(text.encode("utf-8", "replace")) - len(text)


def estimate_messages(messages: Iterable[Message]) -> int:
    return sum(estimate(message.content) + MESSAGE_TOKENS for message in messages)
