"""A compiler's command whose source has recipes.

clang's diagnostics are printed once the object is in its place. So whatever goes wrong before, clang can compile as
asked, as if nothing had been tried.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from colt_llvm.builds.cc.arguments import Command, normalised, parse
from colt_llvm.builds.cc.cleanup import Ended, TemporaryFolder, end_by, endings_raised
from colt_llvm.builds.cc.compile import (
    NO_UNUSED_WARNING,
    RAW,
    CodeGenerationFailed,
    FrontEndFailed,
    Steps,
    Unit,
    asked_words,
    codegen_words,
    compile_unit,
    front_end_words,
    inputs_in,
)
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.builds.cc.settings import EXIT_STRICT, PLAIN, Settings, is_terminal, keep_streams_open, say, write
from colt_llvm.builds.cc.toolchain_cache import library_of
from colt_llvm.builds.recipes.store import (
    Misfit,
    UnitRecipe,
    checked_level,
    choose,
    find_recipe_file,
    load_recipes,
    load_shared,
    misfit,
    why_not_used,
)
from colt_llvm.core.errors import PassCrashed, PassError, PassTimedOut
from colt_llvm.core.files import write_file
from colt_llvm.llvm.processor import named_target

#: The object, in the temporary folder.
_OBJECT = "unit.o"


class _AsAsked(Misfit):
    """clang compiles as asked, and nothing is printed; the text is for the log."""


def compile_tuned(clang: str, words: list[str], cxx: bool, settings: Settings) -> int | None:
    """Compile with the source's recipe; the exit status.

    None where clang is to compile as asked; where there is a recipe, one line has said why.
    """
    command = parse(words, cxx)
    found = _recipe_of(command, settings)
    if found is None:
        return None
    source, root, file = found
    keep_streams_open()
    try:
        with endings_raised():
            _check_asked(command, settings)
            if command.kind != "compile":
                return _in_parts(clang, command, file, settings)
            said = _compile(clang, Unit(command, Path.cwd()), root, file, settings)
    except Ended as ended:
        end_by(ended.number)
    except Exception as error:
        reason = why_not_used(error)
        settings.log_command(words, cxx, note=reason)
        settings.log = ""  # it is in the log now
        if isinstance(error, _AsAsked):
            return None
        line = f"{source}: recipe not used: {reason}"
        if settings.strict:
            say(f"{line}; {getattr(error, 'remedy', 'tune again')}, or unset COLT_STRICT")
            return EXIT_STRICT
        say(line)
        return None
    settings.log_command(words, cxx, recipe=file)
    write(said)
    return 0


def _recipe_of(command: Command, settings: Settings) -> tuple[str, str, str] | None:
    """(source, root, recipe file) of the first source that the command makes code of and that has recipes.

    The root is empty where the recipe is for every source.
    """
    for source in command.sources if command.makes else []:
        if settings.recipe:
            return source, "", settings.recipe
        if (found := find_recipe_file(source)) is not None:
            return source, *found
    return None


def _check_asked(command: Command, settings: Settings) -> None:
    """Raise where no recipe can do what the command asks for."""
    if command.kind != "compile" and not (settings.recipe and _has_parts(command)):
        raise Misfit(command.why_not, "leave it out" if command.option else "change the build")
    if settings.plain:
        raise Misfit(f"{settings.plain} {PLAIN}", "unset it")
    if command.level == "O0":
        # A build for the debugger: one line a file would be noise.
        if settings.strict:
            raise Misfit("it is compiled at -O0", "compile it at another level")
        raise _AsAsked("it is compiled at -O0")


def _has_parts(command: Command) -> bool:
    """Whether it compiles and links in one command, in a way that is the same in two: no file of make's, no -x."""
    linked = command.makes == "code" and not command.option and not command.dependencies
    return linked and "-x" not in command.passed


def _in_parts(clang: str, command: Command, file: str, settings: Settings) -> int:
    """Compile each source with the recipe, and link the objects in their place; clang's exit status."""
    leading = [command.level_word, *command.passed] if command.level_word else command.passed
    leading = [*leading, NO_UNUSED_WARNING]  # of what is for the linker
    words, said = list(command.words), b""
    with TemporaryFolder(settings.temporary) as folder:
        for number, source in enumerate(command.sources):
            output = os.path.join(folder, f"{number}-{os.path.basename(source)}.o")
            part = parse([*leading, "-c", source, "-o", output], command.cxx)
            if part.kind != "compile":
                raise Misfit(part.why_not)
            said += _compile(clang, Unit(part, Path.cwd()), "", file, settings)
            words = [output if word is source else word for word in words]
        settings.log_command(command.words, command.cxx, recipe=file)
        write(said)
        return subprocess.call([clang, *words, NO_UNUSED_WARNING])


