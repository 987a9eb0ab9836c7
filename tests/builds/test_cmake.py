"""The CMake module ColtLLVM, with both kinds of generators."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from walkthrough import Block, Project, blocks

GENERATORS = {"Ninja": "ninja", "Unix Makefiles": "make"}
pytestmark = pytest.mark.needs("cmake")

LISTS = """cmake_minimum_required(VERSION 3.16)
project(prog C)
add_executable(prog main.c work.c)
"""
OBJECT = "build/CMakeFiles/prog.dir/work.c.o"
CONFIGURE = 'cmake -S . -B build -DCMAKE_C_COMPILER=colt-cc -DCMAKE_PROJECT_INCLUDE="$(colt-llvm cmake-module)"'
BUILD = "cmake --build build"


#: What CMake itself does is the same with both: by default the first that is installed is tried.
USUAL = next((name for name, tool in GENERATORS.items() if shutil.which(tool)), "Ninja")
either_generator = pytest.mark.parametrize(
    "project",
    [pytest.param(name, marks=[] if name == USUAL else [pytest.mark.exhaustive]) for name in GENERATORS],
    indirect=True,
)


@pytest.fixture(params=GENERATORS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    if not shutil.which(GENERATORS[request.param]):
        pytest.skip(f"{GENERATORS[request.param]} is not installed")
    project = Project(tmp_path, CMAKE_GENERATOR=request.param)
    project.write({"CMakeLists.txt": LISTS})
    return project


@pytest.mark.parametrize(
    ("project", "included"),
    [("Ninja", "by the command line"), ("Unix Makefiles", "by the project")],
    indirect=["project"],
)
def test_the_commands_of_the_document_do_what_it_says(project: Project, included: str) -> None:
    shell, cmake = blocks("CMake")
    assert (shell.language, cmake.language) == ("sh", "cmake")
    configure, *others = shell.commands
    if included == "by the project":
        project.write({"CMakeLists.txt": LISTS.replace("add_exec", cmake.text + "add_exec")})
        configure = configure.replace('-DCMAKE_PROJECT_INCLUDE="$(colt-llvm cmake-module)"', "")
        assert "cmake-module" not in configure
    project.type(configure)
    follow(project, Block("sh", "\n".join(others)))


def follow(project: Project, block: Block) -> None:
    for command in block.commands:
        if command.endswith("--target colt-tune"):
            project.type(f"{BUILD} && {command}")  # what is built already is no hindrance
            assert project.recipe_file.is_file()
            assert project.tuned(OBJECT)
        elif command == BUILD:
            assert project.recipes_used(command) == ["-"], "tuning has left a tuned build"
        elif command.endswith("--target colt-report"):
            assert "work.c" in project.type(command)
        elif command.endswith("--target colt-untuned"):
            assert project.recipes_used(command) == []
            assert not project.tuned(OBJECT)
            project.type(f"touch work.c; {BUILD}")
            assert not project.tuned(OBJECT), "it holds until colt-tuned is built"
        elif command.endswith("--target colt-tuned"):
            assert project.recipes_used(command) == ["work.c"]
            assert project.tuned(OBJECT)
        else:
            pytest.fail(f"{command}: not looked at by this test")


def test_a_new_or_changed_recipe_makes_all_objects_again(project: Project) -> None:
    project.type(f"{CONFIGURE} -DCOLT_RUN=build/prog && {BUILD}")
    project.type(f"{BUILD} --target colt-tune && mv .colt kept && {BUILD}")
    project.type("mv kept .colt")
    assert project.recipes_used(BUILD) == ["work.c"]
    project.change_recipe()
    assert project.recipes_used(BUILD) == ["work.c"]
    assert project.recipes_used(BUILD) == ["-"]


@either_generator
def test_a_launcher_of_the_project_is_kept_without_recipes(project: Project, tmp_path: Path) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\necho "$COLT_DISABLE" >>{tmp_path}/launched\nexec "$@"\n')
    launcher.chmod(0o755)
    project.type(f"{CONFIGURE} -DCMAKE_C_COMPILER_LAUNCHER={launcher} && {BUILD} --target colt-untuned")
    assert (tmp_path / "launched").read_text().split() == ["1", "1"]


@either_generator
def test_a_folder_with_another_compiler_is_built_as_before_and_says_what_to_type(project: Project) -> None:
    project.type(f"{CONFIGURE.replace('=colt-cc', '=cc')} -DCOLT_RUN=build/prog && {BUILD} -v")
    said = project.type(f"{BUILD} --target colt-tuned || {BUILD} --target colt-tune || {BUILD} --target colt-report")
    assert said.count("make one with cmake -DCMAKE_C_COMPILER=colt-cc -DCMAKE_CXX_COMPILER=colt-c++") >= 2


@either_generator
def test_what_to_run_has_to_be_said(project: Project) -> None:
    project.type(CONFIGURE)
    said = project.type(f"! {BUILD} --target colt-tune")
    assert 'COLT_RUN is not set; type cmake -DCOLT_RUN="build/prog input.txt"' in said


@either_generator
def test_a_part_of_the_project_and_further_options_reach_tune(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin/colt-llvm").rename(tmp_path / "bin/real")
    (tmp_path / "bin/colt-llvm").write_text('#!/bin/sh\n[ $1 = tune ] || exec real "$@"\nfor w; do echo "<$w>"; done\n')
    (tmp_path / "bin/colt-llvm").chmod(0o755)
    options = "-DCOLT_TARGET=prog -DCOLT_FLAGS='--time;7' -DCOLT_RUN=\"build/prog 'a b'\""
    project.type(f"{CONFIGURE} {options}")
    said = project.type(f"{BUILD} --target colt-tune")
    assert "<--run>\n<build/prog 'a b'>\n<--time>\n<7>\n" in said
    assert "'--target' 'prog'" in said
