"""Where a program spends its time: samples of perf's software clock, by symbol."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.program import Workload

#: Samples a second; a prime, so that no loop of the program beats with it.
_FREQUENCY = "1999"
_SAMPLE = re.compile(r"\s*[0-9a-f]+\s+(\S+)\s*")


class NoSamples(ColtError, RuntimeError):
    """perf gives none here; the message says why."""


def symbol_samples(executable: Path, workload: Workload, run_seconds: float, core: int | None) -> Counter[str]:
    """Symbol as the linker knows it -> samples; libraries' symbols too. run_seconds: what one run takes.

    Raises NoSamples, and what a run raises.
    """
    perf = shutil.which("perf")
    if perf is None:
        raise NoSamples("perf is not installed")
    with TemporaryDirectory(prefix="colt-perf-") as folder:
        data = Path(folder, "perf.data")
        # Without -B and -N perf copies every program that it sees to ~/.debug.
        record = (perf, "record", "-B", "-N", "-e", "cpu-clock:u", "-F", _FREQUENCY, "-o", str(data), "--")
        limits = process.Limits(max(10.0, 10 * run_seconds))
        run_workload(executable, replace(workload, command=record + workload.command), limits=limits, core=core)
        done = process.run(
            [perf, "script", "-i", data, "-F", "ip,sym", "--no-demangle"],
            env={**os.environ, "PERF_CONFIG": os.devnull, "LC_ALL": "C", "PAGER": "cat"},
        )
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        samples = Counter(found[1] for line in lines if (found := _SAMPLE.fullmatch(line)))
        if done.status != 0 or not samples:
            raise NoSamples("perf is not allowed here, or the run was too short for a sample")
        return samples
