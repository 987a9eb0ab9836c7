"""Which units are worth the time, and the search of each, with the whole program linked and run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.compile import Unit, plain_words, quiet
from colt_llvm.builds.project.relink import Relinker
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.project.units import Measured, build_unit, call, unit_program
from colt_llvm.core.errors import ColtError, NotRepeatable, UsageError
from colt_llvm.evaluate.target import Linker
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.intervals import Interval
from colt_llvm.program.profile import KEPT
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import load_recipe, profile_digest, source_digest
from colt_llvm.run.asking import Hooks
from colt_llvm.run.journal import read_header
from colt_llvm.run.progress import TuneResult
from colt_llvm.run.sanitizers import SanitizedBuild
from colt_llvm.run.tuner import resume, tune

#: A unit with less of the time is cold: making it twice as fast would not show.
_LEAST_SHARE = 0.02
_COVERED = 0.95


@dataclass
class Searcher:
    """Tunes units of a project, and adds the objects of those that improve to ``project.relinker.objects``."""

    project: Project
    weights: Mapping[Path, float]  # unit's output -> share of the run time or the code
    _diagnosed: bool = False  # a miscompile was looked into

    def search(self, planned: Mapping[Path, float], deadline: float, preparing: float = 0.0) -> list[UnitResult]:
        """Tune the planned units. Raises NotRepeatable.

        planned: unit's output -> seconds; what a unit does not use goes to those after it. deadline: of
        ``time.monotonic``. preparing: seconds that each search takes beside its own time.
        """
        units, stop = {unit.output: unit for unit in self.project.units}, self.project.run.stop
        waiting = list(planned)
        options = self.project.options
        if options.timed or options.jobs == 1:
            results = []
            while waiting and not stop.is_set():
                left = max(0.0, deadline - time.monotonic())
                seconds = left * planned[waiting[0]] / sum(planned[path] for path in waiting)
                results.append(self._unit(units[waiting.pop(0)], max(seconds - preparing, 1.0)))
            return results

        def unless_stopped(path: Path) -> UnitResult | None:
            seconds = planned[path] * options.jobs - preparing
            return None if stop.is_set() else self._unit(units[path], max(seconds, 1.0))

        with ThreadPoolExecutor(options.jobs) as pool:
            return [result for result in pool.map(unless_stopped, waiting) if result is not None]

    def _unit(self, unit: Measured, seconds: float) -> UnitResult:
        path, share, began = unit.output, self.weights.get(unit.output, 0.0), time.monotonic()

        def result(outcome: str, **changes: object) -> UnitResult:
            seconds = time.monotonic() - began
            return UnitResult(unit.name, share, seconds, outcome, output=str(path), **changes)  # type: ignore[arg-type]

        earlier = self.project.relinker.objects.pop(path, None)
        try:
            made = self._tune(unit, seconds)
            data = self._object(unit, made)
        except NotRepeatable:
            raise  # of the whole program, so of no use to other units either
        except ColtError as error:
            if earlier is not None:
                self.project.relinker.objects[path] = earlier
            return result("failed", note=" ".join(str(error).split()))
        if data is not None and (earlier is None or self._better(path, earlier, data, made)):
            self.project.relinker.objects[path] = data
            interval = made.interval
            return result(
                "improved", ratio=made.ratio, sequence=made.sequence, pipeline=made.pipeline,
                low=interval.low if interval else None, high=interval.high if interval else None,
                miscompile=made.miscompile,
            )  # fmt: skip
        if earlier is not None:
            self.project.relinker.objects[path] = earlier
            return result("kept", note="its earlier recipe stays", miscompile=made.miscompile)
        return result("no improvement found", ratio=made.ratio, miscompile=made.miscompile)

    def _better(self, path: Path, earlier: bytes, data: bytes, made: TuneResult) -> bool:
        """Whether it is better than what the unit's earlier recipe gives: smaller, or its ratio was higher then."""
        if not self.project.options.timed:
            return section_sizes(data).loaded_bytes < section_sizes(earlier).loaded_bytes
        before = self.project.earlier[path].evidence.get("ratio")
        return not isinstance(before, int | float) or made.ratio > before

    def _tune(self, unit: Measured, seconds: float) -> TuneResult:
        options, project = self.project.options, self.project
        folder = project.run.directory / "units" / unit.folder_name
        program = unit_program(
            project.toolchain, unit.unit, options.level, folder, project.workloads, options.check
        )  # fmt: skip
        path = unit.output

        def link(objects: Sequence[bytes], place: Path) -> Path:
            return project.relinker.make(place, {path: objects[0]})

        title = f"{unit.name} ({self.weights.get(path, 0.0):.0%}, {seconds:.0f} s)"
        sanitized = sanitized_build(project.toolchain, unit.unit, project.relinker)
        return self.search_program(program, folder, link, seconds, title, sanitized)

    def search_program(
        self, program: Program, folder: Path, link: Linker, seconds: float, title: str,
        sanitized: SanitizedBuild | None = None,
    ) -> TuneResult:  # fmt: skip
        """One search, in the run directory ``folder``; one that was begun there for the same source goes on.

        link: of the whole program. sanitized: builds it with sanitizers. Only the project's first miscompile is looked
        into: that takes time beside the budget. Raises ColtError.
        """
        hooks = Hooks(sanitized=sanitized, diagnoses=not self._diagnosed)
        made = self._search(program, folder, link, seconds, title, hooks)
        if made.diagnosis and not self._diagnosed:
            self._diagnosed = True
            self.project.notes.append(f"{program.name}: {made.diagnosis.get('line', '')}")
        return made

    def _search(
        self, program: Program, folder: Path, link: Linker, seconds: float, title: str, hooks: Hooks
    ) -> TuneResult:
        project = self.project
        trials = project.options.tune.get("trials")
        same_profile = _kept_profile(folder) == profile_digest(program)
        if same_profile and (finished := finished_search(folder, program, project.toolchain, trials)) is not None:
            return finished
        run = project.run
        with run.view(title) as progress:
            if (folder / "run.json").exists():
                with contextlib.suppress(UsageError):  # the source has changed: a new search
                    if same_profile:
                        return resume(folder, project.toolchain, trials=trials, seconds=seconds,
                                      on_progress=progress, stop=run.stop, linker=link, hooks=hooks)  # fmt: skip
                folder = _free(folder)
            return tune(program, project.toolchain, project.options.unit_options(seconds), models=run.models,
                        run_directory=folder, on_progress=progress, stop=run.stop, linker=link,
                        hooks=hooks)  # fmt: skip

    def _object(self, unit: Measured, made: TuneResult) -> bytes | None:
        """The object that the found pipeline gives from the source; None where none was found, or it is another."""
        level, pipeline = self.project.options.level, made.pipeline
        if not made.improved or made.recipe is None:
            return None
        with TemporaryDirectory(prefix="colt-") as folder:
            data = build_unit(self.project.toolchain, unit.unit, level, pipeline, Path(folder))
        if loaded_digest(data) != load_recipe(made.recipe).objects[0]:
            self.project.notes.append(f"{unit.name}: its source gives another object than its bitcode; left as it is")
            return None
        return data


