"""``colt-cc --colt-identity [FOLDER]``: one line that changes when the objects of a build may change.

For compiler caches, which know a compiler by its file's time and cannot see recipes:

    CCACHE_COMPILERCHECK="%compiler% --colt-identity"

The line holds clang's path, time and size, our version, COLT_LEVEL and COLT_DISABLE, and a digest of COLT_RECIPE's
file, or else of every ``.colt`` in and above FOLDER (by default the working folder). A build outside of the source
tree names the source tree:
"%compiler% --colt-identity /src/project". Recipes in folders below FOLDER do not count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

from colt_llvm import __version__
from colt_llvm.builds.cc.settings import EXIT_USAGE, FOLDER, Settings, say

_OPTION = "--colt-identity"
_DIGEST_BYTES = 16


def answer(clang: str, words: list[str], settings: Settings) -> int:
    """Print the line for ``words``, the arguments; the exit status."""
    if words[0] != _OPTION or len(words) > 2:
        say(f"{' '.join(words)}: use {_OPTION} [FOLDER]")
        return EXIT_USAGE
    print(identity(clang, words[1] if len(words) > 1 else ".", settings), flush=True)
    return 0


def identity(clang: str, folder: str, settings: Settings) -> str:
    """The line: what decides the objects of a build in ``folder`` with this clang."""
    real = os.path.realpath(clang)
    facts = os.stat(real)
    if settings.disabled or settings.level:
        recipes = "off"
    else:
        recipes = digest_of([("", settings.recipe)] if settings.recipe else _files(os.path.realpath(folder)))
    level = settings.level or "as asked"
    return (
        f"colt-llvm {__version__} {real} time {facts.st_mtime_ns} size {facts.st_size} level {level} recipes {recipes}"
    )


def recipes_digest(folder: str) -> str:
    """A digest of the name and content of each file in each ``.colt`` in and above ``folder``."""
    return digest_of(_files(os.path.realpath(folder)))


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """A digest of the content of files and of their names, relative to their roots. files: (root or "", file)."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for root, file in files:
        name = os.fsencode(os.path.relpath(file, root) if root else "")  # the same in another checkout
        try:
            with open(file, "rb") as stream:
                content = stream.read()
        except OSError:
            content = b""  # a recipe that cannot be read is not used
        for part in (name, content):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def _files(folder: str) -> Iterator[tuple[str, str]]:
    while True:
        for place, folders, names in os.walk(os.path.join(folder, FOLDER)):
            folders.sort()
            yield from ((folder, os.path.join(place, name)) for name in sorted(names) if not name.endswith(".tmp"))
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
