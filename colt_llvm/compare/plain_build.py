"""The ladder: what plain clang can be asked for, and each rung as an executable.

A profile comes from the program's own workloads: ``-fprofile-instr-generate``, a run of each, ``llvm-profdata
merge``, ``-fprofile-instr-use``. It is trained on the inputs that it is timed on, as a tuned program is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import CompileError, OutputLimitExceeded, ProcessTimeout, ToolchainError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.verifier import Verifier
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.runner import run_workload
from colt_llvm.objectives.registry import find_objective
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.compilation import Level, baseline_command, link
from colt_llvm.program.profile import profile_file
from colt_llvm.program.program import IR_SUFFIXES, Program


@dataclass(frozen=True)
class Rung:
    """One build of a program."""

    name: str  #: flags as a user would type them; a profile, frame pointers and the like in words
    level: Level  #: of clang
    flags: tuple[str, ...] = ()  #: of each compile, besides the program's own
    ldflags: tuple[str, ...] = ()  #: of the link, besides the program's own
    profile: bool = False  #: compiled with counts of the program's own workloads
    lto: bool = False  #: optimised as a whole when it is linked


_NATIVE = ("-march=native",)
_THRESHOLD = ("-mllvm", "-inline-threshold=50")
_FRAMES = ("-fno-omit-frame-pointer", "-momit-leaf-frame-pointer")
_SECTIONS = ("-ffunction-sections", "-fdata-sections")
_UNUSED = ("-Wl,--gc-sections",)

_FAST = (
    Rung("-O3", "O3"),
    Rung("-O2", "O2"),
    Rung("-O3 -march=native", "O3", _NATIVE),
    Rung("-O3, profile", "O3", profile=True),
    Rung("-O3 -flto", "O3", lto=True),
    Rung("-O3 -march=native, profile", "O3", _NATIVE, profile=True),
    Rung("-O3 -march=native -flto, profile", "O3", _NATIVE, profile=True, lto=True),
)
_SMALL = (
    Rung("-Oz", "Oz"),
    Rung("-Os", "Os"),
    Rung("-O2", "O2"),
    Rung("-Oz -mllvm -inline-threshold=50", "Oz", _THRESHOLD),
    Rung("-Oz, frame pointers", "Oz", _FRAMES),
    Rung("-Oz, unused sections dropped", "Oz", _SECTIONS, _UNUSED),
    Rung("-Oz -flto", "Oz", lto=True),
    Rung("-Oz -flto, frame pointers, unused dropped", "Oz", (*_FRAMES, *_SECTIONS), _UNUSED, lto=True),
)

#: Objective -> its builds. The first is the baseline.
LADDERS = {RUNTIME.name: _FAST, LOADED_SIZE.name: _SMALL}

_OF_LTO = "-flto: slower links, and every file is compiled by this clang"
#: Objective -> what its builds ask of whoever ships them.
COSTS = {
    RUNTIME.name: (
        "-march=native: runs only on processors that have these instructions",
        "profile: two builds and a training run, anew when the code changes",
        _OF_LTO,
    ),
    LOADED_SIZE.name: (
        f"frame pointers ({' '.join(_FRAMES)}): longer code, shorter unwind tables",
        f"unused sections dropped ({' '.join((*_SECTIONS, *_UNUSED))}): nothing",
        _OF_LTO,
    ),
}


_INSTRUMENT = "-fprofile-instr-generate"
#: Code that no workload reached has no counts, which is no fault of the user's.
_QUIET = ("-Wno-profile-instr-unprofiled", "-Wno-profile-instr-missing")
#: Instrumented code is slower, by 2 to 10 times where it branches much.
_SLOWER = 20.0


@contextmanager
def own_profile(
    program: Program, toolchain: Toolchain, options: TuneOptions, *, wanted: bool = True
) -> Iterator[Program]:
    """The program with a profile of its own workloads, to be tuned on top of it; as it is where none is wanted.

    options: objective, whose level it is built at, and limits of runs. Raises UsageError for a program that has one,
    and as ``PlainBuilder.train`` and ``Verifier.of``.
    """
    if not wanted:
        yield program
        return
    if (profile := profile_file(program.cflags)) is not None:
        raise UsageError(f"--pgo makes a profile, and --cflags names {profile}; leave one out")
    with TemporaryDirectory(prefix="colt-pgo-") as folder:
        builder = PlainBuilder(toolchain, program, Path(folder))
        builder.refuse_ir()
        level = find_objective(options.objective).level
        rung = Rung(f"-{level}", level)
        verifier = Verifier.of(program, options, builder.objects(rung), linker_of(toolchain, program))
        try:
            made = builder.train(rung, verifier)
        finally:
            verifier.close()
        yield replace(program, cflags=(*program.cflags, f"-fprofile-instr-use={made}"))


@dataclass(frozen=True)
class PlainBuilder:
    """Builds one program with plain clang."""

    toolchain: Toolchain  #: clang, its linker and llvm-profdata
    program: Program  #: with the flags that all builds share
    folder: Path  #: for the profile, which stays there

    def objects(self, rung: Rung, profile: Path | None = None) -> list[bytes]:
        """One for each source: code, or bitcode with ``lto``. Raises CompileError."""
        flags = [*rung.flags, *(["-flto"] if rung.lto else [])]
        if rung.profile:
            flags += [f"-fprofile-instr-use={profile}", *_QUIET]
        return [self.compile(rung, source, flags) for source in self.program.sources]

    def link(self, rung: Rung, objects: Sequence[bytes], place: Path) -> Path:
        """The executable. Raises CompileError, and ToolchainError without a linker for ``lto``."""
        extra = [*rung.ldflags]
        if rung.lto:
            extra += [f"-{rung.level}", "-flto", *linker_for_lto(self.toolchain)]
        linked = replace(self.program, ldflags=(*self.program.ldflags, *extra))
        return link(self.toolchain, linked, objects, place, rung.level)

    def train(self, rung: Rung, verifier: Verifier) -> Path:
        """Run every workload with counters, and merge what they wrote: the profile.

        verifier: says how long the workloads take. Raises UsageError for sources that are LLVM IR, ToolchainError
        without llvm-profdata or clang's runtime for profiles, CompileError for the program.
        """
        self.refuse_ir()
        profdata = self.toolchain.profdata()
        with TemporaryDirectory(prefix="colt-pgo-") as scratch:
            # The place is compiled in, so the program's environment is the same each time. A file for each process.
            raw = Path(scratch, "raw")
            objects = [self.compile(rung, source, [f"{_INSTRUMENT}={raw}/%p-%m.profraw"])
                       for source in self.program.sources]  # fmt: skip
            try:
                with_runtime = replace(rung, ldflags=(_INSTRUMENT,), lto=False)
                executable = self.link(with_runtime, objects, Path(scratch, "counting"))
            except CompileError as error:
                raise _missing_runtime(self.toolchain, error) from error
            for workload, expected in zip(self.program.workloads, verifier.expected, strict=True):
                limits = process.Limits(max(10.0, _SLOWER * expected.wall_seconds), verifier.options.memory_bytes)
                try:
                    run_workload(executable, workload, limits=limits, core=verifier.core)
                except (ProcessTimeout, OutputLimitExceeded) as error:
                    raise CompileError(
                        f"profile: workload {workload.name} does not end with counters ({error}); give it less work"
                    ) from error
            counts = sorted(raw.glob("*.profraw"))
            if not counts:
                raise CompileError("profile: the program wrote no counts; see that it ends by itself and by exit")
            self.folder.mkdir(parents=True, exist_ok=True)
            profile = self.folder / "clang-pgo.profdata"
            done = process.run([profdata, "merge", *counts, "-o", profile])
            if done.status != 0:
                said = done.stderr.decode("utf-8", "replace").strip().splitlines()
                raise ToolchainError(f"{profdata.name}: {said[0] if said else done.describe_status()}; check LLVM")
            return profile

    def refuse_ir(self) -> None:
        """Raises UsageError for sources that are LLVM IR."""
        for source in self.program.sources:
            if source.suffix in IR_SUFFIXES:
                raise UsageError(f"{source.name}: clang's profile counts need C or C++, and this is LLVM IR")

    def compile(self, rung: Rung, source: Path, flags: Sequence[str]) -> bytes:
        """Raises CompileError."""
        with TemporaryDirectory(prefix="colt-pgo-") as scratch:
            place = Path(scratch, "out.o")
            command = [*baseline_command(self.toolchain, self.program, source, rung.level), *flags, "-o", str(place)]
            done = process.run(command)
            if done.status != 0 or not place.is_file():
                raise CompileError(
                    f"{rung.name}: {source.name} does not compile ({done.describe_status()})",
                    done.stderr.decode("utf-8", "replace").rstrip(),
                )
            return place.read_bytes()


def linker_for_lto(toolchain: Toolchain) -> tuple[str, ...]:
    """Flags that name a linker which reads this clang's bitcode. Raises ToolchainError where there is none."""
    for folder in (toolchain.clang.parent, toolchain.prefix / "bin"):
        if (folder / "ld.lld").exists():
            return ("-fuse-ld=lld",)
    if (toolchain.prefix / "lib" / "LLVMgold.so").exists():
        return ()  # the system's linker has clang's plugin
    raise ToolchainError(
        f"link-time optimisation needs lld of LLVM {toolchain.major}; install it "
        f"(Debian, Ubuntu: apt-get install lld-{toolchain.major})"
    )


def _missing_runtime(toolchain: Toolchain, error: CompileError) -> CompileError | ToolchainError:
    if "libclang_rt.profile" not in error.diagnostics and "__llvm_profile" not in error.diagnostics:
        return error
    return ToolchainError(
        f"clang {toolchain.version} has no runtime for profiles; install it "
        f"(Debian, Ubuntu: apt-get install libclang-rt-{toolchain.major}-dev)"
    )
