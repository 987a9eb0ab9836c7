"""``include $(shell colt-llvm make-include)``, and that objects of two kinds are never mixed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from walkthrough import Project, blocks, commands

from colt_llvm.cli.build_files import CMAKE, MAKE, include_path
from colt_llvm.core.errors import ToolchainError

pytestmark = pytest.mark.needs("make")

MAKEFILE = """
CC = gcc-of-the-project
CFLAGS = -O2
prog: main.o work.o
	$(CC) -o $@ main.o work.o
%.o: %.c
	$(CC) $(CFLAGS) -c -o $@ $<
install: prog
	mkdir -p $(DESTDIR)/bin && cp prog $(DESTDIR)/bin
clean:
	rm -f prog *.o
show:
	@echo "CC is $(CC), ccache looks at $$CCACHE_COMPILERCHECK."
"""
INCLUDE = "include $(shell colt-llvm make-include)\n"


def project_in(folder: Path) -> Project:
    project = Project(folder)
    project.write({"Makefile": INCLUDE + MAKEFILE})
    own = folder / "bin" / "gcc-of-the-project"
    own.write_text('#!/bin/sh\nexec colt-cc "$@" -DOWN_COMPILER -g\n')
    own.chmod(0o755)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With an include before its first goal, and a C compiler of its own."""
    return project_in(tmp_path)


@pytest.fixture(scope="module")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project_in(tmp_path_factory.mktemp("recorded"))
    record(made)
    return made.folder


@pytest.fixture
def recorded(project: Project, recorded_once: Path) -> Project:
    """The same after ``make tune``: a copy, with its times."""
    shutil.rmtree(project.folder)
    shutil.copytree(recorded_once, project.folder)
    return project


def record(project: Project) -> None:
    project.type("make tune COLT_RUN='./prog input.txt'")


def kinds(project: Project) -> set[str]:
    """Which compilers made the objects that are there: the project's own one leaves debug information."""
    found = set()
    for name in ("main.o", "work.o"):
        own = b"debug_info" in (project.folder / name).read_bytes()
        found.add("own" if own else "colt-cc")
    return found


def test_the_commands_of_the_document_do_what_it_says(project: Project) -> None:
    (makefile,) = [block.text for block in blocks("make") if block.language == "make"]
    project.write({"Makefile": MAKEFILE + makefile})
    for command in commands("make"):
        if command == "make tune":
            project.type(command)
            assert project.recipe_file.is_file()
            assert project.tuned("work.o")
        elif command == "make tuned":
            project.type("make clean")
            assert project.recipes_used(command) == ["work.c"]
            assert project.tuned("work.o")
        elif command.startswith("make COLT=1 install"):
            assert project.recipes_used(command) == ["-"], "it is built already"
            assert (project.folder / "stage/bin/prog").read_bytes() == (project.folder / "prog").read_bytes()
        elif command == "make colt-report":
            assert "work.c" in project.type(command)
        elif command == "make untuned":
            assert project.recipes_used(command) == []
            assert not project.tuned("work.o")
            assert kinds(project) == {"colt-cc"}
        elif command == "make":
            project.type(command)
            assert kinds(project) == {"own"}
        else:
            pytest.fail(f"{command}: not looked at by this test")


def test_the_default_goal_and_the_compiler_stay_the_projects_own(project: Project) -> None:
    project.type("make")
    assert kinds(project) == {"own"}
    assert not (project.folder / ".colt-mode").exists(), "who does not use it sees nothing of it"
    assert project.type("make show") == "CC is gcc-of-the-project, ccache looks at .\n"
    assert "CC is colt-cc, ccache looks at %compiler% --colt-identity." in project.type("make COLT=1 show")


def test_objects_made_before_are_made_again_by_tuned(recorded: Project) -> None:
    recorded.type("make clean; rm .colt-mode; make")
    assert recorded.recipes_used("make tuned") == ["work.c"]
    assert kinds(recorded) == {"colt-cc"}


def test_a_plain_make_leaves_no_tuned_object_behind(recorded: Project) -> None:
    recorded.type("make tuned; touch main.c; make main.o")
    assert not (recorded.folder / "work.o").exists()
    recorded.type("make")
    assert kinds(recorded) == {"own"}


def test_nothing_is_compiled_twice_in_one_mode(recorded: Project) -> None:
    recorded.type("make tuned")
    assert recorded.recipes_used("make tuned") == ["-"]
    assert recorded.recipes_used("make COLT=1 prog") == ["-"]
    recorded.type("touch work.c")
    assert recorded.recipes_used("make tuned") == ["work.c"]


def test_a_changed_recipe_makes_all_objects_again(recorded: Project) -> None:
    recorded.type("make tuned")
    recorded.change_recipe()
    assert recorded.recipes_used("make tuned") == ["work.c"]


def test_a_recipe_in_a_subfolder_counts_too(project: Project) -> None:
    project.type("make tuned")
    project.write({"part/.colt/a.c.json": "{}"})
    assert project.recipes_used("make tuned") == []


