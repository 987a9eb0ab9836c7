"""``tune``: prepare, search, prove, hand over."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.acceptance import toolchain_catalogue
from colt_llvm.baseline import Baseline, prepare_baseline
from colt_llvm.catalogue import Catalogue
from colt_llvm.env import ServiceOptions
from colt_llvm.errors import RunDirectoryError, UsageError
from colt_llvm.journal import Journal, write_json
from colt_llvm.measure import Verdict as Finding
from colt_llvm.measure import compile_cores, fingerprint, loaded_digest, measuring_core
from colt_llvm.output import check_output, write_output
from colt_llvm.program import Program, program_from_dict, program_to_dict
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.recipe import Recipe, opt_lines, save_recipe, source_digest
from colt_llvm.search import ColtOptions, ColtSearch, Model, Objective, pareto_front
from colt_llvm.search.records import (
    outcome_from_dict,
    outcome_to_dict,
    proposal_from_dict,
    proposal_to_dict,
    request_from_dict,
    request_to_dict,
)
from colt_llvm.toolchain import Toolchain
from colt_llvm.tune.builder import Builder, Built, Sequences, built_from_objects
from colt_llvm.tune.claim import Finalist, Proof, Prover, evidence_of
from colt_llvm.tune.driver import Driver, TrialRecord, Verdict
from colt_llvm.tune.judge import Judge
from colt_llvm.tune.options import TuneOptions
from colt_llvm.tune.progress import Progress, TuneResult

#: Flags of the catalogue that keep an action out of the search, unless the user takes the risk.
RISKS_AVOIDED = ("miscompile", "crash", "nondeterministic", "slow")

#: A stand-in until models propose: one blind proposer, which has no parameters to speak of.
BLIND = Model("blind", 1.0)

#: With a proposer that looks at no code, breadth decides: this found more than the paper's B = 2 and C = 1.41
#: (train programs, -Oz, 400 builds).
BREADTH = ColtOptions(branching=4, exploration=0.1, max_expansion_failures=20)

OnProgress = Callable[[Progress], None]


@dataclass
class Session:
    """Everything of one run, put together; closed as a whole."""

    program: Program
    options: TuneOptions
    toolchain: Toolchain
    journal: Journal
    baseline: Baseline
    catalogue: Catalogue
    sequences: Sequences
    judge: Judge
    builders: list[Builder]
    figures: dict[str, float]
    root_key: str
    notes: list[str] = field(default_factory=list)


def tune(
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions | None = None,
    *,
    run_directory: Path,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> TuneResult:
    """Search and prove; write everything to ``run_directory``, and the tuned executable or object to ``output``.

    Raises ColtError: CompileError and ProgramError for the program, RunDirectoryError for the directories.
    """
    options = options or TuneOptions()
    check_output(output, program)
    return _run(program, toolchain, options, run_directory, None, output, on_progress, stop)


def resume(
    run_directory: Path,
    toolchain: Toolchain,
    *,
    output: Path | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> TuneResult:
    """Go on with a run that was stopped or killed. ``trials``, ``seconds``: new totals, where given."""
    journal, records = Journal.open(run_directory)
    journal.close()
    header = journal.header
    try:
        program = program_from_dict(header["program"])
        given = dict(header["options"])
        if trials is not None or seconds is not None:
            given |= {"trials": trials, "seconds": seconds}
        options = TuneOptions.from_dict(given)
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{run_directory}/run.json: is damaged ({error}); start a new run") from None
    _refuse_changes(header, program, toolchain, run_directory)
    output = output or (Path(header["output"]) if header.get("output") else None)
    return _run(program, toolchain, options, run_directory, records, output, on_progress, stop)


def _refuse_changes(header: Mapping[str, Any], program: Program, toolchain: Toolchain, directory: Path) -> None:
    if header.get("llvm") != toolchain.version:
        raise UsageError(
            f"{directory}: was made with LLVM {header.get('llvm')}, and this is {toolchain.version}; use --llvm-prefix"
        )
    for source in program.sources:
        if not source.is_file() or header["sources"].get(str(source)) != source_digest(source):
            raise UsageError(f"{source}: has changed since the run began; start a new run")


def _run(
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    directory: Path,
    records: list[dict[str, Any]] | None,
    output: Path | None,
    on_progress: OnProgress | None,
    stop: threading.Event | None,
) -> TuneResult:
    stop = stop or threading.Event()
    progress = Progress(trials_wanted=options.trials, seconds_wanted=options.search_seconds)
    report = _reporter(progress, on_progress)
    with contextlib.ExitStack() as stack:
        report(message="building the baseline")
        session = _prepare(stack, program, toolchain, options, directory, records is not None, output, report)
        report(phase="search", message="")
        trials, driver, elapsed = _search(session, records or [], progress, report, stop)
        report(phase="prove", message="building the best again and measuring it apart from the search")
        proof = _prove(session, trials, stop)
        result = _hand_over(session, trials, driver, proof, elapsed, output, stop)
        session.journal.write_result(_result_record(result, session, proof))
        report(phase="done", message="")
        return result


def _reporter(progress: Progress, on_progress: OnProgress | None) -> Callable[..., None]:
    def report(**changes: Any) -> None:
        for name, value in changes.items():
            setattr(progress, name, value)
        if on_progress:
            on_progress(progress)

    return report


def _prepare(
    stack: contextlib.ExitStack,
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    directory: Path,
    resumed: bool,
    output: Path | None,
    report: Callable[..., None],
) -> Session:
    baseline = prepare_baseline(toolchain, program, options.objective, options.strict)
    core = measuring_core() if options.times_the_program else None
    judge = Judge.of(toolchain, program, options, baseline.objects, core)
    stack.callback(judge.close)
    header = _header(program, toolchain, options, baseline, output)
    journal = Journal.open(directory)[0] if resumed else Journal.create(directory, header)
    stack.callback(journal.close)
    if core is not None:
        stack.enter_context(_confined_to(compile_cores()))
    report(message="starting the compiler services")
    catalogue = toolchain_catalogue(toolchain)
    if not options.risky:
        catalogue = catalogue.without(RISKS_AVOIDED)
    mark = built_from_objects(baseline.objects, 0)
    builders, empty = _start_builders(stack, program, toolchain, options, baseline, catalogue, mark)
    ir_only = options.objective == "instructions"
    figures = {
        "runtime": judge.cpu_seconds,
        "size": float(mark.size),
        "text": float(mark.text),
        "instructions": float(empty.instructions),
    }
    session = Session(
        program, options, toolchain, journal, baseline, catalogue, Sequences(catalogue, baseline), judge, builders,
        figures, empty.key if ir_only else mark.key,
    )  # fmt: skip
    if not ir_only and empty.key != mark.key:
        session.notes.append(
            f"this LLVM's pipeline by itself does not give the object of {baseline.name}; "
            "the baseline measured is clang's own object"
        )
    return session


def _start_builders(
    stack: contextlib.ExitStack,
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    baseline: Baseline,
    catalogue: Catalogue,
    mark: Built,
) -> tuple[list[Builder], Built]:
    """The builders, and what the empty sequence gives.

    Code generation in libLLVM is much the faster; where it does not give the very object that clang gives
    (clang knows options that the C API has not), clang does it.
    """
    service = ServiceOptions(
        llvm_prefix=toolchain.prefix, action_seconds=options.pass_seconds, memory_bytes=options.pass_memory_bytes
    )
    with_objects = options.objective != "instructions"

    def start(codegen: str) -> Builder:
        return Builder(
            toolchain, program, baseline, catalogue, with_objects=with_objects, codegen=codegen, options=service
        )

    codegen = "library"
    first = start(codegen)
    try:
        empty = first.build(())
        if with_objects and baseline.completion.exact and empty.key != mark.key:
            first.close()
            codegen = "clang"
            first = start(codegen)
            empty = first.build(())
    finally:
        stack.callback(lambda: first.close())
    builders = [first]
    for _ in range(builder_count(options) - 1):
        builders.append(start(codegen))
        stack.callback(builders[-1].close)
    return builders, empty


def builder_count(options: TuneOptions) -> int:
    """Services that build at once: one for each core that is not kept for measuring."""
    cores = len(compile_cores()) if options.times_the_program else len(os.sched_getaffinity(0))
    return max(1, min(cores, options.workers or cores))


def requests_in_flight(options: TuneOptions) -> int:
    """Enough that the measuring core always has a candidate waiting."""
    return options.workers or builder_count(options) + (2 if options.times_the_program else 0)


@contextlib.contextmanager
def _confined_to(cores: Sequence[int]) -> Iterator[None]:
    """Everything of ours, but for what is measured, stays off the measuring core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _search(
    session: Session,
    records: list[dict[str, Any]],
    progress: Progress,
    report: Callable[..., None],
    stop: threading.Event,
) -> tuple[list[TrialRecord], Driver, float]:
    options = session.options
    models = [BLIND]
    proposer = BlindProposer(session.catalogue.names(), session.sequences.edits, options.seed, BLIND.name)
    strategy = ColtSearch(models, replace(BREADTH, seeds=len(proposer.first) or BREADTH.seeds), options.seed)
    strategy.set_root_key(session.root_key)
    objective = Objective(options.objective, options.weights or {})
    trials: list[TrialRecord] = []
    begun = time.monotonic()

    def on_trial(trial: TrialRecord) -> None:
        trials.append(trial)
        proposer.observe(trial.request, trial.proposal, trial.outcome)
        session.journal.append(trial_to_dict(trial))
        if trial.outcome.failure == "miscompile":
            _keep_reproducer(session, trial)
        _note(progress, trial, strategy, driver)
        report()

    verdicts = {session.root_key: Verdict(session.figures, checked=True)}
    driver = Driver(
        strategy, proposer, list(session.builders), session.judge, objective, session.figures, on_trial,
        in_flight=requests_in_flight(options), seed=options.seed, verdicts=verdicts,
    )  # fmt: skip
    elapsed = 0.0
    for record in records:
        trial = trial_from_dict(record)
        strategy.restore(trial.request, trial.proposal, trial.outcome)
        proposer.observe(trial.request, trial.proposal, trial.outcome)
        driver.remember(trial)
        trials.append(trial)
        elapsed = max(elapsed, trial.seconds)
        _note(progress, trial, strategy, driver)
    left = None if options.trials is None else max(0, options.trials - len(trials))
    ran_before, searching = session.judge.program_seconds, time.monotonic()
    driver.run(trials=left, seconds=options.search_seconds, elapsed=elapsed, stop=stop)
    ran = session.judge.program_seconds - ran_before
    driver.busy_fraction = ran / max(time.monotonic() - searching, 1e-9)
    return trials, driver, elapsed + time.monotonic() - begun


