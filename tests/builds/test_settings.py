"""The variables of colt-cc, and which clang it stands for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from colt_llvm.builds.cc import settings as module
from colt_llvm.builds.cc.settings import Settings
from colt_llvm.llvm import toolchain


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in place of /usr/lib."""
    folders = tuple(f"{tmp_path}/lib/llvm-{{}}" for _ in range(1))
    monkeypatch.setattr(module, "_FOLDERS", folders)
    monkeypatch.setattr(module.sys, "prefix", sys.base_prefix)  # .venv may have a clang
    return tmp_path / "lib"


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def found(cxx: bool = False, **environment: str) -> str | None:
    return Settings(environment).compiler(cxx)


def test_versions_are_those_of_the_toolchain() -> None:
    assert list(module.MAJORS) == list(toolchain.SUPPORTED_MAJORS)
    assert toolchain.PREFIX_VARIABLE == module.PREFIX


@pytest.mark.parametrize(("text", "set_"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_switches_are_off_when_empty_or_zero(text: str, set_: bool) -> None:
    settings = Settings({"COLT_STRICT": text, "COLT_DISABLE": text})
    assert (settings.strict, settings.disabled) == (set_, set_)


def test_a_level_may_have_its_dash() -> None:
    assert Settings({"COLT_LEVEL": "-Oz"}).level == "Oz"


def test_clang_of_path_comes_before_the_usual_folders(usual: Path, tmp_path: Path) -> None:
    in_folder, on_path = executable(usual / "llvm-19/bin/clang"), executable(tmp_path / "bin/clang")
    assert found(PATH=f"/nowhere:{tmp_path}/bin") == str(on_path)
    assert found(PATH="/nowhere") == str(in_folder)
    assert found(PATH="") == str(in_folder)


def test_the_newest_version_of_the_usual_folders_comes_first(usual: Path) -> None:
    executable(usual / "llvm-16/bin/clang")
    newest = executable(usual / "llvm-22/bin/clang")
    assert found(PATH="") == str(newest)


def test_a_version_without_recipes_is_passed_over(usual: Path, tmp_path: Path) -> None:
    old = executable(usual / "llvm-14/bin/clang")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/clang").symlink_to(old)
    newer = executable(usual / "llvm-19/bin/clang")
    assert found(PATH=str(tmp_path / "bin")) == str(newer)


def test_the_place_is_not_resolved_as_clang_says_its_own_name(usual: Path, tmp_path: Path) -> None:
    real = executable(usual / "llvm-22/bin/clang")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/clang").symlink_to(real)
    assert found(PATH=str(tmp_path / "bin")) == str(tmp_path / "bin/clang")


@pytest.mark.parametrize("other", ["colt-cc", "ccache", "distcc"])
def test_a_stand_in_for_clang_is_passed_over(other: str, usual: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/clang").symlink_to(executable(tmp_path / other))
    real = executable(usual / "llvm-22/bin/clang")
    assert found(PATH=str(tmp_path / "bin")) == str(real)


def test_clangxx_is_that_of_the_same_folder(usual: Path, tmp_path: Path) -> None:
    executable(usual / "llvm-19/bin/clang")
    executable(usual / "llvm-19/bin/clang++")
    executable(usual / "llvm-22/bin/clang++")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/clang").symlink_to(usual / "llvm-19/bin/clang")
    (tmp_path / "bin/clang++").symlink_to(usual / "llvm-22/bin/clang++")
    assert found(True, PATH=str(tmp_path / "bin")) == str(usual / "llvm-19/bin/clang++")


def test_a_prefix_is_the_only_place(usual: Path, tmp_path: Path) -> None:
    executable(usual / "llvm-22/bin/clang")
    assert found(COLT_LLVM_PREFIX=str(tmp_path / "none"), PATH="") is None
    mine = executable(tmp_path / "mine/bin/clang-19")
    assert found(COLT_LLVM_PREFIX=str(tmp_path / "mine"), PATH="") == str(mine)


def test_a_clang_that_called_us_is_not_called_again(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = executable(tmp_path / "bin/clang")
    executable(tmp_path / "bin/clang++")
    real = executable(usual / "llvm-22/bin/clang++").with_name("clang")
    executable(real)
    settings = Settings({"PATH": str(script.parent)})
    assert settings.compiler(True) == f"{script}++"
    monkeypatch.setenv(module.STARTED, "")
    settings.tell_children()
    again = Settings({"PATH": str(script.parent), module.STARTED: os.environ[module.STARTED]})
    assert again.compiler(True) == f"{real}++"
    assert again.compiler(False) == str(real)


def test_the_cache_is_where_the_user_has_it() -> None:
    assert Settings({"HOME": "/h"}).cache == "/h/.cache"
    assert Settings({"HOME": "/h", "XDG_CACHE_HOME": "/c"}).cache == "/c"
    assert Settings({}).cache == ""
