"""One fresh copy of a project, and the commands in it: configure, build, test, clean, run, and what was built."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.projects.descriptions import INPUTS, Command, Project, fill
from benchmarks.projects.fetch import unpack
from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, ToolchainError
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.toolchain import Toolchain

_SECONDS = 900.0
_RUN_SECONDS = 60.0
#: What would change a build from outside: flags, compilers, an outer make, and our own variables.
_UNSET = (
    "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR",
    "COLT_LEVEL", "COLT_DISABLE", "COLT_STRICT", "COLT_LOG", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH",
)  # fmt: skip


class StepFailed(ColtError, RuntimeError):
    """A project does not do what it has to; the message says which command failed and how."""


class Workspace:
    """A project in ``folder``, always the same one for the same project: paths in objects are the same then.

    compilers: those of C and of C++. flags: an optimisation level, or None for the project's own flags.
    """

    def __init__(
        self, project: Project, archive: Path, folder: Path, toolchain: Toolchain, *, wrapped: bool, flags: str | None
    ) -> None:
        self.project = project
        self.folder = folder
        self.toolchain = toolchain
        self.log = folder.resolve() / "log.jsonl"
        self._cc, self._cxx = compilers(toolchain, wrapped)
        self._flags = flags
        self.tree = (unpack(archive, folder) / project.folder).resolve()
        for name, content in project.files().items():
            path = self.tree / INPUTS / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode())
        for output in project.outputs:
            (self.tree / output).parent.mkdir(exist_ok=True)

    def command(self, command: Command) -> Command:
        """With this copy's compilers and flags."""
        return fill(command, self._cc, self._cxx, self._flags)

    def configure(self) -> None:
        for command in self.project.configure:
            self.call(command)

    def build(self, **variables: str) -> None:
        self.call(self.project.build, **variables)

    def clean(self) -> None:
        """The project's own clean. Raises StepFailed where an object stays, for a rebuild would prove nothing."""
        self.call(self.project.clean)
        if left := self.objects():
            raise StepFailed(f"{self.project.name}: {sorted(left)[0]} is there after cleaning")

    def call(self, command: Command, **variables: str) -> process.Completed:
        """Run one of the project's commands. Raises StepFailed with the end of what it printed."""
        argv = [*environment({"COLT_LLVM_PREFIX": str(self.toolchain.prefix), **variables}), *self.command(command)]
        done = process.run(argv, cwd=self.tree, limits=process.Limits(wall_seconds=_SECONDS))
        if done.status:
            raise failure(self.project.name, self.command(command), done, self.folder.parent)
        return done

    def objects(self) -> dict[str, str]:
        """Path -> SHA-256 of every object file, relative to the tree."""
        return {str(path.relative_to(self.tree)): _sha256(path) for path in sorted(self.tree.rglob("*.o"))}

    def loaded(self) -> dict[str, str]:
        """Path -> digest of what each object adds to a program; debug information is not in it."""
        return {name: loaded_digest((self.tree / name).read_bytes()) for name in self.objects()}

    def loaded_bytes(self) -> int:
        """What the program's own file loads; the C library is not in it."""
        return section_sizes((self.tree / self.project.program).read_bytes()).loaded_bytes

    def run(self) -> tuple[str, float]:
        """SHA-256 of all that the workload puts out, and its CPU seconds."""
        for output in self.project.outputs:
            (self.tree / output).unlink(missing_ok=True)
        limits = process.Limits(wall_seconds=_RUN_SECONDS)
        done = process.run([*environment({}), *self.project.run], cwd=self.tree, limits=limits)
        if done.status:
            raise failure(self.project.name, self.project.run, done, self.folder.parent)
        digest = hashlib.sha256(done.stdout)
        for output in self.project.outputs:
            digest.update((self.tree / output).read_bytes())
        return digest.hexdigest(), done.user_seconds + done.system_seconds

    def logged(self) -> list[dict[str, Any]]:
        """The lines of COLT_LOG; the file is emptied."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


def compilers(toolchain: Toolchain, wrapped: bool) -> tuple[str, str]:
    """Full paths of clang and clang++, or of what takes their place."""
    if not wrapped:
        return str(toolchain.clang), str(toolchain.clangxx)
    beside = Path(sys.executable).parent
    found = [shutil.which(name, path=str(beside)) or shutil.which(name) for name in ("colt-cc", "colt-c++")]
    if not all(found):
        raise ToolchainError("colt-cc: not found; install colt-llvm in this environment with pip")
    return str(found[0]), str(found[1])


def environment(variables: Mapping[str, str]) -> list[str]:
    """The words that go before a command, so that it sees these variables and nothing that changes a build."""
    unset = [word for name in _UNSET if name not in variables for word in ("-u", name)]
    return ["env", *unset, "LC_ALL=C", *(f"{name}={value}" for name, value in variables.items())]


def failure(name: str, command: Sequence[str], done: process.Completed, folder: Path) -> StepFailed:
    """One line: the command, how it ended, and the last thing that it said. All of that is left in ``folder``."""
    report = folder / "failed.txt"
    report.write_bytes(f"{shlex.join(command)}\n\n".encode() + done.stdout + done.stderr)
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    said = f" ({lines[-1].strip()[:200]})" if lines else ""
    return StepFailed(f"{name}: {shlex.join(command)[:80]}: {done.describe_status()}{said}; see {report}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
