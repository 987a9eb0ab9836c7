"""Which units a program's time goes to: by perf's clock, else by instrumentation, else by their size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from colt_llvm.builds.profile.counts import INSTRUMENTATION_FLAGS, check_instrumentation, count_program
from colt_llvm.builds.profile.owners import Owners
from colt_llvm.builds.profile.perf import WANTED_SAMPLES, sample_program
from colt_llvm.builds.profile.result import CannotProfile, Profile, profile_of
from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.program import Workload

PERF, INSTRUMENTATION, NONE = "perf, software clock", "clang's instrumentation", "none"
#: Below this many samples a share of 10% is uncertain by a third.
_FEW_SAMPLES = 100


@dataclass(frozen=True)
class Instrumentation:
    """How the program is built with instrumentation."""

    toolchain: Toolchain
    #: Builds the whole program with further flags, for the compiler and the linker, and returns it. Raises ColtError.
    build: Callable[[tuple[str, ...]], Path]


def profile_program(
    executable: Path,
    objects: Mapping[str, bytes],
    workload: Workload,
    *,
    seconds: float = 20.0,
    instrumentation: Instrumentation | None = None,
    limits: process.Limits | None = None,
) -> Profile:
    """Where the time of one workload goes, by the first method that works here: perf, instrumentation, code size.

    objects: unit name -> its object, the very one that the executable was linked from. Names that end as the
        sources' paths do help to tell apart static functions of equal names.
    seconds: for the runs under perf, one at least.
    instrumentation: used only where perf cannot be; None where the program cannot be built so.
    limits: of each single run; ``wall_seconds`` must do for one run of the plain program.

    Raises ObjectFormatError for a damaged object, and ProcessTimeout and the like when the plain run goes over its
    limits. That a method is not available is no error: the profile's method and note say so.
    """
    owners = Owners(executable.read_bytes(), objects)
    reasons = []
    for method in (
        lambda: by_clock(owners, executable, objects, workload, seconds=seconds, limits=limits),
        lambda: by_counts(owners, objects, workload, instrumentation, limits=limits),
    ):
        try:
            found = method()
        except CannotProfile as error:
            reasons.append(str(error))
            continue
        return replace(found, note=_join(*reasons, found.note))
    return by_size(objects, _join(*reasons))


def by_clock(
    owners: Owners, executable: Path, objects: Mapping[str, bytes], workload: Workload, *, seconds: float,
    limits: process.Limits | None = None,
) -> Profile:  # fmt: skip
    """The profile by samples of perf; arguments as ``profile_program``. Raises CannotProfile."""
    if not owners.known:
        raise CannotProfile("the program has no symbols of its units; link it without -s and do not strip it")
    samples = sample_program(executable, workload, seconds=seconds, wanted=WANTED_SAMPLES, limits=limits)
    spans = [(owners.at(address), count) for address, count in samples.addresses.items()]
    seen = [(span.function, span.units, float(count)) for span, count in spans]
    few = f"only {samples.total} samples: the shares are rough" if samples.total < _FEW_SAMPLES else ""
    return profile_of(PERF, [*seen, ("", {}, samples.elsewhere)], objects, samples=samples.total, note=few)


def by_counts(
    owners: Owners, objects: Mapping[str, bytes], workload: Workload, instrumentation: Instrumentation | None, *,
    limits: process.Limits | None = None,
) -> Profile:  # fmt: skip
    """The profile by counts of basic blocks that ran, each counting alike whatever is in it. Raises CannotProfile."""
    if instrumentation is None:
        raise CannotProfile("the program cannot be built with instrumentation here")
    profdata = check_instrumentation(instrumentation.toolchain)
    try:
        program = instrumentation.build(INSTRUMENTATION_FLAGS)
        counts = count_program(profdata, program, workload, limits=limits)
    except CannotProfile:
        raise
    except ColtError as error:
        raise CannotProfile(f"the instrumented program does not work: {error}") from error
    seen = [(function, owners.named(function, path), float(count)) for (function, path), count in counts.items()]
    return profile_of(INSTRUMENTATION, seen, objects)


def by_size(objects: Mapping[str, bytes], why: str = "") -> Profile:
    """The shares of code size where nothing could be measured; the note says that, and ``why``."""
    sizes = {unit: section_sizes(content).text_bytes for unit, content in objects.items()}
    total = sum(sizes.values())
    shares = {unit: size / total if total else 0.0 for unit, size in sizes.items()}
    note = _join(why, "not measured: the shares are of code size")
    return Profile(NONE, {**shares, "": 0.0 if total else 1.0}, note=note)


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
