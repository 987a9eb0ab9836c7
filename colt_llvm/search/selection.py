"""Select: the model-aware tree policy of arXiv 2602.01935, from the root down to a leaf.

    uct:   score(c) = (1 - λ) · Q(c) + λ · φ(model(c)) + C · sqrt(ln N(parent) / N(c))
    puct:  score(c) = (1 - λ) · Q(c) + λ · φ(model(c)) + C · P(c) · sqrt(N(parent)) / (1 + N(c))

``model(c)`` is the model that will be asked at c. A request in flight counts as a visit that brought the least
reward in the tree (virtual loss, ours: so that several can be in flight). With none in flight it is not felt.

"uct" is the paper's. "puct" (``ColtOptions.selection``) has its exploration term from AlphaZero (Silver et al. 2017,
Mastering chess and shogi by self-play; after Rosin 2011, Multi-armed bandits with episode context) beside the paper's
model-aware one. P(c) is what the model that proposed c said of its chances, in parts of the sum over the siblings that
may be chosen: the policy of AlphaZero gives all moves at once, whereas here each proposal has a number of its own.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colt_llvm.search.options import ColtOptions
from colt_llvm.search.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Weighting:
    """How the terms of a score are weighed against each other."""

    bias: float  # λ, in [0, 1]: of the model, against Q
    exploration: float  # C, 0 or more


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


def score(q: float, phi: float, parent_visits: int, visits: int, by: Weighting) -> float:
    """The formula at the head of this file; both visit counts >= 1."""
    return (1 - by.bias) * q + by.bias * phi + by.exploration * math.sqrt(math.log(parent_visits) / visits)


def puct_score(q: float, phi: float, prior: float, parent_visits: int, visits: int, by: Weighting) -> float:
    """The second formula at the head of this file, for P(c) = ``prior`` in [0, 1]; visit counts >= 0."""
    return (1 - by.bias) * q + by.bias * phi + by.exploration * prior * math.sqrt(parent_visits) / (1 + visits)


def priors(said: Sequence[float | None]) -> list[float]:
    """P of each sibling, in sum 1. said: their models' confidences in [0, 1]; None where there is none.

    A sibling without one has the mean of those that have. Uniform where none has any, or all say 0.
    """
    known = [value for value in said if value is not None]
    # fsum: the siblings come in no order, and the last bits of a sum must not depend on it.
    mean = math.fsum(known) / len(known) if known else 0.0
    if mean < sys.float_info.min:  # 0, or so near it that shares of it have no digits
        return [1.0 / len(said)] * len(said)
    return [(mean if value is None else value) / (mean * len(said)) for value in said]


def effective_bias(phis: Sequence[float], bias: float) -> float:
    """λ, or 0 where all siblings have the same φ: then the model says nothing (arXiv 2602.01935)."""
    return bias if any(phi != phis[0] for phi in phis) else 0.0


def choose_child(tree: Tree, parent: Node, phi: Mapping[str, float], options: ColtOptions) -> Node:
    """The open child with the greatest score. Ties go to the older node.

    (Ours: the choice must not depend on how a list happens to be ordered.)
    """
    children = [tree.nodes[child] for child in parent.candidates]
    bias = effective_bias([phi[child.next_model] for child in children], options.model_bias)
    by = Weighting(bias, options.exploration)
    parent_visits = parent.visits + parent.pending
    if options.selection == "puct":
        return _by_puct(tree, children, parent_visits, phi, by)
    return _by_uct(tree, children, parent_visits, phi, by)


def _by_uct(tree: Tree, children: Sequence[Node], parent_visits: int, phi: Mapping[str, float], by: Weighting) -> Node:
    """Unvisited children come first, the smaller model's before the larger's."""

    def rank(child: Node) -> tuple[bool, float, int]:
        visits = child.visits + child.pending
        if visits == 0:
            return True, phi[child.next_model], -child.id
        q = scaled_value(child.value_sum, child.visits, child.pending, tree.least, tree.greatest)
        value = score(q, phi[child.next_model], parent_visits, visits, by)
        return False, value, -child.id

    return max(children, key=rank)


def _by_puct(tree: Tree, children: Sequence[Node], parent_visits: int, phi: Mapping[str, float], by: Weighting) -> Node:
    """Unvisited children need no rule of their own: their Q is 0, and the exploration term is finite."""

    def rank(placed: tuple[Node, float]) -> tuple[float, int]:
        child, prior = placed
        visits = child.visits + child.pending
        q = scaled_value(child.value_sum, child.visits, child.pending, tree.least, tree.greatest) if visits else 0.0
        return puct_score(q, phi[child.next_model], prior, parent_visits, visits, by), -child.id

    return max(zip(children, priors([child.prior for child in children]), strict=True), key=rank)[0]


def select(tree: Tree, phi: Mapping[str, float], options: ColtOptions) -> Node:
    """Descend from the open root to a node with room for one more child; that leaf is to be expanded."""
    node = tree.root
    while not tree.has_room(node):
        node = choose_child(tree, node, phi, options)
    return node
