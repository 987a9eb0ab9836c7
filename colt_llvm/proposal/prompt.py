"""A question as text: the system message, the same throughout a run, and the user message with all that changes.

arXiv 2602.01935 says what a model is told; the wording is ours, and stands in ``templates/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from colt_llvm.models.base import Message
from colt_llvm.models.question import Question
from colt_llvm.proposal.answer import MOST_ASKED_FOR
from colt_llvm.proposal.catalogue_text import lengths
from colt_llvm.proposal.fitting import PromptTooSmall, fit
from colt_llvm.proposal.sections import sections_of
from colt_llvm.proposal.tokens import MESSAGE_TOKENS, estimate
from colt_llvm.proposal.wording import TEMPLATE_VERSION, template

__all__ = ["TEMPLATE_VERSION", "PromptTooSmall", "render"]

#: Of the tokens, for the system message with its catalogue.
_STABLE_SHARE = 0.6
#: What a prompt is not cut below: there would be nothing left to decide by.
LEAST_TOKENS = 1_300


def render(question: Question, passes: Mapping[str, str], max_tokens: int) -> tuple[Message, ...]:
    """Two messages of at most ``max_tokens`` by the estimate of :mod:`colt_llvm.proposal.tokens`.

    passes: action name -> one-line summary, in the catalogue's order. max_tokens: of the prompt alone; the answer
    needs room of its own. Raises PromptTooSmall.
    """
    system = _system(tuple(passes.items()), max_tokens)
    room = max_tokens - estimate(system) - 2 * MESSAGE_TOKENS
    sections, worth = sections_of(question, room)
    return Message("system", system), Message("user", fit(sections, worth, room, _too_small(max_tokens)))


@lru_cache(maxsize=64)
def _system(passes: tuple[tuple[str, str], ...], max_tokens: int) -> str:
    """Depends on nothing but the catalogue and the number of tokens, so that prompt caches hit."""
    words = template("system.txt")
    given = {"version": TEMPLATE_VERSION, "most": MOST_ASKED_FOR}
    room = int(max_tokens * _STABLE_SHARE) - estimate(words.substitute(given, catalogue=""))
    for length in lengths(dict(passes)):
        catalogue = length(room)
        if catalogue is not None:
            return words.substitute(given, catalogue=catalogue)
    raise PromptTooSmall(_too_small(max_tokens))


def _too_small(max_tokens: int) -> str:
    return (
        f"a prompt does not fit into {max_tokens} tokens; give the model a context_tokens of 4096 or more, "
        "and max_output_tokens of less than half of it"
    )