def _kept_profile(folder: Path) -> str:
    """The digest of the profile that the search in this run directory began with; empty without one."""
    return source_digest(folder / KEPT) if (folder / KEPT).is_file() else ""


def _free(folder: Path) -> Path:
    """A folder of a similar name without a run in it."""
    number = 2
    while (folder.with_name(f"{folder.name}-{number}") / "run.json").exists():
        number += 1
    return folder.with_name(f"{folder.name}-{number}")


def shares(weights: Mapping[str, float], seconds: float, least_seconds: float, timed: bool) -> dict[str, float]:
    """Which units are searched, and for how many seconds each: unit -> seconds, the heaviest first.

    weights: unit -> share of the run time or of the code. seconds: of all searches. least_seconds: of one; as many
    units are taken as that allows. timed: units of less than 2% of the time are left out, and those beyond 95% of it.
    """
    total = sum(weights.values())
    if total <= 0 or seconds <= 0:
        return {}
    chosen: dict[str, float] = {}
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        if weights[name] <= 0 or (timed and weights[name] < _LEAST_SHARE):
            break
        if timed and chosen and sum(chosen.values()) >= _COVERED * total:
            break
        if len(chosen) + 1 > max(1, int(seconds / least_seconds)):
            break
        chosen[name] = weights[name]
    # Each gets the least it needs, the rest goes by weight.
    rest = max(0.0, seconds - least_seconds * len(chosen))
    covered = sum(chosen.values())
    least = min(least_seconds, seconds / max(1, len(chosen)))
    return {name: least + rest * weight / covered for name, weight in chosen.items()}


def sanitized_build(toolchain: Toolchain, unit: Unit, relinker: Relinker) -> SanitizedBuild:
    """Builds the program with this unit instrumented, for the diagnosis of a miscompile.

    What other units do is seen only where this one passes memory to them. The result raises CompileError.
    """

    def build(flags: Sequence[str], words: Sequence[str], place: Path) -> Path:
        with TemporaryDirectory(prefix="colt-") as folder:
            made = Path(folder) / "unit.o"
            call(toolchain, unit, [*plain_words(quiet(unit), "O0", made), *flags])
            return relinker.make(place, {unit.output: made.read_bytes()}, words)

    return build


def finished_search(folder: Path, program: Program, toolchain: Toolchain, trials: int | None) -> TuneResult | None:
    """The result in the run directory ``folder`` of a finished search for the same source, LLVM and trials; or None."""
    try:
        header = read_header(folder)
        data = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        same = {str(source): source_digest(source) for source in program.sources} == header["sources"]
        if data["interrupted"] or not same or header["llvm"] != toolchain.version:
            return None
        if header["options"]["trials"] != trials:
            return None
        recipe = folder / "recipe.json" if data["recipe"] else None
        interval = Interval(**data["interval"]) if data["interval"] else None
        return TuneResult(
            verdict=data["verdict"], program=data["program"], objective=data["objective"], baseline=data["baseline"],
            ratio=data["ratio"], interval=interval, sequence=tuple(data["sequence"]), pipeline=data["pipeline"],
            figures=data["figures"], found_at_trial=data["found_at_trial"], found_at_seconds=data["found_at_seconds"],
            trials=data["trials"], distinct=data["distinct"], elapsed_seconds=data["elapsed_seconds"],
            failures=data["failures"], run_directory=folder, recipe=recipe, output=None,
            compared=Compared.from_dict(data.get("compared") or {}), miscompile=data.get("miscompile"),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None
