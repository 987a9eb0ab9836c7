"""``--cluster``: for the commands that can use more than one machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click

from colt_llvm.core.errors import UsageError


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--measure-on",
            metavar="TEXT",
            help="With --cluster: time only on hosts whose CPU or kernel is named so. Default: the most alike ones.",
        ),
        click.option(
            "--cluster",
            metavar="ADDRESS",
            help="Let Dask workers do it: local:N for N on this machine, or tcp://HOST:PORT of a scheduler. "
            "Times are taken on workers with the resource measuring=1.",
        ),
    ):
        function = option(function)
    return function


@contextlib.contextmanager
def cluster_of(given: dict[str, Any]) -> Iterator[Any]:
    """The cluster that the options name, connected; None without one."""
    if given["cluster"] is None:
        if given["measure_on"]:
            raise UsageError("--measure-on: is for --cluster; name a cluster, or leave it out")
        yield None
        return
    from colt_llvm.cluster import connect

    with connect(given["cluster"], measure_on=given["measure_on"] or "") as cluster:
        yield cluster
