"""Good whole sequences of the train programs, and what each of them does for every other train program.

A genetic search over sequences, which starts from the best that was found for other programs, so that what many
programs like is found early and polished often. Nothing is executed: as good as builds are, and no better.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from colt_llvm.core.errors import ColtError
from colt_llvm.core.files import write_file
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import Program, resolve_program
from colt_llvm.search import ActionSet, GeneticOptions, GeneticSearch, Proposal, Request
from colt_llvm.search.sequences import Names
from colt_llvm.search.tree import ROOT
from colt_llvm.training.validation import CachedEvaluator, cached_evaluator

_STARTS = 24  # sequences of other programs that a search starts from
_KEPT = 8  # of one program
_LEAST_PART = 3e-4  # of the reward: an action that brings less is dropped
_OPTIONS = GeneticOptions(population=24, tournament=3, most_changes=3, longest=30)


@dataclass(frozen=True)
class Leaning(ActionSet):
    """Draws half of its actions among those that were of use somewhere."""

    useful: Names = ()

    def draw(self, random: random.Random) -> str:
        if self.useful and random.random() < 0.5:
            return random.choice(self.useful)
        return super().draw(random)


def find_sequences(
    programs: Sequence[Program], folder: Path, objectives: Sequence[str], seconds: float, rounds: int, jobs: int,
    seed: int,
) -> None:  # fmt: skip
    """``seconds`` for each program, objective and round, ``jobs`` at a time. What was done already is left alone.

    A later round starts from what all programs have by then, so it goes on where the first one ended.
    """
    for number in range(1, rounds + 1):
        wanted = [(program.name, objective) for program in programs for objective in objectives]
        with ProcessPoolExecutor(jobs) as pool:
            for line in pool.map(partial(_find, folder, seconds, number, seed), wanted):
                print(line, flush=True)


def _find(folder: Path, seconds: float, number: int, seed: int, wanted: tuple[str, str]) -> str:
    name, objective = wanted
    path = folder / objective / f"{name}.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")).get("rounds", 1) >= number:
        return f"{name}, {objective}: round {number} is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [sequence for other in sorted(path.parent.glob("*.json")) for _, sequence in read_best(other)]
    try:
        with cached_evaluator(find_toolchain(), resolve_program([name]), objective) as bench:
            deadline = time.monotonic() + seconds
            own = [sequence for _, sequence in read_best(path)] if path.exists() else []
            best = evolve(bench, own, known, deadline - 0.25 * seconds, f"{seed}/{objective}/{name}/{number}")
            best = [shortened(bench, sequence, deadline) for sequence in best]
            found = [(bench.outcome(sequence).reward, sequence) for sequence in dict.fromkeys(best)]
            content = {"program": name, "features": bench.features, "best": found, "builds": len(bench.known)}
            content["rounds"] = number
    except ColtError as error:
        return f"{name}, {objective}: left out: {error}"
    write_file(path, json.dumps(content))  # others read it meanwhile
    return f"{name}, {objective}: {content['builds']} builds, best {max(found, default=(0.0, ()))[0]:.4f}"


def read_best(path: Path) -> list[tuple[float, Names]]:
    """Rewards and sequences that were found for one program, the best first."""
    best = json.loads(path.read_text(encoding="utf-8"))["best"]
    return sorted(((reward, tuple(sequence)) for reward, sequence in best), reverse=True)


def evolve(
    bench: CachedEvaluator, own: Sequence[Names], known: Sequence[Names], deadline: float, seed: str,
    options: GeneticOptions = _OPTIONS,
) -> list[Names]:  # fmt: skip
    """own: found for this program earlier, all of which take part; known: of all programs, of which some do."""
    draws = random.Random(seed)
    useful = tuple(sorted({name for sequence in known for name in sequence}))
    search = GeneticSearch(Leaning(bench.passes, bench.edits, useful=useful), draws.randrange(1 << 30), options)
    starts = [*own, *draws.sample(list(known), min(_STARTS, len(known)))]
    for place, sequence in enumerate(dict.fromkeys(starts)):
        request = Request(place, ROOT, (), search.name, "expand")
        search.restore(request, Proposal(sequence, search.name, search.name), bench.outcome(sequence))
    while time.monotonic() < deadline:
        request = search.ask()
        proposal = search.propose(request)
        search.tell(request, proposal, bench.outcome(proposal.passes))
    best = sorted(search.population, key=lambda one: one.rank, reverse=True)
    return [one.sequence for one in best[:_KEPT] if one.reward > 0]


def shortened(bench: CachedEvaluator, sequence: Names, deadline: float, least: float = _LEAST_PART) -> Names:
    """Without the actions that bring next to nothing."""
    place = 0
    while place < len(sequence) and time.monotonic() < deadline:
        shorter = sequence[:place] + sequence[place + 1 :]
        outcome = bench.outcome(shorter)
        reward = bench.outcome(sequence).reward
        if outcome.reward is not None and reward is not None and outcome.reward >= reward - least:
            sequence = shorter
        else:
            place += 1
    return sequence


def cross(programs: Mapping[str, Sequence[Program]], folder: Path, jobs: int) -> None:
    """rewards.json of each objective: every sequence found, for every program. None where it does not build.

    Each program's rewards are kept in a file of their own, so this can be stopped and run again.
    """
    for objective, rows_of in programs.items():
        every = [sequence for path in sorted((folder / objective).glob("*.json")) for _, sequence in read_best(path)]
        sequences = list(dict.fromkeys(every))
        with ProcessPoolExecutor(jobs) as pool:
            rows = list(pool.map(partial(_row, folder / "rows" / objective, objective, sequences), rows_of))
        table = {"sequences": sequences, "programs": [row for row in rows if row is not None]}
        (folder / f"{objective}-rewards.json").write_text(json.dumps(table), encoding="utf-8")
        print(f"{objective}: {len(sequences)} sequences for {len(table['programs'])} programs", flush=True)


def _row(folder: Path, objective: str, sequences: Sequence[Names], program: Program) -> dict | None:
    """Only what its file lacks is built."""
    path = folder / f"{program.name}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = {tuple(sequence): reward for sequence, reward in kept.get("known", ())}
    missing = [sequence for sequence in sequences if sequence not in known]
    if missing:
        try:
            with cached_evaluator(find_toolchain(), program, objective) as bench:
                kept["features"] = bench.features
                known |= {sequence: bench.outcome(sequence).reward for sequence in missing}
        except ColtError as error:
            print(f"{program.name}, {objective}: left out: {error}", flush=True)
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({**kept, "known": list(known.items())}))
    rewards = [known[sequence] for sequence in sequences]
    return {"program": program.name, "features": kept["features"], "rewards": rewards}
