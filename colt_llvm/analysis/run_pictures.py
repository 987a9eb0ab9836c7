"""Plots of one run, from its run directory: convergence, run time against size, calls to models, and the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.analysis.pictures import COLOURS, MARKERS, draw_shares, drawing, new_figure, save, shortened
from colt_llvm.analysis.sentences import below_baseline
from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.models.transcript import read_calls
from colt_llvm.objectives.base import FIGURES, INSTRUCTIONS, RUN_TIME, SIZE
from colt_llvm.run.journal import read_header, read_trials
from colt_llvm.search.pareto import pareto_front

Record = Mapping[str, Any]


def write_run_pictures(run_directory: Path, folder: Path) -> list[Path]:
    """SVG and PNG of run-convergence, pareto, run-models and tree, those that the run has; gives the files.

    Raises RunDirectoryError for a folder without trials, UsageError without matplotlib.
    """
    header, trials = read_header(run_directory), read_trials(run_directory)
    if not trials:
        raise RunDirectoryError(f"{run_directory}: holds no trial yet; let the run go on for a while")
    files = []
    try:
        with drawing():
            title = _title(header, trials)
            sizes = {model["name"]: model["parameters"] for model in header.get("models", [])}
            models = sorted(sizes, key=lambda name: (sizes[name], name))
            figures = {
                "run-convergence": draw_run_convergence(trials, title),
                "pareto": draw_pareto(trials, title),
                "run-models": draw_run_models(header, run_directory, title),
                "tree": draw_tree(trials, title, models),
            }
            for name, figure in figures.items():
                if figure is not None:
                    files += save(figure, folder, name)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunDirectoryError(f"{run_directory}: holds something that is no trial ({error!r})") from None
    return files


def draw_run_convergence(trials: Sequence[Record], title: str) -> Any:
    """Each trial's own result as a dot, failures at the foot, and the best so far as a line."""
    rewards = [trial["outcome"]["reward"] for trial in trials]
    at = np.arange(1, len(trials) + 1)
    known = np.array([np.nan if reward is None else below_baseline(reward) for reward in rewards])
    best = np.maximum.accumulate(np.nan_to_num(known, nan=0.0).clip(min=0))
    figure = new_figure(7.0, 3.8)
    axes = figure.add_subplot()
    axes.axhline(0, color="black", lw=0.8)
    axes.plot(at, known, "o", markersize=2.8, color=COLOURS[5], label="a trial")
    failed = at[np.isnan(known)]
    # Regressions can be huge; they are drawn at the foot too, so that what is near the baseline can be seen.
    foot = -max(float(best[-1]), 1.0)
    worse = at[known < foot]
    axes.set_ylim(foot * 1.1, -foot * 1.15)
    if len(worse):
        axes.plot(worse, np.full(len(worse), foot), "v", markersize=3.5, color=COLOURS[1], label="worse than shown")
    if len(failed):
        axes.plot(failed, np.full(len(failed), foot), "x", markersize=4.5, color="black", label="failed")
    axes.step(at, best, where="post", color=COLOURS[0], lw=1.8, label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel("below the baseline (%)")
    figure.suptitle(title, fontsize=9)
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def draw_pareto(trials: Sequence[Record], title: str) -> Any:
    """Run time against size of what was built; without run times, instructions against size. None where one is missing.

    On the front: no other trial is as good in both.
    """
    figures = [trial["outcome"]["figures"] for trial in trials if trial["outcome"]["reward"] is not None]
    across = next((name for name in (RUN_TIME, INSTRUCTIONS) if sum(name in one for one in figures) > 1), None)
    points = [(one[across], one[SIZE]) for one in figures if across in one and SIZE in one] if across else []
    if len(set(points)) < 2:
        return None
    front = sorted(points[index] for index in pareto_front(points))
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    x, y = np.array(points).T
    axes.plot(x, y, "o", markersize=4, markerfacecolor="none", color="#777777", label="a trial")
    fx, fy = np.array(front).T
    axes.step(fx, fy, where="post", color=COLOURS[0], lw=1.4)
    axes.plot(fx, fy, "D", color=COLOURS[0], markersize=6, label="on the front")
    # A few hopeless trials would press all others into a corner.
    for set_limit, values in ((axes.set_xlim, x), (axes.set_ylim, y)):
        low, high = float(values.min()), float(np.quantile(values, 0.95))
        room = 0.05 * (high - low) or 1.0
        set_limit(low - room, high + room)
    outside = int(np.sum((x > axes.get_xlim()[1]) | (y > axes.get_ylim()[1])))
    axes.set_xlabel(FIGURES[str(across)].label)
    axes.set_ylabel(FIGURES[SIZE].label)
    note = f"; {outside} trials lie outside" if outside else ""
    figure.suptitle(f"{title}\nlower left is better{note}", fontsize=9)
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def draw_run_models(header: Record, run_directory: Path, title: str) -> Any:
    """Share of calls and cost by model; None where no model was asked."""
    sums: dict[str, dict[str, float]] = {}
    for model in header.get("models", []):
        sums[model["name"]] = {"parameters": float(model["parameters"]), "calls": 0.0, "answers": 0.0, "cost": 0.0}
    for call in read_calls(run_directory):
        if call.model in sums:
            sums[call.model]["calls"] += 1
            sums[call.model]["answers"] += call.error is None
            sums[call.model]["cost"] += call.cost
    if not sum(one["calls"] for one in sums.values()):
        return None
    for one in sums.values():
        one["work"] = one["parameters"] * one["answers"]
    paid = any(one["cost"] > 0 for one in sums.values())
    return draw_shares({"run": sums}, "cost" if paid else "work", title)


def _title(header: Record, trials: Sequence[Record]) -> str:
    objective = header.get("options", {}).get("objective", "")
    name = shortened(str(header.get("program", {}).get("name", "")))
    return f"{name}: {objective} against {header.get('baseline', '')}, {len(trials)} trials, LLVM {header.get('llvm')}"


_ROOT = 0


@dataclass(frozen=True)
class TreeNode:
    """Node ``i`` is trial ``i - 1``; 0 is the root, the baseline."""

    id: int
    parent: int
    model: str  # who proposed it
    reward: float | None  # natural log of the ratio; None where it failed
    regression: bool  # worse than its parent
    correction: bool  # a correction of a regression


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
            chosen = [places[n.id] for n in nodes if (n.model, n.regression) == (model, worse) and n.reward is not None]
            if chosen:
                axes.scatter(*zip(*chosen, strict=True), s=size, **_looks(index, worse, shortened(model)))
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


def _looks(index: int, worse: bool, label: str) -> dict[str, Any]:
    """How nodes of one model look: filled, or hatched where they are worse than their parents."""
    colour = COLOURS[index % len(COLOURS)]
    return {
        "marker": MARKERS[index % len(MARKERS)], "facecolors": "white" if worse else colour, "edgecolors": colour,
        "hatch": "//////" if worse else None, "linewidths": 0.8, "zorder": 3,
        "label": f"{label}, worse" if worse else label,
    }  # fmt: skip


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
