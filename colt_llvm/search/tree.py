"""The one tree that all models share (arXiv 2602.01935): the only memory of the search.

Every told proposal becomes a node, so the node list is also the history. Only live nodes are in the search;
the others say in ``failure`` why they are not. Sequences are stored as parent links: a node holds its delta.
Every method costs O(depth · B) at most, where B is the most children that a node of the path has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from colt_llvm.search.options import PLAIN, Widening
from colt_llvm.search.protocol import Outcome, Proposal, Request

ROOT = 0

TRANSPOSITION = "transposition"


@dataclass(slots=True)
class Node:
    """A program state, and the model that will be asked when this node is expanded."""

    id: int  # index in Tree.nodes
    parent: int | None  # None for the root
    delta: tuple[str, ...]  # passes added to the parent's sequence
    next_model: str  # who is asked at this node
    made_by: str  # who proposed this node; "" for the root
    reward: float | None  # own reward (log ratio); None: not evaluated
    request: int | None = None  # id of the request that gave it; None for the root
    key: str | None = None  # hash of the object code
    failure: str | None = None  # why it is not live; None for a live node
    prior: float | None = None  # its model's chance, 0 to 1, that it is better than its parent; None: not said
    figures: Mapping[str, float] = field(default_factory=dict)  # costs: seconds, bytes, counts
    visits: int = 0  # N: rewards backed up through this node, its own included
    value_sum: float = 0.0  # W: sum of those rewards
    failures: int = 0  # expansions of this node that gave no live child
    terminal: bool = False  # failed too often: never expanded again
    live: bool = False
    held: bool = False  # waits for the answer to a correction: not selected
    pending: int = 0  # requests in flight at or below this node (virtual loss)
    expanding: int = 0  # requests in flight that may add a child to this node
    live_children: int = 0
    open: bool = False  # select() may come through here
    candidates: list[int] = field(default_factory=list)  # ids of the open children, in no order


class Tree:
    """Nodes by id, live nodes by key, and the range of the rewards backed up so far."""

    def __init__(self, root_model: str, branching: int, widening: Widening = PLAIN) -> None:
        """A root with the baseline's reward, 0.0. A node holds ``branching`` (B) children, or more by ``widening``."""
        self.branching = branching
        self.widening = widening
        self.nodes: list[Node] = [Node(ROOT, None, (), root_model, "", 0.0, live=True)]
        self.by_key: dict[str, int] = {}
        self.least = 0.0  # least and greatest reward in the tree; the root's 0.0 is one of them
        self.greatest = 0.0
        self.refresh(self.root)

    @property
    def root(self) -> Node:
        """The empty sequence: the baseline."""
        return self.nodes[ROOT]

    def path(self, node: Node) -> list[Node]:
        """From the node up to the root, both included."""
        path = [node]
        while node.parent is not None:
            node = self.nodes[node.parent]
            path.append(node)
        return path

    def sequence(self, node: Node) -> tuple[str, ...]:
        """All passes from the root to the node."""
        return tuple(name for step in reversed(self.path(node)) for name in step.delta)

    def add(self, node: Node) -> None:
        """Append a node whose id is ``len(nodes)``; a live one takes a place under its parent and its key."""
        assert node.id == len(self.nodes)
        assert node.parent is not None
        self.nodes.append(node)
        if node.live:
            if node.key is not None:
                self.by_key[node.key] = node.id
            parent = self.nodes[node.parent]
            parent.live_children += 1
            self.refresh(node)
            self.refresh(parent)

    def kill(self, node: Node, failure: str) -> None:
        """Take a live node without children out of the search; ``failure`` says why."""
        assert node.live
        assert not node.live_children
        assert node.parent is not None
        node.live, node.failure = False, failure
        if node.key is not None and self.by_key.get(node.key) == node.id:
            del self.by_key[node.key]
        parent = self.nodes[node.parent]
        parent.live_children -= 1
        self.refresh(node)
        self.refresh(parent)

    def has_room(self, node: Node) -> bool:
        """Whether the node may be expanded now: fewer children than it may have, those in flight included."""
        return node.live and not node.terminal and self.lacking(node) > 0

    def lacking(self, node: Node) -> int:
        """Children that the node has fewer than it may have, those in flight included; 0 or less where it is full."""
        return max(self.branching, self.widening.places(node.visits)) - node.live_children - node.expanding

    def refresh(self, node: Node) -> None:
        """Recompute ``open`` after a change at the node, and at its ancestors as far as that reaches.

        An open node has room, or an open child. So a subtree with nothing left to do closes by itself, and
        select() is never trapped in it.
        """
        while True:
            was_open = node.open
            node.open = node.live and not node.held and (self.has_room(node) or bool(node.candidates))
            if node.open == was_open or node.parent is None:
                return
            parent = self.nodes[node.parent]
            if node.open:
                parent.candidates.append(node.id)
            else:
                parent.candidates.remove(node.id)
            node = parent


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


# --- Expand: an answer and its evaluation become a node, live or not


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
