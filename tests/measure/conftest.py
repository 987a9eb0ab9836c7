"""Tiny real programs: clang builds them once a session."""

from __future__ import annotations

import hashlib
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.llvm.toolchain import find_toolchain

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def compiler() -> str:
    return str(find_toolchain().clang)


@pytest.fixture(scope="session")
def compile_c(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """``compile_c(source, *flags)`` -> executable, or object with ``-c``. The same text is built once."""
    folder = tmp_path_factory.mktemp("compiled")

    def build(source: str, *flags: str, suffix: str = ".c") -> Path:
        text = textwrap.dedent(source)
        name = hashlib.sha256(repr((text, flags)).encode()).hexdigest()[:12]
        output = folder / f"{name}.out"
        if not output.exists():
            file = folder / f"{name}{suffix}"
            file.write_text(text)
            subprocess.run([compiler, "-O2", "-w", *flags, str(file), "-o", str(output)], check=True)
        return output

    return build
