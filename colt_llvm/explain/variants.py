"""Variants of a recipe: sequences like its own, each built as the recipe is, checked, and timed.

Equal object code is checked once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from colt_llvm.core.errors import CompileError, PassError, RecipeError, UsageError
from colt_llvm.evaluate.builder import baseline_figures
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, Target, prepare_target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.unrun import verifier_of
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm.catalogue import UnknownPassError
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.base import RUN_TIME
from colt_llvm.objectives.registry import find_objective
from colt_llvm.program.profile import with_kept_profile, without_profile
from colt_llvm.program.program import Program, program_from_dict
from colt_llvm.program.recipe import Recipe, find_recipe, load_recipe, profile_digest, source_digests
from colt_llvm.run.journal import read_header


@dataclass
class Variant:
    """A sequence and what came of it."""

    sequence: tuple[str, ...]
    pipeline: str
    key: str = ""  #: equal for equal object code (equal IR where instructions are the objective)
    built: Built | None = None  #: None where it failed
    failure: str = ""  #: or crash, miscompile and the like
    detail: str = ""  #: what the failure said
    checked: bool = False  #: whether it passed every workload
    executable: Path | None = None


@dataclass
class Variants:
    """Builds and checks variants of a recipe. A context manager; it holds files until closed."""

    target: Target
    recipe: Recipe
    timer: Timer
    figures: Mapping[str, float]  #: of the baseline
    _by_pipeline: dict[str, Variant] = field(default_factory=dict)
    _by_key: dict[str, Variant] = field(default_factory=dict)

    @staticmethod
    def of(recipe: Recipe, program: Program, toolchain: Toolchain, options: TuneOptions) -> Variants:
        """Build the baseline. Raises RecipeError where the recipe does not fit, CompileError, ProgramError."""
        _refuse_misfit(recipe, program, toolchain)
        target = prepare_target(toolchain, program, replace(options, risky=True))
        try:
            pipeline = target.sequences.pipeline(recipe.sequence)
        except UnknownPassError as error:
            raise RecipeError(f"the recipe's sequence: {error}; tune again") from error
        if pipeline != recipe.pipeline:
            raise RecipeError("the recipe's sequence means another pipeline here and now; tune again")
        timer = Timer(verifier_of(target))
        try:
            empty = target.rebuild(target.baseline.completion.pipeline)
            figures = baseline_figures(target, empty)
        except BaseException:
            timer.verifier.close()
            raise
        if target.objective.timed:
            figures[RUN_TIME] = timer.cpu_seconds
        return Variants(target, recipe, timer, figures)

    def build(self, sequence: Sequence[str]) -> Variant:
        """Never raises for what a sequence does: ``failure`` says it. Not checked yet."""
        pipeline = self.target.sequences.pipeline(sequence)
        if (known := self._by_pipeline.get(pipeline)) is not None:
            return replace(known, sequence=tuple(sequence))
        made = Variant(tuple(sequence), pipeline)
        try:
            made.built = self.target.rebuild(pipeline)
            made.key = made.built.key
        except (PassError, CompileError) as error:
            made.failure, made.detail = type(error).__name__, str(error)
        self._by_pipeline[pipeline] = made
        return replace(made)

    def check(self, variant: Variant) -> Variant:
        """The same with ``checked`` and ``executable``, or with its failure."""
        if variant.failure or variant.built is None:
            return variant
        known = self._by_key.get(variant.key)
        if known is None:
            known = self._by_key[variant.key] = replace(variant)
            try:
                known.executable = self.timer.verifier.link(variant.built.objects, f"variant-{len(self._by_key)}")
                self.timer.verifier.check(known.executable, thorough=True, core=self.timer.verifier.core)
                known.checked = True
            except Miscompiled as error:
                known.failure, known.detail = "miscompile", str(error)
        return replace(known, sequence=variant.sequence, pipeline=variant.pipeline)

    def prove(self, variant: Variant) -> Variant:
        """Once more what ``check`` found good, several times beside the baseline, as a proof does; or its failure."""
        assert variant.executable is not None
        try:
            self.timer.verifier.check(variant.executable, thorough=True, core=self.timer.verifier.core, proof=True)
        except Miscompiled as error:
            return replace(variant, failure="miscompile", detail=str(error), checked=False)
        return variant

    def reward(self, variant: Variant, ratio: float = 1.0) -> float:
        """ln(baseline / variant) of the objective. ratio: baseline's time / the variant's, where that counts."""
        assert variant.built is not None
        figures = self.target.objective.measured(variant.built)
        if self.target.objective.timed:
            figures[RUN_TIME] = self.figures[RUN_TIME] / ratio
        return self.target.objective.reward(figures, self.figures)

    def ratio(self, variant: Variant, ratio: float = 1.0) -> float:
        """Baseline / variant of the objective; see ``reward``."""
        return math.exp(self.reward(variant, ratio))

    def close(self) -> None:
        """Remove what was built."""
        self.timer.verifier.close()

    def __enter__(self) -> Variants:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def of_recipe(place: Path, program: Program | None = None) -> tuple[Recipe, Program, TuneOptions]:
    """A recipe with its program and how it was tuned; of the run directory beside it where no program is given.

    Raises RecipeError, RunDirectoryError; UsageError where the program cannot be told.
    """
    file = find_recipe(place)
    recipe = load_recipe(file)
    folder = file.parent
    if (folder / "run.json").is_file():
        header = read_header(folder)
        if lost := sorted(set(header.get("hooks", {})) & {"objective", "check"}):
            raise UsageError(f"{folder}: was tuned with a {lost[0]} that is a Python function, which no file holds")
        try:
            options = TuneOptions.from_dict(dict(header["options"]))
            if program is None:
                program = program_from_dict(header["program"])
                program = replace(program, cflags=with_kept_profile(program.cflags, folder))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RecipeError(f"{folder}/run.json: is damaged ({error}); name the program's sources") from None
        return recipe, program, replace(options, trials=None, seconds=None)
    if program is None:
        raise UsageError(f"{file}: has no run.json beside it that names the program; name its sources after it")
    # The front end's level tells what the count of instructions was held against.
    clang_baseline = find_objective(recipe.objective).opt_baseline and recipe.level == "Oz"
    return recipe, program, TuneOptions(objective=recipe.objective, clang_baseline=clang_baseline)


def _refuse_misfit(recipe: Recipe, program: Program, toolchain: Toolchain) -> None:
    if toolchain.major != recipe.llvm_major:
        raise RecipeError(
            f"the recipe was made with LLVM {recipe.llvm_major} and this is {toolchain.version}; "
            f"use --llvm-prefix with LLVM {recipe.llvm_major}"
        )
    for source in program.sources:
        if not source.is_file():
            raise UsageError(f"{source}: no such file; the program has moved since it was tuned, name its sources")
    for name, digest in source_digests(program).items():
        if recipe.sources.get(name) != digest:
            what = "has changed since it was tuned" if name in recipe.sources else "is not what the recipe was made for"
            raise RecipeError(f"{name}: {what}; tune again")
    if without_profile(program.cflags) != without_profile(recipe.cflags):
        raise RecipeError(f"compiler flags {' '.join(program.cflags)!r} are not the recipe's; tune again with them")
    if profile_digest(program) != recipe.profile:
        raise RecipeError("the profile is not the one that the recipe was tuned with; tune again with it")
