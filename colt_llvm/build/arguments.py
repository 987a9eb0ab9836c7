"""A command line of clang, as far as a recipe has to understand it.

What is not understood makes the command "other", and it goes to clang unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from colt_llvm.build.options import (
    CXX_SUFFIXES,
    DEPENDENCY,
    DEPENDENCY_SEPARATE,
    LANGUAGES,
    LEVELS,
    OBJECT_SUFFIXES,
    SEPARATE,
    SUFFIXES,
    WRITES_DEPENDENCIES,
    forbids_a_recipe,
    is_other,
    is_silent,
)
from colt_llvm.build.responses import expand

#: What -Ofast says beside the level. Its own object, so that it can be told from what the user wrote.
_FAST = "".join(("-ffast", "-math"))


class Command:
    """One command of a build.

    kind: ``compile`` for exactly one C or C++ source to one object; ``link`` for what makes an executable or a
        library of objects alone; ``other``.
    source, output: as written (an output that is not written is what clang would choose).
    level: ``O0`` to ``Oz``, or empty. flags: what decides the code, in order, without the level.
    level_word: the level as it was written (``-Ofast``). passed: all options but for -c, -o, the level, the
    dependency file and the source. dependencies: words that make clang write the user's dependency file; empty where
    none is wanted. dependency_file: the file it is written to. inputs: all that are no options.
    """

    __slots__ = (
        "cxx", "dependencies", "dependency_file", "flags", "inputs", "kind", "level", "level_word", "output", "passed",
        "source", "words",
    )  # fmt: skip

    def __init__(self, words: Sequence[str], cxx: bool) -> None:
        self.words = list(words)
        self.cxx = cxx
        self.kind = "other"
        self.source = self.output = self.level = self.level_word = self.dependency_file = ""
        self.flags: list[str] = []
        self.passed: list[str] = []
        self.dependencies: list[str] = []
        self.inputs: list[str] = []


def parse(words: Sequence[str], cxx: bool, directory: str = ".") -> Command:
    """Understand ``words`` (without the compiler's own name). directory: where response files are looked for."""
    command = Command(expand(words, directory), cxx)
    language, compiles, other, not_compiled = "", False, False, False
    levels: list[str] = []
    targets: list[str] = []
    for option, value, written in _options(command.words):
        if option == "":
            command.inputs.append(value)
            other = other or (language != "" and language not in LANGUAGES)
        elif option == "-c":
            compiles = True
        elif option == "-o":
            command.output = value
            not_compiled = not_compiled or not value
        elif option == "-x":
            language = "" if value == "none" else value
            not_compiled = not_compiled or bool(command.inputs)  # clang has something to say to that
            command.passed += ["-x", value]
        elif option.startswith("-O") and not option.startswith("-ObjC"):
            levels.append(option)
            not_compiled = not_compiled or option not in LEVELS
            fast = [_FAST] if option == "-Ofast" else []
            command.flags += fast
            command.passed += fast
        elif option in DEPENDENCY:
            command.dependencies.append(option)
        elif option == "-MF":
            command.dependency_file = value
        elif option in DEPENDENCY_SEPARATE:
            targets += [option, value]
        elif option != "--":
            other = other or is_other(option)
            not_compiled = not_compiled or forbids_a_recipe(option)
            command.passed += written
            if not is_silent(option):
                command.flags += written
    _set_level(command, levels)
    sources = [name for name in command.inputs if name.endswith(SUFFIXES) or language in LANGUAGES]
    if compiles and not other and not not_compiled and len(command.inputs) == 1 and sources:
        _complete(command, sources[0], language, targets)
    elif not compiles and not other and command.inputs and not sources and not language and _links(command):
        command.kind = "link"
        command.output = command.output or "a.out"
    return command


def _set_level(command: Command, levels: Sequence[str]) -> None:
    if levels:
        command.level_word = levels[-1]
        command.level = LEVELS.get(levels[-1], levels[-1][1:])
    if "-Ofast" in levels and levels[-1] != "-Ofast":  # then it says nothing of mathematics
        command.flags = [word for word in command.flags if word is not _FAST]
        command.passed = [word for word in command.passed if word is not _FAST]


def _complete(command: Command, source: str, language: str, targets: list[str]) -> None:
    """What follows for a compilation; one whose files are no usual files stays "other"."""
    output = command.output or f"{os.path.splitext(os.path.basename(source))[0]}.o"
    wanted = not WRITES_DEPENDENCIES.isdisjoint(command.dependencies)
    file = command.dependency_file
    if source.startswith(("-", "@")) or output == "-" or file == "-" or file.startswith("/dev/"):
        return
    if not wanted and (command.dependencies or file or targets):
        return  # words without use, which clang may say
    command.kind, command.source, command.output = "compile", source, output
    command.cxx = LANGUAGES[language] if language else command.cxx or source.endswith(CXX_SUFFIXES)
    if wanted:
        command.dependency_file = file or f"{os.path.splitext(output)[0]}.d"
        command.dependencies += ["-MF", command.dependency_file, *(targets or ["-MQ", output])]


def normalised(flags: Sequence[str], root: str) -> list[str]:
    """Flags as a recipe keeps them: the root by the word ``{root}``, so that another checkout has the same."""
    return [_without_root(flag, root) for flag in flags]


def _without_root(flag: str, root: str) -> str:
    """Only whole names: of ``/src``, and not of ``/src2``."""
    first, *rest = flag.split(root)
    for part in rest:
        ends = not part or not (part[0].isalnum() or part[0] in "_.+-")
        first += ("{root}" if ends else root) + part
    return first


def with_level(words: Sequence[str], level: str) -> list[str]:
    """The same command (response files read) at another level, where it compiles and does not say -O0."""
    compiles, levels = False, []
    kept: list[str] = []
    for option, value, written in _options(words):
        if option == "" and value.endswith(SUFFIXES):
            compiles = True
        elif option == "-x":
            compiles = value in LANGUAGES
        elif option == "-E":
            return list(words)
        if option in LEVELS:
            levels.append(option)
        else:
            kept += written
    if not compiles or (levels and levels[-1] == "-O0"):
        return list(words)
    # Before everything else: a "--" may end the options.
    return [f"-{level}", *([_FAST] if levels[-1:] == ["-Ofast"] else []), *kept]


def _options(words: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """(option, its value, the words as written) in order; an input is ("", name, words)."""
    index, only_inputs = 0, False
    while index < len(words):
        word = words[index]
        index += 1
        if only_inputs or not word.startswith("-") or word == "-":
            yield "", word, [word]
        elif word == "--":
            only_inputs = True
            yield "--", "", [word]
        elif word in SEPARATE and index < len(words):
            yield word, words[index], [word, words[index]]
            index += 1
        elif word[:2] in ("-o", "-x") and word not in SEPARATE and not word.startswith(("-obj", "-o=")):
            yield word[:2], word[2:], [word]
        elif word[:3] in DEPENDENCY_SEPARATE and len(word) > 3:
            yield word[:3], word[3:], [word]
        else:
            yield word, "", [word]


def _links(command: Command) -> bool:
    return all(name.endswith(OBJECT_SUFFIXES) or ".so." in os.path.basename(name) for name in command.inputs)
