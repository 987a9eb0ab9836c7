"""What importing the environment loads, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

from colt_llvm.env.compat import BenchmarkCache
from colt_llvm.env.connection import SERVICE_FILE

PROGRAM = """
import sys
import colt_llvm.env
parts = ("networkx.algorithms", "requests.api", "docker.api")
print([name for name in parts if name in sys.modules])
import networkx.readwrite, requests
from docker import errors
print(networkx.Graph.__name__, requests.get.__name__, issubclass(errors.DockerException, Exception))
"""


def test_packages_that_compiler_gym_hardly_uses_are_loaded_at_first_use() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "Graph get True"]


def test_a_service_starts_without_numpy() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SERVICE_FILE.parent)!r}); import service; service._as_package()\n"
        "from colt_llvm.env.compat import prepare_bare; prepare_bare()\n"
        "import colt_llvm.env.session, colt_llvm.env.engine; print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_oldest_benchmarks_of_a_service_go_when_there_are_too_many() -> None:
    class Message(bytes):
        def ByteSize(self) -> int:  # noqa: N802
            return len(self)

    cache = BenchmarkCache()
    cache.max_size_in_bytes = 10
    for number in range(5):
        cache[str(number)] = Message(bytes(3))
        assert str(number) in cache
    assert list(cache) == ["2", "3", "4"]
    cache["all"] = Message(bytes(11))
    assert "all" in cache
