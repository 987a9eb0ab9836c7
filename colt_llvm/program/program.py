"""What is tuned: sources, flags, and the workloads that time and check it.

A program comes from a folder with a ``program.toml`` (the included ones), or from files and options.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import refuse_operators
from colt_llvm.program.profile import profile_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

C_SUFFIXES = (".c",)
CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".C")
IR_SUFFIXES = (".ll", ".bc")

#: Flags that would change what the baseline is, or leave no object code to compare.
_REFUSED_FLAGS = {
    r"-O.*": "the level comes from --objective",
    r"-flto.*": "the objects would hold no code to compare",
    r"-(c|S|E|o)": "colt-llvm decides what is built",
    r"-emit-llvm": "colt-llvm decides what is built",
    r"-fprofile(?!(-instr|-sample)?-use(=|$)).*|-fcs-profile.*": "instrumented code is not what you ship",
    r"-fsanitize.*|--coverage": "instrumented code is not what you ship",
}


@dataclass(frozen=True)
class Workload:
    """One run of the program. Raises UsageError for a word of the command that only a shell understands, as ``<``."""

    name: str  #: as errors and reports say it
    command: tuple[str, ...] = ("{exe}",)  #: ``{exe}`` stands for the executable
    stdin: Path | None = None  #: the file it reads; nothing when None
    outputs: tuple[str, ...] = ()  #: files it writes, relative to its working directory, compared too
    cwd: Path | None = None  #: its working directory; None is a fresh scratch folder for each run
    timed: bool = True  #: only the first timed workload is measured; the others are checked
    expected_stdout: Path | None = None  #: the right standard output, where it is known beforehand

    def __post_init__(self) -> None:
        refuse_operators(self.command)


@dataclass(frozen=True)
class Check:
    """How outputs are compared. Raises UsageError for ignoring standard output, which is always compared."""

    float_tolerance: float = 0.0  #: relative difference that numbers may have; 0 means exactly
    ignore: tuple[str, ...] = ()  #: "stderr", and files by name or pattern, relative to the working folder

    def __post_init__(self) -> None:
        object.__setattr__(self, "ignore", tuple(self.ignore))
        if "stdout" in self.ignore:
            raise UsageError("--ignore stdout: standard output is always compared; let the program print the same")
        if not all(isinstance(name, str) and name for name in self.ignore):
            raise UsageError("--ignore: use stderr, a file, or a pattern such as '*.log'")


@dataclass(frozen=True)
class Program:
    """What is tuned. Raises UsageError for a flag that would change the baseline, and for no workload."""

    name: str  #: as reports say it
    sources: tuple[Path, ...]  #: absolute paths
    cflags: tuple[str, ...] = ()  #: of baseline and candidates alike
    ldflags: tuple[str, ...] = ()  #: of baseline and candidates alike
    workloads: tuple[Workload, ...] = (Workload("default"),)  #: one or more
    check: Check = Check()  #: how outputs are compared
    harness: tuple[Path, ...] = ()  #: linked in as plain clang makes them, and not tuned; such as one with ``main``
    family: str = ""  #: of an included program
    split: str = ""  #: of an included program: ``train`` or ``held-out``
    description: str = ""  #: of an included program
    members: tuple[Program, ...] = ()  #: of a corpus: its programs, whose sources are all of ``sources``

    def __post_init__(self) -> None:
        for flag in self.cflags:
            for pattern, reason in _REFUSED_FLAGS.items():
                if re.fullmatch(pattern, flag):
                    raise UsageError(f"--cflags {flag}: leave it out; {reason}")
        profile_file(self.cflags)  # refuses two
        if not self.workloads:
            raise UsageError(f"{self.name}: has no workload; give at least one")

    @property
    def is_cxx(self) -> bool:
        """Whether it is linked as C++. Of LLVM IR inputs the flag -lstdc++ tells."""
        return any(source.suffix in CXX_SUFFIXES for source in self.sources + self.harness)

    @property
    def timed_workload(self) -> Workload:
        """The one that is measured."""
        return next((workload for workload in self.workloads if workload.timed), self.workloads[0])


def load_program(path: Path | str) -> Program:
    """Read a folder with a program.toml, or the file itself. Raises UsageError."""
    path = Path(path)
    file = path / "program.toml" if path.is_dir() else path
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file}: cannot be read ({error.strerror}); name a C file or a folder with a program.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: is not valid TOML ({error}); fix it") from None
    try:
        return _program_from(data, file.parent.resolve())
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        detail = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{file}: {detail}; see programs/lz77/program.toml for an example") from None


def _program_from(data: Mapping[str, Any], folder: Path) -> Program:
    if not isinstance(data["sources"], list) or not data["sources"]:
        raise ValueError("sources is a list of one file or more")
    sources = tuple(folder / source for source in data["sources"])
    workloads = tuple(_workload_from(item, folder, index) for index, item in enumerate(data["workload"]))
    for file in (*sources, *(workload.stdin for workload in workloads if workload.stdin)):
        if not file.is_file():
            raise UsageError(f"{file}: is named in program.toml and does not exist; fix the name")
    return Program(
        name=str(data["name"]),
        sources=sources,
        cflags=tuple(str(flag).replace("{dir}", str(folder)) for flag in data.get("cflags", ())),
        ldflags=tuple(map(str, data.get("ldflags", ()))),
        workloads=workloads,
        check=Check(**data.get("check", {})),
        family=str(data.get("family", "")),
        split=str(data.get("split", "")),
        description=str(data.get("description", "")),
    )


def _workload_from(data: Mapping[str, Any], folder: Path, index: int) -> Workload:
    known = {"name", "args", "stdin", "stdout", "outputs"}
    if unknown := sorted(set(data) - known):
        names = ", ".join(sorted(known))
        raise UsageError(f"{folder.name}/program.toml: unknown workload key {unknown[0]!r}; known: {names}")
    arguments = (str(argument).replace("{dir}", str(folder)) for argument in data.get("args", ()))
    return Workload(
        name=str(data.get("name", f"workload-{index + 1}")),
        command=("{exe}", *arguments),
        stdin=folder / data["stdin"] if "stdin" in data else None,
        outputs=tuple(data.get("outputs", ())),
        timed=index == 0,
        expected_stdout=folder / data["stdout"] if "stdout" in data else None,
    )


def program_from_files(
    sources: Sequence[Path | str],
    *,
    cflags: Sequence[str] = (),
    ldflags: Sequence[str] = (),
    harness: Sequence[Path | str] = (),
    workloads: Sequence[Workload] = (),
    **check: Any,
) -> Program:
    """A program from source files: C, C++, or LLVM IR (``.ll``, ``.bc``). Raises UsageError.

    check: ``float_tolerance`` and ``ignore``, as of :class:`Check`.
    """
    paths = [Path(source) for source in sources]
    _refuse_other_files([*paths, *map(Path, harness)])
    return Program(
        name=paths[0].stem,
        sources=tuple(path.resolve() for path in paths),
        cflags=tuple(cflags),
        ldflags=tuple(ldflags),
        workloads=tuple(workloads) or (Workload("default"),),
        check=Check(**check),
        harness=tuple(Path(source).resolve() for source in harness),
    )


def _refuse_other_files(paths: Sequence[Path]) -> None:
    for path in paths:
        if _is_plain_name(path):
            raise UsageError(f"{path}: no such file, and no included program; colt-llvm programs lists those")
        if path.suffix not in C_SUFFIXES + CXX_SUFFIXES + IR_SUFFIXES:
            raise UsageError(f"{path}: is not C, C++ or LLVM IR; name a .c, .cpp, .ll or .bc file")
        if not path.is_file():
            raise UsageError(f"{path}: no such file")


def programs_directory() -> Path:
    """Where the included programs are: in the installed package, or beside it in a source tree."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "_data" / "programs", here.parent / "programs"):
        if folder.is_dir():
            return folder
    raise UsageError("the included programs are not installed; use a source tree, or name your own files")


