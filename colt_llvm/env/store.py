"""States that were computed, by content: nothing is computed twice while it is kept.

A state is a list of modules. Its key is a hash of their bitcode. Bitcode and large observations count against a
limit and go in the order of last use; what a state leads to is kept longer, as it is small.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

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
