"""Taking steps, and getting over a service that died in one. The part of the environment that must be fast."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, cast

import grpc
from compiler_gym.service import SessionNotFound
from compiler_gym.service.proto import AddBenchmarkRequest, EndSessionRequest, Event, StartSessionRequest, StepRequest

from colt_llvm.core.errors import PassError, PassTimedOut
from colt_llvm.env.connection import Refusal, ServiceConnection, ServiceLost

logger = logging.getLogger(__name__)

#: How much longer than all time limits of the service together a call may take.
_GRACE_SECONDS = 30.0


class Stepping:
    """Mixed into ColtEnv, whose attributes it uses."""

    service: Any
    observation: Any
    reward_space: Any
    episode_reward: Any
    actions: list[int]
    _session_id: int | None
    _session_generation: int
    _actions: list[int]
    _benchmark_in_use: Any
    _params_to_send_on_reset: list[Any]
    _service_endpoint: Any
    spec_of_service: Any

    def raw_step(
        self,
        actions: Iterable[Any],
        observation_spaces: Sequence[Any],
        reward_spaces: Sequence[Any],
        timeout: float = 300,
    ) -> tuple[list[Any], list[float], bool, dict[str, Any]]:
        """One call to the service, for any number of actions. Raises PipelineSyntaxError, SessionNotFound."""
        numbers = [int(action) for action in actions]
        wanted = [space.index for space in observation_spaces]
        spaces = self.observation.spaces
        for reward in reward_spaces:
            wanted += [spaces[name].index for name in reward.observation_spaces]
        unique = list(dict.fromkeys(wanted))
        try:
            reply = self._perform(numbers, unique, timeout)
        except PassError as error:
            if isinstance(error, ValueError):
                raise
            info: dict[str, Any] = {"error_type": type(error).__name__, "error_details": str(error)}
            defaults = [space.default_value for space in observation_spaces]
            penalties = [float(space.reward_on_error(self.episode_reward or 0)) for space in reward_spaces]
            return defaults, penalties, True, info
        values = dict(zip(unique, reply.observation, strict=True))
        observed = [space.translate(values[space.index]) for space in observation_spaces]
        gained = []
        for reward in reward_spaces:
            inputs = [spaces[name].translate(values[spaces[name].index]) for name in reward.observation_spaces]
            gained.append(float(reward.update(numbers, inputs, self.observation)))
        info = {"action_had_no_effect": reply.action_had_no_effect, "new_action_space": False}
        return observed, gained, False, info

    def try_multistep(self, actions: Iterable[Any], observations: Sequence[str] = ()) -> list[Any]:
        """Take steps and return the named observations, in one call to the service.

        Raises PassCrashed, PassTimedOut, PassOutOfMemory, PassError or PipelineSyntaxError (of colt_llvm.core.errors).
        After a crash, ``actions`` holds those up to the culprit; after a PassError or PipelineSyntaxError, those
        before this call. Either way the environment goes on from there.
        """
        spaces = [self.observation.spaces[name] for name in observations]
        unique = list(dict.fromkeys(space.index for space in spaces))
        reply = self._perform([int(action) for action in actions], unique, None)
        values = dict(zip(unique, reply.observation, strict=True))
        return [space.translate(values[space.index]) for space in spaces]

    def _perform(self, numbers: list[int], observations: list[int], timeout: float | None) -> Any:
        """Step, and recover. ``_actions`` is right afterwards, whatever happened."""
        if self._session_id is None:
            raise SessionNotFound("Must call reset() before step()")
        for attempt in (1, 2):
            self._revive()
            service = cast(ServiceConnection, self.service)
            try:
                reply = self._call_step(service, numbers, observations, timeout)
            except Refusal as refusal:
                raise refusal.error from None
            except Lost as lost:
                error, culprit = self._autopsy(service, numbers, lost)
                if isinstance(error, ServiceLost) and attempt == 1:
                    logger.info("%s; trying again with a new service", error)
                    continue
                if culprit is not None:
                    self._actions.extend(numbers[:culprit])
                elif not isinstance(error, ServiceLost):
                    self._actions.extend(numbers)  # an observation of the state after them is to blame
                raise error from None
            self._actions.extend(numbers)
            return reply
        raise AssertionError("not reached")

    def _call_step(
        self, service: ServiceConnection, numbers: list[int], observations: list[int], timeout: float | None
    ) -> Any:
        request = StepRequest(
            session_id=self._session_id,
            action=[Event(int64_value=number) for number in numbers],
            observation_space=observations,
        )
        limit = self.spec_of_service.options.action_seconds * (len(numbers) + len(observations) + 1) + _GRACE_SECONDS
        limit = max(limit, 300.0) if timeout is None else min(limit, timeout)
        try:
            return service.stub.Step(request, timeout=limit)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ABORTED):
                raise Refusal(error.details()) from None
            raise Lost(f"{code.name}: {error.details()}", code == grpc.StatusCode.DEADLINE_EXCEEDED) from None
        except ValueError as error:  # a fork closed the dead service's channel in the meantime
            if "closed channel" not in str(error):
                raise
            raise Lost(str(error), False) from None

    def _autopsy(self, service: ServiceConnection, numbers: list[int], lost: Lost) -> tuple[PassError, int | None]:
        """Why there was no answer, and which of the actions is to blame. The dead service is put away."""
        connection = service.connection
        if lost.timed_out and connection is not None and service.generation == self._session_generation:
            connection.process.kill()
        buried = service.bury(self._session_generation)
        if buried is None:
            return ServiceLost("the service was closed; try again"), None
        error, culprit = buried[0].why_it_ended(buried[1], self._session_id, numbers)
        if lost.timed_out and culprit is not None:
            error = PassTimedOut(f"no answer in time ({lost}); leave it out or raise the limit")
        return error, culprit

    # --- coming back

    def _session_is_current(self, service: ServiceConnection | None = None) -> bool:
        service = service or self.service
        return (
            service is not None
            and self._session_id is not None
            and service.is_alive()
            and service.generation == self._session_generation
        )

    def _ensure_service(self) -> None:
        if self.service is None:
            self.service = ServiceConnection(self.spec_of_service, self._connection_settings)  # type: ignore[attr-defined]
            self.service.users.add(self)
        self.service.revive()

    def _revive(self) -> None:
        """Have a session in a living service, in the state that ``_actions`` says."""
        if self._session_is_current():
            return
        self._ensure_service()
        service = cast(ServiceConnection, self.service)
        proto = self._benchmark_in_use.proto
        service(service.stub.AddBenchmark, AddBenchmarkRequest(benchmark=[proto]))
        request = StartSessionRequest(action_space=0)
        request.benchmark.uri = proto.uri
        reply = service(service.stub.StartSession, request)
        self._session_id = reply.session_id
        self._session_generation = service.generation
        replay, self._actions = self._actions, []
        if replay:
            try:
                self._call_step(service, replay, [], None)
            except Refusal as refusal:
                raise refusal.error from None
            except Lost as lost:
                error, culprit = self._autopsy(service, replay, lost)
                self._actions = replay[: culprit or 0]
                raise error from None
            self._actions = replay
        if self._params_to_send_on_reset:
            parameters = [(item.key, item.value) for item in self._params_to_send_on_reset]
            self.send_params(*parameters)  # type: ignore[attr-defined]

    def _end_session(self, service: ServiceConnection) -> None:
        with contextlib.suppress(grpc.RpcError, ValueError):
            service.stub.EndSession(EndSessionRequest(session_id=self._session_id), timeout=5)


class Lost(Exception):
    """The service did not answer."""

    def __init__(self, details: str, timed_out: bool) -> None:
        super().__init__(details)
        self.timed_out = timed_out
