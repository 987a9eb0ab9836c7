"""Registers ``counting-v0``, as a user's module does that ``--import`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compiler_gym.datasets import Benchmark, Dataset
from compiler_gym.service.client_service_compiler_env import ClientServiceCompilerEnv
from compiler_gym.spaces import Reward
from compiler_gym.util.registration import register


class Saving(Reward):
    """How much the cost went down."""

    def __init__(self) -> None:
        super().__init__(name="saving", observation_spaces=["cost"], default_value=0, deterministic=True)
        self.previous = 0

    def reset(self, benchmark: str, observation_view: Any) -> None:
        self.previous = observation_view["cost"]

    def update(self, action: Any, observations: Any, observation_view: Any) -> float:
        gain, self.previous = self.previous - observations[0], observations[0]
        return float(gain)


class Numbers(Dataset):
    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(name="benchmark://numbers-v0", license="MIT", description="Costs to start from")

    def benchmark_uris(self) -> Any:
        yield "benchmark://numbers-v0/50"

    def benchmark_from_parsed_uri(self, uri: Any) -> Benchmark:
        return Benchmark.from_file_contents(str(uri), uri.path[1:].encode())


class CountingEnv(ClientServiceCompilerEnv):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("rewards", [Saving()])
        kwargs.setdefault("datasets", [Numbers()])
        super().__init__(*args, **kwargs)


register(
    id="counting-v0",
    entry_point="counting_env:CountingEnv",
    kwargs={"service": Path(__file__).with_name("counting_service.py")},
)
