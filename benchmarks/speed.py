"""Speed, as ratios within one run wherever there is something to compare with: the machines are shared and noisy."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.prefix_speed import Opt, prefixes
from colt_llvm.core.errors import PassError
from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import RISKS_AVOIDED, Target, prepare_target
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.models.registry import BLIND_SPEC
from colt_llvm.objectives.base import Objective
from colt_llvm.program.program import Program, load_program, programs_directory
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.search import PRESETS, ColtSearch, Model, Outcome

SMALLEST = "collatz"
_SECONDS = 8.0
_EPISODE_STEPS = 45
_SEQUENCE_PASSES = 5
_SEQUENCES = 60
_TRIALS = 300
_OPT_SAMPLE = 5  # one in so many of a search's sequences is also given to opt
_PROGRAMS = (SMALLEST, "crc_adler", "lz77", "sorting")


def measure_speed() -> dict[str, Any]:
    """All figures; each names its unit."""
    toolchain = find_toolchain()
    return {
        "steps": steps_per_second(toolchain),
        "steps_by_prefix": {name: prefixes(toolchain, name) for name in _PROGRAMS},
        "random_sequences": {name: random_sequences(toolchain, name) for name in _PROGRAMS},
        "search": {name: a_search(toolchain, name) for name in _PROGRAMS},
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


def random_sequences(toolchain: Toolchain, name: str) -> dict[str, float]:
    """Evaluations a second of random sequences of five passes, completed by the -Oz pipeline, for ``instructions``.

    Through the environment, and by one opt process for each sequence, in turn. Hardly a state is met twice.
    """
    program = load_program(programs_directory() / name)
    rng = random.Random(1)
    target = _target(toolchain, program)
    passes = [action.name for action in target.catalogue if action.kind != "pipeline"]
    ours = theirs = 0.0
    with _builder(target) as builder, Opt(toolchain, target.baseline.bitcodes[0]) as opt:
        builder.build(())
        for _ in range(_SEQUENCES):
            sequence = rng.choices(passes, k=_SEQUENCE_PASSES)
            seconds = _build_seconds(builder, sequence)
            if seconds is not None:
                ours += seconds
                theirs += opt.seconds(target.sequences.pipeline(sequence))
    return {"environment": _SEQUENCES / ours, "opt": _SEQUENCES / theirs, "ratio": theirs / ours}


def a_search(toolchain: Toolchain, name: str) -> dict[str, float]:
    """The same for what a search of ``tune --objective instructions`` evaluates, prefixes and repeats included."""
    program = load_program(programs_directory() / name)
    target = _target(toolchain, program)
    proposer = BlindProposer(target.catalogue.names(), target.sequences.edits, 0, BLIND_SPEC.name)
    strategy = ColtSearch([Model(BLIND_SPEC.name, 1.0)], PRESETS["broad"], 0)
    objective = Objective("instructions")
    times: list[float] = []
    sampled: list[tuple[str, ...]] = []
    with _builder(target) as builder, Opt(toolchain, target.baseline.bitcodes[0]) as opt:
        root = builder.build(())
        strategy.set_root_key(root.key)
        while len(times) < _TRIALS and (request := strategy.ask()) is not None:
            proposal = proposer.propose(request)
            sequence = request.sequence + proposal.passes
            started = time.perf_counter()
            try:
                built = builder.build(sequence)
                outcome = Outcome(objective.reward(built.figures, root.figures), built.key, None, built.figures)
            except PassError:
                outcome = Outcome(None, None, "invalid")
            times.append(time.perf_counter() - started)
            if len(times) % _OPT_SAMPLE == 0:
                sampled.append(sequence)
            strategy.tell(request, proposal, outcome)
            proposer.observe(request, proposal, outcome)
        theirs = [opt.seconds(target.sequences.pipeline(sequence)) for sequence in sampled]
    ours = sum(times) / len(times)
    spawned = sum(theirs) / len(theirs)
    return {"environment": 1 / ours, "opt": 1 / spawned, "ratio": spawned / ours}


def _target(toolchain: Toolchain, program: Program) -> Target:
    return prepare_target(toolchain, program, TuneOptions(objective="instructions"))


def _builder(target: Target) -> Builder:
    return Builder(target, service=ServiceOptions(llvm_prefix=target.toolchain.prefix))


def _build_seconds(builder: Builder, sequence: Sequence[str]) -> float | None:
    started = time.perf_counter()
    try:
        builder.build(sequence)
    except PassError:
        return None
    return time.perf_counter() - started


def _help_seconds() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "colt_llvm.cli.main", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
