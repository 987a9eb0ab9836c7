"""Is a wrong program ever accepted whatever is decided? Random decision lists over all included programs.

Decisions of every kind, scope and value, 1 to 32 at once, are drawn for each program in turn, built, linked and run.
What the verifier accepts is compared once more, byte by byte, with what the baseline prints and how it ends.

    python -m benchmarks.trust_decisions [--count 10000] [--folder FOLDER] [--llvm-prefix /usr/lib/llvm-22]

Started again with the same folder it goes on; processes with ``--share 0/2`` and ``1/2`` may share the folder, and one
without prints the whole table. Ends with 1 where a wrong program was accepted, or nothing was built.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.records import append, read, table
from colt_llvm.core.errors import (
    ColtError,
    PassCrashed,
    PassError,
    PassOutOfMemory,
    PassTimedOut,
)
from colt_llvm.decisions.offers import SCOPES
from colt_llvm.evaluate.builder import Builder, start_builders
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.decision import (
    AFTER,
    BEFORE,
    EVERY,
    KINDS,
    LISTS,
    SKIP,
    Decision,
    Kind,
    is_decision,
    parse_decision,
)
from colt_llvm.llvm.process_options import THRESHOLDS
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import Program, Workload, included_programs
from colt_llvm.run.setup import make_task
from colt_llvm.search.strategy import Task

OBJECTIVES = ("size", "runtime")
_LENGTHS = (1, 2, 4, 8, 16, 32)
_LONGEST_LIST = 6
#: How often a decision is about all functions, a threshold of the process, or a whole pipeline stands beside it.
_EVERYWHERE, _THRESHOLD, _PIPELINE = 0.1, 0.1, 0.25
_RUN_SECONDS = 20.0
_FAILURES = {PassCrashed: "crashed", PassTimedOut: "timed out", PassOutOfMemory: "out of memory"}


@dataclass
class Places:
    """What can be decided about in one program."""

    functions: list[str]
    calls: list[Decision]  # any kind; only their places count
    loops: list[Decision]
    passes: dict[str, Sequence[str]]  # of LISTS -> texts that may be listed
    pipelines: list[str]  # actions that are whole pipelines

    @staticmethod
    def of(task: Task, pipelines: Sequence[str]) -> Places:
        decisions = [parse_decision(name) for name in task.edits if is_decision(name)]
        around = task.surroundings
        texts = sorted({*around.texts.values(), *(text for kind, text in around.steps if kind == AFTER)})
        return Places(
            sorted(around.callers), [d for d in decisions if d.scope == "call"],
            [d for d in decisions if d.scope == "loop"],
            {SKIP: sorted(around.skippable), BEFORE: texts, AFTER: texts}, list(pipelines),
        )  # fmt: skip

    def draw(self, random: Random) -> tuple[str, ...]:
        """A decision list; the same for the same random numbers."""
        names = [self._one(random) for _ in range(random.choice(_LENGTHS))]
        if self.pipelines and random.random() < _PIPELINE:
            names.append(random.choice(self.pipelines))
        return tuple(dict.fromkeys(name for name in names if name))

    def _one(self, random: Random) -> str:
        if random.random() < _THRESHOLD:
            option = random.choice(sorted(THRESHOLDS))
            return f"{option}<{random.choice(THRESHOLDS[option])}>"
        kind = random.choice(KINDS)
        if kind.scope == "function":
            return self._of_function(kind, random)
        places = self.calls if kind.scope == "call" else self.loops
        if not places:
            return ""
        place = random.choice(places)
        value = random.choice(kind.values) if kind.values else ""
        return str(Decision(place.function, place.callee, place.number, kind.name, value))

    def _of_function(self, kind: Kind, random: Random) -> str:
        if not self.functions:
            return ""
        function = EVERY if random.random() < _EVERYWHERE else random.choice(self.functions)
        if kind.name in LISTS:
            texts = self.passes[kind.name]
            if not texts:
                return ""
            value = ",".join(random.choice(texts) for _ in range(random.randint(1, _LONGEST_LIST)))
        else:
            value = random.choice(kind.values) if kind.values else ""
        return str(Decision(function, "", 0, kind.name, value))


@dataclass
class Examiner:
    """Builds lists for one program and objective, and compares what they do."""

    program: Program
    places: Places
    builder: Builder
    verifier: Verifier
    root_key: str

    def examine(self, number: int) -> dict[str, Any]:
        """What came of the list of this number."""
        names = self.places.draw(Random(number))
        began = time.monotonic()
        record: dict[str, Any] = {"wrong": "", "decisions": names}
        try:
            built = self.builder.build(names)
        except PassError as error:
            record |= {"outcome": _FAILURES.get(type(error), "refused"), "said": str(error)[:500]}
            record["seconds"] = round(time.monotonic() - began, 4)
            record["seconds_after"] = round(self.seconds_of_a_look(), 4)
            return record
        record["seconds"] = round(time.monotonic() - began, 4)
        if built.key == self.root_key:
            return {**record, "outcome": "the baseline's code"}
        name = f"list-{number}"
        try:
            executable = self.verifier.link(built.objects, name)
            self.verifier.check(executable, thorough=False)
            return {**record, "outcome": "accepted", "wrong": self.difference(executable)}
        except Miscompiled as error:
            return {**record, "outcome": "another output", "said": str(error)[:500]}
        except ColtError as error:
            return {**record, "outcome": "not linked", "said": str(error)[:500]}
        finally:
            (self.verifier.folder / name).unlink(missing_ok=True)

    def seconds_of_a_look(self) -> float:
        """Of the empty sequence, whatever the service has to do before it."""
        began = time.monotonic()
        self.builder.build(())
        return time.monotonic() - began

    def difference(self, executable: Path) -> str:
        """In what an accepted program differs from its baseline on the workloads that are not timed; "" in nothing."""
        return ", ".join(
            workload.name
            for workload in self.program.workloads[1:]
            if _left(executable, workload) != _left(self.verifier.baseline, workload)
        )


def _left(executable: Path, workload: Workload) -> tuple[int, bytes]:
    """Exit status and output, without the machinery of colt_llvm."""
    command = [str(executable) if part == "{exe}" else part for part in workload.command]
    given = workload.stdin.read_bytes() if workload.stdin else b""
    done = subprocess.run(command, input=given, capture_output=True, timeout=_RUN_SECONDS)
    return done.returncode, done.stdout


@contextlib.contextmanager
def examiner(program: Program, objective: str, prefix: Path | None) -> Iterator[Examiner]:
    options = TuneOptions(objective=objective, trials=1, scopes=SCOPES)
    target = prepare_target(find_toolchain(prefix), program, options)
    pipelines = [action.name for action in target.catalogue.actions if action.kind == "pipeline"]
    with contextlib.closing(Verifier.of_target(target)) as verifier, start_builders(target, 1) as builders:
        places = Places.of(make_task(target, {}, SCOPES), pipelines)
        yield Examiner(program, places, builders.first, verifier, builders.root_key)


def examine_program(program: Program, numbers: Sequence[int], prefix: Path | None) -> Iterator[dict[str, Any]]:
    """Records of these lists; the number chooses the objective too."""
    for place, objective in enumerate(OBJECTIVES):
        chosen = [number for number in numbers if Random(f"objective/{number}").randrange(len(OBJECTIVES)) == place]
        if not chosen:
            continue
        with examiner(program, objective, prefix) as found:
            for number in chosen:
                yield {"number": number, "program": program.name, "objective": objective, **found.examine(number)}


def summary(records: Sequence[dict[str, Any]]) -> str:
    """Counts by objective, and what a crash cost."""
    outcomes = ("accepted", "the baseline's code", "another output", "refused", "crashed", "timed out", "out of memory",
                "not linked")  # fmt: skip
    head = ("objective", "lists", *outcomes, "wrong and accepted")
    rows = []
    for objective in (*OBJECTIVES, "all"):
        group = [record for record in records if objective in ("all", record["objective"])]
        counts = Counter(record["outcome"] for record in group)
        rows.append((objective, len(group), *(counts[name] for name in outcomes), len(wrong(group))))
    lines = [table(head, rows)]
    for name in ("refused", "crashed", "timed out"):
        failed = [record for record in records if record["outcome"] == name]
        if failed:
            cost, after = ([record[key] for record in failed] for key in ("seconds", "seconds_after"))
            lines.append(
                f"{name}: a look took {median(cost):.2f} s in the median, {max(cost):.2f} s at most; the next one "
                f"{median(after):.2f} s, {max(after):.2f} s at most"
            )
    built = [record["seconds"] for record in records if record["outcome"] in ("accepted", "the baseline's code")]
    if built:
        lines.append(f"built: a look took {median(built):.2f} s in the median, {max(built):.2f} s at most")
    return "\n".join(lines)


def wrong(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record["wrong"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path("trust-decisions"))
    parser.add_argument("--llvm-prefix", type=Path)
    parser.add_argument("--share", default="0/1", metavar="I/N", help="every Nth program from I on: one process a core")
    given = parser.parse_args()
    first, step = map(int, given.share.split("/"))
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / "results.jsonl"
    done = {record["number"] for record in read(file)}
    programs = included_programs()
    for place, program in enumerate(programs):
        numbers = [number for number in range(place, given.count, len(programs)) if number not in done]
        if place % step != first or not numbers:
            continue
        for record in examine_program(program, numbers, given.llvm_prefix):
            append(file, record)
            if record["outcome"] not in ("accepted", "the baseline's code") or record["wrong"]:
                print(json.dumps(record), flush=True)
    records = [record for record in read(file) if record["number"] < given.count]
    print(summary(records))
    for record in wrong(records):
        print(f"WRONG: list {record['number']} of {record['program']} ({record['objective']}): {record['wrong']}")
    accepted = any(record["outcome"] == "accepted" for record in records)
    return 1 if wrong(records) or not accepted else 0


if __name__ == "__main__":
    sys.exit(main())
