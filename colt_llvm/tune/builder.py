"""From a sequence to object code, through the CompilerGym environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from colt_llvm.baseline import Baseline
from colt_llvm.catalogue import Action, Catalogue
from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.datasets import make_benchmark, make_record
from colt_llvm.env.payload import BenchmarkRecord, unpack
from colt_llvm.llvm.process_options import with_options
from colt_llvm.measure.size import loaded_digest, section_sizes
from colt_llvm.pipeline import edit_pipeline, edits_of, is_edit
from colt_llvm.program import Program
from colt_llvm.toolchain import Toolchain

#: Name of the actions that complete a sequence. Not in the catalogue: they belong to one program.
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
    """What a sequence of names means.

    Passes of the catalogue apply in order. A sequence that holds no full pipeline is completed by the baseline's
    (completion rollout, ours), less what the sequence's edits (``without<licm>``) leave out of it.
    """

    def __init__(self, catalogue: Catalogue, baseline: Baseline) -> None:
        self._catalogue = catalogue
        self._baseline = baseline
        self.options = baseline.completion.options
        self.edits = edits_of(baseline.completion.expanded) if baseline.completion.expanded else []

    def passes(self, names: Sequence[str]) -> list[Action]:
        """Raises UnknownPassError."""
        return [self._catalogue[name] for name in names if not is_edit(name)]

    def completion(self, names: Sequence[str]) -> str:
        """The pipeline appended to the passes; empty where they hold a full pipeline."""
        if any(action.kind == "pipeline" for action in self.passes(names)):
            return ""
        edits = frozenset(filter(is_edit, names))
        completion = self._baseline.completion
        return edit_pipeline(completion.expanded, edits) if edits else completion.pipeline

    def pipeline(self, names: Sequence[str]) -> str:
        """The complete text for ``opt -passes=``, with the options that it needs before it."""
        texts = [action.pipeline for action in self.passes(names)]
        return with_options(self.options, ",".join(filter(None, [*texts, self.completion(names)])))


class Builder:
    """One environment, so one service process with a libLLVM of its own. Not for several threads at once.

    record: what the front end gave for this program elsewhere; its sources are not read then.
    """

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
        record: BenchmarkRecord | None = None,
    ) -> None:
        self._sequences = Sequences(catalogue, baseline)
        self._options = baseline.completion.options
        actions = [(action.name, with_options(self._options, action.pipeline)) for action in catalogue.actions]
        self._number = {action.pipeline: index for index, action in enumerate(catalogue.actions)}
        self._observations = ["IrInstructionCount", "Object" if with_objects else "IrHash"]
        self._env = ColtEnv(toolchain=toolchain, actions=actions, options=options)
        try:
            self.record = record or make_record(toolchain, program, baseline.level, codegen)
            self._benchmark = make_benchmark(toolchain, None, program, self.record)
            self._env.benchmark = self._benchmark
        except BaseException:
            self._env.close()
            raise

    def build(self, sequence: Sequence[str]) -> Built:
        """Raises PassCrashed, PassTimedOut, PassOutOfMemory or PassError; the builder can be used afterwards."""
        instructions, content = self.observe(sequence, self._observations)
        if self._observations[1] == "IrHash":
            return Built(str(content), int(instructions))
        return built_from_objects(unpack(bytes(content)), int(instructions))

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]:
        """Observations of the environment at the completed sequence. Raises as ``build``."""
        self._env.reset()
        actions = [self._number[action.pipeline] for action in self._sequences.passes(sequence)]
        if completion := self._sequences.completion(sequence):
            actions.append(self._completion_number(completion))
        return self._env.try_multistep(actions, observations)

    def forget(self) -> None:
        """Drop every state that the service keeps: what is built next takes the time that it takes in a new one."""
        self._env.reset()
        self._env.send_param("colt.forget", "")

    def _completion_number(self, pipeline: str) -> int:
        number = self._number.get(pipeline)
        if number is None:
            number = self._number[pipeline] = self._env.define_action(COMPLETION, with_options(self._options, pipeline))
        return number

    def close(self) -> None:
        self._env.close()

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
