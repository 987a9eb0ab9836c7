"""One small program, and an environment over it with the actions that misbehave."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import misbehaving_service
import pytest

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from colt_llvm.core.errors import ToolchainError
from colt_llvm.env import ColtEnv, ServiceOptions, connection
from colt_llvm.llvm.pipeline import unmarked_pipeline
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain

ACTIONS = (
    ("sroa", "function(sroa)"),
    ("instcombine", "function(instcombine<no-verify-fixpoint>)"),
    ("simplifycfg", "function(simplifycfg)"),
    ("early-cse", "function(early-cse)"),
    ("gvn", "function(gvn)"),
    ("licm", "function(loop-mssa(licm))"),
    ("inline", "cgscc(inline)"),
    ("dce", "function(dce)"),
    ("default<O3>", "default<O3>"),
    ("default<Oz>", "default<Oz>"),
)

SOURCE = """
#include <stdio.h>
static int square(int x) { return x * x; }
int sum(const int *values, int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += square(values[i]) + 0;
    return total;
}
int main(void) {
    int values[10];
    for (int i = 0; i < 10; i++) values[i] = i + 1;
    printf("%d\\n", sum(values, 10));
    return 0;
}
"""


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    try:
        return find_toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "sum.c"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def make_env(toolchain: Toolchain, source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ColtEnv]]:
    monkeypatch.setattr(connection, "SERVICE_FILE", Path(misbehaving_service.__file__))
    made: list[ColtEnv] = []

    def make(**arguments: Any) -> ColtEnv:
        options = {"action_seconds": 5.0, "memory_bytes": 1 << 30, **arguments.pop("options", {})}
        bad = misbehaving_service.ACTIONS if arguments.pop("misbehaving", True) else ()
        actions = [(name, unmarked_pipeline(toolchain.major, "Oz") if "Oz" in name else text) for name, text in ACTIONS]
        env = ColtEnv(toolchain=toolchain, actions=[*actions, *bad], options=ServiceOptions(**options), **arguments)
        made.append(env)
        env.benchmark = env.make_benchmark(source)
        return env

    yield make
    for env in made:
        env.close()


@pytest.fixture
def env(make_env: Callable[..., ColtEnv]) -> ColtEnv:
    env = make_env(observation_space="IrInstructionCount", reward_space="IrInstructionCount")
    env.reset()
    return env
