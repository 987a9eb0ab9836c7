"""Functions are known again by their code, whatever they are called, and a run begins with what was found for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colt_llvm.decisions.known import KnownFunctions, Offering
from colt_llvm.decisions.store import Row, Store
from colt_llvm.llvm.flow import Normalised, normalised_functions
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import program_from_files
from colt_llvm.search.plans import Slot, Surroundings

SOURCE = """
#include <stdio.h>
struct node { int value; struct node *next; };
static const char greeting[] = "hello";
static int sum(const struct node *head) { int s = 0; for (; head; head = head->next) s += head->value; return s; }
int twice(const struct node *list) { puts(greeting); puts("twice"); return sum(list) + sum(list->next); }
"""


def functions_of(folder: Path, source: str, *flags: str) -> dict[str, Normalised]:
    (folder / "prog.c").write_text(source)
    toolchain = find_toolchain()
    (bitcode,) = front_end(toolchain, program_from_files([folder / "prog.c"], cflags=flags), "Oz")
    with Module.parse(toolchain.load(), bitcode) as module:
        return normalised_functions(module)


@pytest.mark.llvm
def test_names_debug_lines_and_what_stands_before_do_not_count(tmp_path: Path) -> None:
    first = functions_of(tmp_path, SOURCE)
    assert first["twice"].names == ("twice", "puts", "greeting", ".str", "sum")
    other = SOURCE
    for name, new in (("sum", "total"), ("twice", "both"), ("head", "h"), ("greeting", "words")):
        other = other.replace(name, new)
    other = other.replace(
        "static int total", 'struct node zero; const char *say(void) { return "x"; }\nstatic int total'
    )
    for flags in ((), ("-g",), ("-Xclang", "-no-opaque-pointers", "-fno-discard-value-names", "-g")):
        flags = tuple(flag for flag in flags if flag not in ("-Xclang", "-no-opaque-pointers"))
        second = functions_of(tmp_path, other, *flags)
        assert second["total"].digest == first["sum"].digest
        assert second["both"].digest == first["twice"].digest
        assert second["both"].names[-1] == "total"


@pytest.mark.llvm
def test_what_decides_about_the_code_counts(tmp_path: Path) -> None:
    digests = {
        functions_of(tmp_path, source, *flags)["sum"].digest
        for source, flags in (
            (SOURCE, ()),
            (SOURCE, ("-march=haswell",)),
            (SOURCE.replace("int s = 0", "int s = 1"), ()),
            (SOURCE.replace("static int sum", "__attribute__((noinline)) static int sum"), ()),
            (SOURCE.replace("int value", "long value"), ()),
        )
    }
    assert len(digests) == 5


A = {
    name: Normalised(f"of-{name}", (name, *names))
    for name, names in (("main", ("puts", "put")), ("put", ()), ("get", ()))
}
#: The same under other names.
B = {
    "begin": Normalised("of-main", ("begin", "printf", "emit")),
    "emit": Normalised("of-put", ("emit",)),
    "other": Normalised("of-other", ("other",)),
}
SEQUENCE = (
    "licm", "inline-threshold<225>", "optsize<put>", "noinline<main;put#2>", "skip<put>(gvn,licm)", "unroll<get#1;4>",
)  # fmt: skip
OFFERING = Offering(
    {"licm", "inline-threshold<225>"},
    Surroundings(
        slots={"call": Slot("call", "begin", ("noinline<begin;emit#2>",), "emit")},
        callers={"begin": (), "emit": ("begin",), "other": ()},
        skippable=frozenset(("gvn", "licm")),
        steps={("level", "optsize"): 0.1},
    ),
)


def known(folder: Path, functions: dict[str, Normalised]) -> KnownFunctions:
    return KnownFunctions(Store(folder / "store"), "size", functions)


def test_a_find_is_proposed_by_the_names_of_the_next_program(tmp_path: Path) -> None:
    known(tmp_path, A).keep(SEQUENCE, {"main": 10, "put": 10})
    again = known(tmp_path, B)
    expected = "licm", "inline-threshold<225>", "noinline<begin;emit#2>", "optsize<emit>", "skip<emit>(gvn,licm)"
    assert again.sequences(OFFERING)[0] == expected
    assert (again.known, again.notes) == (2, [])


def test_what_a_search_could_not_come_to_by_itself_is_left_out(tmp_path: Path) -> None:
    known(tmp_path, A).keep(SEQUENCE, {})
    around = OFFERING.surroundings
    for offering, expected in (
        (Offering(set(), around), 3),
        (Offering(set(), Surroundings(callers=around.callers, steps=around.steps)), 1),
        (Offering(set(), Surroundings(callers=around.callers, skippable={"gvn"})), 0),
        (Offering(set(), Surroundings()), 0),
    ):
        found = known(tmp_path, B).sequences(offering)[:1]
        assert [len(sequence) for sequence in found] == [expected] * bool(expected)


def test_of_several_frames_that_of_what_saved_most_is_taken(tmp_path: Path) -> None:
    known(tmp_path, A).keep(("licm", "noinline<main;put#2>"), {"main": 10})
    known(tmp_path, A).keep(("inline-threshold<225>", "optsize<put>"), {"put": 15})
    found = known(tmp_path, B).sequences(OFFERING)
    assert found[0] == (
        "inline-threshold<225>",
        "noinline<begin;emit#2>",
        "optsize<emit>",
    )


def test_what_most_known_functions_have_is_tried_on_all_first(tmp_path: Path) -> None:
    sequence = ("optsize<main>", "skip<main>(gvn)", "optsize<put>", "skip<put>(gvn,licm)", "noinline<main;put#1>")
    known(tmp_path, A).keep(sequence, {})
    offering = Offering({"optsize<*>"}, OFFERING.surroundings)
    first, certain = known(tmp_path, B).sequences(offering)
    assert first == ("optsize<*>", *certain)
    assert len(certain) == 4


def test_what_made_no_function_smaller_is_not_kept_but_for_inlining(tmp_path: Path) -> None:
    sequence = ("optsize<main>", "optsize<put>", "noinline<get>", "skip<get>(gvn)")
    known(tmp_path, A).keep(sequence, {"main": 0, "put": 3, "get": -1})
    rows = Store(tmp_path / "store").read("size", ["of-main", "of-put", "of-get"])
    assert {digest: row.saved for digest, row in rows.items()} == {"of-put": 3, "of-get": -1}


@pytest.mark.parametrize(
    "found",
    ["", "[]", "{}", '{"decisions": [["optsize", 0]], "module": []}', "[" * 9999,
     '{"decisions": [["rm -rf", -1, 0, ""]], "module": []}', '{"decisions": [["noinline", 7, 1, ""]], "module": []}'],
)  # fmt: skip
def test_a_row_that_means_nothing_is_passed_over(found: str, tmp_path: Path) -> None:
    Store(tmp_path / "store").write("size", [Row("of-put", found), Row("of-main", json.dumps(
        {"decisions": [["noinline", 2, 2, ""]], "module": []}))])  # fmt: skip
    again = known(tmp_path, B)
    assert again.sequences(OFFERING) == (("noinline<begin;emit#2>",),)
    assert again.notes == []


def test_a_store_that_cannot_be_used_is_one_note(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"no database" * 100)
    broken = known(tmp_path, B)
    assert broken.sequences(OFFERING) == ()
    broken.keep(("optsize<emit>",), {})
    (note,) = broken.notes
    assert "not a database" in note
    assert "--no-store" in note