def included_programs(split: str | None = None) -> list[Program]:
    """The included programs, by name; ``split`` is ``train`` or ``held-out``."""
    found = [load_program(file) for file in sorted(programs_directory().glob("*/program.toml"))]
    return [program for program in found if split in (None, program.split)]


def resolve_program(arguments: Sequence[str], **options: Any) -> Program:
    """What the user named: source files, or one folder, or the name of an included program.

    Options that the user gave replace a folder's own where they are not empty.
    """
    if len(arguments) == 1:
        path = Path(arguments[0])
        folder = path if path.is_dir() else programs_directory() / path if _is_plain_name(path) else None
        if path.suffix == ".toml" or (folder and (folder / "program.toml").is_file()) or path.is_dir():
            return _override(load_program(folder or path), **options)
    return program_from_files(arguments, **options)


def _is_plain_name(path: Path) -> bool:
    return len(path.parts) == 1 and not path.suffix and not path.exists()


def _override(program: Program, **options: Any) -> Program:
    _refuse_other_files([Path(source) for source in options.get("harness", ())])
    changes: dict[str, Any] = {
        "cflags": program.cflags + tuple(options.get("cflags", ())),
        "ldflags": program.ldflags + tuple(options.get("ldflags", ())),
        "harness": program.harness + tuple(Path(source).resolve() for source in options.get("harness", ())),
    }
    if options.get("workloads"):
        changes["workloads"] = tuple(options["workloads"])
    if options.get("float_tolerance") or options.get("ignore"):
        tolerance = options.get("float_tolerance") or program.check.float_tolerance
        changes["check"] = Check(tolerance, (*program.check.ignore, *options.get("ignore", ())))
    return replace(program, **changes)


