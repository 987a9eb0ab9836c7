"""Text of programs and models in a page: escaped, and nothing in it invisible. Numbers as a person reads them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from colt_llvm.objectives.base import FIGURES, RUN_TIME


def visible(text: str) -> str:
    """Controls, invisible and direction-changing characters become ``\\u202e``; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def e(value: object) -> str:
    """Anything as text that is safe in an element and in a quoted attribute."""
    return html.escape(visible(str(value)), quote=True)


def data_script(value: Any, name: str) -> str:
    """A JSON value as a script element that no parser of HTML ends early."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{e(name)}">{text}</script>'


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], numeric: Iterable[int] = (), kind: str = ""
) -> str:
    """Plain cells, escaped. numeric: columns that are set to the right. The first cell of a row is its heading."""
    right = set(numeric)

    def cell(tag: str, column: int, value: object, scope: str = "") -> str:
        name = ' class="number"' if column in right else ""
        return f"<{tag}{scope}{name}>{value if isinstance(value, Markup) else e(value)}</{tag}>"

    heading = "".join(cell("th", column, text, ' scope="col"') for column, text in enumerate(head))
    body = "".join(
        "<tr>" + "".join(
            cell("th", column, value, ' scope="row"') if column == 0 else cell("td", column, value)
            for column, value in enumerate(row)
        ) + "</tr>\n"
        for row in rows
    )  # fmt: skip
    name = f' class="{e(kind)}"' if kind else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{e(caption)}"><table{name}>'
        f"<caption>{e(caption)}</caption><thead><tr>{heading}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )


class Markup(str):
    """HTML that is safe as it stands: made here, with everything foreign escaped."""


def block(text: str, label: str, copy: str = "") -> str:
    """Text as it stands, which scrolls by itself. copy: what its button says; none without."""
    button = f'<button type="button" class="copy" data-what="{e(label)}">{e(copy)}</button>' if copy else ""
    return f'<div class="block">{button}<pre tabindex="0" role="group" aria-label="{e(label)}">{e(text)}</pre></div>\n'


def ratio(value: float | None) -> str:
    """Four digits after the point and a multiplication sign; empty for None."""
    return "" if value is None else f"{value:.4f}\N{MULTIPLICATION SIGN}"


def change(share: float) -> str:
    """0.01 as +1.00%, with a sign in any case but none."""
    return f"{share:+.2%}".replace("-", "\N{MINUS SIGN}") if f"{share:.4f}".strip("-") != "0.0000" else "0.00%"


def figure(name: str, value: float | None) -> str:
    """A figure in the unit of its name: CPU seconds, bytes, instructions."""
    if value is None or not math.isfinite(value):
        return ""
    return seconds(value) if name == RUN_TIME else f"{value:,.0f}"


def seconds(value: float) -> str:
    """Between microseconds and hours."""
    if value < 1e-3:
        return f"{value * 1e6:.4g} \N{MICRO SIGN}s"
    if value < 1:
        return f"{value * 1e3:.4g} ms"
    if value < 300:
        return f"{value:.4g} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def label(name: str) -> str:
    """Of a figure, as the head of a row; its unit stands at the value."""
    text = FIGURES[name].label.partition(" (")[0] if name in FIGURES else name
    return text[:1].upper() + text[1:]
