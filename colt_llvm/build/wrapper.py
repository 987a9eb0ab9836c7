"""``colt-cc`` and ``colt-c++``: clang, with recipes where they fit.

Whatever this does not understand goes to clang with the same words, by ``exec``: the same process, streams, signals
and exit status. A build calls this for every file, so on that way nothing but ``os`` and ``sys`` is imported.
"""

from __future__ import annotations

import os
import sys

from colt_llvm.build.settings import Settings

#: As in arguments.SUFFIXES, for a look that costs nothing; and how a response file begins.
_SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".CPP", ".cp")


def cc() -> None:
    """Entry point of ``colt-cc``."""
    sys.exit(main(sys.argv[1:], cxx=False))


def cxx() -> None:
    """Entry point of ``colt-c++``."""
    sys.exit(main(sys.argv[1:], cxx=True))


def main(words: list[str], cxx: bool) -> int:
    """Compile. Returns only where a recipe was used, or where clang cannot be started."""
    settings = Settings()
    clang = settings.compiler(cxx)
    if clang is None:
        # No import of errors here; the status is that of ToolchainError.
        print(
            "colt-cc: no clang of version 16 to 22 was found; install one, or name its folder with COLT_LLVM_PREFIX",
            file=sys.stderr,
        )
        return 3
    if settings.level:
        from colt_llvm.build.arguments import expand, with_level

        words = with_level(expand(words, "."), settings.level)
    elif not settings.disabled and _may_have_a_recipe(words):
        from colt_llvm.build.tuned import compile_tuned

        status = compile_tuned(clang, words, cxx, settings)
        if status is not None:
            return status
    if settings.log:
        from colt_llvm.build.log import write_line

        write_line(settings.log, words, cxx)
    os.execv(clang, [clang, *words])
    raise AssertionError  # exec does not come back


def _may_have_a_recipe(words: list[str]) -> bool:
    """A quick look: does the command compile a source that has a file in a ``.colt``?"""
    if words and words[0].startswith("--colt-"):
        return True
    response = any(word.startswith("@") for word in words)
    if "-c" not in words and not response:
        return False
    if response or "-x" in words:
        return True  # what it compiles is not plain to see
    for word in words:
        if word.endswith(_SUFFIXES) and not word.startswith("-"):
            path = os.path.realpath(word)
            folder = above = os.path.dirname(path)
            while True:
                store = folder + "/.colt/"
                if os.path.exists(store) and os.path.exists(store + os.path.relpath(path, folder) + ".json"):
                    return True
                above = os.path.dirname(folder)
                if above == folder:
                    break
                folder = above
    return False
