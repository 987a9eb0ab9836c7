"""How a service is run. One frozen record, written to the service's command line and read back there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from colt_llvm.core.errors import UsageError


@dataclass(frozen=True)
class ServiceOptions:
    """Limits and places of one service process."""

    llvm_prefix: Path | None = None  #: where clang and libLLVM are; None searches as find_toolchain does
    action_seconds: float = 60.0  #: how long one action or observation may take before the service is ended
    memory_bytes: int = 4 << 30  #: address space that LLVM may use above what the started service has
    cache_bytes: int = 512 << 20  #: memory for stored states and observations
    #: Parse the module anew after each pass that changed it, as a chain of ``opt`` commands does. False runs passes in
    #: place, which is faster; stored bitcode keeps the order of uses, so that both agree.
    exact_steps: bool = False

    def __post_init__(self) -> None:
        if self.action_seconds <= 0:
            raise UsageError(f"action_seconds {self.action_seconds:g}: must be above 0")
        if self.memory_bytes < 64 << 20:
            raise UsageError(f"memory_bytes {self.memory_bytes}: must be at least 64 MiB")
        if self.cache_bytes < 1 << 20:
            raise UsageError(f"cache_bytes {self.cache_bytes}: must be at least 1 MiB")

    def to_arguments(self) -> list[str]:
        """``--name=value`` for each that is set; ``from_arguments`` reads them back."""
        return [f"--{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name)) is not None]

    @staticmethod
    def from_arguments(arguments: Sequence[str]) -> tuple[ServiceOptions, dict[str, str]]:
        """The options, and every other ``--name=value`` argument by name."""
        given = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
        prefix = given.pop("llvm_prefix", "")
        options = ServiceOptions(
            llvm_prefix=Path(prefix) if prefix else None,
            action_seconds=float(given.pop("action_seconds", ServiceOptions.action_seconds)),
            memory_bytes=int(given.pop("memory_bytes", ServiceOptions.memory_bytes)),
            cache_bytes=int(given.pop("cache_bytes", ServiceOptions.cache_bytes)),
            exact_steps=given.pop("exact_steps", "False") == "True",
        )
        return options, given
