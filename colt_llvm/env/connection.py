"""The client's side of one service process: start it, call it, find out why it ended, end it.

Takes the place of compiler_gym's ManagedConnection, which runs the service under another interpreter, leaves it the
client's standard output, waits up to minutes for a service that hangs, and leaves its folder when the client dies.
Why so: docs/decisions/0028.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from compiler_gym.errors import ServiceError
from compiler_gym.service import CompilerGymServiceConnection, ConnectionOpts
from compiler_gym.service.connection import GRPC_CHANNEL_OPTIONS, Connection

from colt_llvm.core import errors
from colt_llvm.core.errors import PassCrashed, PassError, PassOutOfMemory, PassTimedOut
from colt_llvm.core.files import owned_memory_folder
from colt_llvm.core.variables import tool_environment
from colt_llvm.env import guard
from colt_llvm.env.engine import Actions
from colt_llvm.env.guard import ServiceOptions
from colt_llvm.env.unix_socket import SOCKET_NAME, SocketFolder
from colt_llvm.llvm.toolchain import Toolchain

_MEMORY = re.compile(r"out of memory|bad_alloc|Allocation failed|MemoryError|Cannot allocate memory", re.IGNORECASE)
_TELLING = re.compile(r"LLVM ERROR|Assertion|Error\b|terminate called|report_fatal_error|UNREACHABLE")
_LOG_BYTES = 64 << 10
_SENTENCE = 300


class ServiceLost(PassError, ConnectionError):
    """The service was ended from outside, or cannot be reached; no pass is to blame."""


def classify(status: int | None, log: str, limit_seconds: float, what: str) -> PassError:
    """The error for a service that ended with ``status`` (minus the signal's number) while it did ``what``."""
    if status == guard.EXIT_TIMED_OUT:
        return PassTimedOut(f"{what}: not done after {limit_seconds:g} s; leave it out or raise the time limit")
    if status == guard.EXIT_OUT_OF_MEMORY or _MEMORY.search(log):
        return PassOutOfMemory(f"{what}: went over the memory limit; leave it out or raise the limit")
    reason = _how_it_ended(status)
    if status in (-signal.SIGKILL, -signal.SIGTERM, None, 0):
        return ServiceLost(f"{what}: the service is gone ({reason}); check that nobody ends it, and free memory")
    telling = next((line.strip() for line in log.splitlines() if _TELLING.search(line)), "")
    return PassCrashed(f"{what}: crashed ({f'{telling[:_SENTENCE]}; ' if telling else ''}{reason}); leave it out")


def read_log(folder: Path) -> str:
    """The end of what the service wrote to standard error."""
    try:
        with open(folder / "logs" / "stderr.txt", "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "no answer"
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"exit status {status}"


class Refusal(Exception):
    """A service that lives refused a step; ``error`` is the typed error, ``index`` the action's number or None."""

    def __init__(self, details: str) -> None:
        super().__init__(details)
        try:
            data = json.loads(details)
            kind, message = str(data["type"]), str(data["message"])
            self.index = int(data["index"]) if data["during"] == guard.ACTION else None
        except (ValueError, KeyError, TypeError):
            kind, message, self.index = "ValueError", details, None
        named = getattr(errors, kind, None)
        if not (isinstance(named, type) and issubclass(named, errors.ColtError)):
            named = ValueError
        self.error: Exception = named(message)


SERVICE_FILE = Path(__file__).with_name("service.py")

_START_SECONDS = 60.0
_END_SECONDS = 2.0
_KEPT_DEATHS = 16


@dataclass(frozen=True)
class ServiceSpec:
    """All that a service is started with. Forks and restarts use the same one."""

    toolchain: Toolchain  #: whose libLLVM it loads
    actions: Actions  #: (name, pipeline) of each, in the order of their numbers
    options: ServiceOptions  #: limits and places
    #: Actions that were added while it ran (``ColtEnv.define_action``); a new service has them from the start.
    defined: list[tuple[str, str]] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Death:
    """What is known of a service that ended."""

    status: int | None  #: exit status, or minus the number of the signal; None where it does not answer
    log: str  #: its last words on standard error
    kind: int  #: what it was doing: IDLE, ACTION or OBSERVATION of ``guard``
    index: int  #: which action or observation
    session: int  #: for whom


class LocalConnection(Connection):
    """A running service process. Raises ServiceError when it does not start."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.folder = owned_memory_folder("env")
        self._owner = os.getpid()
        self._socket = SocketFolder(self.folder)
        (self.folder / "logs").mkdir()
        (self.folder / "actions.json").write_text(json.dumps([*spec.actions, *spec.defined]))
        self.process = self._start()
        try:
            self._wait_until_it_listens()
            channel = grpc.insecure_channel(self._socket.address, options=GRPC_CHANNEL_OPTIONS)
            super().__init__(channel, f"unix:{self.folder / SOCKET_NAME}")
        except BaseException:
            self._end()
            raise
        _open.add(self)

    def _start(self) -> subprocess.Popen[bytes]:
        toolchain = self.spec.toolchain
        command = [
            sys.executable, str(SERVICE_FILE), f"--working_dir={self.folder}", f"--parent={os.getpid()}",
            f"--library={toolchain.library}", f"--clang={toolchain.clang}", f"--clangxx={toolchain.clangxx}",
            f"--actions={self.folder / 'actions.json'}", *self.spec.options.to_arguments(),
        ]  # fmt: skip
        environment = {**tool_environment(), "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "NONE")}
        with open(self.folder / "logs" / "stderr.txt", "wb") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment,
                start_new_session=True,
            )  # fmt: skip

    def _wait_until_it_listens(self) -> None:
        path = self.folder / "pid.txt"
        end = time.monotonic() + _START_SECONDS
        while not path.exists():
            status = self.process.poll()
            if status is not None or time.monotonic() > end:
                lines = read_log(self.folder).strip().splitlines()
                why = lines[-1] if lines else f"exit status {status}"
                raise ServiceError(f"the service does not start: {why}")
            time.sleep(0.002)

    def service_is_down(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def post_mortem(self) -> Death:
        """How the process ended, or that it does not answer."""
        try:
            status = self.process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        return Death(status, read_log(self.folder), *guard.read_progress(self.folder))

    def why_it_ended(self, death: Death, session: int | None, actions: list[int]) -> tuple[PassError, int | None]:
        """The typed error for these actions of a session, and which of them is to blame.

        Work for another session that brought the service down is no fault of theirs: ServiceLost.
        """
        if death.kind != guard.IDLE and death.session != session:
            return ServiceLost("the service was ended by another environment; try again"), None
        what, culprit = "the service", None
        if death.kind == guard.ACTION and death.index < len(actions):
            culprit = death.index
            what = f"action {self.spec_name(actions[culprit])}"
        elif death.kind == guard.OBSERVATION and death.index < len(self.spaces.observation_space_list):
            what = f"observation {self.spaces.observation_space_list[death.index].name}"
        return classify(death.status, death.log, self.spec.options.action_seconds, what), culprit

    def spec_name(self, action: int) -> str:
        """The name of an action, or its number where it has none."""
        names = self.spaces.action_space_list[0].space.named_discrete.name
        return str(names[action]) if 0 <= action < len(names) else str(action)

    def loglines(self) -> Iterator[str]:
        """What the service wrote to standard error, line by line."""
        yield from read_log(self.folder).splitlines(keepends=True)

    def close(self) -> None:
        """End the process and remove its folder. Never waits long, never raises.

        A process that was forked from the owner lets go of it only.
        """
        _open.discard(self)
        channel = getattr(self, "channel", None)
        if channel is not None:
            channel.close()
        self._end()

    def _end(self) -> None:
        self._socket.close()
        if os.getpid() != self._owner:
            return
        if self.process.poll() is None:
            self.process.kill()  # nothing of it is worth saving
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"{'dead ' if self.service_is_down() else ''}service at {self.url}, process {self.process.pid}"


class ServiceConnection(CompilerGymServiceConnection):
    """What environments share: a service that can be replaced by a new one when it has died.

    ``generation`` counts the services. A session belongs to the generation that it was started in.
    """

    connection: LocalConnection | None

    def __init__(self, spec: ServiceSpec, opts: ConnectionOpts | None = None) -> None:
        self.spec = spec
        self.generation = 0
        self.deaths: dict[int, tuple[LocalConnection, Death]] = {}  # by generation
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.lock = threading.RLock()
        super().__init__(SERVICE_FILE, opts)

    def _establish_connection(self) -> None:
        self.connection = LocalConnection(self.spec)
        self.stub = self.connection.stub
        self.generation += 1

    def is_alive(self) -> bool:
        """Whether there is a service, and it has not ended."""
        return self.connection is not None and not self.connection.service_is_down()

    def revive(self) -> None:
        """Start a new service if this one is dead. Others that share it find it already revived."""
        with self.lock:
            if not self.is_alive():
                self.bury(self.generation)
                self.discard()
                self._establish_connection()

    def discard(self) -> None:
        """End the service. Another one may take its place."""
        with self.lock:
            self.close()

    def bury(self, generation: int) -> tuple[LocalConnection, Death] | None:
        """Put a dead service away. Whoever else had a session in it is told the same as the first who asks."""
        with self.lock:
            if generation == self.generation and self.connection is not None and generation not in self.deaths:
                self.deaths[generation] = self.connection, self.connection.post_mortem()
                for old in sorted(self.deaths)[:-_KEPT_DEATHS]:
                    del self.deaths[old]
                self.discard()
            return self.deaths.get(generation)


_open: weakref.WeakSet[LocalConnection] = weakref.WeakSet()


def _close_all() -> None:
    """grpc deadlocks at interpreter exit when a channel is open."""
    for connection in list(_open):
        connection.close()


atexit.register(_close_all)
