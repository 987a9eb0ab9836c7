"""A command line of clang, as far as a recipe has to understand it.

What is not understood makes the command "other", and it goes to clang unchanged. So the tables here need to be
right, not complete: an option that is missing costs a recipe and breaks nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

C_SUFFIXES = (".c",)
CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".C", ".CPP", ".cp")
SUFFIXES = C_SUFFIXES + CXX_SUFFIXES
OBJECT_SUFFIXES = (".o", ".a", ".so", ".lo", ".obj")

#: Options that take the next word, where they are not written in one word with it.
_SEPARATE = {
    "-o", "-x", "-D", "-U", "-I", "-L", "-l", "-F", "-B", "-T", "-u", "-z", "-e", "-A", "-G", "-include", "-imacros",
    "-isystem", "-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-iwithprefixbefore", "-isysroot", "-MF", "-MT",
    "-MQ", "-MJ", "-Xclang", "-Xpreprocessor", "-Xassembler", "-Xlinker", "-Xanalyzer", "-mllvm", "-target", "--target",
    "-arch", "--param", "-aux-info", "--serialize-diagnostics", "-serialize-diagnostics", "-include-pch", "-rpath",
    "--sysroot", "-working-directory", "-gcc-toolchain", "-dumpdir", "-soname", "-h",
}  # fmt: skip
#: With one of these the command makes no plain object, or code that no recipe describes.
_OTHER = {
    "-E", "-S", "-M", "-MM", "-MG", "-fsyntax-only", "-emit-llvm", "-emit-ast", "-###", "--version", "-dumpversion",
    "-dumpmachine", "--analyze", "--precompile", "-gsplit-dwarf", "--coverage", "-coverage", "-pg", "-arch",
    "-include-pch", "-Xpreprocessor", "-working-directory", "--help", "-r",
}  # fmt: skip
_OTHER_BEGINNINGS = (
    "-flto", "-fprofile", "-fsanitize", "-fcs-profile", "-save-temps", "--save-temps", "-fmodule", "-print-",
    "--print-", "-fembed-bitcode", "-ftime-trace", "-Wp,", "-fsave-optimization-record", "-foffload",
    "-fopenmp-targets", "-fcoverage", "-fdebug-compilation-dir", "-working-directory",
)  # fmt: skip
#: What decides where the compiler looks and what it says, and not what code it makes. Which headers are found is
#: looked at by their content.
_SILENT_SEPARATE = {
    "-I", "-L", "-l", "-isystem", "-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-iwithprefixbefore", "-Xlinker",
    "-F", "-B", "-T", "-u", "-z", "-e", "-rpath", "--serialize-diagnostics", "-serialize-diagnostics", "-dumpdir",
}  # fmt: skip
_SILENT = {"-w", "-pipe", "-v", "-Qunused-arguments", "-rdynamic", "-s", "-pie", "-no-pie", "-shared", "-static"}
_SILENT_BEGINNINGS = (
    "-I", "-L", "-l", "-isystem", "-iquote", "-idirafter", "-Wl,", "-fdiagnostics", "-fno-diagnostics",
    "-fcolor-diagnostics", "-fno-color-diagnostics", "-fansi-escape-codes", "-ferror-limit", "-fmessage-length",
    "-ftemplate-backtrace-limit", "-fmacro-backtrace-limit", "-fshow-", "-fno-show-", "-fcaret", "-fno-caret",
    "-pedantic", "-F", "-B",
)  # fmt: skip
_DEPENDENCY = {"-MD", "-MMD", "-MP", "-MV"}
_DEPENDENCY_SEPARATE = {"-MF", "-MT", "-MQ", "-MJ"}
_LANGUAGES = {"c": False, "c++": True}


class Command:
    """One command of a build.

    kind: ``compile`` for exactly one C or C++ source to one object; ``link`` for what makes an executable or a
        library of objects alone; ``other``.
    source, output: as written (an output that is not written is what clang would choose).
    level: ``O0`` to ``Oz``, or empty. flags: what decides the code, in order, without the level.
    passed: all options but for -c, -o, the level, the dependency file and the source.
    dependencies: words that make clang write the user's dependency file; empty where none is wanted.
    dependency_file: the file it is written to. inputs: all that are no options.
    """

    __slots__ = (
        "cxx", "dependencies", "dependency_file", "flags", "inputs", "kind", "level", "output", "passed", "source",
        "words",
    )  # fmt: skip

    def __init__(self, words: Sequence[str], cxx: bool) -> None:
        self.words = list(words)
        self.cxx = cxx
        self.kind = "other"
        self.source = self.output = self.level = self.dependency_file = ""
        self.flags: list[str] = []
        self.passed: list[str] = []
        self.dependencies: list[str] = []
        self.inputs: list[str] = []


def parse(words: Sequence[str], cxx: bool, directory: str = ".") -> Command:
    """Understand ``words`` (without the compiler's own name). directory: where response files are looked for."""
    command = Command(expand(words, directory), cxx)
    language, compiles, other = "", False, False
    targets: list[str] = []
    for option, value in _options(command.words):
        if option == "":
            command.inputs.append(value)
            if language:
                other = other or language not in _LANGUAGES
        elif option == "-c":
            compiles = True
        elif option == "-o":
            command.output = value
        elif option == "-x":
            language = "" if value == "none" else value
            command.passed += ["-x", value]
        elif option.startswith("-O"):
            command.level, fast = _level(option)
            command.flags += fast
            command.passed += fast
        elif option in _DEPENDENCY:
            command.dependencies.append(option)
        elif option in _DEPENDENCY_SEPARATE:
            other = other or option == "-MJ"
            if option == "-MF":
                command.dependency_file = value
            else:
                targets += [option, value]
        else:
            if option in _OTHER or option.startswith(_OTHER_BEGINNINGS):
                other = True
            written = _written(option, value)
            command.passed += written
            if not _silent(option):
                command.flags += written
    sources = [name for name in command.inputs if name.endswith(SUFFIXES) or language in _LANGUAGES]
    if compiles and not other and len(command.inputs) == 1 and sources and sources[0] != "-" and command.output != "-":
        _complete(command, sources[0], language, targets)
    elif not compiles and not other and command.inputs and not sources and not language and _links(command):
        command.kind = "link"
        command.output = command.output or "a.out"
    return command


def _complete(command: Command, source: str, language: str, targets: list[str]) -> None:
    command.kind, command.source = "compile", source
    if not language:
        command.cxx = command.cxx or source.endswith(CXX_SUFFIXES)
    else:
        command.cxx = _LANGUAGES[language]
    stem = os.path.splitext(os.path.basename(source))[0]
    command.output = command.output or f"{stem}.o"
    wanted = any(option in ("-MD", "-MMD") for option in command.dependencies)
    if not wanted:
        command.dependencies, command.dependency_file = [], ""
        return
    command.dependency_file = command.dependency_file or f"{os.path.splitext(command.output)[0]}.d"
    command.dependencies += ["-MF", command.dependency_file, *(targets or ["-MQ", command.output])]


def expand(words: Sequence[str], directory: str, depth: int = 0) -> list[str]:
    """Response files read in place, as clang does; one that cannot be read stays a word."""
    expanded: list[str] = []
    for word in words:
        if word.startswith("@") and len(word) > 1 and depth < 16:
            try:
                with open(os.path.join(directory, word[1:]), encoding="utf-8") as file:
                    inner = shlex.split(file.read(), comments=False, posix=True)
            except (OSError, ValueError):
                expanded.append(word)
                continue
            expanded += expand(inner, directory, depth + 1)
        else:
            expanded.append(word)
    return expanded


def normalised(flags: Sequence[str], root: str) -> list[str]:
    """Flags as a recipe keeps them: the root by the word ``{root}``, so that another checkout has the same."""
    return [flag.replace(root, "{root}") for flag in flags]


def with_level(words: Sequence[str], level: str) -> list[str]:
    """The same command at another level, where it compiles and does not say -O0."""
    compiles = any(value.endswith(SUFFIXES) for option, value in _options(words) if not option) or "-x" in words
    levels = [word for word in words if word.startswith("-O")]
    if not compiles or (levels and levels[-1] == "-O0") or "-E" in words:
        return list(words)
    fast = ["-ffast-math"] if levels and levels[-1] == "-Ofast" else []
    kept: list[str] = []
    for option, value in _options(words):
        if not option.startswith("-O"):
            kept += _written(option, value)
    # Before everything else: a "--" may end the options.
    return [f"-{level}", *fast, *kept]


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(option, its value) in order; an input is ("", name)."""
    index, only_inputs = 0, False
    while index < len(words):
        word = words[index]
        index += 1
        if only_inputs or not word.startswith("-") or word == "-":
            yield "", word
        elif word == "--":
            only_inputs = True
        elif word in _SEPARATE and index < len(words):
            yield word, words[index]
            index += 1
        elif word[:2] in ("-o", "-x") and word not in _SEPARATE and not word.startswith(("-objc", "-o=")):
            yield word[:2], word[2:]
        elif word[:3] in _DEPENDENCY_SEPARATE and len(word) > 3:
            yield word[:3], word[3:]
        else:
            yield word, ""


def _written(option: str, value: str) -> list[str]:
    if not option:
        return [value]
    return [option, value] if option in _SEPARATE and (value or option in ("-D", "-include")) else [option]


def _silent(option: str) -> bool:
    if option in _SILENT or option in _SILENT_SEPARATE:
        return True
    if option.startswith("-W"):
        return not option.startswith("-Wa,")
    return option.startswith(_SILENT_BEGINNINGS)


def _links(command: Command) -> bool:
    return all(name.endswith(OBJECT_SUFFIXES) or ".so." in os.path.basename(name) for name in command.inputs)


def _level(option: str) -> tuple[str, list[str]]:
    known = {"-O": "O1", "-Og": "O1", "-O4": "O3", "-Ofast": "O3"}
    fast = ["-ffast-math"] if option == "-Ofast" else []
    return known.get(option, option[1:]), fast
