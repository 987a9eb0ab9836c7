"""The fingerprint of a host, its cores, and the noise between a program and itself."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path

import pytest

from colt_llvm.measure import host
from colt_llvm.measure.intervals import MIN_ROUNDS

from .simulate import Host as Simulated


def test_the_fingerprint_is_the_same_twice_and_names_no_one() -> None:
    first = host.fingerprint()
    assert first == host.fingerprint()
    assert socket.gethostname() not in (first.machine, first.cpu, first.kernel)
    assert first.cores == len(os.sched_getaffinity(0))
    assert first.memory_bytes > 1 << 20
    machine_id = Path("/etc/machine-id")
    if machine_id.is_file():
        assert machine_id.read_text().strip() not in repr(first)


def test_two_machines_differ_and_an_unreadable_one_is_empty(tmp_path: Path) -> None:
    def machine(name: str, identity: str, cpuinfo: str) -> host.Host:
        for file, text in (("etc/machine-id", identity), ("proc/cpuinfo", cpuinfo)):
            path = tmp_path / name / file
            path.parent.mkdir(parents=True)
            path.write_text(text)
        return host.fingerprint(tmp_path / name)

    first = machine("a", "1" * 32, "processor : 0\nmodel name\t: Fast: 9\nflags\t\t: fpu hypervisor\n")
    second = machine("b", "2" * 32, "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\n")
    nothing = host.fingerprint(tmp_path / "none")
    assert first.machine != second.machine
    assert first.cpu == "Fast: 9"
    assert second.cpu.endswith("0x41 0xd0c")
    assert (first.virtualised, second.virtualised) == (True, False)
    assert (nothing.machine, nothing.governor) == ("", "")


@pytest.mark.parametrize(
    ("allowed", "measuring", "compiling"), [({0, 1, 5}, 5, (0, 1)), ({3}, 3, (3,)), ({0, 1}, 1, (0,))]
)
def test_the_highest_core_measures_and_the_others_compile(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], measuring: int, compiling: tuple[int, ...]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed)
    assert host.measuring_core() == measuring
    assert host.compile_cores() == compiling


def test_a_noisier_host_shows_more_noise() -> None:
    def noise(amount: float) -> float:
        simulated = Simulated({"x": 1.0}, 1, noise=amount, outliers=0.0)
        return host.estimate_noise(lambda: (simulated.time("x"), simulated.time("x")), 20).ratio

    assert noise(0.0001) < noise(0.01) < noise(0.1)


def test_place_in_the_pair_is_no_noise() -> None:
    always_slower_second = host.estimate_noise(lambda: (1.0, 1.1), 200)
    assert always_slower_second.ratio < 0.06


def test_too_few_pairs_know_nothing() -> None:
    assert host.estimate_noise(lambda: (1.0, 1.0), MIN_ROUNDS - 1).ratio == math.inf
    assert host.estimate_noise(lambda: (1.0, 1.0), MIN_ROUNDS).ratio == 0
