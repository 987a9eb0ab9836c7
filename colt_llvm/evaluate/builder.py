"""From a sequence to object code, through the CompilerGym environment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.datasets import make_benchmark, make_record
from colt_llvm.env.payload import BenchmarkRecord, unpack
from colt_llvm.evaluate.target import Built, Target, built_from_objects
from colt_llvm.llvm.extract import extract
from colt_llvm.llvm.process_options import with_options
from colt_llvm.objectives.base import INSTRUCTIONS, SIZE, TEXT

if TYPE_CHECKING:
    from compiler_gym.datasets import Benchmark

#: Name of the actions that are not in the catalogue: completions and decisions, which belong to one program.
COMPLETION = "baseline-pipeline"


class Builder:
    """One environment, so one service process with a libLLVM of its own. Not for several threads at once.

    codegen: who generates code, ``library`` or ``clang``; None: libLLVM. service: in place of the target's own.
    record: what the front end gave for this program elsewhere; its sources are not read then.
    """

    def __init__(
        self,
        target: Target,
        codegen: str | None = None,
        service: ServiceOptions | None = None,
        record: BenchmarkRecord | None = None,
    ) -> None:
        self._sequences = target.sequences
        before = target.baseline.completion.options
        actions = [(action.name, with_options(before, action.pipeline)) for action in target.catalogue.actions]
        self._number = {pipeline: index for index, (_, pipeline) in enumerate(actions)}
        self._observations = ["IrInstructionCount", "Object" if target.with_objects else "IrHash"]
        baseline = target.baseline
        self.record = record or make_record(
            target.toolchain, target.program, baseline.level, codegen, baseline.bitcodes
        )
        self._benchmark = make_benchmark(target.toolchain, None, target.program, self.record)
        self._env = ColtEnv(
            self._benchmark, toolchain=target.toolchain, actions=actions, options=service or target.service
        )

    def build(self, sequence: Sequence[str]) -> Built:
        """Raises PassCrashed, PassTimedOut, PassOutOfMemory or PassError; the builder can be used afterwards."""
        return self.build_benchmark(self._benchmark, sequence)

    def build_benchmark(self, benchmark: Benchmark, sequence: Sequence[str]) -> Built:
        """The same of another program, whose sequences mean what the target's do. Raises as ``build``."""
        instructions, content = self._observe(benchmark, self._sequences.texts(sequence), self._observations)
        if self._observations[1] == "IrHash":
            return Built(str(content), int(instructions))
        return built_from_objects(unpack(bytes(content)), int(instructions))

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]:
        """Observations of the environment at the completed sequence. Raises as ``build``."""
        return self._observe(self._benchmark, self._sequences.texts(sequence), observations)

    def build_part(self, part: Benchmark, sequence: Sequence[str]) -> Built:
        """The same of a part that ``extract`` gave, with no count of instructions. Raises as ``build``."""
        texts = self._sequences.texts(sequence, late_apart=True)  # many sequences differ in what comes late alone
        (content,) = self._observe(part, texts, ["Object"])
        return built_from_objects(unpack(bytes(content)), 0)

    def _observe(self, benchmark: Benchmark, texts: Sequence[str], observations: Sequence[str]) -> list[Any]:
        self._env.reset(benchmark=benchmark)
        return self._env.try_multistep([self._action_number(text) for text in texts], observations)

    def extract(self, target: Target, groups: Sequence[Sequence[str]]) -> list[Benchmark]:
        """Each group of functions as a program of its own (see ``llvm.extract``). Raises InvalidIR."""
        found: list[list[bytes]] = [[] for _ in groups]
        for bitcode in self.record.bitcodes:
            for number, part in extract(target.toolchain.load(), bitcode, groups):
                found[number].append(part)
        records = [replace(self.record, bitcodes=tuple(bitcodes)) for bitcodes in found]
        return [make_benchmark(target.toolchain, None, target.program, record) for record in records]

    def forget(self) -> None:
        """Drop every state that the service keeps: what is built next takes the time that it takes in a new one."""
        self._env.reset()
        self._env.send_param("colt.forget", "")

    def _action_number(self, text: str) -> int:
        number = self._number.get(text)
        if number is None:
            number = self._number[text] = self._env.define_action(COMPLETION, text)
        return number

    def close(self) -> None:
        self._env.close()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Builders:
    """Services that build one target alike."""

    builders: tuple[Builder, ...]
    empty: Built  # what the empty sequence gives
    figures: dict[str, float]  # of the baseline, as far as they need no timing
    root_key: str  # of the empty sequence: the baseline's own object code, or its IR

    @property
    def first(self) -> Builder:
        return self.builders[0]


def baseline_figures(target: Target, empty: Built) -> dict[str, float]:
    """What the objective measures of the baseline: its objects, and the IR that the empty sequence gives."""
    measured = target.objective.measured(replace(target.baseline_built, instructions=empty.instructions))
    return {name: measured[name] for name in dict.fromkeys((SIZE, TEXT, INSTRUCTIONS, *measured))}


@contextlib.contextmanager
def start_builders(target: Target, count: int, service: ServiceOptions | None = None) -> Iterator[Builders]:
    """``count`` builders, closed at the end. Raises PassError and CompileError for the empty sequence.

    Code generation in libLLVM is much the faster; where it does not give the very object that clang gives (clang
    knows options that the C API has not), clang does it.
    """
    baseline = target.baseline_built
    with contextlib.ExitStack() as stack:
        codegen = "library"
        first = Builder(target, codegen, service)
        try:
            empty = first.build(())
            if target.with_objects and target.baseline.completion.exact and empty.key != baseline.key:
                first.close()
                codegen = "clang"
                first = Builder(target, codegen, service)
                empty = first.build(())
        finally:
            stack.callback(lambda: first.close())
        builders = [first]
        for _ in range(count - 1):
            builders.append(Builder(target, codegen, service))
            stack.callback(builders[-1].close)
        figures = baseline_figures(target, empty)
        yield Builders(tuple(builders), empty, figures, baseline.key if target.with_objects else empty.key)
