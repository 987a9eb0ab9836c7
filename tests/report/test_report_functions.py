"""Functions in a report: bytes before and after, what was decided about each, and the scopes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_helpers import make_run

from colt_llvm.explain.whereabouts import demangled
from colt_llvm.program.recipe import load_recipe, save_recipe
from colt_llvm.report.functions import decided_of
from colt_llvm.report.page import write_report

SEQUENCE = (
    "gvn", "without<licm>", "inline-threshold<50>", "alwaysinline<put>", "noinline<main;get#1>", "unroll<main#2;4>",
    "skip<main>(gvn,dse)",
)  # fmt: skip
SIZES = {"main": [400, 300], "put": [90, 0], "get": [50, 80], "<script>": [10, 10]}


def section_of(folder: Path) -> str:
    page = write_report(folder).read_text(encoding="utf-8")
    found = re.search(r'<section id="functions".*?</section>', page, re.DOTALL)
    assert found
    return found[0]


def rows_of(section: str, caption: str) -> list[list[str]]:
    table = re.search(rf"<caption>{caption}.*?</table>", section, re.DOTALL)
    assert table, caption
    rows = re.findall(r"<tr>(.*?)</tr>", table[0], re.DOTALL)[1:]
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def with_decisions(folder: Path) -> None:
    save_recipe(replace(load_recipe(folder / "recipe.json"), sequence=SEQUENCE), folder / "recipe.json")


def test_functions_stand_by_what_they_gained_with_what_was_decided(tmp_path: Path) -> None:
    make_run(tmp_path, functions=SIZES, dropped=["optsize<put>", "dse"])
    with_decisions(tmp_path)
    section = section_of(tmp_path)
    rows = rows_of(section, "Functions, those that shrank most first")
    assert [row[0] for row in rows] == ["main", "put", "&lt;script&gt;", "get"]
    assert rows[0][1:5] == ["400", "300", "\N{MINUS SIGN}100", "\N{MINUS SIGN}25.00%"]
    assert rows[1][2] == "inlined or gone"
    assert rows[1][5] == "alwaysinline&lt;put&gt;"
    assert rows[0][5].split() == ["noinline&lt;main;get#1&gt;", "unroll&lt;main#2;4&gt;", "skip&lt;main&gt;(gvn,dse)"]
    assert "<script>" not in section


def test_the_recipe_is_shown_by_scope_and_what_was_tried_of_each(tmp_path: Path) -> None:
    make_run(tmp_path, functions=SIZES, dropped=["optsize<put>", "dse"])
    with_decisions(tmp_path)
    section = section_of(tmp_path)
    assert "<summary>The whole module, 3</summary>" in section
    assert "<summary><code>main</code>, 3</summary>" in section
    assert "<li>loop: <code>unroll&lt;main#2;4&gt;</code></li>" in section
    rows = {row[0]: row for row in rows_of(section, "Trials by scope")}
    assert rows["passes"][1] == "60"
    assert rows["passes"][3:] == ["2", "1"]
    assert rows["function"][1:] == ["0", "", "2", "1"]
    assert [rows[scope][3] for scope in ("module", "call", "loop")] == ["1", "1", "1"]


def test_a_run_of_before_is_shown_without_sizes(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert "decided about passes alone" in section_of(tmp_path)
    with_decisions(tmp_path)
    section = section_of(tmp_path)
    assert "not in this run" in section
    assert [row[0] for row in rows_of(section, "What was decided about each function")] == ["main", "put"]


def test_a_run_without_a_recipe_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, improved=False)
    assert "There is no recipe, so no function has changed" in section_of(tmp_path)


def test_decisions_about_all_functions_are_about_none_of_them() -> None:
    assert decided_of(("frame-pointer<*;all>", "gvn", "minsize<f>", "inline-threshold<50>")) == {"f": ["minsize<f>"]}


def test_a_mangled_name_is_shown_as_the_source_has_it(tmp_path: Path) -> None:
    make_run(tmp_path, functions={"_ZN3Bag3putEi": [50, 80], "_Znonsense": [4, 5]})
    section = section_of(tmp_path)
    if not demangled("_ZN3Bag3putEi"):
        pytest.skip("no C++ library is installed")
    assert '<code title="_ZN3Bag3putEi">Bag::put(int)</code>' in section
    assert "<code>_Znonsense</code>" in section
