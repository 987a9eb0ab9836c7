"""What was compared of a program's runs, and what was left out: a verdict says no more than that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colt_llvm.measure.check import OwnCheck
from colt_llvm.measure.difference import OTHER_FILES, STDERR, ignored
from colt_llvm.measure.lines import Place, tells_own_time
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Check, Workload

UNCHECKED = "not checked: nothing of it was run"
ONLY_STATUS = "only the exit status was compared"
_NAMES_SHOWN = 3
_SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Compared:
    """Of all workloads together."""

    what: tuple[str, ...] = ()  #: "exit status", "standard output", "standard error", "file NAME"
    left_out: tuple[str, ...] = ()  #: what was not compared though the program does it, each with the reason
    by: str = ""  #: of objects that nobody ran: what says that they are right, or that nothing does

    @property
    def unchecked(self) -> bool:
        """Whether nothing says that what was tuned is right."""
        return self.by == UNCHECKED

    @property
    def text(self) -> str:
        """One line; empty where nothing was run."""
        if self.by:
            return self.by
        if not self.what:
            return ""
        parts = [name for name in self.what if not name.startswith("file ")]
        if files := [name.removeprefix("file ") for name in self.what if name.startswith("file ")]:
            parts.append(_files(files))
        said = ONLY_STATUS if self.what == ("exit status",) else f"compared: {', '.join(parts)}"
        return f"{said}; left out: {'; '.join(self.left_out)}" if self.left_out else said

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        by = {"by": self.by} if self.by else {}
        return {"text": self.text, "what": list(self.what), "left_out": list(self.left_out), **by}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Compared:
        """The inverse. Raises KeyError and TypeError; of nothing, as an older run has it, nothing."""
        if not data:
            return Compared()
        return Compared(tuple(map(str, data["what"])), tuple(map(str, data["left_out"])), str(data.get("by", "")))


def compared(
    workloads: Sequence[Workload], expected: Sequence[Observation], check: Check, own: OwnCheck | None = None
) -> Compared:
    """Of the baseline's runs, one for each workload."""
    what: dict[str, None] = {}
    left_out: dict[str, None] = {}
    alone = []
    for workload, seen in zip(workloads, expected, strict=True):
        found = ["exit status", *_compared(seen, check, own)]
        what.update(dict.fromkeys(found))
        left_out.update(dict.fromkeys(_left_out(seen, check, own)))
        alone += [workload.name] if len(found) == 1 else []
    if alone and len(what) > 1:
        left_out[f"of workload {', '.join(alone)} {ONLY_STATUS}"] = None
    return Compared(tuple(what), tuple(left_out))


def _compared(seen: Observation, check: Check, own: OwnCheck | None) -> Iterator[str]:
    if own is None or not own.replaces:
        if seen.stdout:
            yield "standard output"
        if seen.stderr and not ignored(STDERR, check) and seen.varying.get(STDERR) != frozenset():
            yield STDERR
        yield from (f"file {name}" for name in seen.outputs)
        for name in seen.files:
            if not ignored(name, check) and seen.varying.get(f"file {name}") != frozenset():
                yield f"file {name}"
    if own is not None:
        yield f"check {own.name}"


def _left_out(seen: Observation, check: Check, own: OwnCheck | None) -> Iterator[str]:
    if own is not None and own.replaces:
        yield f"all else, as check {own.name} decides in its place"
        return
    varying = {name: lines for name, lines in seen.varying.items() if not ignored(name.removeprefix("file "), check)}
    for name, lines in varying.items():
        if name == OTHER_FILES:
            yield OTHER_FILES
        elif name == STDERR or lines:
            yield f"{_where(name, lines)}, which differs between the baseline's own runs"
    spent = seen.wall_seconds, seen.cpu_seconds
    texts = {STDERR: seen.stderr, **{f"file {name}": file.content or b"" for name, file in seen.files.items()}}
    for name, text in texts.items():
        if (
            name not in varying
            and not ignored(name.removeprefix("file "), check)
            and tells_own_time(text[:_SEARCHED_BYTES], spent)
        ):
            yield f"the run time that {name} tells"
    if whole := [
        name.removeprefix("file ") for name, lines in varying.items() if name.startswith("file ") and not lines
    ]:
        yield f"{_files(whole)}, which differ between the baseline's own runs"
    if seen.stderr and ignored(STDERR, check):
        yield f"{STDERR}, by --ignore"
    if named := [name for name in seen.files if ignored(name, check)]:
        yield f"{_files(named)}, by --ignore"
    yield from seen.not_compared


def _files(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    return f"{len(names):,} {'file' if len(names) == 1 else 'files'} ({shown})"


def _where(name: str, places: frozenset[Place]) -> str:
    """``figures in standard error line 3``, or the line itself, where more of it varies."""
    if not places:
        return name
    numbers = sorted({line for line, _ in places})
    shown = ", ".join(map(str, numbers[:_NAMES_SHOWN])) + (", ..." if len(numbers) > _NAMES_SHOWN else "")
    figures = "figures in " if all(figure for _, figure in places) else ""
    return f"{figures}{name} line{'s' if len(numbers) > 1 else ''} {shown}"
