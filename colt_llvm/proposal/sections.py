"""A question -> the sections of the user message, in the order in which they are read.

What stays the same throughout a run comes first, then what stays the same at a state, so that a provider's cache of
prompts reaches into this message too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from colt_llvm.models.embedded.choice import is_pipeline
from colt_llvm.models.question import Offer, Question, State
from colt_llvm.objectives.registry import known_objective
from colt_llvm.proposal import figures
from colt_llvm.proposal.blind import FIRST_EDITS
from colt_llvm.proposal.wording import Section, clean_block, clean_line, estimate, say

_MOST_PAID = 20
_LEAST_ATTEMPT = 20  # tokens of the room for each that is looked at: more do not fit, also where some are the same
_MOST_LINES = 400  # of remarks, attempts and functions that are looked at
_BYTES_PER_TOKEN = 8  # more than any text has, so that cutting by it first loses nothing

_OF_VECTORS = re.compile(r"\b(loop-vectorize|slp-vectorizer|vectori[sz])")

_SAME_AT_A_STATE = (
    "program", "edits", "decisions", "grandparent", "parent", "features", "changed", "remarks", "excerpt",
)  # fmt: skip
_ROOM_FOR_CODE = 1_000  # with less, the excerpt goes first; else what is the same at a state has its part before others
#: By priority. A part of the room is the excerpt's, for what is decided about stands there; of the rest it has what is
#: left.
PRIORITIES = (
    "objective", "task", "state", "models", "excerpt", "best", "decisions", "edits", "tried", "parent", "grandparent",
    "remarks", "paid", "lost", "features", "budget", "program", "changed",
)  # fmt: skip


def sections_of(question: Question, room: int) -> tuple[list[Section], list[int]]:
    """The sections, and their indices by priority. room: tokens for all of them."""
    made = {
        name: replace(section, stable=name in _SAME_AT_A_STATE and not section.needed)
        for name, section in _all(question, room).items()
        if section is not None
    }
    names = list(made)
    if room < _ROOM_FOR_CODE:
        order = [*(name for name in PRIORITIES if name != "excerpt"), "excerpt"]
    else:
        order = sorted(PRIORITIES, key=lambda name: name not in _SAME_AT_A_STATE)
    return [made[name] for name in names], [names.index(name) for name in order if name in made]


def _all(question: Question, room: int) -> dict[str, Section | None]:
    evidence = question.evidence
    letters = room * _BYTES_PER_TOKEN
    paid = sorted(((gain, name) for name, gain in question.paid.items()), key=lambda pair: (-pair[0], pair[1]))
    return {
        "objective": Section(_objective(question), needed=True),
        "program": _counts(question.program),
        "edits": _edits(question),
        "decisions": _decisions(question),
        "grandparent": _state("grandparent", question.grandparent, room // 12, question),
        "parent": _state("parent", question.parent, room // 10, question),
        "state": _state("state", question.state, room // 6, question, needed=True),
        "features": _features(question),
        "changed": _data("changed", [clean_line(name, 80) for name in evidence.changed_functions[:_MOST_LINES]], 0.06),
        "remarks": _data("remarks", _remarks(question), 0.25),
        "excerpt": _excerpt(evidence.excerpt, evidence.excerpt_of, letters),
        "tried": _tried(question, room),
        "best": _state("best", question.best, room // 8, question) if _is_other_best(question) else None,
        "paid": _changes("paid", [pair for pair in paid if pair[0] > 0][:_MOST_PAID]),
        "lost": _changes("lost", [pair for pair in paid[::-1] if pair[0] < 0][: _MOST_PAID // 2]),
        "budget": Section(_budget(question)),
        "models": _models(question, room),
        "task": Section(_task(question, room), needed=True),
    }


def _objective(question: Question) -> str:
    stated = known_objective(question.objective)
    goal = clean_line(stated.goal, 200) if stated and stated.goal else ""
    goal = goal or say("goal other", objective=clean_line(question.objective, 40))
    return say("objective", goal=goal, baseline=clean_line(question.baseline, 60), cpu=clean_line(question.cpu, 60))


def _budget(question: Question) -> str:
    trials = str(question.trials_done)
    if question.trials_wanted is not None:
        trials = say("budget of", done=trials, wanted=question.trials_wanted)
    return say("budget", trials=trials, calls=question.calls, tokens=question.tokens, cost=f"{question.cost:.4g}")


def _counts(features: Mapping[str, float]) -> Section | None:
    items = [f"{_feature(key)} {figures.amount(features[key])}" for key in _by_weight(features) if features[key]]
    return Section(say("program"), items, share=0.15, inline=True) if items else None


def _by_weight(counts: Mapping[str, float]) -> list[str]:
    """Totals first, then the greatest; the mapping's own order says nothing, and may differ from run to run."""
    return sorted(counts, key=lambda name: (not name.startswith("Total"), -abs(counts[name]), name))


def _feature(name: str) -> str:
    return clean_line(name, 40).removesuffix("Count")


def _features(question: Question) -> Section | None:
    program, features = question.program, question.evidence.features
    if not features or not question.state.sequence:
        return None  # the root's code is the baseline's
    changes = {name: features.get(name, 0.0) - program.get(name, 0.0) for name in {*features, *program}}
    items = [
        f"{_feature(name)} {figures.amount(features.get(name, 0.0))} ({figures.signed(changes[name])})"
        for name in _by_weight(changes)
        if changes[name]
    ]
    return Section(say("features"), items, share=0.15, inline=True) if items else Section(say("features same"))


