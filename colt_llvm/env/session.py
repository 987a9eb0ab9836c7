"""The compilation session, the service that holds several of them, and values as messages. In the service process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from compiler_gym.service import proto
from compiler_gym.service.compilation_session import CompilationSession
from compiler_gym.service.runtime.compiler_gym_service import CompilerGymService

from colt_llvm.core.errors import ColtError, PassError, PipelineSyntaxError
from colt_llvm.env import guard as watch
from colt_llvm.env import observations
from colt_llvm.env.engine import Actions, Engine
from colt_llvm.env.payload import BenchmarkRecord

ACTION_SPACE_NAME = "passes"


def action_space(actions: Actions) -> Any:
    """The actions as compiler_gym's message."""
    return proto.ActionSpace(
        name=ACTION_SPACE_NAME,
        space=proto.Space(named_discrete=proto.NamedDiscreteSpace(name=[name for name, _ in actions])),
    )


def observation_space(space: observations.Space) -> Any:
    """An observation space as compiler_gym's message."""
    return proto.ObservationSpace(
        name=space.name,
        space=_space(space),
        deterministic=space.deterministic,
        platform_dependent=space.kind in (observations.BYTES, observations.SECONDS) or "Object" in space.name,
        default_observation=event(space.kind, _DEFAULTS[space.kind](space)),
    )


def _space(space: observations.Space) -> Any:
    up = proto.Int64Range(min=0)
    if space.kind == observations.INT:
        return proto.Space(int64_value=up)
    if space.kind == observations.TEXT:
        return proto.Space(string_value=proto.StringSpace(length_range=up))
    if space.kind == observations.BYTES:
        return proto.Space(byte_sequence=proto.ByteSequenceSpace(length_range=up))
    if space.kind == observations.SECONDS:
        return proto.Space(
            double_sequence=proto.DoubleSequenceSpace(length_range=up, scalar_range=proto.DoubleRange(min=0))
        )
    if space.kind == observations.VECTOR:
        return proto.Space(
            int64_box=proto.Int64Box(
                low=proto.Int64Tensor(shape=[space.size], value=[0] * space.size),
                high=proto.Int64Tensor(shape=[space.size], value=[(1 << 63) - 1] * space.size),
            )
        )
    from colt_llvm.llvm import features

    names = features.AUTOPHASE_NAMES if space.name.startswith("Autophase") else features.INST_COUNT_NAMES
    if not space.name.startswith("Autophase"):
        names = tuple(f"{name}Count" for name in names)
    return proto.Space(space_dict=proto.DictSpace(space={name: proto.Space(int64_value=up) for name in names}))


_DEFAULTS: Mapping[str, Any] = {
    observations.INT: lambda space: 0,
    observations.TEXT: lambda space: "",
    observations.BYTES: lambda space: b"",
    observations.SECONDS: lambda space: [],
    observations.VECTOR: lambda space: [0] * space.size,
    observations.DICT: lambda space: {},
}


def event(kind: str, value: Any) -> Any:
    """One observed value as a message."""
    if kind == observations.INT:
        return proto.Event(int64_value=value)
    if kind == observations.TEXT:
        return proto.Event(string_value=value)
    if kind == observations.BYTES:
        return proto.Event(byte_tensor=proto.ByteTensor(shape=[len(value)], value=value))
    if kind == observations.SECONDS:
        return proto.Event(double_tensor=proto.DoubleTensor(shape=[len(value)], value=value))
    if kind == observations.VECTOR:
        values = [int(entry) for entry in value]
        return proto.Event(int64_tensor=proto.Int64Tensor(shape=[len(values)], value=values))
    return proto.Event(
        event_dict=proto.DictEvent(event={name: proto.Event(int64_value=count) for name, count in value.items()})
    )


_SPACES = list(observations.SPACES.values())
_SPACE_MESSAGES = [observation_space(space) for space in _SPACES]
_NUMBER = {space.name: number for number, space in enumerate(_SPACES)}