def _compile(clang: str, unit: Unit, root: str, file: str, settings: Settings) -> bytes:
    """Put the object in its place; the diagnostics that clang would print."""
    library, major = library_of(clang, settings.cache)
    recipe = _fitting(unit.command, root, file, major)
    if "\0" in recipe.pipeline:
        raise Misfit(f"{file}: the pipeline is not text")
    steps = Steps(clang, Path(library), checked_level(recipe.level, file), recipe.pipeline)
    if unit.command.level_word == "-Ofast" and steps.level != "O3":
        raise Misfit(f"it is compiled at -Ofast, of which clang warns, and the recipe is for -{steps.level}")
    place = os.path.join(unit.directory, unit.command.output)
    _check_place(place)
    with TemporaryFolder(settings.temporary) as folder:
        included, said = _run_steps(steps, unit, folder)
        if root and (new := sorted(inputs_in(root, os.getcwd(), included) - set(recipe.inputs))):
            raise Misfit(f"{unit.command.source} includes {new[0]}, which it did not when it was tuned")
        if said and is_terminal() and not unit.command.profile:
            # Once more for the terminal's colours and width, which clang has to find itself. Where a pass has read a
            # profile, the front end alone would not say what that pass said.
            again = front_end_words(unit, steps.level, folder / "again.bc", None)
            subprocess.call([clang, *again], cwd=unit.directory)
            said = b""
        write_file(Path(place), (folder / _OBJECT).read_bytes())
        return said


def _fitting(command: Command, root: str, file: str, major: int) -> UnitRecipe:
    """Raises Misfit, and RecipeError for a file that holds none."""
    flags, machine, profile = command.flags, os.uname().machine, command.profile
    if root:
        recipe = choose(load_recipes(file), root, normalised(flags, root), major, triple=machine, profile=profile)
        if isinstance(recipe, str):
            raise Misfit(recipe)
        return recipe
    if profile:
        raise Misfit("it is compiled with a profile, which a recipe for every file was not tuned with", "leave it out")
    recipe = load_shared(file)
    if why := misfit(recipe, root, recipe.flags, major, triple=named_target(flags) or machine):
        raise Misfit(why)
    return recipe


def _run_steps(steps: Steps, unit: Unit, folder: Path) -> tuple[list[str], bytes]:
    """Make ``_OBJECT`` in ``folder``; (files that the source includes, the front end's diagnostics)."""
    child = PassesChild(folder, steps.library, steps.pipeline, CODEGEN_LEVEL[steps.level])
    try:
        with open(folder / "said", "w+b", buffering=0) as said:
            included = compile_unit(unit, steps, folder, folder / _OBJECT, said=said.fileno(), passes=child.run)
            said.seek(0)
            return included, said.read()
    except FrontEndFailed as error:
        if _fails_as_asked(steps.clang, unit, folder):
            raise _AsAsked(str(error)) from None
        raise Misfit(f"clang refuses the source at -{steps.level}, which the recipe is for") from None
    except CodeGenerationFailed as error:
        if not _fails_without_passes(steps, unit, folder):
            raise
        if _fails_as_asked(steps.clang, unit, folder):
            raise _AsAsked(str(error)) from None
        raise Misfit("clang has something to say to the code that it generates") from None
    finally:
        child.close()


def _fails_without_passes(steps: Steps, unit: Unit, folder: Path) -> bool:
    """Whether code generation fails or warns without the recipe too: of inline assembly, or of an option."""
    words = codegen_words(unit, steps.level, folder / RAW, folder / "again.o")
    done = subprocess.run([steps.clang, *words], cwd=unit.directory, stderr=subprocess.PIPE)
    return bool(done.returncode or done.stderr)


def _fails_as_asked(clang: str, unit: Unit, folder: Path) -> bool:
    """Whether clang makes no object with the command's own words either; then it prints why itself."""
    words = asked_words(unit, folder / "asked.o")
    return subprocess.call([clang, *words], cwd=unit.directory, stderr=subprocess.DEVNULL) != 0


