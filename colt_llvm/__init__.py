"""Find, prove and replay LLVM pass sequences that beat ``clang -O3`` or ``-Oz`` for one program.

    import colt_llvm
    result = colt_llvm.tune("prog.c", objective="size", seconds=60, output="prog")
    print(result.verdict, result.ratio, result.sequence)

Every name below is loaded when it is first used; importing the package alone loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from colt_llvm.api import apply, resume, tune
    from colt_llvm.core.errors import (
        ColtError,
        CompileError,
        ProgramError,
        RecipeError,
        RunDirectoryError,
        ToolchainError,
        UsageError,
    )
    from colt_llvm.evaluate.options import TuneOptions
    from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
    from colt_llvm.measure.check import CheckError, OwnCheck, ProgramRun
    from colt_llvm.measure.intervals import Interval
    from colt_llvm.models.base import Answer, CallError, LanguageModel, Message, ModelSpec, Price, Prompt, Usage
    from colt_llvm.models.kinds import DeclaredKind
    from colt_llvm.models.question import Question
    from colt_llvm.models.registry import load_models
    from colt_llvm.objectives.base import Figure, Objective
    from colt_llvm.objectives.cost import CostError, CostObjective
    from colt_llvm.program.program import (
        Check,
        Program,
        Workload,
        included_programs,
        load_program,
        program_from_files,
        resolve_program,
    )
    from colt_llvm.program.recipe import Recipe, load_recipe
    from colt_llvm.run.progress import Progress, TuneResult
    from colt_llvm.search.protocol import Model, Outcome, Proposal, Request, Strategy, Trial
    from colt_llvm.search.sequences import ActionSet, SequenceSearch
    from colt_llvm.search.strategy import OwnStrategy, Task

#: Module -> the public names that it holds.
_MODULES = {
    "api": ("apply", "resume", "tune"),
    "core.errors": (
        "ColtError", "CompileError", "ProgramError", "RecipeError", "RunDirectoryError", "ToolchainError", "UsageError",
    ),
    "measure.intervals": ("Interval",),
    "measure.check": ("CheckError", "OwnCheck", "ProgramRun"),
    "models.base": ("Answer", "CallError", "LanguageModel", "Message", "ModelSpec", "Price", "Prompt", "Usage"),
    "models.kinds": ("DeclaredKind",),
    "models.question": ("Question",),
    "models.registry": ("load_models",),
    "program.program": (
        "Check", "Program", "Workload", "included_programs", "load_program", "program_from_files", "resolve_program",
    ),
    "search.strategy": ("OwnStrategy", "Task"),
    "program.recipe": ("Recipe", "load_recipe"),
    "objectives.cost": ("CostError", "CostObjective"),
    "objectives.base": ("Figure", "Objective"),
    "search.protocol": ("Model", "Outcome", "Proposal", "Request", "Strategy", "Trial"),
    "search.sequences": ("ActionSet", "SequenceSearch"),
    "llvm.toolchain": ("Toolchain", "find_toolchain"),
    "evaluate.options": ("TuneOptions",),
    "run.progress": ("Progress", "TuneResult"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "ActionSet",
    "Answer",
    "CallError",
    "Check",
    "CheckError",
    "ColtError",
    "CompileError",
    "CostError",
    "CostObjective",
    "DeclaredKind",
    "Figure",
    "Interval",
    "LanguageModel",
    "Message",
    "Model",
    "ModelSpec",
    "Objective",
    "Outcome",
    "OwnCheck",
    "OwnStrategy",
    "Price",
    "Program",
    "ProgramError",
    "ProgramRun",
    "Progress",
    "Prompt",
    "Proposal",
    "Question",
    "Recipe",
    "RecipeError",
    "Request",
    "RunDirectoryError",
    "SequenceSearch",
    "Strategy",
    "Task",
    "Toolchain",
    "ToolchainError",
    "Trial",
    "TuneOptions",
    "TuneResult",
    "Usage",
    "UsageError",
    "Workload",
    "__version__",
    "apply",
    "find_toolchain",
    "included_programs",
    "load_models",
    "load_program",
    "load_recipe",
    "program_from_files",
    "resolve_program",
    "resume",
    "tune",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'colt_llvm' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"colt_llvm.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
