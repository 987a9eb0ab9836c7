"""Whose fault is a wrong program likely to be? Asked after the search, once, of one miscompile.

First the program itself is run under sanitizers (``sanitizers``). Then the sequence is cut to what is needed, and
LLVM's own bisection names the pass (``pass_bisection``). What shows it with LLVM's tools is left in the run's folder.
All of it is bounded in time, and whatever goes wrong here costs the run nothing.
"""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.core.errors import ColtError, PassError
from colt_llvm.core.process import Limits
from colt_llvm.evaluate.target import Target
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm import replay
from colt_llvm.llvm.decision import holds_decisions
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import baseline_command, codegen_command, front_end, front_end_command
from colt_llvm.program.program import IR_SUFFIXES, Program, Workload
from colt_llvm.run.minimizing import reduce_sequence
from colt_llvm.run.pass_bisection import Bisection, DecidingPass, OutOfTime
from colt_llvm.run.sanitizers import Looked, SanitizedBuild, Undefined, look_for_undefined
from colt_llvm.run.setup import Setup
from colt_llvm.run.trials import TrialRecord

logger = logging.getLogger(__name__)

#: For all of it; half of it at most goes to the sanitizers.
DIAGNOSIS_SECONDS = 20.0
#: Miscompiles that are built again until one shows in one pipeline: the search had applied the passes one by one.
_MOST_TRIALS = 3
#: What a program asks the optimiser by, as the front end writes it, and as its source has it.
_ASKS = {b"llvm.is.constant": "__builtin_constant_p", b"llvm.objectsize": "__builtin_object_size"}
_SHORT = {"address": "ASan", "undefined": "UBSan", "memory": "MSan", "type": "TySan"}