def test_an_interrupted_change_is_begun_again(recorded: Project) -> None:
    recorded.type("make tuned")
    said = recorded.type("make COLT_CLEAN=false untuned", status=2)
    assert "set COLT_CLEAN to a command that removes all objects" in said
    assert recorded.tuned("work.o")
    recorded.type("make untuned")
    assert not recorded.tuned("work.o")


def test_cleaning_and_help_compile_nothing_and_so_remove_nothing_more(project: Project) -> None:
    project.write({"Makefile": INCLUDE + MAKEFILE + "help:\n\t@echo goals\n"})
    project.type("make tuned")
    assert project.type("make help") == "goals\n"
    assert (project.folder / "prog").exists()
    assert "cleaning first" not in project.type("make clean")


def test_a_dry_run_changes_nothing(project: Project) -> None:
    project.type("make tuned")
    before = (project.folder / ".colt-mode").read_bytes()
    said = project.type("make -n untuned")
    assert "COLT_DISABLE=1" in said
    project.type("make -n")
    project.type("make -q", status=0)
    assert (project.folder / ".colt-mode").read_bytes() == before
    assert (project.folder / "work.o").exists()


def test_makefiles_in_subfolders_compile_with_colt_cc_too(project: Project) -> None:
    project.write({
        "Makefile": INCLUDE + "all:\n\t$(MAKE) -C lib\nclean:\n\trm -f lib/*.o\n",
        "lib/Makefile": "CC = gcc-of-the-project\nwork.o: ../work.c\n\t$(CC) -O2 -c -o $@ $<\n",
    })  # fmt: skip
    for command in ("make tuned", "make COLT=1", "COLT=1 make"):
        project.type("make clean; rm -f .colt-mode")
        assert "gcc-of-the-project" not in project.type(command), command


def test_variables_of_the_command_line_reach_the_build_and_the_cleaning(project: Project) -> None:
    text = MAKEFILE.replace("-c -o", "$(EXTRA) -c -o").replace("rm -f", "@echo extra is $(EXTRA)\n\trm -f")
    project.write({"Makefile": INCLUDE + text})
    said = project.type("make tuned EXTRA='-DNAME=\"a b\"'")
    assert "extra is -DNAME=a b" in said
    assert '-DNAME="a b" -c -o work.o' in said


def test_another_makefile_is_used_by_its_name(project: Project) -> None:
    project.type("mv Makefile other.mk; make -f other.mk tuned")
    assert (project.folder / "prog").exists()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("make tune", "COLT_RUN is not set; add a line such as COLT_RUN = ./prog input.txt"),
        ("make tuned untuned", "tuned untuned: give this goal alone"),
        ("make tuned show", "for others with recipes use make COLT=1 GOAL"),
        ("make tuned COLT_CC=no-such-cc", "no-such-cc: not found; put the folder of colt-llvm on PATH, or"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_line_with_the_remedy(project: Project, command: str, what: str) -> None:
    said = project.type(command, status=2)
    assert [line for line in said.splitlines() if what in line], said


def test_commands_with_quotes_reach_tune_as_they_are(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin/colt-llvm").rename(tmp_path / "bin/real")
    (tmp_path / "bin/colt-llvm").write_text('#!/bin/sh\n[ $1 = tune ] || exec real "$@"\nfor w; do echo "<$w>"; done\n')
    (tmp_path / "bin/colt-llvm").chmod(0o755)
    text = "COLT_RUN = ./prog 'it is' \"$$HOME\"\nCOLT_BUILD = make -j2 prog\nCOLT_FLAGS = --objective size\n"
    project.write({"Makefile": INCLUDE + MAKEFILE + text})
    said = project.type("make tune").splitlines()
    assert said[-7:] == [
        "<tune>", "<--build>", "<make -j2 prog>", "<--run>", "<./prog 'it is' \"$HOME\">", "<--objective>", "<size>",
    ]  # fmt: skip


def test_a_build_that_names_its_compiler_itself_can_be_tuned_and_is_plain_again_afterwards(project: Project) -> None:
    project.type("make COLT_BUILD='make CC=cc' COLT_RUN='./prog' tune")
    assert project.tuned("work.o")
    project.type("make")
    assert kinds(project) == {"own"}


@pytest.mark.needs("ccache")
def test_ccache_in_front_gives_no_object_of_another_mode_and_hides_none_from_tuning(project: Project) -> None:
    project.write({"Makefile": "COLT_CC = ccache colt-cc\n" + INCLUDE + MAKEFILE})
    project.type("make tuned")
    record(project)
    for command, expected in (("make tuned", True), ("make untuned", False), ("make tuned", True)):
        project.type(command)
        assert project.tuned("work.o") is expected


def test_the_files_are_found_beside_the_package(tmp_path: Path) -> None:
    for name in (MAKE, CMAKE):
        assert include_path(name).is_absolute()
        assert "colt-llvm" in include_path(name).read_text()
    with pytest.raises(ToolchainError, match="install colt-llvm again"):
        include_path(MAKE, tmp_path)
    spaced = tmp_path / "a folder"
    spaced.mkdir()
    (spaced / MAKE).touch()
    (spaced / CMAKE).touch()
    with pytest.raises(ToolchainError, match="make cannot include a path with such letters"):
        include_path(MAKE, spaced)
    assert include_path(CMAKE, spaced) == spaced / CMAKE
