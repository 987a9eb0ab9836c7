"""clang's own profile-guided build, as a peer of a tuned one: what does a compiler gain that was shown the run?

``clang -O3 -fprofile-instr-generate``, the program's own workloads, ``llvm-profdata merge``, ``clang -O3
-fprofile-instr-use``. It is held against plain ``clang -O3`` as a recipe is: checked on every workload, timed in
random rounds with the baseline and a second copy of it. It is trained on the very inputs that it is timed on, as a
tuned program is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.core import process
from colt_llvm.core.errors import CompileError, OutputLimitExceeded, ProcessTimeout, ToolchainError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.measure.runner import run_workload
from colt_llvm.objectives.base import RUN_TIME, SIZE
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.program.compilation import Level, baseline_command, baseline_objects, link
from colt_llvm.program.program import IR_SUFFIXES, Program

LEVEL: Level = "O3"
_INSTRUMENT = "-fprofile-instr-generate"
#: Code that no workload reached has no counts, which is no fault of the user's.
_QUIET = ("-Wno-profile-instr-unprofiled", "-Wno-profile-instr-missing")
#: Instrumented code is slower, by 2 to 10 times where it branches much.
_SLOWER = 20.0


@dataclass(frozen=True)
class PgoResult:
    """What the profile-guided build gained."""

    ratio: float  #: baseline time / its time; 1.0 where it could not be timed
    interval: Interval | None  #: of ratio
    verdict: Verdict
    figures: dict[str, tuple[float, float]]  #: name -> (baseline, profile-guided): CPU seconds, bytes
    checked: bool  #: whether it passed all workloads
    detail: str = ""  #: why not, or why no gain is reported
    evidence: dict[str, Any] = field(default_factory=dict)  #: raw times in seconds

    @property
    def gain(self) -> float:
        """ln(ratio) where it is proved, else 0.0."""
        return math.log(self.ratio) if self.verdict is Verdict.IMPROVED else 0.0


def run_clang_pgo(program: Program, toolchain: Toolchain, seed: int, seconds: float | None, folder: Path) -> PgoResult:
    """Train, build, check, time.

    seconds: the budget that a search would have; the proof takes the share of it that a search's proof takes.
    folder: for the profile and the result (``clang-pgo.json``); made when missing.

    Raises UsageError for sources that are LLVM IR, ToolchainError without llvm-profdata or clang's profile runtime,
    CompileError and ProgramError for the program.
    """
    for source in program.sources:
        if source.suffix in IR_SUFFIXES:
            raise UsageError(f"{source.name}: clang's profile counts need C or C++; leave clang-pgo out for LLVM IR")
    profdata = toolchain.profdata()
    folder.mkdir(parents=True, exist_ok=True)
    options = TuneOptions(objective=RUNTIME.name, seconds=seconds, seed=seed)
    plain = baseline_objects(toolchain, program, LEVEL)
    timer = Timer.of(program, options, plain, linker_of(toolchain, program), measuring_core())
    try:
        profile = _train(toolchain, program, profdata, timer, folder)
        guided = [_compile(toolchain, program, source, [f"-fprofile-instr-use={profile}", *_QUIET])
                  for source in program.sources]  # fmt: skip
        result = _proved(timer, plain, guided, options)
    finally:
        timer.close()
    write_json(folder / "clang-pgo.json", {"seed": seed, **asdict(result), "verdict": result.verdict.value})
    return result


def _train(toolchain: Toolchain, program: Program, profdata: Path, timer: Timer, folder: Path) -> Path:
    """Run every workload with counters, and merge what they wrote. Returns the profile."""
    with TemporaryDirectory(prefix="colt-pgo-") as scratch:
        # The place is compiled in, so that the program's environment is the same as ever. One file for each process.
        raw = Path(scratch, "raw")
        flags = [f"{_INSTRUMENT}={raw}/%p-%m.profraw"]
        objects = [_compile(toolchain, program, source, flags) for source in program.sources]
        with_runtime = replace(program, ldflags=(*program.ldflags, _INSTRUMENT))
        try:
            executable = link(toolchain, with_runtime, objects, Path(scratch, "counting"), LEVEL)
        except CompileError as error:
            raise _missing_runtime(toolchain, error) from error
        for workload, expected in zip(program.workloads, timer.expected, strict=True):
            limits = process.Limits(max(10.0, _SLOWER * expected.wall_seconds), timer.options.memory_bytes)
            try:
                run_workload(executable, workload, limits=limits, core=timer.core)
            except (ProcessTimeout, OutputLimitExceeded) as error:
                raise CompileError(
                    f"clang-pgo: workload {workload.name} does not end with counters ({error}); give it less work"
                ) from error
        counts = sorted(raw.glob("*.profraw"))
        if not counts:
            raise CompileError("clang-pgo: the program wrote no counts; see that it ends by itself and by exit")
        profile = folder / "clang-pgo.profdata"
        done = process.run([profdata, "merge", *counts, "-o", profile])
        if done.status != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ToolchainError(f"{profdata.name}: {said[0] if said else done.describe_status()}; check LLVM")
        return profile


def _missing_runtime(toolchain: Toolchain, error: CompileError) -> CompileError | ToolchainError:
    if "libclang_rt.profile" not in error.diagnostics and "__llvm_profile" not in error.diagnostics:
        return error
    return ToolchainError(
        f"clang {toolchain.version} has no runtime for profiles; install it "
        f"(Debian, Ubuntu: apt-get install libclang-rt-{toolchain.major}-dev)"
    )


def _compile(toolchain: Toolchain, program: Program, source: Path, flags: Sequence[str]) -> bytes:
    with TemporaryDirectory(prefix="colt-pgo-") as scratch:
        place = Path(scratch, "out.o")
        command = [*baseline_command(toolchain, program, source, LEVEL), *flags, "-o", str(place)]
        done = process.run(command)
        if done.status != 0 or not place.is_file():
            flag = flags[0].partition("=")[0]
            raise CompileError(
                f"clang-pgo: {source.name} does not compile with {flag} ({done.describe_status()})",
                done.stderr.decode("utf-8", "replace").rstrip(),
            )
        return place.read_bytes()


def _proved(timer: Timer, plain: Sequence[bytes], guided: Sequence[bytes], options: TuneOptions) -> PgoResult:
    sizes = tuple(float(sum(section_sizes(data).loaded_bytes for data in objects)) for objects in (plain, guided))
    figures = {SIZE: (sizes[0], sizes[1])}
    try:
        executable = timer.link(guided, "guided")
        timer.check(executable, thorough=True, core=timer.core)
        control = timer.link(plain, "control")
        policy = ABTestPolicy(seconds=options.proof_seconds).with_room(1, timer.run_seconds)
        held = ab_test({"0": executable}, (timer.baseline, control), timer.time_together, policy, seed=options.seed)
    except Miscompiled as error:
        return PgoResult(1.0, None, Verdict.NO_IMPROVEMENT, figures, False, str(error))
    arm = held.arms[0]
    noisy = held.control.verdict is Verdict.IMPROVED
    middle = sorted(held.baseline_seconds)[len(held.baseline_seconds) // 2]
    return PgoResult(
        arm.interval.ratio,
        arm.interval,
        Verdict.TOO_NOISY if noisy else arm.verdict,
        {**figures, RUN_TIME: (middle, middle / arm.interval.ratio)},
        True,
        "A/A check failed: this host is too noisy now to report a gain" if noisy else "",
        {
            "host_noise": held.noise.ratio,
            "baseline_seconds": list(held.baseline_seconds),
            "control_seconds": list(held.control.seconds),
            "guided_seconds": list(arm.seconds),
        },
    )