def _note(progress: Progress, trial: TrialRecord, strategy: ColtSearch, driver: Driver) -> None:
    progress.trials += 1
    progress.known += trial.known
    progress.elapsed_seconds = trial.seconds
    progress.nodes = len(strategy.tree.nodes)
    progress.depth = max(progress.depth, len(trial.sequence))
    if trial.outcome.failure:
        progress.failures[trial.outcome.failure] += 1
    best = strategy.best()
    if best is not None and best.reward > 0:
        progress.best_ratio = math.exp(best.reward)
        progress.best_sequence = best.sequence
        progress.best_trial = best.request.id


def _keep_reproducer(session: Session, trial: TrialRecord) -> None:
    """What a person needs to see the wrong program again."""
    folder = session.journal.folder("miscompiles", f"{trial.request.id:06d}")
    pipeline = session.sequences.pipeline(trial.sequence)
    write_json(
        folder / "miscompile.json",
        {
            "sequence": list(trial.sequence),
            "pipeline": pipeline,
            "difference": trial.detail,
            "llvm": session.toolchain.version,
            "opt": list(opt_lines(session.toolchain, session.program, session.baseline.level, pipeline)),
        },
    )


def _prove(session: Session, trials: list[TrialRecord], stop: threading.Event) -> Proof:
    options = session.options
    prover = Prover(
        session.toolchain, session.program, session.baseline, session.sequences, session.judge,
        Objective(options.objective, options.weights or {}), session.figures, session.builders[0], options.seed,
    )  # fmt: skip
    # Whoever stops a run wants its result soon.
    return prover.prove(trials, min(options.proof_seconds, 10.0) if stop.is_set() else options.proof_seconds)


