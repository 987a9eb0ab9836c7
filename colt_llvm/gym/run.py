"""COLT's loop (``run.loop``) in somebody's environment: its tree, whoever proposes, an episode for each sequence."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Literal, Protocol

from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.evaluation import Evaluation, Standing
from colt_llvm.gym.environment import make_environment, space_name
from colt_llvm.gym.episodes import Episodes, Valued
from colt_llvm.gym.options import EnvironmentFailed, EnvironmentOptions, SearchOptions
from colt_llvm.run.loop import Loop, LoopOptions
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import ColtSearch, DrawOptions, Model, Outcome, Proposal, RandomProposer, Request

DEFAULT_MODELS = (Model("random:1", 1), Model("random:7e9", 7e9))


Stopped = Literal["trials", "time", "interrupted", "exhausted", "failed", "no more calls"]


@dataclass(frozen=True)
class SearchResult:
    """What a search found."""

    env: str  #: the id of the environment
    benchmark: str | None  #: its URI
    reward_space: str | None  #: its name
    observation_space: str | None  #: its name
    sequence: tuple[str, ...]  #: the best; empty where no reward was above 0
    reward: float  #: cumulative reward of its episode, higher is better
    replayed: float | None  #: the same from a fresh environment; None where that failed or was cut short
    confirmed: bool  #: both are equal
    found_at: int | None  #: number of the trial, from 1; None for the empty sequence
    trials: int  #: sequences that were valued
    transpositions: int  #: trials that led to a state known before
    failures: Mapping[str, int]  #: other failed trials by kind
    examples: Mapping[str, str]  #: what was said of the first of each kind
    models: Mapping[str, Mapping[str, float]]  #: calls, hits and so on by model
    actions: int  #: that proposals were made of
    forking: bool  #: states were kept as forks
    seed: int  #: of tree and proposals
    seconds: float  #: wall-clock time
    stopped: Stopped  #: why the search ended
    note: str = ""  #: more on that
    history: tuple[tuple[int, float], ...] = field(default=())  #: trial, reward: each time it got better


def result_to_dict(result: SearchResult) -> dict[str, Any]:
    """One object of plain values. ``seconds`` alone differs between two runs with one seed and a budget of trials."""
    return asdict(result) | {"sequence": list(result.sequence), "history": [list(item) for item in result.history]}


class Proposer(Protocol):
    """Anything that answers a request with actions to append and the model to be asked next.

    One with ``prepare``, as :mod:`colt_llvm.proposal` has them, is asked by that instead: its answer is called at once.
    ``observe`` is called with each outcome, where there is one.
    """

    def propose(self, request: Request) -> Proposal:
        """May raise NoMoreCalls: the search then ends with the best so far."""


#: actions, models, the search (its tree may be read), options -> who proposes
MakeProposer = Callable[[Sequence[str], Sequence[Model], ColtSearch, SearchOptions], Proposer]
#: trial number from 1, what it gave, whether it is the best so far
OnTrial = Callable[[int, Valued, bool], None]


def random_proposer(
    actions: Sequence[str], models: Sequence[Model], search: ColtSearch, options: SearchOptions
) -> Proposer:
    """Draws at random under each model's own name."""
    return RandomProposer(
        actions, models, options.seed, DrawOptions(options.min_actions, options.max_actions, signed=None)
    )


