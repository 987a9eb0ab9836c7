"""Options of code generation in a pipeline: whoever builds with it makes the same object, anywhere and each time."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

import colt_llvm
from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.cc.compile import Steps, Unit, compile_unit
from colt_llvm.builds.whole_program.objects import make_object
from colt_llvm.cli.main import run
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Target, prepare_target
from colt_llvm.llvm.decision import SWITCHES
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.program import program_from_files, programs_directory
from colt_llvm.program.recipe import load_recipe

pytestmark = pytest.mark.llvm

NAMES = tuple(f"{switch}<*>" for switch in SWITCHES)
OBJECTIVE = "size"


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return Path(shutil.copy(programs_directory() / "lz77" / "lz77.c", tmp_path))


@pytest.fixture
def target(toolchain: Toolchain, source: Path) -> Target:
    return prepare_target(toolchain, program_from_files([str(source)]), TuneOptions(objective=OBJECTIVE))


@pytest.mark.needs("LLVM 20+")  # for apply-ext-tsp-for-size
def test_all_ways_to_build_give_the_same_object(target: Target, source: Path, tmp_path: Path) -> None:
    pipeline = target.sequences.pipeline(NAMES)
    wanted = target.rebuild(pipeline).key
    assert wanted != target.baseline_built.key
    for codegen in ("library", "clang"):
        with Builder(target, codegen) as builder:
            keys = [builder.build(names).key for names in (NAMES, (), NAMES, ("optspeed<*>",), NAMES[:1], NAMES)]
        assert [keys[0], keys[2], keys[5]] == [wanted] * 3, codegen
        assert keys[1] == target.baseline_built.key, codegen
        assert keys[4] != wanted

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(source, elsewhere)
    steps = Steps(str(target.toolchain.clang), target.toolchain.library, "Oz", pipeline)
    unit = Unit(parse(["-Oz", "-c", source.name, "-o", "made.o"], False), elsewhere)
    compile_unit(unit, steps, elsewhere, elsewhere / "made.o")
    assert loaded_digest((elsewhere / "made.o").read_bytes()) == wanted
    assert loaded_digest(make_object(steps, target.baseline.bitcodes[0], (), elsewhere)) == wanted


class Switched(colt_llvm.SequenceSearch):
    """Proposes all switches, then one by one."""

    def __init__(self, task: Any) -> None:
        super().__init__("switched", colt_llvm.ActionSet(task.passes, task.edits), task.seed)
        assert set(NAMES) <= set(task.edits)

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return NAMES if request_id == 0 else (NAMES[request_id % len(NAMES)],)


@pytest.mark.needs("LLVM 20+")  # for apply-ext-tsp-for-size
def test_a_recipe_of_a_search_is_applied_in_another_folder_to_the_bytes_that_were_measured(
    source: Path, tmp_path: Path
) -> None:
    workload = colt_llvm.Workload("run", ("{exe}", "5000", "4", "3"))
    result = colt_llvm.tune(
        source, objective=OBJECTIVE, trials=4, seed=1, workers=1, strategy=Switched, scopes=("passes", "module"),
        run_directory=tmp_path / "run", output=tmp_path / "tuned", workloads=[workload],
    )  # fmt: skip
    assert result.verdict == "improved"
    recipe = load_recipe(tmp_path / "run" / "recipe.json")
    assert set(recipe.sequence) <= set(NAMES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy = Path(shutil.copy(source, elsewhere))
    command = ["apply", str(tmp_path / "run" / "recipe.json"), str(copy), "--strict", "-o", str(elsewhere / "made.o")]
    assert run(command) == 0
    assert loaded_digest((elsewhere / "made.o").read_bytes()) == recipe.objects[0]
