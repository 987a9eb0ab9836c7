"""What a link command says about symbols, and what linkers say that they read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from wrapper_helpers import toolchain

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.project.learn import Link
from colt_llvm.builds.whole_program.link import (
    existing_files,
    outside_symbols,
    read_trace,
    refused,
    strip_words,
    symbols,
)
from colt_llvm.core.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [
        ["-Wl,--wrap=malloc"], ["-Wl,-wrap,malloc"], ["-Xlinker", "--defsym=a=b"], ["-u", "name"], ["-uname"],
        ["-Wl,--version-script=x.map"], ["-Wl,--version-script,x.map"], ["-T", "script.ld"], ["-shared"], ["-nostdlib"],
        ["-flto=thin"], ["-Wl,-Map=out.map"], ["-Wl,--gc-sections,--undefined=x"], ["-Wl,-e,begin"],
        ["-Wl,--dynamic-list=x"], ["-Wl,--export-dynamic-symbol=x"], ["-fuse-ld=/opt/ld"],
    ],
)  # fmt: skip
def test_a_link_that_names_symbols_or_writes_more_is_refused(words: list[str]) -> None:
    assert "in the link command" in refused(["a.o", *words, "-o", "prog"])


@pytest.mark.parametrize(
    "words",
    [
        [], ["-Wl,--gc-sections"], ["-Wl,-O1,--as-needed"], ["-rdynamic"], ["-static"], ["-pie"], ["-lm"], ["-s"],
        ["-Wl,-z,relro"], ["-Wl,-rpath,/usr/lib"], ["-fuse-ld=lld"], ["-Wl,--start-group"], ["-Wl,--build-id"],
    ],
)  # fmt: skip
def test_other_links_are_not(words: list[str]) -> None:
    assert refused(["a.o", *words, "-o", "prog"]) == ""


@pytest.mark.parametrize("line", ["(libx.a)b.o", "libx.a(b.o)"])
def test_members_of_archives_are_read_as_either_linker_prints_them(tmp_path: Path, line: str) -> None:
    for name in ("a.o", "libx.a"):
        (tmp_path / name).write_bytes(b"")
    traced = read_trace(f"a.o\nlibx.a\n{line}\n", tmp_path)
    assert traced.files == (tmp_path.resolve() / "a.o", tmp_path.resolve() / "libx.a")
    assert traced.loaded == {tmp_path.resolve() / "libx.a": ("b.o",)}


def test_a_linker_that_prints_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not list what it reads"):
        read_trace("mold: tracing\n", tmp_path)


@pytest.mark.needs("ar")
def test_what_this_linker_prints_is_understood(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int b(void); int main(void) { return b(); }\n")
    (tmp_path / "b.c").write_text("int b(void) { return 0; }\n")
    (tmp_path / "c.c").write_text("int c(void) { return 0; }\n")
    clang = str(toolchain().clang)
    subprocess.run([clang, "-c", "a.c", "b.c", "c.c"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "rcs", "libx.a", "b.o", "c.o"], cwd=tmp_path, check=True)
    words = ["a.o", "-L.", "-lx", "-o", "prog", "-Wl,-t,-t"]
    text = subprocess.run([clang, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    traced = read_trace(text, tmp_path)
    assert traced.loaded[tmp_path.resolve() / "libx.a"] == ("b.o",)
    assert any(file.name.startswith("libc.so") for file in traced.files)
    assert {"malloc", "printf", "memcpy"} <= outside_symbols(traced.files, ())


def test_symbols_outside_are_those_defined_and_those_asked_for_but_not_local_ones(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("extern int asked; static int own; int defined(void) { return asked + own++; }\n")
    subprocess.run([str(toolchain().clang), "-c", "a.c"], cwd=tmp_path, check=True)
    data = (tmp_path / "a.o").read_bytes()
    assert symbols(data) == {"asked", "defined"}
    assert outside_symbols([tmp_path / "a.o"], {data}) == set()


def test_the_program_of_the_link_before_is_not_outside(tmp_path: Path) -> None:
    for name in ("a.o", "prog", "libx.a"):
        (tmp_path / name).write_bytes(b"")
    command = parse(["a.o", "-o", "prog", "libx.a", "not-there.o"], False, str(tmp_path))
    assert existing_files(Link(command, tmp_path)) == [tmp_path / "a.o", tmp_path / "libx.a"]


def test_an_object_of_bitcode_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.o").write_bytes(b"BC\xc0\xde")
    with pytest.raises(UsageError, match="without -flto"):
        outside_symbols([tmp_path / "a.o"], ())


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["-s"], ["-s"]), (["-Wl,-O1,--strip-all"], ["-s"]), (["-Xlinker", "-s"], ["-s"]), (["-static"], [])],
)
def test_what_strips_a_program_is_kept(words: list[str], expected: list[str]) -> None:
    assert strip_words(words) == expected
