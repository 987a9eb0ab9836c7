"""Is a program that does something else ever called improved? Tunes generated programs and compares independently.

Two of three programs are of our own generator (see generated_programs), every third is csmith's. Each is tuned briefly
for `size` or `instructions`, with sequences that are known to break programs. Then plain clang builds it, and the tuned
executable has to leave what the baseline leaves: the same standard output and error, status and files. The baseline is
``clang -Oz`` for `size`, and ``opt -passes='default<Oz>'`` for `instructions`. Where clang -O0, -O2 and -Oz all do the
same, the tuned program has to do that too.

    python -m benchmarks.trust_generated [--count 300] [--folder FOLDER] [--llvm-prefix /usr/lib/llvm-22]

Started again with the same folder it goes on; processes with ``--share 0/2`` and ``1/2`` may share the folder, and one
without prints the whole table. Ends with 1 where a wrong program was called improved, or no candidate
was refused (then nothing was tried).
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import colt_llvm
from benchmarks.generated_programs import PLACES, generate
from benchmarks.plain_clang import Clang, behaviour, behaviours
from benchmarks.records import append, read, table
from colt_llvm.core.errors import ColtError
from colt_llvm.run import tuner

TRIALS = 10
OBJECTIVES = ("size", "instructions")
_CSMITH_HEADERS = (Path("/usr/include/csmith"), Path("/usr/local/include/csmith"))
_CSMITH_SECONDS = 0.5
_CSMITH_SMALL = ("--max-funcs", "3", "--max-block-depth", "3", "--max-block-size", "3")
LEVELS = ("O0", "O2", "Oz")
#: Seen to change what programs do, by themselves or where a program asks what the optimiser knows. Those with a name
#: that this LLVM does not have are left out.
BREAKING: tuple[tuple[str, ...], ...] = (
    ("iroutliner", "attributor", "default<Oz>"),
    ("attributor", "default<O3>"),
    ("without<sccp>",),
    ("attributor-cgscc", "default<O3>"),
    ("without<indvars>",),
    ("without<instcombine>",),
    ("ipsccp",),
    ("without<loop-deletion>", "without<indvars>"),
    ("without<early-cse>", "without<gvn>"),
    ("lto<O2>",),
    ("without<sroa>",),
    ("without<inline>",),
    ("without<slp-vectorizer>", "without<loop-vectorize>"),
    ("default<O1>",),
    ("default<O3>",),
)


@dataclass(frozen=True)
class Case:
    """One program to tune. outputs: the files that are named to the tool."""

    name: str
    source: Path
    objective: str
    place: str
    traps: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    flags: tuple[str, ...] = ("-w",)


def cases(count: int, folder: Path, clang: Clang) -> Iterator[Case]:
    """The first ``count`` programs; where there is no csmith, all of them are our own."""
    own, seed, csmith = 0, 0, csmith_headers()
    if csmith is None:
        print("csmith is not installed (Debian: csmith, libcsmith-dev): all programs are of our own generator")
    for number in range(count):
        if number % 3 == 2 and csmith is not None:
            seed, source = _csmith_program(seed, folder, csmith, clang)
            flags = ("-w", f"-I{csmith}")
            yield Case(source.stem, source, OBJECTIVES[number // 3 % 2], "stdout", flags=flags)
            continue
        program = generate(own)
        source = folder / f"{program.name}.c"
        source.write_text(program.text)
        objective = OBJECTIVES[own // len(PLACES) % 2]
        yield Case(program.name, source, objective, program.place, program.traps, program.args, program.outputs)
        own += 1


def csmith_headers() -> Path | None:
    if shutil.which("csmith") is None:
        return None
    return next((folder for folder in _CSMITH_HEADERS if (folder / "csmith.h").is_file()), None)


def _csmith_program(seed: int, folder: Path, headers: Path, clang: Clang) -> tuple[int, Path]:
    """The next program of csmith that ends soon, and the seed after it."""
    while True:
        source = folder / f"csmith-{seed}.c"
        seed += 1
        kept = source.with_suffix(".soon")  # whether it ends soon, for the next time
        if not kept.is_file():
            with tempfile.TemporaryDirectory(prefix="benchmark-") as place:  # another process may be at it too
                made = Path(place, source.name)
                command = ["csmith", "--seed", str(seed), *_CSMITH_SMALL]
                made.write_text(subprocess.run(command, capture_output=True, text=True, cwd=place).stdout)
                executable = clang.build(made, ("-w", f"-I{headers}"), "O2", Path(place, "program"))
                began = _seconds_of_children()
                soon = behaviour(executable).status == 0 and _seconds_of_children() - began < _CSMITH_SECONDS
                shutil.move(made, source)
                kept.write_text(str(int(soon)))
        if kept.read_text() == "1":
            return seed, source


def _seconds_of_children() -> float:
    """CPU time: on a busy machine the same programs have to be chosen."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def examine(case: Case, number: int, folder: Path, clang: Clang, prefix: Path | None) -> dict[str, Any]:
    """Tune it, compare it, and say what came out."""
    began = time.monotonic()
    run, tuned = folder / "runs" / case.name, folder / "runs" / f"{case.name}.tuned"
    shutil.rmtree(run, ignore_errors=True)
    tuned.unlink(missing_ok=True)
    record: dict[str, Any] = {"name": case.name, "objective": case.objective, "place": case.place, "traps": case.traps}
    try:
        result = colt_llvm.tune(
            case.source, objective=case.objective, trials=TRIALS, seed=number, strategy=breaking(number), workers=1,
            risky=True, allow_nonzero=True, cflags=case.flags, run_directory=run, output=tuned, llvm_prefix=prefix,
            workloads=[colt_llvm.Workload("run", ("{exe}", *case.args), outputs=case.outputs)],
        )  # fmt: skip
        record |= {
            "verdict": result.verdict, "ratio": result.ratio, "sequence": result.sequence, "failures": result.failures
        }  # fmt: skip
    except ColtError as error:
        record |= {"verdict": type(error).__name__, "said": str(error), "failures": {}}
    record |= compare(case, tuned, folder, clang)
    record["seconds"] = round(time.monotonic() - began, 2)
    if not record["wrong"]:
        shutil.rmtree(run, ignore_errors=True)
        tuned.unlink(missing_ok=True)
    return record


