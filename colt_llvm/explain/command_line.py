"""What plain clang takes on its command line of a recipe: as near as a file's flags come to what no source can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from colt_llvm.core.text import split_pipeline
from colt_llvm.llvm.decision import CODEGEN_FLAGS, SKIP, is_decision, parse_decision
from colt_llvm.llvm.process_options import threshold_options
from colt_llvm.program.compilation import Level

_LEVELS: Mapping[str, Level] = {"optsize<*>": "Os", "optspeed<*>": "O2"}
_T = TypeVar("_T")
#: Each word is tried so often, with the others that were kept until then.
_ROUNDS = 3


@dataclass(frozen=True)
class CommandLine:
    """Of one clang."""

    level: Level | None = None  #: in place of the recipe's
    flags: tuple[tuple[str, ...], ...] = ()  #: such as ("-mllvm", "-disable-lsr")
    left_out: tuple[str, ...] = ()  #: passes that no function gets; LLVM 22 can be told so, 19 cannot

    @property
    def words(self) -> tuple[str, ...]:
        """All but the level."""
        passes = ("-mllvm", f"-opt-disable={','.join(self.left_out)}") if self.left_out else ()
        return (*(word for words in self.flags for word in words), *passes)

    def toggled(self, other: CommandLine) -> CommandLine:
        """With what another one says, or without it where this says it too."""
        level = self.level
        if other.level is not None:
            level = None if level == other.level else other.level
        return replace(
            self, level=level, flags=_toggled(self.flags, other.flags), left_out=_toggled(self.left_out, other.left_out)
        )


def nearest(
    names: Sequence[str], reward: Callable[[CommandLine], float], least: float, over: Callable[[], bool]
) -> tuple[CommandLine, float]:
    """The command line with the greatest reward, and that; the empty one where none has more than ``least``.

    names: of a recipe's sequence. over: whether time is up.
    """
    best, known = CommandLine(), least
    for _ in range(_ROUNDS):
        before = best
        for one in _candidates(names):
            if over():
                return best, known
            found = reward(other := best.toggled(one))
            if found > known:
                best, known = other, found
        if best == before:
            break
    return best, known


def _candidates(names: Iterable[str]) -> list[CommandLine]:
    """Flags and levels in the recipe's order, then passes, those that most functions go without first."""
    given: dict[CommandLine, None] = {}
    passes: Counter[str] = Counter()
    for name in names:
        decision = parse_decision(name) if is_decision(name) else None
        if name.startswith("without<"):
            passes[name[len("without<") : -1].partition("#")[0]] += 1
        elif decision is not None and decision.kind == SKIP:
            passes.update(split_pipeline(decision.value))
        elif option := threshold_options(name):
            given[CommandLine(flags=(("-mllvm", option),))] = None
        elif name in _LEVELS:
            given[CommandLine(level=_LEVELS[name])] = None
        elif decision is not None and (flags := CODEGEN_FLAGS.get((decision.kind, decision.value))):
            given[CommandLine(flags=(flags,))] = None
    return [*given, *(CommandLine(left_out=(name,)) for name, _ in passes.most_common())]


def _toggled(these: tuple[_T, ...], others: tuple[_T, ...]) -> tuple[_T, ...]:
    kept = tuple(one for one in these if one not in others)
    return (*kept, *(one for one in others if one not in these))
