#!/usr/bin/env python3
"""Run every action of the catalogue over every program, and say what it does and what goes wrong.

    python tools/check_catalogue.py --major 22 --jobs 2 [--only licm] [--programs sha256] [--table result.tsv]

Each action runs in an `opt` process of its own: on the code as the front end leaves it, on the same followed by
default<O3>, and on the code after default<O3>. What it changes is run twice and compared, then linked and run on the
program's small workloads. libLLVM is never called in-process, so this is a second opinion on what is.

The table has one line an action: on how many programs it changes anything, raw and after default<O3>. Problems follow,
with the command that shows them. The exit status is 1 when a problem has no flag in the catalogue.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from colt_llvm.core.errors import OutputLimitExceeded, ProcessTimeout  # noqa: E402
from colt_llvm.core.process import Limits, run  # noqa: E402
from colt_llvm.llvm.catalogue import Action, load_catalogue  # noqa: E402

_toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

O3 = "default<O3>"
PASS_SECONDS = 60.0  # wall clock; generous, since other work may share the processor
SLOW_SECONDS = 5.0  # CPU
RUN_SECONDS = 20.0


class Failed(Exception):
    """A step went wrong. ``kind`` is a risk of the catalogue or "rejected"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Tools:
    major: int

    def opt(self, pipeline: str, source: Path, result: Path) -> float:
        """Run a pipeline and verify. Returns the CPU seconds it took. Raises Failed."""
        # Names of local values are stored in an order that changes each time a module is written, so they go.
        # opt verifies the result by itself before it writes it.
        argv = [f"opt-{self.major}", "-discard-value-names", f"-passes={pipeline}", str(source), "-o", str(result)]
        try:
            done = run(argv, limits=Limits(wall_seconds=PASS_SECONDS))
        except ProcessTimeout:
            raise Failed("slow", f"no end in {PASS_SECONDS:g} s") from None
        if done.status:
            lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            text = next((line for line in lines if "PLEASE" not in line), "no message")[:150]
            rejected = "unknown" in text or "invalid" in text
            raise Failed("rejected" if rejected else "crash", f"opt: {done.describe_status()}: {text}")
        return done.user_seconds + done.system_seconds


@dataclass
class Program:
    """A program compiled once. ``raw`` and ``best`` are its modules before and after default<O3>."""

    name: str
    directory: Path
    flags: list[str]
    link_flags: list[str]
    workloads: list[tuple[list[str], bytes | None, bytes]]
    cxx: bool
    raw: list[Path]
    best: list[Path]
    scratch: Path
    verdicts: dict[str, str] = field(default_factory=dict)  # hash of the modules -> what running them showed
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Result:
    action: Action
    raw: set[str] = field(default_factory=set)
    best: set[str] = field(default_factory=set)
    problems: list[tuple[str, str, str]] = field(default_factory=list)  # (kind, program, message)
    seconds: float = 0.0


def digest(paths: Iterable[Path]) -> str:
    value = hashlib.blake2b(digest_size=16)
    for path in paths:
        value.update(path.read_bytes())
    return value.hexdigest()


