"""Source packages, from the same archive that the system's own packages come from, through its own apt.

apt checks every file against the archive's signature. Nothing of the system's is changed: lists and caches are in a
scratch folder, and the entries for sources are made from those for packages that the system has already.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, CommandNotFound, ProcessTimeout

_SECONDS = 300.0
#: Where these distributions keep the key of their archive; entries of the system often name it.
_KEYS = {
    "Debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    "Ubuntu": Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
}


class FetchError(ColtError, OSError):
    """A source package is not there and cannot be fetched."""


def fetch(packages: Sequence[str], folder: Path) -> dict[str, Path]:
    """Package -> its original source archive in ``folder``; what is there already is not fetched again.

    Raises FetchError, in one line, where apt or the network is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if missing := [package for package in packages if find_archive(package, folder) is None]:
        _fetch(missing, folder)
    found = {package: find_archive(package, folder) for package in packages}
    for package, archive in found.items():
        if archive is None:
            raise FetchError(f"{package}: apt-get fetched no original source; {_by_hand([package], folder)}")
    return {package: archive for package, archive in found.items() if archive is not None}


def find_archive(package: str, folder: Path) -> Path | None:
    """The archive of the package that is in ``folder``: the one of the last version by name."""
    found = sorted(path for path in folder.glob(f"{package}_*.orig.tar.*") if path.suffix not in (".asc", ".FAILED"))
    return found[-1] if found else None


def version_of(archive: Path) -> str:
    """``1.0.8`` of bzip2_1.0.8.orig.tar.gz."""
    return archive.name.partition("_")[2].partition(".orig.tar")[0]


def digest_of(archive: Path) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def unpack(archive: Path, folder: Path) -> Path:
    """Put a fresh copy of the source in ``folder``, which is emptied before, and return its top folder.

    Times of files are kept: a build that looks older than its sources would make generated files again.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = process.run(["tar", "-x", "--no-same-owner", "-f", archive.absolute(), "-C", folder])
    inside = list(folder.iterdir())
    if done.status or len(inside) != 1:
        raise FetchError(f"{archive}: cannot be unpacked to one folder; delete the file and run again")
    return inside[0]


def source_entries(targets: str) -> list[str]:
    """Entries for sources, of ``ORIGIN|SIGNED_BY|URI|RELEASE|COMPONENT`` lines for the packages of an archive."""
    entries = set()
    for line in targets.splitlines():
        origin, key, uri, release, component = line.strip().split("|")
        if origin not in _KEYS:
            continue  # an archive of some other project has no such sources
        if not key.startswith("/"):
            key = str(_KEYS[origin]) if _KEYS[origin].exists() else ""
        entries.add(f"deb-src {f'[signed-by={key}] ' if key else ''}{uri} {release} {component}")
    return sorted(entries)


def _fetch(packages: Sequence[str], folder: Path) -> None:
    with TemporaryDirectory(prefix="colt-") as scratch:
        base = Path(scratch)
        for name in ("lists/partial", "cache/archives/partial", "none"):
            (base / name).mkdir(parents=True)
        form = "$(ORIGIN)|$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
        entries = source_entries(_apt(["indextargets", "--format", form, "Identifier: Packages"], packages, folder))
        if not entries:
            raise FetchError(f"apt knows no archive of Debian or Ubuntu here; {_by_hand(packages, folder)}")
        (base / "sources.list").write_text("\n".join(entries) + "\n", encoding="utf-8")
        changes = {
            "Dir::Etc::SourceList": base / "sources.list", "Dir::Etc::SourceParts": base / "none",
            "Dir::State::Lists": base / "lists", "Dir::Cache": base / "cache", "APT::Sandbox::User": "root",
            "Acquire::Retries": "1", "Acquire::http::Timeout": "20", "Acquire::https::Timeout": "20",
            "APT::Update::Error-Mode": "any",
        }  # fmt: skip
        options = [word for name, value in changes.items() for word in ("-o", f"{name}={value}")]
        _apt([*options, "update"], packages, folder)
        _apt([*options, "source", "--download-only", "--tar-only", *packages], packages, folder)


def _apt(words: Sequence[str], packages: Sequence[str], folder: Path) -> str:
    try:
        done = process.run(["apt-get", "-q", *words], cwd=folder, limits=process.Limits(wall_seconds=_SECONDS))
    except (CommandNotFound, ProcessTimeout) as error:
        raise FetchError(f"{str(error).partition(';')[0]}; {_by_hand(packages, folder)}") from None
    if done.status:
        reason = first_reason(done.stderr.decode(errors="replace")) or done.describe_status()
        raise FetchError(
            f"{', '.join(packages)}: apt-get cannot fetch the source ({reason}); "
            f"check the network, or {_by_hand(packages, folder)}"
        )
    return done.stdout.decode(errors="replace")


def first_reason(stderr: str) -> str:
    """The first error or warning of apt's, without addresses."""
    for line in stderr.splitlines():
        if line.startswith(("E: ", "W: ")):
            return " ".join(re.sub(r"\S+://\S+", "", line[3:]).split())
    return ""


def _by_hand(packages: Sequence[str], folder: Path) -> str:
    names = ", ".join(f"{package}_VERSION.orig.tar.gz" for package in packages)
    return f"put {names} into {folder}"
