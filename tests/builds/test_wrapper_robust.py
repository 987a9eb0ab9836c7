"""colt-cc when things go wrong: then it is clang, one line says why, and nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wrapper_folder import WORDS, assert_clang_after_one_line, call, clangs, edit, folder, patched, recorded
from wrapper_helpers import PIPELINE, compiler, fill, left_in, toolchain

from colt_llvm.builds.cc import identity
from colt_llvm.builds.cc.log import read_log

__all__ = ["folder", "recorded"]


def test_a_recipe_is_used_and_gives_the_same_bytes_again(folder: Path) -> None:
    said, data = clangs(folder)
    objects = []
    for _ in range(2):
        done = call(folder, compiler())
        assert (done.returncode, done.stderr) == (0, said)
        objects.append((folder / "w.o").read_bytes())
    assert objects[0] == objects[1] != data


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("module.Module.run = lambda *_: os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
        ("module.Module.run = lambda *_: os.abort()", "crashed (SIGABRT)"),
        ("module.Module.run = lambda *_: os._exit(1)", "crashed (exit status 1)"),
        ("passes.WALL_SECONDS = 0.2\nmodule.Module.run = lambda *_: time.sleep(100)", "not done after 0.2 s"),
        ("module.Module.run = lambda *_: bytearray(1 << 62)", "recipe not used"),
        ("module.Module.run = lambda *_: None\nmodule.Module.bitcode = lambda *_: b'BC'", "code generation fails"),
    ],
)
def test_passes_that_fail_leave_it_to_clang(folder: Path, code: str, reason: str) -> None:
    said, data = clangs(folder)
    assert reason in assert_clang_after_one_line(folder, call(folder, patched(code)), said, data)


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeline": "; touch hacked"}, {"pipeline": "$(touch hacked)"}, {"pipeline": "\0"}, {"pipeline": "\ud800"},
        {"pipeline": "no-such-pass"}, {"pipeline": "function("}, {"pipeline": "-load=x.so"},
        {"pipeline": "x" * 100_000},
        {"level": "fplugin=./x.so"}, {"level": "O3 -o hacked"}, {"level": ""}, {"level": "O0"}, {"inputs": {}},
        {"inputs": {"../../../etc/passwd": "0"}}, {"llvm": "15.0.0"}, {"llvm": "22" * 500}, {"flags": ("-DOTHER",)},
    ],
)  # fmt: skip
def test_no_content_of_a_recipe_does_more_than_not_fit(folder: Path, changes: dict[str, object]) -> None:
    said, data = clangs(folder)
    edit(folder, **changes)
    before = set(left_in(folder))
    first = assert_clang_after_one_line(folder, call(folder, compiler()), said, data)
    assert "internal error" not in first
    assert set(left_in(folder)) == before | {"w.o"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind": "colt-llvm unit recipes", "version": 1}', b"[" * 100_000,
     b'{"kind": "colt-llvm unit recipes", "version": 1, "recipes": [[]]}', b"<<<<<<< HEAD\n",
     b'{"kind": "colt-llvm unit recipes", "version": 99, "recipes": []}'],
)  # fmt: skip
def test_a_damaged_file_leaves_it_to_clang(folder: Path, content: bytes) -> None:
    said, data = clangs(folder)
    (folder / ".colt/warn.c.json").write_bytes(content)
    assert_clang_after_one_line(folder, call(folder, compiler()), said, data)


def test_passes_that_write_files_leave_none(folder: Path) -> None:
    said, _ = clangs(folder)
    edit(folder, pipeline=f"{PIPELINE},function(dot-cfg),print<inline-cost>")
    before = set(left_in(folder))
    done = call(folder, compiler())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    assert set(left_in(folder)) == before | {"w.o"}


INTERNAL = "import colt_llvm.builds.cc.tuned as tuned\ndef broken(*_, **__): raise TypeError('two\\nlines')\n"


@pytest.mark.parametrize("place", ["tuned.compile_tuned", "tuned.parse", "tuned.choose", "tuned.write_file"])
def test_an_error_of_ours_is_one_line_and_clang(folder: Path, place: str) -> None:
    said, data = clangs(folder)
    done = call(folder, patched(f"{INTERNAL}{place} = broken"))
    first = assert_clang_after_one_line(folder, done, said, data)
    assert "internal error (TypeError: two lines)" in first


@pytest.mark.parametrize("place", ["tuned.compile_tuned", "tuned.choose"])
def test_an_error_of_ours_is_an_error_when_strict(folder: Path, place: str) -> None:
    done = call(folder, patched(f"{INTERNAL}{place} = broken"), COLT_STRICT="1")
    assert done.returncode == 1
    assert done.stderr.startswith("colt-cc: ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "w.o").exists()


def test_a_recipe_that_does_not_fit_is_an_error_when_strict(folder: Path) -> None:
    (folder / "warn.c").write_text((folder / "warn.c").read_text() + "\n")
    done = call(folder, compiler(), COLT_STRICT="1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "warn.c has changed since it was tuned" in done.stderr
    assert "unset COLT_STRICT" in done.stderr
    assert not (folder / "w.o").exists()


def test_disabled_it_is_clang(folder: Path) -> None:
    said, data = clangs(folder)
    done = call(folder, compiler(), COLT_DISABLE="1")
    assert (done.stderr, (folder / "w.o").read_bytes()) == (said, data)


@pytest.mark.parametrize("variable", ["DEPENDENCIES_OUTPUT", "CC_PRINT_OPTIONS"])
def test_it_is_clang_where_clang_writes_more_than_the_command_says(folder: Path, variable: str) -> None:
    call(folder, [str(toolchain().clang)], **{variable: "more", "CC_PRINT_OPTIONS_FILE": "more"})
    expected = left_in(folder)
    for name in ("w.o", "more"):
        (folder / name).unlink(missing_ok=True)
    call(folder, compiler(), **{variable: "more", "CC_PRINT_OPTIONS_FILE": "more"})
    assert left_in(folder) == expected


def test_a_level_is_forced_and_recipes_are_left_alone(folder: Path) -> None:
    _, data = clangs(folder, ["-O3", "-Wall", "-c", "warn.c", "-o", "w.o"])
    log = folder.parent / "log"
    call(folder, compiler(), COLT_LEVEL="-O3", COLT_LOG=str(log))
    assert (folder / "w.o").read_bytes() == data
    assert read_log(log)[0].words[:2] == ("-O3", "-Wall")
    done = call(folder, compiler(), COLT_LEVEL="fplugin=x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("log", [".", "nowhere/log", "/dev/full"])
def test_a_log_that_cannot_be_written_costs_a_line(folder: Path, log: str) -> None:
    said, _ = clangs(folder)
    done = call(folder, compiler(), COLT_LOG=log)
    assert done.returncode == 0
    assert done.stderr.replace(said, "").startswith(f"colt-cc: {log}: ")
    assert done.stderr.count("\n") == said.count("\n") + 1


def test_the_log_tells_of_each_command_once(folder: Path) -> None:
    log = folder.parent / "log"
    for words in (WORDS, ["-E", "b.c"], ["-c", "bad.c"], [*WORDS, "-DX"]):
        call(folder, compiler(), words, COLT_LOG=str(log))
    logged = read_log(log)
    assert [line.words for line in logged] == [tuple(WORDS), ("-E", "b.c"), ("-c", "bad.c"), (*WORDS, "-DX")]
    assert [bool(line.recipe) for line in logged] == [True, False, False, False]
    assert "flags differ" in logged[3].note


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_recipe_costs_a_line(folder: Path) -> None:
    said, data = clangs(folder)
    (folder / ".colt/warn.c.json").chmod(0)
    assert_clang_after_one_line(folder, call(folder, compiler()), said, data)


def test_no_room_for_temporary_files_costs_a_line(folder: Path) -> None:
    said, data = clangs(folder)
    done = call(folder, patched("def full(*_): raise OSError(28, 'No space left on device')\nos.mkdir = full"))
    assert_clang_after_one_line(folder, done, said, data)


def test_the_identity_changes_with_recipes_and_switches(folder: Path) -> None:
    def said(*words: str, cwd: Path = folder, **more: str) -> str:
        done = call(cwd, compiler(), ["--colt-identity", *words], **more)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1)
        return done.stdout

    first = said()
    assert str(toolchain().clang.resolve()) in first
    assert said() == first == said(str(folder / "sub"))
    assert said("/") != first
    assert said(COLT_DISABLE="1") != first
    assert said(COLT_LEVEL="O3") != said(COLT_LEVEL="Oz")
    edit(folder, pipeline="default<O2>")
    assert said() != first
    assert call(folder, compiler(), ["--colt-nonsense"]).returncode == 2


def test_the_identity_is_the_same_in_another_checkout(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fill(tmp_path / name)
        (tmp_path / name / ".colt").mkdir()
        (tmp_path / name / ".colt/a.c.json").write_text("{}")
    assert identity.recipes_digest(str(tmp_path / "one")) == identity.recipes_digest(str(tmp_path / "two"))
