"""The machine that measures: what it is, which core times, and how much it disturbs."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.measure.intervals import Noise, bootstrap_ratio, noise_of

_CPU_FIELDS = ("model name", "Processor", "cpu model", "uarch")  # x86 and arm, old arm, mips, riscv


@dataclass(frozen=True)
class Host:
    """Which machine a measurement holds for. Names no one: the machine's id is hashed, its name left out."""

    machine: str  #: first 16 hexadecimal digits of a hash of the machine id; "" where there is none
    cpu: str  #: the model, as the kernel names it
    architecture: str  #: ``x86_64``
    cores: int  #: those this process may use
    memory_bytes: int  #: physical
    kernel: str  #: its release
    governor: str  #: of frequency scaling; "" where it cannot be read
    virtualised: bool  #: a hypervisor is seen


def fingerprint(root: Path = Path("/")) -> Host:
    """Read this machine's fingerprint; what cannot be read stays empty. ``root`` is for tests."""
    cpuinfo = _read(root / "proc/cpuinfo")
    machine_id = _read(root / "etc/machine-id").strip()
    return Host(
        machine=hashlib.sha256(f"colt-llvm {machine_id}".encode()).hexdigest()[:16] if machine_id else "",
        cpu=_cpu_model(cpuinfo),
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        governor=_read(root / f"sys/devices/system/cpu/cpu{measuring_core()}/cpufreq/scaling_governor").strip(),
        virtualised=_is_virtualised(root, cpuinfo),
    )


def measuring_core() -> int:
    """The highest core this process may use: core 0 is where most kernels handle interrupts."""
    return max(os.sched_getaffinity(0))


@contextmanager
def confined_to(cores: Iterable[int]) -> Iterator[None]:
    """This thread, and what it starts, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that processes can have without swapping; 0 where the kernel does not say. ``root`` is for tests."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def compile_cores() -> tuple[int, ...]:
    """The other cores, in order; the same one where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return tuple(cores[:-1] or cores)


def estimate_noise(
    time_pair: Callable[[], tuple[float, float]], pairs: int, *, confidence: float = 0.99, seed: int = 0
) -> Noise:
    """Time one program against itself, in ``pairs`` of runs. ``time_pair`` returns the seconds of two runs.

    One more pair goes first as a warm-up. With fewer than compare.MIN_ROUNDS pairs the noise is infinite.
    """
    time_pair()
    samples = [time_pair() for _ in range(pairs)]
    # Which of a pair counts as the first arm alternates: neither place in the pair may be the better one.
    first = [pair[index % 2] for index, pair in enumerate(samples)]
    second = [pair[1 - index % 2] for index, pair in enumerate(samples)]
    return noise_of(bootstrap_ratio(first, second, confidence=confidence, seed=seed))


def _cpu_model(cpuinfo: str) -> str:
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    named = next((fields[name] for name in _CPU_FIELDS if fields.get(name)), "")
    if named:
        return named
    arm = [fields[name] for name in ("CPU implementer", "CPU part") if name in fields]
    return f"{platform.machine()} {' '.join(arm)}".strip()


def _is_virtualised(root: Path, cpuinfo: str) -> bool:
    flags = next((line.split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return "hypervisor" in flags or bool(_read(root / "sys/hypervisor/type").strip())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
