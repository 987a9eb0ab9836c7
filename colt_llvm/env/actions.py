"""The actions of an environment: the catalogue, as far as the loaded libLLVM accepts it. Client side."""

from __future__ import annotations

from collections.abc import Sequence

from colt_llvm.env.engine import Actions
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.toolchain import Toolchain


def catalogue_actions(toolchain: Toolchain) -> Actions:
    """(name, pipeline) of each action. A version without a catalogue of its own takes what it accepts of another."""
    return tuple((action.name, action.pipeline) for action in toolchain_catalogue(toolchain).actions)


def split_commandline(commandline: str, names: Sequence[str]) -> list[int]:
    """The action numbers in ``commandline``: names, one after another. Raises LookupError."""
    number = {name: index for index, name in enumerate(names)}
    try:
        return [number[name] for name in commandline.split()]
    except KeyError as error:
        raise LookupError(f"{error.args[0]!r}: no such action; see env.action_space.names") from None
