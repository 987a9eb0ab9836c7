"""What a candidate is held against, and the pipeline that completes a sequence.

An objective states the level: plain ``clang -O3`` or ``clang -Oz``, whose front end marks functions minsize.
With ``opt_baseline`` it is ``opt -passes='default<Oz>'`` on bitcode without minsize, as in the literature, which is
easier to beat; ``strict`` takes clang's own -Oz instead, and so does LLVM 23, which has no ``default<Oz>``. No table
may mix the two.

The baseline's objects are always clang's own. The harness can give the very same ones (``Completion.exact``): then
the empty sequence is the baseline, and no gain comes from the harness. Why so: docs/decisions/0001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import PassError
from colt_llvm.llvm.acceptance import accepted_pipelines
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.pipeline import edit_pipeline, has_size_levels, level_pipeline, parse_pipeline, print_pipeline
from colt_llvm.llvm.process_options import with_options
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.registry import find_objective
from colt_llvm.program.compilation import CODEGEN_LEVEL, Level, baseline_objects, front_end, generate_objects
from colt_llvm.program.profile import (
    after_profile,
    printed_pipeline,
    profile_file,
    profile_is_read_by_a_pass,
    profile_warnings,
)
from colt_llvm.program.program import Program

#: What opt adds at the end of its own accord.
_PRINTED_BY_THE_TOOL = ("verify", "BitcodeWriterPass")
#: What clang -Oz runs and ``default<Oz>`` does not.
_CLANGS_OWN = ("slp-vectorizer", "declare-to-assign")
#: What clang's pipeline with a profile has and its text does not say: at -O3 other thresholds than LLVM's own.
_UNPRINTED: tuple[str, ...] = ("-inline-deferral=1",)
_UNPRINTED_AT_O3 = (
    *_UNPRINTED, "-inlinedefault-threshold=250", "-locally-hot-callsite-threshold=525",
    "-unroll-threshold-default=300",
)  # fmt: skip
#: The first LLVM that prints and reads the parameters of loop-rotate.
_ROTATION_IN_TEXT = 17


@dataclass(frozen=True)
class Completion:
    """The baseline pipeline, appended to a sequence that holds none."""

    pipeline: str  #: what is appended
    exact: bool  #: through the harness it gives the object code that the baseline has
    expanded: str = ""  #: every pass of it written out, for edits; empty where this LLVM cannot print it
    options: tuple[
        str, ...
    ] = ()  #: stand before every pipeline (``llvm.process_options``): the expanded one needs them


@dataclass(frozen=True)
class Baseline:
    """What candidates are compared with, and where the search starts."""

    name: str  #: as a user would type it
    level: Level  #: of the front end and of code generation
    bitcodes: tuple[bytes, ...]  #: the front end's output, one for each source
    objects: tuple[bytes, ...]  #: the baseline's object code, one for each source
    completion: Completion  #: of sequences
    notes: tuple[str, ...] = ()  #: what the user should know of it

    @property
    def codegen_level(self) -> int:
        """Of libLLVM: 0 to 3."""
        return CODEGEN_LEVEL[self.level]

    @property
    def has_unwind_rows(self) -> bool:
        """Whether any object loads the table that unwinders read."""
        return any(".eh_frame" in section_sizes(data).sizes for data in self.objects)


def prepare_baseline(toolchain: Toolchain, program: Program, objective: str, strict: bool = False) -> Baseline:
    """Build what the objective is held against. Raises CompileError with clang's own message."""
    stated = find_objective(objective)
    if stated.opt_baseline and not strict and has_size_levels(toolchain.major):
        return _literature_baseline(toolchain, program)
    level: Level = stated.level
    bitcodes = tuple(front_end(toolchain, program, level))
    said: list[str] = []
    objects = tuple(baseline_objects(toolchain, program, level, said))
    completion = _choose_completion(toolchain, program, level, bitcodes, objects)
    name = f"clang -{level}"
    if profile_file(program.cflags):
        name += ", profile"
    if stated.opt_baseline and not strict:
        name += f" (LLVM {toolchain.major} has no opt -{level})"
    notes = tuple(f"clang says of the profile: {line}" for line in profile_warnings("\n".join(said)))
    return Baseline(name, level, bitcodes, objects, completion, notes)


def build(
    toolchain: Toolchain, program: Program, level: Level, bitcodes: Sequence[bytes], pipeline: str
) -> list[bytes]:
    """Objects from the front end's bitcode and one pipeline text: what a recipe means.

    Raises PassError, CompileError.
    """
    optimised = replay(toolchain.library, bitcodes, pipeline, CODEGEN_LEVEL[level])
    return generate_objects(toolchain, program, optimised, level, pipeline)


