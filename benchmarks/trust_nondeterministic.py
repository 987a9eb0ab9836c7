"""Is a program that differs from run to run ever called improved, or a pass blamed for it?

Tunes programs that differ in ten ways (see nondeterministic_programs), on five places, always or in one run of two or
three. Wrong is:

- "improved" where the difference shows on standard output, in a named file or in the exit status. What differs on
  standard error or in files that nobody named is left out by design, and a program that prints where it runs does the
  same wherever it is run alike: these may be improved, and then have to print on standard output, and end, as plain
  clang's do.
- a candidate that counts as a miscompile, wherever the difference shows: no pass is at fault here.

    python -m benchmarks.trust_nondeterministic [--count 200] [--folder FOLDER] [--llvm-prefix /usr/lib/llvm-22]

``--count`` is of the programs that must not be called improved; those that may be come on top, two for three.
Started again with the same folder it goes on. Ends with 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import colt_llvm
from benchmarks.nondeterministic_programs import WAYS, UnsteadyProgram, unsteady
from benchmarks.plain_clang import Behaviour, Clang, behaviours
from benchmarks.records import append, read, table
from colt_llvm.core.errors import ColtError, ProgramError

TRIALS = 8
DIFFERS = "differs from run to run"


def examine(seed: int, folder: Path, clang: Clang, prefix: Path | None) -> dict[str, Any]:
    """Tune the program of this seed, and say what came out."""
    began, program = time.monotonic(), unsteady(seed)
    source, run, tuned = (folder / f"{program.name}{end}" for end in (".c", ".run", ".tuned"))
    state = folder / f"{program.name}.state"
    source.write_text(program.text)
    shutil.rmtree(run, ignore_errors=True)
    for file in (state, tuned):
        file.unlink(missing_ok=True)
    args = [word.replace("{state}", str(state)) for word in program.args]
    record: dict[str, Any] = {
        "name": program.name, "way": program.way, "place": program.place, "one_in": program.one_in,
        "may_improve": program.may_improve, "blamed": 0, "wrong": "",
    }  # fmt: skip
    try:
        result = colt_llvm.tune(
            source, objective="size", trials=TRIALS, seed=seed, workers=1, allow_nonzero=True, ldflags=program.ldflags,
            run_directory=run, output=tuned, llvm_prefix=prefix,
            workloads=[colt_llvm.Workload("run", ("{exe}", *args), outputs=program.outputs)],
        )  # fmt: skip
        record |= {"verdict": result.verdict, "blamed": result.failures.get("miscompile", 0), "notes": result.notes}
        if result.improved:
            record["wrong"] = _wrong(program, source, tuned, args, clang)
    except ProgramError as error:
        record |= {"verdict": DIFFERS if "differs" in str(error) else "ProgramError",
                   "said": str(error)}  # fmt: skip
    except ColtError as error:
        record |= {"verdict": type(error).__name__, "said": str(error)}
    record["seconds"] = round(time.monotonic() - began, 2)
    if not record["wrong"] and not record["blamed"]:
        shutil.rmtree(run, ignore_errors=True)
        tuned.unlink(missing_ok=True)
    return record


def _wrong(program: UnsteadyProgram, source: Path, tuned: Path, args: list[str], clang: Clang) -> str:
    """Why this improvement is none; "" where it is right."""
    if not program.may_improve:
        return f"differs on {program.place}"
    if program.way == "surroundings" and program.place not in ("stderr", "unnamed"):
        return ""  # what it prints is where it runs
    plain = clang.build(source, program.ldflags, "Oz", tuned.with_suffix(".plain"))
    wanted, found = _strict(behaviours(plain, args)), _strict(behaviours(tuned, args))
    plain.unlink()
    return "" if wanted == found else "prints something else than plain clang's"


def _strict(found: set[Behaviour]) -> set[tuple[Any, ...]]:
    return {(one.status, one.stdout) for one in found}


def summary(records: list[dict[str, Any]]) -> str:
    """The counts as a table, by what makes the programs differ."""
    rows = []
    for way in (*WAYS, "all"):
        group = [record for record in records if way in (record["way"], "all")]
        verdicts = [record["verdict"] for record in group]
        told, improved, kept = (
            verdicts.count(v) for v in ("differs from run to run", "improved", "no improvement found")
        )
        rest = len(group) - told - improved - kept
        right = sum(record["verdict"] == "improved" and not record["wrong"] for record in group)
        rows.append(
            (way, len(group), told, kept, rest, right, improved - right, sum(1 for r in group if r["blamed"]))
        )  # fmt: skip
    head = (
        "way",
        "tunes",
        "told as differing",
        "no improvement",
        "other",
        "improved, rightly",
        "wrongly",
        "blamed a pass",
    )
    return table(head, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("trust-nondeterministic"))
    parser.add_argument("--llvm-prefix", type=Path)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    clang = Clang.found(given.llvm_prefix)
    done = {record["name"]: record for record in read(folder / "results.jsonl")}
    records: list[dict[str, Any]] = []
    for seed in itertools.count():
        if sum(not record["may_improve"] for record in records) == given.count:
            break
        name = f"unsteady-{seed}"
        if name not in done:
            done[name] = examine(seed, folder, clang, given.llvm_prefix)
            append(folder / "results.jsonl", done[name])
            print(json.dumps(done[name]), flush=True)
        records.append(done[name])
    for title, may in (("may not be called improved", False), ("differ in what is left out, and may be", True)):
        group = [record for record in records if record["may_improve"] == may]
        print(f"{len(group)} programs that {title}:\n{summary(group)}")
    bad = [record for record in records if record["wrong"] or record["blamed"]]
    for record in bad:
        print(f"WRONG: {record['name']} ({record['way']}, {record['place']}): {record['verdict']}, "
              f"{record['wrong'] or 'a pass is blamed'}")  # fmt: skip
    spent = sum(record["seconds"] for record in records)
    print(f"{len(records)} tunes, {len(bad)} wrong, {spent / 60:.1f} minutes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
