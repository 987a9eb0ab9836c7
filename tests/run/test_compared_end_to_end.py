"""From the user's command: what was compared is compared, and said in the result, the recipe and the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.report.run import read_run
from colt_llvm.report.verdict import verdict

#: Takes one way where the compiler knows the sum and another where it does not: leaving out indvars decides.
TRAP = """
#include <stdio.h>
int main(int argc, char **argv) {{
    unsigned sum = 0, answer;
    for (unsigned i = 0; i < 1000; i++) sum += i;
    if (__builtin_constant_p(sum)) {{
        volatile unsigned t[6];
        t[0] = sum; t[1] = sum * 3; t[2] = sum ^ 5; t[3] = sum + 9; t[4] = ~sum; t[5] = sum << 3;
        answer = t[0] + t[1] * t[2] - t[3] * t[4] + t[5] * t[1] + t[2] * t[4];
    }} else answer = 0;
    {show}
    return 0;
}}
"""


@dataclass(frozen=True)
class Done:
    """What a run of the command ended with."""

    returncode: int
    stdout: str
    stderr: str


Tune = Callable[..., tuple[dict[str, object], Done]]


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tune:
    """``tune(text, *options)``: the command on this source, in this process."""
    monkeypatch.chdir(tmp_path)

    def tune(text: str, *options: str) -> tuple[dict[str, object], Done]:
        (tmp_path / "prog.c").write_text(text)
        status = run(["tune", "prog.c", "--objective", "size", "--trials", "24", "--workers", "1",
                      "--run-dir", "run", *options])  # fmt: skip
        file = tmp_path / "run" / "result.json"
        return json.loads(file.read_text()) if file.exists() else {}, Done(status, *capfd.readouterr())

    return tune


@pytest.mark.slow
@pytest.mark.parametrize(
    ("show", "options", "what"),
    [
        ('fprintf(stderr, "answer %u\\n", answer);', (), "standard error"),
        ('FILE *f = fopen(argv[1], "w"); fprintf(f, "%u\\n", answer); fclose(f);', ("--run", "{exe} out.txt"),
         "file out.txt"),
    ],
)  # fmt: skip
def test_what_is_written_beside_standard_output_refuses_a_wrong_program(
    tune: Tune, tmp_path: Path, show: str, options: tuple[str, ...], what: str
) -> None:
    result, done = tune(TRAP.format(show=show), *options)
    assert done.returncode == 0, done.stderr
    compared, wrong = result["compared"], result["miscompile"]
    assert isinstance(compared, dict)
    assert isinstance(wrong, dict)
    assert what in compared["what"]
    assert compared["text"] in done.stdout
    assert wrong["differs_in"] == what
    assert wrong["candidate_differed"] == wrong["candidate_runs"] > wrong["baseline_runs"] >= 2
    assert "without<indvars>" not in result["sequence"]  # type: ignore[operator]
    kept = json.loads((tmp_path / "run" / "miscompiles" / f"{wrong['trial']:06d}" / "miscompile.json").read_text())
    assert kept["second_look"]["difference"] == wrong["difference"]


@pytest.mark.slow
def test_where_only_the_exit_status_was_compared_that_is_said_everywhere(tune: Tune, tmp_path: Path) -> None:
    result, done = tune(TRAP.format(show="volatile unsigned sink = answer; (void)sink;"))
    assert result["verdict"] == "improved", done.stdout + done.stderr
    assert "only the exit status was compared" in done.stdout
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["evidence"]["compared"]["text"] == "only the exit status was compared"
    assert "only the exit status was compared" in verdict(read_run(tmp_path / "run"))


@pytest.mark.slow
def test_what_is_ignored_is_said_and_may_differ(tune: Tune) -> None:
    result, _ = tune(TRAP.format(show='fprintf(stderr, "answer %u\\n", answer);'), "--ignore", "stderr")
    assert result["failures"] == {}
    text = "only the exit status was compared; left out: standard error, by --ignore"
    assert result["compared"]["text"] == text  # type: ignore[index]


@pytest.mark.slow
def test_a_program_that_counts_its_runs_in_a_file_ends_with_status_5(tune: Tune, tmp_path: Path) -> None:
    show = """
        long n = 0; FILE *f = fopen("runs", "r"); if (f) { fscanf(f, "%ld", &n); fclose(f); }
        f = fopen("runs", "w"); fprintf(f, "%ld", n + 1); fclose(f); puts(n == 11 ? "eleven" : "other");
    """.replace("{", "{{").replace("}", "}}")  # fmt: skip
    text = TRAP.replace("{show}", show).replace("{{", "{").replace("}}", "}")
    result, done = tune(text, "--run", "{exe}")
    assert done.returncode == 5
    assert not result
    assert "differs from run to run" in done.stderr
    assert "eleven" in done.stderr
    assert not (tmp_path / "run" / "miscompiles").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ignore", "stdout"), "standard output is always compared"),
        (("--run", "{exe}", "--output-file", "out.log", "--ignore", "*.log"), "which --output-file names"),
    ],
)
def test_what_cannot_be_ignored_is_refused(tune: Tune, options: tuple[str, ...], said: str) -> None:
    text = '#include <stdio.h>\nint main(void) { FILE *f = fopen("out.log", "w"); fclose(f); return 0; }\n'
    _, done = tune(text, *options)
    assert done.returncode == 2
    assert said in done.stderr
