"""``tune``: prepare, search, prove, write the results."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from colt_llvm import __version__
from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.variables import deciding_variables
from colt_llvm.evaluate.corpus import prepare_corpus
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, Linker, Target, prepare_target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.check import preflight
from colt_llvm.models.specs import spec_from_dict, spec_to_dict
from colt_llvm.program.output import check_output
from colt_llvm.program.profile import keep_profile, naming_kept_profile, with_kept_profile
from colt_llvm.program.program import Program, program_from_dict, program_to_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.asking import Hooks, members, specs_for, with_earlier_preset, with_preset
from colt_llvm.run.diagnosis import DIAGNOSIS_SECONDS, diagnose
from colt_llvm.run.journal import Journal
from colt_llvm.run.minimizing import Effort, Minimizer, SameCode, Shorten
from colt_llvm.run.profile_gain import build_without, exact_gain
from colt_llvm.run.progress import Progress, TuneResult, result_to_dict
from colt_llvm.run.proof import Proof, Prover, evidence_of
from colt_llvm.run.results import write_results
from colt_llvm.run.searching import search
from colt_llvm.run.setup import Setup, prepare
from colt_llvm.run.trials import TrialRecord, trial_from_dict

if TYPE_CHECKING:
    from typing_extensions import Unpack


#: For leaving out what does not pay, where the user waits for the end or a proof's time is short.
_SHORTEN_SECONDS = 5.0


class RunArguments(TypedDict, total=False):
    """What a new run and one that goes on may be given."""

    output: Path | None  # for the tuned executable or object
    on_progress: Callable[[Progress], None] | None  # called as the run goes on
    stop: threading.Event | None  # ends the search; what was found until then is proved
    linker: Linker | None  # where the program's objects are a part of something larger (see ``Target``)
    hooks: Hooks | None  # objects of the caller's own


@dataclass
class _Plan:
    """A run that can begin: everything was checked that can be checked beforehand."""

    program: Program
    toolchain: Toolchain
    options: TuneOptions
    specs: Sequence[ModelSpec]
    directory: Path
    output: Path | None = None
    on_progress: Callable[[Progress], None] | None = None
    stop: threading.Event | None = None
    linker: Linker | None = None
    hooks: Hooks | None = None

    def header(self, target: Target, hooks: Mapping[str, str]) -> dict[str, Any]:
        """The content of run.json. hooks: their names; nothing where there are none."""
        program, toolchain, baseline = target.program, target.toolchain, target.baseline
        return {
            **({"hooks": dict(hooks)} if hooks else {}),
            "colt_llvm": __version__,
            "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "program": program_to_dict(program),
            "sources": {str(source): source_digest(source) for source in program.sources},
            "options": target.options.to_dict(),
            "models": [spec_to_dict(spec) for spec in self.specs],
            "llvm": toolchain.version,
            "triple": toolchain.triple,
            "baseline": baseline.name,
            "completion": baseline.completion.pipeline,
            "host": asdict(fingerprint()),
            "variables": deciding_variables(),
            "output": str(self.output.absolute()) if self.output else None,
        }


def tune(
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions | None = None,
    *,
    models: Sequence[ModelSpec] | None = None,
    run_directory: Path,
    **arguments: Unpack[RunArguments],
) -> TuneResult:
    """Search and prove; write everything to ``run_directory``, and the tuned executable or object to ``output``.

    models: who proposes; None: the embedded policies. A model among ``hooks`` is named here too.
    Raises ColtError: CompileError and ProgramError for the program, RunDirectoryError for the directories.
    """
    hooks = arguments.get("hooks") or Hooks()
    options = hooks.options(options or TuneOptions())
    if options.risky and options.unchecked and not options.test:
        raise UsageError("--unchecked: takes no pass that may break programs; leave out --risky, or add --test")
    check_output(arguments.get("output"), program, linked=not options.runs_nothing)
    specs = [] if hooks.strategy else specs_for(options.strategy, models)
    options = with_preset(options, specs)
    specs = members(options, specs)
    preflight(specs)
    return _run(_Plan(program, toolchain, options, specs, run_directory, **arguments), None)


def resume(
    run_directory: Path,
    toolchain: Toolchain,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    limits: Mapping[str, float | None] | None = None,
    **arguments: Unpack[RunArguments],
) -> TuneResult:
    """Go on with a run that was stopped or killed.

    trials, seconds: new totals, where given. limits: new ones by name (``max_calls``, ``max_tokens``, ``max_cost``;
    what the run spent before counts too) and ``stop_below``. hooks: the objects that the run began with, by the same
    names.
    """
    journal, records = Journal.open(run_directory)
    journal.close()
    header = journal.header
    try:
        program = program_from_dict(header["program"])
        program = replace(program, cflags=with_kept_profile(program.cflags, run_directory))
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
    (arguments.get("hooks") or Hooks()).require(header.get("hooks", {}), run_directory)
    _refuse_changes(header, digests, program, toolchain, run_directory)
    plan = _Plan(program, toolchain, options, specs, run_directory, **arguments)
    plan.output = plan.output or (Path(header["output"]) if header.get("output") else None)
    check_output(plan.output, program, linked=not options.runs_nothing)
    preflight(specs)
    return _run(plan, records)


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


def _run(plan: _Plan, records: list[dict[str, Any]] | None) -> TuneResult:
    """records: the journal's trials; None for a new run."""
    stop, hooks, options = plan.stop or threading.Event(), plan.hooks or Hooks(), plan.options
    progress = Progress(trials_wanted=options.trials, seconds_wanted=options.search_seconds)
    for record in records or ():
        progress.count(trial_from_dict(record))
    report = _reporter(progress, plan.on_progress)
    spent = Spent()
    with contextlib.ExitStack() as stack:
        report(message="building the baseline")
        target = _prepared(plan, hooks, report)

        def kept(target: Target) -> Target:
            cflags = naming_kept_profile(target.program.cflags, plan.directory)
            same = cflags == target.program.cflags
            return target if same else replace(target, program=replace(target.program, cflags=cflags))

        def begin(target: Target) -> Journal:
            if records is not None:
                return Journal.open(plan.directory)[0]
            journal = Journal.create(plan.directory, plan.header(kept(target), hooks.names()))
            keep_profile(plan.program.cflags, plan.directory)
            return journal

        setup = prepare(stack, target, begin, hooks, report)
        setup.target = kept(setup.target)
        spent.on("preparing")
        report(phase="search", message="")
        searched = search(setup, plan.specs, records or [], progress, report, stop)
        spent.on("the search")
        report(phase="prove", message="building the best again and measuring it apart from the search")
        proof = _prove(setup, searched.trials, stop, spent.whole)
        spent.on("leaving out what does not pay, and the proof")
        wrong = [trial for trial in searched.trials if trial.outcome.failure == "miscompile"]
        wrong += [trial for trial, _ in proof.miscompiled]
        if wrong and not options.runs_nothing:
            report(message="looking for the cause of a wrong program")
        seconds = 0.0 if stop.is_set() or not hooks.diagnoses else DIAGNOSIS_SECONDS
        diagnosis = None
        if not options.runs_nothing and not plan.program.members:
            diagnosis = diagnose(setup, wrong, seconds, hooks.sanitized, part=plan.linker is not None)
        spent.on("the cause of a wrong program")
        _keep_known(setup, proof)
        setup.notes += spent.notes(options.whole_seconds)
        result = write_results(setup, searched, proof, plan.output, stop.is_set(), diagnosis)
        setup.journal.write_result(
            {**result_to_dict(result), "evidence": evidence_of(proof), "rejected": dict(proof.rejected)}
        )
        report(phase="done", message="")
        return result


