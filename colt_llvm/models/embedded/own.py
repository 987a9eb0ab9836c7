"""The user's own copies of the policies, in a file of ``colt-llvm train``: ``FILE.npz``, or one ``FILE.npz:base``.

The file is a zip of arrays with a card beside them (JSON), which says what its models are without loading numpy. A
specification holds the file's path and digest, so a run goes on with the very numbers that it began with.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.embedded import PARAMETERS

#: The card's name in the zip, and the version of what it says.
CARD, VERSION = "card.json", 1
SUFFIX = ".npz"
_FILE, _DIGEST = "file", "digest"  # in a specification's options
_STEM = re.compile(r"[\w.+-]+")
_FAMILY = "embedded"  # of the package's own


class WeightsError(ColtError, OSError):
    """Weights are missing or damaged: those of the package, or those of the user's own file."""

    exit_status = 6


def is_own(name: str) -> bool:
    """Whether a name of ``--models`` is such a file, or a model of one."""
    return name.endswith(SUFFIX) or f"{SUFFIX}:" in name


def own_specs(name: str) -> list[ModelSpec]:
    """Of ``FILE.npz`` all three, of ``FILE.npz:base`` one; named FILE/base. Raises UsageError and WeightsError."""
    text, _, wanted = (name, "", "") if name.endswith(SUFFIX) else name.rpartition(":")
    path = Path(text).absolute()
    family = family_of(path)
    short = [policy.partition("/")[2] for policy in PARAMETERS]
    if wanted and wanted not in short:
        raise UsageError(f"{name}: a file of colt-llvm train holds {', '.join(short)}; name one of them after the :")
    parameters = read_card(path)["parameters"]
    digest = digest_of_file(path)
    return [
        ModelSpec(
            f"{family}/{model}", "embedded", float(parameters[model]), model=f"{_FAMILY}/{model}",
            max_retries=0, timeout_seconds=10.0, options={_FILE: str(path), _DIGEST: digest},
        )
        for model in ([wanted] if wanted else short)
    ]  # fmt: skip


def family_of(path: Path) -> str:
    """What the models of a file are called before the stroke: its stem. Raises UsageError for one that cannot be."""
    stem = path.name.removesuffix(SUFFIX)
    if path.suffix != SUFFIX or not _STEM.fullmatch(stem):
        raise UsageError(f"{path}: give it a name of letters, digits and _.+- that ends in {SUFFIX}, such as mine.npz")
    if stem == _FAMILY:
        raise UsageError(f"{path}: embedded/... are the models of the package; give the file another name")
    return stem


def read_card(path: Path) -> Mapping[str, Any]:
    """What the file says of itself; all of it is read through once. Raises UsageError and WeightsError.

    ``parameters``: learned numbers by nano, small, base.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("its checksum is wrong")
            if CARD not in archive.namelist():
                raise UsageError(f"{path}: was not written by colt-llvm train; name a file that was")
            card = json.loads(archive.read(CARD))
        if card["version"] != VERSION:
            raise UsageError(f"{path}: was written by another version of colt-llvm; make it again with colt-llvm train")
        if not all(card["parameters"][policy.partition("/")[2]] >= 1 for policy in PARAMETERS):
            raise ValueError("no parameters")
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file; make it with colt-llvm train, or name another") from None
    except UsageError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        said = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path}: cannot be read ({said}); make it again with colt-llvm train") from None
    result: Mapping[str, Any] = card
    return result


def home_of(spec: ModelSpec) -> tuple[Path, str] | None:
    """The file of a specification and the file's digest; None for the package's own. Raises UsageError."""
    if not spec.options:
        return None
    file, digest = spec.options.get(_FILE), spec.options.get(_DIGEST)
    if not isinstance(file, str) or not isinstance(digest, str) or spec.model not in PARAMETERS:
        raise UsageError(f"model {spec.name}: is no embedded model; name a file of colt-llvm train")
    return Path(file), digest


def check_spec(spec: ModelSpec) -> None:
    """Raises WeightsError where its file is gone or has changed; UsageError where it names none properly."""
    home = home_of(spec)
    if home is not None:
        check_file(*home)


def check_file(path: Path, digest: str) -> None:
    """Raises WeightsError."""
    if digest_of_file(path) != digest:
        raise WeightsError(f"{path}: has changed since it was named; put the old file back, or start a new run")


def digest_of_file(path: Path) -> str:
    """Of its content. Raises WeightsError."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file; put it back, or name another") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); name a file that can") from None
