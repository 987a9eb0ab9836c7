"""Benchmarks: the included programs, and what the user makes. Client side.

``benchmark://colt-v0/<program>``, with ``?level=Oz`` for a front end at another level than O3, and
``benchmark://user-v0/<digest>``, made by ``env.make_benchmark``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from compiler_gym.datasets import Benchmark, Dataset
from compiler_gym.datasets.uri import BenchmarkUri

from colt_llvm.core.errors import UsageError
from colt_llvm.env.payload import BenchmarkRecord, WorkloadRecord
from colt_llvm.env.validation import Validator
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import LEVELS, Level, front_end
from colt_llvm.program.program import CXX_SUFFIXES, Program, load_program, programs_directory

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


def make_record(toolchain: Toolchain, program: Program, level: Level, codegen: str | None = None) -> BenchmarkRecord:
    """Run the front end. Raises CompileError.

    codegen: ``library`` or ``clang``; None chooses clang for C++ and where a flag asks for it.
    """
    if codegen is None:
        needs_clang = program.is_cxx or any(flag.startswith(_CODEGEN_FLAGS) for flag in program.cflags)
        codegen = "clang" if needs_clang else "library"
    return BenchmarkRecord(
        name=program.name,
        level=level,
        bitcodes=tuple(front_end(toolchain, program, level)),
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

    def __init__(self, toolchain: Toolchain) -> None:
        super().__init__(
            name=INCLUDED, description="Programs that come with colt-llvm", license="MIT", validatable="Yes"
        )
        self._toolchain = toolchain
        self._made: dict[str, Benchmark] = {}
        self._folders = {path.parent.name: path for path in sorted(programs_directory().glob("*/program.toml"))}

    @property
    def size(self) -> int:
        return len(self._folders)

    def benchmark_uris(self) -> Iterator[str]:
        yield from (f"{self.name}/{name}" for name in self._folders)

    def benchmark_from_parsed_uri(self, uri: BenchmarkUri) -> Benchmark:
        known = self._made.get(str(uri))
        if known is not None:
            return known
        name = uri.path.strip("/")
        if name not in self._folders:
            raise LookupError(f"{uri}: no such program; there are {', '.join(self._folders)}")
        level = uri.params.get("level", [_DEFAULT_LEVEL])[0]
        if level not in LEVELS:
            raise LookupError(f"{uri}: level {level!r} is none of {', '.join(LEVELS)}")
        program = load_program(self._folders[name])
        record = make_record(self._toolchain, program, cast(Level, level))
        made = self._made[str(uri)] = make_benchmark(self._toolchain, str(uri), program, record)
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
        return len(self._made)

    def add(self, benchmark: Benchmark) -> None:
        self._made[str(benchmark.uri)] = benchmark
        while len(self._made) > _KEPT_BENCHMARKS:
            self._made.popitem(last=False)

    def benchmark_uris(self) -> Iterator[str]:
        yield from list(self._made)

    def benchmark_from_parsed_uri(self, uri: BenchmarkUri) -> Benchmark:
        try:
            return self._made[str(uri)]
        except KeyError:
            raise LookupError(f"{uri}: not made in this process; use env.make_benchmark") from None

    def _random_benchmark(self, random_state: Any) -> Benchmark:
        if not self._made:
            raise UsageError("no benchmark was made yet; use env.make_benchmark")
        return self.benchmark(str(random_state.choice(list(self._made))))
