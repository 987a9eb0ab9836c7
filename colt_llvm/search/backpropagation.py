"""Backpropagate: what a reward, or a request in flight, does to the nodes above it."""

from __future__ import annotations

from colt_llvm.search.tree import Node, Tree


def backpropagate(tree: Tree, node: Node) -> None:
    """Add the node's own reward to itself and to each ancestor: N += 1, W += reward (arXiv 2602.01935).

    Widens the tree's reward range by it, so Q stays within that range. Where children widen with N (see widening),
    a node that was full may open again. It cannot close by this, so each node is refreshed at most once in effect.
    """
    assert node.reward is not None
    for step in tree.path(node):
        step.visits += 1
        step.value_sum += node.reward
        if tree.widening.on:
            tree.refresh(step)
    tree.least = min(tree.least, node.reward)
    tree.greatest = max(tree.greatest, node.reward)


def add_virtual_loss(tree: Tree, leaf: Node, requests: int) -> None:
    """Count ``requests`` more (or, when negative, fewer) in flight on the path to the leaf (ours: see selection)."""
    for step in tree.path(leaf):
        step.pending += requests
