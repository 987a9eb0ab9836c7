"""From the search as it stands to what a model is told: one :class:`Question` for each request.

All of it is read off the tree, the only memory there is. What was tried at a node and what has paid are kept as
sums beside it, so that a question costs no walk through the tree.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from colt_llvm.models.base import ModelSpec
from colt_llvm.models.budget import Spending
from colt_llvm.models.question import Attempt, Evidence, Offer, Question, State
from colt_llvm.models.replay import asked_as
from colt_llvm.search import ColtSearch, Node, Outcome, Proposal, Request, Tree
from colt_llvm.search.strategy import Task
from colt_llvm.search.tree import ROOT

_MOST_ATTEMPTS = 256  # at one node: the last ones are told


class Questions:
    """Makes questions in the thread that tells the search; ``observe`` keeps up with what it is told."""

    def __init__(self, task: Task, search: ColtSearch, specs: Sequence[ModelSpec]) -> None:
        self.task = task
        self.search = search
        self.specs = tuple(specs)
        self._tried: defaultdict[int, deque[Attempt]] = defaultdict(lambda: deque(maxlen=_MOST_ATTEMPTS))
        self._gains: dict[str, tuple[float, int]] = {}  # action -> sum of gains, how many
        self._proposed: dict[int, tuple[str, ...]] = {}  # request id -> what it proposes; of some in flight
        self._misses = 0  # steps by policies in a row that were no better
        self._done = 0

    def make(self, request: Request, acting: str, offered: Callable[[str], bool], spent: Spending) -> Question:
        """acting: who is asked. offered: whether a model may be named as the next one."""
        tree = self.search.tree
        node = tree.nodes[request.node]
        parent = None if node.parent is None else tree.nodes[node.parent]
        grandparent = None if parent is None or parent.parent is None else tree.nodes[parent.parent]
        best = self.search.best()
        task = self.task
        others = [number for number in self.search.in_flight_at(node.id) if number != request.id]
        proposed = tuple(self._proposed[number] for number in others if number in self._proposed)
        return Question(
            request_id=request.id,
            seed=task.seed,
            kind=request.kind,
            acting=acting,
            objective=task.objective,
            baseline=task.baseline,
            cpu=task.cpu,
            state=state_of(tree, node),
            parent=None if parent is None else state_of(tree, parent),
            grandparent=None if grandparent is None else state_of(tree, grandparent),
            tried=tuple(self._tried.get(node.id, ())),
            paid={name: total / count for name, (total, count) in self._gains.items()},
            rejected=self._rejected(request),
            best=State(best.sequence, best.reward, best.outcome.figures, best.proposal.model) if best else None,
            offers=tuple(self._offer(spec) for spec in self.specs if offered(spec.name)),
            program=task.program,
            passes=task.passes,
            edits=task.edits,
            promised=task.promised,
            known_good=task.known_good,
            evidence=Evidence(),
            trials_done=self._done,
            proposed=proposed,
            in_flight=len(others) - len(proposed),
            trials_wanted=task.trials_wanted,
            calls=spent.calls,
            tokens=spent.tokens,
            cost=spent.cost,
            confidence_wanted=self.search.options.selection == "puct",
            misses=self._misses,
            wanted=self.search.wanted(request) if self.search.options.proposals > 1 else None,
        )

    def _rejected(self, request: Request) -> Attempt | None:
        """The small model's proposal that is to be corrected, with what it lost."""
        if request.rejected is None:
            return None
        for attempt in reversed(self._tried.get(request.node, ())):
            if (attempt.passes, attempt.model) == (request.rejected.passes, request.rejected.model):
                return attempt
        return Attempt(request.rejected.passes, request.rejected.model, None)

    def _offer(self, spec: ModelSpec) -> Offer:
        record = self.search.statistics.by_model[spec.name]
        price = spec.price.output or None
        policy = not asked_as(spec).is_language_model
        return Offer(spec.name, spec.parameters, record.calls, record.hit_rate, record.errors, price, policy)

    def note(self, request: Request, proposal: Proposal) -> None:
        """What a request in flight proposes, where that is known before its trial is told."""
        self._proposed[request.id] = proposal.passes

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial after the search was told, in the order of telling."""
        self._done += 1
        self._proposed.pop(request.id, None)
        tree = self.search.tree
        child, leaf = tree.nodes[-1], tree.nodes[request.node]
        gain = None
        if child.reward is not None and request.kind != "refine":  # there it says nothing of one action
            gain = child.reward - (leaf.reward or 0.0)
            for name in dict.fromkeys(proposal.passes):
                total, count = self._gains.get(name, (0.0, 0))
                self._gains[name] = (total + gain, count + 1)
        if request.kind == "expand":
            missed = self.search.models.is_policy(proposal.model) and not (gain is not None and gain > 0)
            self._misses = self._misses + 1 if missed else 0
        self._tried[request.node].append(Attempt(proposal.passes, proposal.model, gain, child.failure))


def state_of(tree: Tree, node: Node) -> State:
    """A live node as models are told of it."""
    return State(tree.sequence(node), node.reward or 0.0, node.figures, node.made_by if node.id != ROOT else "")
