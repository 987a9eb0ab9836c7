"""All words of the prompts: ours, read from ``templates/``, and those of the user's program, made harmless.

``system.txt`` is one template. The others hold blocks: a line ``@@ name``, then the block's text. Placeholders are
those of string.Template, so what is put in is never read as a template itself. Text from the program
can neither end its fence nor pose as our own.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from string import Template

#: Written into journals: prompts of different versions are not to be compared. Goes up with each change of wording.
TEMPLATE_VERSION = "colt-2"

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
