"""What documents say in figures, as sentences to look for, and the values that the code has for them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from colt_llvm.analysis.sentences import programs_needed
from colt_llvm.builds.recipes.store import _DIGEST_BYTES
from colt_llvm.cli import train
from colt_llvm.cli.project import EXIT_STALE
from colt_llvm.cluster import workers
from colt_llvm.core.errors import RecipeError
from colt_llvm.evaluate import options as tune_options
from colt_llvm.evaluate import timer
from colt_llvm.experiments import runner as cells_runner
from colt_llvm.experiments.experiment_file import load_experiment
from colt_llvm.measure import folder_state, runner
from colt_llvm.measure.ab_test import ABTestPolicy
from colt_llvm.models.embedded import PARAMETERS, choice, policy, weights
from colt_llvm.program.program import included_programs
from colt_llvm.proposal.proposer import Health
from colt_llvm.run import asking, proof
from colt_llvm.search import colt, options
from colt_llvm.search import early_stopping as worth
from colt_llvm.training import dataset
from colt_llvm.training import linear_model as tables


class Figures(NamedTuple):
    """pattern: a regular expression over the document with all white space as one space; each group is a figure.

    values: what the groups have to say: a number or a text, in their order.
    """

    document: str
    pattern: str
    values: Callable[[], tuple[Any, ...]]


def _health() -> tuple[int, ...]:
    parameters = inspect.signature(Health).parameters
    return tuple(parameters[name].default for name in ("patience", "first", "longest"))


def _array(name: str) -> Any:
    with np.load(weights.FILE, allow_pickle=False) as arrays:
        return arrays[name]


def _programs_of_the_coreset() -> tuple[int, int, int]:
    """Train programs, their variants, and those of csmith."""
    names = str(_array("small_programs")).split("\n")
    plain = [program.name for program in included_programs("train") if program.name in names]
    variants = [name for name in names if name.partition("~")[0] in plain and "~" in name]
    return len(plain), len(variants), len(names) - len(plain) - len(variants)


def _hidden() -> int:
    trainer = Path(__file__).resolve().parents[1] / "tools" / "embedded_training.py"
    return int(re.findall(r"^_HIDDEN = (\d+)", trainer.read_text(encoding="utf-8"), re.MULTILINE)[0])


def _effort_of_train() -> tuple[int, int]:
    defaults = {parameter.name: parameter.default for parameter in train.command.params}
    return defaults["trials"], defaults["seeds"]


def _most_tests_at_once() -> int:
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    return int(re.findall(r"--maxprocesses (\d+)", project.read_text(encoding="utf-8"))[0])


def _proof_rounds() -> int:
    policy = ABTestPolicy()
    return policy.min_rounds + policy.warmup_runs


def _tenths(share: float) -> float:
    return round(10 * share, 6)


PAPER, BROAD, RETRIEVAL = (options.PRESETS[name] for name in ("paper", "broad", "retrieval"))

_BREADTH = "docs/decisions/0008-breadth-and-whole-sequences.md"
_STOPPING = "docs/decisions/0015-early-stopping-by-trials.md"
_AT_ONCE = "docs/decisions/0018-time-at-once-on-one-core.md"

FIGURES = [
    Figures("README.md", r"after (\S+) s at the latest", lambda: (tune_options.DEFAULT_SECONDS,)),
    Figures(
        "README.md", r"stopped: the last (\S+) trials brought less than (\S+)% ",
        lambda: (worth.FIRST - worth.FIRST // 2, worth.DEFAULT_PERCENT),
    ),
    Figures("CONTRIBUTING.md", r"side by side, (\w+) at most", lambda: (_most_tests_at_once(),)),
    # How long a search lasts.
    Figures("docs/guide/how-long.md", r"\| nothing \| after (\S+) s, .*? less than (\S+)% \|",
            lambda: (tune_options.DEFAULT_SECONDS, worth.DEFAULT_PERCENT)),
    Figures("docs/guide/how-long.md", r"from the (\d+)nd on", lambda: (worth.FIRST,)),
    Figures("docs/guide/how-long.md", r"to the (\d+)th at least", lambda: (worth.FIRST_WITHOUT_GAIN,)),
    Figures("docs/guide/how-long.md", r"PERCENT is (\S+)\. ", lambda: (worth.DEFAULT_PERCENT,)),
    Figures(
        "docs/guide/how-long.md", r"`stopped: the last (\S+) trials brought less than (\S+)%`",
        lambda: (worth.FIRST - worth.FIRST // 2, worth.DEFAULT_PERCENT),
    ),
    Figures(
        "docs/guide/how-long.md", r"takes (\w+) rounds at the least, .*?: (\d+) runs,",
        lambda: (_proof_rounds(), 3 * _proof_rounds()),
    ),
    # Models and the search's rules.
    Figures(
        "docs/models.md", r"\| (\w+) failures in a row \| set aside for (\w+) requests, .*? up to (\d+) \|", _health
    ),
    Figures("docs/models.md", r"\| `--branching B` \|[^|]*\| (\S+) \|", lambda: (PAPER.branching,)),
    Figures("docs/models.md", r"\| `--exploration C` \|[^|]*\| (\S+) \|", lambda: (round(PAPER.exploration, 2),)),
    Figures("docs/models.md", r"\| `--model-bias λ` \|[^|]*\| (\S+) \|", lambda: (PAPER.model_bias,)),
    Figures("docs/models.md", r"\| `--correct-every K` \|[^|]*\| (\S+) \|", lambda: (PAPER.course_alteration_period,)),
    Figures("docs/models.md", r"\| `--next-model WHO` \|[^|]*\| (\S+) \|", lambda: (PAPER.next_model,)),
    Figures("docs/models.md", r"\| `--selection puct` \|[^|]*\| `(\w+)` \|", lambda: (PAPER.selection,)),
    Figures(
        "docs/models.md", r"\| `--widening α` \|.*?, (\S+) if not given \| (\S+) \|",
        lambda: (PAPER.widening_factor, PAPER.widening),
    ),
    Figures(
        "docs/models.md", r"`--preset broad` \(B = (\S+), C = (\S+), more seed",
        lambda: (BROAD.branching, BROAD.exploration),
    ),
    Figures("docs/models.md", r"(\w+) in ten later requests vary", lambda: (_tenths(RETRIEVAL.refine_share),)),
    Figures(
        _BREADTH, r"B = (\S+) and C = (\S+) found more than the paper's B = (\S+) and C = (\S+) ",
        lambda: (BROAD.branching, BROAD.exploration, PAPER.branching, round(PAPER.exploration, 2)),
    ),
    Figures(_BREADTH, r"Later (\w+) in ten requests vary", lambda: (_tenths(RETRIEVAL.refine_share),)),
    Figures(_BREADTH, r"later (\w+) request in ten asks", lambda: (_tenths(RETRIEVAL.seed_share),)),
    Figures(_STOPPING, r"from (\d+) trials on,", lambda: (worth.FIRST,)),
    Figures("docs/ARCHITECTURE.md", r"the (\w+) that looked best are timed", lambda: (proof.MOST_CANDIDATES,)),
    Figures(_AT_ONCE, r"in turns of (\S+) ms\.", lambda: (1000 * runner.SLICE_SECONDS,)),
    Figures(
        _AT_ONCE, r"of less than (\S+)% is not reported", lambda: (100 * ABTestPolicy().least_noise,)
    ),
    # The embedded models.
    *(
        Figures("docs/embedded-models.md", rf"\| `{name}` \| (\S+) \|", lambda count=count: (count,))
        for name, count in PARAMETERS.items()
    ),
    Figures("docs/embedded-models.md", r"and (\d+) pairs \(", lambda: _array("nano_pairs").shape[:1]),
    Figures("docs/embedded-models.md", r"a coreset of (\d+) whole", lambda: _array("small_objective").shape),
    Figures(
        "docs/embedded-models.md", r"did for (\d+) programs .*? for (\d+) variants of them and (\d+) random programs",
        lambda: _programs_of_the_coreset(),
    ),
    Figures("docs/embedded-models.md", r"linear in (\w+) directions", lambda: _array("small_project").shape[:1]),
    Figures(
        "docs/embedded-models.md", r"mean of (\w+) perceptrons with one hidden layer of (\d+):",
        lambda: (_array("base_in_bias").size / _hidden(), _hidden()),
    ),
    Figures(
        "docs/embedded-models.md", r"All three know (\d+) actions of LLVM (\d+);",
        lambda: (len(str(_array("actions")).split("\n")), weights.LLVM_MAJOR),
    ),
    Figures(
        "docs/embedded-models.md", r"file of weights has (\d+) kB",
        lambda: (round(weights.FILE.stat().st_size / 1000),),
    ),
    Figures("docs/embedded-models.md", r"pipelines are cut to (\S+) of it", lambda: (choice.DEFAULTS.pipeline,)),
    Figures(
        "docs/embedded-models.md", r"in the tree counts (\S+), the learned part (\S+)\. ",
        lambda: (choice.DEFAULTS.trust, round(1 - choice.DEFAULTS.trust, 6)),
    ),
    Figures("docs/embedded-models.md", r"paid in this run counts (\S+)\. ", lambda: (choice._TRUST_WITHOUT_DATA,)),
    Figures(
        "docs/embedded-models.md", r"`retrieval` (\w+) requests are for such seed proposals, then (\w+) in ten, and",
        lambda: (RETRIEVAL.seeds, _tenths(RETRIEVAL.seed_share)),
    ),
    Figures("docs/embedded-models.md", r"and from the (\w+) on fewer", lambda: (colt.SEEDS_THIN_OUT_AFTER,)),
    Figures(
        "docs/embedded-models.md", r"get (\w+) to (\w+), drawn by score",
        lambda: (min(choice.DEFAULTS.lengths), max(choice.DEFAULTS.lengths)),
    ),
    Figures("docs/embedded-models.md", r"hit rate is at least (\w+) of the best", lambda: (policy.ENOUGH,)),
    Figures("docs/embedded-models.md", r"as much as (\w+) programs,", lambda: (tables.PRIOR_PROGRAMS,)),
    Figures("docs/embedded-models.md", r"up to (\w+) of each program, the best", lambda: (dataset._KEPT,)),
    Figures("docs/embedded-models.md", r"each model alone, (\d+) trials, (\w+) seeds,", _effort_of_train),
    Figures("docs/embedded-models.md", r"The (\d+) train programs, LLVM", lambda: _programs_of_the_coreset()[:1]),
    Figures(
        "docs/embedded-models.md", r"on all (\d+) held-out programs of the experiment `runtime`, one",
        lambda: (len(load_experiment("runtime").suites[0].programs),),
    ),
    # The rest.
    Figures("docs/models.md", r"\| every model set aside \| (\S+) answers", lambda: (asking.STAND_IN,)),
    Figures("docs/scaling.md", r"no worker left for (\d+) seconds", lambda: (workers._PATIENCE_SECONDS,)),
    Figures("docs/scaling.md", r"a task of up to (\d+) searches", lambda: (cells_runner._MOST_CELLS,)),
    Figures(
        "docs/recipes.md", r"content \(BLAKE2b, (\d+) bytes\)", lambda: (_DIGEST_BYTES,)
    ),
    Figures("docs/recipes.md", r"cannot be read; exit status (\d+)", lambda: (RecipeError.exit_status,)),
    Figures("docs/recipes.md", r"\| (\d+) \| some are stale still", lambda: (EXIT_STALE,)),
    Figures("docs/guide/own-program.md", r"gives each (\S+) ms in turn", lambda: (1000 * runner.SLICE_SECONDS,)),
    Figures("docs/guide/own-program.md", r"more than (\S+) files", lambda: (folder_state.MOST_ENTRIES,)),
    Figures("docs/guide/own-program.md", r"more than (\w+) of the free memory", lambda: (timer._MEMORY_SHARE,)),
    Figures("docs/guide/own-objective.md", r"and (\d+) points between", lambda: (proof._SCORED_POINTS - 1,)),
    Figures(
        "docs/guide/experiments.md", r"takes (\w+) programs for one comparison and (\w+) for eight",
        lambda: (programs_needed(1), programs_needed(8)),
    ),
]  # fmt: skip
