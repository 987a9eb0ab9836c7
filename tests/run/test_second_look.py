"""Whom the verifier blames where a candidate differs: real programs, each in an original and a wrong copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colt_llvm.core.errors import NotRepeatable
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.program import Check, Program, Workload, program_from_files

HEAD = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static long count(const char *name) {  /* runs so far, in a file */
    long n = 0;
    FILE *f = fopen(name, "r");
    if (f) { if (fscanf(f, "%ld", &n) != 1) n = 0; fclose(f); }
    f = fopen(name, "w"); fprintf(f, "%ld", n + 1); fclose(f);
    return n;
}
static long now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return t.tv_nsec; }
static void put(const char *name, const char *text) { FILE *f = fopen(name, "w"); fputs(text, f); fclose(f); }
"""

Make = Callable[..., tuple[Verifier, Path]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A verifier of a program, and another program in its folder: ``body`` with ``WRONG`` 0 and 1."""
    verifiers: list[Verifier] = []

    def build(body: str, *, ignore: tuple[str, ...] = (), outputs: tuple[str, ...] = (), here: bool = False,
              arguments: tuple[str, ...] = ()) -> tuple[Verifier, Path]:  # fmt: skip
        toolchain = installed_toolchains()[0]
        objects = []
        for wrong in (0, 1):
            source = tmp_path / f"program{wrong}.c"
            source.write_text(
                f"#define WRONG {wrong}\n{HEAD}\nint main(int argc, char **argv) {{ {body}; return 0; }}\n"
            )
            program = program_from_files([source])
            objects.append(baseline_objects(toolchain, program, "O2"))
        cwd = tmp_path / "here"
        cwd.mkdir(exist_ok=True)
        workload = Workload("default", ("{exe}", *arguments), outputs=outputs, cwd=cwd if here or arguments else None)
        program = Program(**{**vars(program), "workloads": (workload,), "check": Check(ignore=ignore)})
        verifier = Verifier.of(program, TuneOptions(objective="size"), objects[0], linker_of(toolchain, program))
        verifiers.append(verifier)
        return verifier, verifier.link(objects[1], "wrong")

    yield build
    for verifier in verifiers:
        verifier.close()


def verdict(verifier: Verifier, executable: Path) -> str:
    """What the verifier says of the candidate; empty where it lets it pass."""
    try:
        verifier.check(executable, thorough=True)
    except Miscompiled as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('fprintf(stderr, "answer %d\\n", 41 + WRONG)', 'standard error line 1: "answer 42"'),
        ('put("out.txt", WRONG ? "b" : "a")', 'file out.txt line 1: "b" instead of "a"'),
        ('if (!WRONG) put("out.txt", "a")', "file out.txt was not written"),
        ('mkdir("sub", 0755); put(WRONG ? "sub/b" : "sub/a", "")', "file sub/a "),
        ('put("../up.txt", WRONG ? "b" : "a")', "file ../up.txt"),
        ('put("x", ""); if (!WRONG) rename("x", "y")', "file x was written"),
        ('put("x", ""); if (WRONG) unlink("x")', "file x was not written"),
        ('put("x", ""); chmod("x", WRONG ? 0644 : 0755)', "file x has mode 644 instead of 755"),
        ('if (symlink(WRONG ? "b" : "a", "link")) return 1', "file link leads to b instead of a"),
        ('mkdir(WRONG ? "e" : "d", 0755)', "file d was not written"),
        ('fflush(stdout); if (!fork()) { dprintf(1, "%d\\n", WRONG); _exit(0); } wait(0)', 'output line 1: "1"'),
        ('if (!fork()) { dprintf(2, "%d\\n", WRONG); _exit(0); } wait(0)', 'standard error line 1: "1"'),
        ('for (long i = 0; i < 500000; i++) fprintf(stderr, "%ld\\n", i + (WRONG && i == 450000))', "line 450001"),
        ("return WRONG", "exit status 1 instead of exit status 0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("here", [False, True])
def test_what_the_program_does_is_compared(make: Make, body: str, said: str, here: bool) -> None:
    if here and ("../" in body or "rename" in body or "unlink" in body):
        pytest.skip("the second run meets what the first one left")
    if here and "500000" in body:
        pytest.skip("where the program runs is no matter to its standard error, and this takes ten seconds")
    if "wait(" in body:
        body = f"int wait(int *); {body}"
    if "symlink" in body or "mkdir" in body:
        body = f'if (system("rm -rf link d e sub")) return 1; {body}'
        said = said.replace("d was not", "e was") if here else said
    verifier, wrong = make(body, here=here)
    assert said in verdict(verifier, wrong)
    assert not verdict(verifier, verifier.baseline)


def test_a_file_that_the_command_names_elsewhere_is_compared(make: Make, tmp_path: Path) -> None:
    verifier, wrong = make('put(argv[1], WRONG ? "b" : "a")', arguments=(str(tmp_path / "elsewhere.txt"),))
    assert "elsewhere.txt line 1" in verdict(verifier, wrong)
    assert "elsewhere.txt" in verifier.compared.text


@pytest.mark.parametrize(
    "body",
    [
        'printf("%d\\n", (int)getpid())',
        'printf("%ld\\n", count("runs"))',
        'printf("%d\\n", count("runs") % 7 == 6)',
        'printf("%d\\n", count("runs") > 8)',
        'printf("%d\\n", (int)(now() / 1000 % 3 == 0))',
        'printf("%d\\n", (int)(now() / 1000 % 12 == 0))',
        'srand(getpid()); printf("%d\\n", rand() % 2)',
        'printf("%d\\n", (int)((long)&argc / 16 % 8 == 0))',
        'int fds[2]; if (pipe(fds)) return 9; for (int i = 0; i < 4; i++) if (!fork()) '
        '{ usleep(now() / 1000 % 300); dprintf(1, "%d\\n", i); _exit(0); } close(fds[1]); char c; '
        "while (read(fds[0], &c, 1) > 0);",
    ],
)  # fmt: skip
def test_a_program_that_varies_by_itself_ends_the_run_and_nobody_is_blamed(make: Make, body: str) -> None:
    def check_often() -> None:
        verifier, same = make(body, here=True)  # both do the same: WRONG is not used
        for _ in range(300):
            verifier.check(same, thorough=True)

    with pytest.raises(NotRepeatable, match="differs from run to run"):
        check_often()


@pytest.mark.parametrize(
    "noise",
    [
        'fprintf(stderr, "took %ld ns\\n", now())',
        'fprintf(stderr, "at %p\\n", (void *)&argc)',
        'fprintf(stderr, "%d\\n", (int)(now() / 1000 % 4 == 0))',
        'fprintf(stderr, "run %ld\\n", count("runs"))',
        'for (int i = 0; i < now() / 1000 % 5; i++) fputs(".\\n", stderr)',
        'char name[40]; sprintf(name, "tmp-%d", (int)getpid()); put(name, "x")',
        'char text[40]; sprintf(text, "%ld", now()); put("log", text)',
        'if (access("cache", F_OK)) put("cache", "x")',
    ],
)  # fmt: skip
@pytest.mark.parametrize("here", [False, True])
def test_what_varies_beside_the_output_costs_no_candidate(make: Make, noise: str, here: bool) -> None:
    verifier, wrong = make(f'if (WRONG == 2) return 1; puts("same"); {noise}', here=here)  # not WRONG: the same program
    for _ in range(40):
        assert not verdict(verifier, wrong)
    verifier, wrong = make(f'printf("answer %d\\n", WRONG); {noise}', here=here)
    assert 'output line 1: "answer 1"' in verdict(verifier, wrong)


def test_a_line_of_standard_error_that_varies_does_not_hide_the_others(make: Make) -> None:
    verifier, wrong = make('fprintf(stderr, "took %ld ns\\nanswer %d\\n", now(), WRONG)')
    assert 'standard error line 2: "answer 1"' in verdict(verifier, wrong)
    assert verifier.compared.left_out == (
        "figures in standard error line 1, which differs between the baseline's own runs",
    )


def test_what_the_user_ignores_is_not_compared_and_that_is_said(make: Make) -> None:
    verifier, wrong = make(
        'fputs(WRONG ? "b" : "a", stderr); put("x.log", WRONG ? "b" : "a")', ignore=("stderr", "*.log")
    )
    assert not verdict(verifier, wrong)
    assert verifier.compared.text == (
        "only the exit status was compared; left out: standard error, by --ignore; 1 file (x.log), by --ignore"
    )


def test_a_named_file_stays_strict(make: Make) -> None:
    with pytest.raises(NotRepeatable, match="file log line 1"):
        make('char text[40]; sprintf(text, "%ld", now()); put("log", text)', outputs=("log",))


def test_a_blamed_candidate_carries_what_was_seen(make: Make) -> None:
    verifier, wrong = make('printf("%d\\n", WRONG)')
    with pytest.raises(Miscompiled) as caught:
        verifier.check(wrong, thorough=True)
    seen = json.loads(json.dumps(caught.value.evidence))
    assert caught.value.executable == wrong
    assert seen["workload"] == "default"
    assert seen["candidate_differed"] == seen["candidate_runs"] == seen["baseline_runs"] + 1 > 2


def test_a_candidate_that_differs_in_half_of_its_runs_is_blamed_and_the_program_is_not(make: Make) -> None:
    verifier, wrong = make('printf("%d\\n", WRONG && now() / 1000 % 2)')
    for _ in range(20):
        if found := verdict(verifier, wrong):
            break
    assert 'output line 1: "1" instead of "0"' in found


def test_the_proof_runs_candidate_and_baseline_several_times(make: Make) -> None:
    verifier, same = make('if (count("../runs") == 9) puts("tenth")', arguments=("../runs",))
    with pytest.raises(NotRepeatable, match="tenth"):
        verifier.check(same, thorough=True, proof=True)


def test_what_a_wrong_candidate_leaves_in_the_folder_neither_hides_it_nor_spoils_the_next(make: Make) -> None:
    clean = 'if (system("rm -f out.* odd")) return 1;'
    verifier, wrong = make(f'{clean} put(WRONG ? "odd" : "out.txt", "")', here=True)
    for _ in range(3):
        assert "odd was written" in verdict(verifier, wrong)
        assert not verdict(verifier, verifier.baseline)
