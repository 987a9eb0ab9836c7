"""A folder as builds have them, the compilers run in it, and what they leave there."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.compile import Steps, Unit, compile_unit, inputs_in
from colt_llvm.builds.recipes.store import UnitRecipe, input_digest, save_recipe
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain

#: Other code than clang's own at -O3, whatever the source.
PIPELINE = "function(mem2reg,instsimplify,reg2mem)"

FILES = {
    "a.c": '#include <stdio.h>\n#include "inc/util.h"\nint half(int);\n'
    'int main(void) { int sum = 0; for (int i = 0; i < BASE; i++) sum += half(i); printf("%d\\n", sum); return 0; }\n',
    "b.c": '#include "inc/util.h"\nint half(int x) { int y = x; if (x > BASE) y = BASE; return y / 2; }\n',
    "inc/util.h": "#pragma once\n#define BASE 40\n",
    "config.h": "#define CONFIGURED 1\n",
    "configured.c": "#ifndef CONFIGURED\n#error config.h is not included\n#endif\nint c(int x) { return x + 1; }\n",
    "warn.c": "static int unused(void) { return 1; }\n"
    "int w(int x) { int y; int s = 1; for (int i = 0; i < x; i++) s *= i + x; "
    "if (x = s) return 3; return x; }\n",
    "bad.c": "int f(int x) { return x +; }\nint g(void) { return undeclared; }\n",
    "missing.c": '#include "no-such-header.h"\nint f(void) { return 1; }\n',
    "inline.c": 'int f(int x) { __asm__("bogus_instruction %0" : "+r"(x)); return x; }\n',
    "define.c": "const char *text = TEXT;\nint number(void) { return sizeof TEXT; }\n",
    "angle.c": "#include <util.h>\nint half(int x) { return x > BASE ? BASE / 2 : x / 2; }\n",
    "plain.s": ".text\n.globl from_assembly\nfrom_assembly:\n ret\n",
    "cpp.S": '#include "inc/util.h"\n.text\n.globl from_cpp\nfrom_cpp:\n .long BASE\n',
    "bad.s": " no_such_instruction\n",
    "p.cpp": '#include "inc/util.h"\n#include <vector>\n'
    "int total(const std::vector<int> &v) { int s = 0; for (int x : v) s += x > BASE ? 1 : x; return s; }\n",
    "p.cc": "struct S { int x; S(); virtual ~S(); };\nS::S() : x(3) {}\nS::~S() {}\n",
    "main.cxx": "int main() { int x = 1; return x - 1; }\n",
    "sp ace.c": "int spaced(int x) { return x * 3; }\n",
    "quo'te.c": "int quoted(int x) { return x * 5; }\n",
    "ünï.c": "const char *where(void) { return __FILE__; }\n",
    "-dash.c": "const char *where(void) { return __FILE__; }\n",
    "sub/deep.c": '#include "../inc/util.h"\nint deep(int x) { return x * BASE; }\n',
    "sub/dot.name.c": "int dotted(int x) { return x - BASE_OF; }\n#define UNUSED\n",
    "noext": "int plain(int x) { return x + 7; }\n",
    "conftest.c": '#ifdef __cplusplus\nextern "C"\n#endif\nchar printf ();\n'
    "int\nmain (void)\n{\nreturn printf ();\n;\n}\n",
    "words.rsp": '-DTEXT="\\"a b\\"" -O2\n@inner.rsp\n',
    "inner.rsp": "-c 'define.c'\n-o define.o",
    "loop.rsp": "@loop.rsp",
    "id.c": '#if defined(__clang__)\n# define COMPILER_ID "Clang"\n#endif\n'
    'char const* info = "INFO:compiler[" COMPILER_ID "]";\nint main(int argc, char *argv[]) { return info[argc]; }\n',
    "bad.o": "an old object",
    "old.o": "an old object",
    "protected.o": "an old object",
    "real.o": "an old object",
}  # fmt: skip
_TEMPORARY = re.compile(r"/tmp/[\w.+-]+-[0-9a-f]{6}(\.\w+)*")


@dataclass(frozen=True)
class Seen:
    """What a command said and left: files as relative path -> (permissions, content)."""

    status: int
    stdout: str
    stderr: str
    files: Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True)
class Case:
    """A command of a build. recipe: whether one that was recorded for it is used, where clang itself succeeds."""

    words: Sequence[str]
    recipe: bool = False
    cxx: bool = False
    stdin: bytes = b""
    cwd: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)


@cache
def toolchain() -> Toolchain:
    return find_toolchain()


def clang(cxx: bool = False) -> str:
    """By the name that colt-cc calls it by, which clang's messages begin with."""
    return str(toolchain().prefix / "bin" / ("clang++" if cxx else "clang"))


