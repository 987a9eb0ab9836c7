"""The environment ``colt-llvm-decisions-v0``: its actions are what the benchmark's own code offers to decide.

import colt_llvm.env, compiler_gym
env = compiler_gym.make("colt-llvm-decisions-v0", benchmark="colt-v0/json?level=Oz", reward_space="ObjectTextSizeNorm")
env.reset()
env.step(env.action_space["noinline<put_token>"])

An action is a decision about a function, a call or a loop, or a threshold of the module (``llvm.decision``), so
``action_space`` depends on the benchmark. A state is a set of decisions; what is observed of it, and rewarded, is what
clang's pipeline at the benchmark's level makes of the module with them. Everything else is as in ``colt-llvm-v0``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import grpc
from compiler_gym.service.proto import EndSessionRequest, ForkSessionRequest
from compiler_gym.spaces import NamedDiscrete

from colt_llvm.core.errors import PassError, PipelineSyntaxError
from colt_llvm.decisions.offers import offers_of
from colt_llvm.env.connection import ServiceLost
from colt_llvm.env.environment import ColtEnv, CostReward
from colt_llvm.env.payload import BenchmarkRecord
from colt_llvm.env.stepping import Lost
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.decision import decide_text, is_decision
from colt_llvm.llvm.pipeline import level_pipeline
from colt_llvm.llvm.process_options import split_options, threshold_options, with_options
from colt_llvm.program.baseline import written_out
from colt_llvm.program.compilation import Level

SCOPES = ("module", "function", "call", "loop")

#: A service has to have an action from the start; decisions are defined as they are met.
_ACTIONS = (("verify", "verify"),)


class DecisionReward(CostReward):
    """A cost's decrease, counted from what clang's pipeline gives without any decision."""

    def __init__(self, like: CostReward) -> None:
        self.__dict__.update(like.__dict__)
        self._first = 0.0
        self._without: dict[str, float] = {}  # benchmark -> its first cost; the same in all copies

    def reset(self, benchmark: Any, observation_view: Any) -> None:
        super().reset(benchmark, observation_view)
        uri = str(benchmark)
        if uri not in self._without:
            self._without[uri] = float(observation_view[self.cost])
        self._previous = self._first = self._without[uri]

    def _find_unit(self, view: Any) -> float:
        return max(self._first, 1.0) if self.norm else super()._find_unit(view)


class DecisionsEnv(ColtEnv):
    """scopes: what may be decided about, of SCOPES. The other arguments are those of ColtEnv; ``actions`` has none."""

    def __init__(
        self, *arguments: Any, scopes: Sequence[str] = SCOPES, reward_space: Any = None, action_space: Any = None,
        **others: Any,
    ) -> None:  # fmt: skip
        del action_space  # there is one, and it is the benchmark's
        self._scopes = tuple(scopes)
        self._known: dict[str, tuple[NamedDiscrete, str]] = {}  # benchmark -> what it offers, and the pipeline after it
        self._numbers: dict[str, int] = {}  # of the service's actions, by their pipelines
        self._read = 0  # so many of those that were defined are in it
        self._blamed: int | None = None
        if "service_connection" not in others:
            others["actions"] = _ACTIONS
        super().__init__(*arguments, **others)
        spaces = self.reward.spaces
        spaces.update({name: DecisionReward(space) for name, space in spaces.items() if type(space) is CostReward})
        self.reward_space = reward_space

    # --- what can be decided

    @property
    def action_space(self) -> Any:
        """Names of decisions, those that promise most first. Without a benchmark there is nothing to decide."""
        return self._of_benchmark()[0]

    @action_space.setter
    def action_space(self, _: Any) -> None:
        """compiler_gym sets one by name."""
        self.action_space_name = None

    def _of_benchmark(self) -> tuple[NamedDiscrete, str]:
        benchmark = self._benchmark_in_use or self._next_benchmark
        uri = "" if benchmark is None else str(benchmark.uri)
        if uri not in self._known:
            names, completion = ["none"], ""
            if benchmark is not None:
                record = BenchmarkRecord.decode(benchmark.proto.program.contents)
                catalogue = toolchain_catalogue(self.toolchain)
                offered = offers_of(self.toolchain.load(), record.bitcodes, self._scopes, catalogue, "")
                names = [offer.name for offer in offered.offers] or names
                printed = written_out(self.toolchain, cast(Level, record.level), record.cflags, record.cxx)
                completion = printed or level_pipeline(self.toolchain.major, record.level)
            self._known[uri] = NamedDiscrete(names, name="decisions"), completion
        return self._known[uri]

    def pipeline(self) -> str:
        """The decisions taken with the pipeline that completes them, as a recipe has it."""
        names = self._names(self.actions)
        options, passes = split_options(self._completion(names))
        text = ",".join(filter(None, [decide_text([name for name in names if is_decision(name)]), passes]))
        return with_options(options, text)

    def _names(self, numbers: Sequence[int]) -> list[str]:
        names = self.action_space.names
        for number in numbers:
            if not 0 <= number < len(names):
                raise PipelineSyntaxError(f"action {number}: there are {len(names)}, from 0; see env.action_space")
        return [names[number] for number in numbers]

    def _completion(self, names: Sequence[str]) -> str:
        """clang's pipeline under the thresholds that were decided; of one threshold the greatest value counts."""
        values: dict[str, int] = {}
        for option in filter(None, map(threshold_options, names)):
            word, _, value = option.partition("=")
            values[word] = max(int(value), values.get(word, int(value)))
        options = tuple(f"{word}={value}" for word, value in sorted(values.items()))
        return with_options(options, self._of_benchmark()[1])

    # --- steps: the session stands at the decided module, what is observed is a fork of it that ran the pipeline

    def _call_step(self, service: Any, numbers: list[int], observations: list[int], timeout: float | None) -> Any:
        taken, new = self._names(self._actions), self._names(numbers)
        decided = [self._number_of(decide_text([name])) for name in new if is_decision(name)]
        completed = None
        if observations:
            completion = self._number_of(self._completion([*taken, *new]))
            completed = self._on_a_fork(service, [*decided, completion], observations, timeout)
        reply = super()._call_step(service, decided, [], timeout)
        reply.action_had_no_effect &= not any(threshold_options(name) for name in new if name not in taken)
        if completed is not None:
            reply.observation.extend(completed.observation)
        return reply

    def _on_a_fork(self, service: Any, numbers: list[int], observations: list[int], timeout: float | None) -> Any:
        own = self._session_id
        try:
            forked = service.stub.ForkSession(ForkSessionRequest(session_id=own), timeout=timeout or 60).session_id
        except grpc.RpcError as error:
            raise Lost(f"{error.code().name}: {error.details()}", False) from None
        self._session_id = self._blamed = forked
        try:
            reply = super()._call_step(service, numbers, observations, timeout)
            self._blamed = None
            return reply
        finally:
            self._session_id = own
            with contextlib.suppress(grpc.RpcError, ValueError):
                service.stub.EndSession(EndSessionRequest(session_id=forked), timeout=5)

    def _autopsy(self, service: Any, numbers: list[int], lost: Lost) -> tuple[PassError, int | None]:
        """Decisions show together, in the pipeline that follows them: of those of one call none is taken then."""
        own, blamed, self._blamed = self._session_id, self._blamed, None
        self._session_id = blamed if blamed is not None else own
        try:
            error, _ = super()._autopsy(service, numbers, lost)
        finally:
            self._session_id = own
        return error, None if isinstance(error, ServiceLost) else 0

    def _number_of(self, text: str) -> int:
        """Of the service's action with this pipeline, defined where it has none yet; forks share them all."""
        spec = self.spec_of_service
        for index in range(self._read, len(spec.defined)):
            self._numbers[spec.defined[index][1]] = len(spec.actions) + index
        self._read = len(spec.defined)
        return self._numbers[text] if text in self._numbers else self.define_action("decision", text)

    # --- episodes and forks

    def reset(self, *args: Any, **kwargs: Any) -> Any:
        observation = super().reset(*args, **kwargs)  # of the state itself, as the session begins with it
        space = self.observation_space_spec
        return observation if space is None else self.observation[space.id]

    def _init_kwargs(self) -> dict[str, Any]:
        kwargs = {key: value for key, value in super()._init_kwargs().items() if key != "action_space"}
        return {**kwargs, "scopes": self._scopes}

    def fork(self) -> DecisionsEnv:
        forked = super().fork()
        assert isinstance(forked, DecisionsEnv)
        forked._known = self._known
        return forked
