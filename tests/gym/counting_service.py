#! /usr/bin/env no-such-python3
"""A compiler that counts: what a user's own CompilationSession looks like. Run as a service."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar

from compiler_gym.service import CompilationSession
from compiler_gym.service.proto import (
    ActionSpace,
    Event,
    Int64Range,
    NamedDiscreteSpace,
    ObservationSpace,
    Space,
    StringSpace,
)
from compiler_gym.service.runtime import create_and_run_compiler_gym_service

ACTIONS = ["less", "half", "more", "nothing", "fail", "abort", "hang", "child", "end"]


class CountingSession(CompilationSession):
    compiler_version = "1"
    action_spaces: ClassVar = [
        ActionSpace(name="all", space=Space(named_discrete=NamedDiscreteSpace(name=ACTIONS))),
        ActionSpace(name="few", space=Space(named_discrete=NamedDiscreteSpace(name=ACTIONS[:4]))),
    ]
    observation_spaces: ClassVar = [
        ObservationSpace(
            name="cost", space=Space(int64_value=Int64Range(min=0)), deterministic=True,
            default_observation=Event(int64_value=0),
        ),
        ObservationSpace(
            name="text", space=Space(string_value=StringSpace(length_range=Int64Range(min=0))), deterministic=True,
            default_observation=Event(string_value=""),
        ),
    ]  # fmt: skip

    def __init__(self, working_directory: Path, action_space: Any, benchmark: Any) -> None:
        super().__init__(working_directory, action_space, benchmark)
        self.arguments = working_directory, action_space, benchmark
        self.cost = int(benchmark.program.contents or b"100")

    def apply_action(self, action: Any) -> tuple[bool, Any, bool]:
        name = ACTIONS[action.int64_value]
        if name == "fail":
            raise RuntimeError("this pass does not work here")
        if name == "abort":
            os.abort()
        if name == "hang":
            time.sleep(600)
        if name == "child":
            subprocess.Popen(["sleep", "600"])
        before = self.cost
        self.cost = {"less": self.cost - 1, "half": self.cost // 2, "more": self.cost + 3}.get(name, self.cost)
        return name == "end", None, self.cost == before

    def get_observation(self, space: Any) -> Any:
        return Event(int64_value=self.cost) if space.name == "cost" else Event(string_value=f"cost {self.cost}")

    def fork(self) -> CountingSession:
        if os.environ.get("COUNTING_WITHOUT_FORK"):
            raise NotImplementedError
        fork = type(self)(*self.arguments)
        fork.cost = self.cost
        return fork


if __name__ == "__main__":
    create_and_run_compiler_gym_service(CountingSession)
