"""A project whose own flags name a profile: tuned on top of it, and its recipes fit with the same counts alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.project.setup import set_up
from colt_llvm.builds.project.units import build_unit, unit_program
from colt_llvm.builds.recipes.record import verify
from colt_llvm.builds.recipes.status import entries
from colt_llvm.builds.recipes.store import load_recipes
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.program.baseline import prepare_baseline
from tests.builds.project_helpers import (
    BOTH,
    FILES,
    clang,
    make,
    options,
    quiet_run,
    searches_find,
    toolchain,
    tune_here,
    write,
)

pytestmark = pytest.mark.needs("make", "compiler-rt")

#: What counts, and what uses the counts: of the IR, of clang's front end.
COUNTS = {"-fprofile-generate": "-fprofile-use", "-fprofile-instr-generate": "-fprofile-instr-use"}
PROFILE = "counts.profdata"
MAKEFILE = FILES["Makefile"].replace("CFLAGS = -Oz", "CFLAGS = -O2 $(PROFILE)")
OTHER_FOLD = "unsigned fold(const unsigned *v, unsigned s) { return s < 9 ? s : v[s % 24] ? s * 5 : v[1]; }\n"


def merge(folder: Path, raw: Path, *words: str) -> None:
    files = [*words, *map(str, raw.glob("*.profraw"))]
    subprocess.run([toolchain().profdata(), "merge", *files, "-o", PROFILE], cwd=folder, check=True)


def counted(folder: Path, generate: str) -> Path:
    """The project with counts of one run in ``PROFILE``, and not built."""
    write(folder, {**FILES, "Makefile": MAKEFILE})
    raw = folder / "raw"
    place = f"{generate}={raw}" if generate == "-fprofile-generate" else f"{generate}={raw}/run.profraw"
    clang(folder, "-O2", place, "main.c", "fold.c", "-o", "counting")
    subprocess.run([folder / "counting", "50"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    merge(folder, raw)
    (folder / "counting").unlink()
    return folder


def with_profile(use: str) -> str:
    return f"PROFILE={use}={PROFILE}"


@pytest.mark.parametrize("generate", COUNTS)
def test_a_search_keeps_the_profile_and_builds_replay_it(tmp_path: Path, generate: str) -> None:
    folder, use = counted(tmp_path / "project", generate), with_profile(COUNTS[generate])
    search = {"trials": 60, "seed": 1, "workers": 1}
    given = options(folder, builds=(("make", "prog", use),), only=("fold.c",), seconds=300.0, tune=search)
    result = tune_here(folder, given)
    assert result.improved, result
    assert result.baseline == "clang -Oz, profile"
    (recipe,) = load_recipes(folder / ".colt" / "fold.c.json")
    assert recipe.flags == (COUNTS[generate],)
    assert recipe.profile
    (folder / "fold.o").unlink()
    assert make(folder, "prog", use).stderr == ""
    assert loaded_digest((folder / "fold.o").read_bytes()) == recipe.object
    assert {one.outcome for one in verify(entries(folder, toolchain()), toolchain())} == {"same"}


@pytest.mark.parametrize("generate", COUNTS)
def test_without_passes_of_its_own_a_unit_is_clangs_with_the_profile(tmp_path: Path, generate: str) -> None:
    """So no gain comes from the way there."""
    folder, use = counted(tmp_path / "project", generate), with_profile(COUNTS[generate])
    given = options(folder, builds=(("make", "prog", use),))
    (tmp_path / "temporary").mkdir()
    project = set_up(folder, toolchain(), given, quiet_run(tmp_path / "run"), tmp_path / "temporary")
    assert len(project.units) == 2
    for unit in project.units:
        program = unit_program(
            toolchain(), unit.unit, "Oz", tmp_path / unit.folder_name, project.workloads, given.check
        )
        completion = prepare_baseline(toolchain(), program, "size").completion
        assert completion.exact
        pipeline = " ".join((*completion.options, completion.pipeline))
        made = build_unit(toolchain(), unit.unit, "Oz", pipeline, tmp_path / "made")
        assert loaded_digest(made) == loaded_digest(unit.baseline)


@pytest.fixture(scope="module")
def tuned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with recipes for both files, on top of counts of the IR."""
    folder = counted(tmp_path_factory.mktemp("tuned") / "project", "-fprofile-generate")
    with pytest.MonkeyPatch.context() as monkeypatch:
        searches_find(monkeypatch, BOTH)
        result = tune_here(folder, options(folder, builds=(("make", "prog", with_profile("-fprofile-use")),)))
    assert result.recipes == (".colt/main.c.json", ".colt/fold.c.json")
    return folder


