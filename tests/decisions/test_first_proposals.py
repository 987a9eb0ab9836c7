"""What a search for size begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.decisions.offers import plain_flags
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import program_from_files
from colt_llvm.run.setup import make_task

FRAME = "frame-pointer<*;non-leaf>"


@pytest.mark.llvm
@pytest.mark.parametrize(("flags", "rows"), [((), True), (("-fno-asynchronous-unwind-tables",), False)])
def test_a_frame_pointer_is_proposed_first_where_unwind_rows_are_loaded(
    tmp_path: Path, flags: tuple[str, ...], rows: bool
) -> None:
    source = tmp_path / "put.c"
    source.write_text("int get(int);\nint put(int x) { return get(x) + get(x + 1); }\n")
    target = prepare_target(find_toolchain(), program_from_files([str(source)], cflags=flags), TuneOptions("size"))
    task = make_task(target, {}, ("passes", "module"))
    assert [FRAME in names for names in task.known_good] == [rows] * len(task.known_good)
    assert (task.promised[FRAME] > 0) == rows
    assert task.known_good[0] == ((FRAME,) if rows else task.known_good[0])


def test_what_is_not_known_here_is_left_out_and_nothing_is_proposed_twice() -> None:
    known = {"optspeed<*>", "optsize<*>", "default<O2>", FRAME, "disable-lsr<*>"}  # as with LLVM 23: no default<Os>
    assert plain_flags(known, rows=True) == (
        (FRAME,),
        (FRAME, "disable-lsr<*>"),
        ("optspeed<*>", "default<O2>", FRAME, "disable-lsr<*>"),
        ("optsize<*>", FRAME, "disable-lsr<*>"),
        ("optspeed<*>", FRAME, "disable-lsr<*>"),
    )
    assert plain_flags(set(), rows=True) == ()
