"""What a run leaves behind: the result, the recipe, the tuned program."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.variables import deciding_variables
from colt_llvm.evaluate.corpus import CorpusObjective, figure_of
from colt_llvm.evaluate.evaluation import SECOND_LOOK
from colt_llvm.llvm.decision import is_decision, parse_decision
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.processor import named_target
from colt_llvm.measure.host import fingerprint
from colt_llvm.measure.intervals import Verdict
from colt_llvm.objectives.base import INSTRUCTIONS, RUN_TIME, SIZE
from colt_llvm.program.output import write_output
from colt_llvm.program.recipe import Recipe, opt_lines, profile_digest, save_recipe, source_digests
from colt_llvm.run.diagnosis import Diagnosis
from colt_llvm.run.progress import IMPROVED, IMPROVED_UNCHECKED, TuneResult
from colt_llvm.run.proof import Finalist, Proof, evidence_of
from colt_llvm.run.searching import Searched
from colt_llvm.run.setup import Setup
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import pareto_front


def write_results(
    setup: Setup,
    searched: Searched,
    proof: Proof,
    output: Path | None,
    interrupted: bool,
    diagnosis: Diagnosis | None = None,
) -> TuneResult:
    trials, winner, recipe_path = searched.trials, proof.winner, None
    figures = {name: (setup.figures[name], setup.figures[name]) for name in setup.figures if name != RUN_TIME}
    if setup.target.objective.timed:
        figures[RUN_TIME] = (setup.figures[RUN_TIME], setup.figures[RUN_TIME])
    if winner:
        figures = _tuned_figures(setup, winner, proof, figures)
        recipe_path = setup.journal.directory / "recipe.json"
        save_recipe(_recipe(setup, winner, proof), recipe_path)
    objects = winner.built.objects if winner else setup.target.baseline.objects
    if output:
        write_output(setup.target.toolchain, setup.target.program, objects, output)
    compared = setup.timer.verifier.compared
    verdicts = {
        Verdict.IMPROVED: IMPROVED_UNCHECKED if compared.unchecked else IMPROVED,
        Verdict.NO_IMPROVEMENT: "no improvement found",
        Verdict.TOO_NOISY: "no improvement found",
    }
    notes = [*setup.notes, *searched.notes, *proof.notes]
    if diagnosis is not None:
        notes.append(diagnosis.line)
    if proof.verdict is Verdict.TOO_NOISY:
        notes.append("the times scatter too much to tell; the baseline is kept")
    return TuneResult(
        verdict=verdicts[proof.verdict],
        program=setup.target.program.name,
        objective=setup.target.objective.name,
        baseline=setup.target.baseline.name,
        ratio=proof.ratio if winner or proof.interval else 1.0,
        interval=proof.interval,
        sequence=winner.sequence if winner else (),
        pipeline=winner.pipeline if winner else "",
        figures=figures,
        found_at_trial=winner.trial.request.id if winner else None,
        found_at_seconds=winner.trial.seconds if winner else None,
        trials=len(trials),
        distinct=len({trial.outcome.key for trial in trials if trial.outcome.key}),
        elapsed_seconds=searched.elapsed_seconds,
        failures=dict(Counter(trial.outcome.failure for trial in trials if trial.outcome.failure)),
        run_directory=setup.journal.directory,
        recipe=recipe_path,
        output=output,
        interrupted=interrupted,
        busy_fraction=searched.busy_fraction if setup.options.times_the_program else None,
        front=tuple(_front(trials)),
        models=searched.models,
        notes=tuple(notes),
        compared=compared,
        miscompile=first_miscompile(setup, trials, proof),
        diagnosis=diagnosis.to_dict() if diagnosis else {},
        dropped=winner.dropped if winner else (),
        functions=_functions(setup, winner) if winner else {},
        profile=asdict(proof.profile) if proof.profile else {},
        corpus=corpus_of_run(setup, trials, winner),
    )


def corpus_of_run(setup: Setup, trials: Sequence[TrialRecord], winner: Finalist | None) -> dict[str, Any]:
    """What one recipe does for each program, and would do for it if it were new; empty of a single program.

    ``left_out_ratio``: of the trial that is best for the other programs (see ``leave_one_out``).
    """
    objective = setup.target.objective
    if not isinstance(objective, CorpusObjective):
        return {}
    assert objective.own is not None
    tuned = objective.measured(winner.built) if winner else setup.figures
    ratios = {name: math.exp(log) for name, log in objective.log_ratios(tuned, setup.figures).items()}
    others = leave_one_out([
        (trial.request.id, objective.log_ratios(trial.outcome.figures, setup.figures))
        for trial in trials if trial.outcome.reward is not None
    ])  # fmt: skip
    found: dict[str, Any] = {}
    for name in objective.programs:
        trial, log = others.get(name, (None, 0.0))
        (figure,) = objective.own.figures[:1]
        found[name] = {
            "baseline": setup.figures[figure_of(name, figure)], "tuned": tuned[figure_of(name, figure)],
            "ratio": ratios[name], "left_out_ratio": math.exp(log), "left_out_trial": trial,
        }  # fmt: skip
    return {
        "figure": objective.own.figures[0],
        "programs": found,
        "left_out_ratio": math.exp(math.fsum(math.log(row["left_out_ratio"]) for row in found.values()) / len(found)),
    }


def leave_one_out(trials: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, tuple[int | None, float]]:
    """Program -> the trial that is best for the others by their mean log ratio, and what it does for this program.

    trials: number, and log ratio of each program. Where nothing is better for the others, it is the baseline: None and
    0. The search that made the trials saw all programs, so a new one may get less.
    """
    names = list(trials[0][1]) if trials else []
    found: dict[str, tuple[int | None, float]] = {}
    for name in names:
        best, found[name] = 0.0, (None, 0.0)
        for number, logs in trials:
            without = math.fsum(log for other, log in logs.items() if other != name)
            if without > best:
                best, found[name] = without, (number, logs[name])
    return found


def _functions(setup: Setup, winner: Finalist) -> dict[str, tuple[int, int]]:
    before, after = setup.target.baseline_built.parts, winner.built.parts
    decided = {parse_decision(name).function for name in winner.sequence if is_decision(name)}
    return (
        {
            name: (before.get(name, 0), after.get(name, 0))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name) or name in decided
        }
        if winner.built.objects
        else {}
    )


def first_miscompile(setup: Setup, trials: Sequence[TrialRecord], proof: Proof) -> dict[str, Any] | None:
    """The first trial that a second look confirmed as wrong, else the first finalist; None where there is none."""
    wrong = [
        trial for trial in trials if trial.outcome.failure == "miscompile" and SECOND_LOOK in trial.outcome.samples
    ]
    found = [(trial, trial.outcome.samples[SECOND_LOOK]) for trial in wrong[:1]] or list(proof.miscompiled[:1])
    for trial, evidence in found:
        return {
            "trial": trial.request.id, "sequence": list(trial.sequence),
            "pipeline": setup.target.sequences.pipeline(trial.sequence), **evidence,
        }  # fmt: skip
    return None


def _tuned_figures(
    setup: Setup, winner: Finalist, proof: Proof, figures: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    own = setup.target.objective.measured(winner.built)
    tuned = {name: (pair[0], own.get(name, pair[1])) for name, pair in figures.items()}
    if proof.ab_test is not None:
        arm = next(arm for arm in proof.ab_test.arms if arm.name == proof.winner_name)
        middle = sorted(proof.ab_test.baseline_seconds)[len(proof.ab_test.baseline_seconds) // 2]
        tuned[RUN_TIME] = (middle, middle / arm.interval.ratio)
    return tuned


def _front(trials: Sequence[TrialRecord]) -> Iterator[dict[str, Any]]:
    """The trials that no other beats in both figures: run time where it was measured, and size."""
    names = [name for name in (RUN_TIME, SIZE, INSTRUCTIONS)
             if any(name in trial.outcome.figures for trial in trials)][:2]  # fmt: skip
    checked = [
        trial for trial in trials if trial.outcome.reward is not None and set(names) <= set(trial.outcome.figures)
    ]
    for index in pareto_front([tuple(trial.outcome.figures[name] for name in names) for trial in checked]):
        trial = checked[index]
        yield {"trial": trial.request.id, **{name: trial.outcome.figures[name] for name in names}}


def section_changes(baseline: Sequence[bytes], tuned: Sequence[bytes]) -> dict[str, list[int]]:
    """Section name -> bytes before and after, over all objects; of those that are loaded."""
    totals: list[Counter[str]] = [Counter(), Counter()]
    for total, objects in zip(totals, (baseline, tuned), strict=True):
        for data in objects:
            total.update(section_sizes(data).sizes)
    return {name: [total[name] for total in totals] for name in sorted(totals[0] | totals[1])}


def _recipe(setup: Setup, winner: Finalist, proof: Proof) -> Recipe:
    level = setup.target.baseline.level
    evidence = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "by": f"colt-llvm {__version__}",
        "baseline": setup.target.baseline.name,
        "ratio": proof.ratio,
        "size": {"baseline": setup.figures[SIZE], "tuned": winner.built.size},
        "sections": section_changes(setup.target.baseline.objects, winner.built.objects),
        "seed": setup.options.seed,
        "host": asdict(fingerprint()),
        "compared": setup.timer.verifier.compared.to_dict(),
        "variables": deciding_variables(),
        **({"dropped": list(winner.dropped)} if winner.dropped else {}),
        **({"profile": asdict(proof.profile)} if proof.profile else {}),
        **evidence_of(proof),
    }
    return Recipe(
        program=setup.target.program.name,
        objective=setup.target.objective.name,
        level=level,
        sequence=winner.sequence,
        pipeline=winner.pipeline,
        cflags=setup.target.program.cflags,
        ldflags=setup.target.program.ldflags,
        llvm=setup.target.toolchain.version,
        triple=named_target(setup.target.program.cflags) or setup.target.toolchain.triple,
        sources=source_digests(setup.target.program),
        objects=tuple(loaded_digest(data) for data in winner.built.objects),
        opt=opt_lines(setup.target.toolchain, setup.target.program, level, winner.pipeline),
        evidence=evidence,
        profile=profile_digest(setup.target.program),
    )
