"""What the user asked for, checked once, and written into every journal and recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import refuse_operators
from colt_llvm.decisions.offers import check_scopes, default_scopes
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.registry import DEFAULT, find_objective
from colt_llvm.search import ColtOptions, preset
from colt_llvm.search import registry as strategies
from colt_llvm.search.early_stopping import DEFAULT_PERCENT

if TYPE_CHECKING:
    from colt_llvm.measure.check import OwnCheck

DEFAULT_SECONDS = 120.0
#: What options were called in older runs, and still may be.
OLD_NAMES = {"worth": "stop_below", "strict": "clang_baseline"}
#: Of the time, where a run time has to be proved: a gain that cannot be told from noise is no result.
_PROOF_SHARE = 0.35
#: Of the time, where figures are exact: for leaving out of a recipe what does not pay. At least so many seconds, or
#: half of a shorter time; in a run that trials end, builds for so many of the trials, at least so many builds.
_MINIMIZING_SHARE, _LEAST_MINIMIZING_SECONDS = 0.1, 2.0
_MINIMIZING_TRIALS, _LEAST_MINIMIZING_BUILDS = 0.25, 40
_MOST_SECONDS = 1e6  # the kernel takes no longer waits than 24 days
_MOST_BYTES = 1 << 60


@dataclass(frozen=True)
class TuneOptions:
    """objective: a name, or module:NAME, as ``find_objective`` takes it. weights: of ``balanced``, figure -> weight.

    strategy: a name, name:ALGORITHM or module:CLASS, as ``search.registry.find_strategy`` takes it.
    trials, seconds: when the search ends, whichever comes first; both None is DEFAULT_SECONDS. The proof of a run
    time is made within ``seconds``; without it, it takes what it needs. A tenth of ``seconds``, or builds for a quarter
    of ``trials``, go to leaving out what does not pay, where figures are exact.
    stop_below: the search ends too once doubling the trials gained less than so many per cent (see
    ``search.early_stopping``); 0: it does not. None is 0 where ``trials`` or ``seconds`` is given, and 0.1 where
    neither is.
    workers: requests in flight; 0 chooses for this machine. With 1 a run repeats exactly from its seed; where nothing
    is timed and no language model is asked, so it does with any number, as long as that is the same.
    scopes: what the search may decide about (see ``decisions.offers.SCOPES``); () is what pays in so many trials.
    check: says whether a run is right, as ``measure.check.find_check`` takes it; "" is the comparison alone.
    clang_baseline: ``instructions`` is held against clang's own -Oz instead of the literature's.
    unchecked: a library or firmware: nothing is linked and run, and no pass with a risk is drawn.
    test: in place of running the program, a command as words that must succeed with the objects in $COLT_OBJECTS.
    risky: also draw passes that the catalogue flags as able to break programs.
    timeout_seconds: wall-clock time that one run of the program may take.
    memory_bytes: address space of the program. pass_seconds, pass_memory_bytes: of one pass.
    preset, search: values of the search, and what is changed of them (see ``colt_llvm.search.preset``); an empty
    preset is "together" for models behind an endpoint, "paper" for other language models, "retrieval" for the embedded
    policies, and "broad" for random proposals.
    store: the file of what earlier runs found for functions: COLT begins with that, and what is proved is added to it.
    "" is none.
    max_calls, max_tokens, max_cost: of all models together; the search ends before it would go over one of them.

    Raises UsageError for a value that means nothing.
    """

    objective: str = DEFAULT
    strategy: str = strategies.DEFAULT
    weights: Mapping[str, float] | None = None
    trials: int | None = None
    seconds: float | None = None
    seed: int = 0
    workers: int = 0
    scopes: tuple[str, ...] = ()
    check: str = ""
    clang_baseline: bool = False
    unchecked: bool = False
    test: tuple[str, ...] = ()
    risky: bool = False
    allow_nonzero: bool = False
    timeout_seconds: float = 60.0
    memory_bytes: int | None = None
    pass_seconds: float = 20.0
    pass_memory_bytes: int = 4 << 30
    preset: str = ""
    search: Mapping[str, Any] = field(default_factory=dict)
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    stop_below: float | None = None
    store: str = ""

    def __post_init__(self) -> None:
        known = find_objective(self.objective).known_figures
        object.__setattr__(self, "scopes", tuple(self.scopes) or default_scopes(self.objective, self.trials))
        check_scopes(self.scopes)
        object.__setattr__(self, "test", tuple(self.test))
        self._check_unrun()
        has_tree = strategies.find_strategy(self.strategy)[0].has_tree
        if (self.preset or self.search) and not has_tree:
            raise UsageError(f"--strategy {self.strategy}: has no tree; leave out --preset and the tree's options")
        if unknown := sorted(set(self.weights or ()) - set(known)):
            raise UsageError(f"--weight {unknown[0]!r}: is no figure; use one of {', '.join(known)}")
        _ = self.goal  # refuses weights that mean nothing
        _ = self.own_check
        if self.memory_bytes is not None and not 1 <= self.memory_bytes <= _MOST_BYTES:
            raise UsageError("--memory: use 1 MiB or more, up to what the machine has")
        if self.trials is not None and self.trials < 1:
            raise UsageError(f"--trials {self.trials}: use 1 or more")
        for option, value in (("--time", self.seconds), ("--timeout", self.timeout_seconds)):
            if value is not None and not 0 < value <= _MOST_SECONDS:
                raise UsageError(f"{option} {value:g}: use a number of seconds above 0, up to {_MOST_SECONDS:.0f}")
        for option, limit in (
            ("--max-calls", self.max_calls), ("--max-tokens", self.max_tokens), ("--max-cost", self.max_cost),
            ("--stop-below", self.stop_below),
        ):  # fmt: skip
            if limit is not None and not (math.isfinite(limit) and limit >= 0):
                raise UsageError(f"{option} {limit}: use 0 or more")
        preset(self.preset or "paper", self.search)  # refuses what the search would refuse
        if self.workers < 0:
            raise UsageError(f"--workers {self.workers}: use 1 or more, or 0 to choose for this machine")

    def _check_unrun(self) -> None:
        """Raises UsageError."""
        if not self.runs_nothing:
            return
        option = "--unchecked" if self.unchecked else "--test"
        if self.times_the_program:
            raise UsageError(f"{option}: nothing is run, so no run time is known; use --objective size or instructions")
        if self.check:
            raise UsageError(f"{option}: nothing is run, so --check has nothing to look at; leave one out")
        refuse_operators(self.test)

    @property
    def runs_nothing(self) -> bool:
        """Whether the program is neither linked nor run."""
        return self.unchecked or bool(self.test)

    @property
    def search_seconds(self) -> float | None:
        """The part of ``seconds`` for the search; the rest is for the proof, and for leaving out what does not pay."""
        share = _PROOF_SHARE if self.times_the_program else _MINIMIZING_SHARE
        return None if self.whole_seconds is None else self.whole_seconds * (1 - share)

    @property
    def minimizing_seconds(self) -> float | None:
        """For leaving out what does not pay, where figures are exact; None: ``minimizing_builds`` end it."""
        seconds = self.whole_seconds
        return None if seconds is None else max(self._least_minimizing_seconds(seconds), seconds * _MINIMIZING_SHARE)

    def minimizing_seconds_after(self, spent: float) -> float | None:
        """The same where the run has taken so many seconds until then: preparing it takes of these."""
        whole, most = self.whole_seconds, self.minimizing_seconds
        if whole is None or most is None:
            return None
        return min(most, max(self._least_minimizing_seconds(whole), whole - spent))

    @staticmethod
    def _least_minimizing_seconds(whole: float) -> float:
        return min(_LEAST_MINIMIZING_SECONDS, whole / 2)

    @property
    def minimizing_builds(self) -> int | None:
        """The most builds for the same; None: ``minimizing_seconds`` end it."""
        return None if self.trials is None else max(_LEAST_MINIMIZING_BUILDS, int(self.trials * _MINIMIZING_TRIALS))

    @property
    def whole_seconds(self) -> float | None:
        """Of the whole run; None where trials alone end it."""
        return self.seconds if self.seconds or self.trials else DEFAULT_SECONDS

    @property
    def proof_seconds(self) -> float:
        return 60.0 if self.whole_seconds is None else self.whole_seconds * _PROOF_SHARE

    @property
    def stop_below_percent(self) -> float:
        """What doubling the trials has to gain; 0: the search goes on whatever it gained."""
        if self.stop_below is not None:
            return self.stop_below
        return 0.0 if self.seconds or self.trials else DEFAULT_PERCENT

    @property
    def goal(self) -> Objective:
        """The objective that ``objective`` names, with the weights."""
        found = find_objective(self.objective)
        return replace(found, weights=self.weights) if self.weights else found

    @property
    def own_check(self) -> OwnCheck | None:
        """What ``check`` names."""
        if not self.check:
            return None
        from colt_llvm.measure.check import find_check

        return find_check(self.check)

    @property
    def times_the_program(self) -> bool:
        """Whether run time decides, so that one core is kept for measuring."""
        return find_objective(self.objective).timed

    @property
    def colt_options(self) -> ColtOptions:
        """Of the search, where a preset is named."""
        return preset(self.preset, self.search)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` is the inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> TuneOptions:
        """Raises UsageError, and TypeError for a name that is no option."""
        given = {OLD_NAMES[name]: value for name, value in data.items() if name in OLD_NAMES}
        return TuneOptions(**given | {name: value for name, value in data.items() if name not in OLD_NAMES})
