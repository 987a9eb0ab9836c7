"""Functions of a run: bytes before and after, what was decided about each, and the decisions by scope."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from colt_llvm.decisions.offers import SCOPES, scope_of
from colt_llvm.explain.whereabouts import demangled
from colt_llvm.llvm.decision import EVERY, is_decision, parse_decision
from colt_llvm.report.run import Run
from colt_llvm.report.text import Markup, change, e, ratio, table

_MOST_ROWS = 200
_OF_A_FUNCTION = ("function", "call", "loop")


def functions_section(run: Run) -> str:
    """Of a recorded run too that knows no decisions; its sizes of functions are missing then."""
    if run.recipe is None:
        return "<p>There is no recipe, so no function has changed.</p>\n" + _by_scope(run)
    sequence = run.recipe.sequence
    sizes = run.result.functions if run.result is not None else {}
    decided = decided_of(sequence)
    if not sizes and not decided:
        return (
            "<p>This run decided about passes alone, and holds no sizes of functions.</p>\n"
            + _tree(sequence) + _by_scope(run)
        )  # fmt: skip
    return _sizes(sizes, decided) + _tree(sequence) + _by_scope(run)


def decided_of(sequence: Iterable[str]) -> dict[str, list[str]]:
    """Function -> the decisions about it, its calls and its loops."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sequence:
        if is_decision(name) and (function := parse_decision(name).function) != EVERY:
            found[function].append(name)
    return dict(found)


def _sizes(sizes: Mapping[str, tuple[int, int]], decided: Mapping[str, Sequence[str]]) -> str:
    """Those that shrank most first."""
    if not sizes:
        note = "<p>Sizes of functions are not in this run; a new one records them.</p>\n"
        cells = [(_named(name), _list(names)) for name, names in sorted(decided.items())]
        return note + table("What was decided about each function", ("Function", "Decided"), cells)
    names = sorted({*sizes, *decided}, key=lambda name: (_bytes_more(sizes.get(name, (0, 0))), name))
    rows = []
    for name in names[:_MOST_ROWS]:
        before, after = sizes.get(name, (0, 0))
        share = change(after / before - 1) if before else ""
        more = f"{after - before:+,}".replace("-", "\N{MINUS SIGN}") if after != before else "0"
        rows.append(
            (_named(name), f"{before:,}" if before else "not there",
             f"{after:,}" if after else "inlined or gone", more, share, _list(decided.get(name, ())))
        )  # fmt: skip
    total = [sum(pair[side] for pair in sizes.values()) for side in (0, 1)]
    left_out = len(names) - len(rows)
    return (
        f"<p>{len(decided):,} functions were decided about. All that changed or were decided about took {total[0]:,} "
        f"bytes of code before and {total[1]:,} after; constants and unwind tables come on top.</p>\n"
        + table("Functions, those that shrank most first",
                ("Function", "Bytes before", "Bytes after", "More", "Change", "Decided"), rows, (1, 2, 3, 4))
        + (f"<p>{left_out:,} functions that changed less are left out.</p>\n" if left_out else "")
    )  # fmt: skip


def _named(symbol: str) -> Markup:
    """As the source has it; pointed at, as the linker does."""
    plain = demangled(symbol)
    return Markup(f'<code title="{e(symbol)}">{e(plain)}</code>' if plain else f"<code>{e(symbol)}</code>")


def _bytes_more(pair: tuple[int, int]) -> int:
    return pair[1] - pair[0]


def _list(names: Iterable[str]) -> Markup:
    return Markup("<br>".join(f"<code>{e(name)}</code>" for name in names))


def _tree(sequence: Sequence[str]) -> str:
    """The recipe's decisions: the whole module, then each function with its calls and loops."""
    module = [name for name in sequence if scope_of(name) in ("passes", "module")]
    parts = [_branch("The whole module", module)] if module else []
    decided = decided_of(sequence)
    for function, names in sorted(decided.items(), key=lambda item: (-len(item[1]), item[0])):
        by_scope: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            by_scope[scope_of(name)].append(name)
        inner = "".join(
            f"<li>{e(scope)}: {', '.join(f'<code>{e(name)}</code>' for name in by_scope[scope])}</li>\n"
            for scope in _OF_A_FUNCTION if scope in by_scope
        )  # fmt: skip
        head = f"<summary>{_named(function)}, {len(names)}</summary>"
        parts.append(f"<details>{head}<ul>\n{inner}</ul></details>\n")
    return "<h3>The recipe by scope</h3>\n" + "".join(parts)


def _branch(title: str, names: Sequence[str]) -> str:
    items = "".join(f"<li><code>{e(name)}</code></li>\n" for name in names)
    return f"<details open><summary>{e(title)}, {len(names)}</summary><ul>\n{items}</ul></details>\n"


def _by_scope(run: Run) -> str:
    """What the search tried of each scope, and what of it is left."""
    tried: Counter[str] = Counter()
    best: dict[str, float] = {}
    for trial in run.trials:
        reward = trial.outcome.reward
        for scope in {scope_of(name) for name in trial.sequence}:
            tried[scope] += 1
            if reward is not None:
                best[scope] = max(reward, best.get(scope, -math.inf))
    if not tried:
        return ""
    kept = Counter(map(scope_of, run.recipe.sequence if run.recipe else ()))
    gone = Counter(map(scope_of, run.result.dropped if run.result else ()))
    cells = [
        (scope, f"{tried[scope]:,}", ratio(math.exp(best[scope]) if scope in best else None), f"{kept[scope]:,}",
         f"{gone[scope]:,}")
        for scope in SCOPES if tried[scope] or kept[scope]
    ]  # fmt: skip
    return table(
        "Trials by scope", ("Scope", "Trials with it", "Best of them", "In the recipe", "Dropped, as it does not pay"),
        cells, (1, 2, 3, 4),
    )  # fmt: skip
