"""A textual pipeline as a tree, and the same with some passes left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.acceptance import accepted_pipelines
from colt_llvm.llvm.pipeline import Item, edit_pipeline, edits_of, is_edit, parse_pipeline, print_pipeline
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.program.baseline import written_out

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
TEXT = "a,function(b<x;y=1>,loop-mssa(c,a),b),cgscc(devirt<4>(inline,function<eager-inv>(a))),verify"

names = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
parameters = st.from_regex(r"(<[a-z0-9;=-]{0,8}(<[a-z;]{0,4}>)?>)?", fullmatch=True)
texts = st.builds(lambda name, rest: name + rest, names, parameters)
items = st.recursive(
    st.builds(Item, texts), lambda inner: st.builds(Item, texts, st.lists(inner, max_size=3).map(tuple)), max_leaves=12
)
pipelines = st.lists(items, max_size=5).map(tuple)


def leaves(tree: tuple[Item, ...]) -> list[str]:
    return [text for item in tree for text in ([item.text] if item.inner is None else leaves(item.inner))]


def holds_an_empty_adaptor(tree: tuple[Item, ...]) -> bool:
    return any(item.inner is not None and (not item.inner or holds_an_empty_adaptor(item.inner)) for item in tree)


@given(pipelines)
def test_what_is_printed_parses_to_the_same(tree: tuple[Item, ...]) -> None:
    assert parse_pipeline(print_pipeline(tree)) == tree


def test_the_text_comes_back_as_it_was() -> None:
    assert print_pipeline(parse_pipeline(TEXT)) == TEXT
    assert parse_pipeline("") == ()
    assert [item.name for item in parse_pipeline(TEXT)] == ["a", "function", "cgscc", "verify"]


@given(pipelines, st.data())
def test_an_edit_by_name_leaves_out_every_place_and_nothing_else(tree: tuple[Item, ...], data: st.DataObject) -> None:
    text = print_pipeline(tree)
    offered = [edit for edit in edits_of(text) if "#" not in edit]
    if not offered:
        return
    chosen = data.draw(st.sets(st.sampled_from(offered), min_size=1))
    gone = {edit[len("without<") : -1] for edit in chosen}
    result = parse_pipeline(edit_pipeline(text, frozenset(chosen)))
    assert leaves(result) == [leaf for leaf in leaves(tree) if leaf.partition("<")[0] not in gone]
    assert not holds_an_empty_adaptor(result)


@given(pipelines, st.data())
def test_an_edit_by_place_leaves_out_that_place_alone(tree: tuple[Item, ...], data: st.DataObject) -> None:
    text = print_pipeline(tree)
    offered = [edit for edit in edits_of(text) if "#" in edit]
    if not offered:
        return
    name, _, number = data.draw(st.sampled_from(offered))[len("without<") : -1].partition("#")
    result = leaves(parse_pipeline(edit_pipeline(text, frozenset({f"without<{name}#{number}>"}))))
    places = [index for index, leaf in enumerate(leaves(tree)) if leaf.partition("<")[0] == name]
    wanted = leaves(tree)
    del wanted[places[int(number) - 1]]
    assert result == wanted


def test_places_are_those_of_the_unedited_pipeline() -> None:
    assert edit_pipeline("a,b,a,b,a", frozenset({"without<a#1>", "without<a#3>"})) == "b,a,b"
    assert edit_pipeline("a,b,a", frozenset({"without<a#2>", "without<b>"})) == "a"


def test_adaptors_that_become_empty_vanish() -> None:
    assert edit_pipeline("function(loop-mssa(licm)),dce", frozenset({"without<licm>"})) == "dce"
    assert edit_pipeline("cgscc(devirt<4>(function(a))),b", frozenset({"without<a>"})) == "b"
    assert edit_pipeline("function(a)", frozenset({"without<a>"})) == ""


def test_an_edit_of_what_is_not_there_changes_nothing() -> None:
    assert edit_pipeline(TEXT, frozenset({"without<licm>", "without<a#9>"})) == TEXT


def test_offers_each_name_once_and_each_place_of_what_runs_more_than_once() -> None:
    assert edits_of("a,function(b<x>,a),require<globals-aa>,verify") == [
        "without<a>", "without<b>", "without<a#1>", "without<a#2>",
    ]  # fmt: skip
    assert all(map(is_edit, edits_of(TEXT)))


@pytest.mark.parametrize(
    "text", ["a(b", "a)", "a(b))", "f(a),)", "f(g(a)", "(", "a<b", "f(a<b,c)", "a>b", "f(a>,b)", "a<b>>,c"]
)
def test_refuses_brackets_that_do_not_match(text: str) -> None:
    with pytest.raises(UsageError, match="check the brackets") as caught:
        parse_pipeline(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("edit", ["licm", "without<>", "without<licm#>", "without<licm#x>", "without<a,b>", "With<a>"])
def test_refuses_what_is_no_edit(edit: str) -> None:
    assert not is_edit(edit)
    with pytest.raises(UsageError, match="is no edit; write without<licm>"):
        edit_pipeline("a", frozenset({edit}))


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("level", ["O3", "Oz"])
def test_the_library_accepts_its_own_pipeline_with_anything_left_out(major: int, level: str) -> None:
    toolchain = next((found for found in installed_toolchains() if found.major == major), None)
    if toolchain is None:
        pytest.skip(f"LLVM {major} is not installed")
    text = written_out(toolchain, level)  # type: ignore[arg-type]
    edits = edits_of(text)
    assert len(edits) > 60
    names = [edit for edit in edits if "#" not in edit]
    edited = [edit_pipeline(text, frozenset({edit})) for edit in edits]
    edited += [edit_pipeline(text, frozenset(names[start : start + 5])) for start in range(0, len(names), 5)]
    assert text not in edited
    refused = set(filter(None, edited)) - accepted_pipelines(toolchain, edited)
    assert not refused
