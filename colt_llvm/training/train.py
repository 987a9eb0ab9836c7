"""``colt-llvm train``: from runs to a file of the user's own policies. What got worse is not kept."""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.core import files
from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.embedded.own import CARD, VERSION, WeightsError, family_of, own_specs, read_card
from colt_llvm.models.embedded.scoring import program_vector
from colt_llvm.models.embedded.weights import (
    FILE,
    LLVM_MAJOR,
    OBJECTIVES,
    Weights,
    read_arrays,
    read_weights,
    weights_of,
)
from colt_llvm.program.program import Program
from colt_llvm.training.dataset import Array, Sample, TrainingRun, experiences, grown, read_dataset
from colt_llvm.training.linear_model import learned_row, tuned
from colt_llvm.training.validation import (
    Comparison,
    Effort,
    Validation,
    cached_evaluator,
    compare,
    features_of,
    validations,
)

Say = Callable[[str], None]
#: program and objective -> its features, scaled.
Vectors = Mapping[tuple[str, str], Array]


@dataclass(frozen=True)
class TrainOptions:
    """What training begins with, and how its result is compared."""

    start: Path | None = None  #: an earlier file of train; None: the package's own numbers
    validate: Sequence[Program] = ()  #: programs on which old and new are compared; none: those of the runs
    effort: Effort = field(default_factory=Effort)


@dataclass(frozen=True)
class Trained:
    """A file of policies, and what shows that they are better."""

    output: Path
    dataset: tuple[TrainingRun, ...]  #: what was learned from
    validations: tuple[Validation, ...]
    names: tuple[str, ...]  #: as ``--models`` has them
    validated_on: tuple[str, ...]  #: programs
    leave_one_out: bool  #: each of these with what was learned from the others
    independent: bool  #: none of these is a program of the runs
    effort: Effort
    unknown_actions: tuple[str, ...]  #: names that were tried, and are in no table
    notes: tuple[str, ...] = field(default=())


def train(
    runs: Sequence[Path],
    output: Path,
    toolchain: Toolchain,
    options: TrainOptions | None = None,
    say: Say = lambda text: None,
) -> Trained:
    """Learn, validate, and write ``output``; an old file is there until the new one is whole.

    runs: directories that tune made. say: told of each step. Raises ColtError.
    """
    options = options or TrainOptions()
    family_of(output)
    if toolchain.major != LLVM_MAJOR:
        raise UsageError(
            f"this is LLVM {toolchain.version}, and the policies know the actions of LLVM {LLVM_MAJOR}; "
            "name that one with --llvm-prefix"
        )
    old = _start(options.start)
    dataset = read_dataset(runs)
    with replacing(output.absolute()) as temporary:
        student = _Student.of(old, dataset, toolchain)
        found = _compared(student, toolchain, options, say)
        decided = validations(found)
        arrays = _chosen(old, student.learned(), decided)
        counts = {name.partition("/")[2]: weights_of(stored(arrays)).count(name) for name in _names(decided)}
        temporary.write_bytes(packed(arrays, _card(counts, dataset, decided, options.start)))
        read_weights(temporary)  # whatever is handed over can be read
    own = {run.program.name for run in dataset}
    return Trained(
        output.absolute(), tuple(dataset), tuple(decided), tuple(spec.name for spec in own_specs(str(output))),
        tuple(dict.fromkeys(one.program for one in found)),
        leave_one_out=not options.validate and len(student.keys) > 1,
        independent=bool(options.validate) and not own & {program.name for program in options.validate},
        effort=options.effort, unknown_actions=tuple(student.unknown_actions()), notes=tuple(student.notes),
    )  # fmt: skip


