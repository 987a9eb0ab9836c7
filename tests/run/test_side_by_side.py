"""What is compared runs at once on one core, unless the runs would get in each other's way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colt_llvm.evaluate import timer as timer_module
from colt_llvm.evaluate import verifier as verifier_module
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.measure.host import measuring_core
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.program import Program, Workload, program_from_files

#: With an argument: refuses to run while another one holds that file.
MEETS = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <fcntl.h>
#include <unistd.h>
int main(int count, char **arguments) {
    int held = count > 1 ? open(arguments[1], O_CREAT | O_RDWR, 0600) : -1;
    if (held >= 0 && flock(held, LOCK_EX | LOCK_NB)) { puts("in use"); return 1; }
    volatile unsigned sum = 0;
    for (unsigned i = 0; i < 60000000; i++) sum += i;
    puts("sum");
    return 0;
}
"""
WRONG = '#include <stdio.h>\nint main(void) { puts("sum 0"); return 0; }\n'

Make = Callable[..., Timer]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A timer of MEETS; ``wrong`` in its folder is another program."""
    timers: list[Timer] = []

    def build(*arguments: str, core: int | None = measuring_core(), cwd: Path | None = None) -> Timer:
        for name, text in {"meets.c": MEETS, "wrong.c": WRONG}.items():
            (tmp_path / name).write_text(text)
        toolchain = installed_toolchains()[0]
        workload = Workload("default", ("{exe}", *arguments), cwd=cwd)
        program = Program(**{**vars(program_from_files([tmp_path / "meets.c"])), "workloads": (workload,)})
        timer = Timer(Verifier.of(
            program, TuneOptions(), baseline_objects(toolchain, program, "O2"), linker_of(toolchain, program), core
        ))  # fmt: skip
        timers.append(timer)
        wrong = program_from_files([tmp_path / "wrong.c"])
        timer.verifier.link(baseline_objects(toolchain, wrong, "O2"), "wrong")
        return timer

    yield build
    for timer in timers:
        timer.verifier.close()


def counted(timer: Timer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many executables each call of the runner has."""
    calls: list[int] = []
    real = timer_module.run_side_by_side

    def run(executables: list[Path], *given: object, **more: object) -> object:
        calls.append(len(executables))
        return real(executables, *given, **more)  # type: ignore[arg-type]

    for module in (timer_module, verifier_module):
        monkeypatch.setattr(module, "run_side_by_side", run)
    return calls


def test_copies_run_at_once_and_take_the_same_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = make()
    calls = counted(timer, monkeypatch)
    seconds = timer.time_together([timer.verifier.baseline] * 3)
    assert calls == [3]
    assert max(seconds) < 1.5 * min(seconds)  # wide: it is a machine of others too
    assert timer.get_along


def test_wrong_output_is_the_candidates_own_fault_and_the_others_keep_their_times(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = make()
    wrong = timer.verifier.folder / "wrong"
    calls = counted(timer, monkeypatch)
    first, fault, last = timer.outcomes([timer.verifier.baseline, wrong, timer.verifier.baseline])
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert isinstance(fault, Miscompiled)
    assert calls[:2] == [3, 1]  # once more, alone; then the baseline beside it
    assert set(calls[2:]) == {1}
    assert timer.get_along
    with pytest.raises(Miscompiled, match="sum 0"):
        timer.time_together([timer.verifier.baseline, wrong])


def test_programs_that_exclude_each_other_run_in_turn_from_then_on(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lock").touch()  # to make it would be to write, and then runs are in turn from the start
    timer = make(str(tmp_path / "lock"))
    calls = counted(timer, monkeypatch)
    assert all(seconds > 0 for seconds in timer.time_together([timer.verifier.baseline, timer.verifier.baseline]))
    assert calls[0] == 2
    assert not timer.get_along
    assert "in each other's way" in timer.why_in_turn(2)
    calls.clear()
    timer.time_together([timer.verifier.baseline, timer.verifier.baseline])
    assert calls == [1, 1]


def test_without_a_core_of_their_own_in_turn(make: Make) -> None:
    assert "core" in make(core=None).why_in_turn(2)


@pytest.mark.parametrize("writes", [False, True])
def test_in_a_folder_of_the_users_at_once_only_where_the_program_writes_nothing_there(
    writes: bool, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cwd"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "input").write_text("x")
    timer = make(*(["deep/lock"] if writes else []), cwd=folder)
    assert ("writes in its working directory" in timer.why_in_turn(2)) == writes
    calls = counted(timer, monkeypatch)
    timer.time_together([timer.verifier.baseline, timer.verifier.baseline])
    assert calls == ([1, 1] if writes else [2])


def test_as_many_as_half_of_the_free_memory_holds(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = make()
    used = timer.verifier.expected[0].max_rss_bytes
    monkeypatch.setattr(timer_module, "available_memory", lambda: 8 * used)
    assert not timer.why_in_turn(4)
    assert "5 at once" in timer.why_in_turn(5)


def test_a_candidate_without_end_is_ended_and_named_with_the_limit_of_one_run(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = make()
    (tmp_path / "endless.c").write_text("int main(void) { for (volatile int i = 0;; i = 1) { } }\n")
    objects = baseline_objects(installed_toolchains()[0], program_from_files([tmp_path / "endless.c"]), "O2")
    endless = timer.verifier.link(objects, "endless")
    monkeypatch.setattr(verifier_module, "_LEAST_LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(verifier_module, "_SLACK", 2.0)
    fine, fault = timer.outcomes([timer.verifier.baseline, endless])
    assert isinstance(fine, float)
    assert "still runs after" in str(fault)
    assert os.path.exists(endless)