class ColtSession(CompilationSession):
    """One episode: a place in the tree of states that all sessions of the service share.

    ``engine`` and ``build`` are set on a subclass by ``session_type``.
    """

    engine: Engine
    build: observations.Build
    observation_spaces = _SPACE_MESSAGES

    def __init__(self, working_directory: Path, action_space: Any, benchmark: Any) -> None:
        super().__init__(working_directory, action_space, benchmark)
        self.action_space = action_space
        self.benchmark = benchmark
        data = benchmark.program.contents
        self.node = self.engine.open(hashlib.blake2b(data).digest(), lambda: BenchmarkRecord.decode(data))

    def apply_action(self, action: Any) -> tuple[bool, Any, bool]:
        """End of the episode (never), a new action space (none), and whether the action had no effect."""
        before = self.node
        self.node = self.engine.apply(before, action.int64_value)
        return False, None, self.node.key == before.key

    def get_observation(self, observation_space: Any) -> Any:
        """One value of the present state, as compiler_gym's message."""
        space = _SPACES[_NUMBER[observation_space.name]]
        return event(space.kind, observations.value_of(space, self.engine, self.node, self.build))

    def fork(self) -> ColtSession:
        """Another episode at the same place."""
        forked = object.__new__(type(self))
        forked.__dict__.update(self.__dict__)
        return forked

    def handle_session_parameter(self, key: str, value: str) -> str | None:
        """``colt.counters``: what was computed and what was known, as JSON. ``colt.cache_bytes``: the store's limit.
        ``colt.forget``: drop every state that was computed, so that times are those of a new service.
        ``colt.define_action``: one more action, as JSON: its number, name and pipeline.

        The two ``llvm.`` names are those of CompilerGym's LLVM environment.
        """
        cls = type(self)
        if key == "colt.counters":
            store = self.engine.store
            extra = {"states": len(store), "stored_bytes": store.heavy_bytes, "evictions": store.evictions}
            return json.dumps({**self.engine.counters, **extra})
        if key == "colt.define_action":
            number, name, pipeline = json.loads(value)
            if number == len(self.engine.actions):  # else a service that was started with it
                self.engine.actions.append((name, pipeline))
            return str(number)
        if key == "colt.forget":
            self.engine.forget()
            return ""
        if key == "colt.cache_bytes":
            self.engine.store.set_max_bytes(int(value))
            return value
        if key == "llvm.set_runtimes_per_observation_count":
            cls.build = replace(cls.build, runtimes=max(1, int(value)))
            return value
        if key == "llvm.get_runtimes_per_observation_count":
            return str(cls.build.runtimes)
        if key == "llvm.set_warmup_runs_count_per_runtime_observation":
            cls.build = replace(cls.build, warmups=max(0, int(value)))
            return value
        return None


def session_type(engine: Engine, build: observations.Build, version: str) -> type[ColtSession]:
    """The class of this service's sessions; compiler_gym makes them without arguments of ours."""
    return type(
        "Session",
        (ColtSession,),
        {
            "engine": engine,
            "build": build,
            "compiler_version": version,
            "action_spaces": [action_space(engine.actions)],
        },
    )


class ColtService(CompilerGymService):
    """compiler_gym's service with its faults patched: a step takes effect as a whole or not at all, forks get an id of
    their own, and errors say what they are."""

    def __init__(self, working_directory: Path, kind: type[ColtSession]) -> None:
        super().__init__(working_directory=working_directory, compilation_session_type=kind)
        self.engine = kind.engine

    def StartSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        """An episode at a benchmark's first state."""
        with self.engine.lock:
            self.engine.guard.begin(watch.OBSERVATION, 0, -1)
            try:
                return super().StartSession(request, context)
            except MemoryError:
                watch.out_of_memory()
            finally:
                self.engine.guard.end()

    def ForkSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        """An episode at the place of another one."""
        with self.sessions_lock:
            session = self.sessions.get(request.session_id)
            if session is None:
                return _refuse(context, proto.ForkSessionReply(), grpc.StatusCode.NOT_FOUND, "Session not found")
            reply = proto.ForkSessionReply(session_id=self.next_session_id)
            self.sessions[self.next_session_id] = session.fork()
            self.next_session_id += 1
            return reply

    def Step(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Actions, then observations: all of it, or nothing has happened."""
        session = self.sessions.get(request.session_id)
        if session is None:
            message = f"Session not found: {request.session_id}"
            return _refuse(context, proto.StepReply(), grpc.StatusCode.NOT_FOUND, message)
        with self.engine.lock:
            before = session.node
            at = [watch.ACTION, 0]
            try:
                return self._step(session, request, at)
            except (ColtError, ValueError, OSError) as error:
                session.node = before
                syntax = isinstance(error, ValueError) and not isinstance(error, PassError)
                syntax = syntax or isinstance(error, PipelineSyntaxError)
                code = grpc.StatusCode.INVALID_ARGUMENT if syntax else grpc.StatusCode.ABORTED
                return _refuse(context, proto.StepReply(), code, _describe(error, at))
            except MemoryError:
                watch.out_of_memory()
            finally:
                self.engine.guard.end()

    def _step(self, session: ColtSession, request: Any, at: list[int]) -> Any:
        guard, engine = self.engine.guard, self.engine
        node = session.node
        no_effect = True
        for index, action in enumerate(request.action):
            at[1] = index
            guard.begin(watch.ACTION, index, request.session_id)
            previous, node = node, engine.apply(node, action.int64_value)
            no_effect &= node.key == previous.key
        reply = proto.StepReply(action_had_no_effect=no_effect)
        session.node = node
        at[0] = watch.OBSERVATION
        for number in request.observation_space:
            space = _SPACES[number]
            at[1] = number
            guard.begin(watch.OBSERVATION, number, request.session_id, space.limited)
            value = observations.value_of(space, engine, node, session.build)
            reply.observation.append(event(space.kind, value))
        return reply

    def SendSessionParameter(self, request: Any, context: Any) -> Any:  # noqa: N802
        """See ``ColtSession.handle_session_parameter``."""
        with self.engine.lock:
            return super().SendSessionParameter(request, context)

    def close(self) -> None:
        """Free what libLLVM holds."""
        with self.engine.lock:
            self.engine.close()


def _describe(error: Exception, at: Sequence[int]) -> str:
    """The error as JSON, for the client: its type, its text, and which action or observation it came from."""
    kind = type(error).__name__
    return json.dumps({"type": kind, "message": str(error), "during": at[0], "index": at[1]})


def _refuse(context: Any, reply: Any, code: Any, details: str) -> Any:
    context.set_code(code)
    context.set_details(details)
    return reply
