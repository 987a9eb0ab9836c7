"""A program with its inputs as bytes: what a worker without this machine's files needs to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from colt_llvm.core.errors import UsageError
from colt_llvm.program.program import Program

_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Bundle:
    """A program, and the files that its workloads name."""

    program: Program
    files: Mapping[Path, bytes]  #: content by the path here

    @staticmethod
    def pack(program: Program) -> Bundle | None:
        """None where the program can be run on this machine only: by its folder, its files or their size."""
        if program.harness:
            return None
        paths: set[Path] = set()
        for workload in program.workloads:
            if workload.cwd is not None or any(Path(word).is_absolute() for word in workload.command):
                return None
            paths |= {path for path in (workload.stdin, workload.expected_stdout) if path is not None}
        try:
            if sum(path.stat().st_size for path in paths) > _MOST_BYTES:
                return None
            return Bundle(program, {path: path.read_bytes() for path in sorted(paths)})
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be read ({error.strerror}); mend the workload") from None

    def unpack(self, folder: Path) -> Program:
        """The same program with its files in ``folder``."""
        places = {path: folder / str(number) for number, path in enumerate(self.files)}
        for path, content in self.files.items():
            places[path].write_bytes(content)
        workloads = tuple(
            replace(
                workload,
                stdin=places[workload.stdin] if workload.stdin else None,
                expected_stdout=places[workload.expected_stdout] if workload.expected_stdout else None,
            )
            for workload in self.program.workloads
        )
        return replace(self.program, workloads=workloads)
