"""The CompilerGym environments ``colt-llvm-v0`` and ``colt-llvm-decisions-v0``. Importing this package registers them.

import colt_llvm.env, compiler_gym
env = compiler_gym.make("colt-llvm-v0", benchmark="colt-v0/sha256", reward_space="IrInstructionCount")
"""

from __future__ import annotations

from typing import Any

from colt_llvm.env.compat import CompilerGymMissing, import_compiler_gym

import_compiler_gym()

from compiler_gym.util.registration import register  # noqa: E402
from gym.envs.registration import registry  # noqa: E402

from colt_llvm.env.connection import ServiceLost  # noqa: E402
from colt_llvm.env.datasets import make_record  # noqa: E402
from colt_llvm.env.environment import ColtEnv  # noqa: E402
from colt_llvm.env.guard import ServiceOptions  # noqa: E402

ENVIRONMENT, DECISIONS_ENVIRONMENT = "colt-llvm-v0", "colt-llvm-decisions-v0"

for _name, _entry_point in (
    (ENVIRONMENT, "colt_llvm.env.environment:ColtEnv"),
    (DECISIONS_ENVIRONMENT, "colt_llvm.env.decisions_env:DecisionsEnv"),  # imported when it is made: it reads offers
):
    if _name not in registry:
        # The checker warns at each step: compiler_gym speaks the older protocol of four values.
        register(id=_name, entry_point=_entry_point, disable_env_checker=True)


def make(**arguments: Any) -> ColtEnv:
    """The environment without gym's wrappers; arguments as of ColtEnv."""
    return ColtEnv(**arguments)


__all__ = [
    "DECISIONS_ENVIRONMENT",
    "ENVIRONMENT",
    "ColtEnv",
    "CompilerGymMissing",
    "ServiceLost",
    "ServiceOptions",
    "make",
    "make_record",
]
