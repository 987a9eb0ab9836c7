"""Run one workload of one executable, or of some at once, in a place of its own, and keep all that it did.

Every run looks the same to the program: same name, same directory layout, same environment. The length of a
path or of the environment moves the stack, and that alone can change the run time by some percent (Mytkowicz et
al. 2009, "Producing Wrong Data Without Doing Anything Obviously Wrong!"). Runs in turn have the same path too. Runs at
once cannot; where one prints its path, it is compared as if it had been the first.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from colt_llvm.core import process
from colt_llvm.core.errors import ChildStillRuns, OutputLimitExceeded, ProcessTimeout, UsageError
from colt_llvm.core.files import owned_folder
from colt_llvm.measure.folder_state import Changes, FileSeen, Watch, named_outside
from colt_llvm.measure.lines import Place
from colt_llvm.program.program import Workload


@dataclass(frozen=True)
class Observation:
    """What one run did and used."""

    status: int  #: exit status, or minus the number of the signal that ended it
    stdout: bytes  #: all of it
    outputs: Mapping[str, bytes | None]  #: content of each named output file; None where the run did not write it
    user_seconds: float  #: the kernel's; many measure only the sum with system time, and guess the split
    system_seconds: float  #: the kernel's
    wall_seconds: float  #: from start to end
    max_rss_bytes: int  #: greatest resident set; not below that of the small process that started it
    stderr: bytes = b""  #: all of it
    ended_children: tuple[str, ...] = ()  #: names of processes that it left running, which were ended with it
    shows_folder: bool = False  #: it printed the name of the folder that was made for it
    files: Mapping[str, FileSeen] = field(default_factory=dict)  #: by name: others that it made, changed or removed
    writes_shared: bool = False  #: it wrote where other runs do, or not all of that could be looked at
    not_compared: tuple[str, ...] = ()  #: what the bounds on files leave out, a line each
    #: Of a baseline: what differs between its own runs (see ``difference``).
    varying: Mapping[str, frozenset[Place]] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """User and system time together: the figure to compare, where the program has one thread."""
        return self.user_seconds + self.system_seconds


#: Of runs at once on one core: shorter ones see more of the same host, but empty the cache more often
#: (docs/decisions/0018-time-at-once-on-one-core.md).
SLICE_SECONDS = 0.008
#: Of the folder of a run, with its number.
_NAME = "run-{:03}"

#: What one run did, or which limit it reached.
Outcome = Observation | ProcessTimeout | OutputLimitExceeded | ChildStillRuns


def run_workload(
    executable: Path,
    workload: Workload,
    *,
    limits: process.Limits | None = None,
    core: int | None = None,
    scratch: Path | None = None,
    number: int = 0,
) -> Observation:
    """Run ``workload`` with ``executable`` and return what it did; a crash is an observation too.

    scratch: where the run's temporary folder is made (among the system's own when None); it is removed afterwards.
    number: the folder's own, or the next that is free.

    Raises UsageError for a workload that cannot be set up, and what ``process.run`` raises:
    CommandNotFound, ProcessTimeout, OutputLimitExceeded, ChildStillRuns.
    """
    (outcome,) = run_side_by_side([executable], workload, limits=limits, core=core, scratch=scratch, number=number)
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
    number: int = 0,
) -> list[Outcome]:
    """Run ``workload`` with all ``executables`` at once; what each did, in their order.

    limits: of each. core: all share it, in turns of SLICE_SECONDS. scratch, number: as of ``run_workload``.

    Raises UsageError for a workload that cannot be set up, and CommandNotFound.
    """
    if workload.stdin is not None and not workload.stdin.is_file():
        raise UsageError(f"{workload.stdin}: input of workload {workload.name} not found; give an existing file")
    with ExitStack() as stack:
        commands, folders = [], []
        for executable in executables:
            folder = stack.enter_context(_own_folder(scratch or _scratch_of(os.getpid()), number))
            name = _link(folder, executable, workload)
            folders.append(folder)
            commands.append(process.Command(
                [part.replace("{exe}", name) for part in workload.command], limits or process.Limits(),
                workload.stdin, _directory(workload, folder), {**os.environ, "LC_ALL": "C"}, contained=True,
            ))  # fmt: skip
        stack.enter_context(_alone_in(workload.cwd))
        watches = _watches(workload, folders)
        ended = process.run_together(commands, core=core, slice_seconds=SLICE_SECONDS if len(commands) > 1 else None)
        changed = {watch: watch.changes() for watch in dict.fromkeys(watches)}
        return [
            _observation(one, workload, folder, changed[watch])
            for one, folder, watch in zip(ended, folders, watches, strict=True)
        ]


@contextmanager
def _own_folder(scratch: Path, number: int) -> Iterator[Path]:
    """A new one, with the first number that is free."""
    while True:
        folder = scratch / _NAME.format(number)
        try:
            folder.mkdir(mode=0o700, parents=True)
            break
        except FileExistsError:
            number += 1
    try:
        yield folder
    finally:
        for path, names, _ in os.walk(folder):
            for name in names:
                inner = os.path.join(path, name)
                with suppress(OSError):  # the program may have locked it
                    if not os.path.islink(inner):
                        os.chmod(inner, 0o700)
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _scratch_of(pid: int) -> Path:
    folder = owned_folder("runs")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _as_first(data: bytes, folder: Path) -> bytes:
    """What it would have written in the first folder. Both names are equally long."""
    return data.replace(os.fsencode(folder), os.fsencode(folder.with_name(_NAME.format(0))))


def _directory(workload: Workload, folder: Path) -> Path:
    return workload.cwd if workload.cwd is not None else folder / "work"


def _watches(workload: Workload, folders: Sequence[Path]) -> list[Watch]:
    """Of each run what it may write; of runs in the same folder it is the same one."""

    def watch(folder: Path) -> Watch:
        directory = _directory(workload, folder)
        named = [_output_path(directory, output) for output in workload.outputs]
        outside = named_outside(workload.command, directory)
        shared = workload.cwd is not None or bool(outside)
        return Watch(directory, [workload.cwd or folder, *named, *outside], [folder / "program"], steady=shared)

    if workload.cwd is None:
        return [watch(folder) for folder in folders]
    return [watch(folders[0])] * len(folders)


@contextmanager
def _alone_in(folder: Path | None) -> Iterator[None]:
    """Runs in a folder of the user's wait for each other, whichever process of ours makes them: else one would find
    the files of another.
    """
    if folder is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _observation(ended: process.Ended, workload: Workload, folder: Path, changes: Changes) -> Outcome:
    if not isinstance(ended, process.Completed):
        return ended
    directory = _directory(workload, folder)
    named = {os.path.normpath(output): output for output in workload.outputs}
    outputs = dict.fromkeys(workload.outputs)
    for name in named.keys() & changes.files.keys():
        if changes.files[name].kind == "file":
            outputs[named[name]] = _as_first((directory / name).read_bytes(), folder)
    return Observation(
        status=ended.status,
        stdout=_as_first(ended.stdout, folder),
        outputs=outputs,
        user_seconds=ended.user_seconds,
        system_seconds=ended.system_seconds,
        wall_seconds=ended.wall_seconds,
        max_rss_bytes=ended.max_rss_bytes,
        stderr=_as_first(ended.stderr, folder),
        ended_children=ended.ended_children,
        shows_folder=os.fsencode(folder) in ended.stdout + ended.stderr,
        files={name: seen for name, seen in changes.files.items() if name not in named},
        writes_shared=changes.touched if workload.cwd is not None else any(map(os.path.isabs, changes.files)),
        not_compared=changes.not_compared,
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
