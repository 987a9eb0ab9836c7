"""The recipe of a whole program: ``.colt/whole-program/<output>.json``, beside those of single sources."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.builds.cc.settings import FOLDER, PROGRAMS
from colt_llvm.builds.recipes.store import input_digest, machine_of, read_store, write_store
from colt_llvm.core.errors import RecipeError
from colt_llvm.core.files import texts

KIND = "colt-llvm program recipe"
VERSION = 1
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Member:
    """One unit of the program; fields as in ``UnitRecipe``."""

    source: str
    flags: tuple[str, ...]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class ProgramRecipe:
    """How the units of one program are linked as one object."""

    output: str  # what is linked, relative to the root, the folder that holds ``.colt``
    members: tuple[Member, ...]  # in the order of the link
    link: tuple[str, ...]  # the link command, the root as ``{root}``: another one may mean other symbols
    kept: tuple[str, ...]  # names that stay visible outside of the object
    level: str  # of the front end and of code generation
    llvm: str  # version of the clang that it was made with
    triple: str  # what that clang builds for
    objective: str
    sequence: tuple[str, ...]  # actions by name; empty where it is the level's own pipeline over the whole program
    pipeline: str  # complete text for ``opt -passes=``
    object: str  # ``loaded_digest`` of the one object
    evidence: Mapping[str, Any] = field(default_factory=dict)  # as measured; no build reads it

    @property
    def llvm_major(self) -> int:
        """LLVM's major version, which has to be the same in a build."""
        return int(self.llvm.split(".")[0])

    @property
    def machine(self) -> str:
        """The processor's family."""
        return machine_of(self.triple)

    def key(self, member: Member) -> str:
        """The key that an object carries which was built from this member for this recipe."""
        facts = [member.source, list(member.flags), sorted(member.inputs.items()), self.level, self.llvm_major]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def program_file(root: str, output: str) -> str:
    """The file with the recipe of ``output``, which is relative to ``root``."""
    return os.path.join(root, FOLDER, PROGRAMS, output + ".json")


def find_program_file(output: str) -> tuple[str, str] | None:
    """(root, file) of what a link command makes: of the nearest ``.colt`` above it that has a file for it."""
    path = os.path.realpath(output)
    for folder in _roots_above(path):
        file = program_file(folder, os.path.relpath(path, folder))
        if os.path.isfile(file):
            return folder, file
    return None


def programs_with(source: str) -> Iterator[tuple[str, ProgramRecipe, Member]]:
    """(root, recipe, member) for each program that this source is a member of; damaged recipes are left out."""
    path = os.path.realpath(source)
    for folder in _roots_above(path):
        name = os.path.relpath(path, folder)
        for file in all_program_files(Path(folder)):
            try:
                recipe = load_program(file)
            except RecipeError:
                continue  # said when the program is linked
            yield from ((folder, recipe, member) for member in recipe.members if member.source == name)


def all_program_files(root: Path) -> list[Path]:
    """The files with recipes of whole programs, in the order of their names."""
    return sorted(path for path in (root / FOLDER / PROGRAMS).rglob("*.json") if path.is_file())


def _roots_above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, FOLDER, PROGRAMS)):
            yield folder
        folder = os.path.dirname(folder)


def load_program(file: str | Path) -> ProgramRecipe:
    """The recipe of one program. Raises RecipeError, in one line."""
    return read_store(file, KIND, VERSION, _from_data)


def save_program(root: Path, recipe: ProgramRecipe) -> Path:
    """Write it in place of the program's earlier one; the file. Raises RunDirectoryError."""
    path = Path(program_file(str(root), recipe.output))
    write_store(path, {"kind": KIND, "version": VERSION, **asdict(recipe)})
    return path


def member_misfit(root: str, member: Member) -> str:
    """Which of a member's inputs is not what it was tuned with, in a few words; empty where all are."""
    for name, recorded in member.inputs.items():
        try:
            if input_digest(os.path.join(root, name)) != recorded:
                return f"{name} has changed since it was tuned"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""


def program_misfit(recipe: ProgramRecipe, root: str, llvm_major: int | None, triple: str = "") -> str:
    """Why no build can use this recipe, in a few words; empty where one can, with commands as they were.

    llvm_major, triple: of the toolchain; None and "" are not compared.
    """
    if triple and machine_of(triple) != recipe.machine:
        return f"made for {recipe.machine}, and this is {machine_of(triple)}"
    if llvm_major is not None and llvm_major != recipe.llvm_major:
        return f"made with LLVM {recipe.llvm_major}, and this is LLVM {llvm_major}"
    return next(filter(None, (member_misfit(root, member) for member in recipe.members)), "")


def _from_data(data: Mapping[str, Any]) -> ProgramRecipe:
    int(str(data["llvm"]).split(".")[0])
    members = tuple(
        Member(
            source=str(entry["source"]),
            flags=texts(entry["flags"]),
            inputs={str(name): str(digest) for name, digest in entry["inputs"].items()},
        )
        for entry in data["members"]
    )
    if not members:
        raise ValueError("it has no members")
    lists = {name: texts(data[name]) for name in ("link", "kept", "sequence")}
    plain = {name: str(data[name]) for name in ("output", "level", "llvm", "triple", "objective", "pipeline", "object")}
    if "\0" in plain["pipeline"]:
        raise ValueError("the pipeline is not text")
    return ProgramRecipe(members=members, evidence=dict(data.get("evidence", {})), **lists, **plain)  # type: ignore[arg-type]