def _literature_baseline(toolchain: Toolchain, program: Program) -> Baseline:
    level: Level = "O3"  # of the front end: no function is marked minsize
    bitcodes = tuple(front_end(toolchain, program, level))
    objects = tuple(build(toolchain, program, level, bitcodes, "default<Oz>"))
    completion = literature_completion(toolchain)
    return Baseline("opt -Oz (without minsize)", level, bitcodes, objects, completion)


@cache
def literature_completion(toolchain: Toolchain) -> Completion:
    """``default<Oz>``, and the same written out: with LLVM 19 and 22 to the bit for every included program.

    Written out alone it inlines with the threshold of ``inline``, 225 where -Oz has 5, and is up to 39% worse for that.
    LLVM 16 cannot say in text that -Oz rotates no loop which would have to be copied for it; what is left there
    are differences of a few instructions.
    """
    options = ["-inlinedefault-threshold=5"]
    if toolchain.major < _ROTATION_IN_TEXT:
        options.append("-rotation-max-header-size=0")
    expanded = _opt_written_out(toolchain)
    if not expanded or not accepted_pipelines(toolchain, [with_options(options, expanded)]):
        return Completion("default<Oz>", True)
    return Completion("default<Oz>", True, expanded, tuple(options))


def _opt_written_out(toolchain: Toolchain) -> str:
    """``default<Oz>`` as opt prints it: clang adds passes of its own."""
    if toolchain.opt is None:
        items = parse_pipeline(written_out(toolchain, "Oz"))
        return edit_pipeline(print_pipeline(items), frozenset(f"without<{name}>" for name in _CLANGS_OWN))
    with TemporaryDirectory(prefix="colt-") as folder:
        text = _printed_by_opt(toolchain, "Oz", Path(folder))
    return print_pipeline([item for item in parse_pipeline(text) if item.name not in _PRINTED_BY_THE_TOOL])


def _printed_by_opt(toolchain: Toolchain, level: Level, folder: Path) -> str:
    source, bitcode = folder / "printed.c", folder / "printed.bc"
    source.write_text("int colt_empty(void) { return 0; }\n", encoding="utf-8")
    _output([toolchain.clang, f"-{level}", "-emit-llvm", "-c", source, "-o", bitcode])
    return _output(
        [str(toolchain.opt), f"-passes={level_pipeline(toolchain.major, level)}", "-print-pipeline-passes",
         "-disable-output", bitcode]
    )  # fmt: skip


def _choose_completion(
    toolchain: Toolchain, program: Program, level: Level, bitcodes: tuple[bytes, ...], objects: tuple[bytes, ...]
) -> Completion:
    """The short text where it gives clang's object, else clang's own pipeline written out.

    They differ at -Oz: clang runs the SLP vectoriser there, and ``default<Oz>`` does not. From LLVM 23 on
    ``default<O3>`` interchanges loops too, which clang does not: a program may need the long one at any level.
    """
    short = level_pipeline(toolchain.major, level)
    expanded = written_out(toolchain, level, program.cflags, program.is_cxx)
    choices: tuple[str, ...] = (short, expanded)
    options: tuple[str, ...] = ()
    if profile_is_read_by_a_pass(toolchain, level, program.cflags, program.is_cxx):
        # The short one would begin anew.
        choices, options = (expanded,), _UNPRINTED_AT_O3 if level == "O3" else _UNPRINTED
    for pipeline in filter(None, choices):
        try:
            whole = with_options(options, pipeline)
            if _same_code(build(toolchain, program, level, bitcodes, whole), objects):
                return Completion(pipeline, True, expanded, options)
        except PassError:
            continue  # an older clang prints text that its own parser does not read
    # The user's own flags go to both: where they change clang's pipeline, the candidate has the changed one too.
    changed = expanded and expanded != written_out(toolchain, level, (), program.is_cxx)
    return Completion(expanded if changed else short, False, expanded, options)


def _same_code(objects: Sequence[bytes], others: Sequence[bytes]) -> bool:
    """Debug information does not count."""
    return all(a == b or loaded_digest(a) == loaded_digest(b) for a, b in zip(objects, others, strict=True))


@cache
def written_out(toolchain: Toolchain, level: Level, cflags: tuple[str, ...] = (), cxx: bool = False) -> str:
    """The pipeline with every pass by name, as clang prints it (LLVM 16: opt); empty where neither does.

    Where a pass of it reads a profile, what follows. cflags: some change it, such as -fno-vectorize.
    """
    text = printed_pipeline(toolchain, level, cflags, cxx)
    if not text and toolchain.opt is not None:
        with TemporaryDirectory(prefix="colt-") as folder:
            text = _printed_by_opt(toolchain, level, Path(folder))
    items = [item for item in after_profile(parse_pipeline(text)) if item.name not in _PRINTED_BY_THE_TOOL]
    text = print_pipeline(items)
    return text if text and accepted_pipelines(toolchain, [text]) else ""


def _output(command: Sequence[str | Path]) -> str:
    completed = process.run(command)
    return completed.stdout.decode("utf-8", "replace").strip() if completed.status == 0 else ""
