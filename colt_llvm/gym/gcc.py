"""What the environment ``gcc-v0`` of compiler_gym 0.2.5 needs to work with a gcc of today and without downloads."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import CommandNotFound, CompileError

ENVIRONMENT = "gcc-v0"
DEFAULT_GCC = "gcc"  # the package's own default is a Docker image

_INTERVAL = re.compile(r"^(\s*--param=[-\w]+=<(-?\d+),(\d+)>\s+)(-?\d+)\s*$")
_PREPROCESS_SECONDS = 60


def within_interval(line: str) -> str:
    """A line of ``gcc --help=param -Q``: gcc 12 prints -1, which is "automatic", beside an interval from 0."""
    match = _INTERVAL.match(line)
    if match is None:
        return line
    default = min(max(int(match[4]), int(match[2])), int(match[3]))
    return f"{match[1]}{default}"


def patch_gcc() -> None:
    """Let compiler_gym read the parameters of gcc 12 and later, which its assertions refuse. Twice is harmless."""
    from compiler_gym.envs.gcc import gcc as module

    original = module._gcc_parse_params
    if getattr(original, "patched", False):
        return

    def parse_params(gcc: Any) -> Any:
        def ask(*arguments: Any, **options: Any) -> str:
            return "\n".join(map(within_interval, gcc(*arguments, **options).split("\n")))

        return original(ask)

    parse_params.patched = True  # type: ignore[attr-defined]
    module._gcc_parse_params = parse_params


def preprocessed(gcc: str, source: Path) -> bytes:
    """The source with its includes, as the environment wants it: it compiles one file in a folder of its own.

    Raises CompileError, CommandNotFound.
    """
    command = [gcc, "-E", "-P", source.name]
    try:
        done = subprocess.run(
            command, cwd=source.parent, capture_output=True, timeout=_PREPROCESS_SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise CommandNotFound(f"{gcc}: not found; install gcc, or give --option-json '{{\"gcc_bin\": PATH}}'") from None
    except subprocess.TimeoutExpired:
        raise CompileError(f"{source}: not preprocessed after {_PREPROCESS_SECONDS} s; give a smaller file") from None
    if done.returncode:
        diagnostics = done.stderr.decode(errors="replace")
        raise CompileError(f"{source}: {gcc} -E fails; make it compile first", diagnostics)
    return done.stdout
