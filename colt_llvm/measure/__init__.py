"""Timing binaries, checking what they print, and saying honestly which is better.

Read in this order: ``runner`` (one run, or some at once), ``folder_state`` (what it wrote), ``difference`` and
``compared`` (what counts), ``check`` (is it still right?), ``second_look`` (who is it?), ``compare`` (the statistics),
``sampling`` (a trial in the search), ``rounds`` (arms again and again), ``run_off`` (who becomes a finalist),
``contest`` (the final claim), ``size`` (ELF), ``host`` (the machine).
"""

from colt_llvm.llvm.object_size import Sections, loaded_digest, section_sizes
from colt_llvm.measure.ab_test import Claim, Contest, ContestPolicy, contest
from colt_llvm.measure.check import difference, fault, first_difference, judge_baseline, not_repeatable
from colt_llvm.measure.compare import Interval, Noise, Verdict, bootstrap_ratio, judge
from colt_llvm.measure.compared import Compared, compared
from colt_llvm.measure.host import Host, compile_cores, estimate_noise, fingerprint, measuring_core
from colt_llvm.measure.own_check import CheckError, CheckFunction, OwnCheck, ProgramRun
from colt_llvm.measure.reranking import run_off
from colt_llvm.measure.runner import Observation, run_side_by_side, run_workload
from colt_llvm.measure.sampling import TrialMeasurement, TrialPolicy, measure_trial

__all__ = [
    "CheckError",
    "CheckFunction",
    "Claim",
    "Compared",
    "Contest",
    "ContestPolicy",
    "Host",
    "Interval",
    "Noise",
    "Observation",
    "OwnCheck",
    "ProgramRun",
    "Sections",
    "TrialMeasurement",
    "TrialPolicy",
    "Verdict",
    "bootstrap_ratio",
    "compared",
    "compile_cores",
    "contest",
    "difference",
    "estimate_noise",
    "fault",
    "fingerprint",
    "first_difference",
    "judge",
    "judge_baseline",
    "loaded_digest",
    "measure_trial",
    "measuring_core",
    "not_repeatable",
    "run_off",
    "run_side_by_side",
    "run_workload",
    "section_sizes",
]
