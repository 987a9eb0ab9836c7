"""A timer and a prover that do nothing twice, for many searches on one program.

What they say is what they would have said anyway: an object's behaviour is asked of the object alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from colt_llvm.core.errors import CompileError, PassError
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.run.proof import Finalist, Prover
from colt_llvm.run.trials import TrialRecord


@dataclass
class RememberingTimer(Timer):
    """Verdicts by the digest of the objects' loaded content; nothing is linked before it has to run."""

    _known: dict[tuple[str, bool, bool], bool | Miscompiled] = field(default_factory=dict)
    _waiting: dict[Path, tuple[str, tuple[bytes, ...]]] = field(default_factory=dict)

    @staticmethod
    def around(timer: Timer) -> RememberingTimer:
        """With a memory of its own. The folder and what the baseline does are shared with ``timer``."""
        return RememberingTimer(**{item.name: getattr(timer, item.name) for item in fields(Timer)})

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        place = self.folder / name
        self._waiting[place] = (":".join(map(loaded_digest, objects)), tuple(objects))
        return place

    def check(self, executable: Path, *, thorough: bool, core: int | None = None, proof: bool = False) -> bool:
        if executable not in self._waiting:
            return super().check(executable, thorough=thorough, core=core, proof=proof)
        digest, objects = self._waiting.pop(executable)
        known = self._known.get((digest, thorough, proof))
        if known is None:
            known = self._found(objects, executable, thorough, core, proof)
            self._known[digest, thorough, proof] = known
        if isinstance(known, Miscompiled):
            raise known
        return known

    def _found(
        self, objects: Sequence[bytes], executable: Path, thorough: bool, core: int | None, proof: bool
    ) -> bool | Miscompiled:
        try:
            super().link(objects, executable.name)
            return super().check(executable, thorough=thorough, core=core, proof=proof)
        except Miscompiled as error:
            return error
        finally:
            executable.unlink(missing_ok=True)


@dataclass
class RememberingProver(Prover):
    """Finalists by what the search told of them. ``timer`` has to be one that links when asked to check.

    Sequences are claimed at their full length: a shorter one with the same code makes a better recipe, and costs as
    many builds as it has passes.
    """

    _rebuilt: dict[tuple[tuple[str, ...], str | None], Finalist | Exception] = field(default_factory=dict)

    def _rebuild(self, trial: TrialRecord, name: str) -> Finalist:
        which = trial.sequence, trial.outcome.key
        if which not in self._rebuilt:
            try:
                self._rebuilt[which] = super()._rebuild(trial, name)
            except (Miscompiled, PassError, CompileError) as error:
                self._rebuilt[which] = error
        found = self._rebuilt[which]
        if isinstance(found, Exception):
            raise found
        return found

    def shorten(self, sequence: tuple[str, ...], key: str) -> tuple[str, ...]:
        return sequence
