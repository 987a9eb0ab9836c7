"""A command line of clang, as far as a recipe has to understand it.

A command that is not understood is of kind "other", and goes to clang unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from colt_llvm.builds.cc.options import (
    ASSEMBLY,
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
    is_silent,
    is_taken_back,
    makes_no_code,
    makes_no_program,
    uses_profile,
)

#: What -Ofast means beside the level. A string object of its own, so that it differs (by ``is``) from the user's words.
_FAST = "".join(("-ffast", "-math"))
#: What clang reads where an option names a folder as the profile, or nothing.
_PROFILE = "default.profdata"
#: Response files may name others, so deep.
_DEPTH = 16
_SPACE = " \t\r\n"


class Command:
    """One command of a build, as ``parse`` understands it."""

    __slots__ = (
        "cxx",  # colt-c++, or the source is C++
        "dependencies",  # words that make clang write the user's dependency file; empty where none is wanted
        "dependency_file",  # that file
        "flags",  # what decides the code, in order, without the level
        "inputs",  # all words that are no options
        "kind",  # "compile": one C or C++ source to one object; "link": objects alone to a program or library; "other"
        "level",  # O0 to Oz, or empty
        "level_word",  # the level as it was written, such as -Ofast
        "makes",  # "objects" (-c), "code" of another kind, programs included, or nothing
        "option",  # of kind "other": the option that no recipe can have, if that is the reason
        "output",  # as written, or what clang would choose
        "passed",  # all options but -c, -o, the level, those of the dependency file, and the source
        "profile",  # the file of the profile that it is compiled with, absolute; empty without one
        "source",  # of kind "compile", as written
        "sources",  # those of the inputs that are C or C++
        "why_not",  # of kind "other": why no recipe describes it: "it is ..."
        "words",  # all, with response files read
    )

    def __init__(self, words: Sequence[str], cxx: bool) -> None:
        self.words = list(words)
        self.cxx = cxx
        self.kind = "other"
        self.source = self.output = self.level = self.level_word = self.dependency_file = ""
        self.makes = self.option = self.why_not = self.profile = ""
        self.flags: list[str] = []
        self.passed: list[str] = []
        self.dependencies: list[str] = []
        self.inputs: list[str] = []
        self.sources: list[str] = []

    def objects(self) -> list[str]:
        """The files that it makes, as written: an object for each input with -c, else the program."""
        if self.makes != "objects":
            return [self.output or "a.out"]
        return [self.output] if self.output else [default_object(name) for name in self.inputs]


def parse(words: Sequence[str], cxx: bool, directory: str = ".") -> Command:
    """Understand ``words``, without the compiler's own name.

    cxx: the compiler is colt-c++. directory: where response files are looked for.
    """
    command = Command(expand(words, directory), cxx)
    language, compiles, code, links = "", False, True, True
    levels: list[str] = []
    targets: list[str] = []
    unknown: list[str] = []
    for option, value, written in _in_force(command.words):
        code, links = code and not makes_no_code(option), links and not makes_no_program(option)
        if option == "":
            command.inputs.append(value)
            if language in LANGUAGES or (not language and value.endswith(SUFFIXES)):
                command.sources.append(value)
        elif option == "-c":
            compiles = True
        elif option == "-o":
            command.output = value
            unknown += [] if value else ["-o"]
        elif option == "-x":
            language = "" if value == "none" else value
            unknown += [f"-x {value}"] if command.inputs else []  # clang warns of that
            command.passed += ["-x", value]
        elif option.startswith("-O") and not option.startswith("-ObjC"):
            levels.append(option)
            unknown += [] if option in LEVELS else [option]
            fast = [_FAST] if option == "-Ofast" else []
            command.flags += fast
            command.passed += fast
        elif option in DEPENDENCY:
            command.dependencies.append(option)
        elif option == "-MF":
            command.dependency_file = value
        elif option in DEPENDENCY_SEPARATE:
            targets += [option, value]
        elif uses_profile(option):
            unknown += [option] if command.profile else []
            command.passed += written
            # Which file it is says nothing: a recipe holds a digest of the profile.
            command.flags.append(option.partition("=")[0])
            command.profile = _profile(option, directory)
        elif option != "--":
            unknown += [" ".join(written if option == "-Xclang" else [option])] if forbids_a_recipe(option) else []
            command.passed += written
            if not is_silent(option):
                command.flags += written
    _set_level(command, levels)
    if code and command.inputs:
        command.makes = "objects" if compiles and links else "code"
    if command.makes == "code" and links and not command.sources and not language and _links(command):
        command.kind = "link"
        command.output = command.output or "a.out"
    elif unknown and command.makes:
        _set_option(command, unknown[0])
    else:
        command.why_not = _shape(command, language)
        if not command.why_not:
            _complete(command, language, targets)
    return command


def _profile(option: str, directory: str) -> str:
    """The file that clang reads for an option that names a profile."""
    named = option.partition("=")[2]
    path = os.path.normpath(os.path.join(os.path.abspath(directory), named))
    return os.path.join(path, _PROFILE) if not named or os.path.isdir(path) else path


def _set_option(command: Command, option: str) -> None:
    command.option = option
    command.why_not = f"it is compiled with {option}, which recipes cannot have"


def _shape(command: Command, language: str) -> str:
    """Why a command without forbidden options is no compilation of one source to one object; empty where it is."""
    if not command.makes:
        return "it is not compiled to code"
    if not command.sources:
        assembly = language.startswith("assembler") or all(name.endswith(ASSEMBLY) for name in command.inputs)
        return "it is assembly, for which there are no recipes" if assembly else "it is neither C nor C++"
    if command.makes != "objects":
        return "it is compiled and linked in one command; compile and link in two steps"
    if len(command.inputs) > 1:
        return "it is compiled in one command with other files; compile each with a command of its own"
    return ""


def _set_level(command: Command, levels: Sequence[str]) -> None:
    if levels:
        command.level_word = levels[-1]
        command.level = LEVELS.get(levels[-1], levels[-1][1:])
    if "-Ofast" in levels and levels[-1] != "-Ofast":  # then it says nothing of mathematics
        command.flags = [word for word in command.flags if word is not _FAST]
        command.passed = [word for word in command.passed if word is not _FAST]


def _complete(command: Command, language: str, targets: list[str]) -> None:
    """Fill in what follows for a compilation; one whose files are no plain files stays "other"."""
    (source,) = command.sources
    output = command.output or default_object(source)
    wanted = not WRITES_DEPENDENCIES.isdisjoint(command.dependencies)
    file = command.dependency_file
    if source.startswith(("-", "@")):
        command.why_not = "it is named like an option"
    elif output == "-":
        command.why_not = "it is compiled to standard output"
    elif file == "-" or file.startswith("/dev/"):
        _set_option(command, f"-MF {file}")
    elif not wanted and (command.dependencies or file or targets):
        # Useless words, of which clang may warn.
        _set_option(command, next(iter([*command.dependencies, *targets[:1], "-MF"])))
    else:
        command.kind, command.source, command.output = "compile", source, output
        command.cxx = LANGUAGES[language] if language else command.cxx or source.endswith(CXX_SUFFIXES)
        if wanted:
            command.dependency_file = file or f"{os.path.splitext(output)[0]}.d"
            command.dependencies += ["-MF", command.dependency_file, *(targets or ["-MQ", output])]


def default_object(name: str) -> str:
    """The object that clang makes of this source without -o."""
    return f"{os.path.splitext(os.path.basename(name))[0]}.o"


def normalised(flags: Sequence[str], root: str) -> list[str]:
    """Flags as a recipe keeps them: with ``{root}`` for the root's path, so that another checkout has the same."""
    return [_without_root(flag, root) for flag in flags]


