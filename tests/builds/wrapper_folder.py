"""A folder with a recipe for one command of a build, what colt-cc and clang make of that command, and mishaps."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from wrapper_helpers import Case, environment, fill, record, toolchain

WORDS = ["-O2", "-Wall", "-c", "warn.c", "-o", "w.o"]
CASE = Case(WORDS)
_MODULE = "import os, signal, time, colt_llvm.llvm.module as module, colt_llvm.builds.cc.tuned as passes"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a recipe for WORDS; tests work in copies."""
    place = tmp_path_factory.mktemp("recorded")
    fill(place / "work")
    record(CASE, place / "work", place / "scratch")
    return place / "work"


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return shutil.copytree(recorded, tmp_path / "work", symlinks=True)


def call(
    folder: Path, argv: Sequence[str], words: Sequence[str] = WORDS, **more: str
) -> subprocess.CompletedProcess[str]:
    variables = environment(folder.parent, TMPDIR=str(folder.parent / "tmp"), **more)
    return subprocess.run([*argv, *words], cwd=folder, env=variables, capture_output=True, text=True, timeout=100)


def patched(code: str) -> list[str]:
    return [sys.executable, "-c", f"{_MODULE}\n{code}\nfrom colt_llvm.builds.cc.wrapper import cc; cc()"]


def clangs(folder: Path, words: Sequence[str] = WORDS) -> tuple[str, bytes]:
    """What clang says, and its object, which is removed."""
    done = call(folder, [str(toolchain().clang)], words)
    data = (folder / "w.o").read_bytes()
    (folder / "w.o").unlink()
    return done.stderr, data


def assert_clang_after_one_line(folder: Path, done: subprocess.CompletedProcess[str], said: str, data: bytes) -> str:
    first, rest = done.stderr.split("\n", 1)
    assert first.startswith("colt-cc: ")
    assert (done.returncode, rest) == (0, said)
    assert (folder / "w.o").read_bytes() == data
    assert not list((folder.parent / "tmp").iterdir())
    return first


def edit(folder: Path, **changes: object) -> None:
    file = folder / ".colt/warn.c.json"
    data = json.loads(file.read_text())
    data["recipes"][0].update(changes)
    file.write_text(json.dumps(data))


def stand_in(prefix: Path, script: str) -> Path:
    """A prefix whose clang is a script."""
    clang = prefix / "bin" / "clang"
    clang.parent.mkdir(parents=True)
    clang.write_text(f"#!/bin/sh\n{script}\n")
    clang.chmod(0o755)
    return prefix
