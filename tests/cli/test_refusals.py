"""What cannot be used is refused: one line, the promised exit status, nothing lost and nothing left behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shells import QUICK, SOURCE, Shell, ShellHere, sound_recipe, tune

HEADERS = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "time", "unistd"))


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> ShellHere:
    return ShellHere(tmp_path, capfd, monkeypatch)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return sound_recipe(tmp_path)


# --- the command line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "gone.c"], "gone.c: no such file"),
        (["tune", "notes.txt"], "name a .c, .cpp, .ll or .bc file"),
        (["tune"], "name a program: a C or C++ file"),
        (["tune", "lz78"], "lz78: no such file, and no included program; colt-llvm programs lists those"),
        (["tune", "lz77", "--harness", "gone.c"], "gone.c: no such file"),
        (["tune", "good.c", "--objective", "speed"], "is not one of 'runtime', 'size'"),
        (["tune", "good.c", "--no-such-option"], "see colt-llvm tune --help"),
        (["toon", "good.c"], "see colt-llvm --help"),
        (["tune", "good.c", "--cflags", "-g -O2"], "--cflags -O2: leave it out"),
        (["tune", "good.c", "--cflags=-flto=thin"], "--cflags -flto=thin: leave it out"),
        (["tune", "good.c", "--cflags", "-DX='1"], "check the quotes"),
        (["tune", "good.c", "--run", "./good 3"], "write {exe} where the program belongs"),
        (["tune", "good.c", "--run", "{exe}", "--args", "3"], "leave out --args, or write them there"),
        (["tune", "good.c", "--stdin", "gone.txt"], "--stdin gone.txt: no such file"),
        (["tune", "good.c", "--float-tolerance", "nan"], "use a number from 0 to 1"),
        (["tune", "good.c", "--timeout", "1e300"], "use a number of seconds above 0, up to 1000000"),
        (["tune", "good.c", "--memory", "99999999999999"], "--memory: use 1 MiB or more"),
        (["tune", "good.c", "--objective", "balanced", "--weight", "runtime=nan"], "weights must be 0 or more"),
        (["tune", "--resume", "run", "--run-dir", "other"], "leave out sources and --run-dir"),
    ],
)
def test_a_command_line_that_cannot_be_used(shell: ShellHere, arguments: list[str], said: str) -> None:
    (shell.folder / "notes.txt").touch()
    assert said in shell.refused(2, *arguments)


@pytest.mark.parametrize(
    ("sources", "output", "said"),
    [
        (["good.c"], "folder", "is a folder; name a file"),
        (["good.c", "more.c"], "both.o", "several sources give several objects; name an executable"),
        (["good.c"], "good.c", "would overwrite what it is made from; choose another name"),
        (["good.c"], "link.c", "would overwrite what it is made from; choose another name"),
    ],
)
def test_an_output_that_cannot_be_meant(
    shell: ShellHere, recipe: Path, sources: list[str], output: str, said: str
) -> None:
    (shell.folder / "folder").mkdir()
    (shell.folder / "more.c").write_text("int more;\n")
    (shell.folder / "link.c").symlink_to("good.c")
    assert said in shell.refused(2, "apply", recipe, *sources, "-o", output)
    if output == "link.c":
        assert said in shell.refused(2, *tune(*sources, "-o", output))


# --- the program


NOW = "double now(void) { struct timespec t; timespec_get(&t, 1); return t.tv_sec % 1000 + t.tv_nsec / 1e9; }\n"

#: Body of main, options, exit status, what is said.
PROGRAMS: dict[str, tuple[str, list[str], int, str]] = {
    "dies": ("abort();", [], 5, "the baseline dies of SIGABRT; fix the program or its arguments"),
    "never ends": ("for (;;) pause();", ["--timeout", "1"], 5,
                   "never ends within 1 s; give --run a smaller input or raise --timeout"),
    "prints the time": ('printf("%ld ticks, took %.9f s\\n", (long)clock(), now());', [], 5,
                        "it seems to print a time: leave it out"),
    "prints an address": ('printf("%p\\n", (void *)&argc);', [], 5, "it seems to print an address: leave it out"),
    "throws dice": ('unsigned x; getentropy(&x, 4); srand(x); printf("%d\\n", rand());', [], 5, "(or fix the seed)"),
    "wants a terminal": ('if (!isatty(0)) { fputs("no terminal", stderr); return 1; }', [], 5,
                         'says "no terminal"; check its arguments'),
    "wants input": ('int x; if (scanf("%d", &x) != 1) return 2;', [], 5,
                    "(standard input is empty and there is no terminal: give its input as a file)"),
    "fails": ("return 3;", [], 5, "ends with exit status 3; check its arguments, or allow a nonzero status (--allow-n"),
    "fails otherwise": ("return time(0) % 99 + 1;", ["--allow-nonzero"], 5, "differs from run to run, ended with exit"),
    "is run by nothing": ("return 0;", ["--run", "no-such-tool {exe}"], 2,
                          "--run: no-such-tool: not found; install it or give its full path"),
    "is over too soon": ("return 0;", ["--objective", "runtime"], 5,
                         "cannot be timed; give it more work with --args or --run, or use --objective size"),
    "does not compile": ("return missing;", [], 4, "does not compile (exit status 1): "),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_cannot_be_verified(shell: ShellHere, name: str) -> None:
    body, options, status, said = PROGRAMS[name]
    (shell.folder / "odd.c").write_text(f"{HEADERS}{NOW}int main(int argc, char **argv) {{\n{body} return 0; }}\n")
    above = "odd.c:7:8: error: use of undeclared identifier 'missing'" if name == "does not compile" else None
    line = shell.refused(status, *tune("odd.c", *options), above=above)
    assert said in line
    assert line.startswith("colt-llvm: workload default: ") == (status == 5)


def test_a_program_without_main_needs_a_harness(shell: ShellHere) -> None:
    (shell.folder / "part.c").write_text("int part(int x) { int s = 0; while (x) s += x--; return s; }\n")
    (shell.folder / "use.c").write_text("int part(int); int main(void) { return part(4); }\n")
    assert "add a file that has one with --harness" in shell.refused(4, *tune("part.c"))
    status, out, err = shell.run(*tune("part.c", "--harness", "use.c", "--allow-nonzero"))
    assert (status, err) == (0, ""), "and a status that is always the same can be allowed"
    assert (json.loads(out)["trials"], json.loads(out)["failures"]) == (2, {})


# --- going on


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has ended."""
    shell = Shell(tmp_path_factory.mktemp("finished"))
    status, _, err = shell.run("tune", *QUICK, "--trials", "4", "good.c", "--run-dir", "run")
    assert (status, err) == (0, "")
    return shell.folder.parent


