"""All words of the prompts, read from ``templates/``; the code holds none.

``system.txt`` is one template. The others hold blocks: a line ``@@ name``, then the block's text. Placeholders are
those of string.Template, so what is put in is never read as a template itself.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

#: Written into journals: prompts of different versions are not to be compared. Goes up with each change of wording.
TEMPLATE_VERSION = "colt-1"

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