def _hand_over(
    session: Session,
    trials: list[TrialRecord],
    driver: Driver,
    proof: Proof,
    elapsed: float,
    output: Path | None,
    stop: threading.Event,
) -> TuneResult:
    winner, recipe_path = proof.winner, None
    figures = {name: (session.figures[name], session.figures[name]) for name in ("size", "text", "instructions")}
    if "runtime" in Objective(session.options.objective, session.options.weights or {}).figures:
        figures["runtime"] = (session.figures["runtime"], session.figures["runtime"])
    if winner:
        figures = _tuned_figures(session, winner, proof, figures)
        recipe_path = session.journal.directory / "recipe.json"
        save_recipe(_recipe(session, winner, proof), recipe_path)
    objects = winner.built.objects if winner else session.baseline.objects
    if output:
        write_output(session.toolchain, session.program, objects, output)
    verdicts = {
        Finding.IMPROVED: "improved",
        Finding.NO_IMPROVEMENT: "no improvement found",
        Finding.TOO_NOISY: "no improvement found",
    }
    notes = [*session.notes, *proof.notes]
    if proof.verdict is Finding.TOO_NOISY:
        notes.append("the times scatter too much to tell; the baseline is kept")
    return TuneResult(
        verdict=verdicts[proof.verdict],
        program=session.program.name,
        objective=session.options.objective,
        baseline=session.baseline.name,
        ratio=proof.ratio if winner or proof.interval else 1.0,
        interval=proof.interval,
        sequence=winner.sequence if winner else (),
        pipeline=winner.pipeline if winner else "",
        figures=figures,
        found_at_trial=winner.trial.request.id if winner else None,
        found_at_seconds=winner.trial.seconds if winner else None,
        trials=len(trials),
        distinct=len({trial.outcome.key for trial in trials if trial.outcome.key}),
        elapsed_seconds=elapsed,
        failures=_failures(trials),
        run_directory=session.journal.directory,
        recipe=recipe_path,
        output=output,
        interrupted=stop.is_set(),
        busy_fraction=driver.busy_fraction if session.options.times_the_program else None,
        front=tuple(_front(trials)),
        notes=tuple(notes),
    )


