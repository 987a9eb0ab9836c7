"""Recipes in the tree: ``.colt/`` beside the sources, one small file of JSON for each tuned source.

Made to be committed and reviewed: sorted keys, no machine's paths, one entry for each set of flags that the
source is built with. Why so: docs/decisions/0023.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RecipeError, RunDirectoryError

FOLDER = ".colt"
#: In it, the recipes of whole programs (see ``whole_store``): no source is called so.
PROGRAMS = "whole-program"
KIND = "colt-llvm unit recipes"
VERSION = 1
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class UnitRecipe:
    """How one source is built to one object.

    source: relative to the folder that holds ``.colt``. inputs: relative path -> digest, of the source and of every
    header in that folder that it includes. flags: what of the command decides the code (``arguments.Command.flags``),
    with the folder written as ``{root}``. level: of the front end and of code generation. sequence: the actions by
    name. pipeline: the complete text for ``opt -passes=``. object: ``measure.loaded_digest`` of what it makes.
    evidence: as measured; never read by a build. command: how it was built, to build it again without the build:
    ``cc`` or ``c++``, the options, ``-c`` and the source as written, with the folder as ``{root}``; empty where that
    is not known. directory: the folder that it was run in, relative.
    """

    source: str
    inputs: Mapping[str, str]
    flags: tuple[str, ...]
    level: str
    llvm: str
    triple: str
    objective: str
    sequence: tuple[str, ...]
    pipeline: str
    object: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    directory: str = "."

    @property
    def llvm_major(self) -> int:
        return int(self.llvm.split(".")[0])

    @property
    def machine(self) -> str:
        """The processor's family: other words of a triple differ between vendors of one clang."""
        return machine_of(self.triple)


def recipe_file(root: str, source: str) -> str:
    """Where the recipes of ``source`` (relative to ``root``) are."""
    return os.path.join(root, FOLDER, source + ".json")


def find_recipe_file(source: str, directory: str = ".") -> tuple[str, str] | None:
    """(root, file) for a source as written in a command: the nearest ``.colt`` above it that knows it.

    The file system's own root holds no recipes: every path of the machine would lie in it.
    """
    path = os.path.realpath(os.path.join(directory, source))
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, FOLDER)):
            file = recipe_file(folder, os.path.relpath(path, folder))
            if os.path.isfile(file):
                return folder, file
        folder = os.path.dirname(folder)
    return None


