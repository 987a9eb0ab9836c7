"""What run directories teach: trials of known programs and objectives, and who proposed them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.embedded.weights import BUILT, LLVM_MAJOR
from colt_llvm.models.replay import asked_as
from colt_llvm.models.specs import spec_from_dict
from colt_llvm.program.program import Program, program_from_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.driver import TrialRecord
from colt_llvm.run.journal import read_header, read_trials
from colt_llvm.run.records import trial_from_dict
from colt_llvm.training.samples import Try, tries_of

#: What a proposal of a language model counts, and one of the largest of its run, against 1 of all others.
LANGUAGE_MODEL, LARGEST = 2.0, 3.0


@dataclass(frozen=True)
class Lesson:
    """One run. key: the program by name and content. voices: language models of the run -> what their word counts."""

    run: Path
    program: Program
    key: str
    objective: str
    trials: tuple[TrialRecord, ...]
    voices: Mapping[str, float]
    unchanged: bool  # the sources are there, as they were

    def tries(self) -> list[Try]:
        return list(tries_of(self.trials, self.key, self.objective, lambda name: self.voices.get(name, 1.0)))

    @property
    def told_by_language_models(self) -> int:
        """Proposals of theirs that were tried."""
        return sum(trial.proposal.model in self.voices for trial in self.trials)

    @property
    def best(self) -> float:
        """The greatest reward, a log ratio; 0 where nothing was found."""
        return max((trial.outcome.reward or 0.0 for trial in self.trials), default=0.0)


def read_lessons(runs: Iterable[Path]) -> list[Lesson]:
    """In an order of their own, so that it does not matter how they were named. Each run counts once.

    Raises UsageError for a run that cannot teach, RunDirectoryError for one that cannot be read.
    """
    lessons = [_lesson(run) for run in dict.fromkeys(run.absolute() for run in runs)]
    if not lessons:
        raise UsageError("name runs to learn from: colt-llvm train --from colt-runs/*")
    return sorted(lessons, key=lambda lesson: (lesson.key, lesson.objective, _content(lesson), str(lesson.run)))


def _content(lesson: Lesson) -> str:
    return repr([(trial.sequence, trial.outcome.reward) for trial in lesson.trials])


def _lesson(run: Path) -> Lesson:
    if not run.is_dir():
        raise RunDirectoryError(f"{run}: no such folder; name the folder of a run that tune made")
    header = read_header(run)
    try:
        program = program_from_dict(header["program"])
        objective = str(header["options"]["objective"])
        digests = {str(name): str(digest) for name, digest in header["sources"].items()}
        specs = [spec_from_dict(model) for model in header["models"]]
        own = [str(kind) for kind in header.get("hooks", {})]
        llvm = str(header["llvm"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{run}/run.json: is damaged ({error}); leave this run out") from None
    _refuse(run, objective, own, llvm)
    trials = tuple(trial_from_dict(record) for record in _records(run))
    if not trials:
        raise UsageError(f"{run}: holds no trial; leave it out, or go on with it: colt-llvm tune --resume {run}")
    unchanged = all(
        source.is_file() and digests.get(str(source)) == source_digest(source) for source in program.sources
    )
    return Lesson(run, program, _key(program, digests), objective, trials, voices_of(specs), unchanged)


def _refuse(run: Path, objective: str, own: Sequence[str], llvm: str) -> None:
    if llvm.partition(".")[0] != str(LLVM_MAJOR):
        raise UsageError(
            f"{run}: was made with LLVM {llvm}, and the policies know the actions of LLVM {LLVM_MAJOR}; leave it out"
        )
    if "objective" in own:
        raise UsageError(f"{run}: has an objective of its own; learn from runs for {' or '.join(BUILT)}")
    if objective not in BUILT:
        raise UsageError(
            f"{run}: its objective is {objective}, where noise would be learned too; learn from runs for "
            f"{' or '.join(BUILT)}"
        )


def _records(run: Path) -> list[dict[str, Any]]:
    if not (run / "trials.jsonl").is_file():
        raise RunDirectoryError(f"{run}: holds no journal (no trials.jsonl); name another run")
    return read_trials(run)


def _key(program: Program, digests: Mapping[str, str]) -> str:
    """By the sources' content, not by where they are."""
    text = "\n".join([*sorted(digests.values()), *program.cflags])
    return f"{program.name}/{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def voices_of(specs: Sequence[ModelSpec]) -> dict[str, float]:
    """Language models -> what their word counts. A replay has the voices of the run that it repeats."""
    speaking = [spec for spec in specs if asked_as(spec).is_language_model]
    most = max((spec.parameters for spec in speaking), default=0.0)
    return {spec.name: LARGEST if spec.parameters == most else LANGUAGE_MODEL for spec in speaking}
