"""Runs of colt-llvm with language models, and what each came to, as plain data."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import records
from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.specs import spec_to_dict

Result = dict[str, Any]


class RunFailed(ColtError):
    """colt-llvm ended with an error."""


@dataclass(frozen=True)
class Variant:
    """Who is asked, and how."""

    name: str
    about: str  # for the table
    models: str  # "all", "largest" or "none"
    options: tuple[str, ...] = ()  # of colt-llvm tune


_ALONE = ("--preset", "paper", "--branching", "4", "--proposals", "4")
VARIANTS = (
    Variant("together", "policies and language models, the default", "all"),
    Variant("policies", "the policies alone", "none"),
    Variant("largest", "the largest alone", "largest", _ALONE),
    Variant("random", "the default, next model at random", "all", ("--next-model", "random")),
    Variant("uncorrected", "the default without correction", "all", ("--correct-every", "never")),
    Variant("paper", "the language models without policies", "all", _ALONE),
)


@dataclass(frozen=True)
class Cell:
    """One run. trials: as many as it may make."""

    program: str
    variant: Variant
    seed: int
    trials: int

    @property
    def name(self) -> str:
        return f"{self.program}-{self.variant.name}-{self.trials}-{self.seed}"


def write_models(specs: Sequence[ModelSpec], folder: Path) -> None:
    """The models as a user's own, by name: ``folder`` is to be ``$XDG_CONFIG_HOME``."""
    lines = []
    for spec in specs:
        lines.append("[[model]]")
        values = {name: value for name, value in spec_to_dict(spec).items() if value not in (None, {}, "")}
        lines += [f"{name} = {_toml(value)}" for name, value in values.items()]
    file = folder / "colt-llvm" / "models.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def run(cell: Cell, specs: Sequence[ModelSpec], folder: Path) -> Result:
    """What the run came to. folder: for runs. Raises RunFailed."""
    configuration, directory = folder / f"{cell.name}.models", folder / cell.name
    shutil.rmtree(directory, ignore_errors=True)
    words = ["--trials", str(cell.trials), "--seed", str(cell.seed), "--run-dir", str(directory), *cell.variant.options]
    asked = asked_in(cell.variant, specs)
    if asked:
        write_models(asked, configuration)
        words += ["--models", ",".join(spec.name for spec in asked)]
    result = _tune(cell, words, configuration)
    found = {"cell": cell.name, "program": cell.program, "variant": cell.variant.name, "seed": cell.seed,
             "trials": result["trials"], "ratio": result["ratio"], "seconds": result["elapsed_seconds"],
             "notes": result["notes"], **figures_of(result["models"], [spec.name for spec in asked])}  # fmt: skip
    trials = records.read(directory / "trials.jsonl")
    found |= answers_in(trials, [spec.name for spec in asked])
    if asked:
        again = folder / f"{cell.name}.replay"
        shutil.rmtree(again, ignore_errors=True)
        _tune(cell, ["--trials", str(cell.trials), "--seed", str(cell.seed), "--run-dir", str(again),
                     *cell.variant.options, "--models", f"replay:{directory}"], configuration)  # fmt: skip
        found["replay_same"] = nodes_in(trials) == nodes_in(records.read(again / "trials.jsonl"))
    return found


def asked_in(variant: Variant, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """The language models of a variant."""
    largest = max(specs, key=lambda spec: spec.parameters)
    return {"all": list(specs), "largest": [largest], "none": []}[variant.models]


def _tune(cell: Cell, words: Sequence[str], configuration: Path) -> Result:
    argv = [sys.executable, "-m", "colt_llvm.cli.main", "tune", cell.program, "--objective", "size", "--workers", "1",
            "--json", *words]  # fmt: skip
    environment = {**os.environ, "XDG_CONFIG_HOME": str(configuration.absolute())}
    done = process.run(argv, env=environment, limits=process.Limits(wall_seconds=None))
    if done.status:
        raise RunFailed(f"{cell.name}: {done.stderr.decode(errors='replace').strip() or done.describe_status()}")
    return dict(json.loads(done.stdout))


def figures_of(ledger: Mapping[str, Any], names: Sequence[str]) -> Result:
    """Sums over the language models, of a result's ``models``. largest: answers of the largest of them."""
    accounts = [ledger["models"][name] for name in names]
    keys = ("calls", "answers", "corrections", "prompt_tokens", "cached_tokens",
            "completion_tokens", "cost")  # fmt: skip
    sums: Result = {key: sum(account[key] for account in accounts) for key in keys}
    largest = ledger["models"][ledger["largest"]]["answers"] if names else 0
    hits = sum(round((account["hit_rate"] or 0.0) * account["requests"]) for account in accounts)
    return {**sums, "model_seconds": sum(account["seconds"] for account in accounts), "largest": largest, "hits": hits}


def answers_in(trials: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Result:
    """Of the requests to language models: how many were sound throughout, and how many gave a trial at all.

    A next model that does not exist makes an answer unsound, but it is used.
    """
    sound = used = 0
    for trial in trials:
        request, proposal = trial["request"], trial["proposal"]
        if request["kind"] == "refine" or request.get("given") or (proposal["asked"] or request["model"]) not in names:
            continue
        sound += proposal["error"] is None
        used += proposal["model"] in names
    return {"valid": sound, "used": used, "corrections_better": _better_corrections(trials, names)}


def _better_corrections(trials: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """How many corrections of language models gave more than what they corrected; the search keeps equal ones too."""
    rewards: dict[tuple[int, tuple[str, ...]], float] = {}  # by node and passes, the last one
    better = 0
    for trial in trials:
        request, reward = trial["request"], trial["outcome"]["reward"]
        if reward is None:
            continue
        if request["kind"] == "correct" and trial["proposal"]["model"] in names:
            better += reward > rewards.get((request["node"], tuple(request["rejected"]["passes"])), math.inf)
        rewards[request["node"], tuple(trial["proposal"]["passes"])] = reward
    return better


def nodes_in(trials: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What two runs have to have in common to be the same search."""
    return [(trial["request"], trial["proposal"], trial["outcome"]["key"]) for trial in trials]
