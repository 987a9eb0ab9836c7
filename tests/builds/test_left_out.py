"""What of a build cannot be tuned: named with its reason, alike on both sides, and no harm to the rest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from colt_llvm.builds.project.learn import shown
from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.setup import Project, set_up
from colt_llvm.core.errors import UsageError
from colt_llvm.program.program import Workload
from tests.builds.project_helpers import FILES, SMALLER, options, quiet_run, searches_find, toolchain, tune_here, write

pytestmark = pytest.mark.needs("make")

SOURCES = {
    "main.c": "#include <stdio.h>\nint half(int);\nint third(int);\n"
    'int main(void) { printf("%d\\n", half(8) + third(9)); return 0; }\n',
    "half.c": "int half(int x) { return x / 2; }\n",
    "third.c": "int third(int x) { return x / 3; }\n",
    "p.h": "#include <stdio.h>\n",
}
ASSEMBLY = ".text\n.globl half\nhalf:\n mov %edi, %eax\n sar $1, %eax\n ret\n"
RULES = """
CFLAGS = -O2
prog: main.o half.o third.o
\t$(CC) $(LDFLAGS) -o $@ main.o half.o third.o
main.o: main.c
\t$(CC) $(CFLAGS) -c main.c
half.o: half.c
\t$(CC) $(CFLAGS) $(HALF) -c half.c
third.o: third.c
\t$(CC) $(CFLAGS) -c third.c
"""


def prepare(folder: Path, said: list[str], build: str = "make prog") -> Project:
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    workload = Workload("run-1", ("./prog",), None, (), folder)
    given = ProjectOptions((tuple(build.split(" ")),), (workload,), objective="size")
    return set_up(folder.resolve(), toolchain(), given, quiet_run(scratch, said.append), scratch)


def project_of(tmp_path: Path, makefile: str = RULES, **more: str) -> Path:
    return write(tmp_path / "project", {**SOURCES, "Makefile": makefile, **more})


def names(project: Project) -> list[str]:
    return sorted(unit.name for unit in project.units)


@pytest.mark.needs("compiler-rt")
@pytest.mark.parametrize(
    "flag",
    ["-flto", "-flto=thin", "-gsplit-dwarf", "-save-temps=obj", "-fsanitize=undefined", "-fstack-usage",
     "-ftime-trace", "-frecord-command-line", "-fxray-instrument"],
)  # fmt: skip
def test_a_build_that_is_all_of_one_flag_is_refused_with_its_name(tmp_path: Path, flag: str) -> None:
    link = flag if "lto" in flag else "-fsanitize=undefined"
    folder = project_of(tmp_path, RULES.replace("CFLAGS = -O2", f"CFLAGS = -O2 {flag}\nLDFLAGS = {link}"))
    with pytest.raises(UsageError) as error:
        prepare(folder, [])
    expected = f"3 files are compiled with {flag}, which recipes cannot have: leave it out of the build that is tuned"
    assert f"{expected} (main.c, half.c, third.c)" in str(error.value)
    assert "two steps" not in str(error.value)


@pytest.mark.needs("compiler-rt")
@pytest.mark.parametrize(
    ("flag", "link"),
    [("-g -gsplit-dwarf", ""), ("-flto", "-flto"), ("-emit-llvm -o half.o", "-flto"), ("-include-pch p.pch", ""),
     ("-fsanitize=undefined", "-fsanitize=undefined")],
)  # fmt: skip
def test_one_file_with_a_flag_is_named_and_the_rest_is_tuned(tmp_path: Path, flag: str, link: str) -> None:
    folder = project_of(tmp_path, RULES.replace("CFLAGS = -O2", f"CFLAGS = -O2\nHALF = {flag}\nLDFLAGS = {link}"))
    subprocess.run(
        [toolchain().clang, "-O2", "--no-default-config", "-x", "c-header", "p.h", "-o", "p.pch"],
        cwd=folder,
        check=True,
    )
    said: list[str] = []
    project = prepare(folder, said)
    assert names(project) == ["main.c", "third.c"]
    (note,) = project.notes
    assert note in said
    name = flag.replace("-g ", "").split()[0]
    assert note.startswith(f"half.c is compiled with {name}, which recipes cannot have; left as the build makes it")


def test_flags_that_can_be_followed_leave_nothing_out(tmp_path: Path) -> None:
    folder = project_of(tmp_path, RULES.replace("-O2", "-O2 -flto -fno-lto -Wp,-MMD,$*.d -Wp,-DX=1", 1))
    project = prepare(folder, [])
    assert names(project) == ["half.c", "main.c", "third.c"]
    assert project.notes == []


@pytest.mark.parametrize(
    ("name", "text", "flags", "reason"),
    [
        ("half.S", ASSEMBLY, "", "is assembly"),
        ("half.s", ASSEMBLY, "", "is assembly"),
        (
            "half.txt",
            ".text\n.globl half\nhalf:\n mov %edi, %eax\n sar $1, %eax\n ret\n",
            "-x assembler",
            "is assembly",
        ),
        ("half.c", "int half(int x) { return x / 2; }\n", "-O0", "is compiled at -O0"),
    ],
)
def test_a_file_that_no_recipe_is_for_is_named(tmp_path: Path, name: str, text: str, flags: str, reason: str) -> None:
    rules = RULES.replace("-c half.c", f"-c {name} -o half.o").replace("half.o: half.c", f"half.o: {name}")
    folder = project_of(tmp_path, f"HALF = {flags}\n{rules}")
    (folder / "half.c").unlink()
    (folder / name).write_text(text)
    said: list[str] = []
    project = prepare(folder, said)
    assert names(project) == ["main.c", "third.c"]
    (note,) = project.notes
    assert note in said
    assert note.startswith(f"{name} {reason}")


#: Text of a source, its header, and what the note names.
KNOW_THE_TIME = [
    ('const char *when(void) { return __DATE__ " " __TIME__; }', "", "__DATE__ and __TIME__"),
    ("const char *when(void) { return __TIMESTAMP__; }", "", "__TIMESTAMP__"),
    ('#include "w.h"\nconst char *when(void) { return WHEN; }', "#define WHEN __TIME__\n", "__TIME__"),
    ("#define GLUE(a, b) a##b\nconst char *when(void) { return GLUE(__DA, TE__); }", "", "__DATE__"),
    ("#pragma GCC diagnostic push\nint odd = sizeof(long) == 4;\nchar hash = __TIME__[7];", "", "__TIME__"),
]


@pytest.mark.parametrize(
    ("text", "header", "macros", "warnings"),
    [
        pytest.param(*case, warnings, marks=[pytest.mark.exhaustive] if place and warnings == "-w" else [])
        for warnings in ("-w", "-Wall -Werror")
        for place, case in enumerate(KNOW_THE_TIME)
    ],
)
def test_a_file_that_knows_the_time_is_named(
    tmp_path: Path, text: str, header: str, macros: str, warnings: str
) -> None:
    source = f"{SOURCES['half.c']}{text}\n"
    folder = project_of(tmp_path, f"HALF = {warnings}\n{RULES}", **{"half.c": source, "w.h": header})
    said: list[str] = []
    project = prepare(folder, said)
    assert names(project) == ["main.c", "third.c"]
    (note,) = project.notes
    assert note in said
    assert note.startswith(f"half.c is another object at each build, because of {macros}; left as the build makes it")


@pytest.mark.parametrize(
    "text",
    [
        "/* __DATE__ */ const char *when(void) { return \"__TIME__\"; }",
        "unsigned size(void) { return sizeof __DATE__; }",
        "const char *when(void) { return SAID; }\n#define SAID __DATE__ __TIME__",
    ],
)  # fmt: skip
def test_a_file_that_is_the_same_at_any_time_is_tuned(tmp_path: Path, text: str) -> None:
    flags = "-Wno-builtin-macro-redefined -D__DATE__='\"x\"' -D__TIME__='\"y\"'" if "SAID" in text else ""
    if "SAID" in text:
        text = "#define SAID __DATE__ __TIME__\nconst char *when(void) { return SAID; }"
    source = f"{SOURCES['half.c']}{text}\n"
    project = prepare(project_of(tmp_path, f"HALF = {flags}\n{RULES}", **{"half.c": source}), [])
    assert names(project) == ["half.c", "main.c", "third.c"]
    assert project.notes == []


ODD = os.fsdecode(b"h\xe4lf")


@pytest.mark.parametrize("where", ["source", "object", "header", "flag"])
def test_a_name_that_is_not_utf_8_costs_only_its_own_recipe(tmp_path: Path, where: str) -> None:
    folder = project_of(tmp_path)
    source = f"{ODD}.c" if where == "source" else "half.c"
    made = f"{ODD}.o" if where == "object" else "half.o"
    flag = f"-DNAME={ODD}" if where == "flag" else ""
    if where == "header":
        (folder / f"{ODD}.h").write_text("int half(int);\n")
        (folder / "half.c").write_text(f'#include "{ODD}.h"\n{SOURCES["half.c"]}', errors="surrogateescape")
    if where == "source":
        (folder / "half.c").rename(folder / source)
    rules = "\n\t".join(
        ["all:", "$(CC) -O2 -c main.c", "$(CC) -O2 -c third.c", f"$(CC) -O2 {flag} -c {source} -o {made}",
         f"$(CC) -o prog main.o {made} third.o\n"]
    )  # fmt: skip
    (folder / "Makefile").write_text(rules, errors="surrogateescape")
    said: list[str] = []
    project = prepare(folder, said, "make all")
    assert names(project) == ["main.c", "third.c"]
    (note,) = project.notes
    assert note in said
    assert "not UTF-8" in note
    assert "h\\xe4lf" in note
    note.encode()


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    assert shown(tmp_path / "a" / f"{ODD}.c", tmp_path) == "a/h\\xe4lf.c"
    assert shown("/elsewhere/ü.c", tmp_path) == "/elsewhere/ü.c"


@pytest.mark.parametrize("name", ["gcc", "cc", "clang"])
def test_a_compiler_that_the_build_names_is_said_before_anything_is_tuned(tmp_path: Path, name: str) -> None:
    said: list[str] = []
    project = prepare(project_of(tmp_path, RULES.replace("$(CC)", name)), said)
    assert names(project) == ["half.c", "main.c", "third.c"]
    (note,) = project.notes
    assert note in said
    assert f"compiled by {name}, which the build names itself" in note
    assert "make CC=colt-cc" in note
    assert f"where a rule says {name}, write $(CC)" in note


def test_an_object_of_another_compiler_is_told_from_one_that_was_up_to_date(tmp_path: Path) -> None:
    rules = RULES.replace("$(CC) $(CFLAGS) $(HALF)", f"{toolchain().clang} -O2")
    project = prepare(project_of(tmp_path, rules), [])
    assert names(project) == ["main.c", "third.c"]
    assert len(project.notes) == 1
    assert project.notes[0].startswith("half.o: made in this build by something else than colt-cc")
    (project.root / "main.o").unlink()
    notes = prepare(project.root, []).notes
    assert any("2 objects of the program were up to date" in note for note in notes)


@pytest.mark.parametrize(
    ("makefile", "reason"),
    [
        ("prog:\n\t$(CC) -O2 -o prog main.c half.c third.c\n",
         "3 files are compiled and linked in one command; compile and link in two steps"),
        ("prog:\n\t$(CC) -O2 -c half.c\n\t$(CC) -O2 -c third.c\n\t$(CC) -O2 -o prog main.c half.o third.o\n",
         "main.c is compiled and linked in one command; compile and link in two steps"),
        ("prog:\n\t$(CC) -O2 -c main.c half.c third.c\n\t$(CC) -o prog main.o half.o third.o\n",
         "3 files are compiled in one command with other files; compile each with a command of its own"),
    ],
)  # fmt: skip
def test_a_command_of_another_shape_is_named(tmp_path: Path, makefile: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        prepare(project_of(tmp_path, makefile), [])
    assert reason in str(error.value)


@pytest.mark.parametrize("odd", ["__DATE__", "-gsplit-dwarf", "assembly"])
def test_the_rest_of_a_project_keeps_its_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    """Its one file that cannot be tuned stays at -O2, and is not compared with the baseline's -Oz."""
    more = "unsigned more(unsigned x) { unsigned s = 0; for (unsigned i = 0; i < x; i++) s += i * x ^ s; return s; }\n"
    name = "more.s" if odd == "assembly" else "more.c"
    text = f"{more}const char *when(void) {{ return {odd}; }}\n" if odd == "__DATE__" else more
    files = {**FILES, "more.c": text}
    rule = f"more.o: {name}\n\t$(CC) -O3 -g {odd if odd.startswith('-g') else ''} -c {name}\n"
    files["Makefile"] = FILES["Makefile"].replace("fold.o\n", "fold.o more.o\n") + rule
    folder = write(tmp_path / "project", files)
    if odd == "assembly":
        subprocess.run([toolchain().clang, "-O3", "-S", "more.c"], cwd=folder, check=True)
    searched = searches_find(monkeypatch, {"main.o": SMALLER, "fold.o": SMALLER})
    result = tune_here(folder, options(folder))
    assert result.verdict == "improved"
    assert sorted(result.recipes) == [".colt/fold.c.json", ".colt/main.c.json"]
    assert sorted(searched) == ["fold.o", "main.o"]
    assert sum(name in note for note in result.notes) == 1
