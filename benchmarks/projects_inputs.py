"""Inputs of the projects' workloads, made up from a seed: the same bytes on every machine."""

from __future__ import annotations

import random
from collections.abc import Mapping

#: Rare letters last: they are drawn by the square of a uniform number, as are words.
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def text(seed: int, size: int) -> str:
    """Lines of made-up words, some common and most rare, with a number at the end of every fifth; >= size bytes."""
    draw = random.Random(seed).random
    words = _words(seed)
    lines, total = [], 0
    while total < size:
        line = " ".join(words[int(len(words) * draw() ** 2)] for _ in range(4 + int(10 * draw())))
        if draw() < 0.2:
            line += f" {int(1000 * draw())}"
        lines.append(line)
        total += len(line) + 1
    return "\n".join(lines) + "\n"


def document(seed: int, items: int) -> str:
    """XML with attributes, entities, namespaces, comments, CDATA and characters of one to three bytes."""
    draw = random.Random(seed).random
    words = _words(seed)

    def some() -> str:
        return words[int(len(words) * draw())]

    parts = [_PROLOGUE]
    for number in range(items):
        name, level = some(), int(5 * draw())
        inside = " ".join(some() for _ in range(3 + 3 * level))
        parts.append(
            f' <item id="i{number}" name="{name}" weight=\'{draw():.3f}\'>{inside} &amp; &firm; \u00e9\u4e2d'
            f'<!-- {name} --><sub:part xmlns:sub="urn:{name}" sub:n="&lt;{level}"/><![CDATA[{name}<&>]]></item>\n'
        )
    return "".join([*parts, "</list>\n"])


def _words(seed: int, count: int = 400) -> list[str]:
    draw = random.Random(seed).random
    return ["".join(_LETTERS[int(26 * draw() ** 2)] for _ in range(2 + int(9 * draw()))) for _ in range(count)]


_PROLOGUE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE list [
<!ENTITY firm "A &#38;#38; B">
<!ATTLIST item unit CDATA "piece">
]>
<list>
"""

#: Words, patterns, substitutions, arrays, recursion and number formats; prints one line of counts.
_SCRIPT = r"""
function gcd(a, b) { return b ? gcd(b, a % b) : a }
function turned(s,  i, t) { for (i = length(s); i > 0; i--) t = t substr(s, i, 1); return t }
{
  for (i = 1; i <= NF; i++) {
    count[$i]++
    if ($i ~ /^[0-9]+$/) sum += $i
    else if ($i ~ /(an|en|in)[aeiou]?t/) hits++
  }
  if (gsub(/[aeiou]+/, "<&>") > 8) rich++
  last[toupper(substr($1, 1, 3))] = NR
  if (NR % 7 == 0) { parts += split($0, part, /[<>]/); if (index($0, turned($2))) palindromes++ }
  if (NR % 50 == 0) total += length(sprintf("%08.3f|%-12s|%d", NR / 7, $1, NR))
}
END {
  for (i = 1; i <= 60000; i++) divisors += gcd(i, 360360)
  for (w in count) { words++; if (count[w] > most) most = count[w] }
  for (k in last) keys += last[k]
  print NR, words, most, sum, hits, rich, parts, palindromes, total, divisors, keys
}
"""


def compressor_files() -> Mapping[str, str]:
    return {"input.txt": text(1, 3_000_000)}


def interpreter_files() -> Mapping[str, str]:
    return {"input.txt": text(2, 3_000_000), "script.awk": _SCRIPT}


def parser_files() -> Mapping[str, str]:
    return {"input.xml": document(3, 60_000)}
