"""Run one workload of one executable, or of some at once, in a place of its own, and keep all that it did.

Every run looks the same to the program: same name, same directory layout, same environment. The length of a
path or of the environment moves the stack, and that alone can change the run time by some percent (Mytkowicz et
al. 2009, "Producing Wrong Data Without Doing Anything Obviously Wrong!").
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from colt_llvm import process
from colt_llvm.errors import ChildStillRuns, OutputLimitExceeded, ProcessTimeout, UsageError
from colt_llvm.program import Workload


@dataclass(frozen=True)
class Observation:
    """What one run did and used.

    status: exit status, or minus the number of the signal that ended it.
    outputs: content of each named output file; None where the run did not write it.
    user_seconds, system_seconds: the kernel's figures. Many kernels measure only their sum; the split is
        guessed at clock ticks (seen here: user time 8% off in single runs, the sum 0.3%).
    max_rss_bytes: greatest resident set; not below that of the small process that started it.
    ended_children: names of processes that it left running, which were ended with it.
    """

    status: int
    stdout: bytes
    outputs: Mapping[str, bytes | None]
    user_seconds: float
    system_seconds: float
    wall_seconds: float
    max_rss_bytes: int
    stderr: bytes = b""
    ended_children: tuple[str, ...] = ()

    @property
    def cpu_seconds(self) -> float:
        """User and system time together: the figure to compare, where the program has one thread."""
        return self.user_seconds + self.system_seconds


#: Of runs at once on one core. Shorter ones see more of the same host, but empty the cache more often: two copies
#: of life differ by 1.1%, 1.0%, 1.8% and 2.6% (standard deviation) with slices of 3, 7, 10 and 25 ms, by 10% or more
#: one after the other; and they take 8% longer with 3 ms, less than 1% longer with 10 ms.
SLICE_SECONDS = 0.008

#: What one run did, or which limit it reached.
Outcome = Observation | ProcessTimeout | OutputLimitExceeded | ChildStillRuns


def run_workload(
    executable: Path,
    workload: Workload,
    *,
    limits: process.Limits | None = None,
    core: int | None = None,
    scratch: Path | None = None,
) -> Observation:
    """Run ``workload`` with ``executable`` and return what it did; a crash is an observation too.

    scratch: where the run's temporary folder is made (the system's own when None); it is removed afterwards.

    Raises UsageError for a workload that cannot be set up, and what ``process.run`` raises:
    CommandNotFound, ProcessTimeout, OutputLimitExceeded, ChildStillRuns.
    """
    (outcome,) = run_side_by_side([executable], workload, limits=limits, core=core, scratch=scratch)
    if isinstance(outcome, Observation):
        return outcome
    raise outcome


def run_side_by_side(
    executables: Sequence[Path],
    workload: Workload,
    *,
    limits: process.Limits | None = None,
    core: int | None = None,
    scratch: Path | None = None,
) -> list[Outcome]:
    """Run ``workload`` with all ``executables`` at once; what each did, in their order.

    limits: of each. core: all share it, in turns of SLICE_SECONDS.

    Raises UsageError for a workload that cannot be set up, and CommandNotFound.
    """
    if workload.stdin is not None and not workload.stdin.is_file():
        raise UsageError(f"{workload.stdin}: input of workload {workload.name} not found; give an existing file")
    with ExitStack() as stack:
        commands, written = [], []
        for executable in executables:
            folder = Path(stack.enter_context(
                TemporaryDirectory(prefix="colt-", dir=scratch, ignore_cleanup_errors=True)
            ))  # fmt: skip
            name = _link(folder, executable, workload)
            directory = workload.cwd if workload.cwd is not None else folder / "work"
            written.append({output: _output_path(directory, output) for output in workload.outputs})
            commands.append(process.Command(
                [part.replace("{exe}", name) for part in workload.command], limits or process.Limits(),
                workload.stdin, directory, {**os.environ, "LC_ALL": "C"}, contained=True,
            ))  # fmt: skip
        with _marked_as_old([path for paths in written for path in paths.values()]):
            ended = process.run_together(
                commands, core=core, slice_seconds=SLICE_SECONDS if len(commands) > 1 else None
            )
            return [_observation(one, paths) for one, paths in zip(ended, written, strict=True)]


def _observation(ended: process.Ended, paths: Mapping[str, Path]) -> Outcome:
    if not isinstance(ended, process.Completed):
        return ended
    return Observation(
        status=ended.status,
        stdout=ended.stdout,
        outputs={output: _read_new(path) for output, path in paths.items()},
        user_seconds=ended.user_seconds,
        system_seconds=ended.system_seconds,
        wall_seconds=ended.wall_seconds,
        max_rss_bytes=ended.max_rss_bytes,
        stderr=ended.stderr,
        ended_children=ended.ended_children,
    )


def _link(folder: Path, executable: Path, workload: Workload) -> str:
    """Give the executable a name of constant length; return it as the program will see it."""
    link = folder / "program"
    link.symlink_to(executable.resolve())
    if workload.cwd is None:
        Path(folder, "work").mkdir()
        return "../program"
    if not workload.cwd.is_dir():
        raise UsageError(f"{workload.cwd}: working directory of workload {workload.name} not found; create it")
    return str(link.absolute())


def _output_path(directory: Path, output: str) -> Path:
    relative = PurePosixPath(output)
    if relative.is_absolute() or ".." in relative.parts:
        raise UsageError(f"output {output}: give a path inside the working directory")
    return directory / relative


@contextmanager
def _marked_as_old(paths: Sequence[Path]) -> Iterator[None]:
    """Files left by an earlier run get the time 0, so that only what this run writes counts as its output."""
    before = {path: path.stat() for path in paths if path.is_file()}
    try:
        for path in before:
            os.utime(path, ns=(0, 0))
        yield
    finally:
        for path, status in before.items():
            if path.is_file() and path.stat().st_mtime_ns == 0:
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _read_new(path: Path) -> bytes | None:
    """The content, if it is a regular file that was written after the mark."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_mtime_ns != 0 else None
