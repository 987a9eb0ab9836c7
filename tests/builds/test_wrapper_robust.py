"""colt-cc when things go wrong: then it is clang, one line says why, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from wrapper_helpers import PIPELINE, Case, compiler, environment, fill, left_in, record, toolchain

from colt_llvm.builds.cc import identity
from colt_llvm.builds.cc.log import read_log

WORDS = ["-O2", "-Wall", "-c", "warn.c", "-o", "w.o"]
CASE = Case(WORDS)
_MODULE = "import os, signal, time, colt_llvm.llvm.module as module, colt_llvm.builds.cc.tuned as passes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a recipe for WORDS."""
    fill(tmp_path / "work")
    (tmp_path / "tmp").mkdir()
    record(CASE, tmp_path / "work", tmp_path / "scratch")
    return tmp_path / "work"


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


def edit(folder: Path, **changes: object) -> None:
    file = folder / ".colt/warn.c.json"
    data = json.loads(file.read_text())
    data["recipes"][0].update(changes)
    file.write_text(json.dumps(data))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("phase", ["front end", "passes", "code generation"])
def test_a_signal_ends_it_and_leaves_nothing(folder: Path, number: signal.Signals, phase: str) -> None:
    (folder / "w.o").write_text("an old object")
    began = folder.parent / "began"
    before = left_in(folder)
    code = {
        "passes": f"module.Module.run = lambda *_: (open({str(began)!r}, 'w').close(), time.sleep(100))",
        "front end": sleeping_at("-emit-llvm", began),
        "code generation": sleeping_at("unit.o", began),
    }[phase]
    variables = environment(folder.parent, TMPDIR=str(folder.parent / "tmp"))
    child = subprocess.Popen(
        [*patched(code), *WORDS], cwd=folder, env=variables, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # nohup, or a shell's "&", had it ignored
    )  # fmt: skip
    wait_until(began.exists)
    child.send_signal(number)
    assert child.wait(60) == -number
    assert child.stderr
    assert child.stderr.read() == b""  # and no child of its holds the pipe
    child.stderr.close()
    assert left_in(folder) == before
    assert not list((folder.parent / "tmp").iterdir())


def sleeping_at(word: str, began: Path) -> str:
    """Code that starts a command with this word as one that never ends."""
    return (
        "import subprocess; start = subprocess.Popen\n"
        f"def popen(argv, **more): argv = ['sh', '-c', 'echo > {began}; exec sleep 100'] "
        f"if any({word!r} in part for part in argv) else argv; return start(argv, **more)\n"
        "subprocess.Popen = popen"
    )


def wait_until(true: object, seconds: float = 60) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_ignored_signal_stays_ignored(folder: Path) -> None:
    began = folder.parent / "began"
    code = f"module.Module.run = lambda *_: (open({str(began)!r}, 'w').close(), time.sleep(1))"
    variables = environment(folder.parent)
    argv = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *patched(code), *WORDS]
    child = subprocess.Popen(argv, cwd=folder, env=variables, stderr=subprocess.DEVNULL)
    wait_until(began.exists)
    child.send_signal(signal.SIGHUP)
    assert child.wait(60) == 0


def test_clang_is_started_with_the_signals_that_it_would_have(folder: Path) -> None:
    script = stand_in(folder.parent / "prefix", "grep SigIgn /proc/self/status")
    done = call(folder, compiler(), ["-E", "b.c"], COLT_LLVM_PREFIX=str(script))
    plain = call(folder, ["grep"], ["SigIgn", "/proc/self/status"])
    assert done.stdout == plain.stdout


def stand_in(prefix: Path, script: str) -> Path:
    """A prefix whose clang is a script."""
    clang = prefix / "bin" / "clang"
    clang.parent.mkdir(parents=True)
    clang.write_text(f"#!/bin/sh\n{script}\n")
    clang.chmod(0o755)
    return prefix


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


def test_a_working_folder_that_is_gone_is_as_for_clang(folder: Path) -> None:
    source, output = folder / "warn.c", folder / "w.o"
    for argv in ([str(toolchain().clang)], compiler()):
        gone = folder.parent / "gone"
        gone.mkdir()
        script = 'rmdir "$PWD"; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *argv, "-O2", "-w", "-c", str(source), "-o", str(output)], cwd=gone,
            env=environment(folder.parent), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
        output.unlink()


def test_an_empty_environment_will_do(folder: Path) -> None:
    said, data = clangs(folder)
    variables = {"COLT_LLVM_PREFIX": str(toolchain().prefix)}
    done = subprocess.run([*compiler(), *WORDS], cwd=folder, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, said)
    assert (folder / "w.o").read_bytes() != data