@pytest.fixture
def tuned(tuned_once: Path, tmp_path: Path) -> Path:
    """Another checkout of it, to be built."""
    folder = shutil.copytree(tuned_once, tmp_path / "elsewhere")
    for file in folder.glob("*.o"):
        file.unlink()
    return folder


def test_a_profile_fits_by_its_content_wherever_it_lies(tuned: Path, tmp_path: Path) -> None:
    (tuned / PROFILE).rename(tmp_path / "moved.profdata")
    said = make(tuned, "prog", f"PROFILE=-fprofile-use={tmp_path / 'moved.profdata'}").stderr
    assert said == ""
    (recipe,) = load_recipes(tuned / ".colt" / "main.c.json")
    assert loaded_digest((tuned / "main.o").read_bytes()) == recipe.object


def test_other_counts_are_told_and_clang_compiles_with_them(tuned: Path) -> None:
    merge(tuned, tuned / "raw", f"-weighted-input=3,{PROFILE}")
    said = make(tuned, "prog", with_profile("-fprofile-use")).stderr
    assert said.count("recipe not used: its profile is not the one that it was tuned with") == 2
    clang(tuned, "-O2", f"-fprofile-use={PROFILE}", "-c", "main.c", "-o", "plain.o")
    assert (tuned / "main.o").read_bytes() == (tuned / "plain.o").read_bytes()
    found = {(one.state, one.reason) for one in entries(tuned, toolchain())}
    assert found == {("stale", "its profile is not the one that it was tuned with")}


def test_a_build_without_the_profile_has_other_flags(tuned: Path) -> None:
    assert "flags differ (without -fprofile-use)" in make(tuned, "prog").stderr
    (tuned / PROFILE).unlink()
    found = {(one.state, one.reason) for one in entries(tuned, toolchain())}
    assert found == {("idle", f"{PROFILE} is not there; build the project first")}


def test_a_profile_that_does_not_fit_is_one_note_in_clangs_words(tmp_path: Path) -> None:
    folder = counted(tmp_path / "project", "-fprofile-generate")
    (folder / "fold.c").write_text(OTHER_FOLD)
    given = options(folder, builds=(("make", "prog", with_profile("-fprofile-use")),))
    (tmp_path / "temporary").mkdir()
    project = set_up(folder, toolchain(), given, quiet_run(tmp_path / "run"), tmp_path / "temporary")
    (note,) = project.notes
    assert note.startswith("clang says of the profile: fold.c: ")
    assert "hash mismatch) fold" in note


def test_another_profile_in_the_same_run_directory_is_another_search(tmp_path: Path) -> None:
    """The bitcode before the passes is the same; what was found with other counts must not pass for these."""
    folder = counted(tmp_path / "project", "-fprofile-generate")
    use = with_profile("-fprofile-use")
    given = options(folder, builds=(("make", "prog", use),), only=("fold.c",), tune={"trials": 2, "workers": 1})
    run = tmp_path / "run"
    tune_here(folder, given, run_directory=run)
    shutil.rmtree(folder / ".colt", ignore_errors=True)
    make(folder, "clean")
    merge(folder, folder / "raw", f"-weighted-input=3,{PROFILE}")
    tune_here(folder, given, run_directory=run)
    assert len(list((run / "units").glob("fold-*/run.json"))) == 2


def test_of_two_profiles_the_file_is_left_to_clang() -> None:
    command = parse(["-O2", "-fprofile-use=a", "-fprofile-instr-use=b", "-c", "x.c"], False)
    assert command.why_not == "it is compiled with -fprofile-instr-use=b, which recipes cannot have"
    one = parse(["-O2", "-fprofile-use", "-c", "x.c"], False)
    assert (one.kind, one.flags) == ("compile", ["-fprofile-use"])
    assert one.profile == os.path.abspath("default.profdata")
