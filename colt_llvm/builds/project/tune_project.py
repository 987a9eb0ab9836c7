"""``tune --build``: learn the build, find where the time goes, tune there, prove the whole, write recipes.

The user's tree is right at every moment. Candidates are linked in a temporary folder, and the whole program is proved
there. Only then are recipes written and the build run again; where that does not give the very objects that were
proved, the recipes go, and the build is run once more. One ``tune --build`` at a time is at work in a tree: each would
take the other's objects for its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.compile import plain_words
from colt_llvm.builds.profile.profile import Instrumentation, profile_program
from colt_llvm.builds.project.install import install, remove_outdated, unit_recipes
from colt_llvm.builds.project.options import PROFILE_SHARE, ProjectOptions, ProjectRun, enter
from colt_llvm.builds.project.proof import prove, timer_of
from colt_llvm.builds.project.result import Ended, ProjectResult, UnitResult, nothing_to_do
from colt_llvm.builds.project.search import Searcher, shares
from colt_llvm.builds.project.setup import NothingCompiled, Project, not_compiled, selected, set_up
from colt_llvm.builds.project.units import Measured, build_unit, call, same_code, unit_program, without_profile
from colt_llvm.builds.recipes.status import stale
from colt_llvm.builds.whole_program.tune_whole import tune_whole
from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.core.process import Limits
from colt_llvm.evaluate.timer import Timer
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import compile_cores
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.baseline import prepare_baseline

#: The least that a search of one unit is worth starting for: so many runs of the program, or so many seconds.
_LEAST_RUNS, _LEAST_SECONDS_TIMED, _LEAST_SECONDS = 60, 15.0, 6.0
#: What starting one search takes beside running the program twice, roughly.
_PREPARING_SECONDS = 4.0


def tune_project(root: Path, toolchain: Toolchain, options: ProjectOptions, run: ProjectRun) -> ProjectResult:
    """Tune a project, and leave recipes in ``root``, the folder where its build is run.

    Raises UsageError for what cannot be learned from the build, CompileError where it fails, ProgramError for a program
    whose runs cannot be compared, and others of ColtError. The user's tree is then as the build left it.
    """
    began = time.monotonic()
    root = Path(os.path.realpath(root))
    run = replace(run, directory=Path(os.path.abspath(run.directory)))  # clang runs in the units' folders
    enter(run.directory, options)
    with TemporaryDirectory(prefix="colt-") as folder:
        try:
            project = set_up(root, toolchain, options, run, Path(folder))
        except NothingCompiled:
            if not options.stale_only or any(not unit.gone for unit in stale(root, toolchain)):
                raise
            return nothing_to_do(root.name, options, run.directory, time.monotonic() - began)
        deadline = time.monotonic() + options.search_seconds
        timer = timer_of(project)
        try:
            ended = tune_whole(project, timer) if options.whole_program else _tune_units(project, timer, deadline)
            result = _result(project, timer, ended, began)
        finally:
            timer.verifier.close()
    write_json(run.directory / "project-result.json", result.to_dict())
    return result


def _tune_units(project: Project, timer: Timer, deadline: float) -> Ended | None:
    """Search, prove and install; None where no unit is to be tuned. deadline: of the searches."""
    chosen = {unit.output: unit for unit in selected(project)}
    if not chosen:
        return None
    options, run = project.options, project.run
    weights, how = _weights(project, timer)
    least = max(_LEAST_SECONDS_TIMED, _LEAST_RUNS * timer.run_seconds) if options.timed else _LEAST_SECONDS
    by_name = {str(path): weight for path, weight in weights.items() if path in chosen}
    seconds = shares(by_name, max(1.0, deadline - time.monotonic()), least, options.timed)
    planned = {Path(path): share for path, share in seconds.items()}
    covered = sum(weights[path] for path in planned)
    what = "run time" if options.timed else "code"
    run.report(f"{len(planned)} of {len(project.units)} files hold {covered:.0%} of the {what} ({how}); searching")
    preparing = _PREPARING_SECONDS + sum(workload.wall_seconds for workload in timer.verifier.expected)
    results = Searcher(project, weights).search(planned, deadline, preparing)
    if not options.timed:
        as_baseline = _as_baseline(project, results, list(chosen.values()), weights)
        outputs = {result.output for result in as_baseline}
        results = [result for result in results if result.output not in outputs] + as_baseline
    if not run.stop.is_set():
        remove_outdated(project, results)
    if not any(result.outcome == "improved" for result in results):
        return Ended(tuple(results), how)
    proof = prove(project, timer)
    if not proof.improved:
        return Ended(tuple(results), how, proof)
    written, notes = install(project, timer.verifier, unit_recipes(project, results, proof))
    return Ended(tuple(results), how, proof, written, notes)


def _result(project: Project, timer: Timer, ended: Ended | None, began: float) -> ProjectResult:
    options, run, elapsed = project.options, project.run, time.monotonic() - began
    if ended is None:
        notes = () if options.whole_program else tuple(not_compiled(project))
        return nothing_to_do(project.program, options, run.directory, elapsed, notes)
    proof, units = ended.proof, ended.units
    improved = proof is not None and proof.improved and bool(ended.recipes)
    said = [*project.notes, *(proof.notes if proof else ()), *ended.notes]
    if proof is not None and proof.wrong:
        said.append(f"the program with all recipes does something else: {proof.wrong}; they were not written")
    if not improved:
        units = tuple(replace(unit, outcome="not used") if unit.outcome == "improved" else unit for unit in units)
    renewed = {unit.output for unit in units if unit.outcome == "improved"}
    left = {recipe.source for output, (recipe, _) in project.stale.items() if str(output) not in renewed}
    return ProjectResult(
        verdict="improved" if improved else "no improvement found",
        program=project.program,
        objective=options.objective,
        baseline=project.baseline_name,
        ratio=proof.ratio if proof else 1.0,
        interval=proof.interval if proof else None,
        as_built=proof.as_built if proof else None,
        as_built_ratio=proof.as_built_ratio if proof else None,
        figures=proof.figures if proof else {},
        units=units,
        units_of_program=len(project.units),
        profile=ended.profile,
        recipes=tuple(os.path.relpath(path, project.root) for path in ended.recipes),
        run_directory=run.directory,
        elapsed_seconds=elapsed,
        interrupted=run.stop.is_set(),
        stale=tuple(sorted(left)),
        samples=proof.samples if proof else {},
        notes=tuple(said),
        compared=timer.verifier.compared,
    )


def _weights(project: Project, timer: Timer) -> tuple[dict[Path, float], str]:
    """(unit's output -> its share of the run time or of the code, how that was found)."""
    options = project.options
    if not options.timed:
        total = sum(unit.text for unit in project.units) or 1
        return {unit.output: unit.text / total for unit in project.units}, "by code size"
    project.run.report("profiling the program")

    def instrument(flags: Sequence[str]) -> Path:
        objects = {}
        for number, unit in enumerate(project.units):
            place = project.temporary / f"instrumented-{number}.o"
            plain = without_profile(unit.unit)  # clang cannot count and use counts at once
            call(project.toolchain, plain, [*plain_words(plain, options.level, place), *flags])
            objects[unit.output] = place.read_bytes()
        return project.relinker.make(project.temporary / "instrumented", objects, extra=flags)

    profile = profile_program(
        project.baseline,
        {str(unit.output): unit.baseline for unit in project.units},
        next((w for w in project.workloads if w.timed), project.workloads[0]),
        seconds=options.seconds * PROFILE_SHARE,
        instrumentation=Instrumentation(project.toolchain, instrument),
        limits=Limits(max(120.0, timer.verifier.options.timeout_seconds)),
    )
    if profile.note:
        project.notes.append(f"profile: {profile.note}")
    return {Path(name): weight for name, weight in profile.weights.items() if name}, profile.method


def _as_baseline(
    project: Project, results: Sequence[UnitResult], units: Sequence[Measured], weights: Mapping[Path, float]
) -> list[UnitResult]:
    """For size: units that the build makes larger than the baseline get the baseline's own pipeline as their recipe.

    Only those of ``units`` for which nothing better is known. Their objects go to ``project.relinker.objects``.
    """
    if project.as_built is None:
        return []
    done = {result.output for result in results if result.outcome in ("improved", "kept")}
    larger = [
        unit for unit in units
        if str(unit.output) not in done and unit.output not in project.relinker.objects
        and _bytes(unit.baseline) < _bytes(unit.object)
    ]  # fmt: skip
    pipelines: dict[tuple[str, ...], str] = {}

    def build(unit: Measured) -> tuple[str, bytes] | None:
        with TemporaryDirectory(prefix="colt-", dir=project.temporary) as folder:
            return None if project.run.stop.is_set() else _baseline_recipe(project, unit, Path(folder), pipelines)

    found, others = [], []
    with ThreadPoolExecutor(len(compile_cores())) as pool:
        for unit, made in zip(larger, pool.map(build, larger), strict=True):
            if made is None:
                others.append(unit)
                continue
            pipeline, project.relinker.objects[unit.output] = made
            note = f"its own level is -{unit.unit.command.level or 'O0'}; built at -{project.options.level}"
            share = weights.get(unit.output, 0.0)
            found.append(UnitResult(unit.name, share, 0.0, "improved", pipeline=pipeline, note=note,
                                    output=str(unit.output)))  # fmt: skip
    if others and not project.run.stop.is_set():
        _leave_out(project, others)
    return found


def _leave_out(project: Project, units: Sequence[Measured]) -> None:
    """No recipe gives these units the baseline's code, so in the baseline too they are as the build makes them."""
    outputs = {unit.output for unit in units}
    project.units = [unit for unit in project.units if unit.output not in outputs]
    objects = {unit.output: unit.baseline for unit in project.units}
    project.baseline = project.relinker.make(project.temporary / "baseline-without", objects)
    names = ", ".join(unit.name for unit in units)
    project.notes.append(
        f"{names}: no recipe gives what clang -{project.options.level} does; left as the build makes it"
    )


def _baseline_recipe(
    project: Project, unit: Measured, folder: Path, pipelines: dict[tuple[str, ...], str]
) -> tuple[str, bytes] | None:
    """(pipeline, object) where that is the baseline's object. pipelines: those known already, by flags."""
    level, options = project.options.level, project.options
    try:
        program = unit_program(project.toolchain, unit.unit, level, folder, project.workloads, options.check)
        if program.cflags not in pipelines:
            baseline = prepare_baseline(project.toolchain, program, LOADED_SIZE.name)
            pipelines[program.cflags] = baseline.completion.pipeline
        pipeline = pipelines[program.cflags]
        data = build_unit(project.toolchain, unit.unit, level, pipeline, folder)
    except ColtError as error:
        project.notes.append(f"{unit.name}: left as it is ({' '.join(str(error).split())})")
        return None
    return (pipeline, data) if same_code(data, unit.baseline) else None


def _bytes(data: bytes) -> int:
    return section_sizes(data).loaded_bytes


#: struct flock of Linux: type, whence, start, length, pid. Open file description locks: no close elsewhere in the
#: process releases them, and they are apart from flock, by which runs in one folder wait for each other.
_FLOCK = "hhqqi0q"
#: Which byte of a folder is locked: its tree is held, or a tree below it is.
_HELD, _BELOW = 0, 1
#: Two that begin at the same moment see each other; both release and try again after random pauses.
_TRIES, _PAUSE_SECONDS = 4, 0.2


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Lock the tree ``root``. Raises UsageError where it, a folder above or one below is locked.

    The kernel locks the folders themselves: the locks go with the process, however that ends, and leave no file. A file
    system without such locks has none.
    """
    descriptors: list[int] = []
    try:
        for attempt in range(_TRIES):
            taken = _take(Path(os.path.realpath(root)), descriptors)
            if taken is None:
                break
            while descriptors:
                os.close(descriptors.pop())
            if attempt + 1 == _TRIES:
                raise UsageError(f"{taken}: another tune --build is at work there; wait until it has ended")
            time.sleep(_PAUSE_SECONDS * (1 + random.random()))
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _take(place: Path, descriptors: list[int]) -> Path | None:
    """Lock ``place``, and note that in the folders above; the folder that another process has locked, or None."""
    for folder in (place, *place.parents):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            continue
        descriptors.append(descriptor)
        own = folder == place
        with contextlib.suppress(OSError):  # no locks here, as on some network file systems
            # A folder cannot be opened for writing, so all take locks for reading and look for those of others.
            _fcntl(descriptor, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, _HELD if own else _BELOW, 1)
            if _fcntl(descriptor, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, _HELD, 2 if own else 1) != fcntl.F_UNLCK:
                return folder
    return None


def _fcntl(descriptor: int, what: int, kind: int, start: int, length: int) -> int:
    """Call the kernel; the type of lock in its answer."""
    told = fcntl.fcntl(descriptor, what, struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0))
    return int(struct.unpack(_FLOCK, told)[0])
