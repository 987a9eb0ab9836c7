"""The environment ``colt-llvm-v0``: compiler_gym's client over our service.

A pass that crashes, hangs or eats memory costs that action only. ``step`` then gives ``done=True`` and says what
happened in ``info``; ``actions`` holds what was applied before it, and the next call continues from there.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from compiler_gym.datasets import Benchmark
from compiler_gym.service import ConnectionOpts, SessionNotFound
from compiler_gym.service.client_service_compiler_env import ClientServiceCompilerEnv
from compiler_gym.service.proto import ForkSessionRequest
from compiler_gym.spaces import Reward
from compiler_gym.views import ObservationSpaceSpec

from colt_llvm.env.connection import ServiceConnection, ServiceSpec
from colt_llvm.env.datasets import IncludedPrograms, UserPrograms, make_benchmark, make_record
from colt_llvm.env.engine import Actions
from colt_llvm.env.guard import ServiceOptions
from colt_llvm.env.payload import unpack
from colt_llvm.env.stepping import Stepping
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.compilation import Level
from colt_llvm.program.program import Program, program_from_files


class CostReward(Reward):
    """The decrease of one observation.

    cost: the observation. first_cost: the one that gives the first state's cost. norm: in units of that.
    baseline: the observation whose gain over the first cost is the unit. options: of compiler_gym's Reward.
    """

    def __init__(
        self, name: str, cost: str, first_cost: str, *, norm: bool = False, baseline: str | None = None, **options: Any
    ) -> None:
        super().__init__(name=name, observation_spaces=[cost], default_value=0, default_negates_returns=True, **options)
        self.cost = cost
        self.first_cost = first_cost
        self.norm = norm
        self.baseline = baseline
        self._previous: float | None = None
        self._unit: float | None = None

    def reset(self, benchmark: Any, observation_view: Any) -> None:
        """An episode begins."""
        self._previous = self._unit = None

    def update(self, actions: Any, observations: Any, observation_view: Any) -> float:
        """The reward of a step. observations: the cost after it."""
        cost = _number(observations[0])
        if self._previous is None:
            self._previous = _number(observation_view[self.first_cost])
        if self._unit is None:
            self._unit = self._find_unit(observation_view)
        reward = (self._previous - cost) / self._unit
        self._previous = cost
        return reward

    def _find_unit(self, view: Any) -> float:
        if self.baseline:
            return max(_number(view[self.first_cost]) - _number(view[self.baseline]), 1.0)
        return max(_number(view[self.first_cost]), 1.0) if self.norm else 1.0

    def copy(self) -> CostReward:
        """For a fork: it goes on from the same cost."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


class TimeReward(CostReward):
    """Seconds saved. The first figure of an episode is its first step's own: there is none for the first state."""

    def __init__(self, name: str) -> None:
        super().__init__(name, name, name, deterministic=False, platform_dependent=True)

    def update(self, actions: Any, observations: Any, observation_view: Any) -> float:
        """The reward of a step. observations: the cost after it."""
        if not len(observations[0]):
            return 0.0
        if self._previous is None:
            self._previous = _number(observations[0])
        return super().update(actions, observations, observation_view)


def _number(value: Any) -> float:
    return float(value) if not hasattr(value, "__len__") else statistics.median(map(float, value))


def make_rewards() -> list[Reward]:
    """All reward spaces of an environment: a cost's decrease since the step before, higher is better.

    ``X``: in units of the cost. ``XNorm``: as a share of the first state's cost. ``XO3``, ``XOz``: in units of what
    that pipeline gains over the first state (at least 1), so that 1 in all is as good as that pipeline. The Runtime and
    Buildtime rewards are noisy, and count from the first step of an episode.
    """
    rewards: list[Reward] = []
    stems = (("IrInstructionCount", "IrInstructionCount", False), ("ObjectTextSizeBytes", "ObjectTextSize", True))
    for cost, stem, dependent in stems:
        options: dict[str, Any] = {"deterministic": True, "platform_dependent": dependent}
        first = f"{stem}O0"
        rewards.append(CostReward(cost, cost, first, **options))
        rewards.append(CostReward(f"{stem}Norm", cost, first, norm=True, max=1.0, **options))
        for level in ("O3", "Oz"):
            baseline = f"{stem}{level}"
            rewards.append(CostReward(baseline, cost, first, baseline=baseline, success_threshold=1.0, **options))
    return [*rewards, TimeReward("Runtime"), TimeReward("Buildtime")]


