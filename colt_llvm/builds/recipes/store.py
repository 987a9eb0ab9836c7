"""Recipes in the tree: ``.colt/`` beside the sources, one small file of JSON for each tuned source.

Made to be committed and reviewed: keys sorted, no paths of one machine, one entry for each set of flags that the source
is built with. Why so: docs/decisions/0023.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.builds.cc.settings import FOLDER, PROGRAMS
from colt_llvm.core.errors import ColtError, RecipeError, RunDirectoryError
from colt_llvm.core.files import texts, write_file

if TYPE_CHECKING:
    from colt_llvm.program.compilation import Level

KIND = "colt-llvm unit recipes"
VERSION = 1
#: Of recipe.json, as ``program.recipe`` writes it (a test holds it): importing that would take too long.
SHARED_KIND, SHARED_VERSION = "colt-llvm recipe", 2
_DIGEST_BYTES = 16
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class UnitRecipe:
    """How one source is built to one object."""

    source: str  # relative to the root, the folder that holds ``.colt``
    inputs: Mapping[str, str]  # relative path -> digest: the source, and each header in the root that it includes
    flags: tuple[str, ...]  # what of the command decides the code (``Command.flags``), the root as ``{root}``
    level: str  # of the front end and of code generation
    llvm: str  # version of the clang that it was made with
    triple: str  # what that clang builds for
    objective: str
    sequence: tuple[str, ...]  # actions by name
    pipeline: str  # complete text for ``opt -passes=``
    object: str  # ``loaded_digest`` of what it makes
    evidence: Mapping[str, Any] = field(default_factory=dict)  # as measured; no build reads it
    #: ``cc`` or ``c++``, the options, ``-c``, the source as written, the root as ``{root}``; empty where not known.
    command: tuple[str, ...] = ()
    profile: str = ""  # digest of the profile that the source is compiled with; empty without one
    directory: str = "."  # in which the command was run, relative to the root

    @property
    def llvm_major(self) -> int:
        """LLVM's major version, which has to be the same in a build."""
        return int(self.llvm.split(".")[0])

    @property
    def machine(self) -> str:
        """The processor's family; other words of a triple differ between vendors of one clang."""
        return machine_of(self.triple)


class Misfit(Exception):
    """Why a recipe is not used, and clang compiles or links as asked."""

    def __init__(self, why: str, remedy: str = "tune again") -> None:
        super().__init__(why)
        self.remedy = remedy


def why_not_used(error: Exception) -> str:
    """What kept a recipe from being used, in one line."""
    text = " ".join(str(error).split())
    expected = isinstance(error, Misfit | ColtError | OSError)
    return text if expected else f"internal error ({type(error).__name__}: {text})"


def checked_level(level: str, file: str) -> Level:
    """A recipe's level, where it is one: recipes are files, and nothing in them may become an option of clang.

    Raises Misfit.
    """
    if level not in CODEGEN_LEVEL:
        raise Misfit(f"{file}: level {level!r} is none of {', '.join(CODEGEN_LEVEL)}")
    return level  # type: ignore[return-value]


def recipe_file(root: str, source: str) -> str:
    """The file with the recipes of ``source``, which is relative to ``root``."""
    return os.path.join(root, FOLDER, source + ".json")


