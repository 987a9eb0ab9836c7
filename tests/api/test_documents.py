"""The documents build without a warning and without a network, and all of them are in the table of contents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_documents_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pages = tmp_path / "pages"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(pages)]
    child = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=250)
    assert child.returncode == 0, child.stderr
    made = {str(page.relative_to(pages).with_suffix("")) for page in pages.rglob("*.html")}
    assert {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")} <= made
    front = (pages / "index.html").read_text(encoding="utf-8")
    for page in ("guide/five-lines", "api/tuning", "models", "ARCHITECTURE"):
        assert f'href="{page}.html"' in front
    tuning = (pages / "api" / "tuning.html").read_text(encoding="utf-8")
    assert 'id="colt_llvm.api.tune"' in tuning
    assert "Raises<span" in tuning
    objective = (pages / "guide" / "own-objective.html").read_text(encoding="utf-8")
    assert "PAGE_BYTES" in objective  # the example stands in it
    loaded = [line for page in pages.rglob("*.html") for line in page.read_text(encoding="utf-8").splitlines()
              if ('src="http' in line or ('rel="stylesheet"' in line and "http" in line))]  # fmt: skip
    assert not loaded
