"""What of a command line decides its code, and which commands are understood at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from wrapper_helpers import toolchain

from colt_llvm.builds.cc import options, wrapper
from colt_llvm.builds.cc.arguments import expand, normalised, parse, split, with_level
from colt_llvm.builds.cc.compile import Unit, codegen_words, front_end_words, read_dependencies
from colt_llvm.program import compilation


def test_an_ordinary_command_is_taken_apart() -> None:
    command = parse(["-O2", "-g", "-DX=1", "-Iinc", "-Wall", "-c", "src/a.c", "-o", "out/a.o"], False)
    assert (command.kind, command.source, command.output, command.level) == ("compile", "src/a.c", "out/a.o", "O2")
    assert command.flags == ["-g", "-DX=1"]
    assert command.passed == ["-g", "-DX=1", "-Iinc", "-Wall"]
    assert (command.dependencies, command.dependency_file, command.cxx) == ([], "", False)


@pytest.mark.parametrize(
    ("words", "output", "file"),
    [
        (["-MD", "-c", "sub/a.c"], "a.o", "a.d"),
        (["-MMD", "-c", "a.b.c"], "a.b.o", "a.b.d"),
        (["-MD", "-c", "a.c", "-o", "out/x.y.obj"], "out/x.y.obj", "out/x.y.d"),
        (["-MD", "-MF", "f", "-c", "a.c"], "a.o", "f"),
        (["-MD", "-MFf", "-c", "a.c"], "a.o", "f"),
    ],
)
def test_the_dependency_file_is_where_clang_puts_it(words: list[str], output: str, file: str) -> None:
    command = parse(words, False)
    assert (command.output, command.dependency_file) == (output, file)


def test_the_last_level_counts_and_fast_mathematics_only_with_it() -> None:
    assert parse(["-O3", "-O0", "-c", "a.c"], False).level == "O0"
    assert parse(["-Ofast", "-c", "a.c"], False).flags == ["-ffast-math"]
    assert parse(["-Ofast", "-O2", "-c", "a.c"], False).flags == []
    assert parse(["-Ofast", "-fno-fast-math", "-c", "a.c"], False).flags == ["-ffast-math", "-fno-fast-math"]
    assert parse(["-ffast-math", "-Ofast", "-O1", "-c", "a.c"], False).flags == ["-ffast-math"]


def test_words_that_follow_an_option_are_no_inputs() -> None:
    command = parse(["-include", "x.c", "-I", "", "-MT", "y.c", "-D", "z.c", "-c", "a.c", "-MD"], False)
    assert (command.kind, command.inputs) == ("compile", ["a.c"])
    assert command.passed == ["-include", "x.c", "-I", "", "-D", "z.c"]


@pytest.mark.parametrize("option", sorted(options.SEPARATE - {"-o", "-x", "-G", "-arch", "-dumpdir"}))
def test_clang_too_takes_the_next_word(option: str, tmp_path: Path) -> None:
    words = ["-###", "-c", "a.c", option, "no-such-value"]
    done = subprocess.run([toolchain().clang, *words], capture_output=True, text=True, cwd=tmp_path)
    assert "no such file or directory: 'no-such-value'" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["-c"], ["a.c"], ["-c", "a.c", "b.c"], ["-c", "a.s"], ["-c", "a.o"], ["-E", "-c", "a.c"],
        ["-c", "-x", "c", "-"], ["-c", "--", "-a.c"],
        ["-c", "a.c", "-o", "-"], ["-c", "a.c", "-o", ""], ["-MF", "x", "-c", "a.c"], ["-MP", "-c", "a.c"],
        ["-MD", "-MF", "-", "-c", "a.c"], ["-O9", "-c", "a.c"], ["-O4", "-c", "a.c"], ["-Oq", "-c", "a.c"],
        ["-flto=thin", "-c", "a.c"], ["-v", "-c", "a.c"], ["-Rpass=.*", "-c", "a.c"], ["-Xclang", "-load", "-c", "a.c"],
        ["--output=x", "-c", "a.c"], ["--unknown", "-c", "a.c"], ["-x", "cuda", "-c", "a.c"], ["-ObjC", "-c", "a.c"],
        ["-c", "a.c", "-x", "c"], ["-fplugin=x.so", "-c", "a.c"], ["-fstack-usage", "-c", "a.c"], ["-c", "@a.c"],
    ],
)  # fmt: skip
def test_what_no_recipe_describes_is_left_to_clang(words: list[str]) -> None:
    assert parse(words, False).kind == "other"


@pytest.mark.parametrize("option", sorted(options.TAKEN_BACK))
def test_clang_too_takes_an_option_back(option: str) -> None:
    value = {"-fsanitize": "=undefined", "-fsanitize-coverage": "=trace-pc"}.get(option, "")
    value = value or ("=x" if option.endswith(("-use", "auto-profile")) else "")
    pair = [option + value, f"{option[:2]}no-{option[2:]}{'' if value == '=x' else value}"]
    plain, words = ["-O2", "-c", "a.c"], ["-O2", *pair, "-c", "a.c"]
    by_clang = [
        subprocess.run([toolchain().clang, "-###", *given], capture_output=True, text=True).stderr
        for given in (plain, words)
    ]
    assert by_clang[0] == by_clang[1]
    command = parse(words, False)
    assert (command.kind, command.flags) == ("compile", [])
    last = parse(["-O2", *reversed(pair), "-c", "a.c"], False)
    assert (last.kind, bool(last.profile)) == (("compile", True) if options.uses_profile(option) else ("other", False))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["-fsanitize=address", "-fsanitize=undefined", "-fno-sanitize=all"], "compile"),
        (["-fsanitize=address", "-fsanitize=undefined", "-fno-sanitize=undefined"], "other"),
        (["-fsanitize=address,undefined", "-fno-sanitize=address"], "other"),
        (["-fno-integrated-as", "-fintegrated-as"], "compile"),
        (["-fprofile-generate=folder", "-fno-profile-generate"], "compile"),
        (["-flto", "-fno-lto", "-flto=thin"], "other"),
        (["-fstack-usage", "-fno-stack-usage"], "other"),
    ],
)
def test_only_what_is_wholly_taken_back_says_nothing(words: list[str], kind: str) -> None:
    assert parse([*words, "-c", "a.c"], False).kind == kind


def test_the_preprocessors_dependency_option_is_as_clang_takes_it() -> None:
    command = parse(["-Wp,-MMD,x.d", "-c", "a.c"], False)
    assert (command.dependency_file, command.dependencies[0], command.passed) == ("x.d", "-MMD", [])
    assert parse(["-Wp,-MD", "-c", "a.c"], False).dependency_file == "a.d"
    assert parse(["-Wp,-DX,-UY", "-c", "a.c"], False).flags == ["-Wp,-DX,-UY"]
    for other in ("-Wp,-MD,", "-Wp,-MD,x,-MP", "-Wp,-MDx", "-Wp,-D", "-Wp,-DX,-v", "-Wp,"):
        assert parse([other, "-c", "a.c"], False).option == other


@pytest.mark.parametrize("option", ["-flto", "-fsanitize=address", "--coverage", "-fprofile-generate", "-pg"])
def test_a_link_with_options_of_the_compiler_is_one(option: str) -> None:
    assert parse([option, "main.o", "half.o", "-o", "prog"], False).kind == "link"


@pytest.mark.parametrize("option", ["-r", "-S", "-E", "-###", "-print-search-dirs", "-working-directory=x"])
def test_what_makes_no_program_is_no_link(option: str) -> None:
    assert parse([option, "main.o", "-o", "prog"], False).kind == "other"


def test_a_link_of_objects_is_known() -> None:
    command = parse(["-v", "main.o", "libx.a", "sub/liby.so.1", "-lm", "-o", "prog"], False)
    assert (command.kind, command.output) == ("link", "prog")
    assert parse(["main.o"], False).output == "a.out"
    assert parse(["main.o", "a.c"], False).kind == "other"


@pytest.mark.parametrize(
    ("words", "cxx"),
    [(["-c", "a.c"], False), (["-c", "a.cpp"], True), (["-xc++", "-c", "a.c"], True),
     (["-x", "c", "-c", "a.cc"], False), (["-x", "c", "-x", "none", "-c", "a.cc"], True)],
)  # fmt: skip
def test_the_language_is_that_of_suffix_or_option(words: list[str], cxx: bool) -> None:
    command = parse(words, False)
    assert (command.kind, command.cxx) == ("compile", cxx)


def test_flags_name_the_root_by_a_word() -> None:
    assert normalised(["-DX=/src/p/a", "-g"], "/src/p") == ["-DX={root}/a", "-g"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-c", "a.c"], ["-O3", "-c", "a.c"]),
        (["-g", "-O1", "-c", "a.c", "-Os"], ["-O3", "-g", "-c", "a.c"]),
        (["-Ofast", "-c", "a.c"], ["-O3", "-ffast-math", "-c", "a.c"]),
        (["-O2", "-I", "", "-xc", "-", "-c"], ["-O3", "-I", "", "-xc", "-", "-c"]),
        (["-O2", "-o", "x", "--", "-a.c"], ["-O3", "-o", "x", "--", "-a.c"]),
        (["-O0", "-c", "a.c"], ["-O0", "-c", "a.c"]),
        (["-O2", "-E", "a.c"], ["-O2", "-E", "a.c"]),
        (["-O2", "a.o", "-o", "x"], ["-O2", "a.o", "-o", "x"]),
        (["-O2", "-c", "a.s"], ["-O2", "-c", "a.s"]),
    ],
)
def test_another_level_takes_the_place_of_the_old_one(words: list[str], expected: list[str]) -> None:
    assert with_level(words, "O3") == expected


def test_fast_mathematics_stays_at_its_place_and_clang_warns_of_it() -> None:
    unit = Unit(parse(["-fno-fast-math", "-Ofast", "-c", "a.c"], False), Path("/x"))
    words = front_end_words(unit, "O3", Path("r.bc"), None)
    assert words[:3] == ["-Ofast", "-fno-fast-math", "-ffast-math"]
    assert codegen_words(unit, "Oz", Path("o.bc"), Path("a.o"))[:3] == ["-Oz", "-fno-fast-math", "-ffast-math"]


def test_code_generation_hears_of_no_warnings_and_no_language() -> None:
    unit = Unit(parse(["-Wall", "-Werror", "-Wa,-x", "-xc++", "-fPIC", "-c", "a.c"], False), Path("/x"))
    words = codegen_words(unit, "O2", Path("o.bc"), Path("a.o"))
    assert words[1:3] == ["-Wa,-x", "-fPIC"]
    assert "-Werror" not in words
    assert "c++" not in words


@pytest.mark.parametrize(
    "text",
    ["a b  c\n\td", "'a b' \"c d\"", r"'a\'b' \"x \\ y", r'"a\b" "c\"d"', "x'y z'w", "'never ends", "end\\", "a\\\nb"],
)
def test_response_files_are_split_as_clang_splits_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;\n")
    words = [f"-D{index}" for index in range(3)]
    (tmp_path / "r").write_text(f"-DONE={text}".replace(" ", " -DMORE="))
    words = split((tmp_path / "r").read_text())
    by_clang = [
        subprocess.run([toolchain().clang, "-###", "-c", "a.c", *given], cwd=tmp_path, capture_output=True, text=True)
        for given in (["@r"], words)
    ]
    assert by_clang[0].stderr == by_clang[1].stderr


def test_response_files_are_relative_to_the_working_folder_and_nest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/one").write_bytes(b"\xef\xbb\xbf-O2 @two")
    (tmp_path / "two").write_bytes(b"-c\r\n\xff.c")
    assert expand(["@sub/one", "-g"], str(tmp_path)) == ["-O2", "-c", os.fsdecode(b"\xff.c"), "-g"]
    assert expand(["@none", "@"], str(tmp_path)) == ["@none", "@"]


def test_a_pipe_as_response_file_is_left_to_clang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert expand(["@pipe"], str(tmp_path)) == ["@pipe"]


def test_dependencies_are_read_as_make_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "a.d"
    file.write_text("a.o: a.c sp\\ ace.h \\\n  do$$llar.h ha\\#sh.h\nother.h:\n")
    assert read_dependencies(file) == ["a.c", "sp ace.h", "do$llar.h", "ha#sh.h"]
    assert read_dependencies(tmp_path / "none.d") == []


def test_copies_of_tables_agree() -> None:
    assert wrapper._SUFFIXES == options.SUFFIXES
    assert compilation.CODEGEN_LEVEL == options.CODEGEN_LEVEL


def test_the_root_is_replaced_where_a_whole_name_is_meant() -> None:
    flags = ["-DDIR=/src", "-I/src/a", "-DOTHER=/src2", "/src.bak:/src:/srcs"]
    assert normalised(flags, "/src") == ["-DDIR={root}", "-I{root}/a", "-DOTHER=/src2", "/src.bak:{root}:/srcs"]
