"""A question as text: the system message, the same throughout a run, and the user message with all that changes.

arXiv 2602.01935 says what a model is told; the wording is ours, and stands in ``templates/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from colt_llvm.models.base import Message
from colt_llvm.models.question import MOST_ASKED_FOR, Question
from colt_llvm.proposal.sections import sections_of
from colt_llvm.proposal.wording import MESSAGE_TOKENS, TEMPLATE_VERSION, PromptTooSmall, blocks, estimate, fit, template

__all__ = ["TEMPLATE_VERSION", "PromptTooSmall", "render"]

#: Of the tokens, for the system message with its catalogue: the greater part as long as so many are left for the rest.
_STABLE_SHARE, _LEAST_STABLE_SHARE, _QUESTION_TOKENS = 0.6, 0.5, 1_400
#: In a shorter prompt the names of passes are worth more.
_TOKENS_WITH_EXAMPLE = 2_000
#: What a prompt is not cut below: there would be nothing left to decide by.
LEAST_TOKENS = 1_300


def render(question: Question, passes: Mapping[str, str], max_tokens: int) -> tuple[Message, ...]:
    """Two messages of at most ``max_tokens`` by the estimate of :mod:`colt_llvm.proposal.wording`.

    passes: action name -> one-line summary, in the catalogue's order. max_tokens: of the prompt alone; the answer
    needs room of its own. Raises PromptTooSmall.
    """
    system, length = _system(tuple(passes.items()), max_tokens, question.wanted is not None)
    room = max_tokens - length - 2 * MESSAGE_TOKENS
    sections, priorities = sections_of(question, room)
    user = fit(sections, priorities, room, _too_small(max_tokens))
    return (
        Message("system", system, length + MESSAGE_TOKENS),
        Message("user", user, estimate(user) + MESSAGE_TOKENS),
    )


@lru_cache(maxsize=64)
def _system(passes: tuple[tuple[str, str], ...], max_tokens: int, several: bool) -> tuple[str, int]:
    """The text and its tokens. Depends on nothing that changes in a run, so that prompt caches hit."""
    words = template("system.txt")
    example = blocks("catalogue.txt")["example"].template + "\n\n" if max_tokens >= _TOKENS_WITH_EXAMPLE else ""
    more = blocks("catalogue.txt")["several"].template + "\n" if several else ""
    given = {"version": TEMPLATE_VERSION, "most": MOST_ASKED_FOR, "example": example, "several": more}
    stable = int(max_tokens * _STABLE_SHARE)
    if max_tokens >= _TOKENS_WITH_EXAMPLE:
        stable = min(stable, max(int(max_tokens * _LEAST_STABLE_SHARE), max_tokens - _QUESTION_TOKENS))
    room = stable - estimate(words.substitute(given, catalogue=""))
    for length in lengths(dict(passes)):
        catalogue = length(room)
        if catalogue is not None:
            text = words.substitute(given, catalogue=catalogue)
            return text, estimate(text)
    raise PromptTooSmall(_too_small(max_tokens))


def _too_small(max_tokens: int) -> str:
    return (
        f"a prompt does not fit into {max_tokens} tokens; give the model a context_tokens of 4096 or more, "
        "and max_output_tokens of less than half of it"
    )


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
