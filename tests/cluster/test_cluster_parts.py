"""What needs no cluster: addresses, kinds of hosts, cores, bundles, the simulation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scaling import Model, simulate
from colt_llvm.cluster import ClusterError, connect
from colt_llvm.cluster.hosts import MeasuringCore, choose_measuring, keep_off, move_to, taken
from colt_llvm.cluster.work import Bundle
from colt_llvm.core.errors import UsageError
from colt_llvm.program.program import Program, Workload, load_program, programs_directory

NEW = {"cpu": "New CPU", "architecture": "x86_64", "kernel": "6.1", "governor": "", "virtualised": False}
OLD = {**NEW, "cpu": "Old CPU"}


@pytest.mark.parametrize(
    "address", ["local", "local:x", "local:0", "local:9999", "host:1", "http://host:1", "tcp://host"]
)
def test_refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="--cluster"), connect(address):
        pass


def test_says_in_one_line_that_nobody_answers() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no Dask scheduler answers") as caught, connect(address):
            pass
    assert "\n" not in str(caught.value)


def test_names_the_extra_that_is_missing() -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from colt_llvm.cli.main import run\n"
        "sys.exit(run(['tune', 'collatz', '--objective', 'size', '--trials', '1', '--cluster', 'local:1']))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert child.returncode == 2
    assert child.stderr.strip().splitlines() == [
        'colt-llvm: --cluster needs Dask: pip install "colt-llvm[distributed]"'
    ]


def test_times_on_the_largest_group_of_alike_hosts() -> None:
    chosen = choose_measuring({"a": OLD, "b": NEW, "c": NEW}, "", "tcp://x:1")
    assert (chosen.addresses, chosen.others) == (("b", "c"), ("a",))
    assert "New CPU" in chosen.note
    assert "1 on other hosts only compile" in chosen.note


def test_a_group_can_be_named() -> None:
    assert choose_measuring({"a": OLD, "b": NEW, "c": NEW}, "old", "tcp://x:1").addresses == ("a",)
    with pytest.raises(ClusterError, match="New CPU"):
        choose_measuring({"b": NEW}, "old", "tcp://x:1")


def test_another_kernel_is_another_kind_of_host() -> None:
    assert choose_measuring({"a": NEW, "b": {**NEW, "kernel": "6.2"}}, "", "tcp://x:1").others


def test_says_how_a_measuring_worker_is_started() -> None:
    with pytest.raises(ClusterError, match='--resources "measuring=1"'):
        choose_measuring({}, "", "tcp://x:1")


def test_one_worker_of_each_machine() -> None:
    hosts = {"a": {**NEW, "machine": "1"}, "b": {**NEW, "machine": "1"}, "c": {**NEW, "machine": "2"}}
    assert choose_measuring(hosts, "", "tcp://x:1").one_each() == ("a", "c")


def test_a_core_is_held_by_one_at_a_time() -> None:
    cores = os.sched_getaffinity(0)
    held = []
    while (core := MeasuringCore.take()) is not None:
        held.append(core)
    try:
        assert len({core.number for core in held}) == len(held)
        assert taken(cores) == cores
    finally:
        for core in held:
            core.release()
    again = MeasuringCore.take()
    if held:  # else somebody else on this machine times now
        assert again is not None
    if again is not None:
        again.release()


def test_a_process_keeps_off_timed_cores_where_it_has_others() -> None:
    cores = os.sched_getaffinity(0)
    try:
        keep_off({max(cores)})
        assert os.sched_getaffinity(0) == (cores - {max(cores)} or cores)
        keep_off(cores)
        assert os.sched_getaffinity(0)
    finally:
        move_to(cores)


def test_a_bundle_holds_what_the_program_reads(tmp_path: Path) -> None:
    program = load_program(programs_directory() / "lz77")
    data = tmp_path / "input"
    data.write_bytes(b"abc")
    program = replace(program, workloads=(Workload("w", stdin=data),))
    bundle = Bundle.pack(program)
    assert bundle is not None
    data.unlink()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    stdin = bundle.unpack(folder).workloads[0].stdin
    assert stdin is not None
    assert stdin.read_bytes() == b"abc"
    assert stdin.parent == folder


@pytest.mark.parametrize(
    "changes",
    [
        {"workloads": (Workload("w", cwd=Path("/")),)},
        {"workloads": (Workload("w", ("{exe}", "/some/file")),)},
        {"harness": (Path("/main.c"),)},
    ],
)
def test_what_needs_this_machines_files_stays_here(changes: dict[str, object]) -> None:
    assert Bundle.pack(replace(Program("p", (Path("/p.c"),)), **changes)) is None  # type: ignore[arg-type]


def test_the_simulation_is_bounded_by_whoever_is_slowest() -> None:
    quick = Model(client=1e-6, scheduler=1e-6, build=0.1, in_order=False)
    assert simulate(quick, 10, 2000) == pytest.approx(100, rel=0.1)
    assert simulate(replace(quick, client=0.02), 100, 2000) == pytest.approx(50, rel=0.1)
    assert simulate(replace(quick, scheduler=0.05), 100, 2000) == pytest.approx(20, rel=0.1)
    timed = replace(quick, timing=1.0, measuring=4)
    assert simulate(timed, 100, 2000) == pytest.approx(4, rel=0.1)
    assert simulate(replace(quick, in_order=True), 10, 2000) < simulate(quick, 10, 2000)
    assert simulate(quick, 10, 2000) == simulate(quick, 10, 2000)
