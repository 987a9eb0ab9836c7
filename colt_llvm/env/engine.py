"""Applies actions to states. Owns libLLVM, the store and the few modules that are kept parsed.

A state that was computed once is not computed again, whichever episode led to it. Nothing is parsed for an action
whose result is known. Knows nothing of CompilerGym.

Same code, other bitcode: LLVM does not always write the bytes that it read (attributes of intrinsics are renewed
by the reader). So what a freshly parsed module is written as counts as another name of the same state; a pass that
changes nothing is then recognised as such.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from colt_llvm.core.errors import ColtError, PassError
from colt_llvm.env import guard as watch
from colt_llvm.env.payload import BenchmarkRecord
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.pipeline import marked_for_size

_SMALL = 256  # bytes: an observation up to this size is counted as part of the entry
_ENTRY_BYTES = 2048  # what an entry without bitcode costs, about


@dataclass
class State:
    """One state."""

    key: str  #: a hash of its bitcode
    bitcodes: tuple[bytes, ...] | None  #: None after eviction
    results: dict[int, str] = field(default_factory=dict)  #: action -> key of the state it leads to
    observed: dict[str, object] = field(default_factory=dict)  #: name -> value
    aliases: list[str] = field(default_factory=list)  #: hashes of other bitcode that stands for the same state
    heavy_bytes: int = 0  #: of bitcode and large observations


class StateStore:
    """States by key, within ``max_bytes``. A quarter of it is for entries without bitcode."""

    def __init__(self, max_bytes: int) -> None:
        self._states: OrderedDict[str, State] = OrderedDict()
        self._heavy: OrderedDict[str, None] = OrderedDict()
        self._alias: dict[str, str] = {}
        self.heavy_bytes = 0
        self.evictions = 0
        self._max_heavy_bytes = 0
        self._max_entries = 0
        self.set_max_bytes(max_bytes)

    def __len__(self) -> int:
        return len(self._states)

    def set_max_bytes(self, max_bytes: int) -> None:
        """A new limit; what is over it goes at once."""
        self._max_heavy_bytes = max_bytes * 3 // 4
        self._max_entries = max(64, max_bytes // 4 // _ENTRY_BYTES)
        self._trim()

    def clear(self) -> None:
        """Forget every state."""
        self._states.clear()
        self._heavy.clear()
        self._alias.clear()
        self.heavy_bytes = 0

    def get(self, key: str) -> State:
        """The entry of this key, which is made when there is none."""
        state = self._states.get(key)
        if state is None:
            return self._insert(key)
        self._states.move_to_end(key)
        if key in self._heavy:
            self._heavy.move_to_end(key)
        return state

    def resolve(self, written: str) -> str | None:
        """The key of the known state that this hash of bitcode stands for."""
        if written in self._states:
            return written
        return self._alias.get(written)

    def put_bitcodes(self, key: str, bitcodes: tuple[bytes, ...]) -> None:
        """Keep the modules of a state."""
        state = self.get(key)
        if state.bitcodes is None:
            state.bitcodes = bitcodes
            self._grow(state, sum(map(len, bitcodes)))

    def put_alias(self, written: str, key: str) -> None:
        """Let this hash of bitcode stand for a state."""
        if written != key and written not in self._alias and written not in self._states:
            self._alias[written] = key
            self.get(key).aliases.append(written)

    def put_observation(self, key: str, name: str, value: object, size: int) -> None:
        """Keep an observed value. size: in bytes."""
        state = self.get(key)
        state.observed[name] = value
        if size > _SMALL:
            self._grow(state, size)

    def _insert(self, key: str) -> State:
        state = self._states[key] = State(key, None)
        while len(self._states) > self._max_entries:
            self._drop(next(iter(self._states)))
        return state

    def _grow(self, state: State, size: int) -> None:
        state.heavy_bytes += size
        self.heavy_bytes += size
        self._heavy[state.key] = None
        self._heavy.move_to_end(state.key)
        self._trim()

    def _trim(self) -> None:
        while self.heavy_bytes > self._max_heavy_bytes and len(self._heavy) > 1:
            self._lighten(next(iter(self._heavy)))

    def _lighten(self, key: str) -> None:
        """Forget bitcode and observations, keep where the actions lead."""
        state = self._states[key]
        del self._heavy[key]
        self.heavy_bytes -= state.heavy_bytes
        state.heavy_bytes = 0
        state.bitcodes = None
        state.observed = {}
        self.evictions += 1

    def _drop(self, key: str) -> None:
        if key in self._heavy:
            self._lighten(key)
        for alias in self._states.pop(key).aliases:
            self._alias.pop(alias, None)


_LIVE_STATES = 4
_CODEGEN_LEVEL = {"O0": 0, "O1": 1, "O2": 2, "O3": 3, "Os": 2, "Oz": 2}

Actions = Sequence[tuple[str, str]]


@dataclass
class Root:
    """One benchmark, opened."""

    record: BenchmarkRecord  #: what was opened
    key: str  #: of its first state
    target: TargetMachine  #: what code is generated for
    baselines: dict[str, Node] = field(default_factory=dict)  #: pipeline -> where it leads from the first state


@dataclass(eq=False)
class Node:
    """A place in an episode: the state and how it was reached. Shared by forks."""

    root: Root  #: of the episode
    parent: Node | None  #: None of the first state
    action: int  #: that led here; -1 where it was none of the actions
    key: str  #: of the state; changes only where a pass gives another result the second time


@dataclass(eq=False)
class _Live:
    """Parsed modules of one state."""

    written: str  # the hash of what they are written as
    modules: list[Module]  # one for each source

    def close(self) -> None:
        for module in self.modules:
            module.close()


class Engine:
    """actions: (name, pipeline) of each, in the order of their numbers."""

    def __init__(
        self, library: Library, actions: Actions, cache_bytes: int, guard: watch.Guard, exact_steps: bool = False
    ) -> None:
        self.library = library
        self.actions = list(actions)
        self.guard = guard
        self.store = StateStore(cache_bytes)
        self.counters: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._exact_steps = exact_steps
        self._roots: OrderedDict[bytes, Root] = OrderedDict()
        self._targets: dict[tuple[str, int], TargetMachine] = {}
        self._live: OrderedDict[str, _Live] = OrderedDict()

    def open(self, digest: bytes, read: Callable[[], BenchmarkRecord]) -> Node:
        """The first state of a benchmark; ``read`` gives its record when it is not known yet. Raises InvalidIR."""
        root = self._roots.get(digest)
        if root is None:
            record = read()
            modules = [self.parse(bitcode) for bitcode in record.bitcodes]
            level = _CODEGEN_LEVEL.get(record.level, 2)
            target = self._target(modules[0].triple, level)
            root = Root(record, "", target)
            bitcodes = tuple(module.bitcode() for module in modules)
            for module in modules:
                module.close()
            root.key = self._hash(root, record.bitcodes)
            self.store.put_bitcodes(root.key, record.bitcodes)
            self.store.put_alias(self._hash(root, bitcodes), root.key)
            self._roots[digest] = root
            if len(self._roots) > 64:
                self._roots.popitem(last=False)
        return Node(root, None, -1, root.key)

    def apply(self, node: Node, action: int) -> Node:
        """The place one action further. Raises PassError (the node given stays as it is), ValueError."""
        if not 0 <= action < len(self.actions):
            raise ValueError(f"action {action}: there are {len(self.actions)}, from 0")
        key = self.store.get(node.key).results.get(action)
        self.counters["transitions"] += 1
        if key is None:
            return self._compute(node, action)
        self.counters["known_transitions"] += 1
        return Node(node.root, node, action, key)

    def pipeline_result(self, node: Node, pipeline: str) -> Node:
        """The state that a pipeline leads to from here, kept with the root: for baselines."""
        known = node.root.baselines.get(pipeline)
        if known is None:
            live = self._materialise(node)
            known = node.root.baselines[pipeline] = Node(node.root, node, -1, self._run(node, live, pipeline))
        return known

    def pipeline_of(self, node: Node) -> str:
        """What was run on the state before to come here; empty at the first state."""
        if node.parent is None:
            return ""
        if node.action >= 0:
            return self.actions[node.action][1]
        return next(pipeline for pipeline, known in node.root.baselines.items() if known is node)

    def modules(self, node: Node) -> list[Module]:
        """The modules of this state, to be looked at and not changed. Valid until the next call."""
        live = self._materialise(node)
        self._keep(node.key, live)
        return live.modules

    def bitcodes(self, node: Node) -> tuple[bytes, ...]:
        """Of this state, one for each source. Raises PassError."""
        bitcodes = self.store.get(node.key).bitcodes
        if bitcodes is None:
            if node.parent is None:
                return node.root.record.bitcodes
            live = self._materialise(node)
            bitcodes = tuple(module.bitcode() for module in live.modules)
            self._keep(node.key, live)
            self.store.put_bitcodes(node.key, bitcodes)
        return bitcodes

    def parse(self, bitcode: bytes) -> Module:
        """``Module.parse``, counted. Raises InvalidIR."""
        module = Module.parse(self.library, bitcode)
        self.counters["parses"] += 1
        return module

    def forget(self) -> None:
        """Drop all that was computed, as if this had just been started. Episodes that are open go on."""
        with self.lock:
            self.close()
            self.store.clear()
            self._roots.clear()

    def close(self) -> None:
        """Free the modules that are kept parsed."""
        for live in self._live.values():
            live.close()
        self._live.clear()

    def _compute(self, node: Node, action: int) -> Node:
        live = self._materialise(node)
        key = self._run(node, live, self.actions[action][1])
        self.store.get(node.key).results[action] = key
        return Node(node.root, node, action, key)

    def _run(self, node: Node, live: _Live, pipeline: str) -> str:
        """Run a pipeline on the live modules of ``node`` and store what comes out. Returns its key."""
        self.counters["passes_run"] += 1
        try:
            for module in live.modules:
                module.run(marked_for_size(module, pipeline), node.root.target)
        except MemoryError:
            watch.out_of_memory()
        except ColtError as error:
            live.close()
            if isinstance(error, PassError):
                raise
            raise PassError(f"{pipeline}: {error}") from error
        bitcodes = tuple(module.bitcode() for module in live.modules)
        written = self._hash(node.root, bitcodes)
        if written == live.written:  # nothing changed: the modules still are those of the state
            self._keep(node.key, live)
            return node.key
        key = self.store.resolve(written) or written
        self.store.put_bitcodes(key, bitcodes)
        if self._exact_steps:
            live.close()
        else:
            live.written = written
            self._keep(key, live)
        return key

    def _materialise(self, node: Node) -> _Live:
        """Take the live modules of a state, parsed from what is stored or computed from an earlier state."""
        live = self._live.pop(node.key, None)
        if live is not None:
            return live
        bitcodes = self.store.get(node.key).bitcodes
        if bitcodes is None and node.parent is None:
            bitcodes = node.root.record.bitcodes
        if bitcodes is None:
            self._recompute(node)
            return self._materialise(node)
        live = _Live("", [self.parse(bitcode) for bitcode in bitcodes])
        live.written = self._hash(node.root, [module.bitcode() for module in live.modules])
        self.store.put_alias(live.written, node.key)
        return live

    def _recompute(self, node: Node) -> None:
        """Bring an evicted state back, from the nearest earlier one that is kept. The root always is."""
        path = [node]
        while path[-1].parent is not None and path[-1].key not in self._live:
            if self.store.get(path[-1].key).bitcodes is not None:
                break
            path.append(path[-1].parent)
        for at in reversed(path[:-1]):
            self.counters["recomputed"] += 1
            assert at.parent is not None
            if at.key == at.parent.key:
                continue
            live = self._materialise(at.parent)
            key = self._run(at.parent, live, self.pipeline_of(at))
            if key != at.key:
                self.counters["different_results"] += 1
                self.store.get(at.parent.key).results[at.action] = key
                at.key = key

    def _keep(self, key: str, live: _Live) -> None:
        previous = self._live.pop(key, None)
        if previous is not None and previous is not live:
            previous.close()
        self._live[key] = live
        while len(self._live) > _LIVE_STATES:
            self._live.popitem(last=False)[1].close()

    def _target(self, triple: str, level: int) -> TargetMachine:
        target = self._targets.get((triple, level))
        if target is None:
            target = self._targets[triple, level] = TargetMachine(self.library, triple, level)
        return target

    @staticmethod
    def _hash(root: Root, bitcodes: Sequence[bytes]) -> str:
        digest = hashlib.blake2b(root.record.salt(), digest_size=16)
        for bitcode in bitcodes:
            digest.update(len(bitcode).to_bytes(8, "little"))
            digest.update(bitcode)
        return digest.hexdigest()
