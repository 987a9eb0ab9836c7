"""The tree of a run, as the search had it: the journal is told to a search of the same options once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.models.registry import BLIND_SPEC
from colt_llvm.report.run import Run
from colt_llvm.run.asking import searched_as, with_earlier_preset
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import ColtSearch, Model
from colt_llvm.search.registry import find_strategy
from colt_llvm.search.tree import ROOT

#: Of a node, the first that holds. Told apart by shape and colour in the page.
MARKS = (
    "winner", "baseline", "miscompile", "failed", "correction", "same code", "regression", "improvement", "equal",
)  # fmt: skip


@dataclass(frozen=True)
class NodeRow:
    """One node."""

    parent: int  # -1 for the root
    trial: TrialRecord | None  # what made it; None for the root
    reward: float | None  # ln of the ratio to the baseline; None: not evaluated
    visits: int | None  # None where no search could be restored
    failure: str | None  # why it is not in the search (any more)
    next_model: str
    mark: str  # one of MARKS


@dataclass(frozen=True)
class Nodes:
    """The nodes of a run."""

    rows: tuple[NodeRow, ...]  # the root, then one for each trial in the order in which the search was told
    search: ColtSearch | None  # None where the strategy keeps no tree, or this one could not be restored
    note: str = ""  # why there is no search

    @property
    def is_tree(self) -> bool:
        """Whether a node has another parent than the root."""
        return self.search is not None or any(row.parent > ROOT for row in self.rows)


def nodes_of(run: Run) -> Nodes:
    """Exact, visits included, where the strategy keeps a tree and the journal fits it; else parents alone."""
    strategy = run.options.strategy
    if not find_strategy(strategy)[0].has_tree:
        return Nodes(_without_search(run), None, f"{strategy} chooses whole sequences: it keeps no tree")
    try:
        search = restored(run)
    except UsageError as error:
        return Nodes(_without_search(run), None, f"visits are not known: {error}")
    marked = _winner(run)
    rows = [NodeRow(-1, None, 0.0, search.tree.root.visits, None, search.tree.root.next_model, "baseline")]
    for node, trial in zip(search.tree.nodes[1:], run.trials, strict=True):
        parent = ROOT if node.parent is None else node.parent
        above = search.tree.nodes[parent].reward
        mark = _mark(trial, node.reward, above, node.failure, trial.request.id == marked)
        rows.append(NodeRow(parent, trial, node.reward, node.visits, node.failure, node.next_model, mark))
    return Nodes(tuple(rows), search)


def restored(run: Run) -> ColtSearch:
    """The search at the end of the journal. Raises UsageError where the journal does not fit its options."""
    blind = not run.specs or [spec.name for spec in run.specs] == [BLIND_SPEC.name]
    if blind:
        asked = dict.fromkeys(trial.request.model for trial in run.trials) or {BLIND_SPEC.name: None}
        models = [Model(name, 1.0) for name in asked]
    else:
        models = [searched_as(spec) for spec in run.specs]
    search = ColtSearch(models, with_earlier_preset(run.options, run.specs).colt_options, run.options.seed)
    key = root_key(run.trials)
    if key is not None:
        search.set_root_key(key)
    for trial in run.trials:
        search.restore(trial.request, trial.proposal, trial.outcome)
    return search


def root_key(trials: Sequence[TrialRecord]) -> str | None:
    """The baseline's object code: the one that was known before any trial had given it. None: no trial gave it."""
    seen: set[str] = set()
    for trial in trials:
        key = trial.outcome.key
        if key is None:
            continue
        if trial.known and key not in seen:
            return key
        seen.add(key)
    return None


def _winner(run: Run) -> int | None:
    """The trial that was proved; in a run without a result the one that looks best."""
    if run.result is not None:
        return run.winner
    best = best_trial(run.trials)
    return best.request.id if best else None


def best_trial(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The greatest reward above the baseline's, of the shorter sequence among equals; not proved."""
    better = [trial for trial in trials if (trial.outcome.reward or 0.0) > 0]
    return min(better, key=lambda t: (-(t.outcome.reward or 0.0), len(t.sequence), t.request.id), default=None)


def _without_search(run: Run) -> tuple[NodeRow, ...]:
    marked = _winner(run)
    rows = [NodeRow(-1, None, 0.0, None, None, "", "baseline")]
    for trial in run.trials:
        parent = trial.request.node if trial.request.node < len(rows) else ROOT
        outcome = trial.outcome
        mark = _mark(trial, outcome.reward, rows[parent].reward, outcome.failure, trial.request.id == marked)
        if mark == "equal" and trial.known:
            mark = "same code"
        rows.append(NodeRow(parent, trial, outcome.reward, None, outcome.failure, trial.proposal.next_model, mark))
    return tuple(rows)


def _mark(trial: TrialRecord, reward: float | None, above: float | None, failure: str | None, winner: bool) -> str:
    if winner:
        return "winner"
    if trial.outcome.failure == "miscompile":
        return "miscompile"
    if reward is None:
        return "failed"
    if trial.request.kind == "correct":
        return "correction"
    if failure == "transposition":
        return "same code"
    if above is None or reward == above:
        return "equal"
    return "regression" if reward < above else "improvement"


def improvements(trials: Sequence[TrialRecord]) -> Iterator[tuple[int, float, float]]:
    """(trials told, seconds, reward) at each new best of the search."""
    best = 0.0
    for told, trial in enumerate(trials, start=1):
        reward = trial.outcome.reward
        if reward is not None and reward > best:
            best = reward
            yield told, trial.seconds, reward
