"""The pass catalogue: what a search may do to a module, read from ``passes/<llvm-major>.toml``.

A version has a file of its own, or a file that says what differs from another one, or what its library accepts of
the nearest file.

An *action* is one pass with its parameters chosen. It has a short unique name, which people and
models write, and a complete pipeline text, which LLVM reads. The file's own header describes its format.
Why so: docs/decisions/0003.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError

_toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

LEVELS = ("module", "cgscc", "function", "loop")
KINDS = ("transform", "pipeline", "analysis-prep")
RISKS = ("nondeterministic", "miscompile", "crash", "slow", "grows")

_PASS_KEYS = {"name", "pipeline", "level", "summary", "kind", "risk", "note", "older", "bare", "variants"}
_VARIANT_KEYS = {"summary", "pipeline", "risk", "note", "older"}


class CatalogueError(UsageError):
    """The catalogue file is missing or malformed."""


class UnknownPassError(UsageError, KeyError):
    """A name that no action of this catalogue has."""

    def __str__(self) -> str:  # KeyError would quote the message
        return str(self.args[0])


@dataclass(frozen=True)
class Action:
    """One pass with its parameters chosen."""

    name: str  #: short, unique and stable: ``licm`` or ``licm<no-allowspeculation>``
    pipeline: str  #: what ``opt -passes=`` accepts at module level
    level: str  #: the unit the pass works on, one of LEVELS
    summary: str  #: what it does, in a sentence
    kind: str = "transform"  #: one of KINDS
    risk: tuple[str, ...] = ()  #: any of RISKS
    note: str = ""  #: why it is a risk
    pass_name: str = ""  #: the name without parameters


@dataclass(frozen=True)
class Pass:
    """One table of the file: a pass and what it offers."""

    name: str  #: without parameters
    actions: tuple[Action, ...]  #: the one without parameters first
    older: tuple[tuple[str, ...], ...]  #: of each action, texts to try where a library does not accept its own


@dataclass(frozen=True)
class Catalogue:
    """The actions that one LLVM version offers, in the file's order."""

    llvm_major: int  #: the version whose texts these are
    actions: tuple[Action, ...]  #: in the file's order
    _index: Mapping[str, Action] = field(init=False, repr=False, compare=False)  # by every spelling

    def __post_init__(self) -> None:
        # A name first, then the same parameters in another order, then the pipeline text.
        index = {action.pipeline: action for action in reversed(self.actions)}
        index.update((_order_free(action.name), action) for action in self.actions)
        index.update((action.name, action) for action in self.actions)
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        return len(self.actions)

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, name: str) -> Action:
        """The action of this name, parameters in any order, or of this pipeline text. Raises UnknownPassError."""
        action = self._find(name)
        if action is None:
            near = self.close_matches(name)
            remedy = f"did you mean {' or '.join(near)}?" if near else "see the list of passes"
            raise UnknownPassError(f"{name!r}: not in the catalogue for LLVM {self.llvm_major}; {remedy}")
        return action

    def _find(self, name: str) -> Action | None:
        name = "".join(name.split())
        return self._index.get(name) or self._index.get(_order_free(name))

    def names(self) -> list[str]:
        """Of all actions, in order."""
        return [action.name for action in self.actions]

    def search(self, word: str) -> list[Action]:
        """Actions with the word in their name, then those with it in their summary. Case does not count."""
        word = word.lower()
        named = [action for action in self.actions if word in action.name.lower()]
        return named + [
            action for action in self.actions if word in action.summary.lower() and word not in action.name.lower()
        ]

    def close_matches(self, name: str, count: int = 3) -> list[str]:
        """Names that look like this one, the closest first."""
        name = "".join(name.lower().split())
        pass_name = name.partition("<")[0]
        near = difflib.get_close_matches(name, self.names(), n=count, cutoff=0.7)
        if pass_name != name and pass_name in self._index and pass_name not in near:
            near.append(pass_name)  # right pass, wrong parameters
        return (near or difflib.get_close_matches(pass_name, self.names(), n=count, cutoff=0.6))[:count]

    def without(self, risks: Collection[str]) -> Catalogue:
        """The catalogue less the actions with any of these risks."""
        unknown = set(risks) - set(RISKS)
        if unknown:
            raise UsageError(f"{_list(unknown)}: no such risk; known are {_list(RISKS)}")
        return Catalogue(self.llvm_major, tuple(a for a in self.actions if not set(a.risk) & set(risks)))

    def fingerprint(self) -> str:
        """64 bits, hexadecimal: equal for equal names and pipelines in the same order."""
        digest = hashlib.blake2b(digest_size=8)
        for action in self.actions:
            digest.update(f"{action.name}\t{action.pipeline}\n".encode())
        return digest.hexdigest()