@dataclass(frozen=True)
class Diagnosis:
    """trial: of the search. sequence: what is needed of its sequence. difference: to the baseline, in one line.

    fault: ``undefined behaviour``, ``asks the optimiser``, ``none found`` or ``not known``. reason: that in words.
    undefined: what a sanitizer saw. looked: under which the program ran to its end; left_out: why not under others.
    deciding: the pass. commands: lines that show it, also in ``reproduce.sh`` of ``folder``.
    """

    trial: int
    sequence: tuple[str, ...]
    difference: str
    fault: str
    reason: str
    undefined: Undefined | None = None
    looked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    deciding: DecidingPass | None = None
    pass_note: str = ""
    commands: tuple[str, ...] = ()
    folder: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; with ``line``."""
        return {**asdict(self), "line": self.line}

    @property
    def line(self) -> str:
        """For the notes of a run."""
        parts = [f"miscompile of trial {self.trial} ({','.join(self.sequence)}): {self.reason}"]
        parts += [text for text in (self.pass_note, f"see {self.folder}" if self.folder else "") if text]
        return "; ".join(parts)


def diagnose(
    setup: Setup,
    trials: Sequence[TrialRecord],
    seconds: float = DIAGNOSIS_SECONDS,
    build: SanitizedBuild | None = None,
    *,
    part: bool = False,
) -> Diagnosis | None:
    """Of the miscompile with the shortest sequence that shows again; None where there is none.

    trials: those that were confirmed to do something else. build: how a part of something larger is instrumented.
    part: the program is such a part.
    """
    wrong = list(trials)
    wrong.sort(key=lambda trial: (len(trial.sequence), trial.request.id))
    distinct = {trial.outcome.key: trial for trial in reversed(wrong)}
    chosen = [trial for trial in wrong if distinct[trial.outcome.key] is trial][:_MOST_TRIALS]
    if not chosen or seconds <= 0:
        return None
    began = time.monotonic()
    try:
        with TemporaryDirectory(prefix="colt-", dir=setup.timer.verifier.folder) as folder:
            look = _Look(setup, Path(folder), began + seconds, part)
            found = look.at(chosen, build)
    except Exception as error:  # it explains a result, and must not cost it
        logger.warning("no diagnosis of a miscompile: %s: %s", type(error).__name__, error)
        return None
    return None if found is None else replace(found, seconds=round(time.monotonic() - began, 1))


@dataclass
class _Look:
    """One diagnosis. folder: for all that is thrown away."""

    setup: Setup
    folder: Path
    deadline: float
    part: bool
    known: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return self.setup.target

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def at(self, chosen: Sequence[TrialRecord], build: SanitizedBuild | None) -> Diagnosis | None:
        shown = next(((trial, text) for trial in chosen if (text := self._difference(trial.sequence))), None)
        if shown is None:
            return None
        trial, difference = shown
        target = self.target
        looked = Looked(left_out=("it is a part of a project whose command is not known",))
        if build is not None or not self.part:
            looked = look_for_undefined(target.toolchain, target.program, self.folder, self.left / 2, build)
        sequence, _ = reduce_sequence(trial.sequence, lambda s: bool(self._difference(s)), lambda: self.left <= 0)
        difference = self._difference(sequence) or difference
        looked = self._made_sure(looked, sequence)
        fault, reason = _fault(looked, target.baseline.bitcodes)
        found = Diagnosis(
            trial.request.id, sequence, difference, fault, reason, looked.found, looked.with_, looked.left_out
        )
        return self._with_pass(found)

    def _with_pass(self, found: Diagnosis) -> Diagnosis:
        """The pass, and the commands that show it."""
        target = self.target
        note, deciding, module, bisection = "", None, 0, None
        try:
            module = self._module(found.sequence)
            # What goes wrong; then the baseline, where the unoptimised program does as the candidate does.
            pipelines = [target.sequences.pipeline(sequence) for sequence in (found.sequence, ())]
            if holds_decisions(pipelines[0]):
                raise PassError("LLVM's bisection has no words for decisions; what is needed of the sequence decides")
            for pipeline in pipelines:
                bisection = self._bisection(module, pipeline)
                suspects = self._first_passes(found.sequence) if pipeline == pipelines[0] else ""
                deciding = bisection.deciding_pass(lambda bitcode: self._is_wrong(module, bitcode), suspects)
                if deciding is not None:
                    alone = bisection.alone(deciding, lambda bitcode: self._is_wrong(module, bitcode))
                    deciding = replace(deciding, alone=alone)
                    break
            note = _pass_note(deciding, found.sequence, target.baseline.name)
        except OutOfTime:
            note = f"the pass was not found in {DIAGNOSIS_SECONDS:g} s"
        except ColtError as error:
            note = f"the pass was not found: {error}"
        kept = self.setup.journal.folder("miscompiles", f"{found.trial:06d}")
        pipeline = target.sequences.pipeline(found.sequence)
        shown = Shown(found.difference, pipeline, module, deciding, bisection)
        commands = write_reproducer(kept, target, shown, part=self.part)
        return replace(
            found, deciding=deciding, pass_note=note, commands=tuple(commands), folder=str(kept / "reproduce.sh")
        )

    def _first_passes(self, sequence: Sequence[str]) -> str:
        """What the sequence puts before its first full pipeline."""
        actions = self.target.sequences.passes(sequence)
        return ",".join(action.pipeline for action in takewhile(lambda action: action.kind != "pipeline", actions))

    def _bisection(self, module: int, pipeline: str) -> Bisection:
        target = self.target
        if target.toolchain.opt is None:
            raise PassError(f"opt of LLVM {target.toolchain.major} is not installed")
        bitcode = self.folder / "program.bc"
        bitcode.write_bytes(target.baseline.bitcodes[module])
        return Bisection(target.toolchain.opt, bitcode, pipeline, self.folder, self.deadline)

    def _module(self, sequence: Sequence[str]) -> int:
        """Which file's passes it takes, the others as in the baseline. Raises PassError where one is not enough."""
        count = len(self.target.baseline.bitcodes)
        if count == 1:
            return 0
        pipeline = self.target.sequences.pipeline(sequence)
        for index, bitcode in enumerate(self._optimised(pipeline)):
            if self._difference_of(self._with_one(index, bitcode, pipeline)):
                return index
        raise PassError(f"it shows only where several of the {count} files are built so")

    def _is_wrong(self, module: int, bitcode: Path) -> bool:
        """Bitcode from opt, which has no words for decisions, so none about code generation either."""
        return bool(self._difference_of(self._with_one(module, bitcode.read_bytes(), "")))

    def _with_one(self, module: int, bitcode: bytes, pipeline: str) -> list[bytes]:
        """The baseline's objects, with one of them from bitcode that this pipeline optimised."""
        objects = list(self.target.baseline.objects)
        (objects[module],) = self.target.generate([bitcode], pipeline)
        return objects

    def _optimised(self, pipeline: str, bitcodes: Sequence[bytes] | None = None) -> list[bytes]:
        return self.target.optimise(pipeline, bitcodes, Limits(max(self.left, 0.1), 8 << 30, 1 << 30))

    def _difference(self, sequence: Sequence[str], bitcodes: Sequence[bytes] | None = None) -> str:
        """What the program does otherwise with the sequence as one pipeline; "" for nothing, and where it fails."""
        try:
            pipeline = self.target.sequences.pipeline(sequence)
            optimised = self._optimised(pipeline, bitcodes)
            return self._difference_of(self.target.generate(optimised, pipeline))
        except (PassError, OutOfTime):
            return ""

    def _difference_of(self, objects: Sequence[bytes]) -> str:
        """Of equal code it is known already. Raises OutOfTime."""
        key = ":".join(map(loaded_digest, objects))
        if key not in self.known:
            if self.left <= 0:
                raise OutOfTime("no time was left")
            timer = self.setup.timer
            try:
                self.known[key] = timer.verifier.first_look(timer.verifier.link(objects, "diagnosis"))
            except Miscompiled as error:
                self.known[key] = str(error)
        return self.known[key]

    def _made_sure(self, looked: Looked, sequence: Sequence[str]) -> Looked:
        """Without a finding of TypeSanitizer, unless the same passes do no harm where nothing is known of types."""
        if looked.found is None or looked.found.sanitizer != "TypeSanitizer":
            return looked
        target = self.target
        untyped = replace(target.program, cflags=(*target.program.cflags, "-fno-strict-aliasing"))
        sure = not self._difference(sequence, front_end(target.toolchain, untyped, target.baseline.level))
        return looked if sure else replace(looked, found=None, with_=(*looked.with_, "type"))


