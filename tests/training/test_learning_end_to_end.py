"""Tune, train from that run, tune again with what was learned, and go on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.cli.main import run

EXACT = ("--objective", "instructions", "--seed", "1", "--workers", "1")
QUICK = ("--trials", "4", "--seeds", "1")
SOURCE = """#include <stdio.h>
static int step(int x) { return x % 2 ? 3 * x + 1 : x / 2; }
int main(void) {
    int longest = 0;
    for (int i = 1; i < 60; i++) {
        int steps = 0;
        for (int x = i; x != 1; x = step(x)) steps++;
        if (steps > longest) longest = steps;
    }
    printf("%d\\n", longest);
    return 0;
}
"""


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Any:
    def tell(*arguments: str | Path) -> Any:
        status = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        assert status == 0, err
        return json.loads(out)

    return tell


def journal(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "trials.jsonl").read_text().splitlines()]


@pytest.mark.needs("LLVM 22")
def test_a_run_teaches_and_what_it_taught_is_asked(
    told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.c").write_text(SOURCE)
    told("tune", "small.c", *EXACT, "--trials", "25", "--run-dir", "first")
    trained = told("train", "--from", "first", "-o", "mine.npz", *QUICK)
    assert trained["models"] == ["mine/nano", "mine/small", "mine/base"]
    assert trained["runs"][0]["trials"] == 25
    assert "weak evidence" in " ".join(trained["notes"])

    told("tune", "small.c", *EXACT, "--trials", "6", "--models", "embedded/nano,mine.npz:base", "--run-dir", "second")
    assert {trial["proposal"]["model"] for trial in journal(Path("second"))} <= {"embedded/nano", "mine/base"}
    header = json.loads(Path("second/run.json").read_text())
    assert [model["name"] for model in header["models"]] == ["embedded/nano", "mine/base"]
    result = told("tune", "--resume", "second", "--trials", "9")
    assert len(journal(Path("second"))) == 9
    assert "mine/base" in result["models"]["models"]

    Path("mine.npz").write_bytes(Path("mine.npz").read_bytes() + b"\0")
    for said in ("has changed", "no such file"):
        assert run(["tune", "--resume", "second", "--trials", "12"]) == 6
        err = capfd.readouterr().err
        assert said in err
        assert len(err.splitlines()) == 1
        Path("mine.npz").unlink(missing_ok=True)
