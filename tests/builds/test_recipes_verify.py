"""Recipes recorded from a compile command, listed by whether they fit, and built again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.recipes import record
from colt_llvm.builds.recipes.record import Tuned, Verified, passed, record_unit, recorded_unit, verify
from colt_llvm.builds.recipes.status import Entry, StaleUnit, entries, find_roots, prune, stale
from colt_llvm.builds.recipes.store import (
    UnitRecipe,
    choose,
    find_recipe_file,
    load_recipes,
    save_recipe,
    write_recipes,
)
from colt_llvm.core.errors import RecipeError, UsageError
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains

PIPELINE = "default<O3>,instcombine"
SOURCE = '#include "n.h"\nint sum(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * N; return s; }\n'


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return installed_toolchains()[0]


def tuned(root: Path, toolchain: Toolchain, words: list[str], directory: str = ".", cxx: bool = False) -> UnitRecipe:
    """Save a recipe for a command as a build would give it."""
    unit = Unit(parse(words, cxx, str(root / directory)), root / directory)
    recipe = record_unit(
        root, unit, toolchain, Tuned(level="O3", objective="runtime", sequence=("instcombine",), pipeline=PIPELINE,
        evidence={"ratio": 1.25, "made": "2026-01-02T03:04:05Z"})
    )  # fmt: skip
    save_recipe(root, recipe)
    return recipe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path.resolve() / "project"
    (place / "src").mkdir(parents=True)
    (place / "build").mkdir()
    (place / "src" / "n.h").write_text("#define N 3\n")
    (place / "src" / "a.c").write_text(SOURCE)
    return place


WORDS = ["-O2", "-MD", "-Wall", "-DX", "-I../src", "-c", "../src/a.c", "-o", "a.o"]


def rebuilt(root: Path, toolchain: Toolchain, recipe: UnitRecipe) -> bytes:
    unit = recorded_unit(recipe, str(root))
    assert unit is not None
    return record.make(str(root), unit, toolchain, "O3", recipe.pipeline).object


def verified(root: Path, toolchain: Toolchain) -> list[tuple[str, str]]:
    return [(result.outcome, result.detail) for result in verify(entries(root, toolchain), toolchain)]


def states(root: Path, toolchain: Toolchain | None) -> list[tuple[str, str, str]]:
    return [(entry.source, entry.state, entry.reason) for entry in entries(root, toolchain)]


def test_records_all_that_a_build_needs_and_writes_nothing_to_the_tree(root: Path, toolchain: Toolchain) -> None:
    recipe = tuned(root, toolchain, WORDS, "build")
    assert recipe.source == "src/a.c"
    assert list(recipe.inputs) == ["src/a.c", "src/n.h"]
    assert recipe.flags == ("-DX",)
    assert recipe.command == ("cc", "-Wall", "-DX", "-I../src", "-c", "../src/a.c")
    assert recipe.directory == "build"
    assert (recipe.llvm, recipe.triple) == (toolchain.version, toolchain.triple)
    assert recipe.evidence["by"].startswith("colt-llvm ")
    assert recipe.evidence["made"] == "2026-01-02T03:04:05Z"
    assert list((root / "build").iterdir()) == []


def test_a_copied_tree_fits_and_gives_the_same_object(root: Path, toolchain: Toolchain, tmp_path: Path) -> None:
    words = [*WORDS[:-4], f"-I{root}/src", f'-DWHERE="{root}/src"', *WORDS[-4:]]
    recipe = tuned(root, toolchain, words, "build")
    made = rebuilt(root, toolchain, recipe)
    copy = tmp_path.resolve() / "copy"
    shutil.move(root, copy)  # so that nothing can be taken from the old place
    found = find_recipe_file("../src/a.c", str(copy / "build"))
    assert found is not None
    assert str(root) not in Path(found[1]).read_text()
    here = [word.replace(str(root), str(copy)) for word in words]
    flags = normalised(parse(here, False).flags, str(copy))
    assert choose(load_recipes(found[1]), str(copy), flags, toolchain.major) == recipe
    assert rebuilt(copy, toolchain, recipe) == made
    assert verified(copy, toolchain) == [("same", "")]


def test_a_cxx_source_is_built_by_the_cxx_compiler(root: Path, toolchain: Toolchain) -> None:
    (root / "b.cc").write_text("template <class T> T twice(T x) { return x + x; }\nint f(int x) { return twice(x); }\n")
    (root / "c.c").write_text("#ifndef __cplusplus\n#error C++ is needed\n#endif\nint g() { return 1; }\n")
    assert tuned(root, toolchain, ["-c", "b.cc"]).command[0] == "c++"
    for words, cxx in ((["-c", "c.c"], True), (["-DX", "-x", "c++", "-c", "c.c"], False)):
        assert tuned(root, toolchain, words, cxx=cxx).command[0] == "c++"
    assert verified(root, toolchain) == [("same", "")] * 3


@pytest.mark.parametrize("word", ["__DATE__", "__TIME__", "__TIMESTAMP__"])
def test_a_source_that_says_when_it_was_built_gets_no_recipe(root: Path, toolchain: Toolchain, word: str) -> None:
    (root / "d.c").write_text(f"const char *when(void) {{ return {word}; }}\n")
    with pytest.raises(RecipeError, match="two builds with one recipe differ"):
        tuned(root, toolchain, ["-c", "d.c"])


def test_a_source_outside_of_the_folder_gets_no_recipe(root: Path, toolchain: Toolchain) -> None:
    with pytest.raises(UsageError, match="lies outside of"):
        tuned(root / "build", toolchain, ["-c", "../src/a.c"])
    with pytest.raises(UsageError, match="lies outside of /;"):
        tuned(Path("/"), toolchain, ["-c", str(root / "src" / "a.c")])


def test_another_folder_of_a_like_name_is_not_the_root(root: Path) -> None:
    unit = Unit(parse([f"-I{root}2/include", f"-I{root}", "-c", "a.c"], False), root)
    words, _ = record.recorded_command(unit, str(root))
    assert words == ("cc", f"-I{root}2/include", "-I{root}", "-c", "a.c")


def test_lists_what_fits_and_why_the_rest_does_not(root: Path, toolchain: Toolchain) -> None:
    recipe = tuned(root, toolchain, WORDS, "build")
    assert states(root, toolchain) == [("src/a.c", "fits", "")]
    newer = replace(toolchain, version="99.0.0")
    assert states(root, newer) == [("src/a.c", "stale", f"made with LLVM {recipe.llvm_major}, and this is LLVM 99")]
    assert states(root, None) == [("src/a.c", "fits", "")]
    other = replace(toolchain, triple="pdp11-unknown-linux")
    assert [state[1] for state in states(root, other)] == ["idle"]
    assert stale(root, other) == []
    (root / "src" / "n.h").write_text("#define N 4\n")
    reason = "src/n.h has changed since it was tuned"
    assert states(root, toolchain) == [("src/a.c", "stale", reason)]
    assert stale(root, toolchain) == [StaleUnit("src/a.c", recipe, reason)]
    (root / "src" / "a.c").unlink()
    assert states(root, toolchain) == [("src/a.c", "stale", "src/a.c is not there any more")]
    assert stale(root, toolchain)[0].gone


def test_a_header_that_is_not_made_yet_waits_for_the_build(root: Path, toolchain: Toolchain) -> None:
    (root / "src" / "n.h").rename(root / "build" / "n.h")
    recipe = tuned(root, toolchain, ["-I.", *WORDS], "build")
    (root / "build" / "n.h").unlink()
    assert states(root, toolchain) == [("src/a.c", "idle", "build/n.h is not there; build the project first")]
    assert verified(root, toolchain) == [("unverified", "build/n.h is not there; build the project first")]
    assert stale(root, toolchain) == [StaleUnit("src/a.c", recipe, "build/n.h is not there any more")]
    before = (root / ".colt" / "src" / "a.c.json").read_bytes()
    prune(entries(root, toolchain))
    assert (root / ".colt" / "src" / "a.c.json").read_bytes() == before


def test_removes_what_no_build_uses_and_keeps_the_rest(root: Path, toolchain: Toolchain) -> None:
    fits = tuned(root, toolchain, WORDS, "build")
    save_recipe(root, replace(fits, flags=(), inputs={"src/a.c": "old"}))
    (root / ".colt" / "wrong.c.json").write_bytes((root / ".colt" / "src" / "a.c.json").read_bytes())
    (root / ".colt" / "odd.c.json").write_text("")
    assert [state[:2] for state in states(root, toolchain)] == [
        ("odd.c", "damaged"), ("src/a.c", "stale"), ("src/a.c", "fits"), ("wrong.c", "unused"), ("wrong.c", "unused"),
    ]  # fmt: skip
    prune(entries(root, toolchain))
    assert [state[:2] for state in states(root, toolchain)] == [("odd.c", "damaged"), ("src/a.c", "fits")]
    with pytest.raises(RecipeError, match=r"odd\.c\.json: is empty"):
        stale(root, toolchain)


def test_of_two_folders_with_recipes_the_outer_ones_are_unused(root: Path, toolchain: Toolchain) -> None:
    tuned(root, toolchain, WORDS, "build")
    tuned(root / "src", toolchain, ["-c", "a.c"])
    assert find_roots(root) == [root, root / "src"]
    assert find_roots(root / "src") == [root / "src"]
    assert find_roots(root / "build") == [root]
    assert states(root, toolchain) == [("src/a.c", "unused", "src/.colt/a.c.json is nearer to the source")]
    assert states(root / "src", toolchain) == [("a.c", "fits", "")]
    assert stale(root, toolchain) == []


def test_reads_each_header_once(root: Path, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tuned(root, toolchain, WORDS, "build")
    file = root / ".colt" / "src" / "a.c.json"
    write_recipes(file, [replace(recipe, flags=(f"-D{number}",)) for number in range(20)])
    opened: list[str] = []
    digest = "colt_llvm.builds.recipes.status.input_digest"
    monkeypatch.setattr(digest, lambda path: opened.append(Path(path).name) or recipe.inputs[f"src/{opened[-1]}"])
    assert {state[1] for state in states(root, toolchain)} == {"fits"}
    assert sorted(opened) == ["a.c", "n.h"]


def test_another_object_than_was_measured_differs(root: Path, toolchain: Toolchain) -> None:
    recipe = tuned(root, toolchain, WORDS, "build")
    save_recipe(root, replace(recipe, object="0" * 64))
    assert verified(root, toolchain) == [
        ("differs", "other code than was measured; compare the headers outside of this folder")
    ]
    save_recipe(root, replace(recipe, object="0" * 64, llvm=f"{toolchain.major}.0.0"))
    assert (
        f"LLVM {toolchain.version} makes other code than {toolchain.major}.0.0 did" in verified(root, toolchain)[0][1]
    )
    save_recipe(root, replace(recipe, pipeline="no-such-pass"))
    outcome, detail = verified(root, toolchain)[0]
    assert outcome == "differs"
    assert "does not build it" in detail
    assert "\n" not in detail
    inputs = {"src/a.c": recipe.inputs["src/a.c"]}
    save_recipe(root, replace(recipe, inputs=inputs))
    assert verified(root, toolchain) == [("differs", "it includes src/n.h, which it did not when it was tuned")]


def test_what_cannot_be_built_again_says_why(
    root: Path, toolchain: Toolchain, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tuned(root, toolchain, WORDS, "build")
    for command in ((), ("cc", "-E", "../src/a.c")):
        save_recipe(root, replace(recipe, command=command))
        assert recorded_unit(replace(recipe, command=command), str(root)) is None
        assert verified(root, toolchain) == [("unverified", "it does not say how it was built; tune again")]
    save_recipe(root, replace(recipe, command=(*recipe.command[:1], "-include", "gone.h", *recipe.command[1:])))
    outcome, detail = verified(root, toolchain)[0]
    assert (outcome, detail) == ("unverified", "it does not compile outside of the build; build the project first")
    assert "gone.h" in capfd.readouterr().err
    save_recipe(root, recipe)
    (root / "build").rmdir()
    assert verified(root, toolchain) == [("unverified", "build is not there; build the project first")]


def test_code_that_holds_the_folder_s_path_cannot_be_compared_elsewhere(
    root: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    (root / "src" / "a.c").write_text("const char *where(void) { return __FILE__; }\n")
    tuned(root, toolchain, ["-g", "-c", f"{root}/src/a.c"])
    assert verified(root, toolchain) == [("same", "")]
    copy = tmp_path.resolve() / "copy"
    shutil.copytree(root, copy)
    outcome, detail = verified(copy, toolchain)[0]
    assert outcome == "unverified"
    assert "holds the path of this folder" in detail


def test_debug_information_may_name_another_folder(root: Path, toolchain: Toolchain, tmp_path: Path) -> None:
    recipe = tuned(root, toolchain, ["-g", *WORDS], "build")
    copy = tmp_path.resolve() / "copy"
    shutil.copytree(root, copy)
    assert verified(copy, toolchain) == [("same", "")]
    save_recipe(copy, replace(recipe, object="0" * 64))
    assert [outcome for outcome, _ in verified(copy, toolchain)] == ["differs"]


def test_nothing_verified_is_no_success() -> None:
    entry = Entry(Path("/p"), Path("/p/.colt/a.c.json"), "a.c", "fits")
    same, differs, unverified = (Verified(entry, outcome) for outcome in ("same", "differs", "unverified"))  # type: ignore[arg-type]
    assert passed([])
    assert passed([same, unverified])
    assert not passed([same, differs])
    assert not passed([unverified])
