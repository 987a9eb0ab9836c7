"""Expand: turn an answer and its evaluation into a node of the tree, live or not."""

from __future__ import annotations

from colt_llvm.search.protocol import Outcome, Proposal, Request
from colt_llvm.search.tree import Node, Tree

TRANSPOSITION = "transposition"


def known_state(tree: Tree, outcome: Outcome) -> Node | None:
    """The live node, the root included, that has the same object code (ours: they share one evaluation)."""
    known = None if outcome.key is None else tree.by_key.get(outcome.key)
    return None if known is None else tree.nodes[known]


def shared_reward(tree: Tree, outcome: Outcome) -> float | None:
    """The first measured reward of this object code: a second timing of it could only be lucky."""
    known = known_state(tree, outcome)
    return outcome.reward if known is None or outcome.reward is None else known.reward


def why_not_live(tree: Tree, proposal: Proposal, outcome: Outcome, corrected: Node | None) -> str | None:
    """The reason why this proposal gives no live child; None when it gives one.

    ``corrected`` is the child that a correction may replace: to have its code is no transposition, since a
    correction may change the next model alone (arXiv 2602.01935).
    """
    if outcome.reward is None:
        return outcome.failure or "not evaluated"
    known = known_state(tree, outcome)
    if not proposal.passes or (known is not None and known is not corrected):
        return TRANSPOSITION
    return None


def grow(
    tree: Tree, request: Request, proposal: Proposal, outcome: Outcome, next_model: str, corrected: Node | None
) -> Node:
    """Add the proposal's node under ``request.node``; one that is not live is the leaf's expansion failure."""
    failure = why_not_live(tree, proposal, outcome, corrected)
    child = Node(
        id=len(tree.nodes),
        parent=request.node,
        delta=proposal.passes,
        next_model=next_model,
        made_by=proposal.model,
        reward=shared_reward(tree, outcome),
        request=request.id,
        key=outcome.key,
        failure=failure,
        prior=proposal.confidence,
        figures=outcome.figures,
        live=failure is None,
    )
    tree.add(child)
    return child


def expansion_failed(tree: Tree, leaf: Node, most: int) -> None:
    """One more failure of the leaf; at ``most`` it is terminal: not expanded again, whatever it has below it."""
    leaf.failures += 1
    leaf.terminal = leaf.failures >= most
    tree.refresh(leaf)
