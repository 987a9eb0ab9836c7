"""How a service is reached: by a Unix socket in a folder that only its user can enter.

A TCP port, one on loopback too, is open to every user of the machine, and compiler_gym's protocol has no password.
Knows neither compiler_gym nor libLLVM, so that both ends can use it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

SOCKET_NAME = "service.sock"


class SocketFolder:
    """A folder that is held open, so that the socket in it has a short and plain address whatever the folder is called.

    The kernel takes 107 bytes as the path of a socket, and gRPC reads it as a URI: a TMPDIR that is long, or has a
    ``%`` or a byte that is no UTF-8 in it, would not do. Raises OSError where ``folder`` cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._path = f"/proc/self/fd/{self._descriptor}/{SOCKET_NAME}"

    @property
    def address(self) -> str:
        """For gRPC, in this process alone."""
        return f"unix:{self._path}"

    def listen(self, add_port: Callable[[str], int]) -> int:
        """add_port: ``add_insecure_port`` of a gRPC server. Gives what gRPC calls the port. Raises OSError."""
        try:
            return add_port(self.address)
        except RuntimeError:
            raise OSError(
                f"no Unix socket can be made in {self.folder} ({self._reason()}); "
                "set TMPDIR to a folder on a local file system"
            ) from None

    def _reason(self) -> str:
        """gRPC does not tell it."""
        try:
            with socket.socket(socket.AF_UNIX) as attempt:
                attempt.bind(self._path)
            os.unlink(self._path)
        except OSError as error:
            return error.strerror or str(error)
        return "unknown"

    def close(self) -> None:
        """Let go of the folder, after the channel was closed. Twice is harmless."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