def _start(start: Path | None) -> dict[str, Any]:
    """The arrays that learning begins with."""
    if start is None:
        return read_arrays(FILE)
    read_card(start)
    arrays = read_arrays(start)
    try:
        weights_of(arrays)
    except (AttributeError, ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{start}: cannot be read ({error}); make it again with colt-llvm train") from None
    return arrays


@dataclass
class _Student:
    """What runs taught, with some of their programs left out or with none."""

    old: Mapping[str, Any]  #: arrays that learning begins with
    number: dict[str, int]  #: action -> its place in the vocabulary
    dataset: Sequence[TrainingRun]
    samples: Sequence[Sample]
    vectors: Vectors
    notes: list[str]  #: what a person should know

    @staticmethod
    def of(old: Mapping[str, Any], dataset: Sequence[TrainingRun], toolchain: Toolchain) -> _Student:
        notes: list[str] = []
        number = {name: place for place, name in enumerate(str(old["actions"]).split("\n"))}
        samples = [row for run in dataset for row in run.samples()]
        return _Student(old, number, dataset, samples, _vectors(old, dataset, toolchain, notes), notes)

    @property
    def keys(self) -> list[str]:
        """Programs of the runs that can be built again."""
        return list(dict.fromkeys(key for key, _ in self.vectors))

    def learned(self, without: str = "") -> dict[str, Any]:
        """Arrays of all three models. without: the key of a program of which nothing is known."""
        arrays = dict(self.old)
        rows: defaultdict[str, list[Sample]] = defaultdict(list)
        for row in self.samples:
            if row.program != without:
                rows[row.objective].append(row)
        for name in ("nano_gain", "small_gain", "base_gain"):
            table = np.array(self.old[name], dtype=np.float64)
            for place, objective in enumerate(OBJECTIVES):
                if rows[objective]:
                    table[place] = learned_row(table[place], self.number, rows[objective])
            arrays[name] = table
        arrays |= tuned(arrays, [row for row in self.samples if row.program != without], self.number, self.vectors)
        dataset = [run for run in self.dataset if run.key != without]
        return arrays | grown(self.old, experiences(dataset, self.vectors))

    def weights(self, without: str = "") -> Weights:
        """As they would be read from a file."""
        return weights_of(stored(self.learned(without)))

    def unknown_actions(self) -> list[str]:
        """Names that the tables do not have."""
        return sorted({row.action for row in self.samples} - set(self.number))


def _vectors(
    old: Mapping[str, Any], dataset: Iterable[TrainingRun], toolchain: Toolchain, notes: list[str]
) -> dict[tuple[str, str], Array]:
    found: dict[tuple[str, str], Array] = {}
    for run in dataset:
        place = (run.key, run.objective)
        if place in found:
            continue
        if not run.unchanged:
            notes.append(f"{run.folder}: its sources are gone or have changed; only its single actions teach")
            continue
        try:
            features = features_of(prepare_target(toolchain, run.program, TuneOptions(objective=run.objective)))
        except ColtError as error:
            notes.append(f"{run.folder}: does not build any more ({error}); only its single actions teach")
            continue
        scaled = (program_vector(features) - old["feature_mean"]) / old["feature_scale"]
        found[place] = np.clip(scaled.astype(np.float64), -3.0, 3.0)
    return found


def _compared(student: _Student, toolchain: Toolchain, options: TrainOptions, say: Say) -> list[Comparison]:
    """Old and new numbers on the programs that were named; else on those of the runs, each left out of training once.

    A program that is alone is compared with what it taught itself. Raises UsageError where none can be built.
    """
    old, keys = weights_of(student.old), student.keys
    of_runs = {run.key: run.program for run in student.dataset}
    all_objectives = [name for name in OBJECTIVES if any(run.objective == name for run in student.dataset)]
    chosen = [("", program, all_objectives) for program in options.validate]
    if not chosen:
        chosen = [(key, of_runs[key], [objective for of, objective in student.vectors if of == key]) for key in keys]
    if not chosen:
        raise UsageError("no program of the runs can be built any more; name some to validate on: --validate PROGRAM")
    new = student.weights()
    found = []
    for key, program, objectives in chosen:
        learned = student.weights(key) if key and len(keys) > 1 else new
        for objective in objectives:
            say(f"validating on {program.name}, {objective}")
            with cached_evaluator(toolchain, program, objective) as evaluator:
                found += compare(evaluator, program.name, old, learned, options.effort)
    return found


def _names(decided: Iterable[Validation]) -> list[str]:
    return [one.model for one in decided]


def _chosen(old: Mapping[str, Any], new: Mapping[str, Any], decided: Iterable[Validation]) -> dict[str, Any]:
    """The new arrays of the models that are kept, the old ones of the others. Their names begin with the model's."""
    arrays = dict(old)
    for one in decided:
        if one.kept:
            begin = one.model.partition("/")[2] + "_"
            arrays |= {name: array for name, array in new.items() if name.startswith(begin)}
    return arrays


def _card(
    counts: Mapping[str, int], dataset: Sequence[TrainingRun], decided: Iterable[Validation], start: Path | None
) -> dict[str, Any]:
    """No date and no folder: equal runs give an equal file."""
    return {
        "version": VERSION,
        "parameters": counts,
        "llvm": LLVM_MAJOR,
        "start": "embedded" if start is None else start.name,
        "learned": [one.model.partition("/")[2] for one in decided if one.kept],
        "runs": [
            {
                "program": run.program.name,
                "objective": run.objective,
                "trials": len(run.trials),
                "by_language_models": run.told_by_language_models,
                "best": round(run.best, 9),
            }
            for run in dataset
        ],
    }


_DATE = (2020, 1, 1, 0, 0, 0)
_HALVES = ("base_in", "base_out", "small_rewards", "small_neighbours")  # in half precision


def stored(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """In the precision of the file."""
    return {
        name: array if array.dtype.kind == "U" else array.astype(_stored_type(name)) for name, array in arrays.items()
    }


def packed(arrays: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> bytes:
    """The content of an .npz; with a card beside the arrays where it is the user's own."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(stored(arrays).items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), buffer.getvalue(), zipfile.ZIP_DEFLATED)
        if card is not None:
            archive.writestr(zipfile.ZipInfo(CARD, _DATE), json.dumps(card, indent=1), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _stored_type(name: str) -> type:
    if name in ("nano_pairs", "small_objective"):
        return np.int16
    return np.float16 if name.startswith(_HALVES) else np.float32


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """``core.files.replacing``, whose errors name the option. Raises RunDirectoryError."""
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "is a folder")
        with files.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror or error}; name a file with -o that can be written") from None