def prepare(tools: Tools, directory: Path, scratch: Path) -> Program:
    table = _toml.loads((directory / "program.toml").read_text(encoding="utf-8"))
    scratch.mkdir(parents=True)
    cxx = table.get("language", "c") != "c"
    compiler = f"clang++-{tools.major}" if cxx else f"clang-{tools.major}"
    flags = [str(flag) for flag in table.get("cflags", [])]
    raw, best = [], []
    for number, source in enumerate(table["sources"]):
        front, path, after, done = (scratch / f"{number}.{kind}.bc" for kind in ("front", "raw", "after", "best"))
        argv = [compiler, *flags, "-O3", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c"]
        compiled = run([*argv, str(directory / source), "-o", str(front)])
        if compiled.status:
            raise Failed("crash", compiled.stderr.decode("utf-8", "replace").strip()[:300])
        # Read and written once more, so that a pass that changes nothing gives the same bytes.
        tools.opt("verify", front, path)
        tools.opt(O3, path, after)
        tools.opt("verify", after, done)
        raw.append(path)
        best.append(done)
    listed = table.get("workload", [])
    small = [workload for workload in listed if workload.get("name") != "default"] or listed
    workloads = [read_workload(directory, workload) for workload in small]
    link_flags = [str(flag) for flag in table.get("ldflags", [])]
    return Program(directory.name, directory, flags, link_flags, workloads, cxx, raw, best, scratch)


def read_workload(directory: Path, workload: dict[str, Any]) -> tuple[list[str], bytes | None, bytes]:
    stdin = workload.get("stdin")
    stdout = (directory / workload["stdout"]).read_bytes()
    args = [str(word).replace("{dir}", str(directory)) for word in workload.get("args", [])]
    return args, (directory / stdin).read_bytes() if stdin else None, stdout


def execute(tools: Tools, program: Program, modules: Sequence[Path], work: Path) -> str:
    """Link and run. Returns "" or what was wrong. Equal modules are run once."""
    key = digest(modules)
    with program.lock:
        if key in program.verdicts:
            return program.verdicts[key]
    compiler = f"clang++-{tools.major}" if program.cxx else f"clang-{tools.major}"
    binary = work / "a.out"
    # -disable-llvm-passes: only code generation, no second optimisation
    argv = [compiler, "-O3", "-Xclang", "-disable-llvm-passes", "-w", *map(str, modules), *program.link_flags]
    verdict = ""
    try:
        linked = run([*argv, "-o", str(binary)])
        if linked.status:
            verdict = "does not link: " + linked.stderr.decode("utf-8", "replace").strip()[:150].replace("\n", " ")
    except ProcessTimeout:
        verdict = "code generation does not end"
    for args, stdin, expected in program.workloads if not verdict else []:
        verdict = run_workload(binary, args, stdin, expected, program.directory)
        if verdict:
            break
    with program.lock:
        program.verdicts[key] = verdict
    return verdict


def run_workload(binary: Path, args: list[str], stdin: bytes | None, expected: bytes, directory: Path) -> str:
    try:
        done = run([binary, *args], limits=Limits(wall_seconds=RUN_SECONDS), stdin=stdin, cwd=directory)
    except ProcessTimeout:
        return f"{' '.join(args)}: never ends"
    except OutputLimitExceeded:
        return f"{' '.join(args)}: writes without end"
    if done.status:
        return f"{' '.join(args)}: {done.describe_status()}"
    return "" if done.stdout == expected else f"{' '.join(args)}: wrong output"


def apply(tools: Tools, pipeline: str, modules: Sequence[Path], work: Path, tag: str) -> tuple[list[Path], float]:
    results, seconds = [], 0.0
    for module in modules:
        result = work / f"{module.name.partition('.')[0]}.{tag}.bc"
        seconds += tools.opt(pipeline, module, result)
        results.append(result)
    return results, seconds


def check(tools: Tools, program: Program, result: Result, lock: threading.Lock) -> None:
    """One action on one program, in all positions."""
    action = result.action
    with tempfile.TemporaryDirectory(dir=program.scratch) as name:
        work = Path(name)
        then = f"{action.pipeline},{O3}"
        positions = (
            ("alone", action.pipeline, program.raw, result.raw),
            ("then", then, program.raw, None),
            ("after", action.pipeline, program.best, result.best),
        )
        for tag, pipeline, modules, changed in positions:
            if tag == "then" and program.name not in result.raw:
                continue  # changes nothing, so default<O3> sees what it always sees
            shown = pipeline if tag != "after" else f"{O3},{pipeline}"
            try:
                output, seconds = apply(tools, pipeline, modules, work, tag)
            except Failed as error:
                with lock:
                    result.problems.append((error.kind, program.name, f"-passes='{shown}': {error}"))
                continue
            found = verify(tools, program, pipeline, modules, output, work, tag)
            with lock:
                result.seconds = max(result.seconds, seconds if tag != "then" else 0.0)
                if seconds > SLOW_SECONDS:
                    result.problems.append(("slow", program.name, f"-passes='{shown}' took {seconds:.1f} s"))
                if changed is not None and digest(output) != digest(modules):
                    changed.add(program.name)
                result.problems.extend((kind, program.name, f"-passes='{shown}': {text}") for kind, text in found)


def verify(
    tools: Tools, program: Program, pipeline: str, modules: Sequence[Path], output: list[Path], work: Path, tag: str
) -> list[tuple[str, str]]:
    """Is a changed result the same the second time, and does the program still do what it did?"""
    if digest(output) == digest(modules):
        return []
    found = []
    if tag != "then":
        try:
            again, _ = apply(tools, pipeline, modules, work, "again")
            if digest(again) != digest(output):
                found.append(("nondeterministic", "differs from run to run"))
        except Failed as error:
            found.append((error.kind, f"the second time: {error}"))
    if tag != "alone":
        wrong = execute(tools, program, output, work)
        if wrong:
            found.append(("miscompile", wrong))
    return found


def report(results: list[Result], programs: list[Program], stream: Any) -> int:
    """Print the table and the problems. Returns how many problems have no flag."""
    print(f"action\traw/{len(programs)}\tafter O3/{len(programs)}\tslowest CPU s\tflags\tproblems", file=stream)
    for result in results:
        kinds: dict[str, int] = defaultdict(int)
        for kind, _, _ in result.problems:
            kinds[kind] += 1
        counts = " ".join(f"{kind}:{count}" for kind, count in sorted(kinds.items()))
        columns = (result.action.name, len(result.raw), len(result.best), f"{result.seconds:.2f}")
        print(*columns, ",".join(result.action.risk), counts, sep="\t", file=stream)
    print("\nproblems", file=stream)
    unflagged = 0
    for result in results:
        for kind, program, message in result.problems:
            known = kind in result.action.risk
            unflagged += not known
            print(f"{'known' if known else 'NEW'}\t{kind}\t{result.action.name}\t{program}\t{message}", file=stream)
    idle = [result.action.name for result in results if not result.raw and not result.best]
    print(f"\nchange nothing anywhere ({len(idle)}): {', '.join(idle)}", file=stream)
    print(f"{len(results)} actions, {len(results) - len(idle)} change something, {unflagged} new problems", file=stream)
    return unflagged


def accepts(tools: Tools, empty: Path) -> Any:
    """What opt accepts, tried on a module without code. It has a triple: some passes ask for the target."""
    triple = run([f"clang-{tools.major}", "-print-target-triple"]).stdout.decode().strip()
    empty.write_text(f'target triple = "{triple}"\n')

    def accepted(pipeline: str) -> bool:
        return run([f"opt-{tools.major}", f"-passes={pipeline}", "-disable-output", str(empty)]).status == 0

    return accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--major", type=int, default=22)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", help="an action or pass name; may be repeated")
    parser.add_argument("--programs", action="append", help="a program's name; may be repeated")
    parser.add_argument("--table", type=Path, help="write here and not to standard output")
    options = parser.parse_args()
    tools = Tools(options.major)
    with tempfile.TemporaryDirectory(prefix="check-catalogue-") as name:
        scratch = Path(name)
        catalogue = load_catalogue(options.major, accepts(tools, scratch / "empty.ll"))
        print(f"LLVM {options.major} accepts {len(catalogue)} actions", file=sys.stderr, flush=True)
        actions = [a for a in catalogue if not options.only or {a.name, a.pass_name} & set(options.only)]
        programs = []
        for path in sorted((ROOT / "programs").glob("*/program.toml")):
            if options.programs and path.parent.name not in options.programs:
                continue
            try:
                program = prepare(tools, path.parent, scratch / path.parent.name)
                wrong = execute(tools, program, program.best, program.scratch)
            except (Failed, OSError, KeyError, ValueError) as error:
                wrong = str(error)
            if wrong:
                print(f"{path.parent.name}: left out, the baseline fails: {wrong}", file=sys.stderr)
            else:
                programs.append(program)
        results = [Result(action) for action in actions]
        lock = threading.Lock()
        done: list[Program] = []
        with ThreadPoolExecutor(options.jobs) as pool:
            for program in programs:
                started = time.monotonic()
                list(pool.map(lambda result, p=program: check(tools, p, result, lock), results))
                done.append(program)
                print(f"{program.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
                if options.table:  # after each program, so that a long run can be looked into
                    with options.table.open("w", encoding="utf-8") as stream:
                        report(results, done, stream)
        return min(report(results, done, sys.stdout), 1)


if __name__ == "__main__":
    sys.exit(main())
