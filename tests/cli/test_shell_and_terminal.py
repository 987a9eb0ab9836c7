"""Completion, colours and ``--version``: what a shell and a terminal make of the command."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from colt_llvm import __version__
from colt_llvm.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("colt-llvm")

needs_command = pytest.mark.skipif(not COMMAND.exists(), reason="the console script is not installed")


def complete(words: str, position: int) -> list[str]:
    environment = {
        **os.environ, "COMP_WORDS": words, "COMP_CWORD": str(position), "_COLT_LLVM_COMPLETE": "bash_complete",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "colt_llvm.cli.main"], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("colt-llvm tu", 1, ["plain,tune"]),
        ("colt-llvm --ver", 1, ["plain,--version"]),
        ("colt-llvm tune --obj", 2, ["plain,--objective"]),
        ("colt-llvm tune --objective s", 3, ["plain,size"]),
        ("colt-llvm tune --strategy g", 3, ["plain,greedy", "plain,genetic"]),
        ("colt-llvm bench st", 2, ["plain,status"]),
        ("colt-llvm tune pr", 2, ["file,pr"]),
        ("colt-llvm apply recipe.json pr", 3, ["file,pr"]),
        ("colt-llvm report colt-", 2, ["file,colt-"]),
    ],
)
def test_completes_commands_options_values_and_files(words: str, position: int, expected: list[str]) -> None:
    assert complete(words, position) == expected


def test_a_command_is_completed_without_loading_all_of_them() -> None:
    code = (
        "import os, sys; from colt_llvm.cli.main import run; run([]);"
        "print([name for name in sys.modules if name.startswith('colt_llvm.cli.')], file=sys.stderr)"
    )
    environment = {**os.environ, "COMP_WORDS": "colt-llvm ", "COMP_CWORD": "1", "_COLT_LLVM_COMPLETE": "zsh_complete"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert "\ndoctor\n" in done.stdout
    assert done.stderr == "['colt_llvm.cli.main']\n"


#: For each shell: what loads the completion, and what prints how it completes ``colt-llvm mini``.
SHELLS = {
    "bash": 'eval "$(_COLT_LLVM_COMPLETE=bash_source colt-llvm)"; COMP_WORDS=(colt-llvm mini); COMP_CWORD=1; '
    '_colt_llvm_completion colt-llvm; echo "${COMPREPLY[@]}"',
    "zsh": "autoload -U compinit; compinit -u -D; "
    'eval "$(_COLT_LLVM_COMPLETE=zsh_source colt-llvm)"; '
    "_describe() { print -l -- ${(P)3} }; words=(colt-llvm mini); CURRENT=2; _colt_llvm_completion",
    "fish": "_COLT_LLVM_COMPLETE=fish_source colt-llvm | source; complete --do-complete 'colt-llvm mini'",
}


@needs_command
@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_takes_what_click_writes_for_it(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    environment = {**os.environ, "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shell, *plain, "-c", SHELLS[shell]], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\t")[0].split(":")[0].strip() == "minimize", done.stderr


SHOWS = """
from rich.table import Table
from colt_llvm.cli.view import live_view, make_console
from colt_llvm.run.progress import Progress
table = Table(title="[red]title[/]")
table.add_column("a"); table.add_row("[bold]b[/]")
make_console().print(table)
with live_view("working") as show:
    show(Progress(phase="search"))
"""


def on_a_terminal(code: str, **variables: str) -> str:
    """What the program writes to a terminal, on both streams."""
    reader, writer = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", **variables}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=writer, stderr=writer, env=environment, cwd=ROOT
    ) as child:
        os.close(writer)
        pieces = []
        while True:
            try:
                piece = os.read(reader, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
        os.close(reader)
    assert child.returncode == 0, b"".join(pieces)
    return b"".join(pieces).decode()


def test_a_terminal_gets_colours_and_none_with_no_color() -> None:
    assert "\x1b[31m" in on_a_terminal(SHOWS).replace("\x1b[3;31m", "\x1b[31m")
    plain = on_a_terminal(SHOWS, NO_COLOR="1")
    assert "title" in plain
    assert not [piece for piece in plain.split("\x1b[")[1:] if piece.lstrip("0123456789;").startswith("m")]


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1"}])
def test_a_pipe_gets_text_alone(variables: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWS], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    assert "title" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_the_version_says_what_decides_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"colt-llvm {__version__}"
    assert [line.split()[0] for line in lines[1:4]] == ["LLVM", "compiler-gym", "Python"]
    assert "cores" in lines[4]


def test_the_version_is_said_without_llvm_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLT_LLVM_PREFIX", "/nonexistent")
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("LLVM: /nonexistent")


@pytest.mark.parametrize(("lines", "paged"), [(10, True), (400, False)])
@pytest.mark.parametrize("words", [("--help",), ("tune", "--help"), ("tune", "--help-all"), ("doctor", "--help")])
def test_help_that_is_taller_than_the_terminal_is_paged(
    tmp_path: Path, words: tuple[str, ...], lines: int, paged: bool
) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/seen\n")
    pager.chmod(0o755)
    environment = {**os.environ, "PAGER": str(pager), "LINES": str(lines), "COLUMNS": "100", "TERM": "xterm"}
    main, other = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "colt_llvm.cli.main", *words], env=environment, cwd=ROOT, stdin=other, stdout=other,
        stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(other)
    os.close(main)
    assert (done.returncode, done.stderr) == (0, b"")
    seen = tmp_path / "seen"
    assert seen.exists() == paged
    if paged:
        assert "Usage: colt-llvm" in seen.read_text()