def _fault(looked: Looked, bitcodes: Sequence[bytes]) -> tuple[str, str]:
    """In a word, and in words."""
    if looked.found is not None:
        found = looked.found
        at = f" at {found.place}" if found.place else ", in a place that is not known"
        more = f"; {looked.left_out[-1]}" if not found.place and looked.left_out else ""
        return "undefined behaviour", f"undefined behaviour{at}: {found.words} ({found.sanitizer}){more}"
    asked = [name for symbol, name in _ASKS.items() if any(symbol in bitcode for bitcode in bitcodes)]
    under = ", ".join(_SHORT.get(name, name) for kind in looked.with_ for name in kind.split(","))
    seen = f"not looked for undefined behaviour: {'; '.join(looked.left_out)}"
    if under:
        seen = f"no undefined behaviour was found ({under})"
    if asked:
        return (
            "asks the optimiser",
            f"{seen}; the program has {' and '.join(asked)}, whose value passes may change by right",
        )
    if under:
        return "none found", f"{seen}: perhaps a compiler bug"
    return "not known", seen


def _pass_note(deciding: DecidingPass | None, sequence: Sequence[str], baseline: str) -> str:
    if deciding is None:
        return f"what decides are the passes of {','.join(sequence)}; without optional passes nothing is decided"
    where = f"{deciding.name} on {deciding.unit} (pass {deciding.number} of the bisection)"
    if deciding.wrong_from_here:
        return f"it goes wrong with {where}"
    left_out = [name for name in sequence if is_edit(name)]
    because = f", which {','.join(left_out)} keeps from it" if left_out else ""
    return f"unoptimised the program does as the candidate does, and {baseline} changes that with {where}{because}"


SCRIPT = "reproduce.sh"
_WHICH = ("right", "wrong")


@dataclass(frozen=True)
class Shown:
    """What goes wrong."""

    difference: str  # to the baseline, in one line
    pipeline: str  # of the candidate
    module: int  # which source it is about
    deciding: DecidingPass | None = None  # None where it was not found
    bisection: Bisection | None = None  # that found it


