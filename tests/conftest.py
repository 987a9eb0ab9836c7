"""Most tests start processes, and most of the time of a short one is Python compiling what it imports."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long it takes to draw an example says how busy the machine is, and nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
#: What other runs found changes where a search begins, and tests leave nothing with the user.
os.environ["COLT_STORE"] = "off"


def pytest_configure(config: pytest.Config) -> None:
    """Where Python may write no bytecode beside its sources, this process and others keep it in pytest's cache."""
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    if cache and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        folder = str(cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        sys.dont_write_bytecode, sys.pycache_prefix = False, folder


#: What is more than a command on PATH: clang's arguments that show it is there, and its name in a sentence.
PARTS = {
    "C++": (["-x", "c++", "-fsyntax-only", "-include", "vector"], "C++'s headers are"),
    "compiler-rt": (["-x", "c", "-fprofile-generate", "-fsanitize=undefined"], "clang's runtime is"),
}


@cache
def missing(needed: str) -> str:
    """Why there is no such tool or part, or another LLVM; "" where it is there."""
    from colt_llvm.core import process  # here: what is imported above is imported before bytecode has its place
    from colt_llvm.llvm.toolchain import find_toolchain

    if needed.startswith("LLVM "):
        major, wanted = find_toolchain().major, needed.removeprefix("LLVM ")
        fits = major >= int(wanted.removesuffix("+")) if wanted.endswith("+") else major == int(wanted)
        return "" if fits else f"LLVM {major} is in use, and this needs {wanted}"
    if needed not in PARTS:
        return "" if shutil.which(needed) else f"{needed} is not installed"
    words, name = PARTS[needed]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe")
        source.write_text("int main(void) { return 0; }\n")
        done = process.run([str(find_toolchain().clang), *words, str(source), "-o", f"{source}.out"])
    return "" if done.status == 0 else f"{name} not installed"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``needs(TOOL, ...)``: what setup does not install, as a user's machine may lack it."""
    for mark in item.iter_markers("needs"):
        for needed in mark.args:
            if why := missing(needed):
                pytest.skip(why)
