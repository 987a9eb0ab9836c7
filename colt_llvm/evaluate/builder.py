"""From a sequence to object code, through the CompilerGym environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.datasets import make_benchmark, make_record
from colt_llvm.env.payload import BenchmarkRecord, unpack
from colt_llvm.llvm.catalogue import Action, Catalogue
from colt_llvm.llvm.decision import decide_text, is_decision, parse_decision
from colt_llvm.llvm.elf import function_sizes, loaded_digest, section_sizes
from colt_llvm.llvm.pipeline import edit_pipeline, edits_of, is_edit
from colt_llvm.llvm.process_options import threshold_options, with_options
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.base import INSTRUCTIONS, SIZE, TEXT, Objective
from colt_llvm.program.baseline import Baseline
from colt_llvm.program.program import Program

#: Name of the actions that are not in the catalogue: completions and decisions, which belong to one program.
COMPLETION = "baseline-pipeline"


@dataclass(frozen=True)
class Built:
    """What a sequence gave.

    key: equal for equal object code (equal IR, where no object is made). size, text: bytes; 0 without an object.
    instructions: of the IR before code generation. parts: bytes of each function.
    """

    key: str
    instructions: int
    objects: tuple[bytes, ...] = ()
    size: int = 0
    text: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        figures = {INSTRUCTIONS: float(self.instructions)}
        if self.objects:
            figures |= {SIZE: float(self.size), TEXT: float(self.text)}
        return figures


def built_from_objects(objects: Sequence[bytes], instructions: int) -> Built:
    """Sizes are of the loaded sections."""
    sections = [section_sizes(data) for data in objects]
    key = ":".join(loaded_digest(data) for data in objects)
    size, text = sum(part.loaded_bytes for part in sections), sum(part.text_bytes for part in sections)
    parts: Counter[str] = Counter()
    for data in objects:
        parts.update(function_sizes(data))
    return Built(key, instructions, tuple(objects), size, text, dict(parts))


def baseline_figures(objective: Objective, mark: Built, empty: Built) -> dict[str, float]:
    """What the objective measures of the baseline: its objects, and the IR that the empty sequence gives."""
    measured = objective.measured(replace(mark, instructions=empty.instructions))
    return {name: measured[name] for name in dict.fromkeys((SIZE, TEXT, INSTRUCTIONS, *measured))}


class Sequences:
    """What a sequence of names means.

    Passes of the catalogue apply in order. A sequence that holds no full pipeline is completed by the baseline's
    (completion rollout, ours), less what the sequence's edits (``without<licm>``) leave out of it. Decisions with a
    scope (``llvm.decision``) come before all passes, as they name what the front end made, and thresholds hold for all.
    """

    def __init__(self, catalogue: Catalogue, baseline: Baseline) -> None:
        self._catalogue = catalogue
        self._baseline = baseline
        self.edits = edits_of(baseline.completion.expanded) if baseline.completion.expanded else []

    def options(self, names: Sequence[str]) -> tuple[str, ...]:
        """What stands before every text of this sequence; of one threshold, the greatest value that is named."""
        named: dict[str, int] = {}
        for option in filter(None, map(threshold_options, names)):
            word, _, value = option.partition("=")
            named[word] = max(int(value), named.get(word, int(value)))
        return (*self._baseline.completion.options, *(f"{word}={value}" for word, value in sorted(named.items())))

    def decisions(self, names: Sequence[str], *, late: bool) -> str:
        """The step that applies the sequence's decisions, before all passes or after them; empty where it has none."""
        return decide_text([name for name in names if is_decision(name) and parse_decision(name).late == late])

    def passes(self, names: Sequence[str]) -> list[Action]:
        """Raises UnknownPassError."""
        return [self._catalogue[name] for name in names if not has_no_order(name)]

    def texts(self, names: Sequence[str]) -> list[str]:
        """The steps to build this sequence by, in order; each is a pipeline's text."""
        options = self.options(names)
        first, last = self.decisions(names, late=False), self.decisions(names, late=True)
        parts = [action.pipeline for action in self.passes(names)]
        parts = list(filter(None, [*parts, self.completion(names)]))
        if first:  # a step of the service costs as much as a small pass
            parts[:1] = [",".join([first, *parts[:1]])]
        if last:
            parts[-1:] = [",".join([*parts[-1:], last])]
        return [with_options(options, part) for part in parts]

    def completion(self, names: Sequence[str]) -> str:
        """The pipeline appended to the passes; empty where they hold a full pipeline."""
        if any(action.kind == "pipeline" for action in self.passes(names)):
            return ""
        edits = frozenset(filter(is_edit, names))
        completion = self._baseline.completion
        return edit_pipeline(completion.expanded, edits) if edits else completion.pipeline

    def pipeline(self, names: Sequence[str]) -> str:
        """The complete text for ``opt -passes=``, with the options that it needs before it."""
        passes = [action.pipeline for action in self.passes(names)]
        first, last = self.decisions(names, late=False), self.decisions(names, late=True)
        texts = [first, *passes, self.completion(names), last]
        return with_options(self.options(names), ",".join(filter(None, texts)))


def has_no_order(name: str) -> bool:
    """Whether an action means the same wherever it stands in a sequence: an edit or a decision, no pass."""
    return is_edit(name) or is_decision(name) or threshold_options(name) is not None


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
        before = baseline.completion.options
        actions = [(action.name, with_options(before, action.pipeline)) for action in catalogue.actions]
        self._number = {pipeline: index for index, (_, pipeline) in enumerate(actions)}
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
        numbers = [self._action_number(text) for text in self._sequences.texts(sequence)]
        return self._env.try_multistep(numbers, observations)

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
