"""A decision: what to do about one function, one call or one loop of a module, as text and as data.

A pass of the catalogue is about the whole module; these have a smaller scope. In a pipeline's text they stand in
``decide(...)``, beside LLVM's own passes:

    decide(alwaysinline<is>,noinline<parse>),default<Oz>,decide(after<main>(instcombine,simplifycfg))

    alwaysinline<NAME>         every call of this function is replaced by its body
    noinline<main;is#2>        the second call of "is" in "main" stays a call
    unroll<main#1;4>           the first loop of "main" is unrolled by four
    skip<main>(licm,gvn)       the pipeline leaves "main" alone with these passes
    before<main>(sroa)         passes over "main" alone, before the pipeline
    after<main>(gvn,dse)       passes over "main" alone, after it
    frame-pointer<main;all>    code for "main" keeps the frame pointer; or non-leaf: only where it calls something
    disable-lsr<*>             code generation goes without a pass of its own; of all functions at once

NAME is a symbol, the same in every build of the same source; letters that pipelines use are written as ``%3C``.
``*`` stands for every function that has a body. Calls and loops are counted in the front end's IR, from 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from colt_llvm.core.errors import PipelineSyntaxError, UsageError
from colt_llvm.core.text import split_pipeline

Scope = Literal["function", "call", "loop"]

SKIP, BEFORE, AFTER = LISTS = ("skip", "before", "after")
#: Options of the process that generates code, so of all functions at once -> what each does. Beside the functions'
#: attributes nothing could say them, so a text attribute of the same name keeps each with the module.
SWITCHES = {
    "disable-lsr": "Generate code without loop strength reduction, as -mllvm -disable-lsr does.",
    "apply-ext-tsp-for-size": "Order blocks so that the fewest jumps are left, as -mllvm -apply-ext-tsp-for-size does.",
    "disable-machine-licm": "Leave constants and addresses in loops where they are used, as -mllvm "
    "-disable-machine-licm does.",
}
#: What acts in code generation.
CODEGEN = ("frame-pointer", "no-jump-tables", *SWITCHES)
#: With their values -> what clang does with all functions of a file.
CODEGEN_FLAGS = {
    ("frame-pointer", "non-leaf"): ("-fno-omit-frame-pointer", "-momit-leaf-frame-pointer"),
    ("frame-pointer", "all"): ("-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer"),
    ("no-jump-tables", ""): ("-fno-jump-tables",),
    **{(switch, ""): ("-mllvm", f"-{switch}") for switch in SWITCHES},
}
#: Of one function there is one.
LEVELS = ("minsize", "optsize", "optspeed")

#: Every function of the module that has a body.
EVERY = "*"

_TEXT = re.compile(r"([a-z-]+)<([^<>;#()]+)(?:;([^<>;#()]+))?(?:#(\d{1,6}))?(?:;([a-z0-9-]{1,32}))?>")
_LISTED = re.compile(r"(skip|before|after)<([^<>;#()]+)>\(([A-Za-z0-9_<>;=.,()-]+)\)")
_PLAIN = "$"  # stays as it is in a name, with letters, digits and _.-~


@dataclass(frozen=True)
class Kind:
    """What can be decided."""

    name: str  #: ``noinline``
    scope: Scope  #: of what it is decided
    summary: str  #: what it does, in a sentence
    values: tuple[str, ...] = ()  #: one has to follow the place; () where none may


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
    Kind(
        "frame-pointer",
        "function",
        "Address the stack by the frame pointer, as -fno-omit-frame-pointer does; unwind "
        "rows are shorter. non-leaf: not in functions that call nothing.",
        ("non-leaf", "all"),
    ),
    Kind("no-jump-tables", "function", "Compile switches without jump tables, as -fno-jump-tables does."),
    Kind("alwaysinline", "call", "Replace this call by the body of what it calls."),
    Kind("noinline", "call", "Leave this call a call."),
    Kind("unroll", "loop", "Unroll this loop: by a factor, or fully.", ("2", "3", "4", "8", "16", "full")),
    Kind("nounroll", "loop", "Do not unroll this loop."),
    Kind("vectorize", "loop", "Vectorise this loop with this many lanes.", ("2", "4", "8", "16")),
    Kind("interleave", "loop", "Vectorise this loop with this many iterations side by side.", ("1", "2", "4", "8")),
    Kind("novectorize", "loop", "Do not vectorise this loop."),
    Kind("distribute", "loop", "Split this loop into several."),
)
_NAMES = frozenset((*(kind.name for kind in KINDS), *SWITCHES))
_BY_NAME = {(kind.name, kind.scope): kind for kind in KINDS}


@dataclass(frozen=True, order=True)
class Decision:
    """What to do about one function, one call or one loop."""

    function: str  #: its symbol, or EVERY; of a call, the caller
    callee: str  #: of a call, whom it calls
    number: int  #: of a call, which of these it is, from 1; of a loop, which it is; else 0
    kind: str  #: a name of KINDS
    value: str = ""  #: of a loop or a frame pointer, how; of LISTS, the passes with commas between

    @property
    def scope(self) -> Scope:
        """A call where it has a callee, a loop where it has a number, else a function."""
        if self.callee:
            return "call"
        return "loop" if self.number else "function"

    @property
    def late(self) -> bool:
        """Whether it acts after the pipeline, and not before it."""
        return self.kind == AFTER or self.kind in CODEGEN

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
    if second and not number and name in CODEGEN:
        second, value = "", second
    if second and not number:  # unroll<main;4> lacks its loop, and what looks like a callee lacks its number
        raise PipelineSyntaxError(f"{text}: names no call; write {name}<{first};{second}#1> for the first one")
    decision = Decision(_unquoted(first), _unquoted(second or ""), int(number or 0), name, value or "")
    if name in SWITCHES:
        if decision != Decision(EVERY, "", 0, name):
            raise PipelineSyntaxError(f"{text}: is decided of all functions at once; write {name}<{EVERY}>")
        return decision
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


_DECIDE = "decide("


@dataclass(frozen=True)
class Passes:
    """A step of LLVM's own passes."""

    text: str  #: what ``opt -passes=`` reads