def _prepared(plan: _Plan, hooks: Hooks, report: Callable[..., None]) -> Target:
    """Of one program, or of many. Raises UsageError for what a corpus cannot have, else as ``prepare_target``."""
    options, objective, check = plan.options, hooks.objective, hooks.check
    if not plan.program.members:
        return prepare_target(
            plan.toolchain, plan.program, options, objective=objective, linker=plan.linker, own_check=check
        )
    if plan.output is not None or hooks.remote is not None:
        name = "--cluster" if plan.output is None else "-o"
        raise UsageError(f"{name}: is for one program; leave it out with --corpus")
    return prepare_corpus(
        plan.toolchain, plan.program, options, objective=objective, own_check=check,
        on_program=lambda name: report(message=f"building the baseline of {name}"),
    )  # fmt: skip


def _keep_known(setup: Setup, proof: Proof) -> None:
    """What was proved of functions is where later runs with them begin."""
    if (known := setup.known) is None:
        return
    if proof.winner is not None and not setup.timer.verifier.compared.unchecked:
        before, after = setup.target.baseline_built.parts, proof.winner.built.parts
        saved = {name: size - after.get(name, 0) for name, size in before.items()}
        known.keep(proof.winner.sequence, saved if setup.target.objective.additive else {})
    setup.notes += known.notes


