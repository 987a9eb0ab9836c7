"""A certificate for one run: only who has it can have Dask's processes do something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colt_llvm.cluster.errors import ClusterError
from colt_llvm.core import process
from colt_llvm.core.errors import CommandNotFound

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
