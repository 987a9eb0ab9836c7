"""Run directories made without a compiler: a real search over a toy world, in a real journal."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.models.base import ModelSpec, Usage
from colt_llvm.models.specs import spec_to_dict
from colt_llvm.models.transcript import CallRecord, Transcript
from colt_llvm.program.program import Program, Workload, program_to_dict
from colt_llvm.run.asking import with_preset
from colt_llvm.run.journal import Journal
from colt_llvm.run.trials import TrialRecord, trial_to_dict
from colt_llvm.search import ActionSet, ColtSearch, Model, Outcome, Proposal, RandomSequences, Request

PASSES = ("licm", "gvn", "sroa", "inline", "instcombine<no-verify-fixpoint>", "loop-unroll<O3>", "without<gvn>")
SPECS = (ModelSpec("small", "embedded", 1e6), ModelSpec("middle", "embedded", 1e7), ModelSpec("large", "embedded", 1e8))
ROOT_KEY = "root"
BASELINE = {"size": 4000.0, "text": 3000.0, "instructions": 600.0}


def outcome_of(sequence: tuple[str, ...]) -> tuple[Outcome, str]:
    """A world without a compiler: the same for the same sequence; some fail, some give the baseline's code."""
    digest = hashlib.sha256(" ".join(sequence).encode()).digest()
    if digest[0] < 8:
        return Outcome(None, digest.hex(), "miscompile"), "workload default: line 1 differs"
    if digest[0] < 16:
        return Outcome(None, None, "crash"), "the process that ran the pass died"
    if digest[0] < 24:
        return _measured(ROOT_KEY, 4000), ""
    return _measured(digest.hex(), 4000 - digest[1] + 100), ""


def _measured(key: str, size: int) -> Outcome:
    import math

    return Outcome(math.log(4000 / size), key, None, {**BASELINE, "size": float(size)})


def make_run(
    folder: Path,
    trials: int = 60,
    *,
    seed: int = 1,
    specs: tuple[ModelSpec, ...] = SPECS,
    options: dict[str, Any] | None = None,
    program: Program | None = None,
    answer: str = "",
    detail: str = "",
    result: bool = True,
    improved: bool = True,
    **changes: Any,
) -> Any:
    """Search, journal, transcript and, where wanted, result. Gives the search as it was at the end.

    answer, detail: instead of what models and programs said. changes: fields of the result.
    """
    chosen = TuneOptions(objective="size", trials=trials, seed=seed, workers=1, **(options or {}))
    chosen = with_preset(chosen, specs)
    program = program or Program(
        "toy", (folder / "toy.c",), ("-std=c11",), (), (Workload("default"), Workload("small"))
    )
    header = {
        "colt_llvm": "0.1.0", "begun": "2026-01-02T03:04:05+00:00", "program": program_to_dict(program),
        "sources": {str(source): "0123456789abcdef" for source in program.sources}, "options": chosen.to_dict(),
        "models": [spec_to_dict(spec) for spec in specs], "llvm": "22.1.8", "triple": "x86_64-pc-linux-gnu",
        "baseline": "clang -Oz", "completion": "default<Oz>", "output": None,
        "host": {"machine": "", "cpu": "a processor", "architecture": "x86_64", "cores": 2, "memory_bytes": 8 << 30,
                 "kernel": "6.1", "governor": "", "virtualised": True},
    }  # fmt: skip
    search: ColtSearch | RandomSequences
    models = [Model(spec.name, spec.parameters) for spec in specs] or [Model("random", 1.0)]
    if chosen.strategy == "colt":
        search = ColtSearch(models, chosen.colt_options, seed)
    else:
        search = RandomSequences(ActionSet(PASSES), seed)
    search.set_root_key(ROOT_KEY)
    journal = Journal.create(folder, header)
    transcript = Transcript(folder)
    draw, known, told = random.Random(seed), {ROOT_KEY}, []
    for number in range(trials):
        request = search.ask()
        assert request is not None
        trial = _trial(request, draw, models, known, number, detail)
        search.tell(trial.request, trial.proposal, trial.outcome)
        transcript.append(_call(trial, answer))
        journal.append(trial_to_dict(trial))
        told.append(trial)
    journal.close()
    transcript.close()
    if result:
        write_result(folder, told, improved, program, changes)
    return search


def _trial(
    request: Request, draw: random.Random, models: list[Model], known: set[str], number: int, detail: str
) -> TrialRecord:
    passes = tuple(draw.choices(PASSES, k=draw.randint(1, 3)))
    proposal = Proposal(passes, draw.choice(models).name, request.model)
    outcome, said = outcome_of(request.sequence + passes)
    seen = outcome.key in known
    if outcome.key is not None:
        known.add(outcome.key)
    return TrialRecord(
        request,
        proposal,
        Evaluation(**vars(outcome), detail=(detail or said) if outcome.failure else "", checked=True),
        0.1 * (number + 1),
        seen,
    )


def _call(trial: TrialRecord, answer: str) -> CallRecord:
    text = answer or json.dumps({"passes": list(trial.proposal.passes), "next_model": trial.proposal.next_model})
    return CallRecord(
        trial.request.id, f"{trial.request.id:016x}", trial.request.kind, trial.proposal.model, 1, text,
        usage=Usage(100, 0, 20), cost=0.001, seconds=0.01,
    )  # fmt: skip


def write_result(
    folder: Path, trials: list[TrialRecord], improved: bool, program: Program, changes: dict[str, Any]
) -> None:
    """result.json and recipe.json, as ``tune`` writes them."""
    from colt_llvm.core.files import write_json
    from colt_llvm.program.recipe import Recipe, save_recipe
    from colt_llvm.report.tree import best_trial

    best = best_trial(trials) if improved else None
    figures = {name: [value, value] for name, value in BASELINE.items()}
    if best:
        figures["size"][1] = best.outcome.figures["size"]
    sequence = list(best.sequence) if best else []
    data = {
        "verdict": "improved" if best else "no improvement found", "program": program.name, "objective": "size",
        "baseline": "clang -Oz", "ratio": figures["size"][0] / figures["size"][1], "interval": None,
        "sequence": sequence, "pipeline": ",".join(sequence), "figures": figures,
        "found_at_trial": best.request.id if best else None, "found_at_seconds": best.seconds if best else None,
        "trials": len(trials), "distinct": len({trial.outcome.key for trial in trials}), "elapsed_seconds": 6.0,
        "failures": {}, "run_directory": str(folder), "recipe": str(folder / "recipe.json") if best else None,
        "output": None, "interrupted": False, "busy_fraction": None, "front": [], "models": {}, "notes": [],
        "evidence": {}, "rejected": {},
    }  # fmt: skip
    write_json(folder / "result.json", {**data, **changes})
    if best:
        recipe = Recipe(
            program.name, "size", "Oz", tuple(sequence), ",".join(sequence), ("-std=c11",), (), "22.1.8",
            "x86_64-pc-linux-gnu", {}, ("00",), ("clang -Oz -c toy.c", "opt -passes=..."),
        )  # fmt: skip
        save_recipe(recipe, folder / "recipe.json")
