"""One sequence for many programs: each is a target of its own, and together they are one ``Target`` more.

A candidate is worth the geometric mean of the programs' ratios. What does not build or does something else in one
program has failed for all. Only exact figures: run times of many programs are another proof.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from colt_llvm.core.errors import ColtError, NotRepeatable, UsageError
from colt_llvm.core.files import owned_folder
from colt_llvm.env import ServiceOptions
from colt_llvm.env.datasets import make_benchmark, make_record
from colt_llvm.evaluate import builder as one_program
from colt_llvm.evaluate import unrun
from colt_llvm.evaluate.builder import Builder, Builders
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, Target, prepare_target
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.processor import named_target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.check import OwnCheck
from colt_llvm.measure.compared import Compared
from colt_llvm.objectives.base import Compiled, Objective
from colt_llvm.program.baseline import Baseline, Completion
from colt_llvm.program.profile import profile_file
from colt_llvm.program.program import Program

#: What may be decided for many programs at once.
SCOPES = ("passes", "module")
#: All workloads of all programs are dear: they run for a candidate that gains half a per cent more, and in the proof.
CHECK_STEP = 0.005


@dataclass(frozen=True)
class CorpusBuilt(Built):
    """What a sequence gave for each program; the figures are sums."""

    members: tuple[Built, ...] = ()


def together(members: Sequence[Built]) -> CorpusBuilt:
    """No function is known by its size: programs may have functions of the same name."""
    return CorpusBuilt(
        key=hashlib.blake2b("\n".join(built.key for built in members).encode(), digest_size=16).hexdigest(),
        instructions=sum(built.instructions for built in members),
        objects=tuple(data for built in members for data in built.objects),
        size=sum(built.size for built in members),
        text=sum(built.text for built in members),
        members=tuple(members),
    )


def figure_of(program: str, figure: str) -> str:
    """The name of one program's figure among those of a corpus."""
    return f"{program}/{figure}"


