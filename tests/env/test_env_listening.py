"""Nobody but its user can reach a service."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from listeners import family, nobody_connects, paths, ports

from colt_llvm.core import files
from colt_llvm.env import ColtEnv
from colt_llvm.env.unix_socket import SOCKET_NAME, SocketFolder

MakeEnv = Callable[..., ColtEnv]
ROOT = Path(__file__).resolve().parents[2]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another user")


def service_folder(env: ColtEnv) -> Path:
    assert env.service is not None
    assert env.service.connection is not None
    return env.service.connection.folder


def test_listens_on_a_socket_in_a_folder_of_its_user_alone_and_on_no_port(env: ColtEnv) -> None:
    assert env.service is not None
    assert env.service.connection is not None
    processes = family(env.service.connection.process.pid)
    assert ports(processes) == set()
    (path,) = paths(processes)
    assert Path(path).name == SOCKET_NAME, "no name with @, which has no folder to protect it"
    assert (service_folder(env) / SOCKET_NAME).is_socket()
    assert stat.S_IMODE(service_folder(env).stat().st_mode) == 0o700


@needs_root
def test_another_user_cannot_connect(env: ColtEnv) -> None:
    folder = service_folder(env)
    assert nobody_connects(folder / SOCKET_NAME) == "PermissionError"
    folder.chmod(0o711)
    (folder / SOCKET_NAME).chmod(0o777)
    assert nobody_connects(folder / SOCKET_NAME) == "", "so the folder's mode is what keeps others out"


@pytest.mark.parametrize(
    "name",
    [b"x" * 120, b"a %41%2f b", b"what?#here", b"caf\xe9", "\N{SNOWMAN}".encode(), b"unix:", b"..x"],
    ids=["long", "percent", "query", "bytes", "unicode", "scheme", "dots"],
)
def test_any_folder_of_temporary_files_will_do(
    make_env: MakeEnv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: bytes
) -> None:
    odd = tmp_path / os.fsdecode(name)
    odd.mkdir()
    monkeypatch.setattr(files, "_MEMORY", tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    env = make_env(reward_space="IrInstructionCount")
    env.reset()
    assert env.step(env.action_space["sroa"])[3].get("error_details") is None
    assert service_folder(env).parent == odd
    with env.fork() as fork:
        fork.step(fork.action_space["dce"])
    env.close()
    assert list(odd.iterdir()) == []


def test_where_no_socket_can_be_made_the_reason_and_a_remedy_are_said(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).mkdir()

    def refuse(address: str) -> int:
        raise RuntimeError(f"Failed to bind to address {address}")

    with pytest.raises(OSError, match=r"Address already in use.*set TMPDIR to a folder on a local file system") as told:
        SocketFolder(tmp_path).listen(refuse)
    assert str(tmp_path) in str(told.value)


FORKS = """
import os, sys
from colt_llvm.env import ColtEnv
env = ColtEnv(actions=[("sroa", "function(sroa)")])
env.reset(benchmark=env.make_benchmark(sys.argv[1]))
child = os.fork()
if child == 0:
    env.close()
    sys.exit(0)  # with all that runs at exit
os.waitpid(child, 0)
print(env.step(0)[3].get("error_details"))
"""


def test_a_process_that_was_forked_does_not_end_the_service_of_its_parent(source: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(source)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (done.stdout, done.returncode) == ("None\n", 0), done.stderr
