"""What is asked for has to be a program that can be verified; else one line says what to do, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from tests.builds.project_helpers import BOTH, FILES, digests, project, searches_find, write

__all__ = ["project"]

pytestmark = pytest.mark.needs("make")


@pytest.fixture(autouse=True)
def no_search(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return searches_find(monkeypatch, {})


def tune(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """Exit status, and the line of ours that says why."""
    monkeypatch.chdir(folder)
    status = run(["tune", "--build", "make prog", "--objective", "size", *words])
    lines = capfd.readouterr().err.splitlines()
    return status, lines[-1] if lines else ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--build: needs --run"),
        (("--run", "./prog | cat"), "| needs a shell, and none is used; use --stdin for input, or write a script"),
        (("--run", "./prog < input"), "< needs a shell"),
        (("--run", "./prog 'x"), "check the quotes"),
        (("--run", "./prog", "--stdin", "nothing"), "--stdin nothing: no such file"),
        (("--run", "./prog", "--objective", "instructions"), "with --build use one of runtime, balanced, size"),
        (("--run", "./prog", "--time", "0"), "--time 0: use a number of seconds above 0"),
        (("--run", "./prog", "--trials", "0"), "--trials 0: use 1 or more"),
        (("--run", "./prog", "--output", "tuned"), "leave out -o"),
        (("--run", "./prog", "--resume", "run"), "leave out --resume"),
        (("--run", "./prog", "--build", ""), "--build: say how the project is built"),
    ],
)
def test_refuses_before_anything_is_built(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...], says: str,
) -> None:  # fmt: skip
    before = digests(project, ())
    status, line = tune(project, monkeypatch, capfd, *words)
    assert (status, says in line) == (2, True), line
    assert digests(project, ()) == before


@pytest.mark.parametrize(
    ("main", "words", "status", "says"),
    [
        ("return 0;", ("--run", "cat Makefile"), 2, "runs nothing that the build links (prog)"),
        ("return 0;", ("--run", "./prog", "--run", "./other"), 2, "--run ./other: runs nothing that the build links"),
        ("return !fopen(argv[1], \"r\");", ("--run", "./prog missing.txt"), 5, "exit status 1"),
        ("abort();", ("--run", "./prog"), 5, "SIGABRT"),
        ("printf(\"%d\\n\", (int)getpid()); return 0;", ("--run", "./prog"), 5, "differ"),
        ("for (;;);", ("--run", "./prog", "--timeout", "1"), 5, "1 s"),
    ],
)  # fmt: skip
def test_refuses_a_program_that_cannot_be_verified(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    main: str, words: tuple[str, ...], status: int, says: str,
) -> None:  # fmt: skip
    source = (
        '#include "parts.h"\n#include <unistd.h>\nint main(int argc, char **argv) {{ (void)argc; (void)argv; {} }}\n'
    )
    write(project, {"main.c": source.format(main)})
    found, line = tune(project, monkeypatch, capfd, *words)
    assert (found, says in line) == (status, True), line
    assert not (project / ".colt").exists()


def test_gives_the_program_its_input_in_every_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    main = FILES["main.c"].replace("int rounds = argc > 1 ? atoi(argv[1]) : 20;", """
    int rounds = atoi(argv[1]), letters = 0;
    while (getchar() != EOF) letters++;
    if (letters != 5) return 1;
""")  # fmt: skip
    write(project, {"main.c": main, "input.txt": "five\n"})
    searched = searches_find(monkeypatch, BOTH)
    words = ("--stdin", "input.txt", "--run", "./prog 300", "--run", "./prog 2")
    status, line = tune(project, monkeypatch, capfd, *words)
    assert status == 0, line
    assert sorted(searched) == ["fold.o", "main.o"]
    assert sorted(path.name for path in (project / ".colt").iterdir()) == ["fold.c.json", "main.c.json"]
    status, line = tune(project, monkeypatch, capfd, "--run", "./prog 300", "--build", "make clean prog")
    assert status == 5, line


def test_refuses_a_run_directory_that_was_made_for_something_else(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    same = ("--run-dir", "run", "--build", "make clean prog")
    assert tune(project, monkeypatch, capfd, *same, "--run", "./prog 300")[0] == 0
    status, line = tune(project, monkeypatch, capfd, *same, "--run", "./prog 200")
    assert (status, "run: made with another --run or --stdin; use another folder" in line) == (2, True), line
    status, line = tune(project, monkeypatch, capfd, *same, "--run", "./prog 300", "--seed", "7")
    assert (status, "run: made with another --seed; use another folder" in line) == (2, True), line
    assert tune(project, monkeypatch, capfd, *same, "--run", "./prog 300", "--time", "9")[0] == 0
