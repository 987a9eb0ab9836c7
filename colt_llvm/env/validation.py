"""Does the program still do what it did? compiler_gym's validation callback: build, run every workload, compare."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from compiler_gym.errors import ValidationError

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CompileError
from colt_llvm.env.payload import unpack
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.check import first_difference
from colt_llvm.measure.runner import Observation, run_workload
from colt_llvm.program.compilation import Level, baseline_objects, link
from colt_llvm.program.program import Program

_LIMITS = process.Limits(wall_seconds=120.0, memory_bytes=8 << 30)


class Validator:
    """Holds the program's own results, from plain clang at the benchmark's level; they are made on first use."""

    def __init__(self, toolchain: Toolchain, program: Program, level: Level) -> None:
        self._toolchain = toolchain
        self._program = program
        self._level = level
        self._right: list[Observation] | None = None
        self._lock = Lock()

    def __call__(self, env: Any) -> list[ValidationError]:
        """No error means that the environment's present state builds, runs and gives the same results."""
        objects = unpack(bytes(env.observation["Object"]))
        try:
            right = self._right_results()
            seen = self._run_all(objects)
        except CompileError as error:
            return [ValidationError(type="Does not build", data={"message": str(error)})]
        except ColtError as error:
            return [ValidationError(type="Does not run", data={"message": str(error)})]
        errors = []
        for workload, expected, actual in zip(self._program.workloads, right, seen, strict=True):
            found = first_difference(workload.name, expected, actual, self._program.check)
            if found:
                kind = "Crashes" if actual.status < 0 else "Wrong output"
                errors.append(ValidationError(type=kind, data={"workload": workload.name, "difference": found.text}))
        return errors

    def _right_results(self) -> list[Observation]:
        with self._lock:
            if self._right is None:
                self._right = self._run_all(baseline_objects(self._toolchain, self._program, self._level))
            return self._right

    def _run_all(self, objects: list[bytes]) -> list[Observation]:
        with TemporaryDirectory(prefix="colt-") as folder:
            executable = link(self._toolchain, self._program, objects, Path(folder) / "program")
            return [run_workload(executable, workload, limits=_LIMITS) for workload in self._program.workloads]