def test_the_builds_python_path_is_not_ours(folder: Path) -> None:
    modules = folder.parent / "modules"
    modules.mkdir()
    for name in ("json", "subprocess", "dataclasses", "pathlib", "colt_llvm"):
        if name != "colt_llvm":
            (modules / f"{name}.py").write_text("raise SystemExit(99)\n")
    said, data = clangs(folder)
    done = call(folder, compiler(), PYTHONPATH=str(modules), PYTHONINSPECT="1")
    assert (done.returncode, done.stderr) == (0, said)
    assert (folder / "w.o").read_bytes() != data


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(folder: Path, closed: str) -> None:
    call(folder, compiler())
    expected = left_in(folder)
    (folder / "w.o").unlink()
    done = call(folder, ["sh", "-c", f'"$@" {closed}', "sh", *compiler()])
    assert done.returncode == 0
    assert left_in(folder) == expected


def test_permissions_follow_the_umask(folder: Path) -> None:
    variables = environment(folder.parent)
    for mask in (0o077, 0o002):
        done = subprocess.run([*compiler(), *WORDS], cwd=folder, env=variables, umask=mask, capture_output=True)
        assert done.returncode == 0
        assert stat.S_IMODE((folder / "w.o").stat().st_mode) == 0o666 & ~mask
        (folder / "w.o").unlink()


@pytest.mark.parametrize("name", ["clang", "gcc", "cc"])
def test_it_does_not_call_itself_by_a_link_on_path(folder: Path, name: str) -> None:
    place = folder.parent / "bin"
    place.mkdir()
    for other in {name, "clang"}:
        (place / other).symlink_to(compiler()[0])
    path = f"{place}:{toolchain().prefix / 'bin'}:/usr/bin:/bin"
    done = call(folder, [str(place / name)], PATH=path, COLT_LLVM_PREFIX="")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert (folder / "w.o").exists()


def test_it_does_not_call_itself_by_a_script(folder: Path) -> None:
    script = stand_in(folder.parent / "prefix", f'exec {" ".join(compiler())} "$@"')
    path = f"{script / 'bin'}:{toolchain().prefix / 'bin'}:/usr/bin:/bin"
    done = call(folder, compiler(), ["-O2", "-c", "b.c", "-o", "b.o"], PATH=path, COLT_LLVM_PREFIX="")
    assert (done.returncode, done.stderr) == (0, "")
    done = call(folder, compiler(), ["-O2", "-c", "b.c", "-o", "b.o"], COLT_LLVM_PREFIX=str(script))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_without_clang_it_says_what_to_do(folder: Path) -> None:
    done = call(folder, compiler(), COLT_LLVM_PREFIX=str(folder))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "COLT_LLVM_PREFIX" in done.stderr


def test_a_clang_that_cannot_be_started_is_one_line(folder: Path) -> None:
    prefix = stand_in(folder.parent / "prefix", "")
    (prefix / "bin/clang").write_bytes(b"\x7fELF nonsense")
    done = call(folder, compiler(), ["-E", "b.c"], COLT_LLVM_PREFIX=str(prefix))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_recipe_costs_a_line(folder: Path) -> None:
    said, data = clangs(folder)
    (folder / ".colt/warn.c.json").chmod(0)
    assert_clang_after_one_line(folder, call(folder, compiler()), said, data)


def test_no_room_for_temporary_files_costs_a_line(folder: Path) -> None:
    said, data = clangs(folder)
    done = call(folder, patched("def full(*_): raise OSError(28, 'No space left on device')\nos.mkdir = full"))
    assert_clang_after_one_line(folder, done, said, data)


def test_a_terminal_gets_clangs_colours_once(folder: Path) -> None:
    def on_a_terminal(argv: Sequence[str], variables: Mapping[str, str]) -> bytes:
        mine, theirs = os.openpty()
        child = subprocess.Popen([*argv, *WORDS], cwd=folder, env=variables, stderr=theirs)
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(mine, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
        os.close(mine)
        assert child.wait() == 0
        return said

    variables = environment(folder.parent, TERM="xterm-256color", COLT_LOG=str(folder.parent / "log"))
    expected = on_a_terminal([str(toolchain().clang)], variables)
    assert b"\x1b[" in expected
    assert on_a_terminal(compiler(), variables) == expected
    assert read_log(folder.parent / "log")[0].recipe


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
