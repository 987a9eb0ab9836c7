"""A strategy that tries what is known to break programs, and then sequences at random."""

from __future__ import annotations

from random import Random
from typing import Any

import colt_llvm

#: Seen to change what programs do, by themselves or where a program asks what the optimiser knows. Those with a name
#: that this LLVM does not have are left out.
BREAKING: tuple[tuple[str, ...], ...] = (
    ("iroutliner", "attributor", "default<Oz>"),
    ("attributor", "default<O3>"),
    ("without<sccp>",),
    ("attributor-cgscc", "default<O3>"),
    ("without<indvars>",),
    ("without<instcombine>",),
    ("ipsccp",),
    ("without<loop-deletion>", "without<indvars>"),
    ("without<early-cse>", "without<gvn>"),
    ("lto<O2>",),
    ("without<sroa>",),
    ("without<inline>",),
    ("without<slp-vectorizer>", "without<loop-vectorize>"),
    ("default<O1>",),
    ("default<O3>",),
)


class Breaking(colt_llvm.SequenceSearch):
    """The sequences of BREAKING in turn, ``offset`` of them skipped at first; the rest of the trials at random."""

    offset = 0

    def __init__(self, task: Any) -> None:
        super().__init__("breaking", colt_llvm.ActionSet(task.passes, task.edits), task.seed)
        names = set(self.actions.names)
        usable = [sequence for sequence in BREAKING if names.issuperset(sequence)]
        start = self.offset % max(1, len(usable))
        self._known = usable[start:] + usable[:start]

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        if request_id % 2 == 0 and request_id // 2 < len(self._known):
            return self.actions.tidy(self._known[request_id // 2])
        return self.actions.draw_sequence(random, 4)


def breaking(offset: int) -> type[Breaking]:
    """The strategy that begins with another of the sequences for each program."""
    return type("Breaking", (Breaking,), {"offset": offset})