@dataclass(frozen=True)
class CorpusObjective(Objective):
    """The geometric mean of the ratios that one objective has for each program."""

    programs: tuple[str, ...] = ()  # their names, in the order in which they are built
    own: Objective | None = None  # of each program; set by ``of``

    @staticmethod
    def of(own: Objective, programs: Sequence[str]) -> CorpusObjective:
        """own: of each program. Functions are not valued one by one (see ``together``)."""
        stated = {item.name: getattr(own, item.name) for item in fields(Objective)}
        return CorpusObjective(**{**stated, "additive": False}, programs=tuple(programs), own=own)

    def log_ratios(self, figures: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
        """Program -> ln(baseline / candidate). Raises MissingFigureError or BadFigureError."""
        assert self.own is not None
        names = self.own.figures
        return {
            program: self.own.reward(_part(figures, program, names), _part(baseline, program, names))
            for program in self.programs
        }

    def reward(self, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """The mean of the programs' log ratios. Raises MissingFigureError or BadFigureError."""
        return math.fsum(self.log_ratios(figures, baseline).values()) / len(self.programs)

    def measured(self, built: Compiled) -> dict[str, float]:
        """The sums, and the figures of each program as ``figure_of`` names them. Raises MeasureError."""
        assert self.own is not None
        assert isinstance(built, CorpusBuilt)
        found = dict(built.figures)
        for program, member in zip(self.programs, built.members, strict=True):
            own = self.own.measured(member)
            found |= {figure_of(program, name): own[name] for name in self.own.figures if name in own}
        return found


def _part(figures: Mapping[str, float], program: str, names: Sequence[str]) -> dict[str, float]:
    of_program = {name: figure_of(program, name) for name in names}
    return {name: figures[full] for name, full in of_program.items() if full in figures}


@dataclass(frozen=True)
class CorpusTarget(Target):
    """Many programs as one; ``baseline`` has the bitcode and objects of all, in their order."""

    members: tuple[Target, ...] = ()

    @property
    def baseline_built(self) -> CorpusBuilt:
        return together([member.baseline_built for member in self.members])

    @property
    def service(self) -> ServiceOptions:
        """One service builds all programs: it has the time that the largest needs."""
        return max((member.service for member in self.members), key=lambda options: options.action_seconds)

    def rebuild(self, pipeline: str) -> CorpusBuilt:
        """What a recipe of this pipeline gives for each program. Raises PassError, CompileError."""
        built = []
        for member in self.members:
            with named(member.program.name):
                built.append(member.rebuild(pipeline))
        return together(built)


@contextlib.contextmanager
def named(program: str) -> Iterator[None]:
    """A message of an error in here begins with the program's name."""
    try:
        yield
    except ColtError as error:
        if not str(error).startswith(f"{program}:"):
            error.args = (f"{program}: {error}",)
        raise


def prepare_corpus(
    toolchain: Toolchain,
    program: Program,
    options: TuneOptions,
    *,
    objective: Objective | None = None,
    own_check: OwnCheck | None = None,
    on_program: Callable[[str], None] = lambda _name: None,
) -> CorpusTarget:
    """Build the baseline of each program of ``program.members``. on_program: called with the name before each.

    Raises UsageError for what one recipe cannot be found for, else as ``prepare_target``, with the program's name.
    """
    own = objective or options.goal
    if own.timed:
        raise UsageError(
            f"--objective {own.name}: a corpus is tuned for exact figures; use --objective size or instructions"
        )
    if other := sorted({*options.scopes} - {*SCOPES}):
        raise UsageError(f"--scopes {other[0]}: names parts of one program; a corpus has {' and '.join(SCOPES)}")
    if profiled := [member.name for member in program.members if profile_file(member.cflags)]:
        raise UsageError(f"{profiled[0]}: is built with a profile, which is of one program; leave its flag out")
    if len({named_target(member.cflags) for member in program.members}) > 1:
        raise UsageError("--target: names one processor for all programs of a corpus; give it on the command line")
    members = []
    for single in program.members:
        on_program(single.name)
        with named(single.name):
            members.append(prepare_target(toolchain, single, options, objective=objective, own_check=own_check))
    first = members[0]
    goal = CorpusObjective.of(first.objective, [member.program.name for member in members])
    baseline = _baseline([member.baseline for member in members])
    return CorpusTarget(
        toolchain, program, baseline, first.catalogue, options, goal, own_check=first.own_check, members=tuple(members)
    )


def _baseline(members: Sequence[Baseline]) -> Baseline:
    """The programs' own, in one; sequences are completed by one pipeline, that of most programs."""
    completions = [baseline.completion for baseline in members]
    expanded, count = Counter(completion.expanded for completion in completions).most_common(1)[0]
    usual = next(completion for completion in completions if completion.expanded == expanded)
    if expanded and len({completion.pipeline for completion in completions if completion.expanded == expanded}) > 1:
        # Where the short text is not clang's pipeline for all of them, the written-out one is.
        usual = Completion(expanded, usual.exact, expanded, usual.options)
    notes = []
    if count < len(members):
        notes.append(
            f"flags of {len(members) - count} programs change clang's pipeline; the recipe has that of the rest"
        )
    return Baseline(
        members[0].name, members[0].level,
        tuple(bitcode for baseline in members for bitcode in baseline.bitcodes),
        tuple(data for baseline in members for data in baseline.objects),
        usual, (*(note for baseline in members for note in baseline.notes), *notes),
    )  # fmt: skip


class CorpusBuilder(Builder):
    """One service builds all programs in turn. What it observes is of the largest.

    codegen: of each program, who generates code.
    """

    def __init__(self, target: CorpusTarget, codegen: Sequence[str], service: ServiceOptions | None = None) -> None:
        level = target.baseline.level
        records = [
            make_record(target.toolchain, member.program, level, who, member.baseline.bitcodes)
            for member, who in zip(target.members, codegen, strict=True)
        ]
        largest = max(range(len(records)), key=lambda number: sum(map(len, records[number].bitcodes)))
        super().__init__(target, None, service, records[largest])
        self._members = target.members
        self._benchmarks = [
            make_benchmark(target.toolchain, None, member.program, record)
            for member, record in zip(target.members, records, strict=True)
        ]

    def build(self, sequence: Sequence[str]) -> CorpusBuilt:
        """Raises as of one program, at the first for which the sequence fails; the message has its name."""
        built = []
        for member, benchmark in zip(self._members, self._benchmarks, strict=True):
            with named(member.program.name):
                built.append(self.build_benchmark(benchmark, sequence))
        return together(built)


@contextlib.contextmanager
def start_builders(target: Target, count: int) -> Iterator[Builders]:
    """As of one program (``evaluate.builder``), and of a corpus: of each program who generates code is found out."""
    if not isinstance(target, CorpusTarget):
        with one_program.start_builders(target, count) as builders:
            yield builders
        return
    with contextlib.ExitStack() as stack:
        codegen = ["library"] * len(target.members)
        first = CorpusBuilder(target, codegen)
        try:
            empty = first.build(())
            baseline = target.baseline_built
            if target.with_objects:
                codegen = [
                    "clang" if member.baseline.completion.exact and made.key != own.key else "library"
                    for member, made, own in zip(target.members, empty.members, baseline.members, strict=True)
                ]
            if "clang" in codegen:
                first.close()
                first = CorpusBuilder(target, codegen)
                empty = first.build(())
        finally:
            stack.callback(lambda: first.close())
        all_of_them = [first]
        for _ in range(count - 1):
            all_of_them.append(CorpusBuilder(target, codegen))
            stack.callback(all_of_them[-1].close)
        counted = [
            replace(own, instructions=made.instructions)
            for own, made in zip(baseline.members, empty.members, strict=True)
        ]
        figures = target.objective.measured(together(counted))
        yield Builders(tuple(all_of_them), empty, figures, baseline.key if target.with_objects else empty.key)


def verifier_of(target: Target) -> Verifier:
    """As of one program (``evaluate.unrun``), or all programs of a corpus. Raises as that."""
    return CorpusVerifier.of_target(target) if isinstance(target, CorpusTarget) else unrun.verifier_of(target)


@dataclass
class CorpusVerifier(Verifier):
    """Each program by its own verifier. What stands for an executable is a name: programs are linked as needed.

    An object that did right or wrong once is not linked and run again, but in a proof.
    """

    members: tuple[tuple[Target, Verifier], ...] = ()
    _objects: dict[Path, list[tuple[bytes, ...]]] = field(default_factory=dict, repr=False)
    _right: dict[tuple[int, str], bool] = field(default_factory=dict, repr=False)  # -> whether in all workloads
    _wrong: dict[tuple[int, str], Miscompiled] = field(default_factory=dict, repr=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of_target(cls, target: Target) -> CorpusVerifier:
        """Raises CompileError, ProgramError or CheckError of a program's baseline; the message has its name."""
        assert isinstance(target, CorpusTarget)
        folder = owned_folder("verify")
        made = cls(target.program, target.options, folder, None, folder / "baseline", target.link)
        try:
            for member in target.members:
                with named(member.program.name):
                    verifier = unrun.verifier_of(member)
                made._right[len(made.members), _digest(member.baseline.objects)] = not target.options.runs_nothing
                made.members = (*made.members, (member, verifier))
        except BaseException:
            made.close()
            raise
        return made

    @property
    def notes(self) -> Iterator[str]:
        for member, verifier in self.members:
            yield from (f"{member.program.name}: {note}" for note in verifier.notes)

    @property
    def compared(self) -> Compared:
        of_all = [(member.program.name, verifier.compared) for member, verifier in self.members]
        what = dict.fromkeys(name for _, compared in of_all for name in compared.what)
        left_out = [f"{name}: {text}" for name, compared in of_all for text in compared.left_out]
        return Compared(tuple(what), tuple(left_out), of_all[0][1].by)

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        """The name of these objects."""
        parts, place = [], 0
        for member, _ in self.members:
            count = len(member.program.sources)
            parts.append(tuple(objects[place : place + count]))
            place += count
        self._objects[self.folder / name] = parts
        return self.folder / name

    def discard(self, executable: Path) -> None:
        self._objects.pop(executable, None)

    def check(self, executable: Path, *, thorough: bool, core: int | None = None, proof: bool = False) -> bool:
        """Returns whether all workloads of all programs were run. Raises Miscompiled, NotRepeatable."""
        parts = self._objects[executable]
        whole = True
        for number, (member, _) in enumerate(self.members):
            key = number, _digest(parts[number])
            if key in self._wrong:
                raise self._wrong[key]
            known = self._right.get(key)
            if proof or known is None or (thorough and not known):
                try:
                    known = self._checked(number, parts[number], executable.name, thorough=thorough, proof=proof)
                except Miscompiled as error:
                    self._wrong[key] = Miscompiled(f"{member.program.name}: {error}", executable, error.evidence)
                    raise self._wrong[key] from error
                except NotRepeatable as error:
                    raise NotRepeatable(f"{member.program.name}: {error}") from error
                self._right[key] = known
            whole &= known
        return whole

    def _checked(self, number: int, objects: Sequence[bytes], name: str, *, thorough: bool, proof: bool) -> bool:
        verifier = self.members[number][1]
        linked = verifier.link(objects, name)
        try:
            return verifier.check(linked, thorough=thorough, proof=proof)
        finally:
            verifier.discard(linked)
            with self._counting:
                self.program_seconds = sum(verifier.program_seconds for _, verifier in self.members)

    def close(self) -> None:
        for _, verifier in self.members:
            verifier.close()
        super().close()


def _digest(objects: Sequence[bytes]) -> str:
    return ":".join(map(loaded_digest, objects))
