"""How services of compiler_gym environments are started: in place of its ManagedConnection.

That one runs a Python service by whatever ``python3`` is on PATH, lets it share our terminal, leaves the service and
its folder behind when we die, and waits up to minutes for one that hangs.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from compiler_gym.errors import ServiceIsClosed
from compiler_gym.service import connection as theirs
from compiler_gym.util.runfiles_path import runfiles_path, site_data_path

from colt_llvm.core.files import owned_memory_folder
from colt_llvm.env.unix_socket import SOCKET_NAME, SocketFolder
from colt_llvm.gym.options import EnvironmentFailed

logger = logging.getLogger(__name__)

_HERE = Path(__file__).resolve().parent
_END_SECONDS = 2.0
_LOG_CHARACTERS = 300


class OwnedConnection(theirs.Connection):
    """A service process that is ours to end. Arguments are those of ManagedConnection.

    Raises EnvironmentFailed where it does not start; compiler_gym would try again, four times.
    """

    def __init__(
        self,
        local_service_binary: Path,
        port_init_max_seconds: float,
        rpc_init_max_seconds: float,
        process_exit_max_seconds: float,
        script_args: Sequence[str],
        script_env: Mapping[str, str],
    ) -> None:
        del process_exit_max_seconds, rpc_init_max_seconds
        binary = Path(local_service_binary).resolve()
        if not binary.is_file():
            raise FileNotFoundError(f"no such service: {binary}")
        self.folder = owned_memory_folder("gym")
        self._owner = os.getpid()
        self._socket = SocketFolder(self.folder)
        try:
            self.process = self._start(binary, script_args, script_env)
        except BaseException:
            self._socket.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        _open.add(self)
        try:
            address = self._address(self._wait_for_port(port_init_max_seconds))
            super().__init__(grpc.insecure_channel(address, options=theirs.GRPC_CHANNEL_OPTIONS), address)
        except BaseException:
            self.close()
            raise

    def _start(self, binary: Path, arguments: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        for name in ("logs", "disk", "tmp"):
            (self.folder / name).mkdir()
        environment = {
            **os.environ,
            "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "NONE"),
            "COMPILER_GYM_RUNFILES": str(runfiles_path(".")),
            "COMPILER_GYM_SITE_DATA": str(site_data_path(".")),
            "TMPDIR": str(self.folder / "tmp"),  # what a compiler leaves behind when it is ended goes with the folder
            **variables,
        }
        service = [str(binary), f"--working_dir={self.folder}", *arguments]
        if _is_python(binary):
            reached, service = "socket", [sys.executable, str(_HERE / "launch.py"), *service]
        else:
            reached = "port"  # it knows nothing else
        supervisor = [sys.executable, "-I", str(_HERE / "supervise.py"), str(os.getpid()), str(self.folder), reached]
        command = [*supervisor, *service]
        with open(self.folder / "logs" / "output.txt", "wb") as log:
            return subprocess.Popen(
                command, cwd=binary.parent, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _wait_for_port(self, seconds: float) -> int:
        path, end = self.folder / "port.txt", time.monotonic() + seconds
        while time.monotonic() < end:
            if self.service_is_down():
                raise EnvironmentFailed(f"the service does not start: {self._last_words()}")
            with contextlib.suppress(OSError, ValueError):
                return int(path.read_text())
            time.sleep(0.01)
        raise EnvironmentFailed(f"the service has no port after {seconds:g} s: {self._last_words()}")

    def _address(self, port: int) -> str:
        if (self.folder / SOCKET_NAME).exists():
            return self._socket.address
        _say_once(
            "every user of this machine can reach the environment's service: it is no Python and listens on a TCP "
            "port, and the kernel gives it no network of its own; allow user namespaces, or run it where nobody else is"
        )
        return f"127.0.0.1:{port}"

    def __call__(self, stub_method: Any, request: Any, **options: Any) -> Any:
        if self.service_is_down():
            raise ServiceIsClosed(f"the service has ended: {self._last_words()}")
        try:
            return super().__call__(stub_method, request, **options)
        except TimeoutError:
            # It hangs, and would hang the call that ends its session too.
            self._end(signal.SIGKILL)
            raise

    def service_is_down(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def loglines(self) -> Iterator[str]:
        """What the service wrote, line by line."""
        for path in sorted((self.folder / "logs").glob("*")):
            with contextlib.suppress(OSError):
                yield from path.read_text(errors="replace").splitlines(keepends=True)

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.loglines() if line.strip()]
        return lines[-1][:_LOG_CHARACTERS] if lines else f"exit status {self.process.poll()}"

    def close(self) -> None:
        """End the process with all that it started, and remove its folder. Never waits long, never raises.

        A process that was forked from the owner lets go of it only.
        """
        _open.discard(self)
        channel = getattr(self, "channel", None)
        if channel is not None:
            channel.close()
        self._socket.close()
        if os.getpid() != self._owner:
            return
        self._end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, first: signal.Signals) -> None:
        if not self.service_is_down():
            self.process.send_signal(first) if first == signal.SIGTERM else None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_SECONDS if first == signal.SIGTERM else 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __repr__(self) -> str:
        return f"service in process {self.process.pid}"


def own_services() -> None:
    """From now on, environments that start a service in this process start it so. Twice is harmless."""
    theirs.ManagedConnection = OwnedConnection


def is_dead(env: Any) -> bool:
    """Whether the environment's service was ours and has ended."""
    service = getattr(env, "service", None)
    connection = getattr(service, "connection", None)
    return isinstance(connection, OwnedConnection) and connection.service_is_down()


@cache
def _say_once(message: str) -> None:
    logger.warning(message)


def _is_python(binary: Path) -> bool:
    with open(binary, "rb") as file:
        line = file.readline(200)
    return binary.suffix == ".py" or (line.startswith(b"#!") and b"python" in line)


_open: weakref.WeakSet[OwnedConnection] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """grpc deadlocks at interpreter exit when a channel is open."""
    for connection in list(_open):
        connection.close()
