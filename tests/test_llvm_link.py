"""Modules linked into one: what stays visible, what becomes internal, what is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from colt_llvm.core.errors import InvalidIR
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.link import merge, named_in_assembly
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import SUPPORTED_MAJORS, Toolchain, find_toolchain

pytestmark = pytest.mark.llvm


def installed() -> list[Toolchain]:
    prefixes = [Path(f"/usr/lib/llvm-{major}") for major in SUPPORTED_MAJORS]
    return [find_toolchain(prefix) for prefix in prefixes if (prefix / "bin" / "clang").exists()] or [find_toolchain()]


@pytest.fixture(params=installed(), ids=lambda toolchain: f"llvm-{toolchain.major}")
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    found: Toolchain = request.param
    return found


def bitcode(toolchain: Toolchain, source: str, cxx: bool = False) -> bytes:
    command = [str(toolchain.compiler(cxx)), "-O3", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c", "-o", "-"]
    language = ["-x", "c++" if cxx else "c", "-"]
    return subprocess.run([*command, *language], input=source.encode(), capture_output=True, check=True).stdout


def linkages(toolchain: Toolchain, data: bytes) -> dict[str, str]:
    """Name -> ``internal`` or what else stands before a definition; external ones have nothing."""
    with Module.parse(Library.load(toolchain.library), data) as module:
        text = module.text()
    found = {}
    for line in text.splitlines():
        if match := re.match(r"define (.*?)@([\w.$]+)\(", line) or re.match(r"()@([\w.$]+) = ", line):
            words = (match[1] + line[match.end() :] if match[1] == "" else match[1]).split()
            found[match[2]] = next((word for word in words if word in ("internal", "private", "linkonce_odr")), "")
    return found


MAIN = "int helper(int); int shared; int main(int argc, char **argv) { return helper(argc) + shared; }"
HELPER = "extern int shared; int helper(int x) { return x * 3 + shared; } int other(int x) { return x; }"


def test_keeps_the_named_symbols_and_hides_the_rest(toolchain: Toolchain) -> None:
    made = merge(
        toolchain.library, [bitcode(toolchain, MAIN), bitcode(toolchain, HELPER)], ["main", "other", "not-there"]
    )
    found = linkages(toolchain, made.bitcode)
    assert made.kept == ("main", "other")
    assert found["helper"] == "internal"
    assert found["shared"] == "internal"
    assert found["main"] == ""
    assert found["other"] == ""


def test_the_same_modules_give_the_same_bytes(toolchain: Toolchain) -> None:
    parts = [bitcode(toolchain, MAIN), bitcode(toolchain, HELPER)]
    assert merge(toolchain.library, parts, ["main"]) == merge(toolchain.library, parts, ["main"])


def test_static_functions_of_equal_names_stay_two(toolchain: Toolchain) -> None:
    one = bitcode(toolchain, "static int f(int x) { return x + 1; } int one(int x) { return f(x); }")
    two = bitcode(toolchain, "static int f(int x) { return x + 2; } int two(int x) { return f(x); }")
    found = linkages(toolchain, merge(toolchain.library, [one, two], ["one", "two"]).bitcode)
    assert [kind for name, kind in found.items() if name.startswith("f")] == ["internal", "internal"]


def test_keeps_what_is_marked_used_and_what_has_a_section(toolchain: Toolchain) -> None:
    source = '__attribute__((used)) int marked = 1; __attribute__((section("set_x"))) int placed = 2; int plain = 3;'
    made = merge(toolchain.library, [bitcode(toolchain, source)], [])
    assert made.kept == ("marked", "placed")


def test_keeps_what_code_generation_may_call(toolchain: Toolchain) -> None:
    source = "void *memset(void *p, int c, unsigned long n) { return p; }"
    assert merge(toolchain.library, [bitcode(toolchain, source)], []).kept == ("memset",)


def test_an_inline_function_is_internal_and_leaves_its_group(toolchain: Toolchain) -> None:
    source = "inline int twice(int x) { static int calls; return 2 * x + calls++; } int f(int x) { return twice(x); }"
    made = merge(toolchain.library, [bitcode(toolchain, source, cxx=True)], ["_Z1fi"])
    with Module.parse(Library.load(toolchain.library), made.bitcode) as module:
        text = module.text()
    assert made.kept == ("_Z1fi",)
    assert "comdat" not in text
    assert "define internal" in text


def test_a_group_of_which_one_is_kept_stays_whole(toolchain: Toolchain) -> None:
    source = (
        "int begin(); template <class T> struct S { static int x; }; template <class T> int S<T>::x = begin(); "
        "int f() { return S<int>::x; }"
    )
    data = bitcode(toolchain, source, cxx=True)
    guard, variable = "_ZGVN1SIiE1xE", "_ZN1SIiE1xE"
    assert merge(toolchain.library, [data], []).kept == (guard, variable)  # the variable is marked used


def test_a_symbol_defined_twice_is_refused_by_name(toolchain: Toolchain) -> None:
    with pytest.raises(InvalidIR, match="helper"):
        merge(toolchain.library, [bitcode(toolchain, HELPER), bitcode(toolchain, HELPER)], [])


def test_bytes_that_are_no_bitcode_are_refused(toolchain: Toolchain) -> None:
    with pytest.raises(InvalidIR):
        merge(toolchain.library, [bitcode(toolchain, MAIN), b"not bitcode"], ["main"])


def test_finds_the_symbols_that_assembly_names(toolchain: Toolchain) -> None:
    inline = (
        "static int counter; "
        'void up(void) { __asm__ volatile("nop\\n\\tincl counter(%%rip)" ::: "memory"); counter++; }'
    )
    whole = 'int target(void); __asm__(".globl alias\\n.set alias, target"); int target(void) { return 1; }'
    none = 'int x; void f(void) { __asm__ volatile("nop"); x++; }'
    others = 'void g(void) { __asm__ volatile("call up; call counter"); }'
    sources = (inline, whole, none, others)
    found = named_in_assembly(toolchain.library, [bitcode(toolchain, source) for source in sources])
    assert found == [("counter",), ("target",), (), ("up",)]


def test_a_name_that_the_source_gives_to_the_assembler_counts_as_it_is_linked(toolchain: Toolchain) -> None:
    data = bitcode(toolchain, 'int renamed(void) __asm__("plain"); int renamed(void) { return 1; }')
    assert merge(toolchain.library, [data], ["plain"]).kept == ("plain",)
    assert merge(toolchain.library, [data], ["renamed"]).kept == ()
