"""What a sequence of decisions means: pipelines' texts for LLVM."""

from __future__ import annotations

from collections.abc import Sequence

from colt_llvm.llvm.catalogue import Action, Catalogue
from colt_llvm.llvm.decision import decide_text, is_decision, joined, parse_decision
from colt_llvm.llvm.pipeline import edit_pipeline, edits_of, is_edit
from colt_llvm.llvm.process_options import threshold_options, with_options
from colt_llvm.program.baseline import Baseline


class Sequences:
    """What a sequence of names means.

    Passes of the catalogue apply in order. A sequence that holds no full pipeline is completed by the baseline's
    (completion rollout, ours), less what the sequence's edits (``without<licm>``) leave out of it. Decisions with a
    scope (``llvm.decision``) come before all passes, as they name what the front end made, and thresholds hold for all.
    """

    def __init__(self, catalogue: Catalogue, baseline: Baseline) -> None:
        self._catalogue = catalogue
        self._baseline = baseline
        self.edits = edits_of(baseline.completion.expanded) if baseline.completion.expanded else []

    def options(self, names: Sequence[str]) -> tuple[str, ...]:
        """What stands before every text of this sequence; of one threshold, the greatest value that is named."""
        named: dict[str, int] = {}
        for option in filter(None, map(threshold_options, names)):
            word, _, value = option.partition("=")
            named[word] = max(int(value), named.get(word, int(value)))
        return (*self._baseline.completion.options, *(f"{word}={value}" for word, value in sorted(named.items())))

    def decisions(self, names: Sequence[str], *, late: bool) -> str:
        """The step that applies the sequence's decisions, before all passes or after them; empty where it has none.

        Passes that several decisions list for one function are one list; the order of these decisions says nothing.
        """
        own = [name for name in names if is_decision(name) and parse_decision(name).late == late]
        return decide_text(joined(sorted(own)))

    def passes(self, names: Sequence[str]) -> list[Action]:
        """Raises UnknownPassError."""
        return [self._catalogue[name] for name in names if not has_no_order(name)]

    def texts(self, names: Sequence[str], *, late_apart: bool = False) -> list[str]:
        """The steps to build this sequence by, in order; each is a pipeline's text.

        late_apart: late decisions are a step of their own, so that the state before it can be known already.
        """
        options = self.options(names)
        first, last = self.decisions(names, late=False), self.decisions(names, late=True)
        parts = [action.pipeline for action in self.passes(names)]
        parts = list(filter(None, [*parts, self.completion(names)]))
        if first:  # a step of the service costs as much as a small pass
            parts[:1] = [",".join([first, *parts[:1]])]
        if last and late_apart:
            parts.append(last)
        elif last:
            parts[-1:] = [",".join([*parts[-1:], last])]
        return [with_options(options, part) for part in parts]

    def completion(self, names: Sequence[str]) -> str:
        """The pipeline appended to the passes; empty where they hold a full pipeline."""
        if any(action.kind == "pipeline" for action in self.passes(names)):
            return ""
        edits = frozenset(filter(is_edit, names))
        completion = self._baseline.completion
        return edit_pipeline(completion.expanded, edits) if edits else completion.pipeline

    def pipeline(self, names: Sequence[str]) -> str:
        """The complete text for ``opt -passes=``, with the options that it needs before it."""
        passes = [action.pipeline for action in self.passes(names)]
        first, last = self.decisions(names, late=False), self.decisions(names, late=True)
        texts = [first, *passes, self.completion(names), last]
        return with_options(self.options(names), ",".join(filter(None, texts)))


def has_no_order(name: str) -> bool:
    """Whether an action means the same wherever it stands in a sequence: an edit or a decision, no pass."""
    return is_edit(name) or is_decision(name) or threshold_options(name) is not None
