"""Programs of the benchmarks are what they say: answers in one place, changing with the level or from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.generated_programs import PLACES, generate
from benchmarks.nondeterministic_programs import WAYS, unsteady
from benchmarks.plain_clang import Behaviour, Clang, behaviours


@pytest.fixture(scope="module")
def clang() -> Clang:
    return Clang.found()


def of_level(clang: Clang, folder: Path, seed: int, level: str) -> Behaviour:
    program = generate(seed)
    source = folder / "program.c"
    source.write_text(program.text)
    (found,) = behaviours(clang.build(source, ("-w",), level, folder / level), program.args, runs=2)
    return found


def test_a_seed_gives_the_same_program_each_time() -> None:
    assert generate(7) == generate(7)
    assert generate(7).text != generate(13).text
    assert unsteady(7) == unsteady(7)


@pytest.mark.parametrize("place", PLACES)
def test_the_answer_shows_in_one_place_only(place: str, tmp_path: Path, clang: Clang) -> None:
    """The first program of the place that does something else at another level differs there and nowhere else."""
    for seed in range(PLACES.index(place), 60, len(PLACES)):
        low, high = (of_level(clang, tmp_path, seed, level) for level in ("O0", "Oz"))
        if "never ends" not in (low.status, high.status) and low != high:
            assert low.differs_in(high) == {"named": "files", "unnamed": "files", "subfolder": "files"}.get(
                place, place
            )
            return
    pytest.fail(f"of ten programs none changes with the level: {place}")


@pytest.mark.parametrize("way", WAYS)
def test_what_should_differ_from_run_to_run_does(way: str, tmp_path: Path, clang: Clang) -> None:
    program = unsteady(WAYS.index(way))
    assert (program.way, program.place, program.one_in) == (way, "stdout", 1)
    source = tmp_path / "program.c"
    source.write_text(program.text)
    executable = clang.build(source, ("-Wall", "-Werror", *program.ldflags), "Oz", tmp_path / "program")
    assert len(behaviours(executable, [str(tmp_path / "state")], runs=12)) > 1
