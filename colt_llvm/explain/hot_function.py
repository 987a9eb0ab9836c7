"""One function before and after: what the baseline and the recipe make of the place that matters most.

Of a run time that is the function where the baseline spends most of its time, by perf's clock where perf can be used,
else by the depth of loops. Of a size or a count it is the function that shrank most.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CompileError, RecipeError, RunDirectoryError
from colt_llvm.core.files import write_json
from colt_llvm.core.text import plain_lines
from colt_llvm.evaluate.target import Target
from colt_llvm.explain.variants import Variants, of_recipe
from colt_llvm.llvm.elf import read_object, unpack_symbols
from colt_llvm.llvm.excerpt import tidy
from colt_llvm.llvm.flow import Function, functions_of
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.samples import symbol_samples
from colt_llvm.program.compilation import baseline_command, codegen_command
from colt_llvm.program.program import Program

FILE_NAME = "hot-function.json"
KIND, VERSION = "colt-llvm hot function", 1
MOST_LINES = 400

T = TypeVar("T", int, float)

_STT_FUNC = 2
#: A function with less of the time is not worth showing in place of the hottest.
_MATTERS = 0.1


@dataclass(frozen=True)
class HotFunction:
    """The function, and its text before and after: at most MOST_LINES lines each, "" where it is inlined or removed."""

    name: str  #: as the linker knows it
    why: str  #: how it was chosen, in words for a reader
    share: float | None  #: of the baseline's time that is spent in it, 0 to 1; None where that was not measured
    before: str  #: under the baseline
    after: str  #: under the recipe
    kind: str  #: "assembly" or "IR"
    sequence: tuple[str, ...] = ()  #: the recipe's


def hot_function(
    place: Path, toolchain: Toolchain, program: Program | None = None, *, save: bool = True
) -> HotFunction:
    """Find and print it. place: a run directory, or a recipe with its ``program``.

    save: write hot-function.json beside the recipe.
    Raises RecipeError, UsageError, CompileError, ProgramError, RunDirectoryError.
    """
    recipe, program, options = of_recipe(place, program)
    with Variants.of(recipe, program, toolchain, options) as variants:
        full = variants.build(recipe.sequence)
        if full.built is None:
            raise RecipeError(f"{place}: its own build fails here ({full.detail}); tune again")
        baseline = variants.target.baseline
        optimised = [variants.target.optimise(pipeline) for pipeline in (baseline.completion.pipeline, recipe.pipeline)]
        if not variants.target.objective.builds_objects:
            texts = [_ir(toolchain, bitcodes) for bitcodes in optimised]
            sizes = [
                _of_functions(toolchain, bitcodes, lambda function: function.instructions) for bitcodes in optimised
            ]
            found = _most_changed(sizes[0], sizes[1], "instructions", texts, "IR")
        else:
            texts = [
                _baseline_assembly(variants.target),
                _assembly(variants.target, optimised[1], recipe.pipeline),
            ]
            if variants.target.objective.timed:
                found = _hottest(variants, optimised[0], texts)
            else:
                sizes = [_symbol_sizes(objects) for objects in (baseline.objects, full.built.objects)]
                found = _most_changed(sizes[0], sizes[1], "bytes", texts, "assembly")
    found = replace(found, sequence=recipe.sequence)
    if save:
        folder = place if place.is_dir() else place.parent
        write_json(folder / FILE_NAME, {"kind": KIND, "version": VERSION, "function": asdict(found)})
    return found


def read_hot_function(folder: Path) -> HotFunction | None:
    """What was written before; None where nothing was. Raises RunDirectoryError for a damaged file."""
    file = folder / FILE_NAME
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["kind"] != KIND or data["version"] != VERSION:
            raise ValueError(f"{data['kind']} {data['version']}")
        function = data["function"]
        return HotFunction(**{**function, "sequence": tuple(function.get("sequence", ()))})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({error}); remove it, and it is looked up again") from None


# --- which function


def _most_changed(
    before: Mapping[str, int], after: Mapping[str, int], unit: str, texts: Sequence[Mapping[str, str]], kind: str
) -> HotFunction:
    """The one that shrank most; where none did, the one that changed most. A function that went shrank to nothing."""
    changes = {name: after.get(name, 0) - size for name, size in before.items()}
    changes |= {name: size for name, size in after.items() if name not in before}
    shown = {name: change for name, change in changes.items() if name in texts[0] or name in texts[1]}
    if not shown:
        raise CompileError("no function of the program has code of its own; there is nothing to show")
    name = min(shown, key=lambda name: (shown[name], name))
    if shown[name] >= 0:
        name = max(shown, key=lambda name: (shown[name], name))
    if shown[name] < 0:
        why = f"it shrank most, from {before[name]:,} to {after.get(name, 0):,} {unit}"
    elif shown[name] > 0:
        why = f"no function shrank; it changed most, from {before.get(name, 0):,} to {after[name]:,} {unit}"
    else:
        why = f"no function changed its number of {unit}"
    return _shown(name, why, None, texts, kind)


def _hottest(variants: Variants, optimised: Sequence[bytes], texts: Sequence[Mapping[str, str]]) -> HotFunction:
    known = set(texts[0]) | set(texts[1])
    try:
        timer, workload = variants.timer, variants.target.program.timed_workload
        samples = symbol_samples(timer.verifier.baseline, workload, timer.run_seconds, timer.verifier.core)
        total = sum(samples.values())
        own = {name: count for name, count in samples.items() if name in known}
        if own:
            name = max(own, key=lambda name: (own[name], name))
            why = f"the baseline spends {own[name] / total:.0%} of its time in it, by {total:,} samples of perf's clock"
            if name not in texts[1]:
                name, why = _beside(name, why, own, total, texts)
            return _shown(name, why, own[name] / total, texts, "assembly")
        reason = "perf saw no function of the program"
    except ColtError as error:
        reason = str(error)
    weights = _of_functions(variants.target.toolchain, optimised, lambda function: function.weight)
    own_weights = {name: weight for name, weight in weights.items() if name in known}
    if not own_weights:
        raise CompileError("no function of the program has code of its own; there is nothing to show")
    name = max(own_weights, key=lambda name: (own_weights[name], name))
    return _shown(name, f"it has the most code in deep loops; not measured, for {reason}", None, texts, "assembly")


def _beside(
    gone: str, why: str, own: Mapping[str, int], total: int, texts: Sequence[Mapping[str, str]]
) -> tuple[str, str]:
    """Where the hottest function has no code of its own any more: the hottest that both have, if it matters."""
    both = [name for name in own if name in texts[0] and name in texts[1]]
    name = max(both, key=lambda name: (own[name], name), default="")
    if not name or own[name] < _MATTERS * total:
        return gone, f"{why}; the recipe leaves it no code of its own: it is inlined or removed"
    share = f"{own[name] / total:.0%}"
    return name, (
        f"it is the hottest that both have, with {share} of the baseline's time by {total:,} samples of perf's clock; "
        f"{gone}, with {own[gone] / total:.0%}, has no code of its own under the recipe: it is inlined or removed"
    )


def _shown(name: str, why: str, share: float | None, texts: Sequence[Mapping[str, str]], kind: str) -> HotFunction:
    before, after = (shortened(text.get(name, ""), MOST_LINES) for text in texts)
    return HotFunction(name, why, share, before, after, kind)


def _of_functions(toolchain: Toolchain, bitcodes: Sequence[bytes], figure: Callable[[Function], T]) -> dict[str, T]:
    figures: dict[str, T] = {}
    for bitcode in bitcodes:
        with Module.parse(toolchain.load(), bitcode) as module:
            for function in functions_of(module):
                figures[function.name] = figure(function) + figures.get(function.name, 0)
    return figures


def _symbol_sizes(objects: Sequence[bytes]) -> dict[str, int]:
    """Bytes of each function, by its symbol."""
    sizes: Counter[str] = Counter()
    for content in objects:
        header, sections = read_object(content)
        for table in sections:
            if table.type == "SHT_SYMTAB":
                names = sections[table.link].data()
                for offset, info, _, _, _, size in unpack_symbols(header, table.data()):
                    if info & 0xF == _STT_FUNC and size:
                        sizes[names[offset : names.index(b"\0", offset)].decode("utf-8", "replace")] += size
    return dict(sizes)


# --- its text


def _baseline_assembly(target: Target) -> dict[str, str]:
    """clang's own, from the sources."""
    return joined([
        _printed(baseline_command(target.toolchain, target.program, source, target.baseline.level))
        for source in target.program.sources
    ])  # fmt: skip


