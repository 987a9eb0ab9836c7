"""Variables of the user's shell: those that decide what clang makes, and those that are kept from our own tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping

#: What clang and the linker find and write by these is the same for baseline, candidates and recipes; it is recorded.
DECIDING = (
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "LIBRARY_PATH", "LD_RUN_PATH",
    "LD_LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "SDKROOT", "SOURCE_DATE_EPOCH",
)  # fmt: skip
#: They change the words that clang was given, so that no level would mean what it says, or what it prints.
LEFT_OUT = (
    "CCC_OVERRIDE_OPTIONS", "CC_PRINT_OPTIONS", "CC_PRINT_HEADERS", "CC_PRINT_PROC_STAT", "CC_LOG_DIAGNOSTICS",
    "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES",
)  # fmt: skip
#: Of Python's own, these do no harm to a Python that we start.
_PYTHONS_OWN = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def deciding_variables() -> dict[str, str]:
    """Those that are set and decide what clang makes, for the record."""
    return {name: os.environ[name] for name in DECIDING if os.environ.get(name)}


def tool_environment() -> dict[str, str]:
    """What clang and our other tools are started with: messages in English, and nothing that is meant for others."""
    import tempfile  # here and below: it loads much, and help has no need of it

    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in LEFT_OUT and (not name.startswith("PYTHON") or name in _PYTHONS_OWN)
    }
    variables |= {"LC_ALL": "C.UTF-8", "TMPDIR": tempfile.gettempdir()}
    variables.pop("LANGUAGE", None)
    if strange_python_path():
        del variables["PYTHONPATH"]
    return variables


def strange_python_path() -> list[str]:
    """The folders of PYTHONPATH where they are not how this package is found: they are meant for other programs."""
    folders = [os.path.abspath(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return [] if any(os.path.realpath(folder) == _ROOT for folder in folders) else folders


def hide_strange_modules() -> None:
    """No click.py, and no package ``google``, of somebody's in place of those that we import."""
    strange = strange_python_path()
    sys.path[:] = [folder for folder in sys.path if folder not in strange]


def show_strange_modules() -> list[str]:
    """Behind our own: for modules that are named to us. Returns the folders that this added to ``sys.path``."""
    added = [folder for folder in strange_python_path() if folder not in sys.path]
    sys.path.extend(added)
    return added


def settle(variables: MutableMapping[str, str] = os.environ) -> Iterator[str]:
    """Keep from this process, and all that it starts, what would change what clang is told, or has no place to write.

    Yields a line for each thing that the user should know.
    """
    for name in LEFT_OUT:
        if variables.pop(name, None) and name == LEFT_OUT[0]:
            yield f"{name} is set and left out, since it changes the words that clang is given; use --cflags"
    if named := variables.get("TMPDIR"):
        import tempfile

        used = tempfile.gettempdir()
        if os.path.abspath(named) != used:
            yield f"TMPDIR {named} cannot be written; {used} is used"
        variables["TMPDIR"] = used
