"""The loop: ask the tree, let the proposer answer, value the sequence, tell the tree."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

from colt_llvm.core.errors import UsageError
from colt_llvm.gym.environment import make_environment, space_name
from colt_llvm.gym.episodes import Episodes, Valued
from colt_llvm.gym.options import EnvironmentOptions, SearchOptions
from colt_llvm.gym.result import EnvironmentFailed, SearchResult, Stopped
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.search import ColtSearch, DrawOptions, Model, Outcome, Proposal, RandomProposer, Request

DEFAULT_MODELS = (Model("random:1", 1), Model("random:7e9", 7e9))


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
        search = ColtSearch(models, options.colt, options.seed)
        proposer = make_proposer(options.allowed(episodes.actions), models, search, options)
        loop = _Loop(search, proposer, episodes, options, on_trial, clock)
        loop.run()
        return loop.result(environment)
    finally:
        episodes.close()


class _Loop:
    def __init__(
        self,
        search: ColtSearch,
        proposer: Proposer,
        episodes: Episodes,
        options: SearchOptions,
        on_trial: OnTrial | None,
        clock: Callable[[], float],
    ) -> None:
        self._search, self._proposer, self._episodes, self._options = search, proposer, episodes, options
        self._on_trial, self._clock = on_trial, clock
        self._started = clock()
        self._trials = self._transpositions = 0
        self._failures: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._over: set[tuple[str, ...]] = set()  # sequences whose episode has ended
        self._best: tuple[str, ...] = ()
        self._history: list[tuple[int, float]] = [(0, 0.0)]
        self._stopped: Stopped = "trials"
        self._note = ""
        if episodes.root_key is not None:
            search.set_root_key(episodes.root_key)

    def run(self) -> None:
        """Sets why it stopped. The one exception that gets out is a bug's or a usage error's."""
        try:
            while (why := self._spent()) is None:
                request = self._search.ask()
                if request is None:
                    self._stopped = "exhausted"
                    return
                self._trial(request)
            self._stopped = why
        except KeyboardInterrupt:
            self._stopped = "interrupted"
        except NoMoreCalls as stop:
            self._stopped, self._note = "no more calls", str(stop)
        except EnvironmentFailed as error:
            self._stopped, self._note = "failed", str(error)

    def _spent(self) -> Stopped | None:
        most, seconds = self._options.most_trials, self._options.seconds
        if most is not None and self._trials >= most:
            return "trials"
        if seconds is not None and self._clock() - self._started >= seconds:
            return "time"
        return None

    def _trial(self, request: Request) -> None:
        room = self._options.max_length - len(request.sequence)
        if room <= 0 or request.sequence in self._over:
            # Nobody is asked, and no trial is counted: after a few of these the tree leaves the node alone.
            self._search.tell(request, Proposal((), request.model, "nobody"), Outcome(None, None, "no room"))
            return
        proposal = self._propose(request)
        self._check(proposal)
        proposal = replace(proposal, passes=proposal.passes[:room])
        sequence = request.sequence + proposal.passes
        if proposal.passes:
            valued = self._episodes.value(sequence)
        else:
            valued = Valued(Outcome(None, None, "no actions"), sequence)
        if valued.over:
            self._over.add(sequence)
        self._search.tell(request, proposal, valued.outcome)
        observe = getattr(self._proposer, "observe", None)
        if observe is not None:
            observe(request, proposal, valued.outcome)
        self._note_trial(valued)

    def _propose(self, request: Request) -> Proposal:
        prepare: Callable[[Request], Callable[[], Proposal]] | None = getattr(self._proposer, "prepare", None)
        return self._proposer.propose(request) if prepare is None else prepare(request)()

    def _check(self, proposal: Proposal) -> None:
        unknown = set(proposal.passes) - set(self._episodes.actions)
        if unknown:
            raise UsageError(
                f"{sorted(unknown)[0]!r} is no action here: a proposer may use the names it was given only"
            )

    def _note_trial(self, valued: Valued) -> None:
        self._trials += 1
        outcome = valued.outcome
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
