"""What importing the environment loads, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

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
