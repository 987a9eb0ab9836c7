"""The program linked again by the build's own command, with some objects replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.project.learn import Link
from colt_llvm.builds.project.relink import Relinker, find_program
from colt_llvm.core.errors import CompileError, UsageError
from tests.builds.project_helpers import clang, digests, toolchain, write

pytestmark = pytest.mark.needs("ar")

SOURCES = {
    "main.c": "int printf(const char *, ...);\nint one(void); int two(void);\n"
    'int main(void) { printf("%d %d\\n", one(), two()); return 0; }\n',
    "one.c": "int one(void) { return 1; }\n",
    "two.c": "int two(void) { return 2; }\n",
    "ten.c": "int one(void) { return 10; }\n",
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with objects of all sources; ten.o is what one.o is to be replaced by."""
    folder = write(tmp_path / "project", SOURCES)
    for name in ("main", "one", "two", "ten"):
        clang(folder, "-c", f"{name}.c")
    return folder


def archive(folder: Path, name: str, *objects: str, how: str = "rcs") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    subprocess.run(["ar", how, name, *objects], cwd=folder, check=True, capture_output=True)


def relinker(folder: Path, *words: str, outputs: tuple[str, ...] = ("main.o", "one.o", "two.o")) -> Relinker:
    command = parse(list(words), False, str(folder))
    assert command.kind == "link"
    made = Link(command, folder)
    return Relinker.of(str(toolchain().clang), made, {folder / name: (folder / name).read_bytes() for name in outputs})


def printed(program: Path) -> str:
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def with_ten(relinker: Relinker, tmp_path: Path, object: str = "one.o") -> str:
    """What the program prints with ten.o in the place of that object."""
    folder = relinker.link.directory
    before = digests(folder)
    program = relinker.make(tmp_path / "candidate", {folder / object: (folder / "ten.o").read_bytes()})
    assert digests(folder) == before
    return printed(program)


def test_replaces_an_object_of_the_command(built: Path, tmp_path: Path) -> None:
    made = relinker(built, "-o", "prog", "main.o", "one.o", "two.o")
    assert printed(made.make(tmp_path / "same")) == "1 2\n"
    assert with_ten(made, tmp_path) == "10 2\n"


def test_keeps_what_was_replaced_before(built: Path, tmp_path: Path) -> None:
    made = relinker(built, "-o", "prog", "main.o", "one.o", "two.o")
    made.objects[built / "one.o"] = (built / "ten.o").read_bytes()
    assert printed(made.make(tmp_path / "candidate", {built / "main.o": (built / "main.o").read_bytes()})) == "10 2\n"


