"""What ``colt-llvm doctor`` looks at: toolchain, harness, environment, host. Each finding names its remedy."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.acceptance import accepted_pipelines, toolchain_catalogue
from colt_llvm.llvm.toolchain import PREFIX_VARIABLE, Toolchain, find_toolchain, installed_toolchains, own_environment
from colt_llvm.measure.host import estimate_noise, fingerprint, measuring_core
from colt_llvm.measure.runner import Observation, run_side_by_side
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.compilation import link
from colt_llvm.program.program import included_programs, load_program, programs_directory

_NOISE_PAIRS = 12
_NOISY = 0.02
_PROBE = "lz77"
_PROGRAMS, _PROGRAMS_QUICKLY = 7, 2  # of those included, how many are built
_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    mark: str  #: ``ok``, ``note`` or ``FAIL``
    text: str  #: what was found
    remedy: str = ""  #: what to do about it

    @property
    def fatal(self) -> bool:
        """Whether colt-llvm cannot work so."""
        return self.mark == "FAIL"


def examine(prefix: Path | None = None, *, with_noise: bool = True) -> Iterator[Finding]:
    """Findings, as they are made. After a fatal one about the toolchain nothing more can be looked at."""
    try:
        toolchain = find_toolchain(prefix)
        library = toolchain.load()
    except ColtError as error:
        yield Finding("FAIL", "toolchain", str(error))
        return
    yield Finding("ok", f"clang {toolchain.version} at {toolchain.clang} ({_source(toolchain, prefix)})")
    yield Finding("ok", f"libLLVM {'.'.join(map(str, library.version))} at {toolchain.library}, all symbols found")
    yield from _look_at_tools(toolchain)
    broken = list(_look_at_programs(toolchain))
    yield from broken
    if any(finding.fatal for finding in broken):
        return
    others = [other for other in installed_toolchains() if other.prefix != toolchain.prefix]
    if others:
        yield Finding("ok", "also installed: " + ", ".join(f"{other.version} ({other.prefix})" for other in others))
    pipelines = [action.pipeline for action in toolchain_catalogue(toolchain)]
    accepted = accepted_pipelines(toolchain, pipelines)
    mark = "ok" if len(accepted) == len(pipelines) else "note"
    yield Finding(mark, f"{len(accepted)} of {len(pipelines)} actions of the catalogue run in this libLLVM")
    yield from _look_at_harness(toolchain, _PROGRAMS if with_noise else _PROGRAMS_QUICKLY)
    yield from _look_at_environment(toolchain)
    yield from _look_at_host(toolchain, with_noise)


def _look_at_tools(toolchain: Toolchain) -> Iterator[Finding]:
    if toolchain.opt is None:
        yield Finding(
            "note", "opt is not installed; recipes cannot be replayed by hand",
            f"install llvm-{toolchain.major} (Debian, Ubuntu: apt-get install llvm-{toolchain.major})",
        )  # fmt: skip
    if not toolchain.load().keeps_use_list_order:
        yield Finding(
            "note", "this libLLVM cannot keep the order of uses in stored bitcode; the search sees slightly other code",
            "nothing is wrong: results are built again in one go and measured as they are",
        )  # fmt: skip


def _source(toolchain: Toolchain, prefix: Path | None) -> str:
    environment = own_environment()
    if environment is not None and toolchain.prefix == environment.resolve():
        return "from PyPI, in colt-llvm's own environment"
    return "as named" if prefix or os.environ.get(PREFIX_VARIABLE) else "the system's"


_PROBES = (
    ("C", "probe.c", '#include <stdio.h>\nint main(void) { return puts("c") < 0; }\n'),
    ("C++", "probe.cpp", "#include <iostream>\nint main() { std::cout << std::string(1, 'x'); }\n"),
)


def _look_at_programs(toolchain: Toolchain) -> Iterator[Finding]:
    """Does a program of each language compile, link and run? What is missing is mostly headers."""
    for language, name, text in _PROBES:
        with tempfile.TemporaryDirectory(prefix="colt-") as folder:
            source, executable = Path(folder) / name, Path(folder) / "probe"
            source.write_text(text, encoding="utf-8")
            compiler = toolchain.compiler(cxx=language == "C++")
            wrong = _failure([compiler, source, "-o", executable]) or _failure([executable])
            if wrong:
                mark = "FAIL" if language == "C" else "note"
                yield Finding(
                    mark, f"a {language} program does not compile and run: {wrong}", _headers(toolchain, language)
                )
    if shutil.which("make") is None:
        yield Finding("note", "make is not installed; a build by make cannot be tuned", "apt-get install make")


def _failure(command: list[str | Path]) -> str:
    """What a command says when it fails, in one line; else nothing."""
    try:
        done = process.run(command, limits=process.Limits(wall_seconds=60.0))
    except ColtError as error:
        return str(error)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return next((line for line in said if "error" in line), done.describe_status()) if done.status else ""


def _headers(toolchain: Toolchain, language: str) -> str:
    if language == "C":
        return "install the headers of the C library (Debian, Ubuntu: apt-get install libc6-dev)"
    if (toolchain.prefix / "lib" / toolchain.triple / "libc++.so.1").exists():
        file = toolchain.prefix / "bin" / f"{toolchain.triple}.cfg"
        return f"run: echo '$-Wl,-rpath,<CFGDIR>/../lib/{toolchain.triple}' > {file}"
    return "install the headers of the C++ library (Debian, Ubuntu: apt-get install g++)"


def _look_at_harness(toolchain: Toolchain, how_many: int) -> Iterator[Finding]:
    """Does the baseline's pipeline through the harness give plain clang's object, for so many of the programs?"""
    programs = included_programs()
    programs = programs[:: -(-len(programs) // how_many)]
    for objective in (RUNTIME, LOADED_SIZE):
        level = f"-{objective.level}"
        try:
            exact = [prepare_baseline(toolchain, p, objective.name).completion.exact for p in programs]
        except ColtError as error:
            yield Finding("FAIL", f"clang {level} does not build the included programs", str(error))
            continue
        count = f"{sum(exact)} of {len(exact)} programs"
        text = f"the {level} pipeline through the harness gives plain clang's object: {count}"
        if all(exact):
            yield Finding("ok", text)
        else:
            yield Finding("note", text, "results stay right: the baseline measured is always clang's own object")


def _look_at_environment(toolchain: Toolchain) -> Iterator[Finding]:
    try:
        from colt_llvm.env import ColtEnv

        env = ColtEnv(benchmark=f"benchmark://colt-v0/{_PROBE}", toolchain=toolchain)
        try:
            env.reset()
            count = env.try_multistep([0], ["IrInstructionCount"])[0]
        finally:
            env.close()
        yield Finding("ok", f"the CompilerGym environment answers ({_PROBE}: {int(count)} instructions)")
    except (ColtError, ImportError) as error:
        yield Finding("FAIL", "the CompilerGym environment does not start", str(error))


def _look_at_host(toolchain: Toolchain, with_noise: bool) -> Iterator[Finding]:
    host = fingerprint()
    machine = "a virtual machine" if host.virtualised else "no virtual machine"
    yield Finding("ok", f"{host.cpu}, {host.cores} cores, {host.memory_bytes >> 30} GiB, {machine}")
    if host.cores < 2:
        yield Finding("note", "only one core: compiling disturbs measuring", "use a machine with two cores or more")
    if host.governor not in ("", "performance"):
        yield Finding(
            "note",
            f"the frequency governor is {host.governor}",
            "set it to performance: cpupower frequency-set -g performance",
        )
    load = os.getloadavg()[0]
    if load > host.cores / 2:
        yield Finding(
            "note", f"the load is {load:.1f}: other work disturbs measuring", "end it, or expect wide intervals"
        )
    for folder in {Path(tempfile.gettempdir()), Path.cwd()}:
        if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
            yield Finding("note", f"{folder}: less than 1 GiB is free", "free some space, or set TMPDIR")
    if with_noise:
        yield _noise(toolchain)


def _noise(toolchain: Toolchain) -> Finding:
    """Time one program against itself."""
    program = load_program(programs_directory() / _PROBE)
    core = measuring_core()
    with tempfile.TemporaryDirectory(prefix="colt-") as folder:
        baseline = prepare_baseline(toolchain, program, RUNTIME.name)
        executable = link(toolchain, program, baseline.objects, Path(folder) / "probe")

        def time_pair() -> tuple[float, float]:
            """At once, as candidates are timed."""
            outcomes = run_side_by_side([executable, executable], program.timed_workload, core=core)
            for outcome in outcomes:
                if not isinstance(outcome, Observation):
                    raise outcome
            first, second = (outcome.cpu_seconds for outcome in outcomes if isinstance(outcome, Observation))
            return first, second

        noise = estimate_noise(time_pair, _NOISE_PAIRS)
    how = f"{noise.confidence:.0%}, {noise.rounds} pairs"
    text = f"timing noise on core {core}: a program against itself within {noise.ratio:.1%} ({how})"
    if noise.ratio > _NOISY:
        return Finding("note", text, "gains below that will not be reported; end other work, or give more --time")
    return Finding("ok", text)
