"""A program has ended when it has ended, whatever it leaves running."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from colt_llvm.cli.main import run

#: What the child does before it sleeps for a minute with standard output open.
CHILDREN = {
    "a child": "",
    "a session of its own": "setsid();",
    "a daemon": "setsid(); if (fork()) _exit(0);",
    "its output handed on": "setsid(); dup2(1, 7); close(1); close(2);",
    "a program of its own": 'setsid(); execle("/bin/sleep", v[1], "60", (char *)0, (char *[]){0});',
}


@pytest.mark.parametrize("does", CHILDREN.values(), ids=CHILDREN.keys())
def test_what_a_program_leaves_running_holds_nothing_up(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prog.c").write_text(f"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(int c, char **v) {{
    puts("done"); fflush(stdout);
    int ends[2]; char byte;
    if (pipe2(ends, O_CLOEXEC)) return 1;
    if (fork() == 0) {{ {does} close(ends[1]); sleep(60); _exit(0); }}
    close(ends[1]);
    return read(ends[0], &byte, 1) != 0;  /* the child is under way */
}}
""")
    began = time.monotonic()
    options = ["--objective", "size", "--trials", "2", "--workers", "1", "--timeout", "30", "--args", str(tmp_path)]
    assert run(["tune", "prog.c", *options]) == 0
    assert time.monotonic() - began < 30, "no run waited for a child"
    said = " ".join(capfd.readouterr().out.split())
    assert "workload default: when the program has ended, children of it still run (" in said
    assert "what they would still write is not compared" in said
    assert not [file for file in Path("/proc").glob("[0-9]*/cmdline") if _has(file, str(tmp_path))]


def _has(file: Path, argument: str) -> bool:
    try:
        return argument in file.read_text(errors="replace").split("\0")
    except OSError:
        return False
