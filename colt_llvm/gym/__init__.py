"""The search of COLT on any CompilerGym or gym environment with a discrete action space and a reward.

Reading order: options, environment (make one by its id), episodes (value a sequence), run (the loop), result.
connection, supervise and launch run the services of other people's environments; gcc is what ``gcc-v0`` needs.
"""

from __future__ import annotations

from colt_llvm.gym.options import EnvironmentOptions, SearchOptions
from colt_llvm.gym.result import SearchResult, result_to_dict
from colt_llvm.gym.run import Proposer, run_search

__all__ = ["EnvironmentOptions", "Proposer", "SearchOptions", "SearchResult", "result_to_dict", "run_search"]
