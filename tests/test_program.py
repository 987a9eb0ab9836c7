"""What is tuned: from files and options, from a folder, or by the name of an included program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.program.program import (
    Check,
    Program,
    Workload,
    included_programs,
    load_program,
    program_from_dict,
    program_from_files,
    program_to_dict,
    resolve_program,
)

TOML = """
name = "demo"
family = "tests"
split = "train"
sources = ["one.c", "two.c"]
cflags = ["-I{dir}/include", "-DX"]
ldflags = ["-lm"]
check = { float_tolerance = 1e-9 }

[[workload]]
name = "long"
args = ["{dir}/in.txt", "7"]
stdout = "long.txt"
outputs = ["out.bin"]

[[workload]]
stdin = "in.txt"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("one.c", "two.c", "in.txt", "long.txt"):
        (folder / name).touch()
    (folder / "program.toml").write_text(TOML)
    return folder


def refusal(folder: Path, text: str) -> str:
    (folder / "program.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_program(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- program.toml


def test_reads_a_folder(folder: Path) -> None:
    program = load_program(folder)
    assert program == load_program(folder / "program.toml") == load_program(str(folder))
    assert program.sources == (folder / "one.c", folder / "two.c")
    assert program.cflags == (f"-I{folder}/include", "-DX")
    assert program.ldflags == ("-lm",)
    assert program.check == Check(1e-9)
    long, second = program.workloads
    command = ("{exe}", f"{folder}/in.txt", "7")
    assert long == Workload("long", command, None, ("out.bin",), None, True, folder / "long.txt")
    assert second == Workload("workload-2", ("{exe}",), folder / "in.txt", (), None, False, None)
    assert program.timed_workload is long
    assert not program.is_cxx


def test_paths_are_absolute_wherever_it_is_named_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    program = load_program("demo")
    assert all(source.is_absolute() for source in program.sources)
    assert program == load_program(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not valid TOML"),
        ('sources = ["one.c"]\n[[workload]]', "lacks 'name'"),
        ('name = "x"\n[[workload]]', "lacks 'sources'"),
        ('name = "x"\nsources = ["one.c"]', "lacks 'workload'"),
        ('name = "x"\nsources = ["gone.c"]\n[[workload]]', "gone.c: is named in program.toml and does not exist"),
        ('name = "x"\nsources = ["one.c"]\nworkload = []', "has no workload"),
        ('name = "x"\nsources = ["one.c"]\n[[workload]]\narg = ["1"]', "unknown workload key 'arg'; known: args"),
        ('name = "x"\nsources = ["one.c"]\ncflags = ["-O2"]\n[[workload]]', "-O2: leave it out"),
        ('name = "x"\nsources = ["one.c"]\ncheck = { precision = 3 }\n[[workload]]', "precision"),
        ('name = "x"\nsources = ["one.c"]\n[[workload]]\nstdin = "gone.txt"', "gone.txt: is named in program.toml"),
        ('name = "x"\nsources = ["one.c"]\n[[workload]]\nargs = 5', "see programs/lz77/program.toml"),
        ('name = "x"\nsources = []\n[[workload]]', "sources"),
    ],
)
def test_says_what_is_wrong_in_a_program_toml(folder: Path, text: str, said: str) -> None:
    assert said in refusal(folder, text)


def test_refuses_a_folder_without_program_toml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read .*; name a C file or a folder with a program\.toml"):
        load_program(tmp_path)


# --- files and options


def test_makes_a_program_of_files(tmp_path: Path) -> None:
    for name in ("main.c", "more.cpp", "harness.c"):
        (tmp_path / name).touch()
    program = program_from_files(
        [tmp_path / "main.c", str(tmp_path / "more.cpp")],
        cflags=["-DX"], ldflags=["-lm"], harness=[tmp_path / "harness.c"], float_tolerance=0.1,
    )  # fmt: skip
    assert program.name == "main"
    assert program.is_cxx
    assert program.sources == (tmp_path / "main.c", tmp_path / "more.cpp")
    assert program.harness == (tmp_path / "harness.c",)
    assert program.workloads == (Workload("default"),)
    assert program.check == Check(0.1)


