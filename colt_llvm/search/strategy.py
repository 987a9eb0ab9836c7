"""A strategy as a run takes it: declared by name, and made from the run's task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.plans import Surroundings, step_names
from colt_llvm.search.protocol import Outcome, Proposal, Request, Strategy
from colt_llvm.search.sequences import ActionSet


@dataclass(frozen=True)
class Task:
    """What stays the same throughout a run."""

    objective: str  # its name
    baseline: str  # its name, such as ``clang -Oz``
    cpu: str  # the target
    passes: tuple[str, ...]  # names that may be used, in any order and often
    edits: tuple[str, ...]  # names without an order: of the baseline's pipeline, and decisions
    program: Mapping[str, float] = field(default_factory=dict)  # features of the baseline's IR
    trials_wanted: int | None = None  # None: time alone ends the run
    seed: int = 0
    promised: Mapping[str, float] = field(default_factory=dict)  # action -> gain expected of it, a log ratio
    known_good: tuple[tuple[str, ...], ...] = ()  # whole sequences to begin with
    surroundings: Surroundings = field(default_factory=Surroundings)  # where decisions can be tried side by side
    begin_with: tuple[tuple[str, ...], ...] = ()  # whole sequences that come before all others: COLT's first trials

    @property
    def actions(self) -> ActionSet:
        """Passes and edits, to draw from. Raises UsageError where there are none."""
        return ActionSet(self.passes, self.edits)

    @property
    def table(self) -> ActionSet:
        """The same for a search that takes each decision by itself: all that COLT's plans of functions are made of too.

        Raises UsageError where there are none.
        """
        return ActionSet(self.passes, tuple(dict.fromkeys((*self.edits, *step_names(self.surroundings)))))


class OwnStrategy(Strategy, Protocol):
    """A search that answers its own requests: ``Strategy``, and these two."""

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """Note how the search stands. What is given back is called in another thread; it may take its time."""

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial after ``tell`` or ``restore``, in the order of telling."""


#: From what a run is about (actions, seed, objective) to a search of its own.
StrategyFactory = Callable[[Task], OwnStrategy]

#: Of a task, an algorithm's name ("" for the default) and the tree's options.
Make = Callable[[Task, str, ColtOptions], OwnStrategy]

_METHODS = ("set_root_key", "ask", "tell", "abandon", "restore", "best", "prepare", "observe")


@dataclass(frozen=True)
class DeclaredStrategy:
    """A search by name, and what a run has to know of it before it makes one."""

    name: str  # on the command line, in journals and tables
    summary: str  # one line of --help
    make: Make | None  # None: models answer its requests, so it is made together with them
    has_tree: bool = False  # COLT's tree: it takes a preset and the tree's options
    algorithms: bool = False  # name:ALGORITHM chooses another than the default
    note: str = ""  # of a run's result, who proposed; empty: the name says it

    @property
    def asks_models(self) -> bool:
        """Whether models propose; else it answers its own requests."""
        return self.make is None

    def made(self, task: Task, algorithm: str = "", options: ColtOptions | None = None) -> OwnStrategy:
        """A search with the task's seed. Raises UsageError for what is no strategy."""
        if self.make is None:
            raise UsageError(f"--strategy {self.name}: is made with the models that answer it")
        strategy = self.make(task, algorithm, options or ColtOptions())
        lacking = [method for method in _METHODS if not callable(getattr(strategy, method, None))]
        if lacking:
            raise UsageError(f"strategy {self.name}: has no method {lacking[0]}; a strategy has {', '.join(_METHODS)}")
        return strategy


def declared(factory: StrategyFactory, name: str = "") -> DeclaredStrategy:
    """Of a class or function of somebody else's; its name is its own where none is given.

    Raises UsageError where it raises anything that is not ours.
    """
    name = name or str(getattr(factory, "__name__", type(factory).__name__))
    summary = (getattr(factory, "__doc__", None) or "").strip().partition("\n")[0]

    def make(task: Task, _algorithm: str, _options: ColtOptions) -> OwnStrategy:
        try:
            return factory(task)
        except ColtError:
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise UsageError(f"strategy {name}: cannot be made of a run's Task ({said}); fix it") from error

    return DeclaredStrategy(name, summary, make, note=f"proposed by strategy {name}, no model")
