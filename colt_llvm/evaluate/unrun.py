"""Objects that are not run: a library, firmware. A test command says whether they are right, or nobody does.

LLVM's verifier has run over the module of every object: whatever leaves a broken module is no candidate.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import (
    CommandNotFound,
    NotRepeatable,
    OutputLimitExceeded,
    ProcessTimeout,
    ProgramError,
    UsageError,
)
from colt_llvm.core.files import owned_folder
from colt_llvm.evaluate.target import Target
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.measure.compared import UNCHECKED, Compared
from colt_llvm.program.recipe import object_names

#: Tells a test command the folder in which the objects are.
VARIABLE = "COLT_OBJECTS"


def verifier_of(target: Target) -> Verifier:
    """For what the target's options say. Raises CompileError, ProgramError, CheckError or UsageError."""
    return ObjectVerifier.of_target(target) if target.options.runs_nothing else Verifier.of_target(target)


class ObjectVerifier(Verifier):
    """Links and runs nothing. What stands for an executable is a folder with the objects."""

    @classmethod
    def of_target(cls, target: Target) -> ObjectVerifier:
        """Raises ProgramError where the test fails with the baseline's objects, UsageError without such a test."""
        folder = owned_folder("verify")
        made = cls(target.program, target.options, folder, None, folder / "baseline", target.link)
        try:
            made.link(target.baseline.objects, "baseline")
            if wrong := made.test(made.baseline):
                raise ProgramError(f"{made.command}: with the baseline's objects it {wrong}; let it succeed with these")
        except BaseException:
            made.close()
            raise
        return made

    @property
    def command(self) -> str:
        """The test as the user typed it."""
        return f"--test {shlex.join(self.options.test)}"

    @property
    def notes(self) -> Iterator[str]:
        yield from ()

    @property
    def compared(self) -> Compared:
        return Compared(by=f"checked by {self.command} alone" if self.options.test else UNCHECKED)

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        """The folder with these objects."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for file, data in zip(object_names(self.program), objects, strict=True):
            (folder / file).write_bytes(data)
        return folder

    def discard(self, executable: Path) -> None:
        shutil.rmtree(executable, ignore_errors=True)

    def check(self, executable: Path, *, thorough: bool, core: int | None = None, proof: bool = False) -> bool:
        """Returns whether the test was run. Raises Miscompiled, NotRepeatable."""
        if not thorough or not self.options.test:
            return False
        with self._turn:  # it may write where another one would
            wrong = self.test(executable)
            if not wrong:
                return True
            if not self.test(executable) or self.test(self.baseline):
                raise NotRepeatable(f"{self.command}: succeeds and fails with the same objects; let it do either")
        raise Miscompiled(f"{self.command}: {wrong}", executable)

    def test(self, objects: Path) -> str:
        """Run the test command on this folder of objects. What is wrong, or "". Raises UsageError."""
        if not self.options.test:
            return ""
        limits = process.Limits(self.options.timeout_seconds, self.options.memory_bytes)
        environment = {**os.environ, VARIABLE: str(objects)}
        try:
            done = process.run(self.options.test, limits=limits, env=environment)
        except CommandNotFound as error:
            raise UsageError(f"--test: {error}") from error
        except ProcessTimeout:
            return f"does not end in {self.options.timeout_seconds:g} s (--timeout)"
        except OutputLimitExceeded:
            return "writes without end"
        self.program_seconds += done.wall_seconds
        if done.status == 0:
            return ""
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        return f"fails with {done.describe_status()}" + (f" ({said[-1][:200]})" if said else "")
