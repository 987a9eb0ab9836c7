"""The service of the environment with pipelines that crash, hang and eat memory. Run as a file, in its place."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

SERVICE = Path(__file__).resolve().parents[2] / "colt_llvm" / "env" / "service.py"

ACTIONS = (
    ("test-abort", "!abort"),
    ("test-segv", "!segv"),
    ("test-spin", "!spin"),
    ("test-eat", "!eat"),
    ("test-crash", "trigger-crash-module"),
    ("test-bad-pipeline", "no-such-pass"),
    ("test-broken-module", "trigger-verifier-error"),
)


def misbehave(how: str) -> None:
    libc = ctypes.CDLL(None)
    if how == "!abort":
        libc.abort()
    elif how == "!segv":
        ctypes.string_at(16)
    elif how == "!spin":
        libc.poll(None, 0, -1)
    elif how == "!eat":
        libc.malloc.restype = ctypes.c_void_p
        while libc.malloc(16 << 20):
            pass
        raise MemoryError


def main() -> None:
    spec = spec_from_file_location("service", SERVICE)
    assert spec is not None
    assert spec.loader is not None
    service = module_from_spec(spec)
    spec.loader.exec_module(service)
    service._as_package()

    from colt_llvm.env import engine

    well_behaved = engine.marked_for_size

    def marked_for_size(module: Any, pipeline: str) -> str:
        if pipeline.startswith("!"):
            misbehave(pipeline)
        return well_behaved(module, pipeline)

    engine.marked_for_size = marked_for_size  # called for each module, where libLLVM would run the pipeline
    sys.exit(service.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
