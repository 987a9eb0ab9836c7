"""From an address to a cluster: one that runs somewhere, or workers on this machine for the time of a run."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.cluster.hosts import MEASURING
from colt_llvm.cluster.workers import Cluster
from colt_llvm.core import process
from colt_llvm.core.errors import ClusterError, CommandNotFound, UsageError

_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 5.0
#: A scheduler that was just started here is there; on a busy machine it answers late.
_CONNECT_HERE_SECONDS = 60.0
_FIRST_WORKER_SECONDS = 10.0
_MOST_LOCAL = 1024


@contextlib.contextmanager
def connect(address: str, *, measure_on: str = "") -> Iterator[Cluster]:
    """The cluster at ``address``; it is left at the end, and workers started here are ended.

    address: ``local:N`` starts N worker processes on this machine, reachable from this machine alone; one of them
        times programs. ``tcp://HOST:PORT`` or ``tls://HOST:PORT`` is a scheduler that runs; certificates for tls are
        those of Dask's own configuration.
    measure_on: a part of the CPU's name or host's fingerprint, where measuring workers are of several kinds.

    Raises UsageError for an address that is none, ClusterError within seconds where nobody answers. Whoever can
    reach a Dask scheduler can run code on its workers: keep it in a network that you trust, or use tls.
    """
    local = re.fullmatch(r"local:(\d+)", address)
    if not local and not re.fullmatch(r"(tcp|tls)://[^\s/:]+:\d+", address):
        raise UsageError(f"--cluster {address!r}: write local:N, tcp://HOST:PORT or tls://HOST:PORT")
    if local and not 1 <= int(local[1]) <= _MOST_LOCAL:
        raise UsageError(f"--cluster {address}: use 1 worker or more, up to {_MOST_LOCAL}")
    _require_distributed()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_started_here(int(local[1])) if local else _running_at(address))
        cluster = Cluster(client, address, measure_on)
        cluster.take_stock()
        yield cluster


def _require_distributed() -> None:
    try:
        import distributed
    except ImportError:
        raise UsageError('--cluster needs Dask: pip install "colt-llvm[distributed]"') from None
    # A worker that dies is told of by us; the log of Dask would run through the live view.
    for name in ("distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    del distributed


@contextlib.contextmanager
def _running_at(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        reason = "; ".join(str(error).split("\n")[:1])
        raise ClusterError(
            f"{address}: no Dask scheduler answers there ({reason}); start one with dask scheduler, or use local:N"
        ) from None
    with contextlib.closing(client):
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
        except TimeoutError:
            raise ClusterError(
                f"{address}: has no workers; start some with dask worker {address} --nthreads 1"
            ) from None
        yield client


@contextlib.contextmanager
def _started_here(count: int) -> Iterator[Any]:
    """A scheduler and workers in processes of their own, on loopback, for who has this run's certificate."""
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster
    from distributed.security import Security

    with TemporaryDirectory(prefix="colt-") as folder, dask.config.set(own_settings(Path(folder))):
        security = Security()  # as it is set here
        common = {
            "host": _LOOPBACK, "protocol": "tls", "security": security, "dashboard_address": f"{_LOOPBACK}:0",
        }  # fmt: skip
        worker = {**common, "nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
        workers: dict[int, dict[str, Any]] = {
            number: {"cls": Nanny, "options": {**worker, "resources": {MEASURING: 1} if number == 0 else {}}}
            for number in range(count)
        }
        scheduler = {"cls": Scheduler, "options": {**common, "port": 0, "dashboard": False}}
        with (
            SpecCluster(
                scheduler=scheduler, workers=workers, security=security, silence_logs=logging.CRITICAL
            ) as cluster,
            Client(cluster, security=security, timeout=_CONNECT_HERE_SECONDS, set_as_default=False) as client,
        ):
            yield client


_DAYS = 30
_ROLES = ("client", "scheduler", "worker")
#: Dask's web pages, which have no password and show tasks and logs to every user of the machine.
_NO_PAGES: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


def own_settings(folder: Path) -> dict[str, Any]:
    """Settings of Dask for processes that talk to those alone who have the certificate that is made in ``folder``.

    folder: its user's alone, and there as long as the processes live. Raises CommandNotFound, ClusterError.
    """
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", str(key), "-out", str(certificate), "-days", str(_DAYS), "-subj", "/CN=colt-llvm"]
    try:
        made = process.run(words, limits=process.Limits(wall_seconds=30))
    except CommandNotFound:
        raise CommandNotFound(
            "local workers need openssl, to keep other users of this machine off them; install it, "
            "on Debian: apt-get install openssl"
        ) from None
    if made.status:
        said = " ".join(made.stderr.decode(errors="replace").split())[-200:]
        raise ClusterError(f"openssl makes no certificate ({said or made.describe_status()}); make openssl req work")
    tls = "distributed.comm.tls"
    settings = {"distributed.comm.require-encryption": True, f"{tls}.ca-file": str(certificate), **_NO_PAGES}
    for role in _ROLES:
        settings |= {f"{tls}.{role}.cert": str(certificate), f"{tls}.{role}.key": str(key)}
    return settings


def as_variables(settings: dict[str, Any]) -> dict[str, str]:
    """The same as environment variables, for processes that Dask's own commands start."""
    return {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(value) for name, value in settings.items()}
