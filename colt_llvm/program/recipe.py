"""A recipe: what a build needs to make the tuned object again, and what proves that it pays.

JSON, versioned, with sorted keys, so that it can be committed and reviewed. ``opt`` holds the command lines that
make the object by hand with LLVM's own tools.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import PassError, RecipeError
from colt_llvm.core.files import texts, write_json
from colt_llvm.core.variables import deciding_variables
from colt_llvm.llvm.decision import holds_decisions
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.process_options import split_options
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import build
from colt_llvm.program.compilation import LEVELS, Level, codegen_command, front_end, front_end_command
from colt_llvm.program.output import write_output
from colt_llvm.program.profile import KEPT, profile_file, with_kept_profile, without_profile
from colt_llvm.program.program import Program

VERSION = 2
#: Version 1 had no decisions about single functions, calls and loops; else it is the same.
READABLE = (1, 2)
KIND = "colt-llvm recipe"
_NAME = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """How to build one program, and the evidence."""

    program: str  #: its name
    objective: str  #: its name
    level: Level  #: of the front end and of code generation
    sequence: tuple[str, ...]  #: the actions by name
    pipeline: str  #: for ``opt -passes=``, the completion and the options before it (``llvm.process_options``) included
    cflags: tuple[str, ...]  #: of the program
    ldflags: tuple[str, ...]  #: of the program
    llvm: str  #: the version, ``22.1.0``
    triple: str  #: that clang compiled for
    sources: Mapping[str, str]  #: file name -> digest of its content when tuned
    objects: tuple[str, ...]  #: digest of each object's loaded content, in the order of the sources
    opt: tuple[str, ...]  #: commands that make the objects by hand
    evidence: Mapping[str, Any] = field(
        default_factory=dict
    )  #: ratio, interval, sizes, samples, host; no build reads it
    profile: str = ""  #: digest of the profile that ``cflags`` name; empty without one

    @property
    def llvm_major(self) -> int:
        """22 of ``22.1.0``."""
        return int(self.llvm.split(".")[0])


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the file. Raises RunDirectoryError."""
    write_json(path, {"kind": KIND, "version": VERSION, **asdict(recipe)})


def find_recipe(place: Path) -> Path:
    """The recipe's file: ``place``, or recipe.json of that run directory. Raises RecipeError."""
    if place.suffix == ".colt" or place.name == ".colt" or _is_of_a_build(place):
        raise RecipeError(
            f"{place}: belongs to a build of many files; name a recipe.json that tune wrote of one program"
        )
    if not place.exists():
        raise RecipeError(f"{place}: cannot be read (No such file or directory); name a recipe.json that tune wrote")
    if not place.is_dir():
        return place
    file = place / _NAME
    if not file.is_file():
        raise RecipeError(f"{place}: holds no {_NAME}, so nothing better was found there; name another run")
    return file


def _is_of_a_build(place: Path) -> bool:
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # load_recipe says what is wrong
    return isinstance(data, dict) and data.get("kind") in ("colt-llvm unit recipes", "colt-llvm program recipe")


def load_recipe(path: Path) -> Recipe:
    """Raises RecipeError, in one line."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); name a recipe.json that tune wrote") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RecipeError(f"{path}: is not JSON ({error}); name a recipe.json that tune wrote") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise RecipeError(f"{path}: is not a colt-llvm recipe; name a recipe.json that tune wrote")
    if data.get("version") not in READABLE:
        raise RecipeError(f"{path}: recipe version {data.get('version')!r} is none of {READABLE}; tune again")
    try:
        recipe = _from_data(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{path}: is damaged ({type(error).__name__}: {error}); tune again") from None
    return replace(recipe, cflags=with_kept_profile(recipe.cflags, path.parent)) if recipe.profile else recipe


def _from_data(data: Mapping[str, Any]) -> Recipe:
    if data["level"] not in LEVELS:
        raise ValueError(f"level {data['level']!r}")
    int(str(data["llvm"]).split(".")[0])
    return Recipe(
        program=str(data["program"]),
        objective=str(data["objective"]),
        level=data["level"],
        sequence=texts(data["sequence"]),
        pipeline=str(data["pipeline"]),
        cflags=texts(data["cflags"]),
        ldflags=texts(data["ldflags"]),
        llvm=str(data["llvm"]),
        triple=str(data["triple"]),
        sources={str(name): str(digest) for name, digest in data["sources"].items()},
        objects=texts(data["objects"]),
        opt=texts(data["opt"]),
        evidence=dict(data.get("evidence", {})),
        profile=str(data.get("profile", "")),
    )


def apply_recipe(recipe: Recipe, toolchain: Toolchain, program: Program) -> list[bytes]:
    """One object for each source, made as the recipe says.

    Raises RecipeError when this LLVM is of another major version or the profile is not there, CompileError or PassError
    when building fails.
    """
    if toolchain.major != recipe.llvm_major:
        raise RecipeError(
            f"the recipe was made with LLVM {recipe.llvm_major} and this is {toolchain.version}; "
            f"use --llvm-prefix with LLVM {recipe.llvm_major}, or tune again"
        )
    profile = profile_file(program.cflags)
    if recipe.profile and profile is not None and not profile.is_file():
        raise RecipeError(f"its profile {profile} is missing; keep the run's {KEPT} beside the recipe, or tune again")
    bitcodes = front_end(toolchain, program, recipe.level)
    return build(toolchain, program, recipe.level, bitcodes, recipe.pipeline)


def with_flags_of(recipe: Recipe, program: Program, *, cflags: bool = True, ldflags: bool = True) -> Program:
    """The program with the recipe's flags in the place of its own."""
    return replace(
        program,
        cflags=recipe.cflags if cflags else program.cflags,
        ldflags=recipe.ldflags if ldflags else program.ldflags,
    )