def _check_place(place: str) -> None:
    """Raise where the output is no plain file that can be written: clang deals with others, and says what is wrong."""
    try:
        facts = os.stat(place)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(place)) or os.path.islink(place):
            raise _AsAsked("the output has no folder") from None
        return
    if not stat.S_ISREG(facts.st_mode) or not os.access(place, os.W_OK):
        raise _AsAsked("the output is no file that can be written")


WALL_SECONDS = 120.0
_MEMORY_BYTES = 8 << 30
_FILE_BYTES = 1 << 30
_FAILED = 12
_IN, _OUT, _SAID = "passes.in.bc", "passes.out.bc", "passes.said"


class PassesChild:
    """Runs one pipeline over one module, once, in a forked child, which loads libLLVM while clang's front end runs.

    Close it, whatever happened. The same functions as ``llvm.replay``, and so the same bytes, without starting another
    interpreter; for a process with one thread alone.

    folder: for its files. library: libLLVM. pipeline: for ``opt -passes=``. codegen_level: 0 to 3, of the target.
    """

    def __init__(self, folder: Path, library: Path, pipeline: str, codegen_level: int) -> None:
        self._folder = folder
        there, self._begin = os.pipe()
        self._ended, alive = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = _FAILED
            try:
                status = _child(folder, library, pipeline, codegen_level, there, (self._begin, self._ended))
            finally:
                os._exit(status)
        os.close(there)
        os.close(alive)

    def run(self, library: Path, bitcodes: Sequence[bytes], pipeline: str, codegen_level: int) -> list[bytes]:
        """As ``llvm.replay.replay``, with the library, pipeline and level that it was started with.

        Raises PassCrashed, PassTimedOut or PassError.
        """
        (bitcode,) = bitcodes
        if not pipeline:
            return [bitcode]
        (self._folder / _IN).write_bytes(bitcode)
        with contextlib.suppress(BrokenPipeError):  # it has ended: _check says why
            os.write(self._begin, b"!")
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        if not poll.poll(WALL_SECONDS * 1000):
            raise PassTimedOut(f"the pipeline is not done after {WALL_SECONDS:g} s; tune again")
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        self._check(os.waitstatus_to_exitcode(status))
        return [(self._folder / _OUT).read_bytes()]

    def close(self) -> None:
        """End the child where it still runs."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        for descriptor in (self._begin, self._ended):
            os.close(descriptor)

    def _check(self, status: int) -> None:
        if status == 0:
            return
        try:
            said = (self._folder / _SAID).read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            said = []
        if status == _FAILED:
            raise PassError(said[-1] if said else "the passes could not be run; colt-llvm doctor says why")
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        if status == -signal.SIGXCPU:
            raise PassTimedOut(f"the pipeline is not done after {WALL_SECONDS:g} s; tune again")
        crash = next((line for line in said if "LLVM ERROR" in line or "Assertion" in line), name)
        raise PassCrashed(f"the pipeline crashed ({crash}); tune again")


def _child(
    folder: Path, library: Path, pipeline: str, codegen_level: int, begin: int, not_ours: tuple[int, ...]
) -> int:
    """Exit status. What passes print, and files that they write, end in ``folder``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in not_ours:
        os.close(descriptor)
    said = os.open(folder / _SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(folder)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, _MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    # Ends it even where the parent was killed and nobody waits.
    _limit(resource.RLIMIT_CPU, int(WALL_SECONDS) + 5)
    from colt_llvm.core.errors import ColtError

    try:
        from colt_llvm.llvm.library import Library
        from colt_llvm.llvm.module import Module, TargetMachine

        loaded = Library.load(library)
        if os.read(begin, 1) != b"!":
            return _FAILED  # the parent is gone
        with Module.parse(loaded, (folder / _IN).read_bytes()) as module:
            module.run(pipeline, TargetMachine(loaded, module.triple, codegen_level))
            (folder / _OUT).write_bytes(module.bitcode())
    except (ColtError, OSError, ValueError, ImportError) as error:
        os.write(2, f"\n{error}\n".encode("utf-8", "backslashreplace"))
        return _FAILED
    return 0


def _limit(what: int, amount: int) -> None:
    hard = resource.getrlimit(what)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(what, (amount, amount))
