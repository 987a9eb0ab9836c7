"""``colt-llvm minimize``, what each action contributes, and the function shown, on real programs and compilers."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Sequences
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.explain import hot_function as hot
from colt_llvm.explain.contributions import contributions, read_contributions
from colt_llvm.explain.hot_function import hot_function, read_hot_function
from colt_llvm.explain.minimize import minimize
from colt_llvm.explain.variants import Variants
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.measure.samples import CannotProfile, symbol_samples
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program, Workload, load_program, program_to_dict, programs_directory
from colt_llvm.program.recipe import Recipe, apply_recipe, load_recipe, opt_lines, save_recipe, source_digests
from colt_llvm.run.journal import VERSION

SEQUENCE = ("sroa", "without<indvars>", "dce")


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return installed_toolchains()[0]


def short(name: str) -> Program:
    """An included program with its quick workloads alone."""
    program = load_program(programs_directory() / name)
    return replace(program, workloads=tuple(replace(workload, timed=True) for workload in program.workloads[1:3]))


def recipe_of(toolchain: Toolchain, program: Program, objective: str, sequence: Sequence[str]) -> Recipe:
    baseline = prepare_baseline(toolchain, program, objective)
    pipeline = Sequences(toolchain_catalogue(toolchain), baseline).pipeline(sequence)
    draft = Recipe(
        program.name, objective, baseline.level, tuple(sequence), pipeline, program.cflags, program.ldflags,
        toolchain.version, toolchain.triple, source_digests(program), (),
        opt_lines(toolchain, program, baseline.level, pipeline), {"ratio": 1.01},
    )  # fmt: skip
    return replace(draft, objects=tuple(map(loaded_digest, apply_recipe(draft, toolchain, program))))


@pytest.fixture(scope="module")
def program() -> Program:
    return short("crc_adler")


@pytest.fixture(scope="module")
def saved(toolchain: Toolchain, program: Program) -> Recipe:
    return recipe_of(toolchain, program, "size", SEQUENCE)


@pytest.fixture
def place(saved: Recipe, tmp_path: Path) -> Path:
    save_recipe(saved, tmp_path / "recipe.json")
    return tmp_path / "recipe.json"


def size_of(recipe: Recipe, toolchain: Toolchain, program: Program) -> int:
    return sum(section_sizes(data).loaded_bytes for data in apply_recipe(recipe, toolchain, program))


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    status = run(["minimize", *map(str, arguments)])
    err = capfd.readouterr().err
    assert err.count("\n") == 1, err
    return status, err


# --- minimize


def test_a_recipe_loses_what_does_not_pay_and_is_one_that_apply_takes(
    place: Path, saved: Recipe, toolchain: Toolchain, program: Program, tmp_path: Path
) -> None:
    found = minimize(place, toolchain, program)
    before, after = (size_of(recipe, toolchain, program) for recipe in (saved, found.recipe))
    assert after <= before
    assert found.complete
    assert 0 < len(found.recipe.sequence) < len(SEQUENCE)
    assert sorted((*found.recipe.sequence, *found.dropped)) == sorted(SEQUENCE)
    assert found.ratio >= found.ratio_before
    save_recipe(found.recipe, tmp_path / "new.json")
    reread = load_recipe(tmp_path / "new.json")
    assert reread.objects == tuple(map(loaded_digest, apply_recipe(reread, toolchain, program)))
    assert reread.evidence["minimized_from"]["sequence"] == list(SEQUENCE)
    assert reread.evidence["size"]["tuned"] == after
    assert reread.opt != saved.opt


def test_the_command_writes_beside_the_recipe_and_finds_the_program_itself(
    place: Path, saved: Recipe, toolchain: Toolchain, program: Program, capfd: pytest.CaptureFixture[str]
) -> None:
    header = {"version": VERSION, "program": program_to_dict(program), "options": {"objective": "size"}}
    (place.parent / "run.json").write_text(json.dumps(header))
    prefix = ("--llvm-prefix", str(toolchain.prefix))
    assert run(["minimize", str(place.parent), *prefix, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    new = place.parent / "recipe.min.json"
    assert result["recipe"] == str(new)
    assert load_recipe(new).sequence == tuple(result["sequence"])
    assert len(result["sequence"]) < len(saved.sequence)
    status = run(["apply", str(new), "crc_adler", "--strict", "-o", str(place.parent / "tuned"), *prefix])
    assert status == 0, capfd.readouterr().err
    header["hooks"] = {"objective": "f of size"}
    (place.parent / "run.json").write_text(json.dumps(header))
    assert "Python function" in refusal(capfd, place)[1]


def test_sources_named_by_hand_run_as_the_options_say(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without its argument and its input the program fails, so that its baseline could not be verified."""
    source = tmp_path / "echo.c"
    source.write_text(
        "#include <stdio.h>\n#include <time.h>\n"
        'int main(int argc, char **argv) { int c, n = 0; FILE *f = fopen("out", "w"); if (argc < 2) return 1;\n'
        "  while ((c = getchar()) != EOF) { putchar(c); fputc(c, f); n++; } struct timespec t;\n"
        "  if (*argv[1] == 'r') fprintf(f, \"%d\", (clock_gettime(CLOCK_REALTIME, &t), (int)t.tv_nsec));\n"
        "  if (*argv[1] == 'f') printf(\"%.12f\", 1 + (clock_gettime(CLOCK_REALTIME, &t), t.tv_nsec * 1e-18));\n"
        "  return fclose(f) || n == 0 ? 1 : *argv[1] == '3' ? 3 : 0; }\n"
    )
    (tmp_path / "text").write_text("some words\n")
    recipe = recipe_of(toolchain, Program("echo", (source,)), "size", ("sroa", "dce"))
    save_recipe(recipe, tmp_path / "recipe.json")
    monkeypatch.chdir(tmp_path)

    def said(*options: str) -> str:
        prefix = ("--llvm-prefix", str(toolchain.prefix))
        assert run(["minimize", "recipe.json", "echo.c", *options, *prefix]) != 0
        return capfd.readouterr().err

    reported = "no better than the baseline"  # of so little nothing can be gained
    assert "--allow-nonzero" in said()
    assert reported in said("--args", "x", "--stdin", "text")
    assert "ends with exit status 3" in said("--args", "3", "--stdin", "text")
    assert reported in said("--args", "3", "--stdin", "text", "--allow-nonzero")
    assert reported in said("--args", "r", "--stdin", "text")
    assert "differs from run to run" in said("--args", "r", "--stdin", "text", "--output-file", "out")
    assert "differs from run to run" in said("--args", "f", "--stdin", "text")
    assert reported in said("--args", "f", "--stdin", "text", "--float-tolerance", "1e-6")
    assert "--timeout" in said("--args", "x", "--stdin", "text", "--timeout", "-1")


