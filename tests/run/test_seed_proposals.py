"""What a run without a key begins with: each whole sequence once, however many requests are in flight."""

from __future__ import annotations

from pathlib import Path

import pytest
from tune_helpers import SOURCE, trials_of, tune_here


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.exhaustive), "4"])
def test_no_seed_proposal_is_tried_twice(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.c").write_text(SOURCE)
    tune_here(capfd, "parts.c", "--objective", "size", "--trials", "12", "--workers", workers, "--run-dir", "run")
    proposals = [
        tuple(trial["proposal"]["passes"])
        for trial in trials_of(tmp_path / "run")
        if trial["proposal"]["model"] == "embedded/small"
    ]
    assert len(proposals) >= 6
    assert len(set(proposals)) == len(proposals)
    assert max(map(len, proposals)) > 3, "they are whole sequences"