def _assembly(target: Target, bitcodes: Sequence[bytes], pipeline: str) -> dict[str, str]:
    """Of bitcode that the pipeline optimised."""
    level, parts = target.baseline.level, []
    with TemporaryDirectory(prefix="colt-") as folder:
        for index, bitcode in enumerate(bitcodes):
            path = Path(folder, f"{index}.bc")
            path.write_bytes(bitcode)
            parts.append(_printed(codegen_command(target.toolchain, target.program, path, level, pipeline)))
    return joined(parts)


def _printed(command: Sequence[str]) -> dict[str, str]:
    """Functions of what a command that would compile prints as assembly."""
    words = [word for word in command if word != "-c"]
    done = process.run([*words, "-S", "-fno-verbose-asm", "-g0", "-o", "-"])
    if done.status != 0:
        raise CompileError("clang does not print the program's assembly", done.stderr.decode("utf-8", "replace"))
    return functions_in(done.stdout.decode("utf-8", "replace"))


def _ir(toolchain: Toolchain, bitcodes: Sequence[bytes]) -> dict[str, str]:
    parts = []
    for bitcode in bitcodes:
        with Module.parse(toolchain.load(), bitcode) as module:
            parts.append(ir_functions(module.text()))
    return joined(parts)


_FUNCTION = re.compile(r"\s+\.type\s+(?P<name>\"[^\"]*\"|[^\s,]+),\s*[@%]function")
_LABEL = re.compile(r"(?P<name>\"[^\"]*\"|[^\s:\"]+):")
_LOCAL = re.compile(r"\.L([A-Za-z$]+?)\d+_(\d+)\b")
_END = re.compile(r"\.Lfunc_end\d+:")
_NOISE = re.compile(r"\s*(?:\.(?!L)|#|//|;|@|\.Ltmp\d+:)|\s*$")
_DEFINITION = re.compile(r"define [^@]*@(?P<name>\"[^\"]*\"|[\w.$-]+)\(")


