"""The catalogue as a model reads it, as long as there is room for.

One line a form; one line a pass; a line for the most used passes and the names of the rest; the most used names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from colt_llvm.proposal.tokens import estimate
from colt_llvm.proposal.wording import blocks

#: Named first where not all can be: what the full pipelines are made of, then what they leave out.
MOST_USED = (
    "instcombine", "simplifycfg", "sroa", "gvn", "licm", "inline", "early-cse<memssa>", "loop-rotate", "indvars",
    "loop-unroll", "loop-vectorize", "slp-vectorizer", "jump-threading", "reassociate", "dse", "memcpyopt",
    "ipsccp", "globalopt", "function-attrs", "correlated-propagation", "mergefunc", "default<O2>", "default<Os>",
    "sccp", "tailcallelim", "loop-idiom", "loop-deletion", "adce", "aggressive-instcombine", "globaldce",
    "constraint-elimination", "simple-loop-unswitch<nontrivial>", "loop-load-elim", "loop-distribute",
    "loop-interchange", "loop-unroll-and-jam", "loop-flatten", "loop-fusion", "dfa-jump-threading", "argpromotion",
    "deadargelim", "vector-combine", "loop-reduce", "slsr", "div-rem-pairs", "sink", "partial-inliner", "hotcoldsplit",
)  # fmt: skip

_LEAST_NAMES = 8


def lengths(passes: Mapping[str, str]) -> Iterator[Callable[[int], str | None]]:
    """From the longest on: what gives the text in a number of tokens, or None where that is too few."""
    for make in (_full, _short):
        yield lambda room, make=make: text if estimate(text := make(passes)) <= room else None  # type: ignore[misc]
    yield lambda room: _some(passes, room)
    yield lambda room: _few(passes, room)


def _said(block: str, text: str) -> str:
    return f"{blocks('catalogue.txt')[block].template}\n{text}"


def _full(passes: Mapping[str, str]) -> str:
    lines = []
    for forms in _by_pass(passes):
        general = _general([passes[name] for name in forms])
        for index, name in enumerate(forms):
            summary = passes[name] if index == 0 else passes[name][len(general) :].strip() or passes[name]
            lines.append(f"{name}: {summary}")
    return _said("full", "\n".join(lines))


def _short(passes: Mapping[str, str]) -> str:
    lines = []
    for first, *others in _by_pass(passes):
        summary = passes[first]
        if others:
            forms = ", ".join(name[len(_pass_name(name)) :] for name in others)
            summary = blocks("catalogue.txt")["also"].substitute(summary=summary, forms=forms)
        lines.append(f"{first}: {summary}")
    return _said("short", "\n".join(lines))


def _some(passes: Mapping[str, str], room: int) -> str | None:
    """All names, and of the most used ones as many with what they do as fit."""
    left = room - estimate(_said("some", "")) - estimate(", ".join(passes)) - 2
    if left < 0:
        return None
    told: list[str] = []
    for name in _by_use(passes):
        left -= estimate(passes[name]) + 2  # its name moves up from the list below, with a colon for the comma
        if left < 0:
            break
        told.append(name)
    lines = [f"{name}: {passes[name]}" for name in told]
    return _said("some", "\n".join([*lines, ", ".join(name for name in passes if name not in told)]))


def _few(passes: Mapping[str, str], room: int) -> str | None:
    """As many as fit."""
    left = room - estimate(_said("few", ""))
    taken: list[str] = []
    for name in _by_use(passes):
        left -= estimate(name) + 2  # and a comma
        if left < 0:
            break
        taken.append(name)
    return _said("few", ", ".join(taken)) if len(taken) >= min(_LEAST_NAMES, len(passes)) else None


def _by_use(passes: Mapping[str, str]) -> list[str]:
    """The most used ones, then passes as they are, then their other forms."""
    used = [name for name in MOST_USED if name in passes]
    return list(dict.fromkeys([*used, *(name for name in passes if "<" not in name), *passes]))


def _by_pass(passes: Mapping[str, str]) -> Iterator[list[str]]:
    """Names of one pass together, the one that the catalogue has first leading."""
    groups: dict[str, list[str]] = {}
    for name in passes:
        groups.setdefault(_pass_name(name), []).append(name)
    return iter(groups.values())


def _pass_name(name: str) -> str:
    return name.partition("<")[0]


def _general(summaries: list[str]) -> str:
    """The sentences with which all begin."""
    first, last = min(summaries), max(summaries)  # what these two share, all that lie between share too
    length = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    common = first[:length]
    if common in summaries:
        return common
    return common[: common.rfind(". ") + 1]
