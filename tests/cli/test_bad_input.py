"""Bad input on the command line ends with one line that names the remedy, and the exit status for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "colt_llvm.cli.main", "tune", "gone.c"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("colt-llvm: ")
    assert "gone.c" in done.stderr