def test_a_candidate_that_does_something_else_is_not_taken(
    place: Path, toolchain: Toolchain, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: Verifier, executable: Path, **_: object) -> bool:
        if executable.name != "variant-1":  # the full recipe
            raise Miscompiled("workload default: other output")
        return True

    monkeypatch.setattr(Verifier, "check", wrong)
    found = minimize(place, toolchain, program)
    # Only what leaves the object code as it is may go.
    assert found.recipe.objects == load_recipe(place).objects
    measured = contributions(place, toolchain, program, save=False)
    assert any(item.failure.startswith("miscompile: workload default") for item in measured)
    assert all(item.ratio is None for item in measured if item.failure)


def test_each_refusal_is_one_line_with_a_remedy(
    place: Path, program: Program, toolchain: Toolchain, capfd: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capfd, place)[0] == 2  # nothing says what the program is
    assert refusal(capfd, place.parent / "none.json", "crc_adler")[0] == 7
    assert refusal(capfd, place, "crc_adler", "-o", place)[0] == 2
    assert refusal(capfd, place, "crc_adler", "-o", "new.txt")[0] == 2
    assert "0.5%" in refusal(capfd, place, "crc_adler", "--tolerance", "much")[1]
    assert refusal(capfd, place, "crc_adler", "--tolerance", "2")[0] == 2
    assert refusal(capfd, place, "crc_adler", "--seconds", "0")[0] == 2
    assert "--args: goes with sources" in refusal(capfd, place, "--args", "9")[1]
    assert "{exe}" in refusal(capfd, place, "crc_adler", "--run", "nothing")[1]
    (place.parent / "unit.colt").write_text("{}")
    assert "a build of many files" in refusal(capfd, place.parent / "unit.colt", "crc_adler")[1]
    (place.parent / "units.json").write_text('{"kind": "colt-llvm unit recipes"}')
    assert "a build of many files" in refusal(capfd, place.parent / "units.json", "crc_adler")[1]
    (place.parent / "empty").mkdir()
    assert "nothing better was found" in refusal(capfd, place.parent / "empty")[1]
    other = place.parent / "crc_adler.c"
    other.write_text(program.sources[0].read_text() + "\n/* changed */\n")
    assert "has changed since it was tuned" in refusal(capfd, place, other)[1]
    save_recipe(replace(load_recipe(place), llvm="21.1.0"), place)
    assert "--llvm-prefix" in refusal(capfd, place, "crc_adler", "--llvm-prefix", toolchain.prefix)[1]


# --- contributions


def test_each_action_is_left_out_in_turn_and_what_changes_nothing_is_told_apart(
    place: Path, saved: Recipe, toolchain: Toolchain, program: Program
) -> None:
    assert read_contributions(place.parent) is None
    steps: list[tuple[int, int]] = []
    found = contributions(place, toolchain, program, on_step=lambda done, of: steps.append((done, of)))
    assert steps[-1] == (len(SEQUENCE), len(SEQUENCE))
    assert [item.action for item in found] == list(SEQUENCE)
    whole = size_of(saved, toolchain, program)
    edit = found.actions[1]
    recipe = recipe_of(toolchain, program, "size", ("sroa", "dce"))
    assert edit.figures["size"] == size_of(recipe, toolchain, program)
    assert edit.factor == pytest.approx(edit.figures["size"] / whole)
    for item in found:
        assert item.checked
        assert not item.no_effect or item.figures["size"] == whole
        assert item.ratio == pytest.approx(found.ratio / (item.factor or 0))
    assert any(item.factor is not None and item.factor > 1 for item in found)
    assert read_contributions(place.parent) == found
    (place.parent / "contributions.json").write_text('{"kind": "other"}')
    with pytest.raises(RunDirectoryError, match="measured again"):
        read_contributions(place.parent)


