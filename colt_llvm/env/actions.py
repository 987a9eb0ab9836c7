"""The actions of an environment: the catalogue, as far as the loaded libLLVM accepts it. Client side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm import process
from colt_llvm.catalogue import catalogue_directory, load_catalogue, read_passes
from colt_llvm.env.engine import Actions
from colt_llvm.errors import UsageError
from colt_llvm.toolchain import Toolchain

_PROBE = Path(__file__).with_name("probe.py")


@cache
def catalogue_actions(toolchain: Toolchain) -> Actions:
    """(name, pipeline) of each action. A version without a catalogue of its own takes what it accepts of another."""
    directory = catalogue_directory()
    if (directory / f"{toolchain.major}.toml").is_file():
        catalogue = load_catalogue(toolchain.major)
    else:
        catalogue = load_catalogue(toolchain.major, _accepted(toolchain, directory).__contains__)
    return tuple((action.name, action.pipeline) for action in catalogue.actions)


def split_commandline(commandline: str, names: Sequence[str]) -> list[int]:
    """The action numbers in ``commandline``: names, one after another. Raises LookupError."""
    number = {name: index for index, name in enumerate(names)}
    try:
        return [number[name] for name in commandline.split()]
    except KeyError as error:
        raise LookupError(f"{error.args[0]!r}: no such action; see env.action_space.names") from None


def _accepted(toolchain: Toolchain, directory: Path) -> set[str]:
    """The pipeline texts of the newest catalogue that this libLLVM takes, tried on an empty module."""
    empty = _empty_module(toolchain)
    newest = max(directory.glob("*.toml"), key=lambda path: int(path.stem))
    texts: dict[str, None] = {}
    for entry in read_passes(newest):
        for action, older in zip(entry.actions, entry.older, strict=True):
            texts.update(dict.fromkeys((action.pipeline, *older)))
    accepted: set[str] = set()
    left = list(texts)
    while left:
        done, works = _probe(toolchain, empty, left)
        accepted.update(works)
        left = left[done:]
    return accepted


def _probe(toolchain: Toolchain, bitcode: bytes, texts: list[str]) -> tuple[int, list[str]]:
    """How many were tried before the child ended (the last of them may have crashed it), and which work."""
    with TemporaryDirectory(prefix="colt-") as folder:
        module, file = Path(folder) / "empty.bc", Path(folder) / "texts.json"
        module.write_bytes(bitcode)
        file.write_text(json.dumps(texts))
        command: list[str | Path] = [sys.executable, _PROBE, toolchain.library, module, file]
        lines = process.run(command, limits=process.Limits(wall_seconds=120)).stdout.decode().splitlines()
    tried = [int(line[3:]) for line in lines if line.startswith("at ")]
    return (tried[-1] + 1 if tried else len(texts)), [texts[int(line)] for line in lines if line.isdecimal()]


def _empty_module(toolchain: Toolchain) -> bytes:
    with TemporaryDirectory(prefix="colt-") as folder:
        output = Path(folder) / "empty.bc"
        command: list[str | Path] = [toolchain.clang, "-x", "c", "-emit-llvm", "-c", "/dev/null", "-o", output]
        if process.run(command).status:
            raise UsageError(f"{toolchain.clang}: does not compile an empty file; use another --llvm-prefix")
        return output.read_bytes()
