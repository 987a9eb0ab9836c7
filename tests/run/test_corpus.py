"""One recipe for many programs: what a candidate is worth, who loses, what a new program would get, and a whole run."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tune_helpers import EXACT, SOURCE, spawn, trials_of, tune_here

from colt_llvm.cli.main import run
from colt_llvm.core.errors import UsageError
from colt_llvm.core.files import owned_folder
from colt_llvm.decisions.offers import scope_of
from colt_llvm.evaluate.corpus import CorpusObjective, CorpusVerifier, figure_of, prepare_corpus, together
from colt_llvm.evaluate.evaluation import Evaluation, Reference, Standing
from colt_llvm.evaluate.evaluators import Examination, Pool, ProgramEvaluator
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, prepare_target
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.objectives.base import Objective
from colt_llvm.program.program import corpus_of, program_from_dict, program_from_files, program_to_dict
from colt_llvm.program.recipe import load_recipe
from colt_llvm.run.results import leave_one_out

OTHER = """
#include <stdio.h>
static int step(int x) { return x % 2 ? 3 * x + 1 : x / 2; }
int main(void) {
    int longest = 0, at = 0;
    for (int i = 1; i < 300; i++) {
        int length = 0;
        for (int x = i; x != 1; x = step(x)) length++;
        if (length > longest) { longest = length; at = i; }
    }
    printf("%d %d\\n", at, longest);
    return 0;
}
"""


def built(key: str, size: int) -> Built:
    return Built(key, 10, (key.encode(),), size, size, {"main": size})


def test_a_candidate_is_worth_the_geometric_mean_of_the_ratios() -> None:
    objective = CorpusObjective.of(Objective("size"), ["a", "b"])
    before = objective.measured(together([built("a", 100), built("b", 1000)]))
    after = objective.measured(together([built("c", 50), built("d", 2000)]))
    assert objective.reward(after, before) == pytest.approx(0.0)  # in the sum of bytes it would lose
    assert objective.log_ratios(after, before) == pytest.approx({"a": math.log(2), "b": -math.log(2)})
    assert before["size"] == 1100
    assert before[figure_of("b", "size")] == 1000


def test_functions_of_many_programs_are_not_valued_one_by_one() -> None:
    assert not CorpusObjective.of(Objective("size"), ["a"]).additive
    assert together([built("a", 1), built("b", 2)]).parts == {}


def test_left_out_is_what_the_best_for_the_others_does() -> None:
    trials = [
        (1, {"a": 0.3, "b": 0.0, "c": 0.0}),  # the best for all is not what "a" alone would choose for the others
        (2, {"a": -0.1, "b": 0.1, "c": 0.1}),
        (3, {"a": 0.0, "b": 0.05, "c": 0.05}),
    ]
    assert leave_one_out(trials) == {"a": (2, -0.1), "b": (1, 0.0), "c": (1, 0.0)}


def test_left_out_is_the_baseline_where_nothing_is_better_for_the_others() -> None:
    assert leave_one_out([(1, {"a": 0.5, "b": -0.1})]) == {"a": (None, 0.0), "b": (1, -0.1)}
    assert leave_one_out([]) == {}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "parts.c", tmp_path / "other.c"
    first.write_text(SOURCE)
    second.write_text(OTHER)
    (tmp_path / "list.txt").write_text("# two programs\nparts.c --args '9' --cflags=-DNUMBER=1\n\nother.c\n")
    return first, second


def test_a_corpus_comes_back_from_the_journal_as_it_was(sources: tuple[Path, Path]) -> None:
    corpus = corpus_of("two", [program_from_files([source]) for source in (*sources, sources[0])])
    assert [member.name for member in corpus.members] == ["parts-1", "other", "parts-2"]
    assert program_from_dict(json.loads(json.dumps(program_to_dict(corpus)))) == corpus
    assert "members" not in program_to_dict(corpus.members[0])


def test_the_flags_of_all_are_those_of_the_recipe(sources: tuple[Path, Path]) -> None:
    flags = [("-DX", "--target=aarch64-linux-gnu", "-DA"), ("--target=aarch64-linux-gnu", "-DX", "-DB")]
    members = [program_from_files([source], cflags=own) for source, own in zip(sources, flags, strict=True)]
    assert corpus_of("two", members).cflags == ("-DX", "--target=aarch64-linux-gnu")
    mixed = corpus_of("two", [members[0], program_from_files([sources[1]])])
    with pytest.raises(UsageError, match="--target: names one processor for all"):
        prepare_corpus(find_toolchain(), mixed, TuneOptions(objective="size", scopes=("passes",)))


def test_a_corpus_is_no_program(sources: tuple[Path, Path]) -> None:
    corpus = corpus_of("two", [program_from_files([source]) for source in sources])
    with pytest.raises(UsageError, match="two: is a corpus"):
        prepare_target(find_toolchain(), corpus, TuneOptions(objective="size"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": "runtime"}, "--objective runtime: a corpus is tuned for exact figures"),
        ({"objective": "balanced"}, "--objective balanced: a corpus is tuned for exact figures"),
        ({"objective": "size"}, "--scopes call: names parts of one program"),
    ],
)
def test_what_one_recipe_cannot_be_found_for(sources: tuple[Path, Path], options: dict[str, Any], said: str) -> None:
    corpus = corpus_of("two", [program_from_files([source]) for source in sources])
    with pytest.raises(UsageError, match=said):
        prepare_corpus(find_toolchain(), corpus, TuneOptions(**options))


@dataclass
class OneProgram:
    """A verifier that knows which objects are wrong, and counts."""

    wrong: bytes = b""
    checks: list[tuple[bytes, bool]] = field(default_factory=list)
    program_seconds: float = 0.0

    def link(self, objects: tuple[bytes, ...], name: str) -> bytes:
        return objects[0]

    def check(self, executable: bytes, *, thorough: bool, proof: bool) -> bool:
        self.checks.append((executable, thorough))
        if executable == self.wrong:
            raise Miscompiled("workload default: prints 2, not 1")
        return thorough

    def discard(self, executable: bytes) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def verifier(sources: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> CorpusVerifier:
    monkeypatch.setattr("colt_llvm.evaluate.corpus.loaded_digest", lambda data: data.decode())
    corpus = corpus_of("two", [program_from_files([source]) for source in sources])
    members = tuple((Member(member), OneProgram()) for member in corpus.members)
    folder = owned_folder("verify")
    return CorpusVerifier(corpus, TuneOptions(objective="size"), folder, None, folder, _no_link, members=members)  # type: ignore[arg-type]


@dataclass
class Member:
    """A target, as far as a verifier looks at it."""

    program: Any


def _no_link(objects: Any, place: Path) -> Path:
    raise AssertionError("nothing links a corpus")


def test_a_program_that_does_something_else_fails_the_candidate(verifier: CorpusVerifier) -> None:
    verifier.members[1][1].wrong = b"bad"  # type: ignore[attr-defined]
    assert verifier.check(verifier.link((b"a", b"b"), "1"), thorough=True)
    with pytest.raises(Miscompiled, match=r"^other: workload default: prints 2"):
        verifier.check(verifier.link((b"a", b"bad"), "2"), thorough=True)
    with pytest.raises(Miscompiled, match=r"^other: "):  # known by now, and not run again
        verifier.check(verifier.link((b"a", b"bad"), "3"), thorough=False)
    assert verifier.members[1][1].checks == [(b"b", True), (b"bad", True)]  # type: ignore[attr-defined]
    verifier.close()


def test_an_object_is_run_again_where_more_is_wanted(verifier: CorpusVerifier) -> None:
    first = verifier.members[0][1]
    assert not verifier.check(verifier.link((b"a", b"b"), "1"), thorough=False)
    assert verifier.check(verifier.link((b"a", b"b"), "2"), thorough=True)
    assert verifier.check(verifier.link((b"a", b"c"), "3"), thorough=True)
    verifier.check(verifier.link((b"a", b"b"), "4"), thorough=True, proof=True)
    assert first.checks == [(b"a", False), (b"a", True), (b"a", True)]  # type: ignore[attr-defined]
    verifier.close()


@pytest.mark.parametrize(("step", "sizes"), [(0.0, [992, 991, 989, 970, 969]), (0.01, [989, 970])])
def test_dear_checks_are_made_where_much_is_gained(step: float, sizes: list[int]) -> None:
    class Sizes:
        def build(self, sequence: tuple[str, ...]) -> Built:
            return built(sequence[0], int(sequence[0]))

    checked: list[int] = []

    def examiner(objects: tuple[bytes, ...], wanted: Examination) -> Evaluation:
        checked.extend([int(objects[0])] if wanted.thorough else [])
        return Evaluation(None, checked=wanted.thorough)

    reference = Reference(Objective("size"), {"size": 1000.0}, "")
    evaluator = ProgramEvaluator(Pool([Sizes()]), examiner, reference, check_step=step)
    best = 0.0
    for number, size in enumerate((992, 991, 989, 993, 970, 969)):
        so_far = best
        standing = Standing(number, lambda so_far=so_far: so_far, lambda key: None)  # type: ignore[misc]
        found = evaluator.evaluate((str(size),), standing)
        best = max(best, found.reward or 0.0)
    evaluator.close()
    assert checked == sizes


def lines_in(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_one_recipe_is_found_proved_and_survives_kill(
    sources: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--corpus", "list.txt", "--trials", "8", *EXACT)
    child = spawn("tune", *options, "--run-dir", "killed", cwd=tmp_path)
    end = time.monotonic() + 200
    while lines_in(tmp_path / "killed/trials.jsonl") < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.communicate()
    whole = tune_here(capfd, *options, "--run-dir", "whole")
    resumed = tune_here(capfd, "--resume", "killed")
    assert trials_of(tmp_path / "killed") == trials_of(tmp_path / "whole")
    assert resumed["corpus"] == whole["corpus"]
    _check_result(whole)
    made = tmp_path / "made.o"
    compiler = Path(sys.executable).parent / "colt-cc"
    words = ["--recipe", "whole/recipe.json", "-O2", "-c", sources[1], "-o", made]
    subprocess.run([compiler, *words], check=True, env={**os.environ, "COLT_STRICT": "1"})
    assert section_sizes(made.read_bytes()).loaded_bytes == whole["corpus"]["programs"]["other"]["tuned"]
    assert run(["tune", "--resume", "whole"]) == 0  # nothing to do but the table
    said = capfd.readouterr().out
    assert f"geometric mean of 2 programs: {whole['ratio']:.4f}x" in said
    assert "left out:" in said


def _check_result(result: dict[str, Any]) -> None:
    assert result["verdict"] == "improved"
    programs = result["corpus"]["programs"]
    assert set(programs) == {"parts", "other"}
    for row in programs.values():
        assert row["ratio"] == pytest.approx(row["baseline"] / row["tuned"])
    assert math.prod(row["ratio"] for row in programs.values()) ** 0.5 == pytest.approx(result["ratio"])
    assert {scope_of(name) for name in load_recipe(Path(result["recipe"])).sequence} <= {"passes", "module"}
