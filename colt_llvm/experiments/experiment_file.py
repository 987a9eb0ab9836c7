"""An experiment from a TOML file, from options, or from both. A wrong value is one line: file, key, remedy."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments.experiment import Budget, Experiment, StrategySpec, SuiteSpec, is_number, number_list, safe

if TYPE_CHECKING:
    from typing_extensions import Unpack

_toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_KEYS = ("objectives", "seeds", "budgets", "suite", "strategy")
_BUDGET_KEYS = ("trials", "seconds")
_STRATEGY_KEYS = ("label", "strategy", "models", "preset", "search", "max_cost", "scopes")
_SUITE_KEYS = (
    "kind", "name", "split", "programs", "path", "seeds", "dataset", "cflags", "ldflags", "timeout_seconds",
)  # fmt: skip

T = TypeVar("T")


def packaged() -> dict[str, Path]:
    """The experiments that come with the package, by name."""
    folder = Path(__file__).with_name("included")
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def load_experiment(name: str | Path) -> Experiment:
    """A TOML file, or the name of a packaged one. Raises UsageError."""
    file = Path(name)
    if not file.suffix and not file.is_file():
        if str(name) not in packaged():
            raise UsageError(f"{name}: no such file, and no packaged experiment; those are {', '.join(packaged())}")
        file = packaged()[str(name)]
    try:
        data = _toml.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name a file that can") from None
    except (_toml.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: {str(error).splitlines()[0]}; fix the TOML") from None
    try:
        return experiment_of(data, file.absolute().parent)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


def experiment_of(data: Mapping[str, Any], folder: Path) -> Experiment:
    """From parsed TOML. folder: what relative paths in it begin at. Raises UsageError."""
    _refuse_unknown(data, _KEYS, "the file")
    given: dict[str, Any] = {}
    if "objectives" in data:
        given["objectives"] = _texts(data["objectives"], "objectives")
    if "seeds" in data:
        given["seeds"] = _numbers(data["seeds"], "seeds")
    if "budgets" in data:
        given["budgets"] = tuple(_tables(data["budgets"], "budgets", _budget))
    return Experiment(
        suites=tuple(_tables(data.get("suite", []), "suite", lambda table: _suite(table, folder))),
        strategies=tuple(_tables(data.get("strategy", []), "strategy", lambda table: _strategy(table, folder))),
        **given,
    )


class Changes(TypedDict, total=False):
    """What options say in place of an experiment's own values; None: nothing. Lists have commas between."""

    programs: str | None  #: names, a split, or all
    strategies: str | None  #: labels of the experiment, or names
    objectives: str | None
    seeds: str | None
    trials: int | None
    seconds: float | None


def with_options(experiment: Experiment | None, **changes: Unpack[Changes]) -> Experiment:
    """The experiment with what options say; without a file, one of the included programs. Raises UsageError."""
    programs, strategies, objectives = changes.get("programs"), changes.get("strategies"), changes.get("objectives")
    seeds, trials, seconds = changes.get("seeds"), changes.get("trials"), changes.get("seconds")
    if experiment is None:
        chosen = [StrategySpec(name, name) for name in _split(strategies or "colt,random")]
        experiment = Experiment((SuiteSpec("included", split="held-out"),), tuple(chosen))
    elif strategies is not None:
        labels = [spec.label for spec in experiment.strategies]
        experiment = replace(experiment, strategies=_chosen(experiment.strategies, _labels(strategies, labels)))
    if programs is not None:
        experiment = replace(experiment, suites=_narrowed(experiment.suites, programs))
    if objectives is not None:
        experiment = replace(experiment, objectives=tuple(_split(objectives)))
    if seeds is not None:
        experiment = replace(experiment, seeds=number_list(seeds, "--seeds"))
    budgets = [Budget(trials=trials)] if trials is not None else []
    budgets += [Budget(seconds=seconds)] if seconds is not None else []
    return replace(experiment, budgets=tuple(budgets)) if budgets else experiment


def _chosen(strategies: Sequence[StrategySpec], names: Sequence[str]) -> tuple[StrategySpec, ...]:
    chosen = []
    for name in names:
        found = [spec for spec in strategies if safe(name) == safe(spec.label)]
        found = found or [spec for spec in strategies if spec.strategy == name]
        if not found:
            known = ", ".join(spec.label for spec in strategies)
            raise UsageError(f"--strategies {name}: the experiment has none of that name; it has {known}")
        chosen += [spec for spec in found if spec not in chosen]
    return tuple(chosen)


