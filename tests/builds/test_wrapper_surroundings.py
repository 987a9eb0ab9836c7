"""colt-cc in odd surroundings: signals, closed streams, a terminal, folders and compilers that are not as usual."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from wrapper_folder import WORDS, call, clangs, folder, patched, recorded, stand_in
from wrapper_helpers import clang, compiler, environment, left_in, toolchain

from colt_llvm.builds.cc.log import read_log

__all__ = ["folder", "recorded"]


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


def test_a_working_folder_that_is_gone_is_as_for_clang(folder: Path) -> None:
    source, output = folder / "warn.c", folder / "w.o"
    for argv in ([clang()], compiler()):
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
    expected = on_a_terminal([clang()], variables)
    assert b"\x1b[" in expected
    assert on_a_terminal(compiler(), variables) == expected
    assert read_log(folder.parent / "log")[0].recipe