def _edits(question: Question) -> Section | None:
    """``licm 4`` for without<licm> and its four places; those that paid on the train programs first."""
    if any(map(is_pipeline, question.state.sequence)):  # nothing completes it
        return None
    places: Counter[str] = Counter()
    for edit in question.pipeline_edits:
        name, numbered, number = edit[len("without<") : -1].partition("#")
        places[name] = max(places[name], int(number) if numbered and number.isdigit() else 0)
    first = [name for edit in FIRST_EDITS if (name := edit[len("without<") : -1]) in places]
    items = [
        f"{figures.name(name)} {places[name]}" if places[name] else figures.name(name)
        for name in dict.fromkeys([*first, *places])
    ]
    head = say("edits")
    stated = known_objective(question.objective)
    if first and stated is not None and not stated.timed:  # their order was found at -Oz
        head = f"{head} {say('edits that paid', count=len(first))}"
    return Section(head, items, share=0.2, inline=True) if items else None


def _decisions(question: Question) -> Section | None:
    items = [
        say("decision", name=figures.name(name), gain=figures.change(question.promised.get(name, 0.0)))
        for name in question.decisions
    ]
    return Section(say("decisions"), items, share=0.2) if items else None


def _remarks(question: Question) -> list[str]:
    """Those that can matter: where time does not count, nobody asks why a loop has no vectors."""
    stated = known_objective(question.objective)
    lines = question.evidence.remarks[:_MOST_LINES]
    if stated is not None and not stated.timed:
        lines = tuple(line for line in lines if not _OF_VECTORS.search(line))
    return [clean_line(line) for line in lines]


def _models(question: Question, room: int) -> Section | None:
    """The table; where that takes too much, names with sizes; of these the small ones, and always the largest."""
    offers = question.offers
    if not offers:
        return None
    head, allowed = say("models", acting=figures.name(question.acting)), max(room // 4, 1)
    table = Section(f"{head}\n{say('models columns')}", [_row(offer) for offer in offers], needed=True)
    if estimate(table.text(len(offers))) <= allowed:
        return table
    left = allowed - estimate(head) - 8
    by_size = sorted(offers, key=lambda offer: offer.parameters)
    brief = []
    for index, offer in enumerate([by_size[-1], *by_size[:-1]]):
        text = say("model brief", name=figures.name(offer.name), parameters=figures.parameters(offer.parameters))
        left -= estimate(text) + 2
        if left < 0 and index:
            break
        brief.append(text)
    if len(brief) < len(offers):
        head = f"{head} {say('more', count=len(offers) - len(brief))}"
    return Section(head, [*brief[1:], brief[0]], needed=True, inline=True)


def _row(offer: Offer) -> str:
    return say(
        "model row",
        name=figures.name(offer.name) + (say("policy") if offer.policy else ""),
        parameters=figures.parameters(offer.parameters),
        calls=offer.calls,
        hits="-" if offer.hit_rate is None else f"{100 * offer.hit_rate:.0f}%",
        errors=offer.errors,
        price="0" if offer.price is None else figures.amount(offer.price),
    )


def _changes(block: str, pairs: Sequence[tuple[float, str]]) -> Section | None:
    items = [f"{figures.name(name)} {figures.change(gain)}" for gain, name in pairs]
    return Section(say(block), items, share=0.12, inline=True) if items else None


def _is_other_best(question: Question) -> bool:
    """Whether the best state is worth a word: not this one, nor one that is shown as an ancestor."""
    shown = [question.state, question.parent, question.grandparent]
    return all(state is None or question.best is None or question.best.sequence != state.sequence for state in shown)


def _state(
    block: str, state: State | None, most_tokens: int, question: Question, needed: bool = False
) -> Section | None:
    if state is None:
        return None
    here, there = question.state.sequence, state.sequence
    if block != "state" and there and len(there) < len(here) and here[: len(there)] == there:
        line = say("state shorter", count=len(here) - len(there))
    else:
        line = say("state sequence", sequence=figures.sequence(there, most_tokens))
    return Section("\n".join([say(block), line, figures.figures(state)]), needed=needed)


def _data(block: str, lines: Sequence[str], share: float) -> Section | None:
    return Section(say(block), lines, share=share, data=True) if lines else None


def _excerpt(excerpt: str, function: str, letters: int) -> Section | None:
    lines = list(clean_block(excerpt, letters))
    if not lines:
        return None
    if function and not any(function in line for line in lines):
        lines.insert(0, say("excerpt of", function=clean_line(function, 80)))
    return Section(say("excerpt"), lines, share=0.2, least=min(6, len(lines)), data=True, grows=True)


def _tried(question: Question, room: int) -> Section | None:
    latest = question.tried[::-1][: min(_MOST_LINES, 1 + room // _LEAST_ATTEMPT)]
    each = max(16, room // 20)
    items = list(dict.fromkeys(figures.attempt(tried, each) for tried in latest if tried != question.rejected))
    return Section(say("tried"), items, share=0.2) if items else None


def _task(question: Question, room: int) -> str:
    """What is asked for; the line on confidence only where the search makes use of it, as it costs tokens."""
    turn = _turn(question, room)
    if question.wanted is not None:
        count = say("task one") if question.wanted == 1 else say("task several", count=question.wanted)
        turn = f"{turn} {count}"
    return f"{turn} {say('task confidence')}" if question.confidence_wanted else turn


def _turn(question: Question, room: int) -> str:
    rejected = question.rejected
    if question.kind == "correct" and rejected is not None:
        passes = figures.sequence(rejected.passes, room // 8)
        return say("task correct", model=figures.name(rejected.model), passes=passes, result=figures.result(rejected))
    if question.kind == "seed":
        return say("task seed", number=question.request_id + 1)
    return say("task expand")
