"""The recipe of a whole program: ``.colt/whole-program/<output>.json``, beside those of single sources."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.builds.recipes.store import FOLDER, PROGRAMS, input_digest, machine_of, remove_empty
from colt_llvm.core.errors import RecipeError, RunDirectoryError

KIND = "colt-llvm program recipe"
VERSION = 1
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Member:
    """One unit of the program. source, inputs, flags: as in ``store.UnitRecipe``."""

    source: str
    flags: tuple[str, ...]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class ProgramRecipe:
    """How the units of one program are linked to one object.

    output: what is linked, relative to the folder that holds ``.colt``. members: in the order of the link. link: the
    words of the link command, with the folder as ``{root}``; another command may mean other symbols. kept: the names
    that stay visible outside of the object. level: of the front end and of code generation. sequence: the actions by
    name, empty where the level's own pipeline over the whole program is all. pipeline: the complete text for
    ``opt -passes=``. object: ``measure.loaded_digest`` of the one object. evidence: as measured.
    """

    output: str
    members: tuple[Member, ...]
    link: tuple[str, ...]
    kept: tuple[str, ...]
    level: str
    llvm: str
    triple: str
    objective: str
    sequence: tuple[str, ...]
    pipeline: str
    object: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def llvm_major(self) -> int:
        return int(self.llvm.split(".")[0])

    @property
    def machine(self) -> str:
        return machine_of(self.triple)

    def key(self, member: Member) -> str:
        """What an object that was built from this member says of itself."""
        facts = [member.source, list(member.flags), sorted(member.inputs.items()), self.level, self.llvm_major]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def program_file(root: str, output: str) -> str:
    """Where the recipe of ``output`` (relative to ``root``) is."""
    return os.path.join(root, FOLDER, PROGRAMS, output + ".json")


def find_program_file(output: str) -> tuple[str, str] | None:
    """(root, file) for what a link command makes: the nearest ``.colt`` above it that knows it."""
    path = os.path.realpath(output)
    for folder in _roots_above(path):
        file = program_file(folder, os.path.relpath(path, folder))
        if os.path.isfile(file):
            return folder, file
    return None


def programs_with(source: str) -> Iterator[tuple[str, ProgramRecipe, Member]]:
    """(root, recipe, member) for each program that this source is a member of. Recipes that are damaged are none."""
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
    return sorted(path for path in (root / FOLDER / PROGRAMS).rglob("*.json") if path.is_file())


def _roots_above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, FOLDER, PROGRAMS)):
            yield folder
        folder = os.path.dirname(folder)


def load_program(file: str | Path) -> ProgramRecipe:
    """Raises RecipeError, in one line."""
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise RecipeError(f"{file}: holds no program recipe of colt-llvm; restore it, or tune again")
        if data.get("version") != VERSION:
            raise RecipeError(
                f"{file}: version {data.get('version')!r} is not {VERSION}; update colt-llvm or tune again"
            )
        return _from_data(data)
    except RecipeError:
        raise
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read ({error.strerror}); restore it, or tune again") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RecipeError(f"{file}: is damaged ({type(error).__name__}: {error}); restore it, or tune again") from None


def save_program(root: Path, recipe: ProgramRecipe) -> Path:
    """Raises RunDirectoryError."""
    path = Path(program_file(str(root), recipe.output))
    data = {"kind": KIND, "version": VERSION, **asdict(recipe)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(
            json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
        os.replace(temporary, path)
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror}; make the folder writable, or free some space") from error
    return path


def remove_program(file: Path) -> None:
    """With the folders that are empty then."""
    file.unlink(missing_ok=True)
    remove_empty(file.parent)


def member_misfit(root: str, member: Member) -> str:
    """Which of its inputs is not what it was tuned with; empty where all are."""
    for name, recorded in member.inputs.items():
        try:
            if input_digest(os.path.join(root, name)) != recorded:
                return f"{name} has changed since it was tuned"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""


def program_misfit(recipe: ProgramRecipe, root: str, llvm_major: int | None, triple: str = "") -> str:
    """Why no build can use this recipe, in a few words; empty where it fits. The commands are not looked at."""
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
            flags=_texts(entry["flags"]),
            inputs={str(name): str(digest) for name, digest in entry["inputs"].items()},
        )
        for entry in data["members"]
    )
    if not members:
        raise ValueError("it has no members")
    texts = {name: _texts(data[name]) for name in ("link", "kept", "sequence")}
    plain = {name: str(data[name]) for name in ("output", "level", "llvm", "triple", "objective", "pipeline", "object")}
    if "\0" in plain["pipeline"]:
        raise ValueError("the pipeline is not text")
    return ProgramRecipe(members=members, evidence=dict(data.get("evidence", {})), **texts, **plain)  # type: ignore[arg-type]


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and "\0" not in value for value in values):
        raise TypeError(f"a list of texts is needed, not {values!r}")
    return tuple(values)
