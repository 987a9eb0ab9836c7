"""Which workers may time programs, and on which core: results of unlike hosts are never mixed."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from colt_llvm.core.errors import ClusterError

#: The Dask resource by which a worker says that a core of its host is free for timing.
MEASURING = "measuring"

#: What has to be equal for run times to be comparable. Not the machine itself.
_KIND = ("cpu", "architecture", "kernel", "governor", "virtualised")


@dataclass(frozen=True)
class Measuring:
    """Workers that time programs, all on hosts of one kind."""

    addresses: tuple[str, ...]
    kind: str  #: the hosts in one line
    others: tuple[str, ...] = ()  #: measuring workers that are left out
    machines: tuple[str, ...] = ()  #: of each address; "" where it is not known

    def one_each(self) -> tuple[str, ...]:
        """The first worker of each machine, for work that takes whichever core it likes."""
        firsts: dict[str, str] = {}
        for address, machine in zip(self.addresses, self.machines, strict=True):
            firsts.setdefault(machine or address, address)
        return tuple(firsts.values())

    @property
    def note(self) -> str:
        """One line for the user."""
        text = (
            f"timed on {len(self.addresses)} worker{'s' * (len(self.addresses) > 1)} of one kind of host: {self.kind}"
        )
        return f"{text}; {len(self.others)} on other hosts only compile" if self.others else text


def choose_measuring(hosts: Mapping[str, Mapping[str, object]], wanted: str, address: str) -> Measuring:
    """The largest group of alike hosts, or the one whose description contains ``wanted``.

    hosts: worker address -> fingerprint as a dictionary. Raises ClusterError.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for worker, host in sorted(hosts.items()):
        groups[_describe(host)].append(worker)
    if not groups:
        raise ClusterError(
            f"{address}: no worker offers to time programs; start one with "
            f'dask worker ... --nthreads 1 --resources "{MEASURING}=1" on a host with a core to spare'
        )
    fitting = {kind: workers for kind, workers in groups.items() if wanted.lower() in kind.lower()}
    if not fitting:
        raise ClusterError(f"--measure-on {wanted!r}: no such host times programs; there are {'; '.join(groups)}")
    kind = max(fitting, key=lambda kind: (len(fitting[kind]), kind))
    others = [worker for name, workers in groups.items() if name != kind for worker in workers]
    chosen = tuple(fitting[kind])
    return Measuring(chosen, kind, tuple(others), tuple(str(hosts[worker].get("machine", "")) for worker in chosen))


def _describe(host: Mapping[str, object]) -> str:
    """Every part, also an empty one, tells hosts apart; only those that say something are shown."""
    parts = [str(host.get("cpu") or "unknown CPU")]
    parts += [f"{name} {value}" for name in _KIND[1:-1] if (value := host.get(name))]
    return ", ".join([*parts, "virtual"] if host.get("virtualised") else parts)


@dataclass
class MeasuringCore:
    """Held until ``release``, or until this process ends however it ends."""

    number: int
    _hold: socket.socket

    @staticmethod
    def take() -> MeasuringCore | None:
        """The highest core of this process that nobody else times on; None where there is none."""
        for number in sorted(os.sched_getaffinity(0), reverse=True):
            hold = _bind(number)
            if hold is not None:
                return MeasuringCore(number, hold)
        return None

    def release(self) -> None:
        """Let somebody else time on it."""
        self._hold.close()


def taken(cores: Collection[int]) -> set[int]:
    """Those on which some process of this host times now, this one included."""
    found = set()
    for number in cores:
        hold = _bind(number)
        if hold is None:
            found.add(number)
        else:
            hold.close()
    return found


def keep_off(cores: Collection[int]) -> None:
    """All threads of this process, and what it starts from now on, stay off these cores, where others are left."""
    left = os.sched_getaffinity(0) - set(cores)
    if left:
        move_to(left)


def move_to(cores: Collection[int]) -> None:
    """All threads of this process run there from now on."""
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)


def _bind(number: int) -> socket.socket | None:
    """A name in the kernel's abstract space: no file, nothing listens, and it is gone with the process."""
    hold = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        hold.bind(f"\0colt-llvm-measuring-core-{number}")
    except OSError:
        hold.close()
        return None
    return hold
