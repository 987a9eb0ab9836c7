"""COLT (arXiv 2602.01935): Monte Carlo tree search in which the models choose who is asked next.

One iteration is ``ask`` (select), an answer and its evaluation elsewhere, and ``tell`` (expand, course alteration,
backpropagate). With one request in flight this is exactly the sequential algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from colt_llvm.core.errors import UsageError
from colt_llvm.search.model_set import ModelSet, Statistics, first_model, next_model
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.protocol import InFlight, Kind, Model, Outcome, Proposal, Request, Trial, better_trial, derived
from colt_llvm.search.selection import select, smallness
from colt_llvm.search.strategy import DeclaredStrategy
from colt_llvm.search.tree import (
    ROOT,
    Node,
    Tree,
    add_virtual_loss,
    backpropagate,
    expansion_failed,
    grow,
)

#: Requests after which seed proposals are asked for more and more seldom: as many in each doubling.
SEEDS_THIN_OUT_AFTER = 100


# Course alteration (arXiv 2602.01935): after persistent regressions by small models the largest one steps in.


def is_regression(child_reward: float, leaf_reward: float) -> bool:
    """A child below its leaf. Equal is no regression."""
    return child_reward < leaf_reward


def replaces(correction_reward: float, small_reward: float) -> bool:
    """The correction's child replaces the small model's unless it is worse."""
    return not correction_reward < small_reward


@dataclass(slots=True)
class RegressionRun:
    """The current run of regressions by small models, over the whole search."""

    period: int | None  # K; None: never correct
    length: int = 0

    def observe(self, regression: bool, by_small_model: bool) -> bool:
        """Take note of one new child; True when it is to be corrected: the run is a multiple of K long.

        Any non-regression ends the run. A regression by the largest model neither lengthens nor ends it (ours:
        it is not the small models' doing, and no sign of recovery either).
        """
        if not regression:
            self.length = 0
            return False
        if not by_small_model:
            return False
        self.length += 1
        return self.period is not None and self.length % self.period == 0


@dataclass(frozen=True)
class Correction:
    """A child that waits for the largest model's word on it."""

    leaf: int  # node id where both models are asked
    child: int  # node id of the small model's child
    rejected: Proposal  # what the small model had proposed


#: How sequences are signed that a search begins with since they did good to functions of the program before. No model
#: may have this name.
KNOWN = "known functions"


class ColtSearch:
    """The strategy of the paper, under :class:`colt_llvm.search.protocol.Strategy`.

    ``tree`` and ``statistics`` are there to be read: prompts and reports are made from them.
    """

    def __init__(
        self, models: Sequence[Model], options: ColtOptions, seed: int, begin_with: Sequence[tuple[str, ...]] = ()
    ) -> None:
        """begin_with: whole sequences that come first; no model is asked for them.

        Raises UsageError for an empty or ambiguous model set, or a fixed model that is not in it.
        """
        self.models = ModelSet.of(models)
        self.options = options
        self.seed = seed
        self.begins_with = begin_with
        self.tree = Tree(first_model(self.models, options), options.branching, options.places)
        self.statistics = Statistics(self.models)
        least, greatest = self.models.least_parameters, self.models.greatest_parameters
        self.phi = {model.name: smallness(model.parameters, least, greatest) for model in models}  # by model name
        self.run = RegressionRun(options.course_alteration_period)
        self._best: Trial | None = None
        self._in_flight = InFlight()
        self._corrections: list[Correction] = []  # due, not asked yet; the first is asked first
        self._correcting: dict[int, Correction] = {}  # asked, by request id
        #: Proposals of told answers that nobody has tried, their ids those answers'; before these, what is begun with.
        self._given = [self._to_begin_with(names) for names in begin_with]
        self._given_seeds: set[int] = set()  # ids of such requests in flight that were counted as seeds
        self._seeds_left = options.seeds
        self._restarts_without_news = 0
        self._turn = 0  # live children so far, for the round-robin policy

    def _to_begin_with(self, names: tuple[str, ...]) -> Request:
        model = self.tree.root.next_model
        return Request(0, ROOT, (), model, "seed", given=Proposal(names, model, KNOWN))

    def set_root_key(self, key: str) -> None:
        """The object code of the baseline: a proposal that gives it again is no new state."""
        self.tree.root.key = key
        self.tree.by_key[key] = ROOT

    def best(self) -> Trial | None:
        """The trial with the greatest reward, that of the shorter sequence among equals; None before any."""
        return self._best

    def in_flight_at(self, node: int) -> list[int]:
        """Ids of the requests to models that are in flight at this node, the first first."""
        return [
            request.id
            for request in self._in_flight.pending.values()
            if request.node == node and request.kind != "refine"
        ]

    @property
    def exhausted(self) -> bool:
        """Whether ``ask`` gives None for good."""
        return not self._in_flight.pending and self._choose(0) is None

    def wanted(self, request: Request) -> int:
        """How many proposals an answer to a request in flight is to hold: as many as its node lacks."""
        lacking = 0
        if request.kind == "seed":
            lacking = self._seeds_left
        elif request.kind == "expand":
            lacking = self.tree.lacking(self.tree.nodes[request.node])
        waiting = sum((given.node, given.kind) == (request.node, request.kind) for given in self._given)
        return max(1, min(self.options.proposals, 1 + lacking - waiting))

    # Ask: corrections that are due, then what answers proposed beside their first, then seeds, then the tree policy.

    def ask(self) -> Request | None:
        """The next request; None while a pending one has to be told first, or for good (see ``exhausted``)."""
        request = self._choose(self._in_flight.next_id)
        if request is not None:
            self._hand_out(request)
        return request

    def _choose(self, request_id: int) -> Request | None:
        """What comes next. Changes nothing."""
        if self._corrections:
            due = self._corrections[0]
            return self._request(request_id, self.tree.nodes[due.leaf], "correct", due.rejected)
        for given in self._given:
            if given.kind == "seed" or self.tree.has_room(self.tree.nodes[given.node]):
                return replace(given, id=request_id)
        if self._seeds_left:
            return self._request(request_id, self.tree.root, "seed")
        if self._is_a_later_seed(request_id):
            return self._request(request_id, self.tree.root, "seed")
        if self.tree.root.open and self._refines(request_id):
            return self._request(request_id, self.tree.root, "refine")
        if self.tree.root.open:
            return self._request(request_id, select(self.tree, self.phi, self.options), "expand")
        if not self._in_flight.pending and self._restarts_without_news < self.options.max_restarts_without_news:
            return self._request(request_id, self.tree.root, "seed")  # the tree is exhausted: a restart (ours)
        return None

    def _is_a_later_seed(self, request_id: int) -> bool:
        """Whether this one asks for one more seed proposal: a share of the requests after the seeds, by their ids.

        From the hundredth on the share thins out, for models come to an end of what they would begin with.
        """
        if not self.options.seed_share or request_id < self.options.seeds:
            return False
        share = self.options.seed_share * min(1.0, SEEDS_THIN_OUT_AFTER / max(1, request_id))
        return derived(self.seed, "idea", request_id).random() < share

    def _refines(self, request_id: int) -> bool:
        """Whether this one is for a variation of what is best so far: a share of the requests, drawn by their ids."""
        if self._best is None or self._best.reward <= 0 or not self.options.refine_share:
            return False
        return derived(self.seed, "refine", request_id).random() < self.options.refine_share

    def _request(self, request_id: int, leaf: Node, kind: Kind, rejected: Proposal | None = None) -> Request:
        model = leaf.next_model
        if kind == "correct":
            model = self._corrector("") or self.models.largest
        elif kind == "seed" and self.options.seed_models == "policies" and not self.models.is_policy(model):
            model = first_model(self.models, self.options)
        elif kind == "expand" and model == self.models.largest and not self._largest_is_due():
            model = self._corrector("") or self.models.largest_policy
        return Request(request_id, leaf.id, self.tree.sequence(leaf), model, kind, rejected)

    def _largest_is_due(self) -> bool:
        """Whether one more answer of the largest keeps within its share of them."""
        share, largest = self.options.largest_share, self.models.largest
        if share == 1.0 or self.options.next_model != "model" or self.models.is_policy(largest):
            return True
        language_models = self.models.language_models
        names = [model.name for model in (language_models if len(language_models) > 1 else self.models.models)]
        flying = [request.model for request in self._in_flight.pending.values()
                  if request.kind != "refine" and request.given is None]  # fmt: skip
        answers = {name: self.statistics.by_model[name].answers + flying.count(name) for name in names}
        return answers[largest] + 1 <= share * (sum(answers.values()) + 1)

    def _corrector(self, of: str) -> str | None:
        """The largest language model that may be asked now, and is larger than ``of``; None where there is none."""
        if self._largest_is_due():
            return self.models.largest
        least = self.models.parameters(of) if of in self.models else 0.0
        others = [
            model
            for model in self.models.language_models
            if model.name != self.models.largest and model.parameters > least
        ]
        return max(others, key=lambda model: model.parameters).name if others else None

    def _hand_out(self, request: Request) -> None:
        """Note that the request is in flight. ``_take_back`` undoes it."""
        if request.kind == "correct":
            due = self._due(request)
            self._corrections.remove(due)
            self._correcting[request.id] = due
        elif request.given is not None:
            self._given.remove(self._waiting(request))
            if request.kind == "seed" and self._seeds_left:
                self._seeds_left -= 1
                self._given_seeds.add(request.id)
        elif request.kind == "seed" and not self._is_a_later_seed(request.id):
            if not self._seeds_left:
                self._seeds_left = max(1, self.options.seeds)
                self._restarts_without_news += 1
            self._seeds_left -= 1
        self._in_flight.add(request)
        self._count_in_flight(request, +1)

    def _count_in_flight(self, request: Request, change: int) -> None:
        leaf = self.tree.nodes[request.node]
        add_virtual_loss(self.tree, leaf, change)
        if request.kind in ("seed", "expand"):  # a correction replaces a child or nothing; a variation is one too many
            leaf.expanding += change
            self.tree.refresh(leaf)

    def _due(self, request: Request) -> Correction:
        for due in self._corrections:
            if (due.leaf, due.rejected) == (request.node, request.rejected):
                return due
        raise UsageError(f"request {request.id} corrects nothing that is due: resume with the options of the first run")

    def _waiting(self, request: Request) -> Request:
        for waiting in self._given:
            if replace(waiting, id=request.id) == request:
                return waiting
        raise UsageError(f"request {request.id} has what no answer proposed: resume with the options of the first run")

    def abandon(self, request: Request) -> None:
        """Take a pending request back: the search is as before the ``ask``, but for the id, which is used up."""
        pending = self._in_flight.remove(request)
        if pending is None:
            return
        self._count_in_flight(pending, -1)
        if pending.kind == "correct":
            self._corrections.insert(0, self._correcting.pop(pending.id))
        elif pending.given is not None:
            self._given.insert(0, pending)
            self._seeds_left += pending.id in self._given_seeds
        elif pending.kind == "seed" and not self._is_a_later_seed(pending.id):
            self._seeds_left += 1

    # Tell: expand, course alteration, backpropagate.

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Settle a pending request; one that was told or abandoned before is left alone.

        Raises UsageError for a request that this search never handed out.
        """
        pending = self._in_flight.settle(request)
        if pending is None:
            return
        self._count_in_flight(pending, -1)
        self.statistics.answered(pending, proposal)
        correction = self._correcting.pop(pending.id, None)
        child = self._expand(pending, proposal, outcome, correction)
        self._remember(pending, proposal, outcome, child)
        self._given += [
            replace(pending, model=further.model, given=further)
            for further in proposal.further
            if further.model in self.models
        ]
        if correction is not None:
            self._settle(correction, child, proposal)
        elif child.live and not self._alter_course(pending, proposal, child):
            backpropagate(self.tree, child)

    def _expand(self, request: Request, proposal: Proposal, outcome: Outcome, correction: Correction | None) -> Node:
        if request.kind == "seed" and self.options.seed_models == "largest":
            model = first_model(self.models, self.options)
        else:
            model = self._next_model(request, proposal)
        if request.kind == "seed":
            self.tree.root.next_model = model
        corrected = None if correction is None else self.tree.nodes[correction.child]
        child = grow(self.tree, request, proposal, outcome, model, corrected)
        leaf = self.tree.nodes[request.node]
        if not child.live:
            if request.kind != "refine" and not (request.kind == "seed" and self._is_a_later_seed(request.id)):
                # (Those two say nothing of the root.)
                expansion_failed(self.tree, leaf, self.options.max_expansion_failures)
            self._note_failure(request, leaf, model)
            return child
        self._turn += 1
        self._restarts_without_news = 0
        if request.kind in ("seed", "expand") and _reward(child) > _reward(leaf):
            self.statistics.hit(proposal)
        else:
            self._note_failure(request, leaf, model)
        return child

    def _note_failure(self, request: Request, leaf: Node, named: str) -> None:
        """Nothing better came of a state: whom that step named is asked there next, where the options say so."""
        if request.kind == "expand" and self.options.after_failure == "named":
            leaf.next_model = named

    def _next_model(self, request: Request, proposal: Proposal) -> str:
        wanted = proposal.next_model
        known = wanted if wanted in self.models else self.statistics.best_model(acting=request.model)
        return next_model(self.models, self.options, self.seed, request.id, self._turn, known)

    def _alter_course(self, request: Request, proposal: Proposal, child: Node) -> bool:
        """Whether the child is to be corrected first; it is then held, and not backed up until that is settled."""
        if request.kind in ("seed", "refine"):
            return False
        # A stand-in's regression after a bad answer is that of the model asked: it gave nothing better.
        answerable = proposal.model if proposal.model in self.models else proposal.asked or request.model
        leaf = self.tree.nodes[request.node]
        regression = is_regression(_reward(child), _reward(leaf))
        if not self.run.observe(regression, self.models.is_small(answerable)) or not self._corrector(answerable):
            return False
        child.held = True
        self.tree.refresh(child)
        self._corrections.append(Correction(leaf.id, child.id, replace(proposal, further=())))
        return True

    def _settle(self, correction: Correction, child: Node, proposal: Proposal) -> None:
        """Keep the correction's child or the small model's, and back up that one alone."""
        small = self.tree.nodes[correction.child]
        kept = small
        if child.live:
            leaf = self.tree.nodes[correction.leaf]
            self.run.observe(is_regression(_reward(child), _reward(leaf)), by_small_model=False)
            if replaces(_reward(child), _reward(small)):
                self.statistics.correction_kept(proposal)
                self.tree.kill(small, "corrected")
                kept = child
            else:
                self.tree.kill(child, "worse than what it corrects")
        kept.held = False
        self.tree.refresh(kept)
        backpropagate(self.tree, kept)

    def _remember(self, request: Request, proposal: Proposal, outcome: Outcome, child: Node) -> None:
        if child.reward is not None:
            self._best = better_trial(self._best, Trial(request, proposal, outcome, child.reward))

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Ask and tell in one, for a journal's entries in the order in which they were told.

        Afterwards ``ask`` goes on as if the run had not been interrupted. Raises UsageError for an entry that
        does not fit: the journal belongs to other options or models.
        """
        if self._in_flight.settled(request):
            return
        if request.id not in self._in_flight.pending:
            self._check_fit(request)
            self._hand_out(request)
        self.tell(request, proposal, outcome)

    def _check_fit(self, request: Request) -> None:
        leaf = self.tree.nodes[request.node] if request.node < len(self.tree.nodes) else None
        if leaf is None or not leaf.live or leaf.held or self.tree.sequence(leaf) != request.sequence:
            raise UsageError(f"request {request.id} has no such leaf here: resume with the options of the first run")
        if request.model not in self.models:
            raise UsageError(f"request {request.id} asks {request.model!r}: resume with the models of the first run")


def _reward(node: Node) -> float:
    assert node.reward is not None  # holds for every live node
    return node.reward


COLT = DeclaredStrategy("colt", "one tree search that several models share (arXiv 2602.01935)", None, has_tree=True)
