"""``colt-llvm tune`` on many programs, each in a process of its own as a user would start it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from colt_llvm.core.files import write_json


def run_suite(
    programs: Sequence[str], objective: str, seconds: float, folder: Path, *, jobs: int = 1, extra: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Results in the order of ``programs``. What is in ``folder`` already is not run again.

    jobs: programs at once, each with one worker; only where nothing is timed.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def one(name: str) -> dict[str, Any]:
        file = folder / f"{name}.json"
        if file.exists():
            return dict(json.loads(file.read_text()))
        command = [sys.executable, "-m", "colt_llvm.cli.main", "tune", name, "--objective", objective, "--seed", "1"]
        command += ["--time", f"{seconds:g}", "--json", "--run-dir", str(folder / f"run-{name}"), *extra]
        if jobs > 1:
            command += ["--workers", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout) if done.returncode == 0 else {"program": name, "error": done.stderr.strip()}
        write_json(file, result)
        sys.stderr.write(f"{name}: {result.get('verdict', result.get('error'))} {result.get('ratio', '')}\n")
        return dict(result)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, programs))
