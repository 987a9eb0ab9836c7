"""CompilerGym's own random search on ``colt-llvm-v0``, held against the same baseline as everything else.

The agent is ``compiler_gym.random_search.RandomAgentWorker`` as that library ships it: random walks from the
unoptimised program, an episode given up after as many steps without gain as there are actions, the best prefix kept.
It knows no completion: the sequence is all there is. Here it runs in this thread, each step is counted as a trial, and
it is stopped after so many steps or seconds. It draws from the environment's action space, so that is what is seeded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from colt_llvm.core.errors import CompileError, PassError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.rewards import CostReward
from colt_llvm.evaluate.judge import Judge, Miscompiled
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import RISKS_AVOIDED, Built, Linker, built_from_objects
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.features import instruction_count
from colt_llvm.llvm.module import Module, bitcode_hash
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.base import Objective
from colt_llvm.program.baseline import Baseline, prepare_baseline
from colt_llvm.program.compilation import generate_objects
from colt_llvm.program.program import Program

GymObjective = Literal["instructions", "size"]

_SIZE, _SIZE_REWARD = "ObjectSectionBytes", "ObjectSectionBytesSaved"
#: Objective -> the observation that is its figure, and the reward that is that figure's decrease.
_FIGURES: dict[str, str] = {"instructions": "IrInstructionCount", "size": _SIZE}
_REWARDS: dict[str, str] = {"instructions": "IrInstructionCount", "size": _SIZE_REWARD}


@dataclass(frozen=True)
class GymRandomResult:
    """What the search found.

    gain: ln(baseline / rebuilt) of the claimed sequence; 0.0 where it is no better, or did not pass.
    curve: (trials, seconds since the first episode, gain so far as the steps measured it) at each improvement over
        the baseline, and at the end.
    trials: steps measured. seconds: wall clock of the search. sequence: names of the actions; () is the baseline.
    figures: objective name to baseline's and claimed value. key: of the claimed object code, or of the IR where
        ``instructions`` is the objective; "" without a claim.
    checked: whether the claimed program passed all workloads; None where there was none to check.
    failures: environments that ended in a step. detail: why the best of the search is not claimed.
    """

    gain: float
    curve: tuple[tuple[int, float, float], ...]
    trials: int
    seconds: float
    sequence: tuple[str, ...] = ()
    pipeline: str = ""
    figures: dict[str, tuple[float, float]] = field(default_factory=dict)
    key: str = ""
    checked: bool | None = None
    failures: int = 0
    detail: str = ""


def run_gym_random(
    program: Program,
    toolchain: Toolchain,
    objective: GymObjective,
    seed: int,
    *,
    trials: int | None,
    seconds: float | None,
    folder: Path,
    check: bool = True,
    linker: Linker | None = None,
    patience: int = 0,
    baseline: Baseline | None = None,
    judge: Judge | None = None,
) -> GymRandomResult:
    """Search until ``trials`` steps were measured or ``seconds`` are over, whichever comes first; then claim the best.

    folder: where ``gym-random.json``, the result, is written; made when missing. check: run the workloads; False where
    there is no executable. patience: as in CompilerGym; 0 is the number of actions.
    baseline, judge: of this program and objective, where they are at hand already; the judge stays open.

    Raises UsageError for other objectives or without a limit; CompileError and ProgramError for the program.
    """
    if objective not in _REWARDS:
        raise UsageError(f"compiler-gym-random: objective {objective!r} is none of {', '.join(_REWARDS)}; use one")
    if trials is None and seconds is None:
        raise UsageError("compiler-gym-random: never ends; give a budget of trials or seconds")
    folder.mkdir(parents=True, exist_ok=True)
    baseline = baseline or prepare_baseline(toolchain, program, objective)
    mark = _mark(toolchain, baseline)
    own = _judge(toolchain, program, objective, baseline, linker) if check and judge is None else None
    judge = own or judge
    try:
        walk = _Walk(objective, mark.figures[objective], seed, trials, seconds)
        worker = _search(program, toolchain, baseline, walk, patience)
        names = tuple(walk.names[action] for action in worker.best_actions) if walk.best > 0 else ()
        result = _claim(toolchain, program, baseline, mark, judge, walk, names)
        write_json(folder / "gym-random.json", {"objective": objective, "seed": seed, **asdict(result)})
        return result
    finally:
        if own is not None:
            own.close()


class LoadedSizeReward(CostReward):
    """The decrease of the loaded bytes of all objects: the very figure that ``--objective size`` means."""

    def __init__(self) -> None:
        super().__init__(_SIZE_REWARD, _SIZE, _SIZE, deterministic=True, platform_dependent=True)

    def reset(self, benchmark: Any, observation_view: Any) -> None:
        super().reset(benchmark, observation_view)
        # The catalogue of observations has no figure of the first state, so it is read while that is the state.
        self._previous = float(observation_view[_SIZE])


class _Walk:
    """The budget, and the curve. Hands out environments that count."""

    def __init__(self, objective: str, mark: float, seed: int, trials: int | None, seconds: float | None) -> None:
        self.objective, self.mark, self.seed = objective, mark, seed
        self.figure = _FIGURES[objective]
        self.wanted_trials, self.wanted_seconds = trials, seconds
        self.trials = self.environments = self.failures = 0
        self.best = 0.0
        self.curve: list[tuple[int, float, float]] = []
        self.names: list[str] = []
        self.started: float | None = None
        self.stop: Callable[[], None] = lambda: None

    @property
    def elapsed(self) -> float:
        return 0.0 if self.started is None else time.monotonic() - self.started

    @property
    def over(self) -> bool:
        return (self.wanted_trials is not None and self.trials >= self.wanted_trials) or (
            self.wanted_seconds is not None and self.elapsed >= self.wanted_seconds
        )

    def note(self, value: float | None) -> None:
        """One step; None where it failed."""
        self.trials += 1
        if value is None:
            self.failures += 1
            return
        gain = math.log(self.mark / value) if value > 0 else 0.0
        if gain > self.best:
            self.best = gain
            self.curve.append((self.trials, self.elapsed, gain))


class _Counting:
    """The environment as the agent sees it. Once the budget is over a step ends the episode unmeasured."""

    def __init__(self, env: ColtEnv, walk: _Walk) -> None:
        self._env, self._walk = env, walk
        self.action_space = env.action_space

    def __enter__(self) -> _Counting:
        return self

    def __exit__(self, *_: object) -> None:
        self._env.close()

    def reset(self) -> Any:
        observation = self._env.reset()
        if self._walk.started is None:  # starting the first service is set-up, as it is for the other strategies
            self._walk.started = time.monotonic()
        return observation

    def step(self, action: Any) -> Any:
        if self._walk.over:
            self._walk.stop()
            return None, 0.0, True, {}
        (observed,), reward, done, info = self._env.step(action, observation_spaces=[self._walk.figure])
        self._walk.note(None if done else float(observed))
        return observed, reward, done, info

    def commandline(self) -> str:
        return self._env.commandline()


def _search(program: Program, toolchain: Toolchain, baseline: Baseline, walk: _Walk, patience: int) -> Any:
    """Run the agent to the end of the budget, in this thread."""
    from compiler_gym.random_search import RandomAgentWorker

    options = ServiceOptions(llvm_prefix=toolchain.prefix)
    catalogue = toolchain_catalogue(toolchain).without(RISKS_AVOIDED)
    actions = [(action.name, action.pipeline) for action in catalogue.actions]

    def make_env() -> _Counting:
        env = ColtEnv(toolchain=toolchain, actions=actions, options=options)
        try:
            env.benchmark = env.make_benchmark(program, level=baseline.level)
            env.reward.add_space(LoadedSizeReward())
            env.reward_space = _REWARDS[walk.objective]
            walk.names = list(env.action_space.names)
            # An environment that died is followed by another one, which must not walk the same way again.
            env.action_space.seed(walk.seed + 1_000_003 * walk.environments)
            walk.environments += 1
        except BaseException:
            env.close()
            raise
        return _Counting(env, walk)

    worker = RandomAgentWorker(make_env, patience)
    walk.stop = lambda: setattr(worker, "alive", False)
    worker.run()
    return worker


def _judge(toolchain: Toolchain, program: Program, objective: str, baseline: Baseline, linker: Linker | None) -> Judge:
    return Judge.of(toolchain, program, TuneOptions(objective=objective), baseline.objects, None, linker)


def _mark(toolchain: Toolchain, baseline: Baseline) -> Built:
    optimised = replay(toolchain.library, baseline.bitcodes, baseline.completion.pipeline, baseline.codegen_level)
    return built_from_objects(baseline.objects, _instructions(toolchain, optimised))


def _instructions(toolchain: Toolchain, bitcodes: list[bytes]) -> int:
    total = 0
    for bitcode in bitcodes:
        with Module.parse(toolchain.load(), bitcode) as module:
            total += instruction_count(module)
    return total


def _claim(
    toolchain: Toolchain,
    program: Program,
    baseline: Baseline,
    mark: Built,
    judge: Judge | None,
    walk: _Walk,
    names: tuple[str, ...],
) -> GymRandomResult:
    """Build the best again from one pipeline text, and check it on every workload."""
    seconds = walk.elapsed
    curve = (*walk.curve, (walk.trials, seconds, walk.best))
    nothing = GymRandomResult(0.0, curve, walk.trials, seconds, failures=walk.failures)
    if not names:
        return nothing
    catalogue = toolchain_catalogue(toolchain)
    pipeline = ",".join(catalogue[name].pipeline for name in names)
    try:
        optimised = replay(toolchain.library, baseline.bitcodes, pipeline, baseline.codegen_level)
        objects = generate_objects(toolchain, program, optimised, baseline.level)
        if judge is not None:
            judge.check(judge.link(objects, "claimed"), thorough=True)
    except (Miscompiled, PassError, CompileError) as error:
        return replace(nothing, detail=str(error), checked=False if isinstance(error, Miscompiled) else None)
    built = built_from_objects(objects, _instructions(toolchain, optimised))
    gain = Objective(walk.objective).reward(built.figures, mark.figures)
    if gain <= 0:
        return replace(nothing, detail="as one pipeline it is no better than the baseline")
    return replace(
        nothing,
        gain=gain,
        sequence=names,
        pipeline=pipeline,
        figures={walk.objective: (mark.figures[walk.objective], built.figures[walk.objective])},
        key=built.key if Objective(walk.objective).builds_objects else bitcode_hash(*optimised),
        checked=True if judge is not None else None,
    )
