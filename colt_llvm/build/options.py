"""clang's options, as far as ``arguments`` needs to know them.

The tables need to be right, not complete: an option that lacks in a table of what makes a command "other" has to be
one under which the three steps of a recipe say and write what clang alone would.
"""

from __future__ import annotations

C_SUFFIXES = (".c",)
CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".C", ".CPP", ".cp")
SUFFIXES = C_SUFFIXES + CXX_SUFFIXES
OBJECT_SUFFIXES = (".o", ".a", ".so", ".lo", ".obj")
LANGUAGES = {"c": False, "c++": True}

#: Options that take the next word, where they are not written in one word with it (a test asks clang).
SEPARATE = {
    "-o", "-x", "-D", "-U", "-I", "-L", "-l", "-F", "-B", "-T", "-u", "-z", "-e", "-A", "-G", "-include", "-imacros",
    "-isystem", "-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-iwithprefixbefore", "-isysroot", "-MF", "-MT",
    "-MQ", "-MJ", "-Xclang", "-Xpreprocessor", "-Xassembler", "-Xlinker", "-Xanalyzer", "-mllvm", "-target",
    "-arch", "--param", "--serialize-diagnostics", "-serialize-diagnostics", "-include-pch", "-rpath",
    "--sysroot", "-working-directory", "-dumpdir",
}  # fmt: skip
#: With one of these the command neither makes a plain object nor links.
OTHER = {
    "-E", "-S", "-M", "-MM", "-MG", "-fsyntax-only", "-emit-llvm", "-emit-ast", "-###", "--version", "-dumpversion",
    "-dumpmachine", "--analyze", "--precompile", "-gsplit-dwarf", "--coverage", "-coverage", "-pg", "-arch",
    "-include-pch", "-Xpreprocessor", "-working-directory", "--help", "-r", "-V", "-qversion",
}  # fmt: skip
OTHER_BEGINNINGS = (
    "-flto", "-fprofile", "-fsanitize", "-fcs-profile", "-save-temps", "--save-temps", "-fmodule", "-print-",
    "--print-", "-fembed-bitcode", "-ftime-trace", "-Wp,", "-fsave-optimization-record", "-foffload",
    "-fopenmp-targets", "-fcoverage", "-fdebug-compilation-dir", "-working-directory",
)  # fmt: skip
#: With one of these a compilation goes to clang: it would say or write something at each of a recipe's steps, or it
#: asks for something that only clang's own pipeline does.
NOT_COMPILED = {
    "-v", "-p", "-MV", "-MJ", "-Xclang", "-Xanalyzer", "-ObjC", "-ObjC++", "-no-integrated-as", "-fno-integrated-as",
    "-via-file-asm", "-serialize-diagnostics", "--serialize-diagnostics", "-dumpdir", "-iprefix",
}  # fmt: skip
NOT_COMPILED_BEGINNINGS = (
    "-R", "-X", "-emit-", "-ccc-", "-rewrite-", "-objc", "-verify-pch", "-extract-", "-gen-", "-fplugin",
    "-fpass-plugin", "-fstack-usage", "-frecord", "-grecord", "-ftime-report", "-fproc-stat", "-fdump", "-finstrument",
    "-fxray", "-foptimization-record", "-Wframe-larger-than", "-Werror=frame-larger-than", "-fdriver-only",
    "-fmemory-profile", "-fauto-profile", "-fcxx-modules", "-fimplicit-module", "-fprebuilt", "-fcoverage",
    "-ffile-compilation-dir", "-gsplit-dwarf=", "-fthinlto", "-fcrash-diagnostics", "-offload", "-index-",
)  # fmt: skip
#: All other long options make a compilation "other": most are second names of short ones, or print something.
LONG = {"--sysroot", "--param"}
LONG_BEGINNINGS = (
    "--target=", "--sysroot=", "--param=", "--gcc-toolchain=", "--gcc-install-dir=", "--rtlib=", "--unwindlib=",
)  # fmt: skip

#: What decides where the compiler looks and what it says, and not what code it makes. Which headers are found is
#: looked at by their content.
SILENT_SEPARATE = {
    "-I", "-L", "-l", "-isystem", "-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-iwithprefixbefore", "-Xlinker",
    "-F", "-B", "-T", "-u", "-z", "-e", "-rpath", "--serialize-diagnostics", "-serialize-diagnostics", "-dumpdir",
}  # fmt: skip
SILENT = {"-w", "-pipe", "-v", "-Qunused-arguments", "-rdynamic", "-s", "-pie", "-no-pie", "-shared", "-static"}
SILENT_BEGINNINGS = (
    "-I", "-L", "-l", "-isystem", "-iquote", "-idirafter", "-Wl,", "-fdiagnostics", "-fno-diagnostics",
    "-fcolor-diagnostics", "-fno-color-diagnostics", "-fansi-escape-codes", "-ferror-limit", "-fmessage-length",
    "-ftemplate-backtrace-limit", "-fmacro-backtrace-limit", "-fshow-", "-fno-show-", "-fcaret", "-fno-caret",
    "-pedantic", "-F", "-B",
)  # fmt: skip
WRITES_DEPENDENCIES = {"-MD", "-MMD"}
DEPENDENCY = {*WRITES_DEPENDENCIES, "-MP"}
DEPENDENCY_SEPARATE = {"-MF", "-MT", "-MQ"}
#: -O as written -> the level. Any other -O is clang's to judge.
LEVELS = {
    "-O": "O1", "-Og": "O1", "-O0": "O0", "-O1": "O1", "-O2": "O2", "-O3": "O3", "-Os": "Os", "-Oz": "Oz",
    "-Ofast": "O3",
}  # fmt: skip
#: As in compilation.CODEGEN_LEVEL (a test holds it), which takes long to import.
CODEGEN_LEVEL = {"O1": 1, "O2": 2, "O3": 3, "Os": 2, "Oz": 2}


def is_silent(option: str) -> bool:
    if option in SILENT or option in SILENT_SEPARATE:
        return True
    if option.startswith("-W"):
        return not option.startswith("-Wa,")
    return option.startswith(SILENT_BEGINNINGS)


def forbids_a_recipe(option: str) -> bool:
    """Of a compilation; ``is_other`` holds for links too."""
    if option == "-Xassembler" or option == "-Xlinker":
        return False
    if option.startswith("--"):
        return option not in LONG and not option.startswith(LONG_BEGINNINGS)
    return option in NOT_COMPILED or option.startswith(NOT_COMPILED_BEGINNINGS)


def is_other(option: str) -> bool:
    return option in OTHER or option.startswith(OTHER_BEGINNINGS)
