"""What is tuned: made once by ``prepare_target``, and handed down whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from colt_llvm.core.errors import UsageError
from colt_llvm.core.process import Limits
from colt_llvm.env import ServiceOptions
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.catalogue import RISKS, Action, Catalogue
from colt_llvm.llvm.decision import decide_text, is_decision, joined, parse_decision
from colt_llvm.llvm.elf import function_sizes, loaded_digest, section_sizes
from colt_llvm.llvm.features import instruction_count
from colt_llvm.llvm.module import Module, bitcode_hash
from colt_llvm.llvm.pipeline import edit_pipeline, edits_of, is_edit
from colt_llvm.llvm.process_options import threshold_options, with_options
from colt_llvm.llvm.processor import code_generator, named_target
from colt_llvm.llvm.replay import DEFAULT_LIMITS, replay
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.check import OwnCheck
from colt_llvm.measure.host import measuring_core
from colt_llvm.objectives.base import INSTRUCTIONS, SIZE, TEXT, Objective
from colt_llvm.program.baseline import Baseline, prepare_baseline
from colt_llvm.program.compilation import generate_objects, link
from colt_llvm.program.program import Program

#: Flags of the catalogue that keep an action out of the search, unless the user takes the risk.
RISKS_AVOIDED = ("miscompile", "crash", "nondeterministic", "slow")

#: What a whole pipeline surely optimises in a second, on a busy machine too: bytes of the baseline's object.
_BYTES_A_SECOND = 4_000

#: Objects, in the order of the program's sources, to an executable at the given place. Raises CompileError.
Linker = Callable[[Sequence[bytes], Path], Path]


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
        """The step that applies the sequence's decisions, before all passes or after them; empty where it has none.

        Passes that several decisions list for one function are one list; the order of these decisions says nothing.
        """
        own = [name for name in names if is_decision(name) and parse_decision(name).late == late]
        return decide_text(joined(sorted(own)))

    def passes(self, names: Sequence[str]) -> list[Action]:
        """Raises UnknownPassError."""
        return [self._catalogue[name] for name in names if not has_no_order(name)]

    def texts(self, names: Sequence[str], *, late_apart: bool = False) -> list[str]:
        """The steps to build this sequence by, in order; each is a pipeline's text.

        late_apart: late decisions are a step of their own, so that the state before it can be known already.
        """
        options = self.options(names)
        first, last = self.decisions(names, late=False), self.decisions(names, late=True)
        parts = [action.pipeline for action in self.passes(names)]
        parts = list(filter(None, [*parts, self.completion(names)]))
        if first:  # a step of the service costs as much as a small pass
            parts[:1] = [",".join([first, *parts[:1]])]
        if last and late_apart:
            parts.append(last)
        elif last:
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


@dataclass(frozen=True)
class Built:
    """What a sequence gave."""

    key: str  # equal for equal object code (equal IR, where no object is made)
    instructions: int  # of the IR before code generation
    objects: tuple[bytes, ...] = ()  # one for each source; none where IR alone is valued
    size: int = 0  # bytes of the loaded sections; 0 without an object
    text: int = 0  # bytes of code; 0 without an object
    parts: Mapping[str, int] = field(default_factory=dict)  # bytes of each function

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


def linker_of(toolchain: Toolchain, program: Program) -> Linker:
    """Links objects as the whole program."""
    return lambda objects, place: link(toolchain, program, objects, place)


@dataclass(frozen=True)
class Target:
    """What is tuned, for what, and against what."""

    toolchain: Toolchain
    program: Program
    baseline: Baseline
    catalogue: Catalogue  # the actions that may be drawn
    options: TuneOptions  # limits of passes and runs, scopes, seed
    objective: Objective
    linker: Linker | None = None  # None: the objects are the whole program
    own_check: OwnCheck | None = None  # the caller's own, beside the comparison or in place of it
    core: int | None = None  # where programs are timed; None where none are

    @property
    def with_objects(self) -> bool:
        """Whether code is generated for each sequence; where not, IR alone is valued."""
        return self.objective.builds_objects

    @cached_property
    def sequences(self) -> Sequences:
        return Sequences(self.catalogue, self.baseline)

    @cached_property
    def baseline_built(self) -> Built:
        """The baseline's own objects. Its instructions are 0: the empty sequence says them."""
        return built_from_objects(self.baseline.objects, 0)

    @property
    def service(self) -> ServiceOptions:
        """Steps are exact: else what a service built before can show in the next result (attributes of declarations
        are set anew when a module is read), and services would not agree. It costs a few percent.
        A whole pipeline is one step: of a large module it takes its time, too.
        """
        seconds = self.options.pass_seconds + self.baseline_built.size / _BYTES_A_SECOND
        return ServiceOptions(
            llvm_prefix=self.toolchain.prefix, action_seconds=seconds,
            memory_bytes=self.options.pass_memory_bytes, exact_steps=True,
        )  # fmt: skip

    def link(self, objects: Sequence[bytes], place: Path) -> Path:
        """Raises CompileError."""
        return (self.linker or linker_of(self.toolchain, self.program))(objects, place)

    def optimise(
        self, pipeline: str, bitcodes: Sequence[bytes] | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> list[bytes]:
        """Bitcode after a pipeline, in one go and in a child process. Raises PassError.

        bitcodes: in place of what the front end gave. limits: of the child.
        """
        bitcodes = bitcodes or self.baseline.bitcodes
        return replay(self.toolchain.library, bitcodes, pipeline, self.baseline.codegen_level, limits)

    def generate(self, bitcodes: Sequence[bytes], pipeline: str) -> list[bytes]:
        """Objects by clang's own code generation, of what a pipeline gave. Raises CompileError."""
        return generate_objects(self.toolchain, self.program, bitcodes, self.baseline.level, pipeline)

    def rebuild(self, pipeline: str) -> Built:
        """What a recipe of this pipeline gives. Raises PassError, CompileError."""
        optimised = self.optimise(pipeline)
        objects = self.generate(optimised, pipeline)
        count = 0
        for bitcode in optimised:
            with Module.parse(self.toolchain.load(), bitcode) as module:
                count += instruction_count(module)
        built = built_from_objects(objects, count)
        return built if self.with_objects else replace(built, key=bitcode_hash(*optimised))


def refuse_foreign_times(toolchain: Toolchain, program: Program, options: TuneOptions) -> None:
    """Raises UsageError where run time would be an emulator's."""
    triple = named_target(program.cflags)
    if options.times_the_program and triple and code_generator(triple) != code_generator(toolchain.triple):
        raise UsageError(
            f"--target {triple}: what takes time under an emulator is no processor's, so it proves nothing; use "
            "--objective size or instructions"
        )


def prepare_target(
    toolchain: Toolchain,
    program: Program,
    options: TuneOptions,
    *,
    objective: Objective | None = None,
    linker: Linker | None = None,
    own_check: OwnCheck | None = None,
) -> Target:
    """Build the baseline, and choose a core where programs are timed. Raises CompileError, ToolchainError.

    Raises UsageError for a corpus, which ``evaluate.corpus`` prepares.

    objective: one of the caller's own; None is the one that the options name. linker: where the program's objects are
    a part of something larger. own_check: as ``objective``.
    """
    if program.members:
        raise UsageError(f"{program.name}: is a corpus, and this is for one program; name one of its programs")
    refuse_foreign_times(toolchain, program, options)
    baseline = prepare_baseline(toolchain, program, options.objective, options.clang_baseline)
    catalogue = toolchain_catalogue(toolchain)
    if not options.risky:
        catalogue = catalogue.without(RISKS if options.unchecked and not options.test else RISKS_AVOIDED)
    objective = objective or options.goal
    own_check = own_check or options.own_check
    core = measuring_core() if options.times_the_program else None
    return Target(toolchain, program, baseline, catalogue, options, objective, linker, own_check, core)