def compare(case: Case, tuned: Path, folder: Path, clang: Clang) -> dict[str, Any]:
    """The tuned executable beside plain clang's: ``wrong`` says in what it differs, "" where it does not."""
    made = folder / "runs" / f"{case.name}.plain"
    plain = {
        level: behaviours(clang.build(case.source, case.flags, level, made), case.args, runs=1) for level in LEVELS
    }
    baseline = behaviours(clang.baseline(case.objective, case.source, case.flags, made), case.args)
    made.unlink()
    apart = len(set().union(*plain.values(), baseline))
    found: dict[str, Any] = {"plain_behaviours": apart, "wrong": ""}
    if len(baseline) > 1:
        return {**found, "unsteady": True}
    if tuned.is_file():
        (wanted,) = baseline
        parts = {wanted.differs_in(other) for other in behaviours(tuned, case.args)} - {""}
        found["wrong"] = ", ".join(sorted(parts))
    return found


class Breaking(colt_llvm.SequenceSearch):
    """The sequences of BREAKING in turn, ``offset`` of them skipped at first; the rest of the trials at random."""

    offset = 0

    def __init__(self, task: Any) -> None:
        super().__init__("breaking", colt_llvm.ActionSet(task.passes, task.edits), task.seed)
        names = set(self.actions.names)
        usable = [sequence for sequence in BREAKING if names.issuperset(sequence)]
        start = self.offset % max(1, len(usable))
        self._known = usable[start:] + usable[:start]

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        if request_id % 2 == 0 and request_id // 2 < len(self._known):
            return self.actions.tidy(self._known[request_id // 2])
        return self.actions.draw_sequence(random, 4)


def breaking(offset: int) -> type[Breaking]:
    """The strategy that begins with another of the sequences for each program."""
    return type("Breaking", (Breaking,), {"offset": offset})


def summary(records: list[dict[str, Any]]) -> str:
    """The counts as a table, by where the answer goes."""
    head = ("place", "programs", "improved", "no improvement", "not tuned", "levels differ", "refused", "wrong")
    rows = []
    groups = {place: [r for r in records if r["place"] == place and not r["name"].startswith("csmith")]
              for place in PLACES}  # fmt: skip
    groups["csmith (stdout)"] = [r for r in records if r["name"].startswith("csmith")]
    groups["all"] = records
    for name, group in groups.items():
        verdicts = Counter(record["verdict"] for record in group)
        improved, kept = verdicts["improved"], verdicts["no improvement found"]
        rows.append(
            (
                name, len(group), improved, kept, len(group) - improved - kept,
                sum(record["plain_behaviours"] > 1 for record in group), refused(group), len(wrong(group)),
            )
        )  # fmt: skip
    return table(head, rows)


def refused(records: list[dict[str, Any]]) -> int:
    """Candidates that were found to do something else."""
    return sum(record["failures"].get("miscompile", 0) for record in records)


def wrong(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["wrong"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path("trust-generated"))
    parser.add_argument("--llvm-prefix", type=Path)
    parser.add_argument("--share", default="0/1", metavar="I/N", help="every Nth program from I on: one process a core")
    given = parser.parse_args()
    first, step = map(int, given.share.split("/"))
    # Half of the time, and it changes no verdict.
    tuner.DIAGNOSIS_SECONDS = 0.0  # type: ignore[attr-defined]
    folder = given.folder.resolve()
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    clang = Clang.found(given.llvm_prefix)
    done = {record["name"]: record for record in read(folder / "results.jsonl")}
    records = []
    for number, case in enumerate(cases(given.count, folder, clang)):
        if case.name not in done:
            if number % step != first:
                continue
            done[case.name] = examine(case, number, folder, clang, given.llvm_prefix)
            append(folder / "results.jsonl", done[case.name])
            print(json.dumps(done[case.name]), flush=True)
        records.append(done[case.name])
    print(summary(records))
    for record in wrong(records):
        print(f"WRONG: {record['name']} ({record['objective']}): {record['verdict']}, differs in {record['wrong']}")
    spent = sum(record["seconds"] for record in records)
    print(f"{refused(records)} candidates refused, {len(wrong(records))} wrong programs, {spent / 60:.1f} minutes")
    return 1 if wrong(records) or not refused(records) else 0


if __name__ == "__main__":
    sys.exit(main())
