"""What a candidate is held against, for each objective, and the pipeline that completes a sequence.

runtime, balanced: plain ``clang -O3``. size: plain ``clang -Oz``, whose front end marks functions minsize.
instructions: IR count after ``opt -passes='default<Oz>'`` on bitcode without minsize, as in the literature, an
easier mark; ``strict`` holds it against clang's own -Oz instead. No table may mix the two.

The baseline's objects are always clang's own. The harness can give the very same ones (``Completion.exact``): then
the empty sequence is the baseline, and no gain comes from the harness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm import process
from colt_llvm.acceptance import accepted_pipelines
from colt_llvm.compilation import CODEGEN_LEVEL, Level, baseline_objects, front_end, generate_objects
from colt_llvm.errors import PassError
from colt_llvm.llvm.replay import replay
from colt_llvm.measure.size import loaded_digest
from colt_llvm.pipeline import parse_pipeline, print_pipeline
from colt_llvm.program import Program
from colt_llvm.toolchain import Toolchain

#: Objective -> the level of clang that it is held against.
OBJECTIVE_LEVEL: dict[str, Level] = {"runtime": "O3", "balanced": "O3", "size": "Oz", "instructions": "O3"}

#: What opt adds at the end of its own accord.
_PRINTED_BY_THE_TOOL = ("verify", "BitcodeWriterPass")


@dataclass(frozen=True)
class Completion:
    """The baseline pipeline, appended to a sequence that holds none.

    exact: through the harness it gives the object code that the baseline has.
    expanded: every pass of it written out, for edits to leave some out; empty where this LLVM cannot print it.
    """

    pipeline: str
    exact: bool
    expanded: str = ""


@dataclass(frozen=True)
class Baseline:
    """The mark, and where the search starts.

    name: as a user would type it. bitcodes: the front end's output, one for each source.
    objects: the baseline's object code, one for each source.
    """

    name: str
    level: Level
    bitcodes: tuple[bytes, ...]
    objects: tuple[bytes, ...]
    completion: Completion

    @property
    def codegen_level(self) -> int:
        return CODEGEN_LEVEL[self.level]


def prepare_baseline(toolchain: Toolchain, program: Program, objective: str, strict: bool = False) -> Baseline:
    """Build what the objective is held against. Raises CompileError with clang's own message."""
    if objective == "instructions" and not strict:
        return _literature_baseline(toolchain, program)
    level: Level = "Oz" if objective == "instructions" else OBJECTIVE_LEVEL[objective]
    bitcodes = tuple(front_end(toolchain, program, level))
    objects = tuple(baseline_objects(toolchain, program, level))
    completion = _choose_completion(toolchain, program, level, bitcodes, objects)
    return Baseline(f"clang -{level}", level, bitcodes, objects, completion)


def build(
    toolchain: Toolchain, program: Program, level: Level, bitcodes: Sequence[bytes], pipeline: str
) -> list[bytes]:
    """Objects from the front end's bitcode and one pipeline text: what a recipe means.

    Raises PassError, CompileError.
    """
    optimised = replay(toolchain.library, bitcodes, pipeline, CODEGEN_LEVEL[level])
    return generate_objects(toolchain, program, optimised, level)


def _literature_baseline(toolchain: Toolchain, program: Program) -> Baseline:
    level = OBJECTIVE_LEVEL["instructions"]
    bitcodes = tuple(front_end(toolchain, program, level))
    objects = tuple(build(toolchain, program, level, bitcodes, "default<Oz>"))
    completion = Completion("default<Oz>", True, written_out(toolchain, "Oz"))
    return Baseline("opt -Oz (without minsize)", level, bitcodes, objects, completion)


def _choose_completion(
    toolchain: Toolchain, program: Program, level: Level, bitcodes: tuple[bytes, ...], objects: tuple[bytes, ...]
) -> Completion:
    """The short text where it gives clang's object, else clang's own pipeline written out.

    They differ at -Oz: clang runs the SLP vectoriser there, and ``default<Oz>`` does not.
    """
    short, expanded = f"default<{level}>", written_out(toolchain, level, program.cflags, program.is_cxx)
    for pipeline in filter(None, (short, expanded)):
        try:
            if _same_code(build(toolchain, program, level, bitcodes, pipeline), objects):
                return Completion(pipeline, True, expanded)
        except PassError:
            continue  # an older clang prints text that its own parser does not read
    # The user's own flags go to both: where they change clang's pipeline, the candidate has the changed one too.
    changed = expanded and expanded != written_out(toolchain, level, (), program.is_cxx)
    return Completion(expanded if changed else short, False, expanded)


def _same_code(objects: Sequence[bytes], others: Sequence[bytes]) -> bool:
    """Debug information does not count."""
    return all(a == b or loaded_digest(a) == loaded_digest(b) for a, b in zip(objects, others, strict=True))


@cache
def written_out(toolchain: Toolchain, level: Level, cflags: tuple[str, ...] = (), cxx: bool = False) -> str:
    """The pipeline with every pass by name, as clang prints it (LLVM 16: opt); empty where neither does.

    cflags: some change it, such as -fno-vectorize.
    """
    with TemporaryDirectory(prefix="colt-") as folder:
        source = Path(folder) / ("empty.cpp" if cxx else "empty.c")
        source.write_text("int colt_empty(void) { return 0; }\n", encoding="utf-8")
        bitcode = source.with_suffix(".bc")
        compiler = toolchain.compiler(cxx)
        printer: list[str | Path] = [compiler, f"-{level}", *cflags, "-mllvm", "-print-pipeline-passes"]
        text = _output([*printer, "-c", source, "-o", source.with_suffix(".o")])
        if not text and toolchain.opt is not None:
            _output([toolchain.clang, f"-{level}", "-emit-llvm", "-c", source, "-o", bitcode])
            text = _output(
                [toolchain.opt, f"-passes=default<{level}>", "-print-pipeline-passes", "-disable-output", bitcode]
            )
    items = [item for item in parse_pipeline(text) if item.name not in _PRINTED_BY_THE_TOOL]
    text = print_pipeline(items)
    return text if text and accepted_pipelines(toolchain, [text]) else ""


def _output(command: Sequence[str | Path]) -> str:
    completed = process.run(command)
    return completed.stdout.decode("utf-8", "replace").strip() if completed.status == 0 else ""