def write_reproducer(folder: Path, target: Target, shown: Shown, *, part: bool = False) -> list[str]:
    """Write ``program.bc`` and ``reproduce.sh`` to ``folder``; the script's commands.

    part: of something larger, so that the script ends with objects.
    """
    toolchain, program, baseline = target.toolchain, target.program, target.baseline
    module, deciding, bisection, difference = shown.module, shown.deciding, shown.bisection, shown.difference
    (folder / "program.bc").write_bytes(baseline.bitcodes[module])
    source = program.sources[module]
    opt = toolchain.opt or toolchain.prefix / "bin" / "opt"
    if deciding is not None and bisection is not None:
        first, second = deciding.number - 1, deciding.number
        limits: Sequence[int | None] = (first, second) if deciding.wrong_from_here else (second, first)
        pipelines = [bisection.pipeline] * 2
    else:
        limits, pipelines = (None, None), [baseline.completion.pipeline, shown.pipeline]
    lines = []
    for which, limit, text in zip(_WHICH, limits, pipelines, strict=True):
        if holds_decisions(text):
            lines += _replayed(folder, target, which, text)
            continue
        command = Bisection(opt, Path(), text, folder, 0.0).command("program.bc", f"{which}.bc", limit)
        lines.append(f"{shlex.join(command)} 2> {which}.log")  # which passes ran
    if deciding is not None and deciding.alone:
        before, after = _WHICH if deciding.wrong_from_here else reversed(_WHICH)
        alone = Bisection(opt, Path(), pipelines[0], folder, 0.0).command(
            f"{before}.bc", f"{after}.bc", passes=deciding.alone
        )
        lines.append(f"# {deciding.name} alone does it: {shlex.join(alone)}")
    lines += _objects(target, module, pipelines)
    lines += _programs(toolchain, program, module, difference) if not part else [
        "# link the project with right.o and with wrong.o in the place of this file's object, and run it"
    ]  # fmt: skip
    how = f"program.bc is what the front end makes of {program.name}"
    if source.suffix not in IR_SUFFIXES:
        command = [*front_end_command(toolchain, program, source, baseline.level), "-o", "program.bc"]
        how = f"program.bc was made by: {shlex.join(command)}"
    head = [
        "#!/bin/sh",
        f"# LLVM {toolchain.version}, {toolchain.triple}. {_one_line(difference)}",
        f"# {how}",
        'cd "$(dirname "$0")" || exit 1',
        "ulimit -t 20; ulimit -v 8388608  # a wrong program may never end, or take all memory",
    ]
    script = folder / SCRIPT
    script.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    script.chmod(0o755)
    return lines


def _replayed(folder: Path, target: Target, which: str, pipeline: str) -> list[str]:
    """Commands for a pipeline with decisions, which goes into a file of its own."""
    text = f"{which}.pipeline"
    (folder / text).write_text(pipeline, encoding="utf-8")
    level = str(target.baseline.codegen_level)
    words = [sys.executable, "-m", replay.__name__, str(target.toolchain.library), level]
    return [
        f"# opt has no words for decisions: colt-llvm applies {text} with libLLVM",
        shlex.join([*words, text, "program.bc", f"{which}.bc"]),
    ]


def _objects(target: Target, module: int, pipelines: Sequence[str]) -> list[str]:
    """pipelines: what each of _WHICH was optimised by."""
    toolchain, program, baseline = target.toolchain, target.program, target.baseline
    lines = []
    for which, pipeline in zip(_WHICH, pipelines, strict=True):
        command = codegen_command(toolchain, program, Path(f"{which}.bc"), baseline.level, pipeline)
        lines.append(shlex.join([*command, "-o", f"{which}.o"]))
    for index, source in enumerate((*program.sources, *program.harness)):
        if index != module:
            command = baseline_command(toolchain, program, source, baseline.level)
            lines.append(shlex.join([*command, "-o", f"other-{index}.o"]))
    return lines


def _programs(toolchain: Toolchain, program: Program, module: int, difference: str) -> list[str]:
    others = [f"other-{index}.o" for index in range(len(program.sources) + len(program.harness)) if index != module]
    compiler, workload = str(toolchain.compiler(program.is_cxx)), _workload(program.workloads, difference)
    lines = []
    for which in _WHICH:
        lines.append(shlex.join([compiler, f"{which}.o", *others, "-o", which, *program.ldflags]))
        words = [word.replace("{exe}", f"./{which}") for word in workload.command]
        given = shlex.quote(str(workload.stdin)) if workload.stdin is not None else "/dev/null"
        lines.append(f'echo "{which}:"; {shlex.join(words)} < {given}; echo "exit status $?"')
        lines += [f"cat {shlex.quote(name)}" for name in workload.outputs]
    return lines


def _workload(workloads: Sequence[Workload], difference: str) -> Workload:
    """The one that the difference names."""
    return next((w for w in workloads if difference.startswith(f"workload {w.name}:")), workloads[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
