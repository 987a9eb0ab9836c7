"""The search tree of a run, layer by layer: who made each node, what got worse, and the way to the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colt_llvm.analysis.style import COLOURS, MARKERS, new_figure, shortened

Record = Mapping[str, Any]
_ROOT = 0


@dataclass(frozen=True)
class TreeNode:
    """Node ``i`` is trial ``i - 1``; 0 is the root, the baseline. reward: natural log, None where it failed.

    regression: worse than its parent. correction: the answer to one.
    """

    id: int
    parent: int
    model: str
    reward: float | None
    regression: bool
    correction: bool


def tree_nodes(trials: Sequence[Record]) -> list[TreeNode]:
    """The nodes but the root, in the order in which they were told: every told trial is a node."""
    rewards: list[float | None] = [0.0]
    nodes = []
    for number, trial in enumerate(trials, start=1):
        parent, reward = int(trial["request"]["node"]), trial["outcome"]["reward"]
        if not 0 <= parent < number:
            raise IndexError(f"trial {number - 1} grows from node {parent}, which is not there yet")
        above = rewards[parent]
        worse = reward is not None and above is not None and reward < above
        model = str(trial["proposal"]["model"])
        nodes.append(TreeNode(number, parent, model, reward, worse, trial["request"]["kind"] == "correct"))
        rewards.append(reward)
    return nodes


def place_nodes(parents: Mapping[int, int]) -> dict[int, tuple[float, int]]:
    """node -> (place across, layer). Leaves stand side by side in order, a parent over the middle of its children.

    parents: node -> parent, of all but the root 0. Iterative: trees may be deeper than Python's stack.
    """
    children: dict[int, list[int]] = {_ROOT: []}
    layers = {_ROOT: 0}
    for node in sorted(parents):
        children[node] = []
        children[parents[node]].append(node)
        layers[node] = layers[parents[node]] + 1
    across: dict[int, float] = {}
    leaves = 0
    waiting = [(_ROOT, False)]
    while waiting:
        node, settled = waiting.pop()
        if not children[node]:
            across[node] = float(leaves)
            leaves += 1
        elif settled:
            across[node] = (across[children[node][0]] + across[children[node][-1]]) / 2
        else:
            waiting.append((node, True))
            waiting += [(child, False) for child in reversed(children[node])]
    return {node: (across[node], layers[node]) for node in layers}


def draw_tree(trials: Sequence[Record], title: str, models: Sequence[str] = ()) -> Any:
    """None where all trials grow from the root: a search over whole sequences has no tree.

    models: in the order of their colours and shapes; others follow.
    """
    nodes = tree_nodes(trials)
    if all(node.parent == _ROOT for node in nodes):
        return None
    places = place_nodes({node.id: node.parent for node in nodes})
    depth = max(layer for _, layer in places.values())
    width = max(place for place, _ in places.values())
    figure = new_figure(min(16.0, max(7.5, 2.5 + 0.11 * width)), min(14.0, max(4.2, 1.6 + 0.3 * depth)))
    axes = figure.add_subplot()
    inches = figure.get_size_inches()
    size = min(44.0, max(3.0, (68 * min(inches[0] / (width + 2), 1.4 * inches[1] / (depth + 2))) ** 2))
    _edges(axes, nodes, places)
    for index, model in enumerate(dict.fromkeys([*models, *(node.model for node in nodes)])):
        for worse in (False, True):
            chosen = [n for n in nodes if n.model == model and n.reward is not None and n.regression == worse]
            _dots(axes, chosen, places, index, worse, size, shortened(model))
    failed = [places[node.id] for node in nodes if node.reward is None]
    if failed:
        axes.scatter(*zip(*failed, strict=True), marker="x", s=size, c="black", linewidths=0.9, label="failed")
    corrections = [places[node.id] for node in nodes if node.correction]
    if corrections:
        axes.scatter(*zip(*corrections, strict=True), marker="o", s=3.2 * size, facecolors="none", edgecolors="black",
                     linewidths=0.9, label="correction")  # fmt: skip
    axes.scatter(*places[_ROOT], marker="*", s=2.5 * size + 40, c="white", edgecolors="black", label="baseline")
    _best(axes, nodes, places, size)
    axes.invert_yaxis()
    axes.set_ylabel("layer: proposals from the root")
    axes.set_xticks([])
    axes.grid(axis="x", visible=False)
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(f"{title}\nhatched: worse than its parent; thick line: the way to the best", fontsize=9)
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def _edges(axes: Any, nodes: Sequence[TreeNode], places: Mapping[int, tuple[float, int]]) -> None:
    from matplotlib.collections import LineCollection

    lines = [(places[node.parent], places[node.id]) for node in nodes]
    axes.add_collection(LineCollection(lines, colors="#9a9a9a", linewidths=0.5, zorder=1))


def _dots(
    axes: Any, nodes: Sequence[TreeNode], places: Mapping[int, tuple[float, int]], index: int, worse: bool,
    size: float, label: str,
) -> None:  # fmt: skip
    if not nodes:
        return
    colour = COLOURS[index % len(COLOURS)]
    x, y = zip(*(places[node.id] for node in nodes), strict=True)
    axes.scatter(
        x, y, s=size, marker=MARKERS[index % len(MARKERS)], facecolors="white" if worse else colour,
        edgecolors=colour, hatch="//////" if worse else None, linewidths=0.8, zorder=3,
        label=f"{label}, worse" if worse else label,
    )  # fmt: skip


def _best(axes: Any, nodes: Sequence[TreeNode], places: Mapping[int, tuple[float, int]], size: float) -> None:
    """The way from the root to the node of the greatest reward, the first one of equals."""
    measured = [node for node in nodes if node.reward is not None and node.reward > 0]
    if not measured:
        return
    by_id = {node.id: node for node in nodes}
    best = max(measured, key=lambda node: (node.reward, -node.id))
    path = [best.id]
    while path[-1] != _ROOT:
        path.append(by_id[path[-1]].parent)
    x, y = zip(*(places[node] for node in path), strict=True)
    axes.plot(x, y, color="black", lw=1.6, zorder=2)
    axes.scatter(*places[best.id], marker="s", s=4.5 * size, facecolors="none", edgecolors="black", linewidths=1.4,
                 zorder=4, label="best")  # fmt: skip