def catalogue_actions(toolchain: Toolchain) -> Actions:
    """(name, pipeline) of each action. A version without a catalogue of its own takes what it accepts of another."""
    return tuple((action.name, action.pipeline) for action in toolchain_catalogue(toolchain).actions)


def split_commandline(commandline: str, names: Sequence[str]) -> list[int]:
    """The action numbers in ``commandline``: names, one after another. Raises LookupError."""
    number = {name: index for index, name in enumerate(names)}
    try:
        return [number[name] for name in commandline.split()]
    except KeyError as error:
        raise LookupError(f"{error.args[0]!r}: no such action; see env.action_space.names") from None


if TYPE_CHECKING:
    from typing_extensions import Unpack

_OPTS = ConnectionOpts(local_service_exit_max_seconds=2, rpc_max_retries=1)


class ServiceArguments(TypedDict, total=False):
    """The service of an environment."""

    toolchain: Toolchain | None  #: by default found as the command line does, from ``options.llvm_prefix``
    actions: Sequence[tuple[str, str]] | None  #: (name, pipeline) of each action, instead of the catalogue
    options: ServiceOptions | None  #: limits and places of the service
    connection_settings: ConnectionOpts | None  #: compiler_gym's
    service: Any  #: for compiler_gym's sake; what is given is not used
    service_connection: ServiceConnection | None  #: of an environment whose service is shared