def corpus_of(name: str, members: Sequence[Program]) -> Program:
    """Programs that one recipe is to be found for; those of one name are numbered. Its flags are those of all."""
    given = [member.name for member in members]
    names = [
        name if given.count(name) == 1 else f"{name}-{given[: index + 1].count(name)}"
        for index, name in enumerate(given)
    ]
    named = tuple(replace(member, name=own) for member, own in zip(members, names, strict=True))
    common = tuple(flag for flag in named[0].cflags if all(flag in member.cflags for member in named))
    return Program(name, tuple(source for member in named for source in member.sources), common, members=named)


def program_to_dict(program: Program) -> dict[str, Any]:
    """JSON-able; ``program_from_dict`` gives an equal program."""
    data = asdict(replace(program, members=()))
    del data["members"]  # which no other run has
    if program.members:
        data["members"] = [program_to_dict(member) for member in program.members]
    for key in ("sources", "harness"):
        data[key] = [str(path) for path in data[key]]
    for workload in data["workloads"]:
        for key in ("stdin", "cwd", "expected_stdout"):
            workload[key] = str(workload[key]) if workload[key] is not None else None
    return data


def program_from_dict(data: Mapping[str, Any]) -> Program:
    """The inverse of ``program_to_dict``."""
    workloads = []
    for item in data["workloads"]:
        paths = {key: Path(item[key]) if item[key] is not None else None for key in ("stdin", "cwd", "expected_stdout")}
        texts = {key: tuple(item[key]) for key in ("command", "outputs")}
        workloads.append(Workload(**{**item, **paths, **texts}))
    return Program(
        **{
            **data,
            "sources": tuple(map(Path, data["sources"])),
            "harness": tuple(map(Path, data["harness"])),
            "cflags": tuple(data["cflags"]),
            "ldflags": tuple(data["ldflags"]),
            "workloads": tuple(workloads),
            "check": Check(**data["check"]),
            "members": tuple(map(program_from_dict, data.get("members", ()))),
        }
    )