def refuse_other_program(recipe: Recipe, name: str, program: Program) -> None:
    """Raises RecipeError where no source is one that the recipe knows, by name or content. name: of the recipe."""
    known = {*recipe.sources, *recipe.sources.values()}
    digests = source_digests(program)
    if known and known.isdisjoint({*digests, *digests.values()}):
        raise RecipeError(
            f"{name}: does not fit: it is of {', '.join(recipe.sources)}, not of {', '.join(digests)}; tune that "
            "program, or use --any-program"
        )


def apply_to_file(
    recipe: Recipe, name: str, toolchain: Toolchain, program: Program, output: Path, *, strict: bool = False
) -> list[str]:
    """Write the executable, or for a name in .o the object; return what ``differences`` finds.

    name: of the recipe, for messages. strict: refuse what differs. Raises RecipeError, CompileError, RunDirectoryError.
    """
    try:
        objects = apply_recipe(recipe, toolchain, program)
    except PassError as error:
        raise RecipeError(f"{name}: its pipeline does not run on this program ({error}); tune again") from error
    found = differences(recipe, program, toolchain, objects)
    if found and strict:
        raise RecipeError(f"{name}: does not fit: {'; '.join(found)}; tune again, or do without strict")
    write_output(toolchain, program, objects, output)
    return found


def differences(recipe: Recipe, program: Program, toolchain: Toolchain, objects: Sequence[bytes]) -> list[str]:
    """What is not as it was when the recipe was made, one line each; the objects are what counts."""
    found = []
    for name, digest in source_digests(program).items():
        known = recipe.sources.get(name)
        if known is None:
            found.append(f"{name}: the recipe does not know this file")
        elif known != digest:
            found.append(f"{name}: has changed since it was tuned")
    if without_profile(program.cflags) != without_profile(recipe.cflags):
        found.append(f"compiler flags: {shlex.join(program.cflags)!r} instead of {shlex.join(recipe.cflags)!r}")
    if profile_digest(program) != recipe.profile:
        found.append("the profile is not the one that it was tuned with")
    if toolchain.version != recipe.llvm:
        found.append(f"LLVM {toolchain.version} instead of {recipe.llvm}")
    if tuple(map(loaded_digest, objects)) != recipe.objects:
        found.append("the object code is not the one that was measured")
        then, now = dict(recipe.evidence.get("variables") or {}), deciding_variables()
        for name in sorted(name for name in {*then, *now} if then.get(name) != now.get(name)):
            found.append(f"the variable {name} is {now.get(name, 'not set')!r} and was {then.get(name, 'not set')!r}")
    return found


def source_digests(program: Program) -> dict[str, str]:
    """File name -> digest of the content, as a recipe holds them."""
    names = _distinct([source.name for source in program.sources])
    return {name: source_digest(source) for name, source in zip(names, program.sources, strict=True)}


def source_digest(source: Path) -> str:
    """128 bits of a file's content, hexadecimal."""
    return hashlib.blake2b(source.read_bytes(), digest_size=16).hexdigest()


def object_names(program: Program) -> list[str]:
    """A file name for the object of each source."""
    return [f"{stem}.o" for stem in _distinct([source.stem for source in program.sources])]


def profile_digest(program: Program) -> str:
    """As a recipe holds it; empty without a profile."""
    file = profile_file(program.cflags)
    return source_digest(file) if file is not None and file.is_file() else ""


def opt_lines(toolchain: Toolchain, program: Program, level: Level, pipeline: str) -> tuple[str, ...]:
    """The commands that make each object by hand: clang's front end, ``opt``, clang's code generation.

    None where the pipeline holds decisions about single functions, calls or loops: ``opt`` has no words for these.
    None of a corpus either, whose programs have flags of their own.
    """
    if holds_decisions(pipeline) or program.members:
        return ()
    opt = str(toolchain.opt or toolchain.prefix / "bin" / "opt")
    lines = []
    for source, stem in zip(program.sources, _distinct([source.stem for source in program.sources]), strict=True):
        raw, tuned, result = f"{stem}.raw.bc", f"{stem}.opt.bc", f"{stem}.o"
        lines.append(shlex.join([*front_end_command(toolchain, program, source, level), "-o", raw]))
        # As the harness does it: costs depend on the relocation model, code generation on the order of uses.
        words, passes = split_options(pipeline)
        options = ["-relocation-model=pic", "-preserve-bc-uselistorder", *words, f"-passes={passes}"]
        lines.append(shlex.join([opt, *options, raw, "-o", tuned]))
        lines.append(shlex.join([*codegen_command(toolchain, program, Path(tuned), level), "-o", result]))
    return tuple(lines)


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names; one that is there twice gets its place in the list."""
    return [name if names.count(name) == 1 else f"{name}-{index + 1}" for index, name in enumerate(names)]
