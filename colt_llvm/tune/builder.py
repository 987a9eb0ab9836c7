"""From a sequence to object code, through the CompilerGym environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.baseline import Baseline
from colt_llvm.catalogue import Action, Catalogue
from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.datasets import make_benchmark, make_record
from colt_llvm.env.payload import unpack
from colt_llvm.measure.size import loaded_digest, section_sizes
from colt_llvm.program import Program
from colt_llvm.toolchain import Toolchain

#: Name of the action that appends the baseline's pipeline. Not in the catalogue: it belongs to one program.
COMPLETION = "baseline-pipeline"


@dataclass(frozen=True)
class Built:
    """What a sequence gave.

    key: equal for equal object code (equal IR, where no object is made). size, text: bytes; 0 without an object.
    instructions: of the IR before code generation.
    """

    key: str
    instructions: int
    objects: tuple[bytes, ...] = ()
    size: int = 0
    text: int = 0

    @property
    def figures(self) -> dict[str, float]:
        figures = {"instructions": float(self.instructions)}
        if self.objects:
            figures |= {"size": float(self.size), "text": float(self.text)}
        return figures


def built_from_objects(objects: Sequence[bytes], instructions: int) -> Built:
    """Sizes are of the loaded sections."""
    sections = [section_sizes(data) for data in objects]
    key = ":".join(loaded_digest(data) for data in objects)
    size, text = sum(part.loaded_bytes for part in sections), sum(part.text_bytes for part in sections)
    return Built(key, instructions, tuple(objects), size, text)


class Sequences:
    """Names to pipeline texts: where a sequence is completed, and where it already is."""

    def __init__(self, catalogue: Catalogue, baseline: Baseline) -> None:
        self._catalogue = catalogue
        self._completion = baseline.completion.pipeline

    def actions(self, names: Sequence[str]) -> list[Action]:
        return [self._catalogue[name] for name in names]

    def is_complete(self, names: Sequence[str]) -> bool:
        """Whether it holds a full pipeline; then nothing is appended (completion rollout, ours)."""
        return any(action.kind == "pipeline" for action in self.actions(names))

    def pipeline(self, names: Sequence[str]) -> str:
        """The complete text for ``opt -passes=``."""
        texts = [action.pipeline for action in self.actions(names)]
        return ",".join(texts if self.is_complete(names) else [*texts, self._completion])


class Builder:
    """One environment, so one service process with a libLLVM of its own. Not for several threads at once."""

    def __init__(
        self,
        toolchain: Toolchain,
        program: Program,
        baseline: Baseline,
        catalogue: Catalogue,
        *,
        with_objects: bool,
        codegen: str | None = None,
        options: ServiceOptions | None = None,
    ) -> None:
        self._sequences = Sequences(catalogue, baseline)
        actions = [(action.name, action.pipeline) for action in catalogue.actions]
        actions.append((COMPLETION, baseline.completion.pipeline))
        self._number = {name: index for index, (name, _) in enumerate(actions)}
        self._observations = ["IrInstructionCount", "Object" if with_objects else "IrHash"]
        self._env = ColtEnv(toolchain=toolchain, actions=actions, options=options)
        try:
            record = make_record(toolchain, program, baseline.level, codegen)
            self._benchmark = make_benchmark(toolchain, None, program, record)
            self._env.benchmark = self._benchmark
        except BaseException:
            self._env.close()
            raise

    def build(self, sequence: Sequence[str]) -> Built:
        """Raises PassCrashed, PassTimedOut, PassOutOfMemory or PassError; the builder can be used afterwards."""
        names = list(sequence) if self._sequences.is_complete(sequence) else [*sequence, COMPLETION]
        self._env.reset()
        instructions, content = self._env.try_multistep([self._number[name] for name in names], self._observations)
        if self._observations[1] == "IrHash":
            return Built(str(content), int(instructions))
        return built_from_objects(unpack(bytes(content)), int(instructions))

    def close(self) -> None:
        self._env.close()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
