"""The commands of docs/build-integration.md, and a small project to type them in.

Searching takes long and finds what it finds. So where a command says ``colt-llvm tune``, a stand-in learns the build as
the real one does and leaves a recipe for work.c; every other command is the real one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.log import read_log
from colt_llvm.builds.recipes.store import load_recipes
from colt_llvm.llvm.elf import loaded_digest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "build-integration.md"

MAIN = """#include <stdio.h>
int work(int);
int main(int argc, char **argv) { printf("%d\\n", work(argc)); return 0; }
"""
WORK = "int work(int n) { int sum = 0; for (int i = 0; i < 1000 * n; i++) sum += i ^ (sum >> 3); return sum; }\n"

#: ``without optimisation``: other code than any level above -O0 makes.
PIPELINE = "function(mem2reg)"

_STAND_IN = f"""#!{sys.executable}
import os, shlex, sys
from pathlib import Path
from tempfile import TemporaryDirectory
if sys.argv[1] != "tune":
    os.execv({str(Path(sys.executable).parent / "colt-llvm")!r}, sys.argv)
from colt_llvm.builds.project.learn import run_build
from colt_llvm.builds.recipes.record import Tuned, record_unit
from colt_llvm.builds.recipes.store import save_recipe
from colt_llvm.llvm.toolchain import find_toolchain
words = sys.argv[2:]
builds = [shlex.split(words[i + 1]) for i, word in enumerate(words) if word == "--build"]
runs = [words[i + 1] for i, word in enumerate(words) if word == "--run"]
root = Path.cwd()
with TemporaryDirectory() as folder:
    toolchain = find_toolchain()
    build = run_build(builds, root, toolchain, Path(folder))
    program = shlex.split(runs[0])[0]
    assert any(link.output == (root / program).resolve() for link in build.links), (program, build.links)
    assert {{unit.source.name for unit in build.units}} == {{"main.c", "work.c"}}, build.units
    unit = next(unit for unit in build.units if unit.source.name == "work.c")
    save_recipe(root, record_unit(root, unit, toolchain, Tuned(level="O3", objective="runtime", sequence=["mem2reg"],
                                  pipeline={PIPELINE!r}, evidence={{}})))
    os.utime(unit.source)
    run_build(builds, root, toolchain, Path(folder))
"""


@dataclass(frozen=True)
class Block:
    """A code block. language: as written behind its fence."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """One for each line; a backslash joins lines."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(section: str) -> list[Block]:
    """Of one section of the document, in order."""
    text = DOCUMENT.read_text(encoding="utf-8")
    part = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert part, f"{DOCUMENT}: no section {section}"
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", part[1], re.MULTILINE | re.DOTALL)]


def commands(section: str) -> list[str]:
    return [command for block in blocks(section) if block.language == "sh" for command in block.commands]


class Project:
    """main.c, work.c and input.txt in ``folder``; what is typed there finds colt-llvm first on PATH."""

    def __init__(self, folder: Path, **variables: str) -> None:
        """variables: of the environment of everything that is typed."""
        self._variables = {"CCACHE_DIR": str(folder / "ccache"), **variables}
        self.folder = folder / "project"
        self.folder.mkdir()
        self._tools = folder / "bin"
        self._tools.mkdir()
        stand_in = self._tools / "colt-llvm"
        stand_in.write_text(_STAND_IN)
        stand_in.chmod(0o755)
        self._log = folder / "log.jsonl"
        self.write({"main.c": MAIN, "work.c": WORK, "input.txt": "1\n"})

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def type(self, command: str, *, status: int = 0, **variables: str) -> str:
        """Run it as a shell would; returns what it prints, both streams."""
        unwanted = ("COLT_", "MAKE", "MFLAGS", "CC", "CXX", "CFLAGS", "CCACHE_", "CMAKE_", "DESTDIR")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        environment["PATH"] = os.pathsep.join([str(self._tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment |= {**self._variables, **variables}
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == status, f"{command}: exit status {done.returncode}\n{done.stdout}"
        return done.stdout

    def recipes_used(self, command: str, **variables: str) -> list[str]:
        """Sources that this command compiled with a recipe; ``-`` where it compiled nothing at all."""
        self._log.unlink(missing_ok=True)
        self.type(command, COLT_LOG=str(self._log), **variables)
        log = read_log(self._log)
        return [Path(logged.recipe).stem for logged in log if logged.recipe] if log else ["-"]

    @property
    def recipe_file(self) -> Path:
        return self.folder / ".colt" / "work.c.json"

    def tuned(self, name: str) -> bool:
        """Whether this object is what the recipe makes of work.c."""
        data = (self.folder / name).read_bytes()
        return loaded_digest(data) in {recipe.object for recipe in load_recipes(self.recipe_file)}

    def change_recipe(self) -> None:
        """The same recipe with other evidence: other bytes, the same code."""
        text = self.recipe_file.read_text()
        assert '"evidence": {' in text
        self.recipe_file.write_text(text.replace('"evidence": {', '"evidence": {"note": "looked at", ', 1))
