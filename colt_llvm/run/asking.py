"""Who proposes in a run: models, what they may cost, and what they did, from specifications or from a transcript.

A caller may give Python objects (``Hooks``), which no file holds: a run's header has their names, so that a resumed run
is given the same ones again or says so.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.files import texts
from colt_llvm.evaluate.evaluators import RemotePool
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.measure.check import OwnCheck
from colt_llvm.models.base import LanguageModel, ModelSpec
from colt_llvm.models.budget import Budget, Limits
from colt_llvm.models.caller import Caller, Waiting
from colt_llvm.models.embedded import SPECS as EMBEDDED
from colt_llvm.models.embedded import load as load_embedded
from colt_llvm.models.ledger import Ledger
from colt_llvm.models.question import Evidence
from colt_llvm.models.registry import BLIND_SPEC, connect
from colt_llvm.models.replay import asked_as, recorded_run
from colt_llvm.models.transcript import Transcript
from colt_llvm.objectives.cost import CostObjective
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.proposal.proposer import ModelProposer
from colt_llvm.proposal.questions import Questions
from colt_llvm.run.journal import read_header
from colt_llvm.run.loop import Proposer
from colt_llvm.run.sanitizers import SanitizedBuild
from colt_llvm.search import ColtOptions, ColtSearch, Model, Strategy, Tree
from colt_llvm.search.partitions import is_large
from colt_llvm.search.registry import find_strategy, refuse_models
from colt_llvm.search.strategy import StrategyFactory, Task, declared

#: The preset under which the embedded policies and language models search together.
TOGETHER = "together"
#: Answers while every model of a run is set aside.
STAND_IN = "embedded/base"


@dataclass
class Asking:
    """A search and whoever answers it. ledger: None where no model is asked.

    note: who proposed, where that says it all. specs: the models that are asked.
    """

    search: Strategy
    proposer: Proposer
    ledger: Ledger | None = None
    note: str = ""
    specs: Sequence[ModelSpec] = ()
    close: Callable[[], None] = field(default=lambda: None)

    @property
    def tree(self) -> Tree | None:
        """None where the strategy has none."""
        return self.search.tree if isinstance(self.search, ColtSearch) else None

    def models(self) -> dict[str, Any]:
        """The ledger with each model's hit rate and corrections as the search counts them; empty without models."""
        if self.ledger is None or not isinstance(self.search, ColtSearch):
            return {}
        counted = self.ledger.to_dict()
        for name, record in self.search.statistics.by_model.items():
            counted["models"][name] |= {
                "hit_rate": record.hit_rate,
                "requests": record.calls,
                "wrong_answers": record.errors,
                "corrections_kept": record.corrections_kept,
            }
        return counted

    def notes(self) -> list[str]:
        """What a person should know of who proposed."""
        if self.note:
            return [self.note]
        if not isinstance(self.proposer, ModelProposer):
            return ["no model was asked: proposals by what paid in this run"]
        silent = self.ledger.silent() if self.ledger is not None else {}
        notes = [_never_answered(name, *silent[name]) for name in silent]
        away = self.proposer.set_aside
        notes += [f"set aside for failing: {', '.join(away)}"] if away else []
        if notes and self.proposer.stood_in:
            notes[-1] += f"; {self.proposer.stand_in_name} answered instead"
        return notes + self.proposer.prompt_notes


def _note_of(specs: Sequence[ModelSpec]) -> str:
    """What there is to say where all models are of one kind; empty where that says nothing."""
    notes = {spec.can.note for spec in specs}
    return notes.pop() if len(notes) == 1 else ""


def _never_answered(name: str, failures: Mapping[str, int], last: str) -> str:
    counts = ", ".join(f"{kind} {count}" for kind, count in failures.items())
    return f"no call of {name} came back ({counts}); the last one: {last.removeprefix(f'model {name}: ')}"


@dataclass(frozen=True)
class CallOptions:
    """How models are called in a run."""

    limits: Limits | None = None  # of all calls together
    folder: Path | None = None  # where calls are written down, and read again on resume
    told: Sequence[int] = ()  # requests that the journal holds
    evidence: Callable[[tuple[str, ...]], Evidence] | None = None  # what is told of the code of a sequence
    stop: threading.Event | None = None  # ends a call that is under way
    deadline: float | None = None  # on the monotonic clock; no call goes on after it
    models: Mapping[str, LanguageModel] = field(default_factory=dict)  # instead of connecting, by name


