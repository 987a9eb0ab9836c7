"""Tuning on top of a profile, with the real clang: the baseline has it, and nothing on the way loses it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.api import apply
from colt_llvm.cli.main import run
from colt_llvm.core.errors import CompileError, RecipeError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.explain.guard import guard
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.extract import extract
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain, installed_toolchains
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program, load_program, program_from_files, programs_directory
from colt_llvm.program.recipe import load_recipe
from colt_llvm.run.profile_gain import ARM, timed_gain
from colt_llvm.run.tuner import tune

pytestmark = [pytest.mark.llvm, pytest.mark.needs("compiler-rt")]

SOURCE = """
#include <stdio.h>
__attribute__((always_inline)) static inline int twice(int a) { return a % 5 ? a * 2 : a + 1; }
static int mix(int a, int b) { return (a * 31 + b) ^ (a >> 3); }
static int walk(const int *values, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum = mix(sum, values[i] % 7 == 3 ? values[i] * values[i] : twice(values[i] >> 1));
    return sum;
}
int rare(int x) { for (int i = 0; i < x; i++) x = i % 3 == 1 ? x ^ i * 7 : x + walk(&i, 1) % 3; return x; }
int (*chosen)(int) = rare;
int main(int argc, char **argv) {
    int values[64], sum = argc;
    for (int i = 0; i < 64; i++) values[i] = i * 77 % 101;
    for (int round = 0; round < 500; round++) {
        values[round & 63] ^= sum;
        sum += walk(values, 64) & 15;
        if (sum % 100 == 99) sum += chosen(round & 7);
    }
    printf("%d\\n", sum);
    return 0;
}
"""
SAMPLES = "main:20000:1\n 1: 1\n 4: 500\n 5: 500\nwalk:128000:500\n 1: 500\n 2: 32000\nrare:10:5\n 0: 5\n"
#: What makes counts, and what uses them: of clang's front end, of the IR.
COUNTS = {"-fprofile-instr-generate": "-fprofile-instr-use", "-fprofile-generate": "-fprofile-use"}


def profiled(toolchain: Toolchain, folder: Path, generate: str, level: str) -> Program:
    """A program in ``folder`` with a profile of the kind that ``generate`` makes; samples where it is empty."""
    source, profile = folder / "prog.c", folder / f"made{generate}.profdata"
    source.write_text(SOURCE)
    if not generate:
        profile.write_text(SAMPLES)
        return program_from_files([source], cflags=[f"-fprofile-sample-use={profile}"])
    raw = folder / f"raw{generate}"
    place = f"{raw}/x.profraw" if "instr" in generate else str(raw)
    subprocess.run([toolchain.clang, f"-{level}", f"{generate}={place}", source, "-o", folder / "counting"], check=True)
    subprocess.run([folder / "counting"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([toolchain.profdata(), "merge", *raw.glob("*.profraw"), "-o", profile], check=True)
    return program_from_files([source], cflags=[f"{COUNTS[generate]}={profile}"])


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def counted(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """With counts of the IR, at -Oz."""
    return profiled(toolchain, tmp_path_factory.mktemp("counted"), "-fprofile-generate", "Oz")


@pytest.mark.parametrize(
    ("generate", "objective"), [("-fprofile-instr-generate", "size"), ("-fprofile-generate", "runtime"), ("", "size")]
)
def test_without_changes_it_is_clangs_own_object_with_the_profile(
    toolchain: Toolchain, tmp_path: Path, generate: str, objective: str
) -> None:
    level = "O3" if objective == "runtime" else "Oz"
    program = profiled(toolchain, tmp_path, generate, level)
    by_hand = {}
    for name, flags in {"with": program.cflags, "without": ()}.items():
        place = tmp_path / f"{name}.o"
        subprocess.run([toolchain.clang, f"-{level}", *flags, "-c", program.sources[0], "-o", place], check=True)
        by_hand[name] = place.read_bytes()
    target = prepare_target(toolchain, program, TuneOptions(objective=objective))
    made = target.baseline
    assert made.name == f"clang -{level}, profile"
    assert made.objects == (by_hand["with"],)
    assert made.notes == ()
    assert by_hand["with"] != by_hand["without"]
    assert target.rebuild(target.sequences.pipeline(())).objects == (by_hand["with"],)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["dct8", "hashmap_cpp", "regex_vm", "tinylisp"])
@pytest.mark.parametrize("objective", ["runtime", "size"])
def test_included_programs_are_clangs_own_objects_with_counts_of_the_ir(
    toolchain: Toolchain, tmp_path: Path, name: str, objective: str
) -> None:
    """In these, inliner and unroller go by thresholds that a pipeline's text does not say."""
    program = load_program(programs_directory() / name)
    level = "O3" if objective == "runtime" else "Oz"
    flags = [f"-{level}", *program.cflags, f"-fprofile-generate={tmp_path / 'raw'}"]
    clang = toolchain.compiler(program.is_cxx)
    subprocess.run([clang, *flags, *program.sources, *program.ldflags, "-o", tmp_path / "counting"], check=True)
    command = [word.replace("{exe}", str(tmp_path / "counting")) for word in program.workloads[0].command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    profile = tmp_path / "made.profdata"
    subprocess.run([toolchain.profdata(), "merge", *(tmp_path / "raw").iterdir(), "-o", profile], check=True)
    counted = replace(program, cflags=(*program.cflags, f"-fprofile-use={profile}"))
    assert prepare_baseline(toolchain, counted, objective).completion.exact


def test_llvm_23_gives_clangs_own_object_too(tmp_path: Path) -> None:
    newest = installed_toolchains()[0]
    if newest.major < 23:
        pytest.skip("LLVM 23 is not installed")
    program = profiled(newest, tmp_path, "", "O3")
    assert prepare_baseline(newest, program, "runtime").completion.exact


def test_a_part_of_a_module_keeps_counts_and_summary(toolchain: Toolchain, counted: Program) -> None:
    (bitcode,) = prepare_baseline(toolchain, counted, "size").bitcodes
    ((_, part),) = extract(toolchain.load(), bitcode, [["rare"]])
    with Module.parse(toolchain.load(), part) as module:
        text = module.text()
    assert "ProfileSummary" in text
    assert "function_entry_count" in text
    assert "branch_weights" in text


def test_a_profile_that_does_not_fit_is_told_in_clangs_words(
    toolchain: Toolchain, counted: Program, tmp_path: Path
) -> None:
    other = tmp_path / "prog.c"
    other.write_text(SOURCE.replace("x = i % 3", "if (i > 5) x += 2; else x = i % 3"))
    notes = prepare_baseline(toolchain, replace(counted, sources=(other,)), "size").notes
    assert any("clang says of the profile: " in note and "hash mismatch) rare" in note for note in notes)


def test_a_recipe_builds_with_the_copy_of_the_profile_beside_it(
    toolchain: Toolchain, counted: Program, tmp_path: Path
) -> None:
    source = tmp_path / "prog.c"
    shutil.copy(counted.sources[0], source)
    given = Path(counted.cflags[0].partition("=")[2])
    profile = shutil.copy(given, tmp_path / "mine.profdata")
    program = replace(counted, sources=(source,), cflags=(f"-fprofile-use={profile}",))
    options = TuneOptions(objective="size", trials=4, workers=1, scopes=("passes", "module"))
    result = tune(program, toolchain, options, run_directory=tmp_path / "run")
    assert result.improved
    assert result.baseline == "clang -Oz, profile"
    plain = prepare_baseline(toolchain, replace(program, cflags=()), "size")
    size = sum(section_sizes(data).loaded_bytes for data in plain.objects)
    assert result.profile["ratio"] == pytest.approx(size / result.figures["size"][0])
    assert "over clang -Oz without it; with what was tuned on top" in result.profile_line
    profile.unlink()
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    recipe = load_recipe(moved / "recipe.json")
    assert recipe.cflags == (f"-fprofile-use={moved / 'profile.profdata'}",)
    assert apply(moved / "recipe.json", source, tmp_path / "out.o", strict=True) == ()
    assert loaded_digest((tmp_path / "out.o").read_bytes()) in recipe.objects
    assert guard(moved, toolchain).state == "kept"
    (moved / "profile.profdata").unlink()
    with pytest.raises(RecipeError, match=r"profile\.profdata is missing; keep"):
        apply(moved / "recipe.json", source, tmp_path / "out.o")


@pytest.mark.needs("LLVM 22+")  # whose first trial finds a gain
def test_pgo_makes_the_profile_and_tunes_on_top_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "prog.c"
    source.write_text(SOURCE)
    command = ["tune", str(source), "--pgo", "--objective", "size", "--trials", "1", "--workers", "1", "--json"]
    assert run([*command, "--run-dir", str(tmp_path / "run")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["baseline"] == "clang -Oz, profile"
    assert data["profile"]["ratio"] > 0
    assert (tmp_path / "run" / "profile.profdata").is_file()
    kept = [(tmp_path / "run" / name).read_text() for name in ("run.json", "recipe.json")]
    assert all("profile.profdata" in text and "clang-pgo" not in text for text in kept), "not the one trained with"
    assert run([*command, "--cflags=-fprofile-use=x.profdata"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_what_a_profile_gives_by_itself_is_the_arm_without_it_turned_round() -> None:
    times = {"": 1.0, "control": 1.0, ARM: 1.25, "0": 0.8}
    held = ab_test(
        {name: name for name in ("0", ARM)}, ("", "control"), lambda names: [times[name] for name in names],
        ABTestPolicy(max_rounds=12),
    )  # fmt: skip
    gain = timed_gain(held)
    assert gain is not None
    assert gain.interval is not None
    assert gain.verdict == "improved"
    assert gain.ratio == pytest.approx(1.25)
    assert gain.interval.low <= gain.ratio <= gain.interval.high


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-fprofile-use=none.profdata"], "no such profile; make it with llvm-profdata merge"),
        (["-fprofile-use=a", "-fprofile-sample-use=b"], "-fprofile-sample-use=b: is a second profile; name one"),
    ],
)
def test_a_profile_that_cannot_be_used_is_one_line(
    toolchain: Toolchain, tmp_path: Path, flags: list[str], message: str
) -> None:
    (tmp_path / "prog.c").write_text(SOURCE)
    with pytest.raises(UsageError, match=message):
        prepare_baseline(toolchain, program_from_files([tmp_path / "prog.c"], cflags=flags), "size")


def test_a_file_that_is_no_profile_is_told_by_clang(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "prog.c").write_text(SOURCE)
    program = program_from_files([tmp_path / "prog.c"], cflags=[f"-fprofile-use={tmp_path / 'prog.c'}"])
    with pytest.raises(CompileError) as caught:
        prepare_baseline(toolchain, program, "size")
    assert "profile" in caught.value.diagnostics
