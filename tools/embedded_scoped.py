"""Whole sequences with decisions about the module, for ``embedded/small``: what each brings, and which are kept.

    python tools/embedded_scoped.py rewards OUT.json    # builds them for the programs that the weights know, not run
    python tools/embedded_scoped.py write OUT.json      # chooses greedily, and puts these into the weights

After ``train_embedded.py``, which makes weights without them.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from colt_llvm.core.errors import PassError
from colt_llvm.evaluate.builder import start_builders
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded.weights import FILE, OBJECTIVES, PARTS, read_arrays, read_weights, weights
from colt_llvm.program.program import load_program
from colt_llvm.training.train import packed

Names = tuple[str, ...]

_PROGRAMS = Path(__file__).parents[1] / "programs"
_OBJECTIVE = "size"
#: What nearly all programs like: docs/decisions/0032 and 0034.
FRAME = ("frame-pointer<*;non-leaf>", "disable-lsr<*>", "apply-ext-tsp-for-size<*>", "disable-machine-licm<*>")
_FLAGS: tuple[Names, ...] = (
    *((f"inline-threshold<{value}>",) for value in (50, 100, 225)),
    ("optspeed<*>", "default<O2>"), ("optsize<*>", "default<Os>"), ("optspeed<*>", "default<O1>"),
    ("inline-threshold<225>", "optsize<*>"), ("optsize<*>",),
)  # fmt: skip
_WITH_INLINING = 4  # of the coreset of passes alone, so many also with the inliner of -O2
_MOST_GAIN, _LEAST_REWARD = 0.3, -0.4  # of one program: it must not drown the others
_LEAST = 2e-4  # of a mean log ratio: what one more sequence has to bring


def sequences() -> list[Names]:
    """What is tried: what plain flags of clang do, and the coreset of passes alone, each with FRAME."""
    known = weights().coresets[_OBJECTIVE].sequences
    found = [FRAME[:1], FRAME, *((*names, *FRAME) for names in (*_FLAGS, *known))]
    return found + [("inline-threshold<225>", *names, *FRAME) for names in known[:_WITH_INLINING]]


def rewards(file: Path) -> None:
    """A line for each program: its name, and the log ratio that each sequence gives (null: it failed)."""
    toolchain = find_toolchain()
    done = {json.loads(line)[0] for line in file.read_text().splitlines()} if file.exists() else set()
    for name in filter(_is_included, _programs(read_arrays(FILE))):
        if name in done:
            continue
        target = prepare_target(toolchain, load_program(_PROGRAMS / name), TuneOptions(_OBJECTIVE))
        row: list[float | None] = []
        with start_builders(target, 1) as builders:
            for sequence in sequences():
                try:
                    row.append(math.log(builders.figures[_OBJECTIVE] / builders.first.build(sequence).size))
                except PassError:
                    row.append(None)
        with file.open("a") as lines:
            lines.write(json.dumps([name, row]) + "\n")


def chosen(table: np.ndarray) -> list[int]:
    """Columns, greedily: each the one that adds most to the mean over programs of the best so far."""
    capped = np.minimum(table, _MOST_GAIN)
    best = np.zeros(len(table))
    places: list[int] = []
    while True:
        gains = np.maximum(capped - best[:, None], 0.0).mean(axis=0)
        place = int(gains.argmax())
        if gains[place] < _LEAST:
            return places
        places.append(place)
        best = np.maximum(best, capped[:, place])
        print(f"{best.mean():.4f} after {len(places)}: {' '.join(sequences()[place])}")


def write(file: Path) -> None:
    """In place of those that the weights hold."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    table = np.array([[max(r, _LEAST_REWARD) if r is not None else _LEAST_REWARD for r in row] for _, row in lines])
    places = chosen(table)
    arrays = read_arrays(FILE)
    programs = _programs(arrays)
    new = np.full((len(places), len(programs)), np.nan)
    for (name, _), row in zip(lines, table, strict=True):
        new[:, programs.index(name)] = row[places]
    old = arrays["small_objective"] < len(OBJECTIVES)
    names = [line for line, kept in zip(str(arrays["small_sequences"]).split("\n"), old, strict=True) if kept]
    numbers = [OBJECTIVES.index(_OBJECTIVE) + len(OBJECTIVES)] * len(places)
    arrays["small_sequences"] = np.array("\n".join([*names, *(" ".join(sequences()[place]) for place in places)]))
    arrays["small_rewards"] = np.concatenate([arrays["small_rewards"][old], new])
    arrays["small_objective"] = np.concatenate([arrays["small_objective"][old], numbers])
    FILE.write_bytes(packed(arrays))
    counts = {model: read_weights(FILE).count(model) for model in PARTS}
    FILE.with_name("parameters.json").write_text(json.dumps(counts, indent=2) + "\n")


def _programs(arrays: dict) -> list[str]:
    return str(arrays["small_programs"]).split("\n")


def _is_included(name: str) -> bool:
    return (_PROGRAMS / name).is_dir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rewards", "write"))
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    rewards(given.file) if given.what == "rewards" else write(given.file)


if __name__ == "__main__":
    main()
