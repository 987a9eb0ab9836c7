"""Bitcode in an object's section: it is read back, and nothing else of the object changes for those who link it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from wrapper_helpers import toolchain

from colt_llvm.builds.whole_program.objects import Carried, carried_by, with_bitcode
from colt_llvm.llvm.elf import loaded_digest, read_object, section_sizes

CARRIED = Carried("key", ("-O2", '-DTEXT="a b\\n"'), b"BC\xc0\xde\0\n bitcode")
SOURCE = '#include <stdio.h>\nint main(void) { puts("here"); return 0; }\n'


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text(SOURCE)
    subprocess.run([str(toolchain().clang), "-g", "-O2", "-c", "a.c"], cwd=tmp_path, check=True)
    return tmp_path / "a.o"


def test_what_is_put_in_is_read_back(plain: Path) -> None:
    made = with_bitcode(plain.read_bytes(), CARRIED)
    assert made is not None
    assert carried_by(made) == CARRIED
    assert carried_by(plain.read_bytes()) is None


def test_what_is_loaded_of_the_object_and_its_sections_stay(plain: Path) -> None:
    data = plain.read_bytes()
    made = with_bitcode(data, CARRIED)
    assert made is not None
    assert loaded_digest(made) == loaded_digest(data)
    assert section_sizes(made) == section_sizes(data)
    before, after = ([(s.name, s.type, s.flags, s.data()) for s in read_object(one)[1]] for one in (data, made))
    assert [item[:3] for item in after[:-1]] == [item[:3] for item in before]
    for (name, *_, old), (*_, new) in zip(before, after[:-1], strict=True):
        # Of names, which may be those of symbols too, there is one more.
        assert new == (old + b".colt.bc\0" if b".colt.bc" in new and name.endswith("strtab") else old)


@pytest.mark.needs("ar")
def test_linkers_leave_it_out_of_programs_and_of_what_archives_give(plain: Path, tmp_path: Path) -> None:
    made = with_bitcode(plain.read_bytes(), CARRIED)
    assert made is not None
    plain.write_bytes(made)
    (tmp_path / "libx.a").unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", "libx.a", "a.o"], cwd=tmp_path, check=True)
    for words in (["a.o"], ["-Wl,--whole-archive", "libx.a", "-Wl,--no-whole-archive"]):
        subprocess.run([str(toolchain().clang), *words, "-o", "prog"], cwd=tmp_path, check=True)
        assert subprocess.run(["./prog"], cwd=tmp_path, capture_output=True).stdout == b"here\n"
        assert b".colt.bc" not in (tmp_path / "prog").read_bytes()


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"BC\xc0\xde and so on", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_object_takes_none(data: bytes) -> None:
    assert with_bitcode(data, CARRIED) is None
    assert carried_by(data) is None


def test_a_program_takes_none(plain: Path, tmp_path: Path) -> None:
    subprocess.run([str(toolchain().clang), "a.o", "-o", "prog"], cwd=tmp_path, check=True)
    assert with_bitcode((tmp_path / "prog").read_bytes(), CARRIED) is None


def test_no_damage_to_an_object_is_more_than_an_object_without_bitcode(plain: Path) -> None:
    made = with_bitcode(plain.read_bytes(), CARRIED)
    assert made is not None
    for place in range(64):
        damaged = made[:place] + bytes([made[place] ^ 0xFF]) + made[place + 1 :]
        assert carried_by(damaged) in (None, CARRIED)
    for length in range(0, len(made), 97):
        assert carried_by(made[:length]) is None
    head = made.index(b'{"key"')
    assert carried_by(made[:head] + b"[" + made[head + 1 :]) is None
