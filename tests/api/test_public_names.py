"""What ``import colt_llvm`` offers: light, whole, documented, and what goes wrong told in one line."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import colt_llvm
from colt_llvm.core.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = sorted(set(colt_llvm.__all__) - {"__version__"})


def in_a_process(code: str) -> str:
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_names_are_loaded_only_when_they_are_used() -> None:
    said = in_a_process(
        "import sys, colt_llvm; dir(colt_llvm)\n"
        "print(sorted({'numpy', 'compiler_gym', 'openai', 'click', 'rich'} & set(sys.modules)))\n"
        "colt_llvm.Program; print('numpy' in sys.modules); print(callable(colt_llvm.tune))"
    )
    assert said.split("\n")[:3] == ["[]", "False", "True"]


def test_tune_can_be_called_after_its_package_was_imported() -> None:
    said = in_a_process(
        "import colt_llvm.evaluate.options, colt_llvm\nfrom colt_llvm import tune\n"
        "assert colt_llvm.evaluate.options.TuneOptions\n"
        "for call in (tune, colt_llvm.tune):\n"
        "    try: call('no-such-program')\n"
        "    except colt_llvm.UsageError as error: print(error)"
    )
    assert said.count("no such file, and no included program") == 2


def test_every_public_name_is_there_and_typed() -> None:
    assert set(PUBLIC) == set(colt_llvm._HOMES)
    tree = ast.parse(Path(colt_llvm.__file__).read_text(encoding="utf-8"))
    typed = {
        (node.module, alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(f"colt_llvm.{module}", name) for name, module in colt_llvm._HOMES.items()}
    assert set(PUBLIC) <= set(dir(colt_llvm))
    assert (ROOT / "colt_llvm" / "py.typed").exists()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'tunes'"):
        colt_llvm.tunes  # noqa: B018


def test_tune_takes_every_option_by_name() -> None:
    from colt_llvm.api import TuneArguments

    options = {field.name for field in dataclasses.fields(colt_llvm.TuneOptions)}
    assert options - {"objective", "strategy", "check"} <= TuneArguments.__optional_keys__


def described(name: str) -> Any:
    from colt_llvm import api

    return api.tune if name == "tune" else getattr(colt_llvm, name)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = described(name)
    assert thing.__doc__
    assert not thing.__doc__.startswith(f"{name}(")  # that is what a dataclass writes of itself
    for method, function in vars(thing).items() if inspect.isclass(thing) else ():
        inherited = any(method in vars(base) for base in thing.__mro__[1:])
        if inspect.isfunction(function) and not method.startswith("_") and not inherited:
            assert function.__doc__, f"{name}.{method}"


def raised(function: Any) -> Iterator[str]:
    """The errors of ours that stand in the function's own text."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except OSError:  # a dataclass wrote it
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            yield node.exc.func.id


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_which_errors_it_raises(name: str) -> None:
    thing = described(name)
    functions = [thing] if inspect.isfunction(thing) else []
    if inspect.isclass(thing):
        functions += [f for f in vars(thing).values() if inspect.isfunction(f) and f.__module__ == thing.__module__]
    for function in functions:
        if function.__name__.startswith("_") and not function.__name__.startswith("__"):
            continue
        told = (function.__doc__ or "") + (thing.__doc__ or "")
        for error in raised(function):
            assert error in told or error == "NotImplementedError", f"{name}.{function.__name__} raises {error}"


def cost(figures: Any) -> float:
    return 1.0


class Answers:
    spec = colt_llvm.ModelSpec("mine", kind="python", parameters=1e9)

    def ask(self, prompt: Any, timeout_seconds: float) -> Any:
        raise AssertionError

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"objectiv": "size"}, "did you mean objective?"),
        ({"trial": 3}, "did you mean trials?"),
        ({"objective": "beauty"}, "use one of"),
        ({"objective": 3}, "a function from figures to a cost"),
        ({"strategy": "annealing"}, "use one of"),
        ({"strategy": 3}, "a function that makes a strategy"),
        ({"strategy": cost, "models": "random"}, "leave out models"),
        ({"models": []}, "leave models out"),
        ({"models": [object()]}, "an object with spec, ask and close"),
        ({"models": [Answers(), Answers()]}, "mine is named twice"),
        ({"check": "diff"}, "give one that takes a ProgramRun"),
        ({"sources": colt_llvm.Program("p", (Path("p.c"),)), "cflags": ["-g"]}, "dataclasses.replace"),
        ({"sources": []}, "name a program"),
    ],
)  # fmt: skip
def test_refuses_what_means_nothing_in_one_line(given: dict[str, Any], remedy: str) -> None:
    sources = given.pop("sources", "sha256") if "sources" in given else "sha256"
    with pytest.raises(UsageError) as caught:
        colt_llvm.tune(sources, **given)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_an_object_is_found_by_no_name() -> None:
    from colt_llvm.models.registry import connect

    with pytest.raises(UsageError, match=r"models=\[object\]"):
        connect(Answers.spec)


def test_resume_asks_for_the_objects_of_the_run(tmp_path: Path) -> None:
    header = {
        "version": 1, "program": {"name": "p", "sources": [], "harness": [], "cflags": [], "ldflags": [],
        "workloads": [{"name": "w", "command": ["{exe}"], "stdin": None, "outputs": [], "cwd": None, "timed": True,
                       "expected_stdout": None}], "check": {"float_tolerance": 0.0}},
        "options": {}, "models": [], "sources": {}, "llvm": colt_llvm.find_toolchain().version,
        "hooks": {"check": "right", "objective": "cost of size, text, instructions"},
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(header))

    def right(run: Any) -> None: ...

    for given, remedy in (
        ({}, "began with objective cost of size, text, instructions.*give it again"),
        ({"objective": cost}, "began with check right.*check="),
        ({"objective": cost, "check": colt_llvm.OwnCheck(right, replaces=True)}, "began with check right"),
        ({"objective": cost, "check": right, "strategy": cost}, "began without strategy cost"),
        ({"objective": "size"}, "keeps its objective"),
        ({"trials": 3, "workers": 2}, "'workers' is the run's own"),
    ):
        with pytest.raises(UsageError, match=remedy):
            colt_llvm.resume(tmp_path, **given)  # type: ignore[arg-type]
