"""Speed, as ratios within one run wherever there is something to compare with: the machines are shared and noisy."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm import process
from colt_llvm.acceptance import toolchain_catalogue
from colt_llvm.compilation import front_end
from colt_llvm.env import ColtEnv
from colt_llvm.errors import PassError
from colt_llvm.program import Program, included_programs, load_program, programs_directory
from colt_llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.tune.session import RISKS_AVOIDED

SMALLEST = "collatz"
_SECONDS = 8.0
_EPISODE_STEPS = 45
_SEQUENCE_PASSES = 5
_SEQUENCES = 60


def measure_speed() -> dict[str, Any]:
    """All figures; each names its unit."""
    toolchain = find_toolchain()
    return {
        "steps": steps_per_second(toolchain),
        "evaluations": evaluations_against_opt(toolchain),
        "help_seconds": min(_help_seconds() for _ in range(5)),
        "llvm": toolchain.version,
    }


def steps_per_second(toolchain: Toolchain) -> dict[str, float]:
    """Random episodes on the smallest program, one observation and its reward a step.

    fresh: every episode on a benchmark that the service has not seen. walk: episodes as a user runs them, with what
    the service knows already. multistep: passes a second, ten in one call, fresh.
    """
    rng = random.Random(0)
    program = load_program(programs_directory() / SMALLEST)
    env = ColtEnv(toolchain=toolchain, reward_space="IrInstructionCount", observation_space="IrInstructionCount")
    names = {
        action.name for action in toolchain_catalogue(toolchain).without(RISKS_AVOIDED) if action.kind != "pipeline"
    }
    actions = [number for number, name in enumerate(env.action_space.names) if name in names]
    try:
        fresh = _rate(lambda number: _episode(env, program, f"-Dfresh{number}", rng, actions))
        walk = _rate(lambda number: _episode(env, program, "-Dwalk", rng, actions))
        multistep = _rate(lambda number: _leaps(env, program, f"-Dleap{number}", rng, actions))
    finally:
        env.close()
    return {"fresh": fresh, "walk": walk, "multistep_passes": multistep, "documented_by_compiler_gym": 1091.0}


def _rate(episode: Callable[[int], tuple[int, float]]) -> float:
    """Steps a second over whole episodes, resetting not counted."""
    steps, seconds, number = 0, 0.0, 0
    while seconds < _SECONDS:
        done, took = episode(number)
        steps, seconds, number = steps + done, seconds + took, number + 1
    return steps / seconds


def _start(env: ColtEnv, program: Program, flag: str) -> None:
    from dataclasses import replace

    env.reset(benchmark=env.make_benchmark(replace(program, cflags=(*program.cflags, flag))))


def _episode(env: ColtEnv, program: Program, flag: str, rng: random.Random, actions: list[int]) -> tuple[int, float]:
    _start(env, program, flag)
    started = time.perf_counter()
    for step in range(_EPISODE_STEPS):
        if env.step(rng.choice(actions))[2]:
            return step + 1, time.perf_counter() - started
    return _EPISODE_STEPS, time.perf_counter() - started


def _leaps(env: ColtEnv, program: Program, flag: str, rng: random.Random, actions: list[int]) -> tuple[int, float]:
    _start(env, program, flag)
    started = time.perf_counter()
    for _ in range(4):
        env.multistep(rng.choices(actions, k=10))
    return 40, time.perf_counter() - started


def evaluations_against_opt(toolchain: Toolchain) -> dict[str, dict[str, float]]:
    """IR count of sequences of five passes and the -Oz pipeline: through the environment, and by spawning opt.

    The same sequences, in turn, for the smallest program and three of usual size. opt: one process a sequence.
    """
    return {name: _against_opt(toolchain, name) for name in (SMALLEST, "crc_adler", "lz77", "sorting")}


def _against_opt(toolchain: Toolchain, name: str) -> dict[str, float]:
    rng = random.Random(1)
    program = load_program(programs_directory() / name)
    catalogue = toolchain_catalogue(toolchain).without(RISKS_AVOIDED)
    passes = [action for action in catalogue if action.kind != "pipeline"]
    sequences = [rng.choices(passes, k=_SEQUENCE_PASSES) for _ in range(_SEQUENCES)]
    env = ColtEnv(toolchain=toolchain)
    number = {name: index for index, name in enumerate(env.action_space.names)}
    ours = theirs = 0.0
    try:
        env.reset(benchmark=env.make_benchmark(program))
        with TemporaryDirectory(prefix="colt-") as folder:
            source = Path(folder) / "in.bc"
            source.write_bytes(front_end(toolchain, program, "O3")[0])
            for sequence in sequences:
                started = time.perf_counter()
                env.reset()
                try:
                    env.try_multistep(
                        [number[a.name] for a in sequence] + [number["default<Oz>"]], ["IrInstructionCount"]
                    )
                except PassError:
                    continue
                ours += time.perf_counter() - started
                text = ",".join([*(action.pipeline for action in sequence), "default<Oz>"])
                started = time.perf_counter()
                process.run([toolchain.opt or "opt", f"-passes={text}", source, "-o", Path(folder) / "out.bc"])
                theirs += time.perf_counter() - started
    finally:
        env.close()
    return {"environment": _SEQUENCES / ours, "opt": _SEQUENCES / theirs, "ratio": theirs / ours}


def _help_seconds() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "colt_llvm.cli.main", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def program_names(split: str | None = None) -> list[str]:
    return [program.name for program in included_programs(split)]