@pytest.fixture
def again(finished: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ShellHere]:
    """The same, to be damaged."""
    shell = ShellHere(finished, capfd, monkeypatch)
    before = shell.content()
    yield shell
    for name, content in before.items():
        (shell.folder / name).write_bytes(content or b"")


def test_going_on_with_what_is_no_run(shell: ShellHere) -> None:
    said = shell.refused(6, "tune", "--resume", ".", "--json")
    assert said == "colt-llvm: .: holds no run (no run.json); name the folder that tune made"


def test_going_on_with_another_source(again: ShellHere) -> None:
    (again.folder / "good.c").write_text(SOURCE + "\n")
    said = again.refused(2, "tune", "--resume", "run", "--trials", "6", "--json")
    assert said.endswith("good.c: has changed since the run began; start a new run")


def test_going_on_where_it_cannot_be_written(again: ShellHere) -> None:
    said = again.refused(6, "tune", "--resume", "run", "--trials", "6", "--json", "-o", "/proc/out")
    assert "choose another place" in said


@pytest.mark.parametrize(
    ("file", "line", "text", "said"),
    [
        ("trials.jsonl", 1, '{"request":{"id"', "trials.jsonl line 2: is not a trial; restore the file, or start "),
        ("trials.jsonl", 1, '{"request":"x"}', "trials.jsonl: holds something that is no trial"),
        ("run.json", 1, "", "run.json: is damaged ('sources'); start a new run"),
    ],
)  # fmt: skip
def test_going_on_with_a_damaged_run(again: ShellHere, file: str, line: int, text: str, said: str) -> None:
    path = again.folder / "run" / file
    if file == "run.json":
        header = json.loads(path.read_text())
        del header["sources"]
        path.write_text(json.dumps(header))
    else:
        lines = path.read_text().splitlines()
        lines[line] = text
        path.write_text("\n".join(lines) + "\n")
    assert said in again.refused(6, "tune", "--resume", "run", "--trials", "6", "--json")


# --- recipes


def test_a_recipe_in_a_folder_that_cannot_be_read(shell: ShellHere, recipe: Path) -> None:
    assert "cannot be read (Is a directory)" in shell.refused(7, "apply", recipe.parent, "good.c", "-o", "out")
    said = shell.refused(7, "apply", recipe.with_name("gone.json"), "good.c", "-o", "out")
    assert "cannot be read (No such file or directory); name a recipe.json that tune wrote" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "is not JSON"),
        (b"int main(void) { return 0; }", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1, 2]", "is not a colt-llvm recipe; name a recipe.json that tune wrote"),
        (b'{"name": "left-pad", "version": 1}', "is not a colt-llvm recipe; name a recipe.json that tune wrote"),
    ],
)
def test_what_is_no_recipe(shell: ShellHere, recipe: Path, content: bytes, said: str) -> None:
    recipe.write_bytes(content)
    assert said in shell.refused(7, "apply", recipe, "good.c", "-o", "out")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 3}, "recipe version 3 is none of (1, 2); tune again"),
        ({"llvm": "15.0.7"}, "use --llvm-prefix with LLVM 15, or tune again"),
        ({"llvm": "new"}, "is damaged (ValueError: "),
        ({"level": "O9"}, "is damaged (ValueError: level 'O9'); tune again"),
        ({"cflags": "-g"}, "is damaged (TypeError: a list of texts is needed"),
        ({"cflags": ["\0"]}, "is damaged (ValueError: a text holds a zero byte); tune again"),
        ({"pipeline": "no-such-pass"}, "its pipeline does not run on this program (no-such-pass: unknown pass name"),
    ],
)
def test_a_recipe_that_was_changed(shell: ShellHere, recipe: Path, changes: dict[str, object], said: str) -> None:
    recipe.write_text(json.dumps({**json.loads(recipe.read_text()), **changes}))
    assert said in shell.refused(7, "apply", recipe, "good.c", "-o", "out")


def test_a_recipe_is_not_written_over(shell: ShellHere, recipe: Path) -> None:
    kept = recipe.read_bytes()
    said = shell.refused(2, "apply", recipe, "good.c", "-o", recipe)
    assert "would overwrite what it is made from" in said
    assert recipe.read_bytes() == kept
    status, out, err = shell.run("apply", recipe, "good.c", "-o", "out")
    assert (status, out) == (0, "")
    assert all(line.startswith("colt-llvm: note: ") for line in err.splitlines())
    assert subprocess.run([shell.folder / "out"], capture_output=True, text=True, check=True).stdout.count("\n") == 1
