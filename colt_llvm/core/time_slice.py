"""How long a process keeps its core before the next one that waits for it has its turn.

Linux gives ordinary processes about 3 ms (EEVDF's base slice). Since 6.12 a process can have a slice of its own:
``sched_setattr`` takes it in ``sched_runtime``, and the kernel keeps it within 0.1 ms and 100 ms (sched(7)).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

#: The system call's number; the C library has no function for it that is old enough to count on.
_SYSTEM_CALLS = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
#: struct sched_attr, first version: size, policy, flags, nice, priority, runtime (ns), deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def set_time_slice(pid: int, seconds: float) -> bool:
    """Ask for slices of ``seconds`` for process ``pid``, an ordinary one; nothing else of it changes.

    Returns whether the kernel took the wish. Older kernels take it and keep their own slice; on other machines, for
    other scheduling policies and for a process that is gone it is False.
    """
    number = _SYSTEM_CALLS.get(platform.machine())
    try:
        if number is None or os.sched_getscheduler(pid) != os.SCHED_OTHER:
            return False
        nice = os.getpriority(os.PRIO_PROCESS, pid)
    except OSError:
        return False
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, int(seconds * 1e9), 0, 0)
    system_call = ctypes.CDLL(None).syscall
    return bool(system_call(number, pid, attributes, 0) == 0)
