"""clang's options, as far as ``arguments`` needs to know them.

The tables have to be right, not complete: under an option that is in none of them, the three steps of a recipe have to
print and write what clang alone would.
"""

from __future__ import annotations

C_SUFFIXES = (".c",)
CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".C", ".CPP", ".cp")
SUFFIXES = C_SUFFIXES + CXX_SUFFIXES
ASSEMBLY = (".s", ".S", ".sx", ".asm")
OBJECT_SUFFIXES = (".o", ".a", ".so", ".lo", ".obj")
LANGUAGES = {"c": False, "c++": True}

#: Options that take the next word, where they are not written in one word with it (a test asks clang).
SEPARATE = {
    "-o", "-x", "-D", "-U", "-I", "-L", "-l", "-F", "-B", "-T", "-u", "-z", "-e", "-A", "-G", "-include", "-imacros",
    "-isystem", "-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-iwithprefixbefore", "-isysroot", "-MF", "-MT",
    "-MQ", "-MJ", "-Xclang", "-Xpreprocessor", "-Xassembler", "-Xlinker", "-Xanalyzer", "-mllvm", "-target",
    "-arch", "--param", "--serialize-diagnostics", "-serialize-diagnostics", "-include-pch", "-rpath",
    "--sysroot", "-working-directory", "-dumpdir", "-cxx-isystem", "-stdlib++-isystem", "-ivfsoverlay", "-iframework",
    "-iwithsysroot", "-resource-dir",
}  # fmt: skip
#: With one of these clang makes no code: it prints something, checks, or preprocesses.
NO_CODE = {
    "-E", "-M", "-MM", "-MG", "-fsyntax-only", "-emit-ast", "-###", "--version", "-dumpversion", "-dumpmachine",
    "--analyze", "--precompile", "--help", "-help", "-V", "-qversion", "-fdriver-only", "-verify-pch",
}  # fmt: skip
NO_CODE_BEGINNINGS = ("-print-", "--print-", "-rewrite-", "-extract-")
#: With one of these the command links no program of the objects that it names; -working-directory moves their names.
NO_LINK = {"-S", "-r", "-emit-llvm", "-arch", "-working-directory"}
#: With one of these a compilation makes something else than a plain object, or asks for code that a recipe's steps
#: would not make.
OTHER = {
    "-S", "-emit-llvm", "-gsplit-dwarf", "--coverage", "-coverage", "-pg", "-arch", "-include-pch", "-Xpreprocessor",
    "-ftest-coverage", "-time", "-r",
}  # fmt: skip
OTHER_BEGINNINGS = (
    "-flto", "-fprofile", "-fsanitize", "-fcs-profile", "-save-temps", "--save-temps", "-fmodule", "-fembed-bitcode",
    "-ftime-trace", "-Wp,", "-fsave-optimization-record", "-foffload", "-fopenmp-targets", "-fcoverage",
    "-fdebug-compilation-dir", "-working-directory", "-save-stats", "-fthin-link-bitcode", "-ftemporal-profile",
    "-fcodegen-data", "-fclangir", "-dependency-",
)  # fmt: skip
#: With one of these a compilation goes to clang: it would print or write something at each of a recipe's steps, or it
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
#: Of these, what a later "no" form takes back (a test asks clang): -flto -fno-lto compiles as if neither were there.
TAKEN_BACK = {
    "-flto", "-fsanitize", "-fsanitize-coverage", "-gsplit-dwarf", "-fprofile-generate", "-fprofile-instr-generate",
    "-fprofile-use", "-fprofile-instr-use", "-fprofile-sample-use", "-fauto-profile", "-fcoverage-mapping",
    "-fprofile-arcs", "-ftest-coverage", "-fmodules", "-fsave-optimization-record", "-fxray-instrument",
    "-fmemory-profile", "-frecord-command-line", "-grecord-command-line", "-frecord-gcc-switches",
}  # fmt: skip
#: All other long options make a compilation "other": most are second names of short ones, or print something.
LONG = {"--sysroot", "--param"}
LONG_BEGINNINGS = (
    "--target=", "--sysroot=", "--param=", "--gcc-toolchain=", "--gcc-install-dir=", "--rtlib=", "--unwindlib=",
)  # fmt: skip

#: What decides where the compiler looks and what it prints, and not what code it makes. Headers count by their content.
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
#: A profile to compile with: recipes keep the option, and the profile's content in place of its name.
USES_PROFILE = ("-fprofile-use", "-fprofile-instr-use", "-fprofile-sample-use")
WRITES_DEPENDENCIES = {"-MD", "-MMD"}
DEPENDENCY = {*WRITES_DEPENDENCIES, "-MP"}
DEPENDENCY_SEPARATE = {"-MF", "-MT", "-MQ"}
#: -O as written -> the level. Any other -O is clang's to decide.
LEVELS = {
    "-O": "O1", "-Og": "O1", "-O0": "O0", "-O1": "O1", "-O2": "O2", "-O3": "O3", "-Os": "Os", "-Oz": "Oz",
    "-Ofast": "O3",
}  # fmt: skip
#: As in compilation.CODEGEN_LEVEL (a test holds it), which takes long to import.
CODEGEN_LEVEL = {"O1": 1, "O2": 2, "O3": 3, "Os": 2, "Oz": 2}


def is_silent(option: str) -> bool:
    """Whether the option leaves the code as it is: it is about warnings, include folders or linking."""
    if option in SILENT or option in SILENT_SEPARATE:
        return True
    if option.startswith("-W"):
        return not option.startswith(("-Wa,", "-Wp,"))
    return option.startswith(SILENT_BEGINNINGS)


def forbids_a_recipe(option: str) -> bool:
    """Whether no recipe can be used for a compilation with this option."""
    if option in ("-Xassembler", "-Xlinker") or defines_macros(option):
        return False
    if option.startswith("--"):
        return option not in LONG and not option.startswith(LONG_BEGINNINGS)
    if uses_profile(option):
        return False
    if option in OTHER or option in NOT_COMPILED or makes_no_code(option):
        return True
    return option.startswith(OTHER_BEGINNINGS) or option.startswith(NOT_COMPILED_BEGINNINGS)


def uses_profile(option: str) -> bool:
    """Whether it names a profile to compile with."""
    return option.partition("=")[0] in USES_PROFILE


def defines_macros(option: str) -> bool:
    """Whether it is ``-Wp,-DX,-UY``, which the front end takes as it stands."""
    words = option.split(",")
    return words[0] == "-Wp" and len(words) > 1 and all(word[:2] in ("-D", "-U") and word[2:] for word in words[1:])


def makes_no_code(option: str) -> bool:
    """Whether clang prints, checks or preprocesses with this option, and makes no code."""
    return option in NO_CODE or option.startswith(NO_CODE_BEGINNINGS)


def makes_no_program(option: str) -> bool:
    """Whether a link with this option makes nothing that runs."""
    return option in NO_LINK or option.startswith("-working-directory=") or makes_no_code(option)


def is_taken_back(option: str, later: str) -> bool:
    """Whether ``later``, which follows ``option``, undoes it: -flto -fno-lto compiles as if neither were there."""
    if option == "-fno-integrated-as":
        return later == "-fintegrated-as"
    name, _, value = option.partition("=")
    negative, _, taken = later.partition("=")
    if name not in TAKEN_BACK or negative != f"{name[:2]}no-{name[2:]}":
        return False
    if name == "-fsanitize" and taken == "all":
        return True
    return taken == (value if name.startswith("-fsanitize") else "")
