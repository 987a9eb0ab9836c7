"""Does the program itself have undefined behaviour? Built with clang's sanitizers, its workloads run once more.

Undefined behaviour is the usual reason why a program does something else with other passes. The program is built at
-O0, where nothing was optimised away that a sanitizer could see.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CompileError, OutputLimitExceeded, ProcessTimeout
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.program import IR_SUFFIXES, Program

#: Sanitizers of one build. TYPE takes a memcpy between types for a fault, so whoever uses it has to make sure.
ADDRESS, MEMORY, TYPE, TRAP = "address,undefined", "memory", "type", "undefined"
_FIRST_WITH_TYPE = 20
#: Words for the link that bring no code in.
_HARMLESS = frozenset({"-lm", "-lc", "-pthread", "-lpthread", "-Wl,--as-needed", "-rdynamic"})
_OUTPUT_BYTES = 64 << 20
_LEAST_SECONDS = 0.5

#: The runtimes ask the program for its defaults, so that no environment has to be set and every report has its lines.
_DEFAULTS = """\
const char *__asan_default_options(void) { return "detect_leaks=0:color=never:abort_on_error=0:%s"; }
const char *__ubsan_default_options(void) { return "color=never:%s"; }
const char *__msan_default_options(void) { return "color=never:%s"; }
const char *__tysan_default_options(void) { return "color=never:%s"; }
"""

_UNDEFINED = re.compile(r"^(\S.*?):(\d+):(\d+): runtime error: (.+)$")
_REPORT = re.compile(r"^==\d+==\s*(?:ERROR|WARNING): (\w+Sanitizer): (.+)$")
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in \S.* (\S+?):(\d+)(?::(\d+))?$")
_DETAILS = re.compile(r"\s+(?:on|at) (?:unknown )?address 0x.*|\s+\(pc .*")
#: What a sanitizer says of itself, or of limits that its own build reaches sooner.
_NO_FAULT = re.compile(r"stack-overflow|out[- ]of[- ]memory|allocat|CHECK failed|[Ff]ailed to|rss limit|fatal error")

#: Builds the program at the given place, with flags for what is instrumented and words for the link. Raises
#: CompileError.
SanitizedBuild = Callable[[Sequence[str], Sequence[str], Path], Path]


@dataclass(frozen=True)
class Undefined:
    """Undefined behaviour that was seen. place: ``prog.c:41:9``, "" where it is not known. words: the sanitizer's own.

    sanitizer: its name, such as UndefinedBehaviorSanitizer.
    """

    sanitizer: str
    words: str
    place: str = ""


@dataclass(frozen=True)
class Looked:
    """What came of it. with_: the sanitizers under which all workloads ran to their end. left_out: why not others."""

    found: Undefined | None = None
    with_: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def look_for_undefined(
    toolchain: Toolchain,
    program: Program,
    folder: Path,
    seconds: float,
    build: SanitizedBuild | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Looked:
    """Build and run under one sanitizer after another, until one finds something or ``seconds`` are over.

    build: where the program is a part of something larger, of which one unit is instrumented; then only ADDRESS is
    tried. Raises nothing of ours.
    """
    if build is None and any(source.suffix in IR_SUFFIXES for source in program.sources):
        return Looked(left_out=("the source is LLVM IR, in which clang can check nothing any more",))
    sanitized = _Sanitized(toolchain, program, folder, clock() + seconds, build, clock)
    done: list[str] = []
    left_out: list[str] = []
    for kind in [ADDRESS] if build is not None else _kinds(toolchain, program):
        if sanitized.left < _LEAST_SECONDS:
            left_out.append(f"{kind}: no time was left")
            continue
        try:
            found = sanitized.look(kind)
        except _NoRuntime:
            return Looked(sanitized.trap(), tuple(done), (*left_out, _missing(toolchain)))
        except ColtError as error:
            left_out.append(f"{kind}: {error}")
            continue
        if found is not None:
            return Looked(found, tuple(done), tuple(left_out))
        done.append(kind)
    return Looked(None, tuple(done), tuple(left_out))


class _NoRuntime(ColtError):
    """The libraries that sanitized programs are linked with are not there."""


def _kinds(toolchain: Toolchain, program: Program) -> list[str]:
    """In the order of how sure they are."""
    kinds = [ADDRESS]
    if not program.is_cxx and _HARMLESS.issuperset(program.ldflags):
        kinds.append(MEMORY)  # what a library wrote that is not instrumented counts as not initialised
    if toolchain.major >= _FIRST_WITH_TYPE:
        kinds.append(TYPE)
    return kinds


def _missing(toolchain: Toolchain) -> str:
    return (
        f"clang {toolchain.major} has no sanitizer runtime here; install it "
        f"(Debian, Ubuntu: apt-get install libclang-rt-{toolchain.major}-dev) to be told more"
    )


@dataclass
class _Sanitized:
    """The program under sanitizers."""

    toolchain: Toolchain
    program: Program
    folder: Path
    deadline: float  # by ``clock``
    build: SanitizedBuild | None
    clock: Callable[[], float]

    @property
    def left(self) -> float:
        return self.deadline - self.clock()

    def look(self, kind: str) -> Undefined | None:
        """None where every workload ran to its end and nothing was reported. Raises _NoRuntime, CompileError."""
        place = self.folder / f"sanitized-{kind.replace(',', '-')}"
        self._build([f"-fsanitize={kind}", "-fno-omit-frame-pointer", "-g", "-w"], place)
        program = self.program
        for workload in program.workloads:
            left = max(self.left, _LEAST_SECONDS)
            limits = process.Limits(left, None, _OUTPUT_BYTES)  # address space is what ASan's shadow takes much of
            try:
                seen = run_workload(place, workload, limits=limits, scratch=self.folder)
            except ProcessTimeout:
                raise CompileError(f"workload {workload.name} did not end in the {left:.0f} s that were left") from None
            except OutputLimitExceeded:
                raise CompileError(f"workload {workload.name} reported without end") from None
            names = [program.name, *(source.name for source in program.sources)]  # a unit's name is that of its source
            if found := read_report(seen.stderr.decode("utf-8", "replace"), names):
                return found
        return None

    def trap(self) -> Undefined | None:
        """Without a runtime: checks that end the program. That there is something is known then, and not where."""
        place = self.folder / "sanitized-trap"
        try:
            self._build([f"-fsanitize={TRAP}", f"-fsanitize-trap={TRAP}", "-g", "-w"], place, defaults=False)
            for workload in self.program.workloads:
                limits = process.Limits(max(self.left, _LEAST_SECONDS), None, _OUTPUT_BYTES)
                seen = run_workload(place, workload, limits=limits, scratch=self.folder)
                if seen.status in (-signal.SIGILL, -signal.SIGTRAP):
                    return Undefined("UndefinedBehaviorSanitizer", f"a check of -fsanitize={TRAP} ends the program")
        except ColtError:
            pass
        return None

    def _build(self, flags: Sequence[str], place: Path, defaults: bool = True) -> None:
        """Raises _NoRuntime, CompileError."""
        limits, program = process.Limits(max(self.left, _LEAST_SECONDS)), self.program
        try:
            options = [_defaults(self.toolchain, self.folder, limits)] if defaults else []
            if self.build is not None:
                self.build(["-O0", *flags], [*flags, *options], place)
                return
            sources = [str(source) for source in (*program.sources, *program.harness)]
            _call([str(self.toolchain.compiler(program.is_cxx)), "-O0", *program.cflags, *flags, *sources, *options,
                   "-o", str(place), *program.ldflags], limits)  # fmt: skip
        except CompileError as error:
            if "clang_rt" in error.diagnostics:
                raise _NoRuntime("no runtime") from None
            why = next((line for line in error.diagnostics.splitlines() if "error:" in line), str(error))
            raise CompileError(f"does not build with {flags[0]} ({why})") from None
        except ProcessTimeout:
            raise CompileError("did not build in the time that was left") from None


def _defaults(toolchain: Toolchain, folder: Path, limits: process.Limits) -> str:
    """An object that holds the options. They name the symbolizer, which turns addresses into lines."""
    symbolizer = toolchain.prefix / "bin" / "llvm-symbolizer"
    option = f"external_symbolizer_path={symbolizer}" if symbolizer.exists() and ":" not in str(symbolizer) else ""
    source = folder / "sanitizer-options.c"
    source.write_text(_DEFAULTS.replace("%s", option), encoding="utf-8")
    place = str(source.with_suffix(".o"))
    _call([str(toolchain.clang), "-c", str(source), "-o", place], limits)
    return place


def _call(command: Sequence[str], limits: process.Limits) -> None:
    done = process.run(command, limits=limits)
    if done.status:
        raise CompileError(f"{command[0]}: {done.describe_status()}", done.stderr.decode("utf-8", "replace"))


def read_report(text: str, sources: Sequence[str]) -> Undefined | None:
    """The first thing that a sanitizer reports in what a program wrote on standard error.

    sources: names of the program's own files; the place is in one of them where any frame is.
    """
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if match := _UNDEFINED.match(line):
            return Undefined("UndefinedBehaviorSanitizer", match[4].strip(), _place(match[1], match[2], match[3]))
        match = _REPORT.match(line)
        if match is None or match[1] == "LeakSanitizer" or _NO_FAULT.search(match[2]):
            continue
        words = _DETAILS.sub("", match[2]).strip()
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if match[1] == "TypeSanitizer" and " of size " in following:
            words += ": " + _DETAILS.sub("", re.sub(r" at 0x[0-9a-f]+", "", following)).strip()
        return Undefined(match[1], words, _frame(lines[index + 1 :], sources))
    return None


def _frame(lines: Sequence[str], sources: Sequence[str]) -> str:
    """The first frame of the report that lies in one of ``sources``; else the first that has a line at all."""
    first = ""
    for line in lines:
        if not line.strip() and first:
            break
        if match := _FRAME.match(line):
            place = _place(match[1], match[2], match[3])
            if Path(match[1]).name in sources:
                return place
            first = first or place
    return first


def _place(file: str, line: str, column: str | None) -> str:
    return ":".join([Path(file).name, line, *([column] if column else [])])