@dataclass(frozen=True)
class Decide:
    """A step of decisions."""

    decisions: tuple[Decision, ...]  #: applied at once


Step = Passes | Decide


def decide_text(decisions: Sequence[str]) -> str:
    """The step that applies these, sorted; empty where there are none."""
    return f"{_DECIDE}{','.join(sorted(decisions))})" if decisions else ""


def single(names: Sequence[str]) -> tuple[str, ...]:
    """With a decision that lists passes as one decision for each of them."""
    found: list[str] = []
    for name in names:
        decision = parse_decision(name) if is_decision(name) else None
        listed = split_pipeline(decision.value) if decision is not None and decision.kind in LISTS else ()
        found += [str(replace(decision, value=text)) for text in listed if decision is not None] or [name]
    return tuple(found)


def joined(names: Sequence[str]) -> tuple[str, ...]:
    """The inverse: those of one function and kind as one decision, where the first of them stands."""
    found: dict[object, str] = {}
    for place, name in enumerate(names):
        decision = parse_decision(name) if is_decision(name) else None
        if decision is None or decision.kind not in LISTS:
            found[place] = name
            continue
        key = decision.kind, decision.function
        before = f"{parse_decision(found[key]).value}," if key in found else ""
        found[key] = str(replace(decision, value=before + decision.value))
    return tuple(found.values())


def holds_decisions(text: str) -> bool:
    """Whether a pipeline's text is more than LLVM's own tools read."""
    return _DECIDE in text


@lru_cache(maxsize=1024)
def steps_of(text: str) -> tuple[Step, ...]:
    """Raises PipelineSyntaxError for a decision that is none; LLVM's own passes are left to LLVM."""
    if _DECIDE not in text:
        return (Passes(text),)
    steps: list[Step] = []
    passes: list[str] = []
    for item in _parts(text):
        if item.startswith(_DECIDE):
            if passes:
                steps.append(Passes(",".join(passes)))
                passes = []
            steps.append(Decide(tuple(map(parse_decision, _parts(item[len(_DECIDE) : -1])))))
        else:
            passes.append(item)
    if passes:
        steps.append(Passes(",".join(passes)))
    return tuple(steps)


def switches_in(pipeline: str) -> tuple[str, ...]:
    """The SWITCHES that a pipeline turns on, with options before it or without. Raises PipelineSyntaxError."""
    if not any(switch in pipeline for switch in SWITCHES):
        return ()
    while pipeline.startswith("-"):
        pipeline = pipeline.partition(" ")[2]
    steps = steps_of(pipeline)
    on = {decision.kind for step in steps if isinstance(step, Decide) for decision in step.decisions}
    return tuple(switch for switch in SWITCHES if switch in on)


def switch_flags(switches: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """What clang's code generation is told of them, less what is ``given`` already: LLVM takes no option twice."""
    flags = (CODEGEN_FLAGS[switch, ""] for switch in switches)
    return tuple(word for words in flags if words[-1] not in given for word in words)


def _parts(text: str) -> list[str]:
    try:
        return split_pipeline(text)
    except UsageError as error:
        raise PipelineSyntaxError(str(error)) from None
