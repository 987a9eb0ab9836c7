"""Two Dask workers in processes of their own, on this machine. Starting them is most of what these tests cost."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any

import cluster_tasks
import pytest
from listeners import family, ports

from colt_llvm.cluster import Cluster, ClusterError, connect, workers
from colt_llvm.core.errors import CommandNotFound
from colt_llvm.evaluate.evaluators import RemoteTarget
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.program import load_program, programs_directory
from colt_llvm.run.asking import Hooks
from colt_llvm.run.journal import read_trials
from colt_llvm.run.progress import Progress, TuneResult
from colt_llvm.run.tuner import tune

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed"),
    pytest.mark.needs("openssl"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        # For workers, which start afresh and import what they are to do.
        paths = filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setattr(workers, "_PATIENCE_SECONDS", 150.0)  # a worker that was killed comes back late on a busy machine
        with connect("local:2") as cluster:
            yield cluster


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


PAGES = ("/", "/health", "/metrics", "/info/main/workers.html", "/json/counts.json")


def answer_to_a_stranger(port: int) -> str:
    """What somebody without the run's certificate gets from this port of loopback, by HTTP or by TLS."""
    try:
        shown = [page for page in PAGES if status_of(port, page) != 404]
        return f"pages {shown}"
    except (OSError, HTTPException):
        pass  # not HTTP
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain) as encrypted:
                encrypted.sendall(b"hello")
                return f"TLS {encrypted.recv(100)!r}"
        except OSError:  # an alert, or the connection's end
            return "refused"


def status_of(port: int, page: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", page)
        return connection.getresponse().status
    finally:
        connection.close()


def run(toolchain: Toolchain, folder: Path, hooks: Hooks, on_progress: Any = None, **given: Any) -> TuneResult:
    program = load_program(programs_directory() / "collatz")
    return tune(program, toolchain, TuneOptions(seed=3, **given), run_directory=folder, hooks=hooks,
                on_progress=on_progress)  # fmt: skip


def trials(folder: Path) -> list[dict[str, Any]]:
    return [{**record, "seconds": 0} for record in read_trials(folder)]


def test_nobody_without_the_certificate_of_the_run_gets_anything(cluster: Cluster) -> None:
    assert len(family()) >= 3  # and two workers
    listening = [address.split(":") for address in ports(family())]
    assert {address for address, _ in listening} == {"0100007F"}  # 127.0.0.1
    assert {answer_to_a_stranger(int(port, 16)) for _, port in listening} == {"refused", "pages []"}


def test_without_openssl_no_worker_is_started_that_others_could_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    before = ports(family())
    with pytest.raises(CommandNotFound, match=r"openssl.*apt-get install openssl"), connect("local:1"):
        pytest.fail("it was started")
    assert ports(family()) <= before


def test_a_killed_worker_changes_no_trial(cluster: Cluster, toolchain: Toolchain, tmp_path: Path) -> None:
    given: dict[str, Any] = {"objective": "instructions", "trials": 20, "workers": 4}
    here = run(toolchain, tmp_path / "here", Hooks(), **given)
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.trials >= 6 and not killed:
            killed.append(cluster.call(os.getpid))
            os.kill(killed[0], signal.SIGKILL)

    there = run(toolchain, tmp_path / "there", Hooks(remote=cluster), kill_one, **given)
    assert killed
    assert trials(tmp_path / "there") == trials(tmp_path / "here")
    assert there.sequence == here.sequence


@pytest.mark.exhaustive
def test_checks_on_workers_find_what_checks_here_find(cluster: Cluster, toolchain: Toolchain, tmp_path: Path) -> None:
    given: dict[str, Any] = {"objective": "size", "trials": 3, "workers": 1}
    run(toolchain, tmp_path / "here", Hooks(), **given)
    run(toolchain, tmp_path / "there", Hooks(remote=cluster), **given)
    assert trials(tmp_path / "there") == trials(tmp_path / "here")


def test_a_worker_that_gives_other_code_is_refused(cluster: Cluster, toolchain: Toolchain, tmp_path: Path) -> None:
    class Deceived:
        """Says that the baseline is other code than it is, as where a worker's LLVM differs."""

        def workers_for(self, remote: RemoteTarget) -> Any:
            return cluster.workers_for(replace(remote, empty=Built("other", 1)))

    before = dict(cluster.refused)
    try:
        with pytest.raises(ClusterError, match="byte for byte") as caught:
            run(toolchain, tmp_path / "run", Hooks(remote=Deceived()), objective="instructions", trials=3)
        assert "\n" not in str(caught.value)
    finally:
        cluster.refused.clear()
        cluster.refused.update(before)


def test_another_llvm_is_refused(toolchain: Toolchain) -> None:
    from colt_llvm.cluster import work

    assert work._same_toolchain(toolchain) == toolchain
    with pytest.raises(work.Refused, match=r"has LLVM .*this run needs 99\.0\.0"):
        work._same_toolchain(replace(toolchain, version="99.0.0"))


def test_cells_come_as_they_end_with_their_errors(cluster: Cluster) -> None:
    results = {result.index: result for result in cluster.run_cells(cluster_tasks.double, [1, -1, 3])}
    assert (results[0].value, results[2].value) == (2, 6)
    assert results[1].error == "ValueError: a negative number"


def test_a_cell_whose_worker_dies_is_made_again(cluster: Cluster, tmp_path: Path) -> None:
    (result,) = cluster.run_cells(cluster_tasks.die_once, [str(tmp_path / "mark")])
    assert result.error == ""
    assert result.value


def test_timed_cells_never_overlap_on_one_host(cluster: Cluster) -> None:
    times = sorted(result.value for result in cluster.run_cells(cluster_tasks.interval, [0.1] * 3, timed=True))
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(times))


def test_stopped_cells_end_at_once(cluster: Cluster) -> None:
    stop = threading.Event()
    stop.set()
    assert list(cluster.run_cells(cluster_tasks.interval, [5.0] * 4, stop=stop)) == []
