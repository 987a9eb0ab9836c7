"""A folder where ``colt-llvm`` is given what it cannot use: one line, the promised status, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.llvm.toolchain import PREFIX_VARIABLE, installed_toolchains
from colt_llvm.program.recipe import Recipe, save_recipe

ROOT = Path(__file__).resolve().parents[2]
SOURCE = r"""
#include <stdio.h>
static int f(int x) { int s = 0; for (int i = 0; i < x; i++) s += i ^ (s >> 3); return s; }
int main(int argc, char **argv) { for (int i = 0; i < argc; i++) printf("%d\n", f(500 + i)); return 0; }
"""
QUICK = ("--objective", "size", "--trials", "2", "--workers", "1", "--json")


def tune(*arguments: str | Path) -> tuple[str | Path, ...]:
    return ("tune", *QUICK, *arguments)


def sound_recipe(folder: Path) -> Path:
    """One that was made by nobody."""
    path = folder / "recipe.json"
    toolchain = installed_toolchains()[0]
    save_recipe(
        Recipe("good", "size", "Oz", (), "default<O2>", (), (), toolchain.version, toolchain.triple, {}, (), ()), path
    )
    return path


class Shell:
    """A folder to work in, with temporary files in a folder of their own. Commands are processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.temporary = folder / "temporary"
        self.folder.mkdir(exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        (self.folder / "good.c").write_text(SOURCE)

    def start(self, *arguments: str | Path, **given: object) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name != PREFIX_VARIABLE}
        environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "colt_llvm.cli.main", *map(str, arguments)],
            cwd=self.folder, text=True, env=environment, **{**pipes, **given},
        )  # type: ignore[call-overload,no-any-return]  # fmt: skip

    def run(self, *arguments: str | Path, **given: object) -> tuple[int, str, str]:
        """Exit status, output and errors, once it has been seen that nothing is left."""
        with self.start(*arguments, **given) as child:
            out, err = child.communicate(timeout=120)
        self.assert_tidy(child.pid)
        assert "Traceback" not in err, err
        return child.returncode, out, err

    def refused(self, status: int, *arguments: str | Path, above: str | None = None, **given: object) -> str:
        """The one line that is said. ``above``: of what clang says before."""
        before = self.content()
        found, out, err = self.run(*arguments, **given)
        assert (found, out) == (status, ""), err
        lines = err.splitlines()
        if above is None:
            assert len(lines) == 1, err
        else:
            assert above in "\n".join(lines[:-1])
        assert lines[-1].startswith("colt-llvm: ")
        assert self.content() == before, "nothing lost, nothing left behind"
        return lines[-1]

    def content(self) -> dict[str, bytes | None]:
        """File name -> what is in it. Folders that are empty do not count."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for path in self.folder.rglob("*") if not path.is_dir()
        }  # fmt: skip

    def assert_tidy(self, pid: int) -> None:
        assert list(self.temporary.iterdir()) == []
        assert list(Path("/dev/shm").glob(f"colt-env-*-{pid}-*")) == []


class ShellHere(Shell):
    """The same, with commands that run in this process."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self._capfd = capfd
        monkeypatch.chdir(self.folder)
        monkeypatch.delenv(PREFIX_VARIABLE, raising=False)
        monkeypatch.setenv("TMPDIR", str(self.temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)  # which Python asks for once

    def run(self, *arguments: str | Path, **given: object) -> tuple[int, str, str]:
        assert not given
        self._capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = self._capfd.readouterr()
        self.assert_tidy(os.getpid())
        return status, out, err