def _labels(text: str, labels: Sequence[str]) -> list[str]:
    """What stands between commas, but a label that itself has some is left whole."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names: list[str] = []
    start = 0
    while start < len(parts):
        ends = range(len(parts), start + 1, -1)
        end = next((end for end in ends if ", ".join(parts[start:end]) in labels), start + 1)
        names.append(", ".join(parts[start:end]))
        start = end
    return names


def _narrowed(suites: Sequence[SuiteSpec], text: str) -> tuple[SuiteSpec, ...]:
    if text in ("all", "train", "held-out"):
        split = "" if text == "all" else text
        return tuple(replace(suite, split=split, programs=()) if suite.kind == "included" else suite
                     for suite in suites)  # fmt: skip
    return tuple(replace(suite, split="", programs=tuple(_split(text))) for suite in suites)


def _split(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return list(dict.fromkeys(names))


def _budget(table: Mapping[str, Any]) -> Budget:
    _refuse_unknown(table, _BUDGET_KEYS, "budgets")
    for key, value in table.items():
        if not is_number(value):
            raise UsageError(f"budgets: {key} = {value!r}: use a number")
    return Budget(**table)


def _strategy(table: Mapping[str, Any], folder: Path) -> StrategySpec:
    where = f"strategy {table.get('label') or table.get('strategy') or ''}".strip()
    _refuse_unknown(table, _STRATEGY_KEYS, where)
    name = _text(table.get("strategy"), f"{where}: strategy")
    models = table.get("models", [])
    listed = _texts([models] if isinstance(models, str) else models, f"{where}: models")
    search = table.get("search", {})
    if not isinstance(search, Mapping):
        raise UsageError(f"{where}: search is a table, as [strategy.search]")
    cost = table.get("max_cost")
    if cost is not None and not is_number(cost):
        raise UsageError(f"{where}: max_cost = {cost!r}: use a number")
    changes = {key: None if value == "never" else value for key, value in search.items()}  # TOML has no null
    return StrategySpec(
        label=_text(table.get("label", name), f"{where}: label"),
        strategy=name,
        models=tuple(str(folder / item) if item.endswith(".toml") else item for item in listed),
        preset=_text(table["preset"], f"{where}: preset") if "preset" in table else "",
        search=changes,
        max_cost=cost,
        scopes=tuple(_texts(table["scopes"], f"{where}: scopes")) if "scopes" in table else (),
    )


def _suite(table: Mapping[str, Any], folder: Path) -> SuiteSpec:
    where = f"suite {table.get('name') or table.get('kind') or ''}".strip()
    _refuse_unknown(table, _SUITE_KEYS, where)
    given: dict[str, Any] = {"kind": _text(table.get("kind"), f"{where}: kind")}
    for key in ("name", "split", "dataset"):
        if key in table:
            given[key] = _text(table[key], f"{where}: {key}")
    for key in ("programs", "cflags", "ldflags"):
        if key in table:
            given[key] = _texts(table[key], f"{where}: {key}")
    if "path" in table:
        given["path"] = folder / Path(_text(table["path"], f"{where}: path")).expanduser()
    if "seeds" in table:
        given["seeds"] = _numbers(table["seeds"], f"{where}: seeds")
    if "timeout_seconds" in table:
        if not is_number(table["timeout_seconds"]):
            raise UsageError(f"{where}: timeout_seconds = {table['timeout_seconds']!r}: use a number")
        given["timeout_seconds"] = float(table["timeout_seconds"])
    return SuiteSpec(**given)


def _tables(value: Any, key: str, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise UsageError(f"{key}: is a list of tables; write each as [[{key}]], or {key} = [{{ ... }}]")
    return [make(item) for item in value]


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{what}: is missing, or no text in quotes; give it")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise UsageError(f'{what}: is a list of texts, such as ["a", "b"]')
    return tuple(value)


def _numbers(value: Any, what: str) -> tuple[int, ...]:
    if isinstance(value, str):
        return number_list(value, what)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise UsageError(f'{what}: is a list of whole numbers, such as [1, 2, 3], or "1-5"')
    return tuple(value)


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key!r}; {hint}")