def find_recipe_file(source: str, directory: str = ".") -> tuple[str, str] | None:
    """(root, file) of a source as written in a command: of the nearest ``.colt`` above it that has a file for it.

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
    """The recipes of one source. Raises RecipeError, in one line."""
    return read_store(file, KIND, VERSION, lambda data: [_from_data(entry) for entry in data["recipes"]])


def load_shared(file: str | Path) -> UnitRecipe:
    """A recipe.json as the recipe of any source with any flags. Raises RecipeError where it is of one program alone."""
    recipe = read_store(
        file, SHARED_KIND, SHARED_VERSION,
        lambda data: _from_data({**data, "source": "", "inputs": {}, "flags": [], "object": "", "evidence": {}}),
    )  # fmt: skip
    if "decide(" in recipe.pipeline:
        from colt_llvm.llvm.decision import EVERY, is_decision, parse_decision

        for name in recipe.sequence:
            if is_decision(name) and parse_decision(name).function != EVERY:
                raise RecipeError(f"{file}: {name} is of one program; find one for many with colt-llvm tune --corpus")
    return recipe


def read_store(file: str | Path, kind: str, version: int, of: Callable[[dict[str, Any]], _Read]) -> _Read:
    """What ``of`` makes of a file of JSON of this kind and version. Raises RecipeError, in one line."""
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
    if not isinstance(data, dict) or data.get("kind") != kind:
        raise RecipeError(f'{file}: holds no recipes: its "kind" is not "{kind}"; restore it, or tune again')
    found = data.get("version")
    if isinstance(found, int) and found > version:
        raise RecipeError(f"{file}: version {found} is newer than {version}; install a newer colt-llvm")
    if found != version:
        raise RecipeError(f"{file}: version {found!r} is not {version}; delete it, and tune again")
    try:
        return of(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{file}: is damaged ({type(error).__name__}: {error}); restore it, or tune again") from None


def save_recipe(root: Path, recipe: UnitRecipe) -> Path:
    """Write it in place of one for the same flags and kind of processor; the file.

    Raises RunDirectoryError, RecipeError.
    """
    path = Path(recipe_file(str(root), recipe.source))
    before = load_recipes(path) if path.exists() else []
    kept = [other for other in before if (other.flags, other.machine) != (recipe.flags, recipe.machine)]
    write_recipes(path, [*kept, recipe])
    return path


def write_recipes(path: Path, recipes: Sequence[UnitRecipe]) -> None:
    """The whole file anew; without recipes the file goes, and folders that are empty then. Raises RunDirectoryError."""
    if recipes:
        ordered = sorted(recipes, key=lambda recipe: (recipe.flags, recipe.triple, recipe.llvm))
        write_store(path, {"kind": KIND, "version": VERSION, "recipes": [asdict(recipe) for recipe in ordered]})
    else:
        remove_store(path)


def write_store(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file of recipes, made to be reviewed: keys sorted, one item a line. Raises RunDirectoryError."""
    try:
        content = (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except UnicodeEncodeError:
        raise RunDirectoryError(f"{os.fsencode(path)!r}: a name is not UTF-8; rename the file or folder") from None
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror}; make the folder writable, or free some space") from error


def remove_store(path: Path) -> None:
    """Remove a file of recipes, and folders that are empty then, up to ``.colt`` itself. Raises RunDirectoryError."""
    try:
        path.unlink(missing_ok=True)
        folder = path.parent
        while folder.name and FOLDER in folder.parts and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be removed ({error.strerror}); make its folder writable") from error


def all_recipe_files(root: Path) -> Iterator[Path]:
    """The files with recipes of single sources, in the order of their names."""
    folder = root / FOLDER
    found = sorted(path for path in folder.rglob("*.json") if path.is_file()) if folder.is_dir() else []
    yield from (path for path in found if path.relative_to(folder).parts[0] != PROGRAMS)


def input_digest(path: str | Path) -> str:
    """The digest of a file's bytes. Raises OSError."""
    with open(path, "rb") as file:
        return _digest(file.read())


def machine_of(triple: str) -> str:
    """The processor's family of a target triple."""
    return triple.partition("-")[0]


def misfit(
    recipe: UnitRecipe, root: str, flags: Sequence[str], llvm_major: int | None,
    *, triple: str = "", digest: Callable[[str], str] = input_digest,
) -> str:  # fmt: skip
    """Why this recipe does not fit, in a few words; empty where it does.

    flags: of the command, normalised. llvm_major, triple: of the toolchain; None and "" are not compared.
    digest: of a file; raises OSError.
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


def profile_misfit(recipe: UnitRecipe, profile: str) -> str:
    """Why it does not fit a source that is compiled with this profile, a file or empty; empty where it does."""
    try:
        same = (input_digest(profile) if profile else "") == recipe.profile
    except OSError as error:
        return f"its profile {profile} cannot be read ({error.strerror})"
    return "" if same else "its profile is not the one that it was tuned with"


def choose(
    recipes: Sequence[UnitRecipe], root: str, flags: Sequence[str], llvm_major: int, *, triple: str = "",
    profile: str = "",
) -> UnitRecipe | str:  # fmt: skip
    """The recipe that fits, or why the last one with these flags (or any flags) does not; arguments as ``misfit``.

    profile: the file of the profile that the source is compiled with (``Command.profile``).
    """
    same_flags = [recipe for recipe in recipes if recipe.flags == tuple(flags)]
    reason = "no recipe is recorded"
    for recipe in same_flags or recipes:
        reason = misfit(recipe, root, flags, llvm_major, triple=triple) or profile_misfit(recipe, profile)
        if not reason:
            return recipe
    return reason


def first_difference(recorded: Sequence[str], given: Sequence[str]) -> str:
    """In what a command differs from the recorded one, in a few words."""
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
        flags=texts(data["flags"]),
        level=str(data["level"]),
        llvm=str(data["llvm"]),
        triple=str(data["triple"]),
        objective=str(data["objective"]),
        sequence=texts(data["sequence"]),
        pipeline=str(data["pipeline"]),
        object=str(data["object"]),
        evidence=dict(data.get("evidence", {})),
        command=texts(data.get("command", [])),
        directory=str(data.get("directory", ".")),
        profile=str(data.get("profile", "")),
    )
