"""The benchmarks of trust in short: some programs of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from benchmarks.generated_programs import PLACES, generate
from benchmarks.nondeterministic_programs import WAYS, unsteady
from benchmarks.plain_clang import Clang
from benchmarks.trust_generated import Case, compare
from benchmarks.trust_generated import examine as tune_generated
from benchmarks.trust_nondeterministic import examine as tune_unsteady
from colt_llvm.run import tuner

#: Ways and places mixed: each way once, each place twice, always or in one run of two or three.
UNSTEADY = [way + len(WAYS) * (way % 5) + 5 * len(WAYS) * (way % 4) for way in range(len(WAYS))]
#: Each place for each objective; by default each place once, and three of them for each objective.
GENERATED = [pytest.param(seed, marks=[pytest.mark.exhaustive] if 3 <= seed < 9 else []) for seed in range(12)]


def sampled(seeds: Sequence[int]) -> list[ParameterSet]:
    """By default every second one."""
    return [pytest.param(seed, marks=[pytest.mark.exhaustive] if place % 2 else []) for place, seed in enumerate(seeds)]


@pytest.fixture(scope="module")
def clang() -> Clang:
    return Clang.found()


def case_of(seed: int, folder: Path) -> Case:
    program = generate(seed)
    source = folder / f"{program.name}.c"
    source.write_text(program.text)
    (folder / "runs").mkdir()
    objective = ("size", "instructions")[seed // len(PLACES) % 2]
    return Case(program.name, source, objective, program.place, program.traps, program.args, program.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", GENERATED)
def test_no_wrong_program_is_called_improved(
    seed: int, tmp_path: Path, clang: Clang, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "DIAGNOSIS_SECONDS", 0.0)
    found = tune_generated(case_of(seed, tmp_path), seed, tmp_path, clang, clang.folder.parent)
    assert found["verdict"] in ("improved", "no improvement found"), found
    assert not found["wrong"], found
    if seed == 1:  # its answer is on standard error alone, and most of what is tried changes it
        assert found["failures"]["miscompile"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", sampled(UNSTEADY), ids=lambda seed: f"{unsteady(seed).way}, {unsteady(seed).place}")
def test_a_program_that_differs_by_itself_is_not_improved_and_no_pass_is_blamed(
    seed: int, tmp_path: Path, clang: Clang
) -> None:
    found = tune_unsteady(seed, tmp_path, clang, clang.folder.parent)
    assert not found["wrong"], found
    assert not found["blamed"], found


@pytest.mark.parametrize("seed", sampled([12, 1, 2, 3, 4, 5]))
def test_the_verifier_of_the_benchmark_sees_another_program_in_each_place(
    seed: int, tmp_path: Path, clang: Clang
) -> None:
    """These do something else at -O0, one in each place."""
    case = case_of(seed, tmp_path)
    other, same = (clang.build(case.source, case.flags, level, tmp_path / level) for level in ("O0", "Oz"))
    place = case.place if case.place in ("stdout", "stderr", "status") else "files"
    assert compare(case, other, tmp_path, clang)["wrong"] == place
    assert compare(case, same, tmp_path, clang)["wrong"] == ""
