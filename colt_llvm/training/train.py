"""``colt-llvm train``: from runs to a file of the user's own policies. What got worse is not kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.embedded.features import program_vector
from colt_llvm.models.embedded.own import VERSION, WeightsError, family_of, own_specs, read_card
from colt_llvm.models.embedded.weights import (
    FILE,
    LLVM_MAJOR,
    OBJECTIVES,
    Weights,
    read_arrays,
    read_weights,
    weights_of,
)
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program
from colt_llvm.training.dataset import Lesson, read_lessons
from colt_llvm.training.linear_model import tuned
from colt_llvm.training.lookup_table import learned_row
from colt_llvm.training.packing import packed, replacing, stored
from colt_llvm.training.samples import Try
from colt_llvm.training.sequences import Array, experiences, grown
from colt_llvm.training.validation import Comparison, Effort, Verdict, compare, verdicts
from colt_llvm.training.workbench import features_of, workbench

Say = Callable[[str], None]
#: program and objective -> its features, scaled.
Vectors = Mapping[tuple[str, str], Array]

TRIALS, SEEDS = 40, 3


@dataclass(frozen=True)
class Trained:
    """output: the file. lessons: what was learned from. names: as ``--models`` has them.

    validated_on: programs. leave_one_out: each of them with what was learned from the others. independent: none of them
    is a program of the runs. unknown_actions: names that were tried, and are in no table.
    """

    output: Path
    lessons: tuple[Lesson, ...]
    verdicts: tuple[Verdict, ...]
    names: tuple[str, ...]
    validated_on: tuple[str, ...]
    leave_one_out: bool
    independent: bool
    effort: Effort
    unknown_actions: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def train(
    runs: Sequence[Path],
    output: Path,
    toolchain: Toolchain,
    *,
    validate: Sequence[Program] = (),
    start: Path | None = None,
    trials: int = TRIALS,
    seeds: int = SEEDS,
    say: Say = lambda text: None,
) -> Trained:
    """Learn, validate, and write ``output``; an old file is there until the new one is whole.

    validate: programs on which old and new are compared; none: those of the runs. start: an earlier file of train;
    None: the package's own numbers. Raises ColtError.
    """
    family_of(output)
    effort = _effort(trials, seeds)
    if toolchain.major != LLVM_MAJOR:
        raise UsageError(
            f"this is LLVM {toolchain.version}, and the policies know the actions of LLVM {LLVM_MAJOR}; "
            "name that one with --llvm-prefix"
        )
    old = _start(start)
    lessons = read_lessons(runs)
    with replacing(output.absolute()) as temporary:
        student = _Student.of(old, lessons, toolchain)
        known = weights_of(old)
        if validate:
            found = _on_programs(student, known, validate, toolchain, effort, say)
        else:
            found = _on_runs(student, known, toolchain, effort, say)
        decided = verdicts(found)
        arrays = _chosen(old, student.learned(), decided)
        counts = {name.partition("/")[2]: weights_of(stored(arrays)).count(name) for name in _names(decided)}
        temporary.write_bytes(packed(arrays, _card(counts, lessons, decided, start)))
        read_weights(temporary)  # whatever is handed over can be read
    own = {lesson.program.name for lesson in lessons}
    return Trained(
        output.absolute(), tuple(lessons), tuple(decided), tuple(spec.name for spec in own_specs(str(output))),
        tuple(dict.fromkeys(one.program for one in found)),
        leave_one_out=not validate and len(student.keys) > 1,
        independent=bool(validate) and not own & {program.name for program in validate},
        effort=effort, unknown_actions=tuple(student.unknown_actions()), notes=tuple(student.notes),
    )  # fmt: skip


def _effort(trials: int, seeds: int) -> Effort:
    for option, value in (("--trials", trials), ("--seeds", seeds)):
        if value < 1:
            raise UsageError(f"{option} {value}: use 1 or more")
    return Effort(trials, seeds)


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
    """What runs taught, with some of their programs left out or with none. notes: what a person should know."""

    old: Mapping[str, Any]
    number: dict[str, int]
    lessons: Sequence[Lesson]
    tries: Sequence[Try]
    vectors: Vectors
    notes: list[str]

    @staticmethod
    def of(old: Mapping[str, Any], lessons: Sequence[Lesson], toolchain: Toolchain) -> _Student:
        notes: list[str] = []
        number = {name: place for place, name in enumerate(str(old["actions"]).split("\n"))}
        tries = [row for lesson in lessons for row in lesson.tries()]
        return _Student(old, number, lessons, tries, _vectors(old, lessons, toolchain, notes), notes)

    @property
    def keys(self) -> list[str]:
        """Programs of the runs that can be built again."""
        return list(dict.fromkeys(key for key, _ in self.vectors))

    def learned(self, without: str = "") -> dict[str, Any]:
        """Arrays of all three models. without: the key of a program of which nothing is known."""
        arrays = dict(self.old)
        rows: defaultdict[str, list[Try]] = defaultdict(list)
        for row in self.tries:
            if row.program != without:
                rows[row.objective].append(row)
        for name in ("nano_gain", "small_gain", "base_gain"):
            table = np.array(self.old[name], dtype=np.float64)
            for place, objective in enumerate(OBJECTIVES):
                if rows[objective]:
                    table[place] = learned_row(table[place], self.number, rows[objective])
            arrays[name] = table
        arrays |= tuned(arrays, [row for row in self.tries if row.program != without], self.number, self.vectors)
        lessons = [lesson for lesson in self.lessons if lesson.key != without]
        return arrays | grown(self.old, experiences(lessons, self.vectors))

    def weights(self, without: str = "") -> Weights:
        """As they would be read from a file."""
        return weights_of(stored(self.learned(without)))

    def unknown_actions(self) -> list[str]:
        return sorted({row.action for row in self.tries} - set(self.number))


def _vectors(
    old: Mapping[str, Any], lessons: Iterable[Lesson], toolchain: Toolchain, notes: list[str]
) -> dict[tuple[str, str], Array]:
    found: dict[tuple[str, str], Array] = {}
    for lesson in lessons:
        place = (lesson.key, lesson.objective)
        if place in found:
            continue
        if not lesson.unchanged:
            notes.append(f"{lesson.run}: its sources are gone or have changed; only its single actions teach")
            continue
        try:
            features = features_of(toolchain, prepare_baseline(toolchain, lesson.program, lesson.objective))
        except ColtError as error:
            notes.append(f"{lesson.run}: does not build any more ({error}); only its single actions teach")
            continue
        scaled = (program_vector(features) - old["feature_mean"]) / old["feature_scale"]
        found[place] = np.clip(scaled.astype(np.float64), -3.0, 3.0)
    return found


def _on_programs(
    student: _Student, old: Weights, programs: Sequence[Program], toolchain: Toolchain, effort: Effort, say: Say
) -> list[Comparison]:
    new = student.weights()
    objectives = [name for name in OBJECTIVES if any(lesson.objective == name for lesson in student.lessons)]
    found = []
    for program in programs:
        for objective in objectives:
            say(f"validating on {program.name}, {objective}")
            with workbench(toolchain, program, objective) as bench:
                found += compare(bench, program.name, old, new, effort)
    return found


def _on_runs(student: _Student, old: Weights, toolchain: Toolchain, effort: Effort, say: Say) -> list[Comparison]:
    """Each program with what the others taught; a program that is alone with what it taught itself."""
    keys = student.keys
    if not keys:
        raise UsageError("no program of the runs can be built any more; name some to validate on: --validate PROGRAM")
    programs = {lesson.key: lesson.program for lesson in student.lessons}
    found = []
    for key in keys:
        new = student.weights(key if len(keys) > 1 else "")
        for objective in [objective for of, objective in student.vectors if of == key]:
            say(f"validating on {programs[key].name}, {objective}")
            with workbench(toolchain, programs[key], objective) as bench:
                found += compare(bench, programs[key].name, old, new, effort)
    return found


def _names(decided: Iterable[Verdict]) -> list[str]:
    return [verdict.model for verdict in decided]


def _chosen(old: Mapping[str, Any], new: Mapping[str, Any], decided: Iterable[Verdict]) -> dict[str, Any]:
    """The new arrays of the models that are kept, the old ones of the others. Their names begin with the model's."""
    arrays = dict(old)
    for verdict in decided:
        if verdict.kept:
            begin = verdict.model.partition("/")[2] + "_"
            arrays |= {name: array for name, array in new.items() if name.startswith(begin)}
    return arrays


def _card(
    counts: Mapping[str, int], lessons: Sequence[Lesson], decided: Iterable[Verdict], start: Path | None
) -> dict[str, Any]:
    """No date and no folder: equal runs give an equal file."""
    return {
        "version": VERSION,
        "parameters": counts,
        "llvm": LLVM_MAJOR,
        "start": "embedded" if start is None else start.name,
        "learned": [verdict.model.partition("/")[2] for verdict in decided if verdict.kept],
        "runs": [
            {
                "program": lesson.program.name,
                "objective": lesson.objective,
                "trials": len(lesson.trials),
                "by_language_models": lesson.told_by_language_models,
                "best": round(lesson.best, 9),
            }
            for lesson in lessons
        ],
    }