def compiler(cxx: bool = False) -> list[str]:
    name = "colt-c++" if cxx else "colt-cc"
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return [str(beside)]
    return [sys.executable, "-c", f"from colt_llvm.builds.cc.wrapper import {'cxx' if cxx else 'cc'} as main; main()"]


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COLT_")}
    mine = {"COLT_LLVM_PREFIX": str(toolchain().prefix), "XDG_CACHE_HOME": str(tmp_path / "cache"), "LC_ALL": "C.UTF-8"}
    return {**inherited, **mine, **variables}


def fill(folder: Path, prebuilt: Path | None = None) -> None:
    """The folder anew."""
    if folder.exists():
        shutil.rmtree(folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / ".libs").mkdir()
    (folder / "out").mkdir()
    (folder / "protected.o").chmod(0o444)
    (folder / "symlink.o").symlink_to("real.o")
    (folder / "null").symlink_to("/dev/null")
    (folder / "linked.c").symlink_to("b.c")
    if prebuilt:
        for file in prebuilt.iterdir():
            shutil.copy(file, folder / file.name)


def prebuild(folder: Path) -> None:
    """Objects and libraries for commands that link: half() in each of them."""
    clang, source = str(toolchain().clang), folder.parent / "prebuilt-source"
    fill(source)
    folder.mkdir()
    for words in (
        ["-c", "b.c", "-o", folder / "half.o"],
        ["-c", "a.c", "-o", folder / "main.o"],
        ["-shared", "-fPIC", "b.c", "-o", folder / "libhalf.so"],
    ):
        subprocess.run([clang, *map(str, words)], cwd=source, check=True)
    subprocess.run(
        [toolchain().prefix / "bin" / "llvm-ar", "rcsD", folder / "libarchive.a", folder / "half.o"], check=True
    )


def run(argv: Sequence[str], case: Case, folder: Path, variables: Mapping[str, str]) -> Seen:
    done = subprocess.run(
        [*argv, *case.words], cwd=folder / case.cwd, input=case.stdin, capture_output=True, timeout=120,
        env={**variables, **case.environment},
    )  # fmt: skip
    return Seen(
        done.returncode,
        _TEMPORARY.sub("TEMPORARY", done.stdout.decode("utf-8", "replace")),
        _TEMPORARY.sub("TEMPORARY", done.stderr.decode("utf-8", "replace")),
        left_in(folder),
    )


def left_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.split("/")[0] == ".colt" or path.is_dir():
            continue
        if path.is_symlink():
            found[name] = (0, os.fsencode(os.readlink(path)))
        else:
            found[name] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def record(case: Case, folder: Path, scratch: Path, pipeline: str = PIPELINE, **changes: object) -> Path | None:
    """A recipe for this command, in ``folder``; None where it is none that compiles one source."""
    command = parse(list(case.words), case.cxx, str(folder / case.cwd))
    if command.kind != "compile":
        return None
    unit = Unit(command, folder / case.cwd)
    name = os.path.relpath(unit.source, folder.resolve())
    if name.startswith(".."):
        return None
    scratch.mkdir(exist_ok=True)
    inputs = {name}
    if (folder / case.cwd / command.source).exists():
        silent = os.open(os.devnull, os.O_WRONLY)
        try:
            names = compile_unit(
                unit, Steps(str(toolchain().compiler(command.cxx)), toolchain().library, "O3", ""), scratch,
                scratch / "unit.o", said=silent,
            )  # fmt: skip
            inputs = inputs_in(str(folder.resolve()), str(folder / case.cwd), names)
        except ValueError:
            pass  # it does not compile, which is what the case is about
        finally:
            os.close(silent)
    root = folder.resolve()
    fields: dict[str, object] = {
        "source": name,
        "inputs": {file: input_digest(root / file) for file in sorted(inputs) if (root / file).exists()},
        "flags": tuple(normalised(command.flags, str(root))),
        "level": "O3",
        "llvm": toolchain().version,
        "triple": toolchain().triple,
        "objective": "runtime",
        "sequence": (),
        "pipeline": pipeline,
        "object": "",
        **changes,
    }
    if command.dependency_file:
        (folder / case.cwd / command.dependency_file).unlink(missing_ok=True)
    return save_recipe(folder, UnitRecipe(**fields))  # type: ignore[arg-type]