#: Whole sequences that are tried before decisions about functions are, where these are in the run's scopes.
_SEEDS_BEFORE_SWEEPS = 8
#: Of a run's folder: what it took from its store.
KNOWN_FILE = "known.json"


def recorded_known(run: Path) -> tuple[tuple[str, ...], ...] | None:
    """The sequences that a run began with; None where that was not written down."""
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
        return tuple(map(texts, json.loads((run / KNOWN_FILE).read_text(encoding="utf-8"))["sequences"]))
    return None


def _begin_with(task: Task, specs: Sequence[ModelSpec]) -> tuple[tuple[str, ...], ...]:
    """A replay begins as the recorded run did, whatever is known by now."""
    for run in filter(None, map(recorded_run, specs)):
        return recorded_known(Path(run)) or ()
    return task.begin_with


def default_models() -> list[ModelSpec]:
    """The embedded policies: what proposes where no model is named."""
    return list(EMBEDDED.values())


def ask_models(
    specs: Sequence[ModelSpec],
    task: Task,
    options: ColtOptions,
    catalogue: Catalogue,
    calls: CallOptions,
) -> Asking:
    """The search over these models. Raises UsageError."""
    begin_with = _begin_with(task, specs)
    options = replace(options, seeds=options.seeds + len(begin_with))
    if [spec.name for spec in specs] == [BLIND_SPEC.name]:
        blind = BlindProposer(task.passes, task.edits, task.seed, BLIND_SPEC.name)
        return Asking(ColtSearch([Model(BLIND_SPEC.name, 1.0)], options, task.seed, begin_with), blind, specs=specs)
    if options.seed_models != "largest":  # whole sequences are known beside these, and are to be tried as well
        options = replace(options, seeds=options.seeds + len(task.known_good))
    if options.refine_share and task.surroundings.steps:  # sweeps over all functions bring more than single actions
        options = replace(options, seeds=_SEEDS_BEFORE_SWEEPS + len(begin_with))
    if options.refine_share and is_large(task.surroundings):  # each trial is dear: see run.partitioning
        options = replace(options, seeds=1 + len(begin_with), seed_share=0.0, refine_share=0.9)
    search = ColtSearch(list(map(searched_as, specs)), options, task.seed, begin_with)
    connected = [calls.models.get(spec.name) or connect(spec) for spec in specs]
    transcript = Transcript(calls.folder, calls.told) if calls.folder is not None else None
    ledger = Ledger.from_records(specs, transcript.records if transcript else ())
    caller = Caller(
        connected, Budget(calls.limits, ledger.spent), ledger, transcript, Waiting(calls.stop, calls.deadline)
    )
    proposer = ModelProposer(
        Questions(task, search, specs), caller, catalogue,
        stand_in=load_embedded(STAND_IN), evidence=calls.evidence,
    )  # fmt: skip

    def close() -> None:
        caller.close()
        if transcript is not None:
            transcript.close()

    return Asking(search, proposer, ledger, note=_note_of(specs), specs=specs, close=close)


def searched_as(spec: ModelSpec) -> Model:
    """What the search knows of a model."""
    return Model(spec.name, spec.parameters, policy=not asked_as(spec).is_language_model)


def specs_for(strategy: str, models: Sequence[ModelSpec] | None) -> list[ModelSpec]:
    """The models of a run: those named, or the embedded policies; none where the strategy asks none.

    Raises UsageError where models are named for a strategy that asks none.
    """
    if not find_strategy(strategy)[0].asks_models:
        if models:
            refuse_models(strategy)
        return []
    return list(models) if models is not None else default_models()


def default_preset(specs: Sequence[ModelSpec]) -> str:
    """Of the search, where the user chose none: by what asking costs, and by whether whole sequences are known."""
    asked = [asked_as(spec) for spec in specs]
    for run in filter(None, map(recorded_run, specs)):
        if recorded := read_header(Path(run)).get("options", {}).get("preset"):
            return str(recorded)
    if any(spec.can.has_endpoint for spec in asked):
        return TOGETHER
    if any(spec.is_language_model for spec in asked):
        return "paper"
    return "retrieval" if any(spec.can.knows_sequences for spec in asked) else "broad"


