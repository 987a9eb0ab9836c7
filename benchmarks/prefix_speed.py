"""Steps as users of CompilerGym take them, against one ``opt`` process for each prefix of the same sequence."""

from __future__ import annotations

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.env import ColtEnv
from colt_llvm.env.datasets import make_record
from colt_llvm.evaluate.target import RISKS_AVOIDED
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.features import instruction_count
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.process_options import split_options
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.program import load_program, programs_directory

_SEQUENCES = 16
_PASSES = 10
_VALUE = "IrInstructionCount"
#: Passes such as codegenprepare ask for these, and opt has other defaults than clang -O3.
_AS_WE_DO = ("-codegen-opt-level=3", "-relocation-model=pic")


class DifferentValues(ColtError, AssertionError):
    """The environment and opt disagree, so that their times cannot be compared."""


def prefixes(toolchain: Toolchain, name: str, sequences: int = _SEQUENCES, length: int = _PASSES) -> dict[str, float]:
    """Every prefix of random sequences valued by IR instruction count, with nothing appended.

    environment: prefixes a second, each by one ``env.step`` from the prefix before it, resets included. opt: the
    same with a process for each prefix, from the front end's bitcode; reading the count from its output is not
    counted. ratio: of the two. known: prefixes that did not change the code. Raises DifferentValues.
    """
    program = load_program(programs_directory() / name)
    record = make_record(toolchain, program, "O3")
    catalogue = toolchain_catalogue(toolchain).without(RISKS_AVOIDED)
    passes = {action.name: action.pipeline for action in catalogue if action.kind != "pipeline"}
    rng = random.Random(2)
    ours = theirs = 0.0
    valued = unchanged = 0
    env = ColtEnv(toolchain=toolchain, observation_space=_VALUE, reward_space=_VALUE)
    try:
        benchmark = env.make_benchmark(program)
        env.reset(benchmark=benchmark)  # so that the front end and the start of the service are not counted
        with Opt(toolchain, record.bitcodes[0]) as opt:
            for _ in range(sequences):
                chosen = rng.choices(list(passes), k=length)
                seconds, values, changed = _walk(env, chosen)
                ours += seconds
                valued += len(values)
                unchanged += len(values) - changed
                for number, value in enumerate(values, 1):
                    pipeline = ",".join(passes[action] for action in chosen[:number])
                    seconds, expected = opt.value(pipeline)
                    theirs += seconds
                    if value != expected:
                        raise DifferentValues(
                            f"{name}: {value} instructions here, {expected} by opt -passes={pipeline}"
                        )
    finally:
        env.close()
    return {
        "environment": valued / ours, "opt": valued / theirs, "ratio": theirs / ours,
        "prefixes": valued, "unchanged": unchanged,
    }  # fmt: skip


def _walk(env: ColtEnv, actions: list[str]) -> tuple[float, list[int], int]:
    """Seconds, the value of each prefix, and how many changed the code. It ends before a pass that fails."""
    numbers = [int(env.action_space[action]) for action in actions]
    values: list[int] = []
    changed = 0
    started = time.perf_counter()
    env.reset()
    for number in numbers:
        value, _, done, info = env.step(number)
        if done:
            break
        values.append(int(value))
        changed += not info["action_had_no_effect"]
    return time.perf_counter() - started, values, changed


class Opt:
    """Starts an opt process on one file for each pipeline."""

    def __init__(self, toolchain: Toolchain, bitcode: bytes) -> None:
        self._opt = toolchain.opt or Path("opt")
        self._library = toolchain.load()
        self._bitcode = bitcode

    def __enter__(self) -> Opt:
        self._folder = TemporaryDirectory(prefix="colt-")
        self._source, self._output = (Path(self._folder.name, name) for name in ("in.bc", "out.bc"))
        self._source.write_bytes(self._bitcode)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def seconds(self, pipeline: str) -> float:
        """Of one process, with the options that stand before a pipeline."""
        options, passes = split_options(pipeline)
        started = time.perf_counter()
        process.run([self._opt, *options, f"-passes={passes}", *_AS_WE_DO, self._source, "-o", self._output])
        return time.perf_counter() - started

    def value(self, pipeline: str) -> tuple[float, int]:
        """Its seconds, and the IR instructions of what it writes."""
        seconds = self.seconds(pipeline)
        with Module.parse(self._library, self._output.read_bytes()) as module:
            return seconds, instruction_count(module)