def run_search(
    environment: EnvironmentOptions,
    options: SearchOptions,
    *,
    models: Sequence[Model] = DEFAULT_MODELS,
    make_proposer: MakeProposer = random_proposer,
    on_trial: OnTrial | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Search until the budget is spent, or KeyboardInterrupt; the best so far is replayed and returned.

    Raises UsageError, EnvironmentFailed where not even the start can be made.
    """
    episodes = Episodes(
        environment.make or (lambda: make_environment(environment)),
        step_seconds=options.step_seconds, single_steps=options.single_steps, forks=options.forks,
    )  # fmt: skip
    try:
        search = _Search(models, options)
        proposer = make_proposer(options.allowed(episodes.actions), models, search, options)
        searching = _Searching(search, proposer, episodes, options, on_trial, clock)
        searching.run()
        return searching.result(environment)
    finally:
        episodes.close()


class _Search(ColtSearch):
    """COLT's tree, which goes on from no sequence that has no room left or whose episode has ended."""

    def __init__(self, models: Sequence[Model], options: SearchOptions) -> None:
        super().__init__(models, options.colt, options.seed)
        self._longest = options.max_length
        self.over: set[tuple[str, ...]] = set()  # sequences whose episode has ended

    def ask(self) -> Request | None:
        while (request := super().ask()) is not None:
            if len(request.sequence) < self._longest and request.sequence not in self.over:
                return request
            # Nobody is asked, and no trial is counted: after a few of these the tree leaves the node alone.
            self.tell(request, Proposal((), request.model, "nobody"), Outcome(None, None, "no room"))
        return None


class _Searching:
    """Who proposes and who evaluates, as the loop wants them, and what was found."""

    def __init__(
        self,
        search: _Search,
        proposer: Proposer,
        episodes: Episodes,
        options: SearchOptions,
        on_trial: OnTrial | None,
        clock: Callable[[], float],
    ) -> None:
        self._search, self._proposer, self._episodes, self._options = search, proposer, episodes, options
        self._on_trial, self._clock = on_trial, clock
        self._started = clock()
        self._time_is_over = threading.Event()
        self._valued = Valued(Outcome(None, None, "no actions"), ())  # the last sequence
        self._trials = self._transpositions = 0
        self._failures: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._best: tuple[str, ...] = ()
        self._history: list[tuple[int, float]] = [(0, 0.0)]
        self._stopped: Stopped = "trials"
        self._note = ""
        key = episodes.root_key
        self.baseline = None if key is None else Evaluation(0.0, key)

    def run(self) -> None:
        """Sets why it stopped. The one exception that gets out is a bug's or a usage error's."""
        # In this thread: somebody's environment may want the one that made it, and an interrupt reaches it at once.
        loop = Loop(self._search, self, self, self._note_trial, LoopOptions(in_flight=1, threads=False))
        most = self._options.most_trials
        try:
            loop.run(trials=most, seconds=None, stop=self._time_is_over)
            if loop.ended_because is not None:
                self._stopped, self._note = "no more calls", str(loop.ended_because)
            elif self._trials != most:
                self._stopped = "time" if self._time_is_over.is_set() else "exhausted"
        except KeyboardInterrupt:
            self._stopped = "interrupted"
        except EnvironmentFailed as error:
            self._stopped, self._note = "failed", str(error)

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The proposer's answer: actions that there are, as many as there is room for. It may raise NoMoreCalls."""
        prepare = getattr(self._proposer, "prepare", None)
        answer = partial(self._proposer.propose, request) if prepare is None else prepare(request)

        def within_bounds() -> Proposal:
            proposal = answer()
            unknown = set(proposal.passes) - set(self._episodes.actions)
            if unknown:
                raise UsageError(
                    f"{sorted(unknown)[0]!r} is no action here: a proposer may use the names it was given only"
                )
            passes = proposal.passes[: self._options.max_length - len(request.sequence)]
            self._valued = Valued(Outcome(None, None, "no actions"), request.sequence)
            return replace(proposal, passes=passes)

        return within_bounds

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Pass on to a proposer that listens."""
        observe = getattr(self._proposer, "observe", None)
        if observe is not None:
            observe(request, proposal, outcome)

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        """An episode. Raises EnvironmentFailed when nothing goes."""
        if sequence != self._valued.taken:  # else nothing was proposed
            self._valued = self._episodes.value(sequence)
        if self._valued.over:
            self._search.over.add(sequence)
        outcome = self._valued.outcome
        return Evaluation(outcome.reward, outcome.key, outcome.failure, outcome.figures, detail=self._valued.detail)

    def close(self) -> None:
        """Nothing: the best is still to be replayed."""

    def _note_trial(self, trial: TrialRecord) -> None:
        self._trials += 1
        valued, outcome = self._valued, trial.outcome
        if outcome.failure is not None:
            self._failures[outcome.failure] += 1
            self._examples.setdefault(outcome.failure, valued.detail)
        elif self._search.tree.nodes[-1].failure == "transposition":  # the tree's word on it
            self._transpositions += 1
        improved = outcome.reward is not None and outcome.reward > self._history[-1][1]
        best = self._history[-1][1]
        if outcome.reward == best > 0 and len(valued.taken) < len(self._best):
            self._best = valued.taken  # as good, and shorter
        if outcome.reward is not None and improved:
            self._best = valued.taken
            self._history.append((self._trials, outcome.reward))
        if self._on_trial is not None:
            self._on_trial(self._trials, valued, improved)
        if self._options.seconds is not None and self._clock() - self._started >= self._options.seconds:
            self._time_is_over.set()

    def result(self, environment: EnvironmentOptions) -> SearchResult:
        """The best, replayed in a fresh environment."""
        found_at, reward = self._history[-1]
        env = self._episodes.env
        spaces = space_name(env, "reward_space"), space_name(env, "observation_space_spec")
        benchmark = getattr(env, "benchmark", None)
        seconds = self._clock() - self._started
        replayed = self._replay() if self._best else 0.0
        return SearchResult(
            env=environment.env, benchmark=environment.benchmark if benchmark is None else str(benchmark),
            reward_space=spaces[0], observation_space=spaces[1], sequence=self._best, reward=reward,
            replayed=replayed, confirmed=replayed is not None and math.isclose(replayed, reward, rel_tol=1e-6,
                                                                              abs_tol=1e-9),
            found_at=found_at or None, trials=self._trials, transpositions=self._transpositions,
            failures=dict(self._failures), examples=self._examples,
            models={name: asdict(record) for name, record in self._search.statistics.by_model.items()},
            actions=len(self._episodes.actions), forking=self._episodes.forking, seed=self._options.seed,
            seconds=seconds, stopped=self._stopped, note=self._note, history=tuple(self._history[1:]),
        )  # fmt: skip

    def _replay(self) -> float | None:
        try:
            return self._episodes.replay(self._best).outcome.reward
        except (EnvironmentFailed, KeyboardInterrupt) as error:
            self._note = self._note or f"not replayed: {str(error) or 'interrupted'}"
            return None
