"""The CompilerGym environment ``colt-llvm-v0``. Importing this package registers it.

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
from colt_llvm.env.options import ServiceOptions  # noqa: E402

ENVIRONMENT = "colt-llvm-v0"

if ENVIRONMENT not in registry:
    # The checker warns at each step: compiler_gym speaks the older protocol of four values.
    register(id=ENVIRONMENT, entry_point="colt_llvm.env.environment:ColtEnv", disable_env_checker=True)


def make(**arguments: Any) -> ColtEnv:
    """The environment without gym's wrappers; arguments as of ColtEnv."""
    return ColtEnv(**arguments)


__all__ = ["ENVIRONMENT", "ColtEnv", "CompilerGymMissing", "ServiceLost", "ServiceOptions", "make", "make_record"]
