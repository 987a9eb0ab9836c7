"""Observations of a state as text: what passes said, the hot code, which functions changed.

All of it comes from the user's program and is made plain: valid UTF-8 without control characters. Bounded on large
modules: past MAX_REMARK_INSTRUCTIONS the pipeline is not run again for its remarks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from colt_llvm.env.engine import Engine, Node

if TYPE_CHECKING:
    from colt_llvm.env.observations import Build
    from colt_llvm.llvm.module import Module

MAX_REMARKS = 60
MAX_REMARK_INSTRUCTIONS = 80_000  # default<O3> takes about ten seconds there
MAX_REMARK_BYTES = 16 << 20  # of bitcode, which is not even read again past it


def opt_remarks(engine: Engine, node: Node, build: Build) -> str:
    """What the last pipeline of several passes said (of a chain of single passes: the last one), the most telling
    first, as JSON lines: kind, pass_name, name, function, message, location, count.

    It is run again from the state before it, with its remarks on. Empty at the first state.
    """
    step = _telling_step(engine, node)
    if step is None or step.parent is None:
        return ""
    before, pipeline = step.parent, engine.pipeline_of(step)
    # They belong to the step, not to the state that it leads to: another way there says other things.
    return _stored(engine, before, f"OptRemarks {pipeline}", lambda: _remarks(engine, before, pipeline))


def ir_excerpt(engine: Engine, node: Node, build: Build) -> str:
    """IR of the hottest function around its hottest blocks (estimated from loops); see llvm/excerpt.py."""
    return _excerpt(engine, node, for_size=False)


def ir_excerpt_largest(engine: Engine, node: Node, build: Build) -> str:
    """The same of the function with the most instructions."""
    return _excerpt(engine, node, for_size=True)


def function_hashes(engine: Engine, node: Node, build: Build) -> str:
    """Fingerprint of each function's code, as a JSON object in the modules' order."""
    return _stored(engine, node, "FunctionHashes", lambda: json.dumps(_fingerprints(engine, node)))


def changed_functions(engine: Engine, node: Node, build: Build) -> str:
    """Names of the functions whose code is not what ``default<LEVEL>`` of the benchmark's level makes of the first
    state, one a line."""
    from colt_llvm.llvm import flow
    from colt_llvm.llvm.pipeline import level_pipeline

    first = node
    while first.parent is not None:
        first = first.parent
    reference = engine.pipeline_result(first, level_pipeline(engine.library.major, node.root.record.level))
    before, after = (json.loads(function_hashes(engine, at, build)) for at in (reference, node))
    return "\n".join(flow.changed_functions(before, after))


def _stored(engine: Engine, node: Node, name: str, compute: Callable[[], str]) -> str:
    known = engine.store.get(node.key).observed.get(name)
    if known is None:
        known = compute()
        engine.store.put_observation(node.key, name, known, len(known))
    return str(known)


def _telling_step(engine: Engine, node: Node) -> Node | None:
    step = node
    while step.parent is not None:
        pipeline = engine.pipeline_of(step)
        if "," in pipeline or "default<" in pipeline:
            return step
        step = step.parent
    return node if node.parent is not None else None


def _remarks(engine: Engine, before: Node, pipeline: str) -> str:
    from colt_llvm.core.text import plain
    from colt_llvm.llvm import flow, remarks
    from colt_llvm.llvm.features import instruction_count

    found: list[remarks.Remark] = []
    weights: dict[str, float] = {}
    for bitcode in engine.bitcodes(before):
        if len(bitcode) > MAX_REMARK_BYTES:
            continue
        with engine.parse(bitcode) as module:
            if instruction_count(module) > MAX_REMARK_INSTRUCTIONS:
                continue
            result, said = remarks.run_with_remarks(module, pipeline, before.root.target)
        found += said
        with engine.parse(result) as module:
            for function in flow.functions_of(module):
                name = plain(function.name)
                weights[name] = weights.get(name, 0.0) + function.weight
    telling = remarks.most_telling(found, weights, MAX_REMARKS)
    return "\n".join(remark.to_json() for remark in telling)


def _excerpt(engine: Engine, node: Node, *, for_size: bool) -> str:
    """Of several modules, the one that holds the hottest (largest) function."""
    from colt_llvm.llvm import excerpt, flow

    best: tuple[float, Module, flow.Function] | None = None
    for module in engine.modules(node):
        for function in flow.functions_of(module):
            weight = float(function.instructions) if for_size else function.weight
            if best is None or weight > best[0]:
                best = weight, module, function
    return excerpt.excerpt_of(best[1], for_size=for_size, functions=[best[2]]).text if best else ""


def _fingerprints(engine: Engine, node: Node) -> dict[str, str]:
    from colt_llvm.llvm.flow import function_fingerprints

    found: dict[str, str] = {}
    for module in engine.modules(node):
        for name, fingerprint in function_fingerprints(module).items():
            # Functions of one name in several modules (static ones) stand together.
            found[name] = f"{found[name]} {fingerprint}" if name in found else fingerprint
    return found
