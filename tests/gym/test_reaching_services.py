"""Services of others: nobody but their user can reach them either, whatever address they ask for."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from listeners import family, nobody_connects, paths, ports
from test_compilation_sessions import opened, options

from colt_llvm.env.unix_socket import SOCKET_NAME
from colt_llvm.gym import connection as connections
from colt_llvm.gym import supervise
from colt_llvm.gym.connection import OwnedConnection

HERE = Path(__file__).resolve().parent

#: A service as those that are no Python: nothing of it is ours, and it listens on a port of all addresses.
PLAIN = """
import runpy, sys
from colt_llvm.env.compat import import_compiler_gym
import_compiler_gym()
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    script = tmp_path / "plain.py"
    script.write_text(PLAIN.format(script=str(HERE / "counting_service.py")))
    binary = tmp_path / "service"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    binary.chmod(0o755)
    return binary


def test_a_python_service_listens_on_a_socket_and_on_no_port() -> None:
    with opened(options(), forks=0) as episodes:
        assert episodes.value(("half",)).outcome.reward == 20
        service = episodes.env.service.connection
        assert isinstance(service, OwnedConnection)
        assert ports(family(service.process.pid)) == set()
        assert {Path(path).name for path in paths(family(service.process.pid))} == {SOCKET_NAME}
        assert stat.S_IMODE(service.folder.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            assert nobody_connects(service.folder / SOCKET_NAME) == "PermissionError"


def test_a_service_that_knows_ports_only_gets_a_network_of_its_own(foreign: Path) -> None:
    if not supervise._may(supervise._leave_network):
        pytest.skip("this kernel gives no network of its own")
    with opened(options(arguments={"service": foreign}), forks=0) as episodes:
        assert episodes.value(("half", "less")).outcome.reward == 21
        service = episodes.env.service.connection
        assert ports(family(service.process.pid)) == set()
        assert (service.folder / SOCKET_NAME).is_socket()
        assert episodes.value(("abort",)).outcome.failure == "crash"
        assert episodes.value(("half", "less")).outcome.reward == 21


def test_where_it_gets_none_it_is_said_once(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    # The supervisor as it is, where the kernel refuses.
    text = Path(supervise.__file__).read_text(encoding="utf-8")
    (tmp_path / "supervise.py").write_text(text.replace("unshare(_CLONE", "(lambda flags: -1)(_CLONE"))
    (tmp_path / "launch.py").symlink_to(HERE.parents[1] / "colt_llvm" / "gym" / "launch.py")
    monkeypatch.setattr(connections, "_HERE", tmp_path)
    connections._say_once.cache_clear()
    for _ in range(2):
        with opened(options(arguments={"service": foreign}), forks=0) as episodes:
            assert episodes.value(("half",)).outcome.reward == 20
            assert len(ports(family(episodes.env.service.connection.process.pid))) == 1
    (said,) = (record.getMessage() for record in caplog.records if "every user of this machine" in record.getMessage())
    assert "allow user namespaces" in said
