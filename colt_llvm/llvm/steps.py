"""A pipeline's text as steps: LLVM's own passes, and the decisions that stand among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm.decision import Decision, parse_decision

_DECIDE = "decide("


@dataclass(frozen=True)
class Passes:
    """What ``opt -passes=`` reads."""

    text: str


@dataclass(frozen=True)
class Decide:
    """Decisions that are applied at once."""

    decisions: tuple[Decision, ...]


Step = Passes | Decide


def decide_text(decisions: Sequence[str]) -> str:
    """The step that applies these, sorted; empty where there are none."""
    return f"{_DECIDE}{','.join(sorted(decisions))})" if decisions else ""


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
    for item in split_items(text):
        if item.startswith(_DECIDE):
            if passes:
                steps.append(Passes(",".join(passes)))
                passes = []
            steps.append(Decide(tuple(map(parse_decision, split_items(item[len(_DECIDE) : -1])))))
        else:
            passes.append(item)
    if passes:
        steps.append(Passes(",".join(passes)))
    return tuple(steps)


def split_items(text: str) -> list[str]:
    """The parts of a comma list; commas inside () and <> do not count. Raises PipelineSyntaxError."""
    return [item for item in _items(text) if item]


def _items(text: str) -> Iterator[str]:
    start = depth = 0
    for position, letter in enumerate(text):
        if letter in "(<":
            depth += 1
        elif letter in ")>":
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[start:position].strip()
            start = position + 1
        if depth < 0:
            break
    if depth:
        raise PipelineSyntaxError(f"{text}: its brackets do not match")
    yield text[start:].strip()