def catalogue_directory() -> Path:
    """Where the catalogue files are: in the installed package, else in the source tree."""
    package = Path(__file__).resolve().parents[1]
    for directory in (package / "_data" / "passes", package.parent / "passes"):
        if directory.is_dir():
            return directory
    raise CatalogueError(f"{package}: no catalogue beside the package; install colt-llvm again")


def load_catalogue(
    major: int, accepts: Callable[[str], bool] | None = None, directory: Path | None = None
) -> Catalogue:
    """The catalogue for one LLVM version.

    accepts: whether that version's libLLVM accepts a pipeline text. What it refuses is tried in the
    spelling of older versions, then left out. It may be missing only for a version with a file of its own.

    Raises CatalogueError.
    """
    directory = directory or catalogue_directory()
    path = directory / f"{major}.toml"
    if not path.is_file():
        if accepts is None:
            raise CatalogueError(f"{path}: no catalogue for LLVM {major}; a loaded libLLVM is needed to adapt another")
        path = _nearest(directory, major)
    actions: list[Action] = []
    seen: set[str] = set()
    for entry in read_passes(path):
        for action, older in zip(entry.actions, entry.older, strict=True):
            texts = [t for t in (action.pipeline, *older) if accepts is None or accepts(t)]
            # An older spelling may be that of another action: then they are one.
            if texts and texts[0] not in seen:
                seen.add(texts[0])
                actions.append(replace(action, pipeline=texts[0]))
    return Catalogue(major, tuple(actions))


def read_passes(path: Path) -> list[Pass]:
    """All passes of one catalogue file and its base, checked. Raises CatalogueError, one line that names the entry."""
    passes = [_read_pass(table, f"{path}: pass {number}") for number, table in enumerate(_tables(path), 1)]
    names: set[str] = set()
    texts: set[str] = set()
    for action in (action for entry in passes for action in entry.actions):
        for value, known, what in ((action.name, names, "name"), (action.pipeline, texts, "pipeline")):
            if value in known:
                raise CatalogueError(f"{path}: {action.name}: {what} {value!r} is used twice; remove one")
            known.add(value)
    left_out = set(_texts(_document(path), "without", str(path)))
    if unknown := left_out - names:
        raise CatalogueError(f"{path}: without names {_list(unknown)}, which is no action of its base; remove it")
    return [found for entry in passes if (found := _leave_out(entry, left_out)).actions]


def _document(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = _toml.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, _toml.TOMLDecodeError) as error:
        raise CatalogueError(f"{path}: cannot be read as TOML ({error}); correct the file") from error
    return document


def _tables(path: Path) -> list[Any]:
    """The [[pass]] tables; those of a base in its order, with the keys and variants of this file in addition."""
    document = _document(path)
    tables = document.get("pass")
    if not isinstance(tables, list) or not tables:
        raise CatalogueError(f"{path}: has no [[pass]] table; see the header of 22.toml")
    base = document.get("base")
    if base is None:
        return tables
    below = path.with_name(f"{base}.toml")
    if "base" in _document(below):
        raise CatalogueError(f"{path}: {below.name} has a base too; name that one")
    found: dict[str, dict[str, Any]] = {}
    for place, table in [(below, table) for table in _tables(below)] + [(path, table) for table in tables]:
        _check_keys(table, _PASS_KEYS, str(place))
        known = found.get(name := _text(table, "name", str(place)), {})
        found[name] = {**known, **table, "variants": {**known.get("variants", {}), **table.get("variants", {})}}
    return list(found.values())


def _leave_out(entry: Pass, names: Collection[str]) -> Pass:
    kept = [pair for pair in zip(entry.actions, entry.older, strict=True) if pair[0].name not in names]
    return Pass(entry.name, tuple(action for action, _ in kept), tuple(older for _, older in kept))


