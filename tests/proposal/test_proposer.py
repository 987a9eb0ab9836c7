"""One request in, one joint action out, whatever the models do. The models are doubles, and nobody sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from colt_llvm.llvm.catalogue import Catalogue, load_catalogue
from colt_llvm.models.base import Answer, CallError, ModelSpec, NoMoreCalls, Prompt
from colt_llvm.models.budget import Budget, Limits
from colt_llvm.models.caller import Caller, Waiting
from colt_llvm.models.ledger import Ledger
from colt_llvm.models.question import Evidence
from colt_llvm.proposal.proposer import ModelProposer
from colt_llvm.proposal.questions import Questions
from colt_llvm.search import ColtOptions, ColtSearch, Model, Outcome, Proposal, Request
from colt_llvm.search.strategy import Task

GOOD = json.dumps({"passes": ["licm", "gvn"], "next_model": "small"})
Say = Callable[[Prompt], str]


@dataclass
class Double:
    """Answers what ``say`` gives; an exception in place of text is raised."""

    spec: ModelSpec
    say: Say = lambda prompt: GOOD
    prompts: list[Prompt] = field(default_factory=list)

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        self.prompts.append(prompt)
        return Answer(self.say(prompt))

    def close(self) -> None: ...


def failing(kind: str, retryable: bool = False) -> Say:
    def say(prompt: Prompt) -> str:
        raise CallError(kind, f"it is {kind}", retryable=retryable)

    return say


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(22)


class Run:
    """A search over a small and a large model."""

    def __init__(
        self, catalogue: Catalogue, small: Say | None = None, large: Say | None = None, *,
        stand_in: Say | None = None, limits: Limits | None = None, kind: str = "scripted",
        evidence: Callable[[tuple[str, ...]], Evidence] | None = None, **options: object,
    ) -> None:  # fmt: skip
        specs = [ModelSpec("small", kind, 7e9, max_retries=1), ModelSpec("large", kind, 70e9, max_retries=1)]  # type: ignore[arg-type]
        good: Say = lambda prompt: GOOD  # noqa: E731
        self.models = {"small": Double(specs[0], small or good), "large": Double(specs[1], large or good)}
        self.search = ColtSearch(
            [Model(spec.name, spec.parameters) for spec in specs],
            ColtOptions(**{"seeds": 1, "course_alteration_period": None, **options}),  # type: ignore[arg-type]
            seed=1,
        )
        self.ledger = Ledger(specs)
        caller = Caller(self.models.values(), Budget(limits), self.ledger, waiting=Waiting(sleep=lambda seconds: None))
        self.stand_in = Double(ModelSpec("policy", "embedded", 1.0), stand_in) if stand_in else None
        task = Task("size", "clang -Oz", "cpu", tuple(catalogue.names()), ("without<licm>",), {}, None, 1)
        self.proposer = ModelProposer(
            Questions(task, self.search, specs), caller, catalogue, stand_in=self.stand_in, evidence=evidence,
        )  # fmt: skip
        self._told = 0

    def propose(self, model: str) -> Proposal:
        """An answer for a request at the root with this acting model; the search is not told."""
        return self.proposer.prepare(Request(10_000, 0, (), model, "expand"))()

    def step(self) -> tuple[Request, Proposal]:
        """One iteration of the search; every sequence is a little better than the one before."""
        request = self.search.ask()
        assert request is not None
        proposal = self.proposer.prepare(request)()
        self._told += 1
        outcome = Outcome(self._told / 1000, f"key {self._told}")
        self.search.tell(request, proposal, outcome)
        self.proposer.observe(request, proposal, outcome)
        return request, proposal


def test_an_answer_becomes_a_proposal(catalogue: Catalogue) -> None:
    run = Run(catalogue)
    assert run.propose("large") == Proposal(("licm", "gvn"), "small", "large")
    assert [prompt.question.acting for prompt in run.models["large"].prompts] == ["large"]
    assert not run.models["small"].prompts


def test_a_confidence_reaches_the_tree_and_is_asked_for_by_puct(catalogue: Catalogue) -> None:
    said = '{"passes": ["licm"], "next_model": "small", "confidence": 0.3}'
    for selection in ("uct", "puct"):
        run = Run(catalogue, large=lambda prompt: said, selection=selection)
        _, proposal = run.step()
        assert (proposal.confidence, proposal.error) == (0.3, None)
        assert run.search.tree.nodes[-1].prior == 0.3
        (prompt,) = run.models["large"].prompts
        assert prompt.question.confidence_wanted == (selection == "puct")


def test_edits_may_be_proposed_too(catalogue: Catalogue) -> None:
    run = Run(catalogue, large=lambda prompt: '{"passes": ["without<licm>"], "next_model": "large"}')
    assert run.propose("large").passes == ("without<licm>",)


@pytest.mark.parametrize(
    ("text", "error"),
    [("I would rather not.", "not JSON"), ('{"passes": ["make-it-fast"], "next_model": "small"}', "no known pass")],
)
def test_a_bad_answer_costs_an_error_and_gives_a_random_expansion(catalogue: Catalogue, text: str, error: str) -> None:
    run = Run(catalogue, large=lambda prompt: text)
    request, proposal = run.step()
    assert (request.model, proposal.model, proposal.error) == ("large", "random expansion", error)
    assert proposal.passes
    assert set(proposal.passes) <= {*catalogue.names(), "without<licm>"}
    statistics = run.search.statistics.by_model["large"]
    assert (statistics.calls, statistics.errors, statistics.hits) == (1, 1, 0)


def test_a_wrong_next_model_costs_an_error_and_keeps_the_passes(catalogue: Catalogue) -> None:
    run = Run(catalogue, large=lambda prompt: '{"passes": ["licm"], "next_model": "zebra"}')
    _, proposal = run.step()
    assert (proposal.passes, proposal.model, proposal.error) == (("licm",), "large", "unknown model")
    assert run.search.statistics.by_model["large"].errors == 1
    assert run.search.tree.nodes[-1].next_model == "large", "the acting one, while nobody has a hit"


def test_a_failed_call_is_a_bad_answer_of_its_kind(catalogue: Catalogue) -> None:
    run = Run(catalogue, large=failing("server error", retryable=True))
    assert run.propose("large").error == "server error"
    assert run.ledger.errors_of("large") == 2, "the call and its retry"


def test_a_model_that_keeps_failing_is_set_aside_and_tried_again(catalogue: Catalogue) -> None:
    """Three failures in a row; then others answer for eight requests; then it has one try."""
    run = Run(catalogue, large=failing("refusal"), next_model="largest")
    steps = [run.step() for _ in range(13)]
    assert all(request.model == "large" for request, _ in steps)
    assert [proposal.asked for _, proposal in steps] == [""] * 3 + ["small"] * 8 + [""] + ["small"]
    assert [proposal.model for _, proposal in steps[:3]] == ["random expansion"] * 3
    assert {proposal.model for _, proposal in steps[3:11]} == {"small"}
    assert run.search.statistics.by_model["small"].calls == 9, "who answered is who is counted"
    assert run.search.statistics.by_model["large"].calls == 4


def test_a_model_that_is_set_aside_is_not_offered_as_the_next(catalogue: Catalogue) -> None:
    run = Run(catalogue, large=failing("refusal"), next_model="largest")
    for _ in range(4):
        run.step()
    offers = [offer.name for offer in run.models["small"].prompts[-1].question.offers]
    assert offers == ["small"]


def test_a_correction_goes_to_the_largest_that_is_left(catalogue: Catalogue) -> None:
    run = Run(catalogue)
    for _ in range(3):
        run.proposer.health.observe("large", ok=False)
    rejected = Proposal(("dce",), "small", "small")
    run.proposer.prepare(Request(9, 0, (), "large", "correct", rejected))()
    assert run.models["small"].prompts[-1].question.kind == "correct"
    assert not run.models["large"].prompts


def test_with_no_model_left_the_policy_that_ships_answers(catalogue: Catalogue) -> None:
    run = Run(catalogue, failing("connection"), failing("connection"), stand_in=lambda prompt: GOOD)
    proposals = [run.step()[1] for _ in range(9)]
    assert [proposal.model for proposal in proposals] == ["random expansion"] * 6 + ["policy"] * 3
    assert [proposal.asked for proposal in proposals[6:]] == ["policy"] * 3
    assert [proposal.error for proposal in proposals[6:]] == [None] * 3
    assert set(run.proposer.set_aside) == {"small", "large"}


def test_without_a_stand_in_the_search_goes_on_at_random(catalogue: Catalogue) -> None:
    run = Run(catalogue, failing("connection"), failing("connection"))
    proposals = [run.step()[1] for _ in range(8)]
    assert {proposal.model for proposal in proposals} == {"random expansion"}
    assert proposals[-1].error == "no model left"


def test_a_prompt_that_is_too_long_is_halved_once(catalogue: Catalogue) -> None:
    lengths: list[int] = []

    def picky(prompt: Prompt) -> str:
        lengths.append(sum(len(message.content) for message in prompt.messages))
        if len(lengths) == 1:
            raise CallError("too long", "the context is full")
        return GOOD

    assert Run(catalogue, large=picky).propose("large").passes == ("licm", "gvn")
    assert len(lengths) == 2
    assert lengths[1] < lengths[0] * 0.7


def test_a_call_that_was_cancelled_ends_the_search_instead_of_counting_as_an_answer(catalogue: Catalogue) -> None:
    with pytest.raises(NoMoreCalls):
        Run(catalogue, large=failing("cancelled")).propose("large")


def test_a_budget_that_is_spent_ends_the_search(catalogue: Catalogue) -> None:
    run = Run(catalogue, limits=Limits(max_calls=2))
    run.step()
    run.step()
    with pytest.raises(NoMoreCalls, match="max-calls"):
        run.step()


def test_only_those_who_read_text_are_given_evidence(catalogue: Catalogue) -> None:
    asked: list[tuple[str, ...]] = []

    def evidence(sequence: tuple[str, ...]) -> Evidence:
        asked.append(sequence)
        return Evidence(remarks=("missed licm in main: no",))

    reader = Run(catalogue, evidence=evidence)
    reader.propose("large")
    assert asked == [()]
    assert reader.models["large"].prompts[0].question.evidence.remarks == ("missed licm in main: no",)
    assert "missed licm in main: no" in reader.models["large"].prompts[0].messages[-1].content
    Run(catalogue, evidence=evidence, kind="embedded").propose("large")
    assert asked == [()], "a policy does not read it, so it is not made"


def test_what_a_model_is_told_is_settled_when_the_request_is_prepared(catalogue: Catalogue) -> None:
    """Others may be told to the search before the call is made."""
    run = Run(catalogue)
    request = run.search.ask()
    assert request is not None
    answer = run.proposer.prepare(request)
    other = Request(request.id, 0, (), "large", "seed")
    proposal = Proposal(("dce",), "small", "large")
    run.search.tell(other, proposal, Outcome(0.5, "x"))
    run.proposer.observe(other, proposal, Outcome(0.5, "x"))
    answer()
    assert run.models["large"].prompts[0].question.tried == ()


def test_a_policy_answers_at_once_so_that_the_next_one_knows_what_is_in_flight(catalogue: Catalogue) -> None:
    run = Run(catalogue, kind="embedded", seeds=3)
    first, second = run.search.ask(), run.search.ask()
    assert first is not None
    assert second is not None
    answer = run.proposer.prepare(first)
    run.proposer.prepare(second)
    assert [prompt.question.proposed for prompt in run.models["large"].prompts] == [(), (("licm", "gvn"),)]
    assert answer().passes == ("licm", "gvn")


def test_a_policy_that_may_not_be_asked_any_more_says_so_where_its_answer_is_wanted(
    catalogue: Catalogue,
) -> None:
    run = Run(catalogue, kind="embedded", seeds=3, limits=Limits(max_calls=1))
    first, second = run.search.ask(), run.search.ask()
    assert first is not None
    assert second is not None
    run.proposer.prepare(first)
    answer = run.proposer.prepare(second)
    with pytest.raises(NoMoreCalls):
        answer()


@pytest.mark.parametrize(("gain", "least", "most"), [(1.0, 15, 40), (0.0, 0, 8)])
def test_refinement_adds_what_the_policies_among_the_models_promise(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, gain: float, least: int, most: int
) -> None:
    """Twenty of hundreds of actions: without a promise they are seldom drawn."""
    asked: list[list[str]] = []
    promised = set(catalogue.names()[100:120])

    def append_gains(specs: Iterable[ModelSpec], objective: str) -> dict[str, float]:
        asked.append([spec.name for spec in specs] + [objective])
        return dict.fromkeys(promised, gain)

    monkeypatch.setattr("colt_llvm.models.embedded.append_gains", append_gains)
    run = Run(catalogue, refine_share=0.9)
    run.step()
    refinements = [run.proposer.prepare(Request(number, 0, (), "small", "refine"))() for number in range(100, 140)]
    assert asked == [["small", "large", "size"]]
    assert least <= sum(not promised.isdisjoint(proposal.passes) for proposal in refinements) <= most


def test_without_refinement_no_weights_are_asked(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colt_llvm.models.embedded.append_gains", None)  # would fail if it were called
    assert Run(catalogue).propose("large").passes == ("licm", "gvn")


def test_while_a_model_that_never_answered_is_waited_for_the_policy_that_ships_answers(catalogue: Catalogue) -> None:
    run = Run(catalogue, failing("late"), failing("late"), stand_in=lambda prompt: GOOD)
    first, second, third = (run.step()[1] for _ in range(3))
    assert (first.model, first.error, first.asked) == ("policy", "late", "")
    assert (second.model, second.error) == ("policy", "late")
    assert (third.model, third.error, third.asked) == ("policy", None, "policy"), "both are set aside"
    assert first.passes == ("licm", "gvn")
    assert run.proposer.stood_in == 3
    assert run.ledger.silent() == {}, "nothing was asked of them"


def test_several_proposals_of_one_answer_are_one_call(catalogue: Catalogue) -> None:
    names = ("licm", "gvn", "dse", "sroa")
    said = json.dumps({"proposals": [{"passes": [name], "next_model": "small"} for name in names]})
    run = Run(catalogue, large=lambda prompt: said, proposals=3, branching=3, seeds=0)
    steps = [run.step() for _ in range(3)]
    assert [proposal.passes for _, proposal in steps] == [("licm",), ("gvn",), ("dse",)]
    assert [proposal.model for _, proposal in steps] == ["large"] * 3
    (prompt,) = run.models["large"].prompts
    assert prompt.question.wanted == 3
    assert run.ledger.spent.calls == 1
    assert run.search.statistics.by_model["large"].hits == 3
