"""A recipe's pipeline in a forked child, which loads libLLVM while clang's front end runs.

The same functions as ``llvm.replay``, and so the same bytes, without the start of another interpreter. Only for a
process with one thread: colt-cc.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
from collections.abc import Sequence
from pathlib import Path

from colt_llvm.core.errors import PassCrashed, PassError, PassTimedOut

WALL_SECONDS = 120.0
_MEMORY_BYTES = 8 << 30
_FILE_BYTES = 1 << 30
_FAILED = 12
_IN, _OUT, _SAID = "passes.in.bc", "passes.out.bc", "passes.said"


class PassesChild:
    """Runs one pipeline over one module, once. Close it, whatever happened.

    folder: for its files. library: libLLVM. pipeline: for ``opt -passes=``. codegen_level: 0 to 3, of the target.
    """

    def __init__(self, folder: Path, library: Path, pipeline: str, codegen_level: int) -> None:
        self._folder = folder
        there, self._begin = os.pipe()
        self._ended, alive = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = _FAILED
            try:
                status = _child(folder, library, pipeline, codegen_level, there, (self._begin, self._ended))
            finally:
                os._exit(status)
        os.close(there)
        os.close(alive)

    def run(self, library: Path, bitcodes: Sequence[bytes], pipeline: str, codegen_level: int) -> list[bytes]:
        """As ``llvm.replay.replay``, with the library, pipeline and level that it was started with.

        Raises PassCrashed, PassTimedOut or PassError.
        """
        (bitcode,) = bitcodes
        if not pipeline:
            return [bitcode]
        (self._folder / _IN).write_bytes(bitcode)
        with contextlib.suppress(BrokenPipeError):  # it has ended: _check says why
            os.write(self._begin, b"!")
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        if not poll.poll(WALL_SECONDS * 1000):
            raise PassTimedOut(f"the pipeline is not done after {WALL_SECONDS:g} s; tune again")
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        self._check(os.waitstatus_to_exitcode(status))
        return [(self._folder / _OUT).read_bytes()]

    def close(self) -> None:
        """End the child where it still runs."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        for descriptor in (self._begin, self._ended):
            os.close(descriptor)

    def _check(self, status: int) -> None:
        if status == 0:
            return
        try:
            said = (self._folder / _SAID).read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            said = []
        if status == _FAILED:
            raise PassError(said[-1] if said else "the passes could not be run; colt-llvm doctor says why")
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        if status == -signal.SIGXCPU:
            raise PassTimedOut(f"the pipeline is not done after {WALL_SECONDS:g} s; tune again")
        crash = next((line for line in said if "LLVM ERROR" in line or "Assertion" in line), name)
        raise PassCrashed(f"the pipeline crashed ({crash}); tune again")


def _child(
    folder: Path, library: Path, pipeline: str, codegen_level: int, begin: int, not_ours: tuple[int, ...]
) -> int:
    """Exit status. What passes print, and files that they write, end in ``folder``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in not_ours:
        os.close(descriptor)
    said = os.open(folder / _SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(folder)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, _MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    # Ends it even where the parent was killed and nobody waits.
    _limit(resource.RLIMIT_CPU, int(WALL_SECONDS) + 5)
    from colt_llvm.core.errors import ColtError

    try:
        from colt_llvm.llvm.library import Library
        from colt_llvm.llvm.module import Module, TargetMachine

        loaded = Library.load(library)
        if os.read(begin, 1) != b"!":
            return _FAILED  # the parent is gone
        with Module.parse(loaded, (folder / _IN).read_bytes()) as module:
            module.run(pipeline, TargetMachine(loaded, module.triple, codegen_level))
            (folder / _OUT).write_bytes(module.bitcode())
    except (ColtError, OSError, ValueError, ImportError) as error:
        os.write(2, f"\n{error}\n".encode("utf-8", "backslashreplace"))
        return _FAILED
    return 0


def _limit(what: int, amount: int) -> None:
    hard = resource.getrlimit(what)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(what, (amount, amount))