@pytest.mark.parametrize(
    "words",
    [
        ("main.o", "lib/libparts.a"),
        ("main.o", "-Llib", "-lparts"),
        ("main.o", "-L", "lib", "-lparts"),
        ("main.o", "-Llib", "-l:libparts.a"),
        ("-Wl,--whole-archive", "lib/libparts.a", "-Wl,--no-whole-archive", "main.o"),
    ],
)
def test_replaces_a_member_of_an_archive(built: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    archive(built, "lib/libparts.a", "one.o", "two.o")
    assert with_ten(relinker(built, "-o", "prog", *words), tmp_path) == "10 2\n"


def test_replaces_it_where_an_archive_is_named_twice(built: Path, tmp_path: Path) -> None:
    # Nothing is undefined yet when the linker meets the first one, so that it takes the members from the second.
    archive(built, "libparts.a", "one.o", "two.o")
    assert with_ten(relinker(built, "-o", "prog", "libparts.a", "main.o", "libparts.a"), tmp_path) == "10 2\n"


def test_finds_members_with_long_names(built: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (built / f"{name}.o").rename(built / f"a_rather_long_name_of_{name}.o")
    archive(built, "libparts.a", "a_rather_long_name_of_one.o", "a_rather_long_name_of_two.o")
    outputs = ("main.o", "a_rather_long_name_of_one.o", "a_rather_long_name_of_two.o")
    made = relinker(built, "-o", "prog", "main.o", "libparts.a", outputs=outputs)
    assert with_ten(made, tmp_path, "a_rather_long_name_of_one.o") == "10 2\n"


@pytest.mark.parametrize("order", [("a/same.o", "b/same.o"), ("b/same.o", "a/same.o")])
def test_tells_members_of_one_name_apart(built: Path, tmp_path: Path, order: tuple[str, ...]) -> None:
    for folder, name in (("a", "one"), ("b", "two")):
        (built / folder).mkdir()
        (built / f"{name}.o").rename(built / folder / "same.o")
    archive(built, "libparts.a", *order, how="qcs")
    made = relinker(built, "-o", "prog", "main.o", "libparts.a", outputs=("main.o", "a/same.o", "b/same.o"))
    assert with_ten(made, tmp_path, "a/same.o") == "10 2\n"


def test_tells_units_of_equal_code_apart_by_their_names(built: Path) -> None:
    for name in ("empty", "void"):
        (built / f"{name}.o").write_bytes((built / "ten.o").read_bytes())
    archive(built, "libparts.a", "one.o", "two.o", "empty.o", "void.o")
    outputs = ("main.o", "one.o", "two.o", "empty.o", "void.o")
    places = relinker(built, "-o", "prog", "main.o", "libparts.a", outputs=outputs).places
    assert {path.name: place.member for path, place in places.items() if place.archive} == {
        name: name for name in ("one.o", "two.o", "empty.o", "void.o")
    }


def test_replaces_a_member_of_a_thin_archive(built: Path, tmp_path: Path) -> None:
    archive(built, "lib/libparts.a", "one.o", "two.o", how="rcsT")
    assert (built / "lib/libparts.a").read_bytes().startswith(b"!<thin>")
    assert with_ten(relinker(built, "-o", "prog", "main.o", "lib/libparts.a"), tmp_path) == "10 2\n"


def test_leaves_an_archive_where_a_shared_library_comes_first(built: Path) -> None:
    archive(built, "libparts.a", "one.o", "two.o")
    (built / "libparts.so").write_bytes(b"")
    assert set(relinker(built, "-o", "prog", "main.o", "-L.", "-lparts").places) == {built / "main.o"}


@pytest.mark.parametrize(
    "words",
    [
        ("-Wl,-Map,prog.map",),
        ("-Wl,-Map=prog.map",),
        ("-Wl,--gc-sections,-Map=prog.map",),
        ("-Wl,-Map", "-Wl,prog.map"),
        ("-Xlinker", "-Map=prog.map"),
        ("-Xlinker", "-Map", "-Xlinker", "prog.map"),
        ("-Wl,--dependency-file=prog.map",),
        ("-oanother",),
    ],
)
def test_writes_nothing_beside_the_program(built: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    made = relinker(built, *words, "-o", "prog", "main.o", "one.o", "two.o")
    assert with_ten(made, tmp_path) == "10 2\n"


def test_keeps_what_the_linker_is_told(built: Path, tmp_path: Path) -> None:
    made = relinker(built, "-Wl,--defsym=two=one,-Map=prog.map", "-o", "prog", "main.o", "one.o")
    assert with_ten(made, tmp_path) == "10 10\n"


@pytest.mark.parametrize("word", ["-s", "-Wl,-s", "-Wl,--gc-sections,--strip-all"])
def test_keeps_symbols_for_the_profile(built: Path, tmp_path: Path, word: str) -> None:
    program = relinker(built, word, "-o", "prog", "main.o", "one.o", "two.o").make(tmp_path / "candidate")
    assert " T one" in subprocess.run(["nm", program], capture_output=True, text=True).stdout


def test_says_that_a_candidate_does_not_link(built: Path, tmp_path: Path) -> None:
    made = relinker(built, "-o", "prog", "main.o", "one.o", "two.o")
    with pytest.raises(CompileError, match="does not link") as error:
        made.make(tmp_path / "candidate", {built / "one.o": (built / "two.o").read_bytes()})
    assert "two" in error.value.diagnostics


def test_counts_objects_that_the_build_did_not_make(built: Path) -> None:
    archive(built, "libparts.a", "one.o", "two.o")
    made = relinker(built, "-o", "prog", "main.o", "libparts.a", outputs=("one.o",))
    assert len(made.not_of_this_build({built / "one.o": (built / "one.o").read_bytes()})) == 2


def link(folder: Path, *words: str) -> Link:
    return Link(parse(list(words), False, str(folder)), folder)


def test_finds_the_program_that_a_command_runs(built: Path) -> None:
    links = [link(built, "-o", "one", "one.o"), link(built, "-o", "../out/two", "two.o")]
    assert find_program(links, ("nice", "./one", "x"), built) == (links[0], ("nice", "{exe}", "x"))
    assert find_program(links, (str(built.parent / "out" / "two"),), built)[0] is links[1]
    assert find_program(links[:1], ("{exe}", "x"), built) == (links[0], ("{exe}", "x"))


def test_finds_a_program_that_was_copied(built: Path) -> None:
    links = [link(built, "-o", "prog", "main.o", "one.o", "two.o")]
    clang(built, "-o", "prog", "main.o", "one.o", "two.o")
    (built / "installed").write_bytes((built / "prog").read_bytes())
    assert find_program(links, ("./installed",), built)[0] is links[0]


@pytest.mark.parametrize("command", [("./other",), ("{exe}",), ("cat", "one.o")])
def test_names_the_programs_where_a_command_runs_none(built: Path, command: tuple[str, ...]) -> None:
    links = [link(built, "-o", "one", "one.o"), link(built, "-o", "two", "two.o")]
    with pytest.raises(UsageError, match=r"one, two|2 programs"):
        find_program(links, command, built)