def _without_root(flag: str, root: str) -> str:
    """Replace whole names only: /src, and not the beginning of /src2."""
    first, *rest = flag.split(root)
    for part in rest:
        ends = not part or not (part[0].isalnum() or part[0] in "_.+-")
        first += ("{root}" if ends else root) + part
    return first


def with_level(words: Sequence[str], level: str) -> list[str]:
    """The same command at another level, where it compiles, and not at -O0. words: with response files read."""
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


def _in_force(words: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """As ``_options``, without those that a later one undoes: -flto -fno-lto is neither."""
    kept: list[tuple[str, str, list[str]]] = []
    for item in _options(words):
        left = [other for other in kept if not is_taken_back(other[0], item[0])] if item[0][1:2] in ("f", "g") else kept
        if len(left) == len(kept):
            left.append(item)
        kept = left
    return kept


def _options(words: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """(option, its value, the words as written) in order; an input is ("", its name, the words)."""
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
        elif word.startswith(("-Wp,-MD", "-Wp,-MMD")) and word.count(",") < 3:
            # As clang's driver reads these two, and no others of the kind.
            option, _, file = word[4:].partition(",")
            if option not in WRITES_DEPENDENCIES or word.endswith(","):
                yield word, "", [word]
                continue
            yield option, "", [option]
            if file:
                yield "-MF", file, ["-MF", file]
        elif word[:2] in ("-o", "-x") and word not in SEPARATE and not word.startswith(("-obj", "-o=")):
            yield word[:2], word[2:], [word]
        elif word[:3] in DEPENDENCY_SEPARATE and len(word) > 3:
            yield word[:3], word[3:], [word]
        else:
            yield word, "", [word]


def _links(command: Command) -> bool:
    return all(name.endswith(OBJECT_SUFFIXES) or ".so." in os.path.basename(name) for name in command.inputs)


def expand(words: Sequence[str], directory: str, depth: int = 0) -> list[str]:
    """The words with those of response files (``@FILE``) in their place; a file that cannot be read stays a word.

    directory: what the files' names are relative to. depth: of the files around these words.
    """
    expanded: list[str] = []
    for word in words:
        text = _read(os.path.join(directory, word[1:])) if word.startswith("@") and depth < _DEPTH else None
        expanded += [word] if text is None else expand(split(text), directory, depth + 1)
    return expanded


def _read(path: str) -> str | None:
    try:
        if not os.path.isfile(path):
            return None  # a pipe can be read once, and clang has to
        with open(path, "rb") as file:
            return os.fsdecode(file.read().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, ValueError):
        return None


def split(text: str) -> list[str]:
    """The words of a response file, by clang's rules: a backslash counts in either kind of quotes."""
    words: list[str] = []
    word: list[str] = []
    inside, quote = False, ""
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            word.append(next(letters, letter))
            inside = True
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word.append(letter)
        elif letter in "'\"":
            quote, inside = letter, True
        elif letter in _SPACE:
            if inside:
                words.append("".join(word))
            word, inside = [], False
        else:
            word.append(letter)
            inside = True
    return [*words, "".join(word)] if inside else words
