"""Value sequences of actions: an episode each, from ``reset`` or from a fork of a state met before.

The figure is the cumulative reward of the episode, as the environment gives it: higher is better, and 0 is the state
after ``reset``. For CompilerGym's spaces that is a difference of costs (bytes, instructions), or a share of one. It is
not a logarithm as elsewhere; the search scales values by the range that it has seen, so that its unit does not matter.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from colt_llvm.gym.environment import action_names, can_fork, close_quietly
from colt_llvm.gym.options import EnvironmentFailed
from colt_llvm.search import Outcome


def content_of(observation: Any) -> bytes | None:
    """The observation as bytes; None where there is none."""
    if observation is None:
        return None
    if isinstance(observation, bytes):
        return observation
    if isinstance(observation, np.ndarray):  # its text would leave out the middle
        return f"{observation.dtype}{observation.shape}".encode() + observation.tobytes()
    if isinstance(observation, dict):
        return repr([(key, content_of(value)) for key, value in sorted(observation.items(), key=str)]).encode()
    if isinstance(observation, (list, tuple)):
        return repr([content_of(value) for value in observation]).encode()
    if isinstance(observation, (str, int, float, bool)):
        return repr(observation).encode()
    text = repr(observation)
    return None if " at 0x" in text else text.encode()  # an address says nothing of the state


def digest_of(content: bytes) -> str:
    """A short name for some bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


_TIMEOUTS = {"TimeoutError", "PassTimedOut"}
_CRASHES = {"ServiceIsClosed", "ServiceTransportError", "SessionNotFound", "PassCrashed", "ServiceLost"}
_MEMORY = {"MemoryError", "PassOutOfMemory", "ServiceOSError"}


@dataclass(frozen=True)
class Valued:
    """One sequence."""

    outcome: Outcome  #: the reward, or the kind of failure
    taken: tuple[str, ...]  #: the actions that the episode had, fewer where it ended early
    detail: str = ""  #: why it failed
    over: bool = False  #: the episode has ended, without an error


@dataclass
class _State:
    """An environment within an episode."""

    env: Any  # where it goes on
    taken: tuple[str, ...]  # actions so far
    reward: float  # cumulative
    observation: Any  # the last one
    done: bool = False  # the episode is over, and no error


