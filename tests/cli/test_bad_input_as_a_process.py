"""Bad input given to ``colt-llvm`` as a process of its own: one line, the promised exit status, nothing left behind.

What can be told without a process of its own stands in test_bad_input.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from colt_llvm.llvm.toolchain import PREFIX_VARIABLE, installed_toolchains
from colt_llvm.program.recipe import Recipe, save_recipe

ROOT = Path(__file__).resolve().parents[2]
SOURCE = r"""
#include <stdio.h>
static int f(int x) { int s = 0; for (int i = 0; i < x; i++) s += i ^ (s >> 3); return s; }
int main(int argc, char **argv) { for (int i = 0; i < argc; i++) printf("%d\n", f(500 + i)); return 0; }
"""
HEADERS = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "time", "unistd"))
QUICK = ("--objective", "size", "--trials", "2", "--workers", "1", "--json")
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


class Shell:
    """A folder to work in, with temporary files in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.temporary = folder / "temporary"
        self.folder.mkdir()
        self.temporary.mkdir()
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


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system with so many KiB."""
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        place = tmp_path / "small"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", place], capture_output=True)
        if done.returncode:
            pytest.skip("this user may mount nothing")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def tune(*arguments: str | Path) -> tuple[str | Path, ...]:
    return ("tune", *QUICK, *arguments)


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
def test_a_command_line_that_cannot_be_used(shell: Shell, arguments: list[str], said: str) -> None:
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
def test_an_output_that_cannot_be_meant(shell: Shell, recipe: Path, sources: list[str], output: str, said: str) -> None:
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


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[str]]:
    """What is said of each of PROGRAMS. They go side by side: most of the time is for starting up."""

    def refuse(name: str) -> str:
        body, options, status, _ = PROGRAMS[name]
        shell = Shell(tmp_path_factory.mktemp("program"))
        (shell.folder / "odd.c").write_text(f"{HEADERS}{NOW}int main(int argc, char **argv) {{\n{body} return 0; }}\n")
        above = "odd.c:7:8: error: use of undeclared identifier 'missing'" if name == "does not compile" else None
        return shell.refused(status, *tune("odd.c", *options), above=above)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return {name: pool.submit(refuse, name) for name in PROGRAMS}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_cannot_be_verified(refusals: dict[str, Future[str]], name: str) -> None:
    line = refusals[name].result()
    _, _, status, said = PROGRAMS[name]
    assert said in line
    assert line.startswith("colt-llvm: workload default: ") == (status == 5)


def test_a_program_without_main_needs_a_harness(shell: Shell) -> None:
    (shell.folder / "part.c").write_text("int part(int x) { int s = 0; while (x) s += x--; return s; }\n")
    (shell.folder / "use.c").write_text("int part(int); int main(void) { return part(4); }\n")
    assert "add a file that has one with --harness" in shell.refused(4, *tune("part.c"), above="reference to `main'")
    status, out, err = shell.run(*tune("part.c", "--harness", "use.c", "--allow-nonzero"))
    assert (status, err) == (0, ""), "and a status that is always the same can be allowed"
    assert (json.loads(out)["trials"], json.loads(out)["failures"]) == (2, {})


# --- the toolchain


def test_a_prefix_without_a_clang_that_fits(shell: Shell, tmp_path: Path) -> None:
    prefix = tmp_path / "llvm"
    prefix.mkdir()
    for command in (["passes"], tune("good.c")):
        assert "--llvm-prefix takes a folder such as /usr/lib" in shell.refused(3, *command, "--llvm-prefix", prefix)
    clang = prefix / "bin" / "clang"
    clang.parent.mkdir()
    clang.write_text("#!/bin/sh\necho clang version 14.0.6\necho Target: x86_64-pc-linux-gnu\n")
    assert "check its permissions" in shell.refused(3, "passes", "--llvm-prefix", prefix)
    clang.chmod(0o755)
    assert "is version 14.0.6; use LLVM 16 to 23" in shell.refused(3, "passes", "--llvm-prefix", prefix)


def test_the_doctor_without_a_toolchain(shell: Shell) -> None:
    status, out, err = shell.run("doctor", "--quick", "--llvm-prefix", shell.folder)
    assert (status, err) == (3, "")
    assert "FAIL toolchain\n     -> " in out
    assert "holds no bin/clang; --llvm-prefix takes a folder" in out


@pytest.mark.slow
def test_the_doctor_with_one(shell: Shell) -> None:
    status, out, err = shell.run("doctor", "--quick")
    assert (status, err) == (0, "")
    assert "FAIL" not in out
    assert "the CompilerGym environment answers" in out


# --- where things are written


def give_up_power() -> None:
    """Permissions are for this process too, even if it is the superuser's."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_folders_that_cannot_be_written(shell: Shell) -> None:
    closed = shell.folder / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    said = shell.refused(6, *tune("good.c", "-o", "closed/out"), preexec_fn=give_up_power)
    assert said == "colt-llvm: -o closed/out: its folder cannot be written (Permission denied); choose another place"
    said = shell.refused(6, *tune("good.c", "--run-dir", "closed/run"), preexec_fn=give_up_power)
    assert said.endswith("Permission denied; free some space, or choose a folder that can be written")