class ColtEnv(Stepping, ClientServiceCompilerEnv):
    """The environment; its first four arguments are compiler_gym's."""

    service: ServiceConnection | None

    def __init__(
        self,
        benchmark: str | Benchmark | None = None,
        observation_space: str | ObservationSpaceSpec | None = None,
        reward_space: Any = None,
        action_space: Any = None,
        **service: Unpack[ServiceArguments],
    ) -> None:
        """Raises TypeError for an argument that there is not, ToolchainError, ServiceError."""
        if unknown := sorted(service.keys() - ServiceArguments.__optional_keys__):
            known = ", ".join(sorted(ServiceArguments.__optional_keys__))
            raise TypeError(f"ColtEnv: unknown argument {unknown[0]!r}; known are {known}")
        settings = service.get("connection_settings") or _OPTS
        service_connection = service.get("service_connection")
        if service_connection is None:
            options = service.get("options") or ServiceOptions()
            toolchain = service.get("toolchain") or find_toolchain(options.llvm_prefix)
            spec = ServiceSpec(toolchain, tuple(service.get("actions") or catalogue_actions(toolchain)), options)
            service_connection = ServiceConnection(spec, settings)
        self.spec_of_service = service_connection.spec
        self.toolchain = service_connection.spec.toolchain
        self._session_generation = 0
        self._user_programs = UserPrograms()
        try:
            super().__init__(
                service=service_connection.endpoint,
                rewards=make_rewards(),
                datasets=[IncludedPrograms(self.toolchain), self._user_programs],
                benchmark=benchmark,
                observation_space=observation_space,
                reward_space=reward_space,
                connection_settings=settings,
                service_connection=service_connection,
            )
        except BaseException:
            service_connection.close()
            raise
        self.action_space = getattr(action_space, "name", action_space)
        service_connection.users.add(self)

    # --- benchmarks and actions

    def make_benchmark(
        self,
        program: Program | Path | str | Sequence[Path | str],
        *,
        cflags: Sequence[str] = (),
        ldflags: Sequence[str] = (),
        level: Level = "O3",
        codegen: str | None = None,
    ) -> Benchmark:
        """A benchmark from a Program, or from C, C++ or LLVM IR files. Raises CompileError, UsageError."""
        if not isinstance(program, Program):
            paths = [program] if isinstance(program, (str, Path)) else list(program)
            program = program_from_files(paths, cflags=cflags, ldflags=ldflags)
        record = make_record(self.toolchain, program, level, codegen)
        benchmark = make_benchmark(self.toolchain, None, program, record)
        self._user_programs.add(benchmark)
        return benchmark

    def define_action(self, name: str, pipeline: str) -> int:
        """Add an action while an episode is under way and return its number; its name is not in ``action_space``.

        For pipelines that are made up as a search goes, such as a full pipeline with some passes left out.
        """
        spec = self.spec_of_service
        number = len(spec.actions) + len(spec.defined)
        self.send_param("colt.define_action", json.dumps([number, name, pipeline]))
        spec.defined.append((name, pipeline))
        return number

    def commandline(self) -> str:
        """The names of the actions taken, one after another."""
        return str(self.action_space.to_string(self.actions))

    def commandline_to_actions(self, commandline: str) -> list[int]:
        """Raises LookupError."""
        return split_commandline(commandline, self.action_space.names)

    def pipeline(self) -> str:
        """The actions taken as one text for ``opt -passes=``."""
        return ",".join(self.spec_of_service.actions[action][1] for action in self.actions)

    def objects(self) -> list[bytes]:
        """Object code of the present state, one for each source. Raises PassError."""
        return unpack(bytes(self.try_multistep([], ["Object"])[0]))

    # --- episodes

    def _init_kwargs(self) -> dict[str, Any]:
        return {
            "action_space": self.action_space.name,
            "benchmark": self.benchmark,
            "connection_settings": self._connection_settings,
        }

    def reset(self, *args: Any, **kwargs: Any) -> Any:
        """Begin an episode; arguments as of compiler_gym. Starts a new service where the old one has died."""
        self._ensure_service()
        # The actions so far must not be replayed, and compiler_gym would end a session that is gone.
        if not self._session_is_current():
            self._session_id = None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Changing the benchmark has no effect")
            observation = super().reset(*args, **kwargs)
        self._session_generation = cast(ServiceConnection, self.service).generation
        return observation

    def fork(self) -> ColtEnv:
        """An environment in the same state, which shares the service. A crash in one does not end the other."""
        if not self._begun():
            self.reset()
        self._revive()
        service = cast(ServiceConnection, self.service)
        reply = service(service.stub.ForkSession, ForkSessionRequest(session_id=self._session_id))
        forked = type(self)(**self._init_kwargs(), service_connection=service)
        forked._session_id = reply.session_id
        forked._session_generation = service.generation
        forked._benchmark_in_use = forked._next_benchmark = self._benchmark_in_use
        forked.reward.spaces = {
            name: space.copy() if hasattr(space, "copy") else space for name, space in self.reward.spaces.items()
        }
        forked.observation.spaces = dict(self.observation.spaces)
        if self.observation_space_spec:
            forked.observation_space = self.observation_space_spec.id
        if self.reward_space:
            forked.reward_space = self.reward_space.name
        forked.episode_reward = self.episode_reward
        forked.episode_start_time = self.episode_start_time
        forked._actions = self.actions.copy()
        forked._params_to_send_on_reset = list(self._params_to_send_on_reset)
        return forked

    def close(self) -> None:
        """End the episode, and the service when nobody else uses it. Closing twice is harmless."""
        service = getattr(self, "service", None)
        if service is None:
            return
        self.service = None
        service.users.discard(self)
        if not service.users:
            service.discard()
        elif self._session_is_current(service):
            self._end_session(service)
        self._session_id = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be half gone
            self.close()

    def counters(self) -> dict[str, int]:
        """What the service computed and what it knew already. See session.py."""
        return dict(json.loads(self.send_param("colt.counters", "")))

    # --- compiler_gym's validate() resets this environment after it made a fork; both need the service

    def apply(self, state: Any) -> None:
        """Take the actions of a CompilerEnvState. Raises ValueError where one fails."""
        if not self.in_episode:
            self.reset(benchmark=state.benchmark)
        if self.benchmark != state.benchmark:
            warnings.warn(f"applying a state of {state.benchmark} to {self.benchmark}")
        for action in self.commandline_to_actions(state.commandline):
            _, _, done, info = self.step(action)
            if done:
                raise ValueError(f"the actions cannot be applied: {info.get('error_details')}")

    def validate(self, state: Any = None) -> Any:
        """Whether a state, by default the present one, gives the reward and the outputs that it should."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)  # compiler_gym speaks to pydantic 1
            return super().validate(state)

    @property
    def in_episode(self) -> bool:
        """Whether ``reset`` was called; a service that died does not end it."""
        return self._begun()

    def _begun(self) -> bool:
        return self._session_id is not None

    def send_params(self, *params: Iterable[tuple[str, str]], resend_on_reset: bool = False) -> list[str]:
        """Parameters of the session; its answers. Raises SessionNotFound before ``reset``."""
        if not self._begun():
            raise SessionNotFound("Must call reset() before send_params()")
        self._revive()
        return list(super().send_params(*params, resend_on_reset=resend_on_reset))