def _tuned_figures(
    session: Session, winner: Finalist, proof: Proof, figures: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    tuned = {name: (pair[0], winner.built.figures.get(name, pair[1])) for name, pair in figures.items()}
    if proof.contest is not None:
        claim = next(claim for claim in proof.contest.claims if claim.name == proof.winner_name)
        middle = sorted(proof.contest.baseline_seconds)[len(proof.contest.baseline_seconds) // 2]
        tuned["runtime"] = (middle, middle / claim.interval.ratio)
    return tuned


def _failures(trials: Sequence[TrialRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for trial in trials:
        if trial.outcome.failure:
            counts[trial.outcome.failure] = counts.get(trial.outcome.failure, 0) + 1
    return counts


def _front(trials: Sequence[TrialRecord]) -> Iterator[dict[str, Any]]:
    """The trials that no other beats in both figures: run time where it was measured, and size."""
    names = [name for name in ("runtime", "size", "instructions")
             if any(name in trial.outcome.figures for trial in trials)][:2]  # fmt: skip
    judged = [
        trial for trial in trials if trial.outcome.reward is not None and set(names) <= set(trial.outcome.figures)
    ]
    for index in pareto_front([tuple(trial.outcome.figures[name] for name in names) for trial in judged]):
        trial = judged[index]
        yield {"trial": trial.request.id, **{name: trial.outcome.figures[name] for name in names}}


def _recipe(session: Session, winner: Finalist, proof: Proof) -> Recipe:
    level = session.baseline.level
    evidence = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "by": f"colt-llvm {__version__}",
        "baseline": session.baseline.name,
        "ratio": proof.ratio,
        "size": {"baseline": session.figures["size"], "tuned": winner.built.size},
        "seed": session.options.seed,
        "host": asdict(fingerprint()),
        **evidence_of(proof),
    }
    return Recipe(
        program=session.program.name,
        objective=session.options.objective,
        level=level,
        sequence=winner.sequence,
        pipeline=winner.pipeline,
        cflags=session.program.cflags,
        ldflags=session.program.ldflags,
        llvm=session.toolchain.version,
        triple=session.toolchain.triple,
        sources={source.name: source_digest(source) for source in session.program.sources},
        objects=tuple(loaded_digest(data) for data in winner.built.objects),
        opt=opt_lines(session.toolchain, session.program, level, winner.pipeline),
        evidence=evidence,
    )


def _header(
    program: Program, toolchain: Toolchain, options: TuneOptions, baseline: Baseline, output: Path | None
) -> dict[str, Any]:
    return {
        "colt_llvm": __version__,
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "program": program_to_dict(program),
        "sources": {str(source): source_digest(source) for source in program.sources},
        "options": options.to_dict(),
        "llvm": toolchain.version,
        "triple": toolchain.triple,
        "baseline": baseline.name,
        "completion": baseline.completion.pipeline,
        "host": asdict(fingerprint()),
        "output": str(output.absolute()) if output else None,
    }


def _result_record(result: TuneResult, session: Session, proof: Proof) -> dict[str, Any]:
    return {**result_to_dict(result), "evidence": evidence_of(proof), "rejected": dict(proof.rejected)}


def result_to_dict(result: TuneResult) -> dict[str, Any]:
    """JSON-able."""
    data = asdict(result)
    for key in ("run_directory", "recipe", "output"):
        data[key] = str(data[key]) if data[key] is not None else None
    if result.interval is not None and not all(map(_finite, (result.interval.low, result.interval.high))):
        data["interval"] = None
    return data


def _finite(value: float) -> bool:
    return value - value == 0


def trial_to_dict(trial: TrialRecord) -> dict[str, Any]:
    return {
        "request": request_to_dict(trial.request),
        "proposal": proposal_to_dict(trial.proposal),
        "outcome": outcome_to_dict(trial.outcome),
        "seconds": round(trial.seconds, 6),
        "known": trial.known,
        "checked": trial.checked,
        "detail": trial.detail,
        "samples": dict(trial.samples),
    }


def trial_from_dict(record: Mapping[str, Any]) -> TrialRecord:
    """Raises RunDirectoryError for a record that is no trial."""
    try:
        return TrialRecord(
            request_from_dict(record["request"]), proposal_from_dict(record["proposal"]),
            outcome_from_dict(record["outcome"]), float(record["seconds"]), bool(record["known"]),
            str(record["detail"]), bool(record["checked"]), dict(record["samples"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"trials.jsonl: holds something that is no trial ({error}); start a new run") from None
