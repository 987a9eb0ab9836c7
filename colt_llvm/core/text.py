"""A command as words, without a shell; and text of the user's program, made safe to show, to store and to send."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from colt_llvm.core.errors import UsageError

_OPERATOR = re.compile(r"\d*(<<?<?-?|>>?|<>|>\|)(&\d*-?)?|&>>?|\|\|?|\|&|&&?|;;?")
#: What a shell replaces, also within double quotes.
_REPLACED = re.compile(r"`|\$\(|\$\{|\$[A-Za-z_]\w*")
_UNQUOTED = re.compile(r"\d*[<>|;&][<>|;&\d-]*")

_OPENING, _CLOSING = "(<", ")>"


def split_words(option: str, text: str) -> tuple[str, ...]:
    """``text`` as a shell would split it. Raises UsageError where quotes do not match, or it needs a shell."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {error}; check the quotes") from None
    if found := _needs_shell(text):
        raise _refused(f"{option} {text!r}", found, reads_input=option in ("--run", "--args"))
    refuse_operators(words)
    return words


def refuse_operators(words: Sequence[str]) -> None:
    """Raises UsageError where a word is what a shell would take for a redirection, a pipe, or the next command."""
    for word in words:
        if _OPERATOR.fullmatch(word):
            raise _refused(shlex.join(words), word)


def _refused(command: str, word: str, *, reads_input: bool = True) -> UsageError:
    remedy = "use --stdin for input, or write a script" if reads_input else "write a script, and name that"
    return UsageError(f"{command}: {word} needs a shell, and none is used; {remedy}")


def _needs_shell(text: str) -> str:
    """The first of ``text``, quotes heeded, that only a shell understands; "" where there is none."""
    quote, place = "", 0
    while place < len(text):
        character = text[place]
        if quote == "'":
            quote = "" if character == "'" else quote
        elif character == "\\":
            place += 1
        elif character in "\"'" and quote in ("", character):
            quote = "" if quote else character
        elif found := _REPLACED.match(text, place) or (None if quote else _UNQUOTED.match(text, place)):
            return found[0]
        place += 1
    return ""


def plain(text: str) -> str:
    """One line of printable characters: runs of white space become one space, anything else unprintable a "?".

    What is left encodes to UTF-8 and holds no control, no invisible and no direction-changing character.
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in line)


def plain_lines(text: str) -> str:
    """The same for several lines: line ends and indents stay."""
    lines = []
    for line in text.replace("\t", "    ").split("\n"):
        content = line.rstrip()
        if not content.isprintable():
            content = "".join(letter if letter.isprintable() else "?" for letter in content)
        lines.append(content)
    return "\n".join(lines)


def split_pipeline(text: str) -> list[str]:
    """The parts of a comma list; commas inside () and <> do not count. Empty parts are left out.

    Raises UsageError when the brackets do not match.
    """
    parts, start, open_brackets = [], 0, ""
    for position, letter in enumerate(text):
        if letter in _OPENING:
            open_brackets += letter
        elif letter in _CLOSING:
            if not open_brackets or _OPENING.index(open_brackets[-1]) != _CLOSING.index(letter):
                raise UsageError(f"{text!r}: {letter!r} at {position + 1} closes nothing; check the brackets")
            open_brackets = open_brackets[:-1]
        elif letter == "," and not open_brackets:
            parts.append(text[start:position])
            start = position + 1
    if open_brackets:
        raise UsageError(f"{text!r}: {open_brackets[-1]!r} is never closed; check the brackets")
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]
