"""Which units a program's time goes to: by perf's clock, else by instrumentation, else by their size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.profile.owners import Owners
from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, ToolchainError
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.runner import run_workload
from colt_llvm.measure.samples import WANTED_SAMPLES, CannotProfile, sample_program
from colt_llvm.program.program import Workload

PERF, INSTRUMENTATION, NONE = "perf, software clock", "clang's instrumentation", "none"
#: Below this many samples a share of 10% is uncertain by a third.
_FEW_SAMPLES = 100


#: How many functions a profile names.
HOTTEST = 20


@dataclass(frozen=True)
class Profile:
    """Where a program's time goes."""

    method: str  # "perf, software clock", "clang's instrumentation", or "none"
    #: Each unit's share of all that was seen, 0 to 1, together 1. Under "" what belongs to no unit: libraries, start-up
    #: code, other programs that the workload starts. Instrumentation sees units only.
    weights: Mapping[str, float]
    samples: int = 0  # of the clock; 0 with another method
    functions: tuple[tuple[str, str, float], ...] = ()  # (function or "" without a symbol, unit, share), hottest first
    note: str = ""  # what the reader must know: why another method was not used, or that samples are few


def profile_of(
    method: str,
    seen: Iterable[tuple[str, Mapping[str, float], float]],
    units: Iterable[str],
    *,
    samples: int = 0,
    note: str = "",
) -> Profile:
    """The profile of what was seen.

    seen: (function, unit -> share of its weight, weight); what is not shared goes to "". units: all, so that those of
    which nothing was seen have 0. Raises CannotProfile where the weights are 0 together.
    """
    shares = dict.fromkeys((*units, ""), 0.0)
    functions: dict[tuple[str, str], float] = {}
    total = 0.0
    for function, owners, weight in seen:
        total += weight
        shares[""] += weight * max(0.0, 1 - sum(owners.values()))
        for unit, part in owners.items():
            shares[unit] += weight * part
            functions[function, unit] = functions.get((function, unit), 0.0) + weight * part
    if not total:
        raise CannotProfile("the run was too short to see any work; give a workload that computes longer")
    hottest = sorted(functions.items(), key=lambda item: (-item[1], item[0]))[:HOTTEST]
    return Profile(
        method=method,
        weights={unit: weight / total for unit, weight in shares.items()},
        samples=samples,
        functions=tuple((function, unit, weight / total) for (function, unit), weight in hottest),
        note=note,
    )


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


#: What the whole program is compiled and linked with. IR is instrumented, not the source: small functions are inlined
#: first, so C++ templates count where they are used, code from system headers counts too, and static functions carry
#: their path.
INSTRUMENTATION_FLAGS = ("-fprofile-generate",)

_FUNCTION = re.compile(r"  (\S.*):")
_COUNT = re.compile(r"    (?:Function count: |Block counts: \[)([\d, ]*)\]?")


def check_instrumentation(toolchain: Toolchain) -> Path:
    """Build a program of one line, so that a missing runtime shows before the user's project is built.

    Returns llvm-profdata. Raises CannotProfile.
    """
    try:
        profdata = toolchain.profdata()
    except ToolchainError as error:
        raise CannotProfile(str(error)) from None
    with TemporaryDirectory(prefix="colt-counts-") as folder:
        command = (str(toolchain.clang), *INSTRUMENTATION_FLAGS, "-x", "c", "-", "-o", f"{folder}/probe")
        if process.run(command, stdin=b"int main(void) { return 0; }\n").status != 0:
            raise CannotProfile(
                f"clang {toolchain.major} cannot instrument: its runtime is missing; "
                f"install it (Debian, Ubuntu: libclang-rt-{toolchain.major}-dev)"
            )
    return profdata


def count_program(
    profdata: Path, executable: Path, workload: Workload, *, limits: process.Limits | None = None
) -> Mapping[tuple[str, str], int]:
    """Run an instrumented program once: (function, path of a static one's source or "") -> sum of its block counts.

    Raises CannotProfile, and what ``run_workload`` raises.
    """
    with TemporaryDirectory(prefix="colt-counts-") as folder:
        command = ("env", f"LLVM_PROFILE_FILE={folder}/%p-%m.profraw", *workload.command)
        run_workload(executable, replace(workload, command=command), limits=limits)
        raw = sorted(Path(folder).glob("*.profraw"))
        if not raw:
            raise CannotProfile("the instrumented program wrote no counts; let it end by itself, with exit or main")
        merged = Path(folder, "merged.profdata")
        _call(profdata, "merge", *map(str, raw), "-o", str(merged))
        return read_counts(_call(profdata, "show", "--all-functions", "--counts", str(merged)))


def read_counts(text: str) -> dict[tuple[str, str], int]:
    """The counts in what ``llvm-profdata show --all-functions --counts`` prints; see ``count_program``."""
    counts: dict[tuple[str, str], int] = {}
    for name, numbers in _entries(text.splitlines()):
        # file:name up to LLVM 16, file;name after it.
        path, _, function = name.replace(";", ":").rpartition(":")
        key = (function, path)
        counts[key] = counts.get(key, 0) + numbers
    return counts


def _entries(lines: list[str]) -> Iterator[tuple[str, int]]:
    name, total = "", 0
    for line in lines:
        if found := _FUNCTION.fullmatch(line):
            if name:
                yield name, total
            name, total = found[1], 0
        elif found := _COUNT.fullmatch(line):
            total += sum(int(number) for number in found[1].split(",") if number.strip())
    if name:
        yield name, total


def _call(*command: str | Path) -> str:
    done = process.run(command)
    if done.status != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotProfile(
            f"{Path(command[0]).name}: {lines[0] if lines else done.describe_status()}; install LLVM again"
        )
    return done.stdout.decode("utf-8", "replace")
