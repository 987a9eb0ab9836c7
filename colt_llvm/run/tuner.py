"""``tune``: prepare, search, prove, hand over."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.variables import deciding_variables
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Linker, Target, prepare_target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.preflight import preflight
from colt_llvm.models.specs import spec_from_dict, spec_to_dict
from colt_llvm.program.output import check_output
from colt_llvm.program.program import Program, program_from_dict, program_to_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.diagnosis import DIAGNOSIS_SECONDS, diagnose
from colt_llvm.run.hooks import Hooks
from colt_llvm.run.journal import Journal
from colt_llvm.run.progress import Progress, TuneResult, result_to_dict
from colt_llvm.run.proof import Proof, Prover, evidence_of
from colt_llvm.run.results import hand_over
from colt_llvm.run.searching import search
from colt_llvm.run.session import Session, prepare
from colt_llvm.run.strategies import specs_for, with_earlier_preset, with_preset
from colt_llvm.run.trials import TrialRecord

OnProgress = Callable[[Progress], None]


def tune(
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions | None = None,
    *,
    models: Sequence[ModelSpec] | None = None,
    run_directory: Path,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
    linker: Linker | None = None,
    hooks: Hooks | None = None,
) -> TuneResult:
    """Search and prove; write everything to ``run_directory``, and the tuned executable or object to ``output``.

    models: who proposes; None: the embedded policies. linker: where the program's objects are a part of something
    larger (see ``Judge.of``). hooks: objects of the caller's own; a model among them is named in ``models`` too.
    Raises ColtError: CompileError and ProgramError for the program, RunDirectoryError for the directories.
    """
    hooks = hooks or Hooks()
    options = hooks.options(options or TuneOptions())
    check_output(output, program)
    specs = [] if hooks.strategy else specs_for(options.strategy, models)
    options = with_preset(options, specs)
    preflight(specs)
    return _run(program, toolchain, options, specs, run_directory, None, output, on_progress, stop, linker, hooks)


def resume(
    run_directory: Path,
    toolchain: Toolchain,
    *,
    output: Path | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    limits: Mapping[str, float | None] | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
    linker: Linker | None = None,
    hooks: Hooks | None = None,
) -> TuneResult:
    """Go on with a run that was stopped or killed.

    trials, seconds: new totals, where given. limits: new ones by name (``max_calls``, ``max_tokens``, ``max_cost``;
    what the run spent before counts too) and ``worth``. hooks: the objects that the run began with, by the same names.
    """
    journal, records = Journal.open(run_directory)
    journal.close()
    header = journal.header
    try:
        program = program_from_dict(header["program"])
        # A run that says nothing of these began without them.
        given = {"worth": 0.0, "scopes": ("passes",), **header["options"]}
        if trials is not None or seconds is not None:
            given |= {"trials": trials, "seconds": seconds}
        given |= {name: value for name, value in (limits or {}).items() if value is not None}
        options = TuneOptions.from_dict(given)
        specs = [spec_from_dict(model) for model in header["models"]]
        options = with_earlier_preset(options, specs)
        digests = dict(header["sources"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{run_directory}/run.json: is damaged ({error}); start a new run") from None
    hooks = hooks or Hooks()
    hooks.require(header.get("hooks", {}), run_directory)
    _refuse_changes(header, digests, program, toolchain, run_directory)
    output = output or (Path(header["output"]) if header.get("output") else None)
    check_output(output, program)
    preflight(specs)
    return _run(program, toolchain, options, specs, run_directory, records, output, on_progress, stop, linker, hooks)


def _refuse_changes(
    header: Mapping[str, Any], digests: Mapping[str, Any], program: Program, toolchain: Toolchain, directory: Path
) -> None:
    if header.get("llvm") != toolchain.version:
        raise UsageError(
            f"{directory}: was made with LLVM {header.get('llvm')}, and this is {toolchain.version}; use --llvm-prefix"
        )
    for source in program.sources:
        if not source.is_file() or digests.get(str(source)) != source_digest(source):
            raise UsageError(f"{source}: has changed since the run began; start a new run")


def _run(
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    specs: Sequence[ModelSpec],
    directory: Path,
    records: list[dict[str, Any]] | None,
    output: Path | None,
    on_progress: OnProgress | None,
    stop: threading.Event | None,
    linker: Linker | None,
    hooks: Hooks,
) -> TuneResult:
    stop = stop or threading.Event()
    progress = Progress(trials_wanted=options.trials, seconds_wanted=options.search_seconds)
    report = _reporter(progress, on_progress)
    with contextlib.ExitStack() as stack:
        report(message="building the baseline")
        target = prepare_target(
            toolchain, program, options, objective=hooks.objective, linker=linker, own_check=hooks.check
        )

        def begin(target: Target) -> Journal:
            if records is not None:
                return Journal.open(directory)[0]
            return Journal.create(directory, _run_header(target, specs, output, hooks.names()))

        session = prepare(stack, target, begin, hooks, report)
        report(phase="search", message="")
        searched = search(session, specs, records or [], progress, report, stop)
        report(phase="prove", message="building the best again and measuring it apart from the search")
        proof = _prove(session, searched.trials, stop)
        wrong = [trial for trial in searched.trials if trial.outcome.failure == "miscompile"]
        wrong += [trial for trial, _ in proof.miscompiled]
        if wrong:
            report(message="looking for the cause of a wrong program")
        seconds = 0.0 if stop.is_set() or not hooks.diagnoses else DIAGNOSIS_SECONDS
        diagnosis = diagnose(session, wrong, seconds, hooks.sanitized, part=linker is not None)
        result = hand_over(session, searched, proof, output, stop.is_set(), diagnosis)
        session.journal.write_result(
            {**result_to_dict(result), "evidence": evidence_of(proof), "rejected": dict(proof.rejected)}
        )
        report(phase="done", message="")
        return result


def _run_header(
    target: Target, specs: Sequence[ModelSpec], output: Path | None, hooks: Mapping[str, str]
) -> dict[str, Any]:
    """The content of run.json. hooks: their names; nothing where there are none."""
    program, toolchain, baseline = target.program, target.toolchain, target.baseline
    named = {"hooks": dict(hooks)} if hooks else {}
    return {
        **named,
        "colt_llvm": __version__,
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "program": program_to_dict(program),
        "sources": {str(source): source_digest(source) for source in program.sources},
        "options": target.options.to_dict(),
        "models": [spec_to_dict(spec) for spec in specs],
        "llvm": toolchain.version,
        "triple": toolchain.triple,
        "baseline": baseline.name,
        "completion": baseline.completion.pipeline,
        "host": asdict(fingerprint()),
        "variables": deciding_variables(),
        "output": str(output.absolute()) if output else None,
    }


def _reporter(progress: Progress, on_progress: OnProgress | None) -> Callable[..., None]:
    def report(**changes: Any) -> None:
        for name, value in changes.items():
            setattr(progress, name, value)
        if on_progress:
            on_progress(progress)

    return report


def _prove(session: Session, trials: list[TrialRecord], stop: threading.Event) -> Proof:
    options = session.options
    prover = Prover(session.target, session.judge, session.figures, session.builders.first, options.seed)
    # Whoever stops a run wants its result soon.
    return prover.prove(trials, min(options.proof_seconds, 10.0) if stop.is_set() else options.proof_seconds)
