"""Training data of single functions: what each plan brings to each function of source packages, and inlining.

A package's C and C++ files are compiled one by one, as far as they compile without what the package depends on. Each
file is a module of its own. It is built with a plan for all of its functions at once, and the object says what size
each function has: one build is one look at each of them. No source is kept, and nothing is linked or run.

    python tools/function_data.py FOLDER_OF_SOURCES OUT --seconds 600

goes round the packages, one file of each in turn, until the time is over; run again, it goes on. OUT/PACKAGE.jsonl has
a line for each file.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from colt_llvm.core.errors import ColtError
from colt_llvm.decisions.offers import AFTER_STEPS, function_texts, offers_of, read_functions
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Target, prepare_target
from colt_llvm.llvm import ir
from colt_llvm.llvm.elf import function_sizes, section_sizes
from colt_llvm.llvm.features import INST_COUNT_NAMES, inst_count
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.pipeline import function_passes_of, marked_for_size
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded.weights import weights
from colt_llvm.program.program import Program
from colt_llvm.search.plans import LEVELS, Plan, Plans
from colt_llvm.search.sweeping import Sweeper

#: What every plan begins with: what plain flags of clang bring.
FRAME = ("frame-pointer<*;non-leaf>", "disable-lsr<*>", "apply-ext-tsp-for-size<*>", "disable-machine-licm<*>")
#: Whole sequences that are told apart by the module's size alone.
_OTHERS = (
    *((f"inline-threshold<{value}>",) for value in (50, 100, 225)),
    ("optspeed<*>", "default<O2>"), ("optsize<*>", "default<Os>"), ("optspeed<*>", "default<O1>"),
    ("inline-threshold<225>", "optsize<*>"), ("optsize<*>",),
)  # fmt: skip


def frames_of() -> list[tuple[str, ...]]:
    """The plain one, the first of FRAME, FRAME, what plain flags do beside it, and what is known of passes alone."""
    known = weights().coresets["size"].sequences
    found = [(), FRAME[:1], FRAME, *((*names, *FRAME) for names in (*_OTHERS, *known))]
    return found + [(_OTHERS[2][0], *names, *FRAME) for names in known[:4]]


_FRONTS, _ENDS, _INLINING_BUILDS = 8, 3, 8
_FUNCTIONS = range(3, 31)  # in a file that is of use
_FILE_SECONDS = 20.0
_NO_TESTS = (
    "test",
    "tests",
    "testsuite",
    "example",
    "examples",
    "contrib",
    "fuzz",
    "fuzzing",
    "bench",
    "doc",
    "win32",
    "test.c",
)


def plans_of(target: Target, seed: int) -> list[Plan]:
    """What can be said before the pipeline, each with some of what can be said after it: the latter costs less."""
    texts = sorted(set(function_texts(target.catalogue).values()))
    skippable = sorted(function_passes_of(target.baseline.completion.expanded))
    after = list(AFTER_STEPS)
    base = Plan(codegen=("frame-pointer;non-leaf",))
    found = [base]
    found += [base.with_codegen((text,)) for text in ("frame-pointer;all", "no-jump-tables")]
    found += [replace(base, after=(text,)) for text in after]
    draws = random.Random(seed)

    def ended(front: Plan) -> Plan:
        ends = [
            draws.choice(after) if draws.random() < 0.6 else draws.choice(texts) for _ in range(draws.randint(1, 3))
        ]
        plan = replace(front, after=tuple(ends))
        code = draws.choice(("", "", "", "frame-pointer;all", "no-jump-tables"))
        return plan.with_codegen((code,)) if code else plan

    found += [ended(base) for _ in range(6)]
    fronts = [replace(base, level=level) for level in LEVELS[1:]]
    while len(fronts) < _FRONTS:
        level = draws.choice(("", "", *LEVELS[1:]))
        before = tuple(draws.choice(texts) for _ in range(draws.choice((0, 0, 1, 1, 2))))
        front = replace(base, level=level, before=before).with_skip(
            draws.sample(skippable, draws.choice((0, 1, 1, 2, 3)))
        )
        fronts += [front] if front.skip or front.before else []
    for front in fronts:
        found += [front, *(ended(front) for _ in range(_ENDS))]
    return found


class Build:
    """Builds of one module in this process."""

    def __init__(self, target: Target, bitcode: bytes, machine: TargetMachine) -> None:
        self._target, self._bitcode, self._machine = target, bitcode, machine
        self._last: tuple[tuple[str, ...], bytes] = (), bitcode  # the first steps of what was built last

    def __call__(self, names: tuple[str, ...]) -> tuple[dict[str, int], int] | None:
        """Bytes of each function, and of all loaded sections; None where a pass failed."""
        library = self._target.toolchain.load()
        steps = self._target.sequences.texts(names, late_apart=True)
        late = steps[1:]
        try:
            if self._last[0] != tuple(steps[:1]):
                module = Module.parse(library, self._bitcode)
                module.run(marked_for_size(module, steps[0]), self._machine)
                self._last = tuple(steps[:1]), module.bitcode()
                module.close()
            module = Module.parse(library, self._last[1])
            for step in late:
                module.run(step, self._machine)
            built = module.emit_object(self._machine)
        except ColtError:
            return None
        return function_sizes(built), section_sizes(built).loaded_bytes


def look_at(target: Target, bitcode: bytes, machine: TargetMachine, plans: list[Plan]) -> dict | None:
    """A line of the data; None for a file that is of no use."""
    library, expanded = target.toolchain.load(), target.baseline.completion.expanded
    facts = read_functions(library, [bitcode])
    if len(facts) not in _FUNCTIONS:
        return None
    build = Build(target, bitcode, machine)
    known = frames_of()
    frames = [build(names) for names in known[:3]]
    if frames[2] is None or not frames[2][1]:
        return None
    parts, size = frames[2]
    frames += [build(names) for names in known[3:]]
    with Module.parse(library, bitcode) as module:
        module.run(marked_for_size(module, target.sequences.pipeline(())), machine)
        program = dict(zip(INST_COUNT_NAMES, inst_count(module).tolist(), strict=True))
    around = offers_of(library, [bitcode], ("function", "call"), target.catalogue, expanded).surroundings
    around = replace(around, parts=parts, size=float(size))
    unordered = frozenset(FRAME)
    taken = Plans(around, unordered)
    at = taken.take_apart(FRAME)
    deadline = time.process_time() + _FILE_SECONDS
    sizes: list[dict[str, int] | None] = []
    for plan in plans:
        if time.process_time() > deadline:
            return None
        found = build(taken.put_together(replace(at, plans=dict.fromkeys(at.plans, plan))))
        sizes.append(found and found[0])
    sweeper = Sweeper(replace(around, parts={}), unordered)
    sweeper.observe(0, FRAME, parts, swept=False, together=False)
    for number in range(1, _INLINING_BUILDS + 1):
        test = next(sweeper._inlining_tests(at, sweeper._facts.local(at, parts), parts), None)
        if test is None:
            break
        names = taken.put_together(test[0])
        found = build(names)
        sweeper._under_way[number] = test[1]
        sweeper.observe(number, names, found and found[0], swept=True, together=False)
    with Module.parse(library, bitcode) as module:
        features = {
            ir.name_of(library, function): features_of(library, function)
            for function in ir.functions(library, module.handle)
            if ir.name_of(library, function) in facts
        }
    names = [name for name in parts if name in features]
    return {
        "frames": [found and [found[1], sum(found[0].values())] for found in frames],
        "inlined": [frames[place] and frames[place][0] for place in (3, 5)],
        "program": {f"{name}Count": count for name, count in program.items() if count},
        "functions": names,
        "features": [features[name] for name in names],
        "hashes": [features[name][-1] for name in names],
        "sizes": [[found.get(name, 0) for name in names] if found else None for found in sizes],
        "inlining": [
            [value, bytes_more, features[value.partition("<")[2].partition(";")[0].rstrip(">")]]
            for value, bytes_more in sweeper._facts.effects.items()
            if value.partition("<")[2].partition(";")[0].rstrip(">") in features
        ],
        "facts": {
            name: [fact.size, fact.linkage, fact.calls, fact.recursive, len(fact.loops), max(fact.loops, default=0)]
            for name, fact in facts.items()
        },
        "callers": {name: list(those) for name, those in around.callers.items()},
        "bytes": parts,
    }


def features_of(library, function) -> list:
    """Counts of opcodes by number, blocks, arguments; the hash of its normalised IR stands last."""
    call = library.call
    counts: dict[str, int] = {}
    digest = hashlib.blake2b(digest_size=8)
    blocks = 0
    for block in ir.blocks(library, function):
        blocks += 1
        for instruction in ir.instructions(library, block):
            opcode = call.LLVMGetInstructionOpcode(instruction)
            kind = call.LLVMGetTypeKind(call.LLVMTypeOf(instruction))
            operands = call.LLVMGetNumOperands(instruction)
            counts[f"o{opcode}"] = counts.get(f"o{opcode}", 0) + 1
            counts[f"t{kind}"] = counts.get(f"t{kind}", 0) + 1
            counts["operands"] = counts.get("operands", 0) + operands
            digest.update(b"%d,%d,%d;" % (opcode, kind, operands))
        digest.update(b"|")
    counts |= {"blocks": blocks, "arguments": call.LLVMCountParams(function)}
    return [counts, digest.hexdigest()]


def bitcodes_of(folder: Path, toolchain, draws: random.Random, configured: bool):
    """Name and bitcode of each file that compiles."""
    configure = folder / "configure"
    clang = toolchain.compiler(False)
    if configured and configure.exists() and not (folder / "config.status").exists():
        env = {**os.environ, "CC": str(clang), "CXX": str(toolchain.compiler(True)), "CFLAGS": "-Oz"}
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["sh", "./configure"], cwd=folder, env=env, capture_output=True, timeout=150, check=False)
    files = sorted(f for pattern in ("*.c", "*.cpp", "*.cc", "*.cxx") for f in folder.rglob(pattern))
    files = [f for f in files if not any(part.lower() in _NO_TESTS for part in f.relative_to(folder).parts)]
    headers = sorted({h.parent for pattern in ("*.h", "*.hpp") for h in folder.rglob(pattern)})
    headers += [header.parent for header in headers if header.name == folder.name.partition("-")[0]]
    headers = [folder, *headers, *{f.parent.parent for f in files}][:60]
    flags = [word for header in dict.fromkeys(headers) for word in ("-I", str(header))]
    if any(folder.rglob("config.h")):
        flags.append("-DHAVE_CONFIG_H")
    draws.shuffle(files)
    for file in files:
        command = [str(toolchain.compiler(file.suffix != ".c")), "-Oz", "-w", "-D_GNU_SOURCE", *flags]
        command += ["-Xclang", "-disable-llvm-passes", "-Xclang", "-emit-llvm-uselists", "-emit-llvm", "-c", str(file)]
        done = subprocess.run([*command, "-o", "-"], capture_output=True, timeout=60, check=False)
        if done.returncode == 0 and done.stdout:
            yield str(file.relative_to(folder)), done.stdout


def one_package(folder: Path, out: Path, seconds: float, seed: int, configured: bool) -> None:
    """Goes on with a package for so many seconds, or to its end."""
    toolchain = find_toolchain()
    plain = out / "plain.c"
    plain.write_text("int main(void) { return 0; }\n")
    options = TuneOptions(objective="size", unchecked=True)
    target = prepare_target(toolchain, Program("plain", (plain.absolute(),)), options)
    machine = TargetMachine(toolchain.load(), toolchain.triple, 2)
    plans = plans_of(target, seed)
    end = time.process_time() + seconds
    path = out / f"{folder.name}.jsonl"
    done = {json.loads(line)["file"] for line in path.read_text().splitlines()} if path.exists() else set()
    for name, bitcode in bitcodes_of(folder, toolchain, random.Random(f"{seed}/{folder.name}"), configured):
        if name in done:
            continue
        with path.open("a") as lines:  # before: a file that ends the process is not tried again
            lines.write(json.dumps({"file": name}) + "\n")
        line = look_at(target, bitcode, machine, plans)
        if line is not None:
            with path.open("a") as lines:
                lines.write(json.dumps({"file": name, **line}) + "\n")
        if time.process_time() > end:
            return
    (out / f"{folder.name}.end").write_text("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--turn", type=float, default=8.0, help="seconds of a package at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--configure", action="store_true", help="run the packages' own configure before")
    parser.add_argument("--package", help="this one alone, in this process")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.package:
        one_package(given.sources / given.package, given.out, given.turn, given.seed, given.configure)
        return
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        folders = [
            f for f in sorted(given.sources.iterdir()) if f.is_dir() and not (given.out / f"{f.name}.end").exists()
        ]
        if not folders:
            return
        for folder in folders:
            if time.monotonic() > end:
                return
            command = [sys.executable, __file__, str(given.sources), str(given.out), "--package", folder.name]
            command += ["--turn", str(given.turn), "--seed", str(given.seed)]
            command += ["--configure"] if given.configure else []
            try:
                subprocess.run(command, timeout=given.turn + 240, check=False)
            except subprocess.TimeoutExpired:
                (given.out / f"{folder.name}.end").write_text("does not end")


if __name__ == "__main__":
    main()
