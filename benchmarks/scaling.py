"""How far a search scales: what a task costs the scheduler and the client, measured; what follows, simulated.

python -m benchmarks.scaling measure     # starts a scheduler and sleeping workers on loopback
python -m benchmarks.scaling simulate    # seeded: the same figures each time
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import click

#: Sizes of what goes there and back: the names of a sequence, and the object of a program of 4,000 lines of IR.
_SEQUENCE = tuple(f"without<some-pass#{number}>" for number in range(30))
_OBJECT_BYTES = 20_000
_TICKS = os.sysconf("SC_CLK_TCK")


def sleeper(sequence: tuple[str, ...], seconds: float) -> bytes:
    """A worker's task that costs nothing but time."""
    del sequence
    time.sleep(seconds)
    return bytes(_OBJECT_BYTES)


@dataclass(frozen=True)
class Measured:
    """Of one setting. rate: tasks a second. client_ms, scheduler_ms: CPU milliseconds a task in each process."""

    workers: int
    task_ms: float
    rate: float
    client_ms: float
    scheduler_ms: float


def measure(workers: int, task_ms: float, seconds: float = 6.0) -> Measured:
    """Sleeping workers, two tasks in flight for each, sent as ``tune --cluster`` sends builds."""
    from colt_llvm.cluster import connect

    with _running(workers) as (address, scheduler), connect(address) as cluster:
        cluster.wait_for(workers)
        done = 0
        lock = threading.Lock()

        def send(until: float) -> None:
            nonlocal done
            while time.monotonic() < until:
                cluster.call(sleeper, _SEQUENCE, task_ms / 1000)
                with lock:
                    done += 1

        count = 2 * workers
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(send, [time.monotonic() + 1.0] * count))  # connections between all are made
            done, began, client, other = 0, time.monotonic(), time.process_time(), _cpu_seconds(scheduler)
            list(pool.map(send, [began + seconds] * count))
        took = time.monotonic() - began
        client, other = time.process_time() - client, _cpu_seconds(scheduler) - other
    return Measured(workers, task_ms, done / took, 1000 * client / done, 1000 * other / done)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def _running(workers: int) -> Iterator[tuple[str, int]]:
    """A scheduler and workers, each a process, on loopback, for this process alone: its address and process id."""
    import dask

    from colt_llvm.cluster.addresses import as_variables, own_settings

    common = ["--host", "127.0.0.1", "--no-dashboard"]
    with TemporaryDirectory(prefix="colt-") as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "scheduler.json"
        settings = own_settings(Path(folder))
        stack.enter_context(dask.config.set(settings))
        environment = {**os.environ, **as_variables(settings)}

        def start(*words: str) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(
                [sys.executable, "-m", *words, *common], env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(child.wait)
            stack.callback(child.terminate)
            return child

        scheduler = start("distributed.cli.dask_scheduler", "--port", "0", "--protocol", "tls",
                          "--scheduler-file", str(file))  # fmt: skip
        while not file.exists() or not file.read_text(encoding="utf-8"):
            time.sleep(0.1)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        for _ in range(workers):
            start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny")
        yield address, scheduler.pid


@dataclass(frozen=True)
class Model:
    """Seconds. client: serial time a trial of the machine that searches (ask, send, tell, journal).

    scheduler: serial time a task. build, verify: means, each drawn from a log-normal distribution of ``spread``.
    timing: of one measured candidate, where programs are timed; then ``measuring`` of the workers do only that.
    """

    client: float
    scheduler: float
    build: float
    verify: float = 0.0
    timing: float = 0.0
    measuring: int = 0
    spread: float = 0.7
    queued: int = 2
    in_order: bool = True


def simulate(model: Model, workers: int, trials: int, seed: int = 1) -> float:
    """Trials a second, of the middle half of the run.

    Client, scheduler and workers are queues; all of them serve in the order of arrival.
    """
    random = Random(seed)
    timed = model.measuring > 0
    builders = workers - model.measuring if timed else workers
    shared = "verify" if timed else "build"  # where nothing is timed, any worker does either
    free = {"build": builders, "verify": model.measuring} if timed else {"build": builders}
    waiting: dict[str, deque[tuple[int, float]]] = {name: deque() for name in free}
    in_flight = model.queued * builders + 2 * model.measuring if not timed else builders + 2 * model.measuring
    events: list[tuple[float, int, str, int]] = []
    tie = 0
    client_free = scheduler_free = now = 0.0
    asked = told = 0
    quarters: list[float] = []
    landed: set[int] = set()

    def at(when: float, what: str, trial: int) -> None:
        nonlocal tie
        tie += 1
        heapq.heappush(events, (when, tie, what, trial))

    def draw(mean: float) -> float:
        return mean * random.lognormvariate(-(model.spread**2) / 2, model.spread)

    def send(trial: int, kind: str) -> None:
        nonlocal scheduler_free
        scheduler_free = max(scheduler_free, now) + model.scheduler
        at(scheduler_free, f"arrive {kind}", trial)

    def ask() -> None:
        nonlocal asked, client_free
        client_free = max(client_free, now) + model.client
        at(client_free, "asked", asked)
        asked += 1

    def serve(pool: str) -> None:
        while free[pool] and waiting[pool]:
            trial, seconds = waiting[pool].popleft()
            free[pool] -= 1
            at(now + seconds, f"end {pool}", trial)

    second: set[int] = set()
    for _ in range(min(in_flight, trials)):
        ask()
    while told < trials:
        now, _, what, trial = heapq.heappop(events)
        if what == "asked":
            send(trial, "build")
        elif what.startswith("arrive"):
            kind = what.split()[1]
            pool = kind if kind in free else shared
            mean = model.build if kind == "build" else model.timing if timed else model.verify
            waiting[pool].append((trial, draw(mean)))
            serve(pool)
        else:
            pool = what.split()[1]
            free[pool] += 1
            serve(pool)
            if (model.verify or timed) and trial not in second:
                second.add(trial)
                send(trial, "verify")
                continue
            landed.add(trial)
            while landed and (told in landed if model.in_order else True):
                landed.remove(told if model.in_order else next(iter(landed)))
                told += 1
                if told in (trials // 4, 3 * trials // 4):
                    quarters.append(now)
                if asked < trials:
                    ask()
    return (3 * trials // 4 - trials // 4) / (quarters[1] - quarters[0])


def main() -> None:
    if sys.argv[1:] == ["measure"]:
        for workers in (1, 2, 4, 8):
            for task_ms in (0.0, 10.0, 50.0, 200.0):
                found = measure(workers, task_ms)
                click.echo(
                    f"| {workers} | {task_ms:.0f} | {found.rate:.1f} | {found.client_ms:.2f} | "
                    f"{found.scheduler_ms:.2f} |"
                )
        return
    client, scheduler = (float(word) / 1000 for word in sys.argv[2:4]) if len(sys.argv) > 3 else (0.005, 0.001)
    click.echo(f"client {1000 * client:g} ms a trial, scheduler {1000 * scheduler:g} ms a task")
    for build in (0.05, 0.2, 1.0, 5.0):
        for workers in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000):
            trials = max(4000, 40 * workers)
            rates = [
                simulate(Model(client, scheduler, build, in_order=order), workers, trials) for order in (True, False)
            ]
            click.echo(
                f"| {build:g} | {workers} | {rates[0]:.1f} | {rates[1]:.1f} | {rates[0] * build / workers:.0%} |"
            )
    for measuring in (1, 4, 16, 64, 250, 500):
        model = Model(client, scheduler, 0.2, timing=3.0, measuring=measuring, in_order=False)
        rate = simulate(model, 1000, 20000)
        click.echo(f"| timed | 1000 | {measuring} | {rate:.2f} | {rate * 3.0 / measuring:.0%} |")


if __name__ == "__main__":
    main()