def functions_in(assembly: str) -> dict[str, str]:
    """Name -> its text, of each function of one file of assembly."""
    functions: dict[str, list[str]] = {}
    known: set[str] = set()
    current: list[str] | None = None
    for line in assembly.splitlines():
        if found := _FUNCTION.match(line):
            known.add(found["name"])
        elif _END.match(line):
            current = None
        elif (label := _LABEL.match(line)) and label["name"] in known:
            current = functions.setdefault(label["name"].strip('"'), [])
        elif current is not None and not _NOISE.match(line):
            current.append(line.expandtabs(8).rstrip())
    return {name: _renumbered(lines) for name, lines in functions.items()}


def ir_functions(text: str) -> dict[str, str]:
    """Name -> its text, of each function with a body of one printed module."""
    functions: dict[str, str] = {}
    name, lines = "", []
    for line in text.splitlines():
        if found := _DEFINITION.match(line):
            name, lines = found["name"].strip('"'), [line]
        elif name:
            lines.append(line)
            if line == "}":
                functions[name] = tidy("\n".join(lines))
                name = ""
    return functions


def joined(parts: list[dict[str, str]]) -> dict[str, str]:
    """Of several files; static functions of one name stand one after another."""
    functions: dict[str, str] = {}
    for part in parts:
        for name, text in part.items():
            functions[name] = f"{functions[name]}\n{text}" if name in functions else text
    return functions


def shortened(text: str, most_lines: int) -> str:
    """Its first lines, and how many were left out."""
    lines = text.splitlines()
    if len(lines) <= most_lines:
        return text
    kept = lines[: most_lines - 1]
    return "\n".join([*kept, f"... {len(lines) - len(kept)} more lines"])


def _renumbered(lines: list[str]) -> str:
    """Labels by their place: those of blocks as they are defined, others as they are first used."""
    numbers: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}

    def number(kind: str, digits: str) -> int:
        if (kind, digits) not in numbers:
            counts[kind] = counts.get(kind, 0) + 1
            numbers[kind, digits] = counts[kind]
        return numbers[kind, digits]

    for line in lines:
        if (found := _LOCAL.match(line)) and line.rstrip().endswith(":"):
            number(found[1], found[2])
    text = "\n".join(lines)
    return plain_lines(_LOCAL.sub(lambda found: f".L{found[1]}{number(found[1], found[2])}", text))
