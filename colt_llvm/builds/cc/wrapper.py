"""``colt-cc`` and ``colt-c++``: clang, with recipes where they fit.

Whatever this does not understand goes to clang with the same words, by ``exec``: the same process, streams, signals
and exit status. A build calls this for every file, so on that way little more than ``os`` and ``sys`` is imported.
Whatever goes wrong here is said in one line, and clang compiles as asked. What cannot be helped is a PYTHONHOME of
another Python, or a PYTHONPATH with modules named as Python's own first ones (os, re, site).

ccache sees neither recipes nor what they depend on. ``--colt-identity [FOLDER]`` prints one line that changes with
them (see ``identity``): CCACHE_COMPILERCHECK="%compiler% --colt-identity". Why so: docs/decisions/0021.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # "signal" brings enum, which takes longer than all of this
import os
import sys

from colt_llvm.builds.cc.settings import (
    EXIT_NO_CLANG,
    EXIT_STRICT,
    EXIT_USAGE,
    FOLDER,
    LEVELS,
    MAJORS,
    PREFIX,
    PROGRAMS,
    RECIPE_OPTION,
    Settings,
    say,
)

#: As in options.SUFFIXES, for a look that costs nothing.
_SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".CPP", ".cp")
#: Of options.NO_CODE those that are seen often.
_NO_CODE = ("-E", "-M", "-MM", "-fsyntax-only")
_PROGRAMS = os.path.join(FOLDER, PROGRAMS)


def cc() -> None:
    """Entry point of ``colt-cc``."""
    _end(main(sys.argv[1:], cxx=sys.argv[0].endswith("++")))


def cxx() -> None:
    """Entry point of ``colt-c++``."""
    _end(main(sys.argv[1:], cxx=True))


def main(words: list[str], cxx: bool) -> int:
    """Compile or link; the exit status. Returns only where a recipe was used, or where clang cannot be started.

    words: the arguments, without the compiler's own name. cxx: we are ``colt-c++``.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # end as a compiler does, without a traceback
    settings = Settings()
    if settings.python_path:
        # No json.py of the build's in place of Python's. What was imported until here was in danger already.
        sys.path[:] = [folder for folder in sys.path if folder not in settings.python_path]
    if any(word.startswith(RECIPE_OPTION) for word in words):
        words = settings.take_recipe(words)
        if not settings.recipe:
            say(f"{RECIPE_OPTION}: write the file of a recipe after it")
            return EXIT_USAGE
    if settings.recipe and not os.path.isfile(settings.recipe):
        say(f"{settings.recipe}: no such recipe from {_here()}; give its whole path")
        return EXIT_USAGE
    clang = settings.compiler(cxx)
    if clang is None:
        say(f"no clang of version {MAJORS[-1]} to {MAJORS[0]} was found; install one, or set {PREFIX} to its folder")
        return EXIT_NO_CLANG
    settings.tell_children()
    try:
        done = _with_recipes(clang, words, cxx, settings)
    except Exception as error:
        say(
            f"internal error ({type(error).__name__}: {error}); clang compiles as asked, "
            "COLT_DISABLE=1 leaves recipes out"
        )
        done = EXIT_STRICT if settings.strict else words
    return done if isinstance(done, int) else _run_clang(clang, done)


def _with_recipes(clang: str, words: list[str], cxx: bool, settings: Settings) -> int | list[str]:
    """Exit status, or the words that clang is to do itself."""
    if words and words[0].startswith("--colt-"):
        from colt_llvm.builds.cc.identity import answer

        return answer(clang, words, settings)
    if settings.level:
        if settings.level not in LEVELS:
            say(f"COLT_LEVEL={settings.level}: use one of {', '.join(LEVELS)}")
            return EXIT_USAGE
        from colt_llvm.builds.cc.arguments import expand, with_level

        plain = expand(words, ".")
        forced = with_level(plain, settings.level)
        words = words if forced == plain else forced
    elif not settings.disabled:
        status = None
        if _may_have_a_recipe(words, cxx, settings):
            from colt_llvm.builds.cc.tuned import compile_tuned

            status = compile_tuned(clang, words, cxx, settings)
        if not status and not settings.recipe and near_a_program(words):
            from colt_llvm.builds.whole_program.build import take_part

            status = take_part(clang, words, cxx, settings, status)
        if status is not None:
            return status
    if settings.log:
        from colt_llvm.builds.cc.arguments import parse

        settings.log_command(words, cxx, note=parse(words, cxx).why_not)
    return words


def _run_clang(clang: str, words: list[str]) -> int:
    # Python ignores these two, and clang would inherit that.
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    try:
        os.execv(clang, [clang, *words])
    except OSError as error:
        say(f"{clang}: cannot be started ({error.strerror}); set {PREFIX} to the folder of another LLVM")
    return EXIT_NO_CLANG


def _may_have_a_recipe(words: list[str], cxx: bool, settings: Settings) -> bool:
    """Whether the command makes code of a source that has a recipe: cheap, and never wrongly no."""
    unclear = False
    for word in words:
        if word in _NO_CODE:
            return False
        unclear = unclear or word.startswith(("@", "-x"))
    if unclear:
        from colt_llvm.builds.cc.arguments import parse

        return any(settings.recipe or _has_recipe(source) for source in parse(words, cxx).sources)
    return any(word.endswith(_SUFFIXES) and (settings.recipe or _has_recipe(word)) for word in words)


def _has_recipe(source: str) -> bool:
    """As store.find_recipe_file, without what that imports."""
    try:
        path = os.path.realpath(source)
    except OSError:  # the working folder is gone
        return False
    folder = os.path.dirname(path)
    while True:
        store = os.path.join(folder, FOLDER)
        if os.path.isdir(store) and os.path.isfile(os.path.join(store, os.path.relpath(path, folder) + ".json")):
            return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "a folder that is gone"


def _end(status: int) -> None:
    """Without the interpreter's own end, which takes longer than the rest and can be held up by PYTHONINSPECT."""
    sys.stdout.flush() if sys.stdout else None
    os._exit(status)


def near_a_program(words: list[str]) -> bool:
    """Whether a folder above the working folder, or above a file of the command, has recipes of whole programs."""
    folders = {"."}
    folders.update(os.path.dirname(word.removeprefix("-o")) or "." for word in words if "/" in word)
    seen: set[str] = set()
    for folder in folders:
        try:
            place = os.path.realpath(folder)
        except OSError:  # the working folder is gone
            continue
        while place not in seen:
            seen.add(place)
            if os.path.isdir(os.path.join(place, _PROGRAMS)):
                return True
            place = os.path.dirname(place)
    return False
