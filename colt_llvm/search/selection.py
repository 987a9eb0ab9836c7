"""Select: the model-aware tree policy of arXiv 2602.01935, from the root down to a leaf.

    score(c) = (1 - λ) · Q(c) + λ · φ(model(c)) + C · sqrt(ln N(parent) / N(c))

``model(c)`` is the model that will be asked at c. A request in flight counts as a visit that brought the least
reward in the tree (virtual loss, ours: so that several can be in flight). With none in flight it is not felt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from colt_llvm.search.options import ColtOptions
from colt_llvm.search.tree import Node, Tree


def smallness(parameters: float, least: float, greatest: float) -> float:
    """φ: 1 for the smallest model, 0 for the largest, linear in the logarithm of the parameter count.

    arXiv 2602.01935: φ(m) = (ln P_max - ln P(m)) / (ln P_max - ln P_min). 0 where all models are equally large.
    """
    if greatest == least:
        return 0.0
    return (math.log(greatest) - math.log(parameters)) / (math.log(greatest) - math.log(least))


def scaled_value(value_sum: float, visits: int, pending: int, least: float, greatest: float) -> float:
    """Q = W/N, scaled to [0, 1] by the least and greatest reward in the tree; 0 while these are equal.

    Ours, as MuZero does: rewards lie close together, and raw ones would drown in the exploration term.
    """
    if greatest == least:
        return 0.0
    mean = (value_sum + pending * least) / (visits + pending)
    return (mean - least) / (greatest - least)


def score(q: float, phi: float, parent_visits: int, visits: int, bias: float, exploration: float) -> float:
    """The formula at the head of this file, for λ = ``bias`` and C = ``exploration``; both visit counts >= 1."""
    return (1 - bias) * q + bias * phi + exploration * math.sqrt(math.log(parent_visits) / visits)


def effective_bias(phis: Sequence[float], bias: float) -> float:
    """λ, or 0 where all siblings have the same φ: then the model says nothing (arXiv 2602.01935)."""
    return bias if any(phi != phis[0] for phi in phis) else 0.0


def choose_child(tree: Tree, parent: Node, phi: Mapping[str, float], options: ColtOptions) -> Node:
    """The open child with the greatest score; unvisited ones first, the smaller model's before the larger's.

    Ties go to the older node (ours: the choice must not depend on how a list happens to be ordered).
    """
    children = [tree.nodes[child] for child in parent.candidates]
    bias = effective_bias([phi[child.next_model] for child in children], options.model_bias)
    parent_visits = parent.visits + parent.pending

    def rank(child: Node) -> tuple[bool, float, int]:
        visits = child.visits + child.pending
        if visits == 0:
            return True, phi[child.next_model], -child.id
        q = scaled_value(child.value_sum, child.visits, child.pending, tree.least, tree.greatest)
        value = score(q, phi[child.next_model], parent_visits, visits, bias, options.exploration)
        return False, value, -child.id

    return max(children, key=rank)


def select(tree: Tree, phi: Mapping[str, float], options: ColtOptions) -> Node:
    """Descend from the open root to a node with fewer than B live children; that leaf is to be expanded."""
    node = tree.root
    while not tree.has_room(node):
        node = choose_child(tree, node, phi, options)
    return node
