"""ELF sizes and digests, on real objects."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.elf import ObjectFormatError, function_sizes, loaded_digest, section_sizes

from .conftest import Compile

SOURCE = """
    #include <stdio.h>
    static int table[100];
    int initial = 3;
    static int helper(int x) { table[x % 100]++; return table[(x + 1) % 100] + initial; }
    int outer(int x) { printf("%s", "text"); return helper(x) * 2; }
"""


def build(compile_c: Compile, source: str, *flags: str) -> bytes:
    return compile_c(source, "-c", *flags).read_bytes()


@pytest.mark.needs("size")
def test_sizes_agree_with_binutils(compile_c: Compile) -> None:
    file = compile_c(SOURCE, "-c")
    sections = section_sizes(file.read_bytes())
    row = subprocess.run(["size", "-B", str(file)], check=True, capture_output=True, text=True).stdout.split("\n")[1]
    text_and_readonly, data, bss = map(int, row.split()[:3])
    assert sections.loaded_bytes == text_and_readonly + data
    assert sections.zero_bytes == bss == sections.sizes[".bss"]
    assert sections.text_bytes == sections.sizes[".text"]


def test_debug_information_has_no_size(compile_c: Compile) -> None:
    assert section_sizes(build(compile_c, SOURCE, "-g")) == section_sizes(build(compile_c, SOURCE))


def test_sections_of_the_same_name_are_added(compile_c: Compile) -> None:
    source = '__attribute__((section("x"))) int a = 1;\n__attribute__((section("x"))) int b = 2;'
    assert section_sizes(build(compile_c, source)).sizes["x"] == 8


@pytest.mark.needs("nm", "objcopy")
@pytest.mark.parametrize("flags", [(), ("-ffunction-sections",), ("-O2", "-fno-omit-frame-pointer")])
def test_a_function_has_its_code_and_its_row_of_the_unwind_table(compile_c: Compile, flags: tuple[str, ...]) -> None:
    file = compile_c(SOURCE, "-c", *flags)
    lines = subprocess.run(["nm", "-S", str(file)], check=True, capture_output=True, text=True).stdout.splitlines()
    code = {name: int(size, 16) for _, size, kind, name in (line.split() for line in lines if line.count(" ") == 3)
            if kind in "tT"}  # fmt: skip
    sizes = function_sizes(file.read_bytes())
    assert sizes.keys() == code.keys()
    rows = sum(sizes.values()) - sum(code.values())
    first = int.from_bytes(_section(file, ".eh_frame")[:4], "little") + 4  # what the rows have in common
    assert rows == section_sizes(file.read_bytes()).sizes[".eh_frame"] - first
    assert all(sizes[name] >= code[name] + 16 for name in code)


def _section(file: Path, name: str) -> bytes:
    place = file.with_suffix(".section")
    subprocess.run(
        ["objcopy", "-O", "binary", "--set-section-flags", f"{name}=alloc", "-j", name, str(file), str(place)],
        check=True,
    )
    return place.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("helper(", "renamed("), id="the name of a local function"),
        pytest.param(("table[", "another["), id="the name of a local variable"),
    ],
)
def test_names_of_local_symbols_do_not_matter(compile_c: Compile, change: tuple[str, str]) -> None:
    noinline = SOURCE.replace("static int helper", "__attribute__((noinline)) static int helper")
    changed = noinline.replace(*change)
    assert changed != noinline
    assert build(compile_c, noinline) != build(compile_c, changed)
    assert loaded_digest(build(compile_c, noinline)) == loaded_digest(build(compile_c, changed))


@pytest.mark.needs("objcopy")
def test_comment_addrsig_and_debug_information_do_not_matter(compile_c: Compile, tmp_path: Path) -> None:
    plain = build(compile_c, SOURCE)
    stripped = tmp_path / "stripped.o"
    file = compile_c(SOURCE, "-c", "-g")
    command = ["objcopy", "-R", ".comment", "-R", ".llvm_addrsig", str(file), str(stripped)]
    subprocess.run(command, check=True)
    assert stripped.read_bytes() != plain
    assert loaded_digest(stripped.read_bytes()) == loaded_digest(file.read_bytes()) == loaded_digest(plain)


@pytest.mark.needs("objcopy")
def test_the_order_of_the_symbol_table_does_not_matter(compile_c: Compile, tmp_path: Path) -> None:
    file, other = compile_c(SOURCE, "-c"), tmp_path / "other.o"
    # Made local and global again, a symbol moves in the table.
    subprocess.run(["objcopy", "--localize-symbol=initial", str(file), str(other)], check=True)
    assert loaded_digest(other.read_bytes()) != loaded_digest(file.read_bytes())
    subprocess.run(["objcopy", "--globalize-symbol=initial", str(other)], check=True)
    assert loaded_digest(other.read_bytes()) == loaded_digest(file.read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        ("* 2", "* 3"),
        ('"text"', '"tixt"'),
        ("initial = 3", "initial = 4"),
        ("table[100]", "table[200]"),
        ("int outer", "int other"),
        ("printf(", "scanf("),
        ("int initial", "__attribute__((weak)) int initial"),
        ("int initial", '__attribute__((visibility("hidden"))) int initial'),
        ("int initial", "_Alignas(64) int initial"),
        ("int initial", '__attribute__((section("own"))) int initial'),
    ],
)
def test_whatever_is_loaded_or_linked_matters(compile_c: Compile, change: tuple[str, str]) -> None:
    changed = SOURCE.replace(*change)
    assert changed != SOURCE
    assert loaded_digest(build(compile_c, changed)) != loaded_digest(build(compile_c, SOURCE))


def test_where_a_relocation_points_matters_when_all_bytes_are_equal(compile_c: Compile) -> None:
    source = "__attribute__((used)) static int a[2] = {1, 2}, b[2] = {3, 4}; int *p = a;"
    first, second = build(compile_c, source), build(compile_c, source.replace("p = a", "p = b"))
    assert section_sizes(first) == section_sizes(second)
    assert loaded_digest(first) != loaded_digest(second)


def test_which_symbol_a_relocation_names_matters(compile_c: Compile) -> None:
    source = "extern int a, b; int *p = &a, *q = &b;"
    swapped = source.replace("&a", "&c").replace("&b", "&a").replace("&c", "&b")
    assert loaded_digest(build(compile_c, source)) != loaded_digest(build(compile_c, swapped))


def test_the_name_of_a_local_symbol_in_a_relocation_does_not_matter(compile_c: Compile) -> None:
    # Thread-local variables are named in relocations, where other locals are section and offset.
    source = "static __thread int counter; int *where(void) { return &counter; }"
    first, second = (build(compile_c, text, "-fPIC") for text in (source, source.replace("counter", "tally")))
    assert first != second
    assert loaded_digest(first) == loaded_digest(second)


@pytest.mark.parametrize("change", [(",one,", ",two,"), (",comdat", "")])
def test_which_comdat_group_a_section_is_in_matters(compile_c: Compile, change: tuple[str, str]) -> None:
    source = """__asm__(".section .text.f,\\"axG\\",@progbits,one,comdat\\n.byte 1\\n");"""
    changed = source.replace(*change)
    assert changed != source
    assert loaded_digest(build(compile_c, source)) != loaded_digest(build(compile_c, changed))


def test_being_in_a_comdat_group_matters(compile_c: Compile) -> None:
    plain = "template <class T> T twice(T x) { return x * 2; } template int twice<int>(int);"
    grouped, alone = (
        compile_c(text, "-c", "-x", "c++", "-ffunction-sections", suffix=".cpp").read_bytes()
        for text in (plain, 'extern "C" __attribute__((weak)) int _Z5twiceIiET_S0_(int x) { return x * 2; }')
    )
    assert loaded_digest(grouped) != loaded_digest(alone)


@pytest.mark.parametrize("data", [b"", b"hello", b"BC\xc0\xde0000", b"\x7fELF", b"\x7fELF" + b"\xff" * 100])
def test_what_is_no_object_is_a_typed_error(data: bytes) -> None:
    for function in (section_sizes, loaded_digest):
        with pytest.raises(ObjectFormatError) as caught:
            function(data)
        assert isinstance(caught.value, UsageError)


def test_bitcode_is_named_as_such() -> None:
    with pytest.raises(ObjectFormatError, match="bitcode"):
        section_sizes(b"BC\xc0\xde0000")


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_a_damaged_object_is_a_typed_error_or_read(compile_c: Compile, data: st.DataObject) -> None:
    damaged = bytearray(build(compile_c, SOURCE))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(4, len(damaged)))]
    for function in (section_sizes, loaded_digest):
        with contextlib.suppress(ObjectFormatError):
            function(bytes(damaged))


def test_32_bit_objects_are_read(compile_c: Compile) -> None:
    source = "static int a; extern int b; int *p = &a, *q = &b;"
    flags = ("-m32", "-ffreestanding")
    sections = section_sizes(build(compile_c, source, *flags))
    assert sections.sizes[".data"] == 8
    other = source.replace("extern int b", "extern int c").replace("&b", "&c")
    assert loaded_digest(build(compile_c, source, *flags)) != loaded_digest(build(compile_c, other, *flags))
