"""For size: units that the build makes larger than the mark does get the mark's own pipeline as their recipe."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.project.units import Measured, build_unit, same_code, unit_program
from colt_llvm.core.errors import ColtError
from colt_llvm.measure import compile_cores, section_sizes
from colt_llvm.program.baseline import prepare_baseline


def at_level(
    project: Project, results: Sequence[UnitResult], units: Sequence[Measured], scratch: Path,
    weights: Mapping[Path, float], stop: threading.Event,
) -> list[UnitResult]:  # fmt: skip
    """Results for those of ``units`` for which nothing better is known. ``project.relinker.objects`` grows."""
    if project.as_built is None:
        return []
    done = {result.output for result in results if result.outcome in ("improved", "kept")}
    larger = [
        unit for unit in units
        if str(unit.unit.output) not in done and unit.unit.output not in project.relinker.objects
        and _bytes(unit.mark) < _bytes(unit.object)
    ]  # fmt: skip
    pipelines: dict[tuple[str, ...], str] = {}

    def build(unit: Measured) -> tuple[str, bytes] | None:
        with TemporaryDirectory(prefix="colt-", dir=scratch) as folder:
            return None if stop.is_set() else _at_level(project, unit, Path(folder), pipelines)

    found, alike = [], []
    with ThreadPoolExecutor(len(compile_cores())) as pool:
        for unit, made in zip(larger, pool.map(build, larger), strict=True):
            if made is None:
                alike.append(unit)
                continue
            pipeline, data = made
            project.relinker.objects[unit.unit.output] = data
            note = f"its own level is -{unit.unit.command.level or 'O0'}; built at -{project.options.level}"
            share = weights.get(unit.unit.output, 0.0)
            found.append(UnitResult(unit.name, share, 0.0, "improved", pipeline=pipeline, note=note,
                                    output=str(unit.unit.output)))  # fmt: skip
    if alike and not stop.is_set():
        _leave_out(project, alike, scratch)
    return found


def _leave_out(project: Project, units: Sequence[Measured], scratch: Path) -> None:
    """No recipe gives these the mark's code, so they are the build's own in the mark too."""
    outputs = {unit.unit.output for unit in units}
    project.units = [unit for unit in project.units if unit.unit.output not in outputs]
    project.mark = project.relinker.make(
        scratch / "mark-without", {unit.unit.output: unit.mark for unit in project.units}
    )
    names = ", ".join(unit.name for unit in units)
    project.notes.append(
        f"{names}: no recipe gives what clang -{project.options.level} does; left as the build makes it"
    )


def _at_level(
    project: Project, unit: Measured, folder: Path, pipelines: dict[tuple[str, ...], str]
) -> tuple[str, bytes] | None:
    """(pipeline, object) where that is the mark's object. pipelines: by flags, as far as they are known."""
    level, options = project.options.level, project.options
    try:
        program = unit_program(project.toolchain, unit.unit, level, folder, project.workloads, options.check)
        if program.cflags not in pipelines:
            pipelines[program.cflags] = prepare_baseline(project.toolchain, program, "size").completion.pipeline
        pipeline = pipelines[program.cflags]
        data = build_unit(project.toolchain, unit.unit, level, pipeline, folder)
    except ColtError as error:
        project.notes.append(f"{unit.name}: left as it is ({' '.join(str(error).split())})")
        return None
    return (pipeline, data) if same_code(data, unit.mark) else None


def _bytes(data: bytes) -> int:
    return section_sizes(data).loaded_bytes
