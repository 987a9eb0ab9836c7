"""Whole sequences with decisions about the module, for ``embedded/small``: what each brings, and which are kept.

    python tools/embedded_scoped.py rewards OUT.json    # builds them for the programs that the weights know, not run
    python tools/embedded_scoped.py write OUT.json      # chooses greedily, and puts these into the weights

After ``train_embedded.py``, which makes weights without them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from pathlib import Path

import numpy as np

from colt_llvm.core.errors import PassError
from colt_llvm.evaluate.builder import start_builders
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded.retrieval import FAR
from colt_llvm.models.embedded.scoring import program_vector
from colt_llvm.models.embedded.weights import FILE, OBJECTIVES, PARTS, SCOPED, read_arrays, read_weights, weights
from colt_llvm.program.program import load_program
from colt_llvm.run.setup import program_features
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
    """A line for each train program: its name, what each sequence gives, as a log ratio, and the program's features.

    null: a sequence failed, or was not built: of programs that are new to the weights only those are built that are in
    the weights already.
    """
    toolchain = find_toolchain()
    done = {json.loads(line)[0] for line in file.read_text().splitlines()} if file.exists() else set()
    known = _programs(read_arrays(FILE))
    few = weights().coresets[SCOPED + _OBJECTIVE].sequences
    for path in sorted(_PROGRAMS.glob("*/program.toml")):
        program = load_program(path.parent)
        if program.name in done or program.split != "train":
            continue
        target = prepare_target(toolchain, program, TuneOptions(_OBJECTIVE))
        row: list[float | None] = []
        with start_builders(target, 1) as builders:
            features = program_features(builders.first)
            for sequence in sequences():
                row.append(None)
                if program.name in known or sequence in few:
                    with contextlib.suppress(PassError):
                        row[-1] = math.log(builders.figures[_OBJECTIVE] / builders.first.build(sequence).size)
        with file.open("a") as lines:
            lines.write(json.dumps([program.name, row, features]) + "\n")


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
    """In place of those that the weights hold. What is new to the weights are columns without a name there."""
    lines = {name: (row, *rest) for name, row, *rest in map(json.loads, file.read_text().splitlines())}
    arrays = read_arrays(FILE)
    programs = _programs(arrays)
    places = chosen(np.array([_floored(lines[name][0]) for name in programs if name in lines]))
    new = [name for name in lines if name not in programs]
    old = arrays["small_objective"] < len(OBJECTIVES)
    objective = OBJECTIVES.index(_OBJECTIVE)
    columns = len(programs) + len(new)
    table = np.full((int(old.sum()) + len(places), columns), np.nan)
    table[: old.sum(), : len(programs)] = arrays["small_rewards"][old, : len(programs)]
    neighbours = np.full((len(OBJECTIVES), columns, arrays["small_neighbours"].shape[2]), FAR)
    neighbours[:, : len(programs)] = arrays["small_neighbours"][:, : len(programs)]
    for column, name in enumerate([*programs, *new]):
        if name in lines:
            table[old.sum() :, column] = np.array(_floored(lines[name][0]))[places]
        if name in new:
            unknown = [lines[name][0][place] is None for place in places]
            table[old.sum() :, column][unknown] = np.nan
            scaled = (program_vector(lines[name][1]) - arrays["feature_mean"]) / arrays["feature_scale"]
            neighbours[objective, column] = np.clip(scaled, -3, 3)
    names = [line for line, kept in zip(str(arrays["small_sequences"]).split("\n"), old, strict=True) if kept]
    arrays["small_sequences"] = np.array("\n".join([*names, *(" ".join(sequences()[place]) for place in places)]))
    arrays["small_rewards"], arrays["small_neighbours"] = table, neighbours
    numbers = [objective + len(OBJECTIVES)] * len(places)
    arrays["small_objective"] = np.concatenate([arrays["small_objective"][old], numbers])
    FILE.write_bytes(packed(arrays))
    counts = {model: read_weights(FILE).count(model) for model in PARTS}
    FILE.with_name("parameters.json").write_text(json.dumps(counts, indent=2) + "\n")


def _floored(row: list[float | None]) -> list[float]:
    return [_LEAST_REWARD if reward is None else max(reward, _LEAST_REWARD) for reward in row]


def _programs(arrays: dict) -> list[str]:
    return str(arrays["small_programs"]).split("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rewards", "write"))
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    rewards(given.file) if given.what == "rewards" else write(given.file)


if __name__ == "__main__":
    main()
