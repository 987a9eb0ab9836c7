"""Where a program spends its time: samples of perf's software clock, which virtual machines have too."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from elftools.elf.elffile import ELFFile

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.elf import damage_typed
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.program import Workload

WANTED_SAMPLES = 1000
#: Samples a second: primes, so that no loop of the program runs in step with them; the faster one for short runs.
_FREQUENCY, _FAST_FREQUENCY = 997, 4999
_FREQUENCY_OF_SYMBOLS = 1999
_SHORT_RUN_SAMPLES = 100
_SCRIPT_LIMITS = process.Limits(wall_seconds=120, output_bytes=1 << 30)

_MAP = re.compile(r" *\d+ PERF_RECORD_MMAP2? (\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (\w+) .*?\]: \S+ (.*)")
_FORK = re.compile(r" *\d+ PERF_RECORD_FORK\((\d+):\d+\):\((\d+):\d+\)")
_SAMPLE = re.compile(r" *(\d+) +([0-9a-f]+)\s*")
_SYMBOL = re.compile(r"\s*[0-9a-f]+\s+(\S+)\s*")


class CannotProfile(ColtError, RuntimeError):
    """This way of profiling does not work here; the message says why and what helps."""


@dataclass
class Samples:
    """Where samples fell."""

    addresses: Counter[int]  # in the executable: address by its headers -> samples
    elsewhere: int = 0  # samples in libraries and other programs
    runs: int = 0  # of the workload

    @property
    def total(self) -> int:
        """All samples."""
        return self.addresses.total() + self.elsewhere


def sample_program(
    executable: Path, workload: Workload, *, seconds: float, wanted: int = WANTED_SAMPLES,
    limits: process.Limits | None = None,
) -> Samples:  # fmt: skip
    """Run the workload until there are ``wanted`` samples of user code, or ``seconds`` would be over with another run.

    It is run once at least. limits: of each run. Raises CannotProfile where perf is missing or not allowed, and what
    ``run_workload`` raises.
    """
    executable = executable.resolve()
    segments = _segments(executable)
    samples, frequency = Samples(Counter()), _FREQUENCY
    started = time.monotonic()
    while True:
        begun = time.monotonic()
        lines = _record(executable, workload, frequency, limits, _OF_ADDRESSES)
        before = samples.total
        _add(samples, lines, str(executable), segments)
        now = time.monotonic()
        if samples.total >= wanted or now - started + (now - begun) > seconds:
            return samples
        if samples.total - before < _SHORT_RUN_SAMPLES:
            frequency = _FAST_FREQUENCY


def symbol_samples(executable: Path, workload: Workload, run_seconds: float, core: int | None) -> Counter[str]:
    """Symbol as the linker knows it -> samples of one run; libraries' symbols too. run_seconds: what a run takes.

    Raises CannotProfile, and what ``run_workload`` raises.
    """
    limits = process.Limits(max(10.0, 10 * run_seconds))
    lines = _record(executable, workload, _FREQUENCY_OF_SYMBOLS, limits, _OF_SYMBOLS, core)
    samples = Counter(found[1] for line in lines if (found := _SYMBOL.fullmatch(line)))
    if not samples:
        raise CannotProfile("the run was too short for a sample")
    return samples


#: What perf prints of each sample, and besides.
_OF_ADDRESSES = ("-F", "pid,ip", "--show-mmap-events", "--show-task-events")
_OF_SYMBOLS = ("-F", "ip,sym", "--no-demangle", "--show-mmap-events")


def _record(
    executable: Path, workload: Workload, frequency: int, limits: process.Limits | None, fields: Sequence[str],
    core: int | None = None,
) -> Sequence[str]:  # fmt: skip
    perf = shutil.which("perf")
    if perf is None:
        raise CannotProfile("perf is not installed; install it (Debian: linux-perf, Ubuntu: linux-tools-generic)")
    with TemporaryDirectory(prefix="colt-perf-") as folder:
        data = Path(folder, "perf.data")
        # Without -B and -N perf copies every program that it sees to ~/.debug.
        command = (perf, "record", "-B", "-N", "-e", "cpu-clock:u", "-F", str(frequency), "-o", str(data), "--")
        run = run_workload(executable, replace(workload, command=command + workload.command), limits=limits, core=core)
        done = process.run(
            [perf, "script", "-i", data, *fields],
            limits=_SCRIPT_LIMITS, env={**os.environ, "PERF_CONFIG": os.devnull, "LC_ALL": "C", "PAGER": "cat"},
        )  # fmt: skip
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        if done.status != 0 or not any("PERF_RECORD_" in line for line in lines):
            raise CannotProfile(_refusal(run.stderr.decode("utf-8", "replace")))
        return lines


def _refusal(text: str) -> str:
    if "perf_event_paranoid" in text or "ermission" in text:
        return "perf is not allowed here; allow it with: sysctl kernel.perf_event_paranoid=2 (as root)"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"perf recorded nothing ({lines[0] if lines else 'and does not say why'}); check: perf record -e cpu-clock:u"


def _segments(executable: Path) -> list[tuple[int, int, int]]:
    """(offset in the file, bytes, address) of each executable segment."""
    with executable.open("rb") as stream, damage_typed():
        return [
            (segment["p_offset"], segment["p_filesz"], segment["p_vaddr"])
            for segment in ELFFile(stream).iter_segments("PT_LOAD")
            if segment["p_flags"] & 1
        ]


def _add(samples: Samples, lines: Sequence[str], executable: str, segments: Sequence[tuple[int, int, int]]) -> None:
    samples.runs += 1
    for offset in _file_offsets(lines, executable):
        for start, size, address in segments:
            if offset is not None and start <= offset < start + size:
                samples.addresses[offset - start + address] += 1
                break
        else:
            samples.elsewhere += 1


def _file_offsets(lines: Sequence[str], executable: str) -> Iterator[int | None]:
    """Each sample's offset in the executable's file; None where it is elsewhere.

    perf prints in order of time: a process has the maps seen so far, its parent's first.
    """
    maps: dict[str, list[tuple[int, int, int, str]]] = {}
    for line in lines:
        if sample := _SAMPLE.fullmatch(line):
            where = int(sample[2], 16)
            for start, size, offset, file in reversed(maps.get(sample[1], [])):
                if start <= where < start + size:
                    yield where - start + offset if file == executable else None
                    break
            else:
                yield None
        elif found := _MAP.fullmatch(line):
            entry = int(found[2], 16), int(found[3], 16), int(found[4], 0), found[5]
            maps.setdefault(found[1], []).append(entry)
        elif (found := _FORK.match(line)) and found[1] != found[2]:
            maps[found[1]] = list(maps.get(found[2], []))
