"""The record that carries one program to the service: a JSON header, then the bitcode of each source."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from colt_llvm.core.errors import UsageError

_MAGIC = b"COLT1"


@dataclass(frozen=True)
class WorkloadRecord:
    """One run of the program."""

    name: str  #: of the workload
    command: tuple[str, ...]  #: ``{exe}`` stands for the executable
    stdin: str | None = None  #: absolute path
    cwd: str | None = None  #: absolute path; None is a fresh scratch folder
    timed: bool = True  #: the first timed one gives Runtime


@dataclass(frozen=True)
class BenchmarkRecord:
    """What the service needs to know of a program."""

    name: str  #: of the program
    level: str  #: the baseline's, such as ``O3`` or ``Oz``; the front end ran at it
    bitcodes: tuple[bytes, ...]  #: one for each source, in order
    codegen: str = "library"  #: by libLLVM in the service, or ``clang``: by clang -c, for modules that need its options
    cflags: tuple[str, ...] = ()  #: for code generation by clang
    ldflags: tuple[str, ...] = ()  #: for the link
    cxx: bool = False  #: link as C++
    workloads: tuple[WorkloadRecord, ...] = ()  #: what Runtime runs

    def encode(self) -> bytes:
        """The bytes that travel; ``decode`` reads them."""
        header = asdict(self)
        header["bitcodes"] = [len(bitcode) for bitcode in self.bitcodes]
        text = json.dumps(header, sort_keys=True).encode()
        return _MAGIC + struct.pack("<I", len(text)) + text + b"".join(self.bitcodes)

    @staticmethod
    def decode(data: bytes) -> BenchmarkRecord:
        """Raises UsageError when the bytes are no such record."""
        start = len(_MAGIC) + 4
        if data[: len(_MAGIC)] != _MAGIC or len(data) < start:
            raise UsageError("not a benchmark of colt-llvm; make one with env.make_benchmark")
        (length,) = struct.unpack_from("<I", data, len(_MAGIC))
        try:
            header = json.loads(data[start : start + length])
            lengths = header.pop("bitcodes")
            workloads = tuple(
                WorkloadRecord(**{**workload, "command": tuple(workload["command"])})
                for workload in header.pop("workloads")
            )
            for key in ("cflags", "ldflags"):
                header[key] = tuple(header[key])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"a damaged benchmark record ({error}); make it anew") from None
        bitcodes, position = [], start + length
        for size in lengths:
            bitcodes.append(data[position : position + size])
            position += size
        if position != len(data):
            raise UsageError("a damaged benchmark record (wrong length); make it anew")
        return BenchmarkRecord(bitcodes=tuple(bitcodes), workloads=workloads, **header)

    def digest(self) -> str:
        """128 bits, hexadecimal, of all that is in the record."""
        return hashlib.blake2b(self.encode(), digest_size=16).hexdigest()

    def salt(self) -> bytes:
        """Distinguishes states that have the same bitcode and other code generation."""
        return json.dumps([self.level, self.codegen, self.cflags, self.ldflags, self.cxx]).encode()


def pack(parts: Sequence[bytes]) -> bytes:
    """A list of byte strings as one: each is preceded by its length (8 bytes, little end first)."""
    return b"".join(struct.pack("<Q", len(part)) + part for part in parts)


def unpack(data: bytes) -> list[bytes]:
    """The inverse of ``pack``. Raises UsageError."""
    parts, position = [], 0
    while position < len(data):
        if position + 8 > len(data):
            raise UsageError("a damaged list of objects (wrong length)")
        (length,) = struct.unpack_from("<Q", data, position)
        position += 8
        parts.append(data[position : position + length])
        position += length
    if position != len(data):
        raise UsageError("a damaged list of objects (wrong length)")
    return parts