class _Failed(Exception):
    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Episodes:
    """Values sequences in one environment that ``make`` gives, and makes a new one when that cannot go on.

    step_seconds: limit of one call, for environments of compiler_gym. single_steps: one call for each action.
    forks: states that are kept, if the environment can be forked.
    """

    def __init__(
        self, make: Callable[[], Any], *, step_seconds: float = 60.0, single_steps: bool = False, forks: int = 32
    ) -> None:
        """Raises UsageError, EnvironmentFailed."""
        self._make = make
        self._step_seconds = step_seconds
        self._single_steps = single_steps
        self._kept: OrderedDict[tuple[str, ...], _State] = OrderedDict()  # forks, those used last at the end
        self.env = make()
        self._multistep = self._forks = False
        try:
            self.actions = action_names(self.env)
            self._number = {name: number for number, name in enumerate(self.actions)}
            self._multistep = callable(getattr(self.env, "multistep", None))
            root = self._begin()
            self.root_key = self._key(root)
            self._root: _State | None = None
            if forks and can_fork(self.env):
                self._forks, self._most_kept = self._forks_are_apart(root), forks
                self._recover()  # whatever became of it meanwhile
        except BaseException:
            self.close()
            raise

    @property
    def forking(self) -> bool:
        """Whether sequences go on from states met before."""
        return self._forks

    def value(self, sequence: Sequence[str]) -> Valued:
        """The outcome of one sequence. A failure costs its episode only. Raises EnvironmentFailed when nothing goes."""
        state: _State | None = None
        try:
            state = self._nearest(tuple(sequence))
            self._walk(state, sequence[len(state.taken) :], self._single_steps)
        except _Failed as failed:
            taken = state.taken if state is not None else ()
            if state is not None and state.env is not self.env:
                close_quietly(state.env)
            self._recover()
            return Valued(Outcome(None, None, failed.kind), taken, str(failed))
        if self._forks:
            self._keep(state)
        return self._valued(state)

    def replay(self, sequence: Sequence[str]) -> Valued:
        """The same in an environment of its own, from ``reset``, action by action."""
        self._drop()
        close_quietly(self.env)
        self.env = self._made()
        try:
            state = self._begin()
            self._walk(state, sequence, single_steps=True)
        except _Failed as failed:
            return Valued(Outcome(None, None, failed.kind), (), str(failed))
        return self._valued(state)

    def close(self) -> None:
        """End the environment, its forks and its service. Closing twice is harmless."""
        self._drop()
        close_quietly(self.env)

    # --- one episode

    def _begin(self) -> _State:
        try:
            observation = self.env.reset()
            if isinstance(observation, tuple) and len(observation) == 2 and isinstance(observation[1], dict):
                observation = observation[0]
            if self._multistep:
                # Some rewards take their first value for the start (gcc-v0's do): let that be the state before actions.
                self.env.multistep([])
        except Exception as error:
            raise EnvironmentFailed(f"the environment cannot be reset: {_line(error)}; check the benchmark") from error
        return _State(self.env, (), 0.0, observation)

    def _walk(self, state: _State, actions: Sequence[str], single_steps: bool) -> None:
        """Take the actions, as far as the episode goes. Raises _Failed."""
        if self._multistep and not single_steps:
            if actions and not state.done:
                self._take(state, tuple(actions))
            return
        for action in actions:
            if state.done:
                return
            self._take(state, (action,))

    def _take(self, state: _State, actions: tuple[str, ...]) -> None:
        numbers = [self._number[action] for action in actions]
        try:
            if self._multistep:
                reply = state.env.multistep(numbers, timeout=self._step_seconds)
            else:
                reply = state.env.step(numbers[0])
        except Exception as error:
            raise _Failed(_kind(type(error).__name__, error), _line(error)) from error
        observation, reward, ended, *more = reply
        info = more[-1] if isinstance(more[-1], dict) else {}
        if info.get("error_type"):
            kind = _kind(str(info["error_type"]), None)
            raise _Failed(kind, str(info.get("error_details") or info["error_type"]))
        if reward is None or not math.isfinite(float(reward)):
            raise _Failed("invalid", f"the reward is {reward}")
        state.reward += float(reward)
        state.taken += actions
        state.observation = observation
        state.done = bool(ended) or (len(more) == 2 and bool(more[0]))

    def _valued(self, state: _State) -> Valued:
        outcome = Outcome(state.reward, self._key(state), None, {"actions": float(len(state.taken))})
        return Valued(outcome, state.taken, over=state.done)

    def _key(self, state: _State) -> str | None:
        """Equal keys are one state to the search: observation and reward, or the actions once it is over."""
        if state.done:
            return "over-" + digest_of(repr(state.taken).encode())
        content = content_of(state.observation)
        return None if content is None else digest_of(content + repr(round(state.reward, 9)).encode())

    # --- states to go on from

    def _nearest(self, sequence: tuple[str, ...]) -> _State:
        """A state on the way to the sequence that may be changed: a fork of the nearest one known, or a new episode."""
        if not self._forks:
            return self._begin()
        if self._root is None:
            self._root = self._begin()
        known = self._root
        for length in range(len(sequence), 0, -1):
            if sequence[:length] in self._kept:
                known = self._kept[sequence[:length]]
                self._kept.move_to_end(sequence[:length])
                break
        if known.done:
            return _State(known.env, known.taken, known.reward, known.observation, True)
        try:
            return self._fork(known)
        except Exception:
            # Forks do not work after all: replay from now on.
            self._forks = False
            self._recover()
            return self._begin()

    def _fork(self, state: _State) -> _State:
        return _State(state.env.fork(), state.taken, state.reward, state.observation, state.done)

    def _keep(self, state: _State) -> None:
        if any(state.env is kept.env for kept in self._kept.values()):
            return  # it was over already
        old = self._kept.pop(state.taken, None)
        if old is not None:
            close_quietly(old.env)
        self._kept[state.taken] = state
        while len(self._kept) > self._most_kept:
            close_quietly(self._kept.popitem(last=False)[1].env)

    def _forks_are_apart(self, root: _State) -> bool:
        """Whether two forks, one after the other, see the same: else steps in one are felt in the other."""
        for action in dict.fromkeys(self.actions[index] for index in (0, 1 % len(self.actions), -1)):
            if self._after(root, action) != self._after(root, action):
                return False
        return True

    def _after(self, root: _State, action: str) -> object:
        """What a fork sees after an action. Not equal to anything where there is no fork."""
        fork: _State | None = None
        try:
            fork = self._fork(root)
            self._walk(fork, (action,), self._single_steps)
            return fork.reward, content_of(fork.observation)
        except _Failed as failed:
            return failed.kind  # says nothing of forks
        except Exception:
            return object()
        finally:
            if fork is not None and fork.env is not root.env:
                close_quietly(fork.env)

    # --- getting over a failure

    def _drop(self) -> None:
        while self._kept:
            close_quietly(self._kept.popitem()[1].env)
        self._root = None

    def _recover(self) -> None:
        """Leave nothing of the episodes so far. Raises EnvironmentFailed."""
        self._drop()
        try:
            start = self._begin()
        except EnvironmentFailed:
            close_quietly(self.env)
            self.env = self._made()
            start = self._begin()
        self._root = start if self._forks else None

    def _made(self) -> Any:
        try:
            return self._make()
        except Exception as error:
            raise EnvironmentFailed(f"the environment cannot be made again: {_line(error)}") from error


def _kind(name: str, error: BaseException | None) -> str:
    if name in _TIMEOUTS or isinstance(error, TimeoutError):
        return "timeout"
    if name in _CRASHES or isinstance(error, (ConnectionError, BrokenPipeError)):
        return "crash"
    if name in _MEMORY or isinstance(error, MemoryError):
        return "out of memory"
    return "error"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