@pytest.mark.parametrize(
    ("suffix", "cxx"), [(".c", False), (".ll", False), (".bc", False), (".cpp", True), (".cc", True), (".C", True)]
)
def test_the_suffix_says_the_language(tmp_path: Path, suffix: str, cxx: bool) -> None:
    source = tmp_path / f"a{suffix}"
    source.touch()
    assert program_from_files([source]).is_cxx is cxx


def test_refuses_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.rs").touch()
    with pytest.raises(UsageError, match=r"a\.rs: is not C, C\+\+ or LLVM IR; name a \.c, \.cpp, \.ll or \.bc file"):
        program_from_files([tmp_path / "a.rs"])
    with pytest.raises(UsageError, match=r"b\.c: no such file"):
        program_from_files([tmp_path / "b.c"])
    (tmp_path / "c.c").touch()
    with pytest.raises(UsageError, match=r"h\.c: no such file"):
        program_from_files([tmp_path / "c.c"], harness=[tmp_path / "h.c"])


@pytest.mark.parametrize(
    "flag",
    ["-O2", "-O", "-Ofast", "-flto", "-flto=thin", "-c", "-S", "-E", "-o", "-emit-llvm", "-fprofile-generate",
     "-fsanitize=address", "--coverage"],
)  # fmt: skip
def test_refuses_flags_that_change_what_is_compared(tmp_path: Path, flag: str) -> None:
    (tmp_path / "a.c").touch()
    with pytest.raises(UsageError, match=f"--cflags {flag}: leave it out; "):
        program_from_files([tmp_path / "a.c"], cflags=["-DX", flag])


@pytest.mark.parametrize("flag", ["-march=native", "-ffast-math", "-std=c11", "-g", "-Wall", "-DO2", "-fno-builtin"])
def test_takes_the_users_own_flags(tmp_path: Path, flag: str) -> None:
    (tmp_path / "a.c").touch()
    assert program_from_files([tmp_path / "a.c"], cflags=[flag]).cflags == (flag,)


# --- what the user named


def test_a_name_is_an_included_program_unless_a_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    included = resolve_program(["lz77"])
    assert included.name == "lz77"
    assert included.split == "train"
    (tmp_path / "lz77").mkdir()
    (tmp_path / "lz77" / "mine.c").touch()
    (tmp_path / "lz77" / "program.toml").write_text('name = "mine"\nsources = ["mine.c"]\n[[workload]]\n')
    assert resolve_program(["lz77"]).name == "mine"


def test_options_add_to_a_folders_own(folder: Path, tmp_path: Path) -> None:
    harness = tmp_path / "h.c"
    harness.touch()
    workload = Workload("mine", ("{exe}", "1"))
    program = resolve_program(
        [str(folder)], cflags=("-DY",), ldflags=("-lpthread",), harness=(harness,), workloads=[workload],
        float_tolerance=0.5,
    )  # fmt: skip
    assert program.cflags[-2:] == ("-DX", "-DY")
    assert program.ldflags == ("-lm", "-lpthread")
    assert program.harness == (harness,)
    assert program.workloads == (workload,)
    assert program.check == Check(0.5)
    assert resolve_program([str(folder / "program.toml")]) == load_program(folder)


def test_an_unknown_name_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no-such-program: "):
        resolve_program(["no-such-program"])


# --- into a journal


def test_comes_back_from_json_as_it_was(folder: Path) -> None:
    for program in [load_program(folder), *included_programs()]:
        assert program_from_dict(json.loads(json.dumps(program_to_dict(program)))) == program


def test_a_program_is_never_without_a_workload() -> None:
    with pytest.raises(UsageError, match="has no workload"):
        Program("x", (Path("/a.c"),), workloads=())
