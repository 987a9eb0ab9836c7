"""Which pass makes a program do something else? LLVM's own bisection: ``opt -opt-bisect-limit=N`` runs the first N.

Andreas Zeller, "Yesterday, my program worked. Today, it does not. Why?" (1999), over the passes of one pipeline: with
none of them the program does one thing, with all of them another, and between lies a pass that decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, PassError
from colt_llvm.llvm.pipeline import Item, parse_pipeline
from colt_llvm.llvm.process_options import split_options

_RUNNING = re.compile(r"^BISECT: running pass \((\d+)\) (\S+) on (.+)$", re.MULTILINE)
_OPT_BYTES = 1 << 30
#: As the harness does it: costs depend on the relocation model, code generation on the order of uses.
_AS_HERE = ("-relocation-model=pic", "-preserve-bc-uselistorder")
ALL = -1
#: Pipelines of one pass that are tried on the code before it.
_MOST_ALONE = 6

#: Whether a program, built from this optimised bitcode, does something else than the baseline. Raises ColtError.
Wrong = Callable[[Path], bool]


@dataclass(frozen=True)
class DecidingPass:
    """name: as in a pipeline, such as ``attributor``. unit: function, module or part of the call graph it ran on.

    number: of the pass, in the order of running. wrong_from_here: with it the program does something else than the
    baseline; False: with all before it, and this one makes it right.
    alone: the text of a pipeline that has this pass only, and does the same to what the passes before it left; "" where
    none was found.
    """

    name: str
    unit: str
    number: int
    wrong_from_here: bool
    alone: str = ""


class OptFailed(PassError):
    """opt does not run the pipeline as libLLVM does."""


@dataclass
class Bisection:
    """Of one pipeline over one bitcode file. folder: where results are written."""

    opt: Path
    bitcode: Path
    pipeline: str
    folder: Path
    deadline: float
    clock: Callable[[], float] = time.monotonic

    def command(
        self, source: Path | str, result: Path | str, limit: int | None = None, passes: str | None = None
    ) -> list[str]:
        """As a user types it. passes: in place of the whole pipeline."""
        options, whole = split_options(self.pipeline)
        bisect = [] if limit is None else [f"-opt-bisect-limit={limit}"]
        return [
            str(self.opt),
            *_AS_HERE,
            *options,
            f"-passes={passes or whole}",
            *bisect,
            str(source),
            "-o",
            str(result),
        ]

    def run(self, limit: int = ALL, passes: str | None = None) -> tuple[Path, list[tuple[str, str]]]:
        """The first ``limit`` passes over the bitcode: the result, and (name, unit) of each that ran.

        passes: in place of the whole pipeline. Raises OptFailed, OutOfTime.
        """
        result = self.folder / f"limit-{limit}.bc"
        said = self._call(self.command(self.bitcode, result, limit, passes)).stderr
        return result, [(name, unit) for _, name, unit in _RUNNING.findall(said)]

    def deciding_pass(self, wrong: Wrong, suspects: str = "") -> DecidingPass | None:
        """None where the program does the same with none of the passes as with all of them.

        suspects: the passes that the pipeline begins with and that are likelier than the others; "" for none.
        Raises OptFailed, OutOfTime, and what ``wrong`` raises.
        """
        result, ran = self.run(ALL)
        at_end = wrong(result)
        low, high = 0, len(ran)
        if wrong(self.run(0)[0]) == at_end:
            return None
        middle = len(self.run(ALL, suspects)[1]) if suspects else 0
        while high - low > 1:
            if not low < middle < high:
                middle = (low + high) // 2
            if wrong(self.run(middle)[0]) == at_end:
                high = middle
            else:
                low = middle
        name, unit = ran[high - 1]
        return DecidingPass(name, unit, high, at_end)

    def alone(self, found: DecidingPass, wrong: Wrong) -> str:
        """A pipeline with this pass only that does the same to the code before it; "" where none is found in time."""
        try:
            before = self.run(found.number - 1)[0]
            result = self.folder / "alone.bc"
            for text in self._texts(found.name)[:_MOST_ALONE]:
                try:
                    self._call(self.command(before, result, passes=text))
                    if wrong(result) == found.wrong_from_here:
                        return text
                except OptFailed:
                    continue
        except OutOfTime:
            pass
        return ""

    def _texts(self, name: str) -> list[str]:
        """The pipeline less all that is not this pass, once for each text that the pass has in it."""
        printed = self._call([*self.command(self.bitcode, "-"), "-print-pipeline-passes", "-disable-output"]).stdout
        found = (str(item) for item in single_passes(parse_pipeline(printed.strip()), name))
        return list(dict.fromkeys(found))

    def _call(self, command: Sequence[str]) -> _Said:
        left = self.deadline - self.clock()
        if left <= 0:
            raise OutOfTime("no time was left")
        try:
            done = process.run(command, limits=process.Limits(left, None, _OPT_BYTES), cwd=self.folder)
        except ColtError as error:
            raise OutOfTime("no time was left") if self.clock() >= self.deadline else OptFailed(str(error)) from None
        said = _Said(done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        if done.status:
            last = (said.stderr.strip().splitlines() or [done.describe_status()])[-1]
            raise OptFailed(f"{self.opt}: {last}")
        return said


@dataclass(frozen=True)
class _Said:
    stdout: str
    stderr: str


class OutOfTime(ColtError, TimeoutError):
    """The time that was set aside is over."""


def single_passes(items: Sequence[Item], name: str) -> Iterator[Item]:
    """Each place of the pass of this name, with the adaptors around it and nothing else in them."""
    for item in items:
        if item.inner is None:
            if item.name == name:
                yield item
        else:
            yield from (Item(item.text, (inner,)) for inner in single_passes(item.inner, name))