@pytest.mark.exhaustive
def test_run_times_are_measured_beside_the_full_recipe_and_the_baseline(
    toolchain: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With times that are made up, so that they repeat: 0.8 s of the full recipe, 0.9 s without something."""
    save_recipe(recipe_of(toolchain, program, "runtime", ("without<loop-unroll>", "dce")), tmp_path / "recipe.json")
    ticks = iter(range(10**6))

    def time(self: Timer, executable: Path) -> float:
        seconds = {"baseline": 1.0, "control": 1.0, "variant-1": 0.8}.get(executable.name, 0.9)
        return seconds * (1 + (next(ticks) % 5) * 1e-4)

    monkeypatch.setattr(Timer, "time", time)
    monkeypatch.setattr(Timer, "why_in_turn", lambda self, count: "a double")
    found = contributions(tmp_path / "recipe.json", toolchain, program, seconds=30)
    assert found.rounds >= 8
    assert found.ratio == pytest.approx(1 / 0.8, rel=1e-3)
    unrolled = found.actions[0]
    assert unrolled.ratio == pytest.approx(1 / 0.9, rel=1e-3)
    assert unrolled.factor == pytest.approx(0.9 / 0.8, rel=1e-3)
    assert unrolled.factor_interval is not None
    assert unrolled.factor_interval[0] <= unrolled.factor <= unrolled.factor_interval[1]
    for item in found:
        if item.no_effect:
            assert (item.factor, item.ratio) == (1.0, found.ratio)


# --- the function


def test_the_function_that_shrank_most_is_shown_as_both_builds_have_it(
    place: Path, toolchain: Toolchain, program: Program
) -> None:
    assert read_hot_function(place.parent) is None
    found = hot_function(place, toolchain, program)
    assert found.sequence == SEQUENCE
    assert found.kind == "assembly"
    assert "shrank most" in found.why
    assert found.before != found.after
    assert 0 < len(found.before.splitlines()) <= 400
    assert "ret" in found.before or "more lines" in found.before
    assert ".cfi" not in found.before + found.after
    assert read_hot_function(place.parent) == found
    (place.parent / "hot-function.json").write_text("[]")
    with pytest.raises(RunDirectoryError, match="looked up again"):
        read_hot_function(place.parent)


def test_for_a_count_of_instructions_the_function_is_shown_as_ir(toolchain: Toolchain, tmp_path: Path) -> None:
    program = short("crc_adler")
    save_recipe(recipe_of(toolchain, program, "instructions", ("without<licm>",)), tmp_path / "recipe.json")
    found = hot_function(tmp_path / "recipe.json", toolchain, program, save=False)
    assert found.kind == "IR"
    assert found.before.startswith("define ")
    assert not (tmp_path / "hot-function.json").exists()


@pytest.mark.exhaustive
def test_of_a_run_time_the_function_is_where_the_time_goes(
    toolchain: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(toolchain, program, "runtime", ("without<licm>",))
    options = TuneOptions(objective="runtime")
    with Variants.of(recipe, program, toolchain, options) as variants:
        texts = [{"main": "a", "hot": "b"}, {"main": "c"}]
        samples = Counter({"hot": 6, "main": 3, "memcpy": 1})
        monkeypatch.setattr(hot, "symbol_samples", lambda *_: samples)
        found = hot._hottest(variants, variants.target.baseline.bitcodes, texts)
        assert (found.name, found.share, found.before, found.after) == ("main", 0.3, "a", "c")
        assert "hot, with 60%, has no code of its own" in found.why
        samples["main"] = 0
        found = hot._hottest(variants, variants.target.baseline.bitcodes, texts)
        assert (found.name, found.share, found.after) == ("hot", pytest.approx(6 / 7), "")
        monkeypatch.setattr(hot, "symbol_samples", symbol_samples)
        monkeypatch.setattr("shutil.which", lambda name: None)
        found = hot._hottest(variants, variants.target.baseline.bitcodes, texts)
        assert (found.name, found.share) == ("main", None)
        assert "perf is not installed" in found.why


@pytest.mark.needs("perf")
def test_samples_name_the_programs_functions(tmp_path: Path, toolchain: Toolchain) -> None:
    source = tmp_path / "busy.c"
    source.write_text(
        "int main(void) { volatile unsigned n = 0; for (unsigned i = 0; i < 30000000u; i++) n += i ^ n; return 0; }\n"
    )
    subprocess.run([toolchain.clang, "-O1", source, "-o", tmp_path / "busy"], check=True)
    try:
        samples = symbol_samples(tmp_path / "busy", Workload("busy"), 1.0, None)
    except CannotProfile as error:
        pytest.skip(str(error))
    assert samples.most_common(1)[0][0] == "main"