def with_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """With the preset named that a new run has: a later version may have another default, and goes on alike."""
    if options.preset or not find_strategy(options.strategy)[0].has_tree:
        return options
    return replace(options, preset=default_preset(specs))


def members(options: TuneOptions, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """The models of a run with the preset named: where they search together, the policies are among them."""
    if options.preset != TOGETHER or any(asked_as(spec).can.knows_sequences for spec in specs):
        return list(specs)
    if any(spec.can.recorded for spec in specs):
        return list(specs)
    return [*default_models(), *specs]


def with_earlier_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """The same for the options of a run that names none: it was made before presets were written down."""
    if options.preset or not find_strategy(options.strategy)[0].has_tree:
        return options
    reading = any(asked_as(spec).is_language_model for spec in specs)
    return replace(options, preset="paper" if reading else "broad")


def make_strategy(
    options: TuneOptions,
    task: Task,
    catalogue: Catalogue,
    specs: Sequence[ModelSpec] | None = None,
    calls: CallOptions | None = None,
) -> Asking:
    """What ``options.strategy`` names, with ``task.seed``. Raises UsageError.

    specs: the models of "colt" (None: the embedded policies), of no other. calls: of these models.
    """
    specs = specs_for(options.strategy, specs)
    if find_strategy(options.strategy)[0].asks_models:
        options = with_preset(options, specs)
        return ask_models(members(options, specs), task, options.colt_options, catalogue, calls or CallOptions())
    strategy, algorithm = find_strategy(options.strategy)
    search = strategy.made(task, algorithm, with_preset(options, []).colt_options if strategy.has_tree else None)
    return Asking(search, search, note=strategy.note or f"proposed by {strategy.name} search, no model")


@dataclass(frozen=True)
class Hooks:
    """strategy: called once a run. models: by name, in place of connecting to what a specification says.

    remote: other machines that build, check and time; they change no result that has no noise.
    sanitized: builds what the program is a part of, with the program instrumented. diagnoses: whether a miscompile is
    looked into after the search.
    """

    objective: CostObjective | None = None
    check: OwnCheck | None = None
    strategy: StrategyFactory | None = None
    models: Mapping[str, LanguageModel] = field(default_factory=dict)
    remote: RemotePool | None = None
    sanitized: SanitizedBuild | None = None
    diagnoses: bool = True

    def names(self) -> dict[str, str]:
        """What a run's header records of them; empty without any."""
        named = {}
        if self.objective is not None:
            named["objective"] = f"{self.objective.name} of {', '.join(self.objective.needs)}"
        if self.check is not None:
            named["check"] = self.check.name + (" in place of the comparison" if self.check.replaces else "")
        if self.strategy is not None:
            named["strategy"] = name_of(self.strategy)
        if self.models:
            named["models"] = ", ".join(sorted(self.models))
        return named

    def require(self, recorded: Mapping[str, Any], directory: Path) -> None:
        """Refuse to go on with other objects than a run began with. Raises UsageError."""
        given = self.names()
        for kind in ("objective", "check", "strategy", "models"):
            was, now = recorded.get(kind), given.get(kind)
            if was == now:
                continue
            if was is None:
                raise UsageError(f"{directory}: began without {kind} {now}; leave it out, or start a new run")
            raise UsageError(
                f"{directory}: began with {kind} {was}, an object of Python that no file holds; "
                f"give it again: colt_llvm.resume(run, {kind}=...)"
            )

    def options(self, options: TuneOptions) -> TuneOptions:
        """With the baseline and the figures that an own objective has."""
        if self.objective is None:
            return options
        return replace(options, objective=self.objective.base, weights=None)

    def asking(self, task: Task) -> Asking | None:
        """The caller's own search; None without one. Raises UsageError for what is no strategy."""
        if self.strategy is None:
            return None
        chosen = declared(self.strategy)
        strategy = chosen.made(task)
        return Asking(strategy, strategy, note=chosen.note)


def name_of(thing: object) -> str:
    """A function's or class's own name; of another object, that of its class."""
    return str(getattr(thing, "__name__", type(thing).__name__))
