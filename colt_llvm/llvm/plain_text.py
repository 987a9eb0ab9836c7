"""Text that came from the user's program, made safe to show, to store and to send."""

from __future__ import annotations


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
