"""Benchmarks: the included programs, and what the user makes. Client side.

``benchmark://colt-v0/<program>``, with ``?level=Oz`` for a front end at another level than O3, and
``benchmark://user-v0/<digest>``, made by ``env.make_benchmark``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, ClassVar, cast

from compiler_gym.datasets import Benchmark, Dataset
from compiler_gym.datasets.uri import BenchmarkUri
from compiler_gym.errors import ValidationError

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CompileError, UsageError
from colt_llvm.env.payload import BenchmarkRecord, WorkloadRecord, unpack
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.check import first_difference
from colt_llvm.measure.runner import Observation, run_workload
from colt_llvm.program.compilation import LEVELS, Level, baseline_objects, front_end, link
from colt_llvm.program.program import CXX_SUFFIXES, Program, load_program, programs_directory

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


INCLUDED = "benchmark://colt-v0"
USER = "benchmark://user-v0"

_DEFAULT_LEVEL: Level = "O3"
_KEPT_BENCHMARKS = 256
#: Flags that code generation needs and that are not written into the module.
_CODEGEN_FLAGS = (
    "-ffunction-sections",
    "-fdata-sections",
    "-mcmodel",
    "-fno-pic",
    "-fno-pie",
    "-mllvm",
    "-g",
    "-funique",
)


def make_record(
    toolchain: Toolchain,
    program: Program,
    level: Level,
    codegen: str | None = None,
    bitcodes: Sequence[bytes] | None = None,
) -> BenchmarkRecord:
    """What the service is told of a program. Raises CompileError.

    codegen: ``library`` or ``clang``; None chooses clang for C++ and where a flag asks for it.
    bitcodes: what the front end makes of the sources at this level, where that is known; None runs it.
    """
    if codegen is None:
        needs_clang = program.is_cxx or any(flag.startswith(_CODEGEN_FLAGS) for flag in program.cflags)
        codegen = "clang" if needs_clang else "library"
    return BenchmarkRecord(
        name=program.name,
        level=level,
        bitcodes=tuple(front_end(toolchain, program, level) if bitcodes is None else bitcodes),
        codegen=codegen,
        cflags=program.cflags,
        ldflags=program.ldflags,
        cxx=program.is_cxx or any(source.suffix in CXX_SUFFIXES for source in program.sources),
        workloads=tuple(
            WorkloadRecord(
                workload.name, workload.command, str(workload.stdin) if workload.stdin else None,
                str(workload.cwd) if workload.cwd else None, workload.timed,
            )
            for workload in program.workloads
        ),
    )  # fmt: skip


def make_benchmark(toolchain: Toolchain, uri: str | None, program: Program, record: BenchmarkRecord) -> Benchmark:
    """``uri`` None names it by its content."""
    data = record.encode()
    benchmark = Benchmark.from_file_contents(uri or f"{USER}/{record.digest()}", data)
    if any(workload.expected_stdout or workload.command for workload in program.workloads):
        benchmark.add_validation_callback(Validator(toolchain, program, level=cast(Level, record.level)))
    return benchmark


class IncludedPrograms(Dataset):
    """The programs that come with colt-llvm."""

    #: In this process, by clang and URI: most environments are made with the first one, and given another then.
    _made: ClassVar[dict[tuple[Path, str], Benchmark]] = {}

    def __init__(self, toolchain: Toolchain) -> None:
        super().__init__(
            name=INCLUDED, description="Programs that come with colt-llvm", license="MIT", validatable="Yes"
        )
        self._toolchain = toolchain
        self._folders = {path.parent.name: path for path in sorted(programs_directory().glob("*/program.toml"))}

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._folders)

    def benchmark_uris(self) -> Iterator[str]:
        """Of all of them."""
        yield from (f"{self.name}/{name}" for name in self._folders)

    def benchmark_from_parsed_uri(self, uri: BenchmarkUri) -> Benchmark:
        """Raises LookupError for an unknown one, CompileError."""
        key = self._toolchain.clang, str(uri)
        if key in self._made:
            return self._made[key]
        name = uri.path.strip("/")
        if name not in self._folders:
            raise LookupError(f"{uri}: no such program; there are {', '.join(self._folders)}")
        level = uri.params.get("level", [_DEFAULT_LEVEL])[0]
        if level not in LEVELS:
            raise LookupError(f"{uri}: level {level!r} is none of {', '.join(LEVELS)}")
        program = load_program(self._folders[name])
        record = make_record(self._toolchain, program, cast(Level, level))
        made = self._made[key] = make_benchmark(self._toolchain, str(uri), program, record)
        return made

    def _random_benchmark(self, random_state: Any) -> Benchmark:
        return self.benchmark(str(random_state.choice(list(self.benchmark_uris()))))


class UserPrograms(Dataset):
    """What ``env.make_benchmark`` made in this process. Every environment finds it by its URI."""

    _made: ClassVar[OrderedDict[str, Benchmark]] = OrderedDict()

    def __init__(self) -> None:
        super().__init__(name=USER, description="Programs of the user", license="the user's", validatable="Partial")

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._made)

    def add(self, benchmark: Benchmark) -> None:
        """Keep it; the oldest one goes where there are too many."""
        self._made[str(benchmark.uri)] = benchmark
        while len(self._made) > _KEPT_BENCHMARKS:
            self._made.popitem(last=False)

    def benchmark_uris(self) -> Iterator[str]:
        """Of all of them."""
        yield from list(self._made)

    def benchmark_from_parsed_uri(self, uri: BenchmarkUri) -> Benchmark:
        """Raises LookupError for one that was not made here."""
        try:
            return self._made[str(uri)]
        except KeyError:
            raise LookupError(f"{uri}: not made in this process; use env.make_benchmark") from None

    def _random_benchmark(self, random_state: Any) -> Benchmark:
        if not self._made:
            raise UsageError("no benchmark was made yet; use env.make_benchmark")
        return self.benchmark(str(random_state.choice(list(self._made))))