def test_a_disk_that_is_full_in_the_midst_of_a_run(shell: Shell, small_disk: Callable[[int], Path]) -> None:
    run = small_disk(24) / "run"
    trials = ("--objective", "size", "--workers", "1", "--json")
    said = shell.refused(6, "tune", "good.c", *trials, "--trials", "500", "--run-dir", run)
    assert said.endswith("run: No space left on device; free some space, or choose a folder that can be written")
    kept = (run / "trials.jsonl").read_bytes().rpartition(b"\n")[0].splitlines()
    assert len(kept) > 5
    assert [json.loads(line)["request"]["id"] for line in kept] == list(range(len(kept)))
    saved = shutil.copytree(run, shell.folder / "saved")
    status, out, err = shell.run("tune", "--resume", saved, "--trials", str(len(kept) + 1), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["trials"] == len(kept) + 1
    assert (saved / "trials.jsonl").read_bytes().splitlines()[: len(kept)] == kept


def test_a_disk_that_has_no_room_for_anything(shell: Shell, small_disk: Callable[[int], Path], recipe: Path) -> None:
    disk = small_disk(4)
    (disk / "out").write_text("old")  # takes all of it
    said = shell.refused(6, "apply", recipe, "good.c", "-o", disk / "out")
    assert said.endswith("out: cannot be written (No space left on device); choose another place with -o")
    assert {path.name: path.read_text() for path in disk.iterdir()} == {"out": "old"}
    said = shell.refused(6, *tune("good.c", "--run-dir", disk / "run"))
    assert "No space left on device; free some space" in said
    assert [path for path in disk.rglob("*") if path.is_file()] == [disk / "out"]


def test_no_room_for_temporary_files(shell: Shell, small_disk: Callable[[int], Path]) -> None:
    shell.temporary = small_disk(12)
    assert "the disk is full; free some space, or set TMPDIR" in shell.refused(6, *tune("good.c"))


# --- going on


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A run that has ended."""
    shell = Shell(tmp_path_factory.mktemp("finished"))
    status, _, err = shell.run("tune", *QUICK, "--trials", "4", "good.c", "--run-dir", "run")
    assert (status, err) == (0, "")
    return shell


@pytest.fixture
def again(finished: Shell) -> Iterator[Shell]:
    """The same, to be damaged."""
    before = finished.content()
    yield finished
    for name, content in before.items():
        (finished.folder / name).write_bytes(content or b"")


def test_going_on_with_what_is_no_run(shell: Shell) -> None:
    said = shell.refused(6, "tune", "--resume", ".", "--json")
    assert said == "colt-llvm: .: holds no run (no run.json); name the folder that tune made"


def test_going_on_with_another_source(again: Shell) -> None:
    (again.folder / "good.c").write_text(SOURCE + "\n")
    said = again.refused(2, "tune", "--resume", "run", "--trials", "6", "--json")
    assert said.endswith("good.c: has changed since the run began; start a new run")


def test_going_on_where_it_cannot_be_written(again: Shell) -> None:
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
def test_going_on_with_a_damaged_run(again: Shell, file: str, line: int, text: str, said: str) -> None:
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


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A sound one, made by nobody."""
    path = tmp_path / "recipe.json"
    toolchain = installed_toolchains()[0]
    save_recipe(
        Recipe("good", "size", "Oz", (), "default<Oz>", (), (), toolchain.version, toolchain.triple, {}, (), ()), path
    )
    return path


def test_a_recipe_in_a_folder_that_cannot_be_read(shell: Shell, recipe: Path) -> None:
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
def test_what_is_no_recipe(shell: Shell, recipe: Path, content: bytes, said: str) -> None:
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
def test_a_recipe_that_was_changed(shell: Shell, recipe: Path, changes: dict[str, object], said: str) -> None:
    recipe.write_text(json.dumps({**json.loads(recipe.read_text()), **changes}))
    assert said in shell.refused(7, "apply", recipe, "good.c", "-o", "out")


def test_a_recipe_is_not_written_over(shell: Shell, recipe: Path) -> None:
    kept = recipe.read_bytes()
    said = shell.refused(2, "apply", recipe, "good.c", "-o", recipe)
    assert "would overwrite what it is made from" in said
    assert recipe.read_bytes() == kept
    status, out, err = shell.run("apply", recipe, "good.c", "-o", "out")
    assert (status, out) == (0, "")
    assert all(line.startswith("colt-llvm: note: ") for line in err.splitlines())
    assert subprocess.run([shell.folder / "out"], capture_output=True, text=True, check=True).stdout.count("\n") == 1


# --- whoever reads the output


def test_passes_can_be_searched_and_read_as_json(shell: Shell) -> None:
    status, out, err = shell.run("passes", "--search", "unroll")
    assert status == 0
    assert all("unroll" in line.lower() for line in out.splitlines())
    assert err.startswith(f"{len(out.splitlines())} actions of ")
    status, out, err = shell.run("passes", "--search", "unroll", "--json")
    assert (status, err) == (0, "")
    assert "loop-unroll" in [action["name"] for action in json.loads(out)]
    status, out, err = shell.run("passes", "--search", "no such word", "--json")
    assert (status, json.loads(out), err) == (0, [], "")


@pytest.mark.parametrize("arguments", [["--help"], ["programs"], ["passes"], ["passes", "--json"]])
def test_a_reader_that_reads_nothing(shell: Shell, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    status, _, err = shell.run(*arguments, stdout=writing)
    os.close(writing)
    assert (status, err) == (0, "")


def test_a_reader_that_has_seen_enough(shell: Shell) -> None:
    """As with ``colt-llvm tune 2>&1 | head -1``: the run goes on, and is there at its end."""
    run = ("tune", *QUICK[:-1], "good.c")
    with shell.start(*run, "--run-dir", "run", stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "good: size: building the baseline\n"
        child.stdout.close()
        assert child.wait(timeout=120) == 0
    shell.assert_tidy(child.pid)
    assert json.loads((shell.folder / "run" / "result.json").read_text())["trials"] == 2


def test_nobody_to_hear_what_is_wrong(shell: Shell) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with shell.start("tune", "gone.c", stdout=writing, stderr=writing) as child:
        assert child.wait(timeout=60) == 2
    os.close(writing)


def test_output_to_a_full_disk(shell: Shell) -> None:
    with open("/dev/full", "w") as full:
        status, _, err = shell.run("passes", stdout=full)
    assert status == 6
    assert err.startswith("colt-llvm: No space left on device; free some space")
    assert err.count("\n") == 1
