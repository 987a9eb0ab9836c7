"""What is learned of a build by running it once with our compilers in place of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from colt_llvm.builds.project.learn import Build, run_build
from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.setup import NothingCompiled, Project, set_up
from colt_llvm.core.errors import CompileError, UsageError
from colt_llvm.program.program import Workload
from tests.builds.project_helpers import quiet_run, toolchain, write

pytestmark = pytest.mark.needs("make")

SOURCES = {
    "main.c": "int half(int);\nint main(void) { return half(0); }\n",
    "half.c": "int half(int x) { return x / 2; }\n",
}
#: make's own CC is "cc", from the environment where that has one.
TWO_STEPS = """
prog: main.o half.o
\t$(CC) -o $@ main.o half.o
%.o: %.c
\t$(CC) -O2 -c $< -o $@
"""


def project_of(tmp_path: Path, makefile: str, **more: str) -> Path:
    return write(tmp_path / "project", {**SOURCES, "Makefile": makefile, **more})


def learn(folder: Path, *commands: str) -> Build:
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return run_build([command.split() for command in commands or ("make prog",)], folder, toolchain(), scratch)


def prepare(folder: Path, run: str = "./prog", build: str = "make prog") -> Project:
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    workload = Workload("run-1", tuple(run.split()), None, (), folder)
    options = ProjectOptions((tuple(build.split()),), (workload,), objective="size")
    return set_up(folder.resolve(), toolchain(), options, quiet_run(scratch), scratch)


def sources(build: Build) -> list[str]:
    return sorted(unit.source.name for unit in build.units)


def test_takes_the_compiler_from_the_environment(tmp_path: Path) -> None:
    build = learn(project_of(tmp_path, TWO_STEPS))
    assert sources(build) == ["half.c", "main.c"]
    assert [link.output.name for link in build.links] == ["prog"]
    assert {unit.command.level for unit in build.units} == {"O2"}


@pytest.mark.parametrize("name", ["gcc", "clang", "cc", "c99"])
def test_catches_a_compiler_that_is_named_without_its_folder(tmp_path: Path, name: str) -> None:
    assert sources(learn(project_of(tmp_path, f"CC = {name}\n{TWO_STEPS}"))) == ["half.c", "main.c"]


def test_catches_nothing_where_the_compiler_is_named_with_its_folder(tmp_path: Path) -> None:
    folder = project_of(tmp_path, f"CC = {toolchain().clang}\n{TWO_STEPS}")
    with pytest.raises(NothingCompiled, match=r"compiled nothing through colt-cc.* use make CC=colt-cc") as error:
        prepare(folder)
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


def test_says_to_clean_where_all_is_up_to_date(tmp_path: Path) -> None:
    folder = project_of(tmp_path, TWO_STEPS)
    learn(folder)
    with pytest.raises(NothingCompiled, match="clean first"):
        prepare(folder)


def test_tells_of_objects_that_were_up_to_date(tmp_path: Path) -> None:
    folder = project_of(tmp_path, TWO_STEPS)
    learn(folder)
    os.utime(folder / "half.c")
    project = prepare(folder)
    assert [unit.name for unit in project.units] == ["half.c"]
    assert any("1 objects of the program were up to date" in note for note in project.notes)


def test_ends_with_the_status_of_what_does_not_compile(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = project_of(tmp_path, TWO_STEPS, **{"half.c": "int half(int x) { return y; }\n"})
    with pytest.raises(
        CompileError, match="--build make prog: failed with status 2; see what it printed above"
    ) as error:
        learn(folder)
    assert error.value.exit_status == 4
    assert "undeclared identifier" in capfd.readouterr().err


def test_says_that_a_build_command_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--build no-such-command: No such file"):
        learn(project_of(tmp_path, TWO_STEPS), "no-such-command")


@pytest.mark.parametrize(
    ("makefile", "says"),
    [
        ("prog: main.c half.c\n\t$(CC) -O2 -o $@ main.c half.c\n", "compile and link in two steps"),
        ("prog: main.c\n\t$(CC) -O2 -c main.c half.c\n\ttouch prog\n", "compile each with a command of its own"),
        ("prog: main.c\n\t$(CC) -O2 -c main.c\n", "linked no program"),
    ],
)
def test_says_what_a_build_lacks(tmp_path: Path, makefile: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        prepare(project_of(tmp_path, makefile))


def test_keeps_what_the_build_prints_from_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    learn(project_of(tmp_path, f"{TWO_STEPS}\nprog: said\nsaid:\n\techo to both; echo to both >&2\n"))
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("to both") >= 2


def test_runs_several_commands_in_turn(tmp_path: Path) -> None:
    assert sources(learn(project_of(tmp_path, TWO_STEPS), "make half.o", "make prog")) == ["half.c", "main.c"]


def test_finds_units_of_subfolders(tmp_path: Path) -> None:
    folder = project_of(
        tmp_path,
        "prog: main.c\n\t$(MAKE) -C sub half.o\n\t$(CC) -O2 -c main.c\n\t$(CC) -o prog main.o sub/half.o\n",
        **{"sub/Makefile": "half.o: ../half.c\n\t$(CC) -O2 -I. -c ../half.c\n"},
    )
    project = prepare(folder)
    assert sorted(unit.name for unit in project.units) == ["half.c", "main.c"]
    assert {unit.unit.directory.name for unit in project.units} == {"project", "sub"}


def test_takes_the_objects_of_the_program_that_is_run(tmp_path: Path) -> None:
    both = f"all: prog other\n{TWO_STEPS}other: other.o half.o\n\t$(CC) -o $@ other.o half.o\n"
    folder = project_of(tmp_path, both, **{"other.c": "int half(int);\nint main(void) { return half(1); }\n"})
    project = prepare(folder, "./other", "make all")
    assert project.program == "other"
    assert sorted(unit.name for unit in project.units) == ["half.c", "other.c"]


def test_names_the_programs_where_the_command_runs_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--run ./porg: runs nothing that the build links \(prog\)"):
        prepare(project_of(tmp_path, TWO_STEPS), "./porg")


def test_tells_two_objects_of_one_source_apart(tmp_path: Path) -> None:
    folder = project_of(
        tmp_path,
        "prog:\n\t$(CC) -O2 -c main.c\n\t$(CC) -O2 -c half.c\n"
        "\t$(CC) -O2 -fPIC -Dhalf=third -c half.c -o third.o\n\t$(CC) -o prog main.o half.o third.o\n",
    )
    project = prepare(folder)
    assert sorted(unit.unit.output.name for unit in project.units) == ["half.o", "main.o", "third.o"]
    assert len({unit.folder_name for unit in project.units}) == 3


def test_mixes_languages(tmp_path: Path) -> None:
    folder = project_of(
        tmp_path,
        "prog:\n\t$(CC) -O2 -c half.c\n\t$(CXX) -O2 -c add.cpp\n\t$(CC) -O2 -x c++ -c text -o text.o\n"
        "\t$(CXX) -O2 -c main.cc\n\t$(CXX) -o prog main.o half.o add.o text.o\n",
        **{
            "add.cpp": "#include <vector>\n"
            "int add(const std::vector<int> &v) { int s = 0; for (int x : v) s += x; return s; }\n",
            "text": "template <class T> T same(T x) { return x; }\nint text(int x) { return same(x); }\n",
            "main.cc": '#include <vector>\nextern "C" int half(int);\n'
            "int add(const std::vector<int> &);\nint text(int);\n"
            "int main() { return half(add({0, 0})) + text(0); }\n",
        },
    )
    project = prepare(folder)
    assert {unit.name: unit.unit.command.cxx for unit in project.units} == {
        "half.c": False, "add.cpp": True, "text": True, "main.cc": True,
    }  # fmt: skip
    assert project.relinker.clang == str(toolchain().compiler(True))


def test_follows_names_with_spaces_and_response_files(tmp_path: Path) -> None:
    folder = project_of(
        tmp_path,
        'prog:\n\t$(CC) -O2 -c main.c\n\t$(CC) @words.rsp\n\t$(CC) -o prog main.o "in here/half.o"\n',
        **{
            "in here/half.c": "#if WORD != 3\n#error\n#endif\nint half(int x) { return x / 2; }\n",
            "words.rsp": "-O2 -DWORD=3 -c \"in here/half.c\" -o 'in here/half.o'\n",
        },
    )
    shutil.move(folder / "half.c", folder / "unused.c")
    assert sorted(unit.name for unit in prepare(folder).units) == ["in here/half.c", "main.c"]


def test_reads_commands_that_ran_side_by_side(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(24)]
    folder = write(
        tmp_path / "project",
        {
            "main.c": "int main(void) { return 0; }\n",
            **{f"{name}.c": f"int {name}(int x) {{ return x + {len(name)}; }}\n" for name in names},
            "Makefile": f"prog: main.o {' '.join(f'{name}.o' for name in names)}\n\t$(CC) -o $@ $^\n"
            "%.o: %.c\n\t$(CC) -O2 -c $<\n",
        },
    )
    assert sources(learn(folder, "make -j8 prog")) == sorted(f"{name}.c" for name in ["main", *names])
