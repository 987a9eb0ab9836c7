"""CompilerGym's own random search on ``colt-llvm-v0``, held against the same baseline as everything else.

The agent is ``compiler_gym.random_search.RandomAgentWorker`` as that library ships it: random walks from the
unoptimised program, an episode given up after as many steps without gain as there are actions, the best prefix kept.
It knows no completion: the sequence is all there is. Here it runs in this thread, each step is counted as a trial, and
it is stopped after so many steps or seconds. It draws from the environment's action space, so that is what is seeded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import CompileError, PassError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.env import ColtEnv, ServiceOptions
from colt_llvm.env.environment import CostReward
from colt_llvm.evaluate.builder import baseline_figures
from colt_llvm.evaluate.target import Target
from colt_llvm.evaluate.verifier import Miscompiled, Verifier

#: Steps without gain until an episode is given up; 0: as many as there are actions.
_PATIENCE = 0
_SIZE, _SIZE_REWARD = "ObjectSectionBytes", "ObjectSectionBytesSaved"
#: Objective -> the observation that is its figure, and the reward that is that figure's decrease.
_FIGURES: dict[str, str] = {"instructions": "IrInstructionCount", "size": _SIZE}
_REWARDS: dict[str, str] = {"instructions": "IrInstructionCount", "size": _SIZE_REWARD}


@dataclass(frozen=True)
class GymRandomResult:
    """What the search found."""

    gain: float  #: ln(baseline / rebuilt) of the proved sequence; 0.0 where it is no better, or did not pass
    curve: tuple[tuple[int, float, float], ...]  #: (trials, seconds, gain) at each improvement, and at the end
    trials: int  #: steps measured
    seconds: float  #: wall clock of the search, from the first episode
    sequence: tuple[str, ...] = ()  #: names of the actions; () is the baseline
    pipeline: str = ""
    figures: dict[str, tuple[float, float]] = field(default_factory=dict)  #: objective -> baseline's and proved value
    key: str = ""  #: of the object code, or of the IR where that is the objective; "" where the baseline stands
    checked: bool | None = None  #: whether the proved program passed all workloads; None where there was none to check
    failures: int = 0  #: environments that ended in a step
    detail: str = ""  #: why the best of the search is not proved


def run_gym_random(
    target: Target, verifier: Verifier | None, folder: Path, *, seed: int, trials: int | None, seconds: float | None
) -> GymRandomResult:
    """Search until ``trials`` steps were measured or ``seconds`` are over, whichever comes first; then prove the best.

    verifier: of the target; None where there is no executable to run. It stays open.
    folder: where ``gym-random.json``, the result, is written; made when missing.

    Raises UsageError for other objectives or without a limit; CompileError and ProgramError for the program.
    """
    objective = target.objective.name
    if objective not in _REWARDS:
        raise UsageError(f"compiler-gym-random: objective {objective!r} is none of {', '.join(_REWARDS)}; use one")
    if trials is None and seconds is None:
        raise UsageError("compiler-gym-random: never ends; give a budget of trials or seconds")
    folder.mkdir(parents=True, exist_ok=True)
    figures = baseline_figures(target, target.rebuild(target.baseline.completion.pipeline))
    walk = _Walk(objective, figures[objective], seed, trials, seconds)
    worker = _search(target, walk)
    names = tuple(walk.names[action] for action in worker.best_actions) if walk.best > 0 else ()
    result = _proved(target, figures, verifier, walk, names)
    write_json(folder / "gym-random.json", {"objective": objective, "seed": seed, **asdict(result)})
    return result


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

    def __init__(self, objective: str, baseline: float, seed: int, trials: int | None, seconds: float | None) -> None:
        self.objective, self.baseline, self.seed = objective, baseline, seed
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
        """Seconds since the first episode began."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return (self.wanted_trials is not None and self.trials >= self.wanted_trials) or (
            self.wanted_seconds is not None and self.elapsed >= self.wanted_seconds
        )

    def note(self, value: float | None) -> None:
        """One step; None where it failed."""
        self.trials += 1
        if value is None:
            self.failures += 1
            return
        gain = math.log(self.baseline / value) if value > 0 else 0.0
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


def _search(target: Target, walk: _Walk) -> Any:
    """Run the agent to the end of the budget, in this thread; its patience is the library's default."""
    from compiler_gym.random_search import RandomAgentWorker

    options = ServiceOptions(llvm_prefix=target.toolchain.prefix)
    actions = [(action.name, action.pipeline) for action in target.catalogue.actions]

    def make_env() -> _Counting:
        env = ColtEnv(toolchain=target.toolchain, actions=actions, options=options)
        try:
            env.benchmark = env.make_benchmark(target.program, level=target.baseline.level)
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

    worker = RandomAgentWorker(make_env, _PATIENCE)
    walk.stop = lambda: setattr(worker, "alive", False)
    worker.run()
    return worker


def _proved(
    target: Target, baseline: Mapping[str, float], verifier: Verifier | None, walk: _Walk, names: tuple[str, ...]
) -> GymRandomResult:
    """Build the best again from one pipeline text, and check it on every workload. baseline: its figures."""
    seconds = walk.elapsed
    curve = (*walk.curve, (walk.trials, seconds, walk.best))
    nothing = GymRandomResult(0.0, curve, walk.trials, seconds, failures=walk.failures)
    if not names:
        return nothing
    pipeline = ",".join(target.catalogue[name].pipeline for name in names)
    try:
        built = target.rebuild(pipeline)
        if verifier is not None:
            verifier.check(verifier.link(built.objects, "proved"), thorough=True)
    except (Miscompiled, PassError, CompileError) as error:
        return replace(nothing, detail=str(error), checked=False if isinstance(error, Miscompiled) else None)
    figures = target.objective.measured(built)
    gain = target.objective.reward(figures, baseline)
    if gain <= 0:
        return replace(nothing, detail="as one pipeline it is no better than the baseline")
    return replace(
        nothing,
        gain=gain,
        sequence=names,
        pipeline=pipeline,
        figures={walk.objective: (baseline[walk.objective], figures[walk.objective])},
        key=built.key,
        checked=True if verifier is not None else None,
    )
