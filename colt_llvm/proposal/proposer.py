"""Joins the search and the models: one request in, one joint action out, whatever the model does.

A model that fails, or answers with nothing that can be used, costs one error on its record and a random expansion
in its place (arXiv 2602.01935). One that keeps failing is not asked for a while: the best of the others stands in,
and when none is left, a policy that ships with the package.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.models import embedded
from colt_llvm.models.base import LATE, Answer, CallError, LanguageModel, NoMoreCalls, Prompt
from colt_llvm.models.caller import Caller
from colt_llvm.models.question import Evidence, Question
from colt_llvm.models.replay import asked_as
from colt_llvm.proposal.answer import JointAction, parse_answer
from colt_llvm.proposal.prompt import LEAST_TOKENS, PromptTooSmall, render
from colt_llvm.proposal.questions import Questions
from colt_llvm.search import ActionSet, DrawOptions, Outcome, Proposal, RandomProposer, Refiner, Request

logger = logging.getLogger(__name__)

#: How a random expansion is signed that stands in for a bad answer. No model may have this name.
RANDOM_EXPANSION = "random expansion"
_STAND_IN_SECONDS = 60.0
_ANY_ROOM = 1 << 30  # of a prompt that nobody reads as text


def _proposal(action: JointAction, signed: str, asked: str, error: str | None) -> Proposal:
    further = tuple(_proposal(each, signed, "", None) for each in action.further)
    return Proposal(
        action.passes, action.next_model, signed, error, asked, action.confidence, further=further
    )  # fmt: skip


def _raise(error: Exception) -> Proposal:
    raise error


class ModelProposer:
    """stand_in: answers when every model is set aside; None: random expansions do.

    evidence: what is known of a state's code; only asked for models that read text. Called from several threads.
    """

    def __init__(
        self,
        questions: Questions,
        caller: Caller,
        catalogue: Catalogue,
        *,
        stand_in: LanguageModel | None = None,
        evidence: Callable[[tuple[str, ...]], Evidence] | None = None,
    ) -> None:
        self._search = questions.search
        self._questions = questions
        self._caller = caller
        self._specs = {spec.name: spec for spec in questions.specs}
        self._catalogue = catalogue
        self._summaries = {action.name: action.summary for action in catalogue}
        self._stand_in = stand_in
        self._evidence = evidence
        self.health = Health()
        self.stood_in = 0  # proposals of the stand-in among those observed
        task = questions.task
        draws = DrawOptions(1, 3, signed=RANDOM_EXPANSION)
        self._random = RandomProposer([*task.passes, *task.edits], self._search.models.models, task.seed, draws)
        promised = {}
        if self._search.options.refine_share:
            promised = embedded.append_gains(map(asked_as, questions.specs), task.objective)
        self.refiner = Refiner(ActionSet(task.passes, task.edits), task.seed, {**promised, **task.promised},
                                surroundings=task.surroundings)  # fmt: skip

    # In the thread that tells the search.

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """Who is asked, and what that model is told, is settled now; the call may be made in another thread.

        A policy that ships with the package answers in a fraction of a millisecond, so it is asked at once: then those
        asked after it know what is in flight, and no sequence is built twice.
        """
        if request.kind == "refine":  # nobody is asked
            return self.refiner.prepare(request)
        if request.given is not None:  # an earlier answer proposed it too, or an earlier run
            self._questions.note(request, given := request.given)
            return lambda: given
        name = self._who(request)
        question = self._questions.make(
            request, name or self.stand_in_name, self.health.available, self._caller.ledger.spent
        )  # fmt: skip
        if name is None or not self._specs[name].can.at_once:
            return lambda: self._propose(request, name, question)
        try:
            proposal = self._propose(request, name, question)
        except NoMoreCalls as error:
            return partial(_raise, error)
        self._questions.note(request, proposal)
        return lambda: proposal

    def _who(self, request: Request) -> str | None:
        """The acting model; another one while that is set aside; None when all are."""
        available = [name for name in self._specs if self.health.available(name)]
        if request.model in available:
            return request.model
        if not available:
            return None
        if request.kind == "correct":  # the word of the largest there is
            return max(available, key=lambda name: self._specs[name].parameters)
        rates = {name: self._search.statistics.by_model[name].hit_rate or 0.0 for name in available}
        return max(available, key=lambda name: (rates[name], -self._specs[name].parameters))

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial after the search was told, in the order of telling; also those of a journal."""
        self._questions.observe(request, proposal, outcome)
        self.refiner.observe(request, proposal, outcome)
        if request.kind == "refine" or request.given is not None:
            return
        self.stood_in += proposal.model == self.stand_in_name
        asked = proposal.asked or request.model
        # A good proposal with a wrong next model is no failure. Requests to a stand-in count as time that passes.
        self.health.observe(asked, ok=proposal.model == asked, kind=proposal.error or "")

    @property
    def stand_in_name(self) -> str:
        return self._stand_in.spec.name if self._stand_in else RANDOM_EXPANSION

    @property
    def prompt_notes(self) -> list[str]:
        """What to tell of endpoints that cut prompts."""
        return self._caller.sizes.notes()

    @property
    def set_aside(self) -> list[str]:
        """Models that are not asked now."""
        return [name for name in self._specs if not self.health.available(name)]

    # In any thread.

    def _propose(self, request: Request, name: str | None, question: Question) -> Proposal:
        asked = "" if name == request.model else name or self.stand_in_name
        try:
            answer = self._ask(name, question) if name else self._ask_stand_in(question)
        except CallError as error:
            if error.kind == "cancelled":
                raise NoMoreCalls("the run was stopped") from error
            if error.kind == LATE and self._stand_in is not None:
                return self._stand_in_for(request, question, asked)
            return self._expand_at_random(request, error.kind, asked)
        except PromptTooSmall:
            return self._expand_at_random(request, "too long", asked)
        action = self._parse(answer, question)
        if not action.passes:
            return self._expand_at_random(request, action.error or "no known pass", asked)
        return _proposal(action, name or self.stand_in_name, asked, action.error)

    def _ask(self, name: str, question: Question) -> Answer:
        """Once more, shorter, where the endpoint finds it too long. Raises CallError, NoMoreCalls."""
        spec = self._specs[name]
        if spec.is_language_model and self._evidence is not None:
            question = replace(question, evidence=self._evidence(question.state.sequence))
        room = self._caller.room(name)
        try:
            return self._caller.ask(name, self._prompt(question, room), question.request_id)
        except CallError as error:
            if error.kind != "too long":
                raise
        learned = self._caller.room(name)  # the refusal may have said what it takes
        shorter = max(learned if learned < room else room // 2, LEAST_TOKENS)
        return self._caller.ask(name, self._prompt(question, shorter), question.request_id)

    def _stand_in_for(self, request: Request, question: Question, asked: str) -> Proposal:
        """What the stand-in proposes while a model that never answered is being waited for."""
        action = self._parse(self._ask_stand_in(replace(question, acting=self.stand_in_name)), question)
        if not action.passes:
            return self._expand_at_random(request, LATE, asked)
        return _proposal(action, self.stand_in_name, asked, LATE)

    def _ask_stand_in(self, question: Question) -> Answer:
        if self._stand_in is None:
            raise CallError("no model left", "every model is set aside")
        return self._stand_in.ask(self._prompt(question, _ANY_ROOM), _STAND_IN_SECONDS)

    def _prompt(self, question: Question, max_tokens: int) -> Prompt:
        return Prompt(question, lambda: render(question, self._summaries, max_tokens))

    def _parse(self, answer: Answer, question: Question) -> JointAction:
        action = parse_answer(
            answer.text, self._catalogue, question.edits, tuple(self._specs), question.wanted or 1
        )  # fmt: skip
        for given, taken in (pair for each in (action, *action.further) for pair in each.matched):
            logger.info("request %d: %r of %s taken as %r", question.request_id, given, question.acting, taken)
        return action

    def _expand_at_random(self, request: Request, error: str, asked: str) -> Proposal:
        return replace(self._random.propose(request), error=error, asked=asked)


#: Failures after which asking again cannot help.
_FOR_GOOD = frozenset({"authentication"})
#: Failures that cost much time.
_SLOW = frozenset({"timeout", LATE})


@dataclass
class _State:
    failed: int = 0  # in a row, while it is not set aside
    span: int = 0  # how long it was set aside last, in requests
    back_at: int | None = None  # it may be tried again when so many requests were observed; None: it was never away
    gone: bool = False
    answered: bool = False  # ever


class Health:
    """Which models are worth asking: no clock in it, only the order of what is told, so that runs repeat.

    A model that fails ``patience`` times in a row is set aside for ``first`` requests, then has one try.

    When that fails too it is set aside for twice as long, up to ``longest`` requests. One success clears it.
    One that never answered is set aside at its first time-out: three of them could be all that a run does.
    Why so: docs/decisions/0016.
    """

    def __init__(self, patience: int = 3, first: int = 8, longest: int = 64) -> None:
        self._patience = patience
        self._first = first
        self._longest = longest
        self._observed = 0
        self._states: dict[str, _State] = {}

    def observe(self, model: str, ok: bool, kind: str = "") -> None:
        """How a request to this model ended; in the order in which trials are told. kind: of the failure."""
        self._observed += 1
        state = self._states.setdefault(model, _State())
        if kind in _FOR_GOOD and not ok:
            state.gone = True
        elif ok:
            self._states[model] = _State(gone=state.gone, answered=True)
        elif self.available(model):
            state.failed += 1
            patience = 1 if kind in _SLOW and not state.answered else self._patience
            if state.failed >= patience or state.back_at is not None:
                state.span = min(self._longest, state.span * 2 or self._first)
                state.back_at = self._observed + state.span

    def available(self, model: str) -> bool:
        """Whether it may be asked now."""
        state = self._states.get(model)
        if state is None:
            return True
        return not state.gone and (state.back_at is None or self._observed >= state.back_at)

    def gone(self, model: str) -> bool:
        """Whether it is set aside for good."""
        return model in self._states and self._states[model].gone
