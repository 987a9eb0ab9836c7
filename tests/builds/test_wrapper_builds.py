"""Whole builds with colt-cc: many at once, and behind a cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from wrapper_helpers import PIPELINE, Case, compiler, environment, record, toolchain

from colt_llvm.builds.cc import toolchain_cache
from colt_llvm.builds.cc.log import read_log
from colt_llvm.builds.cc.tuned import PassesChild
from colt_llvm.core.errors import PassError
from colt_llvm.llvm.replay import replay

pytestmark = pytest.mark.llvm

FILES = 6
MAKEFILE = f"""OBJECTS = $(patsubst %,f%.o,$(shell seq {FILES}))
all: $(OBJECTS)
%.o: %.c
\t$(CC) -O2 -MD -c $< -o $@
"""
SOURCE = """#include "common.h"
int f{n}(const int *a, int n) {{ int s = {n}; for (int i = 0; i < n; i++) s = s * 31 + a[i] % LIMIT; return s; }}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "common.h").write_text("#define LIMIT 7\n")
    for n in range(1, FILES + 1):
        (folder / f"f{n}.c").write_text(SOURCE.format(n=n))
    return folder


def tune(project: Path, n: int, pipeline: str = PIPELINE) -> None:
    words = f"-O2 -MD -c f{n}.c -o f{n}.o".split()
    record(Case(words), project, project.parent / "scratch", pipeline)


def objects(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(project.glob("*.[od]"))}


@pytest.mark.needs("make")
def test_many_at_once_give_the_same_bytes_each_time(project: Path) -> None:
    for n in range(1, FILES + 1):
        tune(project, n)
    log = project.parent / "log"
    variables = environment(project.parent, COLT_LOG=str(log), MAKEFLAGS="")
    built = []
    for jobs in ("-j8", "-j8", "-j1"):
        for name in objects(project):
            (project / name).unlink()
        argv = ["make", jobs, f"CC={' '.join(compiler())}"]
        done = subprocess.run(argv, cwd=project, env=variables, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        built.append(objects(project))
    assert built[0] == built[1] == built[2]
    assert len(built[0]) == 2 * FILES
    logged = read_log(log)
    assert len(logged) == 3 * FILES
    assert all(line.recipe for line in logged)


@pytest.mark.needs("ccache")
@pytest.mark.skipif(len(compiler()) > 1, reason="colt-cc is not installed as a command")
def test_ccache_gives_no_object_of_an_old_recipe(project: Path) -> None:
    variables = environment(
        project.parent, CCACHE_DIR=str(project.parent / "ccache"), CCACHE_COMPILERTYPE="clang",
        CCACHE_COMPILERCHECK="%compiler% --colt-identity", CCACHE_STATSLOG=str(project.parent / "stats"),
    )  # fmt: skip

    def build(*prefix: str) -> bytes:
        argv = [*prefix, *compiler(), "-O2", "-MD", "-c", "f1.c", "-o", "f1.o"]
        subprocess.run(argv, cwd=project, env=variables, check=True)
        return (project / "f1.o").read_bytes()

    def hits() -> int:
        said = (project.parent / "stats").read_text()
        return said.count("direct_cache_hit") + said.count("preprocessed_cache_hit")

    plain = build("ccache")
    assert build("ccache") == plain
    assert hits() == 1
    seen = [plain]
    for pipeline in (PIPELINE, "function(sroa)"):
        tune(project, 1, pipeline)
        expected = build()
        assert build("ccache") == expected
        assert build("ccache") == expected
        assert expected not in seen
        seen.append(expected)
    assert hits() == 3
    shutil.rmtree(project / ".colt")
    assert build("ccache") == plain
    assert hits() == 4


@pytest.fixture
def bitcode(tmp_path: Path) -> bytes:
    (tmp_path / "a.c").write_text(SOURCE.format(n=1).replace('#include "common.h"', "#define LIMIT 9"))
    words = ["-O3", "-Xclang", "-disable-llvm-passes", "-Xclang", "-emit-llvm-uselists", "-emit-llvm", "-c", "a.c"]
    subprocess.run([toolchain().clang, *words, "-o", "a.bc"], cwd=tmp_path, check=True)
    return (tmp_path / "a.bc").read_bytes()


@pytest.mark.parametrize("pipeline", ["default<O3>", "default<O2>,instsimplify", ""])
def test_the_forked_child_gives_what_replaying_gives(tmp_path: Path, bitcode: bytes, pipeline: str) -> None:
    child = PassesChild(tmp_path, toolchain().library, pipeline, 3)
    try:
        made = child.run(toolchain().library, [bitcode], pipeline, 3)
    finally:
        child.close()
    assert made == replay(toolchain().library, [bitcode], pipeline, 3)


def test_the_forked_child_says_why_it_fails(tmp_path: Path, bitcode: bytes) -> None:
    child = PassesChild(tmp_path, toolchain().library, "no-such-pass", 3)
    with pytest.raises(PassError, match="no-such-pass"):
        child.run(toolchain().library, [bitcode], "no-such-pass", 3)
    child.close()
    child = PassesChild(tmp_path, tmp_path / "libNone.so", "default<O1>", 3)
    with pytest.raises(PassError, match="cannot be loaded"):
        child.run(tmp_path / "libNone.so", [bitcode], "default<O1>", 3)
    child.close()


def test_a_child_that_is_not_asked_ends(tmp_path: Path) -> None:
    child = PassesChild(tmp_path, toolchain().library, "default<O1>", 3)
    pid = child._pid
    child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_toolchain_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clang, cache = str(toolchain().clang), str(tmp_path)
    expected = (str(toolchain().library), toolchain().major)
    assert toolchain_cache.library_of(clang, cache) == expected
    monkeypatch.setattr("colt_llvm.llvm.toolchain.toolchain_of", refuse)
    assert toolchain_cache.library_of(clang, cache) == expected
    with pytest.raises(AssertionError):
        toolchain_cache.library_of(clang, "")
    with pytest.raises(AssertionError):
        toolchain_cache.library_of(clang, "relative")


@pytest.mark.parametrize("damage", ["text", "version", "stamp", "library", "writable", "kind", "major"])
def test_what_was_remembered_wrongly_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    clang, file = str(toolchain().clang), tmp_path / "colt-llvm/toolchains.json"
    toolchain_cache.library_of(clang, str(tmp_path))
    data = json.loads(file.read_text())
    (entry,) = data["toolchains"].values()
    if damage == "version":
        data["version"] = 99
    elif damage == "stamp":
        entry["stamp"][0] += 1
    elif damage == "library":
        entry["library"] = str(tmp_path)
    elif damage == "kind":
        data["toolchains"] = []
    elif damage == "major":
        entry["major"] = "22"
    file.write_text("{" if damage == "text" else json.dumps(data))
    if damage == "writable":
        file.chmod(0o666)
    expected = (str(toolchain().library), toolchain().major)
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr("colt_llvm.llvm.toolchain.toolchain_of", lambda clang: asked.append(clang) or toolchain())
        assert toolchain_cache.library_of(clang, str(tmp_path)) == expected
    assert len(asked) == 1
    assert json.loads(file.read_text())["version"] == 1
    monkeypatch.setattr("colt_llvm.llvm.toolchain.toolchain_of", refuse)
    assert toolchain_cache.library_of(clang, str(tmp_path)) == expected  # and it is remembered rightly now


def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert toolchain_cache.library_of(str(toolchain().clang), str(tmp_path / "file"))[1] == toolchain().major


def refuse(_: Path) -> None:
    raise AssertionError("asked")
