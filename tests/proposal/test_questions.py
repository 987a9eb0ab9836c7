"""What a model is told follows from the tree, and from nothing else."""

from __future__ import annotations

import pytest

from colt_llvm.models.base import ModelSpec, Price
from colt_llvm.models.budget import Spending
from colt_llvm.models.question import Attempt, Question
from colt_llvm.proposal.questions import Questions
from colt_llvm.search import ColtOptions, ColtSearch, Model, Outcome, Proposal, Request
from colt_llvm.search.strategy import Task

SPECS = (
    ModelSpec("small", "scripted", 7e9, Price(output=0.5)),
    ModelSpec("large", "scripted", 70e9, Price(output=8.0)),
)
TASK = Task("size", "clang -Oz", "cpu", ("licm", "gvn", "dce"), ("without<licm>",), {"TotalInstsCount": 9.0}, 50, 3)
BOTH = ("small", "large")


class Run:
    """A search that is told what a test says, and its questions."""

    def __init__(self, **options: object) -> None:
        models = [Model(spec.name, spec.parameters) for spec in SPECS]
        self.search = ColtSearch(models, ColtOptions(**{"seeds": 1, "branching": 1, **options}), seed=0)  # type: ignore[arg-type]
        self.questions = Questions(TASK, self.search, SPECS)

    def ask(self) -> Request:
        request = self.search.ask()
        assert request is not None
        return request

    def tell(
        self, request: Request, passes: tuple[str, ...], reward: float | None, key: str, by: str = "small"
    ) -> None:
        proposal = Proposal(passes, "small", by)
        outcome = Outcome(reward, key, None if reward is not None else "crash", {"size": 90.0})
        self.search.tell(request, proposal, outcome)
        self.questions.observe(request, proposal, outcome)

    def make(self, request: Request, spent: Spending | None = None, offered: tuple[str, ...] = BOTH) -> Question:
        return self.questions.make(request, request.model, lambda name: name in offered, spent or Spending())


def test_the_first_question_is_about_the_baseline() -> None:
    run = Run()
    question = run.make(run.ask())
    assert (question.kind, question.acting) == ("seed", "large")
    assert question.state.sequence == ()
    assert question.state.ratio == 1.0
    assert (question.parent, question.grandparent, question.best) == (None, None, None)
    assert (question.tried, question.paid) == ((), {})
    assert (question.objective, question.passes, question.edits) == ("size", TASK.passes, TASK.edits)
    assert (question.trials_done, question.trials_wanted, question.seed) == (0, 50, 3)
    assert question.program == {"TotalInstsCount": 9.0}


def test_tells_how_many_others_are_in_flight() -> None:
    run = Run(seeds=3)
    first, second = run.ask(), run.ask()
    assert run.make(second).in_flight == 1
    run.tell(first, ("licm",), 0.1, "a")
    assert run.make(second).in_flight == 0


def test_tells_what_others_in_flight_propose_where_that_is_known() -> None:
    run = Run(seeds=3)
    first, second, third = run.ask(), run.ask(), run.ask()
    run.questions.note(first, Proposal(("licm",), "a", "a"))
    assert (run.make(second).proposed, run.make(second).in_flight) == ((("licm",),), 1)
    run.tell(first, ("licm",), 0.1, "a")
    assert (run.make(third).proposed, run.make(third).in_flight) == ((), 1)
    run.search.abandon(second)
    assert run.make(third).in_flight == 0


def test_tells_of_the_state_its_parent_and_its_grandparent() -> None:
    run = Run()
    for passes, reward in ((("licm",), 0.1), (("gvn",), 0.3), (("dce",), 0.2)):
        run.tell(run.ask(), passes, reward, key=passes[0])
    question = run.make(run.ask())
    assert question.state.sequence == ("licm", "gvn", "dce")
    assert question.state.made_by == "small"
    assert question.state.figures == {"size": 90.0}
    assert question.parent is not None
    assert question.grandparent is not None
    assert question.parent.sequence == ("licm", "gvn")
    assert question.grandparent.sequence == ("licm",)
    assert question.best is not None
    assert question.best.reward == 0.3


def test_tells_what_was_tried_at_this_state_and_what_came_of_it() -> None:
    run = Run(branching=3)
    run.search.set_root_key("root")
    run.tell(run.ask(), ("licm",), 0.1, key="a")
    run.tell(run.ask(), ("gvn",), None, key="b")
    run.tell(run.ask(), ("dce",), 0.0, key="root")
    question = run.make(run.ask())
    assert question.state.sequence == ()
    assert question.tried == (
        Attempt(("licm",), "small", 0.1),
        Attempt(("gvn",), "small", None, "crash"),
        Attempt(("dce",), "small", 0.0, "transposition"),
    )


def test_what_paid_is_the_mean_gain_over_the_state_it_was_tried_in() -> None:
    run = Run()
    run.tell(run.ask(), ("licm",), 0.1, key="a")
    run.tell(run.ask(), ("licm", "gvn"), 0.4, key="b")  # 0.3 more than its parent
    run.tell(run.ask(), ("gvn", "gvn"), 0.3, key="c")  # 0.1 less
    paid = run.make(run.ask()).paid
    assert paid == {"licm": pytest.approx((0.1 + 0.3) / 2), "gvn": pytest.approx((0.3 - 0.1) / 2)}


def test_offers_the_models_that_may_be_named_with_their_record() -> None:
    run = Run()
    run.tell(run.ask(), ("licm",), 0.1, key="a")
    run.tell(run.ask(), ("gvn",), 0.3, key="b", by="large")
    request = run.ask()
    both = run.make(request).offers
    assert [(offer.name, offer.parameters, offer.price) for offer in both] == [
        ("small", 7e9, 0.5),
        ("large", 70e9, 8.0),
    ]
    assert [(offer.calls, offer.hit_rate) for offer in both] == [(1, 1.0), (1, 1.0)]
    assert [offer.name for offer in run.make(request, offered=("small",)).offers] == ["small"]


def test_a_correction_sees_what_regressed_and_by_how_much() -> None:
    run = Run(course_alteration_period=1)
    run.tell(run.ask(), ("licm",), 0.5, key="a")
    run.tell(run.ask(), ("gvn",), 0.2, key="b")
    correction = run.ask()
    assert correction.kind == "correct"
    question = run.make(correction)
    assert question.rejected is not None
    assert question.rejected.passes == ("gvn",)
    assert question.rejected.gain == pytest.approx(0.2 - 0.5)


def test_tells_what_was_spent() -> None:
    run = Run()
    question = run.make(run.ask(), Spending(4, 900, 0.25))
    assert (question.calls, question.tokens, question.cost) == (4, 900, 0.25)
