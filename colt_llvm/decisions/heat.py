"""The decisions that a program offers where its run time goes: of functions that hold a part of it, by that part."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from colt_llvm.decisions.offers import MOST_OFFERS, SUMMARIES, FunctionFacts, Offer, Offered, read_functions
from colt_llvm.llvm.decision import EVERY, Decision
from colt_llvm.llvm.library import Library

#: Of the run time; about a function that holds less nothing is decided.
LEAST_SHARE = 0.02
#: Where a function holds less than this, it may be made small.
_COLD = 0.002
#: What a decision promises before anything was tried, where its function holds all of the time: log ratios of time.
_PROMISE = {
    "alwaysinline": 0.002, "noinline": 0.0005, "call": 0.001, "optsize": 0.001, "minsize": 0.0005,
    "unroll": 0.002, "nounroll": 0.003, "vectorize": 0.001, "interleave": 0.001, "novectorize": 0.003,
    "distribute": 0.0002,
}  # fmt: skip
#: Of each kind's values, those that are worth a measurement; LLVM's own choice is mostly one of the others.
_VALUES = {"unroll": ("2", "4", "8", "full"), "vectorize": ("4", "8"), "interleave": ("2", "4"), "nounroll": ("",),
           "novectorize": ("",), "distribute": ("",)}  # fmt: skip
#: What has one loop less around it than the innermost there promises so much of what that does.
_FURTHER_OUT = 0.3
#: So many decisions have a trial of their own before others: a search of run time may have thirty trials in all.
_TRIED_FIRST = 8
#: So many functions are looked through, each inlined into the next.
_MOST_INLINED = 50

Names = tuple[str, ...]


def hot_offers(
    library: Library,
    bitcodes: Sequence[bytes],
    scopes: Collection[str],
    shares: Mapping[str, float],
    present: Collection[str],
) -> Offered:
    """Of the scopes function, inline, call and loop. Raises InvalidIR.

    shares: symbol -> share of the baseline's time that is spent in its own code, 0 to 1. present: the functions that
    have code of their own there; what is inlined into others has a part of their time.
    """
    functions = read_functions(library, bitcodes)
    heat = heat_of(functions, shares, present)
    deepest: dict[str, int] = {}  # loops in each other, in a function that has code and what is inlined there
    for name, found in heat.items():
        depth = found.around + max(functions[name].loops, default=0)
        deepest[found.home] = max(depth, deepest.get(found.home, 0))
    # What has no code of its own is inlined already.
    offers = [offer for name, found in heat.items() if found.share >= LEAST_SHARE
              for offer in _offers(functions[name], functions, scopes, found, deepest[found.home])
              if name in present or offer.name != f"alwaysinline<{name}>"]  # fmt: skip
    offers.sort(key=lambda offer: (-offer.promise, offer.name))
    begin_with = [_small_where_cold(heat)] if "function" in scopes else []
    begin_with += ((offer.name,) for offer in offers[:_TRIED_FIRST])
    return Offered(tuple(offers[:MOST_OFFERS]), begin_with=tuple(filter(None, begin_with)))


@dataclass(frozen=True)
class Heat:
    """Where a decision about a function can show."""

    share: float  #: of the time
    home: str  #: the function whose code it is: itself, or the hottest that it is inlined into
    around: int = 0  #: loops around its calls there


def heat_of(
    functions: Mapping[str, FunctionFacts], shares: Mapping[str, float], present: Collection[str]
) -> dict[str, Heat]:
    """Of each function. shares, present: as ``hot_offers`` has them."""
    callers: dict[str, dict[str, int]] = {name: {} for name in functions}
    for function in functions.values():
        for (callee, _), depth in zip(function.sites, function.site_depths, strict=True):
            if callee in callers and callee != function.name:
                callers[callee][function.name] = max(depth, callers[callee].get(function.name, 0))
    heat: dict[str, Heat] = {}

    def of(name: str, below: frozenset[str]) -> Heat:
        if name in present:
            return Heat(shares.get(name, 0.0), name)
        if name not in heat:
            within = below | {name}
            further = [caller for caller in callers[name] if caller not in within] if len(below) < _MOST_INLINED else []
            found = {caller: of(caller, within) for caller in sorted(further)}
            hottest = max(found.values(), key=lambda one: one.share, default=Heat(0.0, name))
            around = max((one.around + callers[name][caller] for caller, one in found.items()), default=0)
            heat[name] = Heat(min(1.0, sum(one.share for one in found.values())), hottest.home, around)
        return heat[name]

    return {name: of(name, frozenset()) for name in functions}


def _small_where_cold(heat: Mapping[str, Heat]) -> Names:
    """A sequence: all functions as -Oz has them, but those in which time is spent; () where that is all or nothing."""
    warm = sorted(name for name, found in heat.items() if found.share >= _COLD)
    if not warm or len(warm) == len(heat):
        return ()
    return (str(Decision(EVERY, "", 0, "minsize")), *(str(Decision(name, "", 0, "optspeed")) for name in warm))


def _offers(
    function: FunctionFacts, known: Mapping[str, FunctionFacts], scopes: Collection[str], heat: Heat, deepest: int
) -> Iterator[Offer]:
    """deepest: loops in each other where this function's code is."""

    def offer(decision: Decision, scope: str, promise: float, depth: int, calls: int = 0) -> Offer:
        """depth: loops of the function around what is decided about."""
        promise *= heat.share * _FURTHER_OUT ** max(0, deepest - heat.around - depth)
        return Offer(str(decision), scope, SUMMARIES[decision.kind, decision.scope], function.size, calls, promise)

    name, calls, inner = function.name, function.calls, max(function.loops, default=0)
    if {"function", "inline"} & set(scopes) and calls and not function.decided:
        for kind in ("noinline",) if function.recursive else ("alwaysinline", "noinline"):
            yield offer(Decision(name, "", 0, kind), "function", _PROMISE[kind], inner, calls)
    if "function" in scopes:
        for kind in ("optsize", "minsize"):
            yield offer(Decision(name, "", 0, kind), "function", _PROMISE[kind], inner, calls)
    if "call" in scopes:
        for (callee, number), depth in zip(function.sites, function.site_depths, strict=True):
            other = known.get(callee)
            if other is None or other.decided or other.calls < 2:
                continue
            for kind in ("noinline",) if other.recursive else ("alwaysinline", "noinline"):
                yield offer(Decision(name, callee, number, kind), "call", _PROMISE["call"], depth, other.calls)
    if "loop" in scopes:
        for number, depth in enumerate(function.loops, start=1):
            for kind, values in _VALUES.items():
                for value in values:
                    yield offer(Decision(name, "", number, kind, value), "loop", _PROMISE[kind], depth)