def load_recipes(file: str | Path) -> list[UnitRecipe]:
    """Raises RecipeError, in one line."""
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
        data = json.loads(text)
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read ({error.strerror}); restore it, or tune again") from None
    except ValueError as error:
        raise RecipeError(f"{file}: {_why_no_json(file, error)}") from None
    except RecursionError as error:
        raise RecipeError(f"{file}: is not JSON ({error}); restore it, or tune again") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise RecipeError(f"{file}: holds no recipes of colt-llvm; restore it, or tune again")
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise RecipeError(f"{file}: version {version} is newer than {VERSION}; install a newer colt-llvm")
    if version != VERSION:
        raise RecipeError(f"{file}: version {version!r} is not {VERSION}; delete it, and tune again")
    try:
        return [_from_data(entry) for entry in data["recipes"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{file}: is damaged ({type(error).__name__}: {error}); restore it, or tune again") from None


def save_recipe(root: Path, recipe: UnitRecipe) -> Path:
    """Write it in place of one for the same flags and kind of processor. Raises RunDirectoryError, RecipeError."""
    path = Path(recipe_file(str(root), recipe.source))
    known = load_recipes(path) if path.exists() else []
    kept = [other for other in known if (other.flags, other.machine) != (recipe.flags, recipe.machine)]
    write_recipes(path, [*kept, recipe])
    return path


def write_recipes(path: Path, recipes: Sequence[UnitRecipe]) -> None:
    """The whole file anew; without recipes the file goes, and folders that are empty then. Raises RunDirectoryError."""
    try:
        if not recipes:
            path.unlink(missing_ok=True)
            remove_empty(path.parent)
            return
        ordered = sorted(recipes, key=lambda recipe: (recipe.flags, recipe.triple, recipe.llvm))
        data = {"kind": KIND, "version": VERSION, "recipes": [asdict(recipe) for recipe in ordered]}
        text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        content = text.encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except UnicodeEncodeError:
        raise RunDirectoryError(f"{os.fsencode(path)!r}: a name is not UTF-8; rename the file or folder") from None
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror}; make the folder writable, or free some space") from error


def all_recipe_files(root: Path) -> Iterator[Path]:
    """Of single sources, in the order of their names."""
    folder = root / FOLDER
    found = sorted(path for path in folder.rglob("*.json") if path.is_file()) if folder.is_dir() else []
    yield from (path for path in found if path.relative_to(folder).parts[0] != PROGRAMS)


def input_digest(path: str | Path) -> str:
    """Of the bytes as they are: nothing is guessed of what a compiler would not see."""
    with open(path, "rb") as file:
        return _digest(file.read())


def machine_of(triple: str) -> str:
    return triple.partition("-")[0]


def misfit(
    recipe: UnitRecipe, root: str, flags: Sequence[str], llvm_major: int | None,
    *, triple: str = "", digest: Callable[[str], str] = input_digest,
) -> str:  # fmt: skip
    """Why this recipe does not fit, in a few words; empty where it does. ``flags``: normalised.

    llvm_major None and an empty triple (of the toolchain) are not looked at. digest: of a file; raises OSError.
    """
    if triple and machine_of(triple) != recipe.machine:
        return f"made for {recipe.machine}, and this is {machine_of(triple)}"
    if tuple(flags) != recipe.flags:
        return f"flags differ ({first_difference(recipe.flags, flags)})"
    if llvm_major is not None and llvm_major != recipe.llvm_major:
        return f"made with LLVM {recipe.llvm_major}, and this is LLVM {llvm_major}"
    for name, recorded in recipe.inputs.items():
        path = os.path.join(root, name)
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                return f"{name} is no file"  # reading a pipe would hang the build
            if digest(path) != recorded:
                return f"{name} {_how_it_differs(path, recorded)}"
        except (FileNotFoundError, NotADirectoryError):
            return f"{name} is not there any more"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""


def choose(
    recipes: Sequence[UnitRecipe], root: str, flags: Sequence[str], llvm_major: int, *, triple: str = ""
) -> UnitRecipe | str:
    """The recipe that fits, or why none does: of several, the reason of the nearest."""
    same_flags = [recipe for recipe in recipes if recipe.flags == tuple(flags)]
    reason = "no recipe is recorded"
    for recipe in same_flags or recipes:
        reason = misfit(recipe, root, flags, llvm_major, triple=triple)
        if not reason:
            return recipe
    return reason


def first_difference(recorded: Sequence[str], given: Sequence[str]) -> str:
    """Of two commands, in a few words."""
    gone = [flag for flag in recorded if flag not in given]
    new = [flag for flag in given if flag not in recorded]
    if gone:
        return f"without {gone[0]}"
    return f"with {new[0]}" if new else "another order"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def _how_it_differs(path: str, recorded: str) -> str:
    with open(path, "rb") as file:
        unix = file.read().replace(b"\r\n", b"\n")
    if recorded in (_digest(unix), _digest(unix.replace(b"\n", b"\r\n"))):
        return "has other line endings than when it was tuned; let git fix them (.gitattributes: * text=auto eol=lf)"
    return "has changed since it was tuned"


def _why_no_json(file: str | Path, error: ValueError) -> str:
    with open(file, "rb") as stream:
        data = stream.read()
    if not data.strip():
        return "is empty; restore it, or tune again"
    if any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in data.splitlines()):
        return "holds a merge conflict (git's <<<<<<< and >>>>>>>); take one side of it whole, then tune again"
    return f"is not JSON ({error}); restore it, or tune again"


def _from_data(data: Mapping[str, Any]) -> UnitRecipe:
    int(str(data["llvm"]).split(".")[0])
    return UnitRecipe(
        source=str(data["source"]),
        inputs={str(name): str(digest) for name, digest in data["inputs"].items()},
        flags=_texts(data["flags"]),
        level=str(data["level"]),
        llvm=str(data["llvm"]),
        triple=str(data["triple"]),
        objective=str(data["objective"]),
        sequence=_texts(data["sequence"]),
        pipeline=str(data["pipeline"]),
        object=str(data["object"]),
        evidence=dict(data.get("evidence", {})),
        command=_texts(data.get("command", [])),
        directory=str(data.get("directory", ".")),
    )


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and "\0" not in value for value in values):
        raise TypeError(f"a list of texts is needed, not {values!r}")
    return tuple(values)


def remove_empty(folder: Path) -> None:
    """This folder and those above it that are empty then, ``.colt`` itself the last."""
    while folder.name and FOLDER in folder.parts and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
