"""The data set: trials of run directories, who proposed them, and what each action gained at its state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.embedded.retrieval import FAR
from colt_llvm.models.embedded.weights import BUILT, LLVM_MAJOR, OBJECTIVES
from colt_llvm.models.replay import asked_as
from colt_llvm.models.specs import spec_from_dict
from colt_llvm.program.program import Program, program_from_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.proposal.answer import MOST_PASSES
from colt_llvm.run.journal import read_header, read_trials
from colt_llvm.run.trials import TrialRecord, trial_from_dict

#: Weight of a language model's proposals, and of those of the largest of its run, against 1 of all others.
LANGUAGE_MODEL, LARGEST = 2.0, 3.0


@dataclass(frozen=True)
class TrainingRun:
    """What one run directory holds."""

    folder: Path
    program: Program
    key: str  #: the program by name and content
    objective: str
    trials: tuple[TrialRecord, ...]
    proposer_weights: Mapping[str, float]  #: language models of the run -> the weight of their samples; others: 1
    unchanged: bool  #: the sources are there, as they were

    def samples(self) -> list[Sample]:
        """What each action of its proposals gained."""
        return list(
            samples_of(self.trials, self.key, self.objective, lambda name: self.proposer_weights.get(name, 1.0))
        )

    @property
    def told_by_language_models(self) -> int:
        """Proposals of theirs that were tried."""
        return sum(trial.proposal.model in self.proposer_weights for trial in self.trials)

    @property
    def best(self) -> float:
        """The greatest reward, a log ratio; 0 where nothing was found."""
        return max((trial.outcome.reward or 0.0 for trial in self.trials), default=0.0)


def read_dataset(runs: Iterable[Path]) -> list[TrainingRun]:
    """In an order of their own, so that it does not matter how they were named. Each run counts once.

    Raises UsageError for a run that cannot teach, RunDirectoryError for one that cannot be read.
    """
    dataset = [_read_run(run) for run in dict.fromkeys(run.absolute() for run in runs)]
    if not dataset:
        raise UsageError("name runs to learn from: colt-llvm train --from colt-runs/*")
    return sorted(dataset, key=lambda run: (run.key, run.objective, _content(run), str(run.folder)))


def _content(run: TrainingRun) -> str:
    return repr([(trial.sequence, trial.outcome.reward) for trial in run.trials])


def _read_run(run: Path) -> TrainingRun:
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
    if program.members:
        raise UsageError(f"{run}: is of many programs at once, which policies do not learn from; leave it out")
    _refuse(run, objective, own, llvm)
    trials = tuple(trial_from_dict(record) for record in _records(run))
    if not trials:
        raise UsageError(f"{run}: holds no trial; leave it out, or go on with it: colt-llvm tune --resume {run}")
    unchanged = all(
        source.is_file() and digests.get(str(source)) == source_digest(source) for source in program.sources
    )
    return TrainingRun(run, program, _key(program, digests), objective, trials, proposer_weights(specs), unchanged)


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


def proposer_weights(specs: Sequence[ModelSpec]) -> dict[str, float]:
    """Language models -> what their word counts. A replay has the proposer_weights of the run that it repeats."""
    speaking = [spec for spec in specs if asked_as(spec).is_language_model]
    most = max((spec.parameters for spec in speaking), default=0.0)
    return {spec.name: LARGEST if spec.parameters == most else LANGUAGE_MODEL for spec in speaking}


MOST_GAIN = 0.08  # of one try: a program that shrinks by a half must not drown the others
LEAST_STATE = -0.1  # reward: samples at states below this teach nothing
_LEAST_REWARD = -0.01  # gains are held against the state's reward, or this
_TRIAL_WEIGHT = 0.5  # of a proposal's share, against 1 of a single action that was sampled


@dataclass(frozen=True)
class Sample:
    """One action at one state."""

    program: str  #: its key
    objective: str
    held: tuple[str, ...]  #: the state: the actions that came before
    action: str
    gain: float  #: a log ratio, 0 to MOST_GAIN
    weight: float  #: against the other samples


def gain_of(after: float | None, reward: float) -> float:
    """To climb back to the baseline is no gain: any full pipeline does that."""
    return 0.0 if after is None else min(max(after - max(reward, _LEAST_REWARD), 0.0), MOST_GAIN)


def samples_of(
    trials: Iterable[TrialRecord], program: str, objective: str, weight_of: Callable[[str], float] = lambda name: 1.0
) -> Iterator[Sample]:
    """The actions of a proposal share its gain. weight_of: how much the word of whoever proposed counts.

    Refined sequences are left out: they say nothing of one action.
    """
    rewards: dict[tuple[str, ...], float] = {(): 0.0}
    keys: set[str | None] = set()
    for trial in trials:
        at, added = trial.request.sequence, trial.proposal.passes
        reward, key = trial.outcome.reward, trial.outcome.key
        if reward is not None:
            rewards.setdefault(at + added, reward)
        here = rewards.get(at, 0.0)
        gain = 0.0 if key in keys else gain_of(reward, here)
        keys.add(key)
        if here < LEAST_STATE or trial.request.kind == "refine":
            continue
        weight = _TRIAL_WEIGHT * weight_of(trial.proposal.model) / len(added) if added else 0.0
        for place, action in enumerate(added):
            yield Sample(program, objective, at + added[:place], action, gain / len(added), weight)


Array = npt.NDArray[np.float64]
Names = tuple[str, ...]

#: Sequences that are taken of one program, and what they have to bring: a log ratio.
_KEPT = 4
_LEAST = 1e-3
#: A further sequence has to differ: of all names in the two of them, at most this part is in both.
_MOST_SHARED = 0.5
FAILED = -0.2  # the reward of what did not build, and the least that is told apart


@dataclass(frozen=True)
class Experience:
    """One program under one objective. vector: [features], scaled. known: every sequence that was tried -> reward."""

    key: str
    objective: str
    vector: Array
    known: Mapping[Names, float]

    def good(self) -> list[Names]:
        """The best, and a few more that differ from it; only such as an answer may hold whole."""
        chosen: list[Names] = []
        for names, reward in sorted(self.known.items(), key=lambda item: (-item[1], len(item[0]), item[0])):
            if reward < _LEAST or len(chosen) == _KEPT:
                break
            if len(names) <= MOST_PASSES and all(_shared(names, other) <= _MOST_SHARED for other in chosen):
                chosen.append(names)
        return chosen


def experiences(dataset: Iterable[TrainingRun], vectors: Mapping[tuple[str, str], Array]) -> list[Experience]:
    """Runs of one program and objective together; only of programs whose features are known.

    vectors: by key and objective.
    """
    known: dict[tuple[str, str], dict[Names, float]] = {}
    for run in dataset:
        place = (run.key, run.objective)
        if place not in vectors:
            continue
        rewards = known.setdefault(place, {})
        for trial in run.trials:
            reward = trial.outcome.reward
            rewards[trial.sequence] = max(rewards.get(trial.sequence, FAILED), FAILED if reward is None else reward)
    return [Experience(key, objective, vectors[key, objective], rewards) for (key, objective), rewards in known.items()]


def grown(arrays: Mapping[str, Any], new: Sequence[Experience]) -> dict[str, Any]:
    """The coreset's arrays with good sequences of the user's as rows, and the user's programs as columns.

    What was not tried is NaN: neither good nor bad.
    """
    sequences = [
        (tuple(line.split()), int(number))
        for line, number in zip(str(arrays["small_sequences"]).split("\n"), arrays["small_objective"], strict=True)
    ]
    for one in new:
        number = OBJECTIVES.index(one.objective)
        sequences += [(names, number) for names in one.good() if (names, number) not in sequences]
    keys = list(dict.fromkeys(one.key for one in new))
    old_rows, old_columns = arrays["small_rewards"].shape
    rewards = np.full((len(sequences), old_columns + len(keys)), np.nan)
    rewards[:old_rows, :old_columns] = arrays["small_rewards"]
    features = arrays["small_neighbours"].shape[2]
    neighbours = np.full((len(OBJECTIVES), old_columns + len(keys), features), FAR)
    neighbours[: len(arrays["small_neighbours"]), :old_columns] = arrays["small_neighbours"]  # fewer in an older file
    for one in new:
        number, column = OBJECTIVES.index(one.objective), old_columns + keys.index(one.key)
        neighbours[number, column] = one.vector
        for row, (names, of) in enumerate(sequences):
            if of % len(OBJECTIVES) == number and names in one.known:
                rewards[row, column] = one.known[names]
    return {
        "small_sequences": np.array("\n".join(" ".join(names) for names, _ in sequences)),
        "small_objective": np.array([number for _, number in sequences]),
        "small_rewards": rewards,
        "small_neighbours": neighbours,
    }


def _shared(one: Names, other: Names) -> float:
    return len(set(one) & set(other)) / max(1, len(set(one) | set(other)))
