"""Whether there is a program recipe near a command: a look that costs next to nothing, for every file of a build."""

from __future__ import annotations

import os

#: As store.FOLDER and whole_store.PROGRAMS (a test holds it), without what these import.
_STORE = os.path.join(".colt", "whole-program")


def near_a_program(words: list[str]) -> bool:
    """In a folder above the working folder, or above a file that the command names."""
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
            if os.path.isdir(os.path.join(place, _STORE)):
                return True
            place = os.path.dirname(place)
    return False
