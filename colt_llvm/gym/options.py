"""What to search in, and how long. Checked once; light to import."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.search import ColtOptions, Model

DEFAULT_TRIALS = 100


class EnvironmentFailed(ColtError, RuntimeError):
    """An environment cannot be made or reset, or its service does not start."""


@dataclass(frozen=True)
class EnvironmentOptions:
    """Which environment, and how it is set up."""

    env: str  #: the id under which it is registered
    benchmark: str | None = None  #: a URI of its datasets, or a file
    reward: str | None = None  #: name of a space, for environments of compiler_gym
    observation: str | None = None  #: name of a space, for environments of compiler_gym
    action_space: str | None = None  #: name of a space, for environments of compiler_gym
    arguments: Mapping[str, Any] = field(default_factory=dict)  #: for the environment's constructor
    modules: tuple[str, ...] = ()  #: names, or Python files, imported first because they register environments
    make: Callable[[], Any] | None = None  #: gives the environment, instead of its id


@dataclass(frozen=True)
class SearchOptions:
    """The budget and the shape of proposals. Raises UsageError."""

    trials: int | None = None  #: sequences to value; 100 where neither this nor ``seconds`` is given
    seconds: float | None = None  #: wall-clock time of the search; only a budget of trials repeats exactly
    seed: int = 0  #: of tree and proposals
    max_length: int = 64  #: actions in a sequence, at most
    min_actions: int = 1  #: of one random proposal
    max_actions: int = 4  #: of one random proposal
    step_seconds: float = 60.0  #: how long one call to the environment may take, where it lets us say so
    single_steps: bool = False  #: one call for each action, also where several can go in one
    forks: int = 32  #: states that are kept to go on from; 0 replays every sequence from ``reset``
    actions: str | None = None  #: a regular expression; proposals are made of the names that it is found in
    #: Where most actions change nothing, many rounds of seeds bring no new state before one does.
    colt: ColtOptions = field(default_factory=lambda: ColtOptions(max_restarts_without_news=1_000))

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise UsageError(f"trials is {self.trials}: give 1 or more")
        for name in ("seconds", "step_seconds"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value}: give seconds above 0")
        if self.max_length < 1:
            raise UsageError(f"max_length is {self.max_length}: give 1 or more actions")
        if not 1 <= self.min_actions <= self.max_actions:
            raise UsageError(
                f"actions from {self.min_actions} to {self.max_actions} a proposal: give 1 <= least <= most"
            )
        if self.forks < 0:
            raise UsageError(f"forks is {self.forks}: give 0 or more")

        try:
            re.compile(self.actions or "")
        except re.error as error:
            raise UsageError(
                f"actions {self.actions!r}: {error}; give a regular expression such as '^-O|^-f'"
            ) from None

    def allowed(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the environment's actions that proposals may be made of. Raises UsageError for none."""
        found = tuple(name for name in names if re.search(self.actions or "", name))
        if not found:
            raise UsageError(f"actions {self.actions!r} is found in none of {len(names)} names, such as {names[0]!r}")
        return found

    @property
    def most_trials(self) -> int | None:
        """None where time alone ends the search."""
        return DEFAULT_TRIALS if self.trials is None and self.seconds is None else self.trials


def parse_models(text: str) -> tuple[Model, ...]:
    """``random:1,random:7e9``: pseudo models that draw at random, with a parameter count each. Raises UsageError."""
    models = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        kind, _, count = name.partition(":")
        try:
            parameters = float(count or "1")
        except ValueError:
            raise UsageError(f"models: {name!r} needs a parameter count, such as random:7e9") from None
        if kind != "random":
            raise UsageError(
                f"models: {name!r} is no model that this search knows; give random:1,random:7e9 or the like"
            )
        models.append(Model(name, parameters))
    if not models:
        raise UsageError("models: give at least one, such as random:1")
    return tuple(models)
