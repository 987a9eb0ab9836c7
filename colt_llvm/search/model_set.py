"""The models on offer: who is the largest, and who is small (arXiv 2602.01935: by parameter count)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.protocol import Model, derived


@dataclass(frozen=True)
class ModelSet:
    """One or more models with different names, in the user's order. Raises UsageError otherwise."""

    models: tuple[Model, ...]

    @classmethod
    def of(cls, models: Sequence[Model]) -> ModelSet:
        """From any sequence."""
        return cls(tuple(models))

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("no models: give at least one Model(name, parameters)")
        if len(set(self.names)) != len(self.models):
            raise UsageError(f"two models have one name among {', '.join(self.names)}: rename one of them")

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the user's order."""
        return tuple(model.name for model in self.models)

    @property
    def least_parameters(self) -> float:
        """P_min."""
        return min(model.parameters for model in self.models)

    @property
    def greatest_parameters(self) -> float:
        """P_max."""
        return max(model.parameters for model in self.models)

    @property
    def largest(self) -> str:
        """The large model; the first named where several are equally large."""
        return max(self.models, key=lambda model: model.parameters).name

    def parameters(self, name: str) -> float:
        """P of one model. Raises UsageError for an unknown name."""
        for model in self.models:
            if model.name == name:
                return model.parameters
        raise UsageError(f"unknown model {name!r}: the models are {', '.join(self.names)}")

    def is_small(self, name: str) -> bool:
        """Whether a known model has fewer parameters than the largest. A stand-in is not a small model."""
        return name in self and self.parameters(name) < self.greatest_parameters


def first_model(models: ModelSet, options: ColtOptions) -> str:
    """The model asked at the root and at its seeded children: the largest, or the one that is fixed.

    Raises UsageError when ``fixed:<name>`` names no model of the set.
    """
    if options.fixed_model is None:
        return models.largest
    if options.fixed_model not in models:
        known = ", ".join(models.names)
        raise UsageError(f"next_model is {options.next_model!r}, but the models are {known}: name one of them")
    return options.fixed_model


def next_model(
    models: ModelSet, options: ColtOptions, seed: int, request_id: int, turn: int, proposed: str, fallback: str
) -> str:
    """The model for a new child. ``turn`` counts the children so far; an unknown ``proposed`` gives ``fallback``."""
    if options.fixed_model is not None:
        return options.fixed_model
    if options.next_model == "largest":
        return models.largest
    if options.next_model == "random":
        return derived(seed, "next model", request_id).choice(models.names)
    if options.next_model == "round_robin":
        return models.names[turn % len(models.names)]
    return proposed if proposed in models else fallback
