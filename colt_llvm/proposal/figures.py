"""Numbers, sequences and states as they stand in a prompt: short, and the same text for the same value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from colt_llvm.models.question import Attempt, State
from colt_llvm.objectives.base import FIGURES
from colt_llvm.proposal.wording import clean_line, estimate, has, say

_NAME_LETTERS = 120


@lru_cache(maxsize=4096)
def name(text: str) -> str:
    """A pass, edit or model as it is; only what could never be one is cut."""
    return clean_line(text, _NAME_LETTERS)


def sequence(names: Sequence[str], most_tokens: int) -> str:
    """A comma list; of a long one the beginning and the end, half of the room each."""
    if not names:
        return say("state empty")
    if len(names) * 2 <= most_tokens:
        text = ", ".join(map(name, names))
        if estimate(text) <= most_tokens:
            return text
    gap = say("left out in the middle", count=len(names))
    half = max(0, most_tokens - estimate(gap) - 4) // 2
    head = _within(names, half)
    tail = _within(names[: len(head) - 1 if head else None : -1], half)[::-1]
    gap = say("left out in the middle", count=len(names) - len(head) - len(tail))
    return ", ".join([*head, gap, *tail])


def _within(names: Sequence[str], room: int) -> list[str]:
    taken = []
    for text in names[: room + 1]:
        shown = name(text)
        room -= estimate(shown) + 2
        if room < 0:
            break
        taken.append(shown)
    return taken


def change(gain: float) -> str:
    """A difference of rewards (natural logs) as per cent of the ratio."""
    return f"{100 * math.expm1(max(-50.0, min(50.0, gain))):+.3g}%"


def ratio(state: State) -> str:
    if not math.isfinite(state.reward):
        return say("failed not measured")
    return f"{math.exp(max(-50.0, min(50.0, state.reward))):.5g}"


def figures(state: State) -> str:
    """Ratio, costs and who made it, in one line."""
    costs = "".join(
        f", {name(key)} {amount(value)}{' ' + FIGURES[key].unit if key in FIGURES and FIGURES[key].unit else ''}"
        for key, value in list(state.figures.items())[:8]
    )
    maker = say("state maker", model=name(state.made_by)) if state.made_by else ""
    return say("state figures", ratio=ratio(state), figures=costs, maker=maker)


def attempt(tried: Attempt, most_tokens: int) -> str:
    return say("attempt", passes=sequence(tried.passes, most_tokens), result=result(tried), model=name(tried.model))


def result(tried: Attempt) -> str:
    if tried.failure is None and tried.gain is not None and math.isfinite(tried.gain):
        return change(tried.gain)
    block = f"failed {tried.failure}"
    return say(block) if has(block) else say("failed", failure=clean_line(tried.failure or "no result", 40))


def amount(value: float) -> str:
    """A whole number as it is, another one with four digits."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else f"{value:.4g}"


def signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{amount(value)}"


def parameters(count: float) -> str:
    """7e9 -> 7B."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"
