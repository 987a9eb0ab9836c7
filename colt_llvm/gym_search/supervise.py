"""Run a service and end it when its client is gone; remove its folder then. Run as a file, knows only the library.

    python supervise.py CLIENT_PID FOLDER COMMAND...

A process of its own, since the service may hang with the interpreter's lock held, or be no Python at all.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

_PERIOD_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    client, folder, command = int(arguments[0]), arguments[1], arguments[2:]
    child = os.fork()
    if child == 0:
        _run(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which ends us
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return _same_end(status)
        if os.getppid() != client:
            shutil.rmtree(folder, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)  # the service, what it started, and ourselves
        time.sleep(_PERIOD_SECONDS)


def _run(command: list[str]) -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _same_end(status: int) -> int:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        time.sleep(1)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
