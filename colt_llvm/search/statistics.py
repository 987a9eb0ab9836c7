"""What each model has done so far: prompts show it, and a bad answer's fallback is chosen by it."""

from __future__ import annotations

from dataclasses import dataclass

from colt_llvm.search.model_set import ModelSet
from colt_llvm.search.protocol import Proposal, Request


@dataclass(slots=True)
class ModelStatistics:
    """Counts of one model. Corrections are apart from ordinary calls (arXiv 2602.01935)."""

    calls: int = 0  # ordinary answers, good or bad
    errors: int = 0  # bad answers, those to corrections included
    hits: int = 0  # ordinary children better than their parents
    corrections: int = 0  # correction answers, good or bad
    corrections_kept: int = 0  # corrections whose child replaced the small model's

    @property
    def hit_rate(self) -> float | None:
        """Hits in ordinary calls, from 0 to 1; None before the first call."""
        return self.hits / self.calls if self.calls else None


class Statistics:
    """One :class:`ModelStatistics` for each model of the set."""

    def __init__(self, models: ModelSet) -> None:
        self._models = models
        self.by_model = {name: ModelStatistics() for name in models.names}

    def answered(self, request: Request, proposal: Proposal) -> None:
        """Count the answer. A model is charged when it answered or erred, not when another stood in unasked.

        So a random expansion after a bad answer is one call and one error of the model that was asked, and an answer
        of another known model is a call of that one.
        """
        asked = proposal.asked or request.model
        if proposal.error is not None and asked in self.by_model:
            self.by_model[asked].errors += 1
        charged = {proposal.model} if proposal.error is None else {proposal.model, asked}
        for name in charged & self.by_model.keys():
            if request.kind == "correct":
                self.by_model[name].corrections += 1
            else:
                self.by_model[name].calls += 1

    def hit(self, proposal: Proposal) -> None:
        """The child of an ordinary call is better than its parent. A stand-in's hit is nobody's."""
        if proposal.model in self.by_model:
            self.by_model[proposal.model].hits += 1

    def correction_kept(self, proposal: Proposal) -> None:
        """A correction's child replaced the small model's."""
        if proposal.model in self.by_model:
            self.by_model[proposal.model].corrections_kept += 1

    def best_model(self, acting: str) -> str:
        """The model with the best hit rate, the smaller of two equals; ``acting`` while nobody has a hit."""
        rates = {name: record.hit_rate or 0.0 for name, record in self.by_model.items()}
        best = max(rates, key=lambda name: (rates[name], -self._models.parameters(name)))
        return best if rates[best] > 0 else acting