#: A run that takes longer than its ``seconds`` by this factor says what took it.
_OVER = 1.1


class Spent:
    """Wall-clock time of a run, by what it went to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._seconds: dict[str, float] = {}

    def on(self, what: str) -> None:
        """All since the last call."""
        now = self._clock()
        self._seconds[what], self._at = now - self._at, now

    @property
    def whole(self) -> float:
        return sum(self._seconds.values())

    def notes(self, wanted: float | None) -> list[str]:
        """One that says it, where it is more than was asked for."""
        whole = self.whole
        if wanted is None or whole <= wanted * _OVER:
            return []
        parts = ", ".join(f"{seconds:.0f} s {what}" for what, seconds in self._seconds.items() if seconds >= 0.5)
        return [f"the run took {whole:.0f} s where {wanted:g} s were asked for: {parts}"]


def _reporter(progress: Progress, on_progress: Callable[[Progress], None] | None) -> Callable[..., None]:
    def report(**changes: Any) -> None:
        for name, value in changes.items():
            setattr(progress, name, value)
        if on_progress:
            on_progress(progress)

    return report


def _prove(setup: Setup, trials: list[TrialRecord], stop: threading.Event, spent: float) -> Proof:
    """spent: seconds of the run until now."""
    # Whoever stops a run wants its result soon.
    proof_seconds = setup.options.proof_seconds
    seconds = min(proof_seconds, 10.0) if stop.is_set() else proof_seconds
    wrong = {trial.outcome.key for trial in trials if trial.outcome.failure == "miscompile"}
    effort = Effort(setup.options.minimizing_seconds_after(spent), setup.options.minimizing_builds)
    if stop.is_set():
        effort = replace(effort, seconds=_SHORTEN_SECONDS)
    shorten = _shorten(setup, frozenset(filter(None, wrong)), effort)
    unprofiled = build_without(setup.target, setup.timer.verifier)
    prover = Prover(setup.target, setup.timer, setup.figures, shorten, setup.options.seed, unprofiled=unprofiled)
    proof = prover.prove(trials, seconds)
    return replace(proof, profile=proof.profile or exact_gain(setup.target, setup.figures))


def _shorten(setup: Setup, refused: frozenset[str], effort: Effort) -> Shorten:
    builder = setup.builders.first
    if setup.target.objective.timed:
        return SameCode(builder, _SHORTEN_SECONDS)
    objective, baseline = setup.target.objective, setup.figures

    def reward(built: Built) -> float:
        return objective.reward(objective.measured(built), baseline)

    return Minimizer(builder, reward, setup.task.surroundings.callers, effort, refused)
