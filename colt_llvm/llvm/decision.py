"""A decision: what to do about one function, one call or one loop of a module, as text and as data.

A sequence is a list of decisions; a pass of the catalogue is one about the whole module. Here are those with a
smaller scope. In a pipeline's text they stand in ``decide(...)``, beside LLVM's own passes:

    decide(alwaysinline<is>,noinline<parse>),default<Oz>,decide(after<main>(instcombine,simplifycfg))

    alwaysinline<NAME>         every call of this function is replaced by its body
    noinline<main;is#2>        the second call of "is" in "main" stays a call
    unroll<main#1;4>           the first loop of "main" is unrolled by four
    skip<main>(licm,gvn)       the pipeline leaves "main" alone with these passes
    before<main>(sroa)         passes over "main" alone, before the pipeline
    after<main>(gvn,dse)       passes over "main" alone, after it

NAME is a symbol, the same in every build of the same source; letters that pipelines use are written as ``%3C``.
``*`` stands for every function that has a body. Calls and loops are counted in the front end's IR, from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from colt_llvm.core.errors import PipelineSyntaxError

Scope = Literal["function", "call", "loop"]

SKIP, BEFORE, AFTER = LISTS = ("skip", "before", "after")
#: Of one function there is one.
LEVELS = ("minsize", "optsize", "optspeed")

#: Every function of the module that has a body.
EVERY = "*"

_TEXT = re.compile(r"([a-z-]+)<([^<>;#()]+)(?:;([^<>;#()]+))?(?:#(\d{1,6}))?(?:;([a-z0-9-]{1,32}))?>")
_LISTED = re.compile(r"(skip|before|after)<([^<>;#()]+)>\(([A-Za-z0-9_<>;=.,()-]+)\)")
_PLAIN = "$"  # stays as it is in a name, with letters, digits and _.-~


@dataclass(frozen=True)
class Kind:
    """What can be decided. values: one has to follow the place; () where none may."""

    name: str
    scope: Scope
    summary: str
    values: tuple[str, ...] = ()


#: Nothing here changes the meaning of a program: inlining and loops alone, no fast-math, no promise.
KINDS: tuple[Kind, ...] = (
    Kind("alwaysinline", "function", "Replace every call of this function by its body."),
    Kind("noinline", "function", "Leave every call of this function a call."),
    Kind("minsize", "function", "Optimise this function as -Oz does."),
    Kind("optsize", "function", "Optimise this function as -Os does."),
    Kind("optspeed", "function", "Optimise this function for speed: neither minsize nor optsize."),
    Kind("skip", "function", "Leave passes of the pipeline out for this function. LLVM 20 and later."),
    Kind("before", "function", "Run passes over this function alone, before the pipeline. LLVM 20 and later."),
    Kind("after", "function", "Run passes over this function alone, after the pipeline. LLVM 20 and later."),
    Kind("alwaysinline", "call", "Replace this call by the body of what it calls."),
    Kind("noinline", "call", "Leave this call a call."),
    Kind("unroll", "loop", "Unroll this loop: by a factor, or fully.", ("2", "3", "4", "8", "16", "full")),
    Kind("nounroll", "loop", "Do not unroll this loop."),
    Kind("vectorize", "loop", "Vectorise this loop with this many lanes.", ("2", "4", "8", "16")),
    Kind("interleave", "loop", "Vectorise this loop with this many iterations side by side.", ("1", "2", "4", "8")),
    Kind("novectorize", "loop", "Do not vectorise this loop."),
    Kind("distribute", "loop", "Split this loop into several."),
)
_NAMES = frozenset(kind.name for kind in KINDS)
_BY_NAME = {(kind.name, kind.scope): kind for kind in KINDS}


@dataclass(frozen=True, order=True)
class Decision:
    """kind: a name of KINDS. function: its symbol, or EVERY; of a call, the caller.

    callee, number: of a call, whom it calls, and which of these calls it is, from 1; of a loop, which it is; else 0.
    value: of a loop, how; of LISTS, the passes with commas between.
    """

    function: str
    callee: str
    number: int
    kind: str
    value: str = ""

    @property
    def scope(self) -> Scope:
        if self.callee:
            return "call"
        return "loop" if self.number else "function"

    @property
    def late(self) -> bool:
        """Whether it acts after the pipeline, and not before it."""
        return self.kind == AFTER

    def __str__(self) -> str:
        if self.kind in LISTS:
            return f"{self.kind}<{quoted(self.function)}>({self.value})"
        place = quoted(self.function)
        if self.callee:
            place += ";" + quoted(self.callee)
        if self.number:
            place += f"#{self.number}"
        return f"{self.kind}<{place}{';' + self.value if self.value else ''}>"


def parse_decision(text: str) -> Decision:
    """Raises PipelineSyntaxError."""
    if listed := _LISTED.fullmatch(text):
        return Decision(_unquoted(listed[2]), "", 0, listed[1], listed[3])
    match = _TEXT.fullmatch(text)
    if match is None:
        raise PipelineSyntaxError(f"{text}: is no decision; write one as noinline<main> or unroll<main#1;4>")
    name, first, second, number, value = match.groups()
    if second and not number:  # unroll<main;4> lacks its loop, and what looks like a callee lacks its number
        raise PipelineSyntaxError(f"{text}: names no call; write {name}<{first};{second}#1> for the first one")
    decision = Decision(_unquoted(first), _unquoted(second or ""), int(number or 0), name, value or "")
    kind = _BY_NAME.get((name, decision.scope))
    if kind is None:
        raise PipelineSyntaxError(f"{text}: no {name!r} for a {decision.scope}; see colt-llvm decisions --kinds")
    if name in LISTS:
        raise PipelineSyntaxError(f"{text}: says no passes; write {name}<{first}>(licm,gvn)")
    if bool(value) != bool(kind.values) or (value and value not in kind.values):
        allowed = f"one of {', '.join(kind.values)}" if kind.values else "no value"
        raise PipelineSyntaxError(f"{text}: {name} takes {allowed}")
    return decision


@lru_cache(maxsize=8192)
def is_decision(name: str) -> bool:
    """Whether the name of an action is a decision with a scope."""
    if name.partition("<")[0] not in _NAMES:
        return False
    try:
        parse_decision(name)
    except PipelineSyntaxError:
        return False
    return True


def quoted(name: str) -> str:
    """A symbol as it stands in a decision."""
    return name if name == EVERY else quote(name.encode("utf-8", "surrogateescape"), safe=_PLAIN)


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