def _read_pass(table: Any, where: str) -> Pass:
    _check_keys(table, _PASS_KEYS, where)
    name = _text(table, "name", where)
    where = f"{where}, {name!r}"
    base = Action(
        name=name,
        pipeline=_text(table, "pipeline", where),
        level=_one_of(table.get("level"), LEVELS, "level", where),
        summary=_text(table, "summary", where),
        kind=_one_of(table.get("kind", "transform"), KINDS, "kind", where),
        risk=_risks(table, where),
        note=_text(table, "note", where, ""),
        pass_name=name,
    )
    older = _texts(table, "older", where)
    if base.risk and not base.note:
        raise CatalogueError(f"{where}: has a risk and no note; say why")
    variants = table.get("variants", {})
    if not isinstance(variants, dict):
        raise CatalogueError(f"{where}: variants is not a table; write [pass.variants]")
    pairs = []
    if table.get("bare", True) is not False:
        pairs.append((replace(base, pipeline=_fill(base.pipeline, "")), tuple(_fill(text, "") for text in older)))
    pairs.extend(_read_variant(base, older, text, value, where) for text, value in variants.items())
    if not pairs:
        raise CatalogueError(f"{where}: offers nothing; add variants or leave out bare = false")
    return Pass(name, tuple(action for action, _ in pairs), tuple(texts for _, texts in pairs))


def _read_variant(
    base: Action, older: tuple[str, ...], parameters: str, value: Any, where: str
) -> tuple[Action, tuple[str, ...]]:
    where = f"{where}, variant {parameters!r}"
    table = {"summary": value} if isinstance(value, str) else value
    _check_keys(table, _VARIANT_KEYS, where)
    pipeline = _text(table, "pipeline", where, base.pipeline)
    if pipeline == base.pipeline and "{" not in pipeline:
        raise CatalogueError(f"{where}: the pipeline has no place for it; add {{params}} or {{more}}")
    risk = tuple(dict.fromkeys(base.risk + _risks(table, where)))
    note = _text(table, "note", where, base.note)
    if risk and not note:
        raise CatalogueError(f"{where}: has a risk and no note; say why")
    action = Action(
        name=f"{base.name}<{parameters}>",
        pipeline=_fill(pipeline, parameters),
        level=base.level,
        summary=f"{base.summary} {_text(table, 'summary', where)}",
        kind=base.kind,
        risk=risk,
        note=note,
        pass_name=base.name,
    )
    texts = _texts(table, "older", where) if "older" in table else older
    return action, tuple(_fill(text, parameters) for text in texts)


def _fill(pipeline: str, parameters: str) -> str:
    pipeline = pipeline.replace("{params}", f"<{parameters}>" if parameters else "")
    return pipeline.replace("{more}", f";{parameters}" if parameters else "")


def _nearest(directory: Path, major: int) -> Path:
    """The file of the next newer version, which knows older spellings; else of the newest one."""
    majors = sorted((int(path.stem), path) for path in directory.glob("*.toml") if path.stem.isdigit())
    if not majors:
        raise CatalogueError(f"{directory}: holds no <llvm-major>.toml; install colt-llvm again")
    return next((path for number, path in majors if number > major), majors[-1][1])


def _order_free(name: str) -> str:
    pass_name, bracket, rest = name.partition("<")
    if not bracket or not rest.endswith(">"):
        return name
    return f"{pass_name}<{';'.join(sorted(rest[:-1].split(';')))}>"


def _check_keys(table: Any, known: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise CatalogueError(f"{where}: is not a table; see the header of the file")
    unknown = set(table) - known
    if unknown:
        raise CatalogueError(f"{where}: unknown key {_list(unknown)}; known are {_list(known)}")


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or "\n" in value or (not value.strip() and default is None):
        raise CatalogueError(f"{where}: {key} must be one line of text")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CatalogueError(f"{where}: {key} must be a list of texts")
    return tuple(value)


def _risks(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    return tuple(_one_of(risk, RISKS, "risk", where) for risk in _texts(table, "risk", where))


def _one_of(value: Any, known: Collection[str], key: str, where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise CatalogueError(f"{where}: {key} {value!r} is not one of {_list(known)}")
    return value


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words))
