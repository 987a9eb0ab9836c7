"""What a model's text comes to, by the rules for bad answers."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from colt_llvm.llvm.catalogue import load_catalogue
from colt_llvm.proposal.answer import (
    MOST_PASSES,
    NO_KNOWN_PASS,
    NO_NEXT_MODEL,
    NOT_JSON,
    UNKNOWN_MODEL,
    JointAction,
    parse_answer,
)
from colt_llvm.proposal.lenient_json import read_object
from colt_llvm.search.protocol import Proposal

CATALOGUE = load_catalogue(22)
EDITS = ("without<licm>", "without<licm#1>", "without<licm#2>", "without<gvn>", "without<loop-unroll>")
MODELS = ("small", "coder-7b", "coder-14b", "Big-Model-70B")


def parse(text: str) -> JointAction:
    return parse_answer(text, CATALOGUE, EDITS, MODELS)


def passes_of(*names: str) -> tuple[str, ...]:
    return parse(json.dumps({"passes": names, "next_model": "small"})).passes


def test_takes_an_answer_as_it_was_asked_for() -> None:
    text = '{"passes": ["licm", "without<gvn>", "loop-unroll<O3>"], "next_model": "coder-7b", "reason": "try\\n it"}'
    assert parse(text) == JointAction(("licm", "without<gvn>", "loop-unroll<O3>"), "coder-7b", "try it")


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("0.25", 0.25), ("0", 0.0), ("1", 1.0), (".5", 0.5), ("2.5e-1", 0.25), ('"0.25"', 0.25),
        ("1.5", None), ("-0.1", None), ("NaN", None), ("1e999", None), ("Infinity", None), ("null", None),
        ("true", None), ("[0.5]", None), ("{}", None), ('"high"', None), ('"70%"', None), ('""', None), ("0_1", None),
    ],
)  # fmt: skip
def test_a_confidence_is_a_number_from_0_to_1_and_anything_else_no_error(said: str, understood: float | None) -> None:
    text = f'{{"passes": ["licm"], "next_model": "small", "confidence": {said}}}'
    assert parse(text) == JointAction(("licm",), "small", confidence=understood)


def test_a_confidence_is_optional() -> None:
    assert parse('{"passes": ["licm"], "next_model": "small"}').confidence is None


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"passes": ["licm", "gvn"], "next_model": "small"}\n```',
        'Sure! I don\'t know, but {this} may do:\n{"passes": ["licm", "gvn"], "next_model": "small"} Good luck {x}.',
        '<think>Or {"passes": ["sroa"], "next_model": "small"}</think>{"passes":["licm","gvn"],"next_model":"small"}',
        '{"passes": ["sroa"], "next_model": "small"}\n{"passes": ["licm", "gvn"], "next_model": "small"}',
        '{"passes": ["licm", "gvn"], "next_model": "small"}\n{"passes": ["no such pass at all"]}',
        '{"passes": ["licm", "gvn",], "next_model": "small",}',
        "{'passes': ['licm', 'gvn'], 'next_model': 'small', 'done': True, 'x': None}",
        '{"passes": ["licm", // hoist\n "gvn" /* then */ ], # why not\n "next_model": "small"}',
        "{passes: [licm, gvn], next_model: small}",
        '{"answer": {"passes": ["licm", "gvn"], "next_model": "small"}}',
        '[{"passes": ["licm", "gvn"], "next_model": "small"}]',
        '{"passes": "licm,gvn", "next_model": "small"}',
        '{"passes": "licm -> gvn", "next_model": "small"}',
        '{"passes": "licm gvn", "next_model": "small"}',
        '{"passes": [["licm"], {"name": "gvn"}], "next_model": "small"}',
        '{"passes": ["-licm", "GVN"], "nextModel": "SMALL"}',
        '{"passes": ["function(loop-mssa(licm))", "function(gvn)"], "next_model": "small"}',
        '{"passes": ["function(loop-mssa(licm),gvn)"], "next_model": "small"}',
        '{"passes": "opt -passes=licm,gvn", "next_model": "small"}',
        '{"passes": ["licm()", "GVNPass"], "next_model": "small"}',
        '{"Passes": ["licm", "gvn"], "next-model": "small"',
        '{"next_model": "small", "passes": ["licm", "gvn"]',
        '{"next_model": "small", "passes": ["licm", "gvn"}',
        '{"next_model": "small", "passes": ["licm", "gvn"], "reason": "because it was cut o',
        '{"passes": ["licm", "gvn"], "next_model": "small", "reason": "the "hot" loop"}',
        '{"passes" = ["licm"; "gvn"], "next_model" = "small"}',
        '{"next_model": "small", "passes": ["licm", "gvn", "loop-unro',
        '"{\\"passes\\": [\\"licm\\", \\"gvn\\"], \\"next_model\\": \\"small\\"}"',
        '```json\n{"answer": "{\\n \\"passes\\": [\\"licm\\", \\"gvn\\"], \\"next_model\\": \\"small\\"\\n}"}\n```',
    ],
)
def test_reads_what_models_make_of_it(text: str) -> None:
    action = parse(text)
    assert (action.passes, action.next_model, action.error) == (("licm", "gvn"), "small", None)


def test_a_draft_counts_where_nothing_follows_the_thinking() -> None:
    assert parse('<think>So {"passes": ["licm"], "next_model": "small"}</think>').passes == ("licm",)


def test_a_draft_is_not_taken_for_a_bad_answer() -> None:
    text = '<think>{"passes": ["licm"], "next_model": "small"}</think>{"passes": ["polly"], "next_model": "small"}'
    assert parse(text) == JointAction(dropped=("polly",), error=NO_KNOWN_PASS)


def test_a_comment_that_never_ends_goes_to_the_end() -> None:
    text = '{"passes": ["licm"], "next_model": "small" /* "next_model": "coder-7b"}'
    assert parse(text).next_model == "small"


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "licm, gvn", "[1, 2]", "{", "{}", "passes: licm"])
def test_what_holds_no_object_is_not_json(text: str) -> None:
    assert parse(text) == JointAction(error=NOT_JSON)


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '{"passes": []}', '{"passes": ["polly"]}', '{"passes": null}', '{"passes": {"a": [3]}}']
)
def test_an_object_without_a_known_pass_is_an_error(text: str) -> None:
    action = parse(text)
    assert (action.passes, action.next_model, action.error) == ((), "", NO_KNOWN_PASS)


def test_unknown_names_among_good_ones_are_dropped() -> None:
    action = parse('{"passes": ["polly", "licm", "rm -rf /"], "next_model": "small"}')
    assert action.passes == ("licm",)
    assert action.error is None
    assert "polly" in action.dropped


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("loop-vectorise", "loop-vectorize"),
        ("simplify-cfg", "simplifycfg"),
        ("LoopVectorize", "loop-vectorize"),
        ("loop_rotate", "loop-rotate"),
        ("gvn<foo>", "gvn"),
        ("default<o3>", "default<O3>"),
        ("early-cse-memssa", "early-cse<memssa>"),
        ("loop-unswitch", "simple-loop-unswitch<nontrivial>"),
        ("loop-unroll<runtime;O3;partial>", "loop-unroll<O3;partial;runtime>"),
        ("without licm", "without<licm>"),
        ("Without(licm#2)", "without<licm#2>"),
        ("without<loop-unroll<O3>>", "without<loop-unroll>"),
        ("without<gvn#1>", "without<gvn>"),
    ],
)
def test_another_spelling_is_understood_and_logged(given: str, taken: str) -> None:
    action = parse(json.dumps({"passes": [given], "next_model": "small"}))
    assert action.passes == (taken,)
    assert action.matched == ((given, taken),)
    assert action.dropped == ()


@pytest.mark.parametrize(
    "given", ["without<licm#9>", "without<gvn#2>", "without<sroa>", "without<>", "dce-adce-x", "x"]
)
def test_what_would_mean_something_else_is_not_taken(given: str) -> None:
    action = parse(json.dumps({"passes": ["sroa", given], "next_model": "small"}))
    assert action.passes == ("sroa",)
    assert action.dropped == (given,)


def test_every_name_on_offer_is_read_as_itself() -> None:
    for name in [*CATALOGUE.names(), *EDITS]:
        action = parse(json.dumps({"passes": [name], "next_model": "small"}))
        assert (action.passes, action.matched) == ((name,), ()), name


def test_every_pipeline_text_is_read_as_its_pass() -> None:
    for action in CATALOGUE:
        assert passes_of(action.pipeline) == (action.name,)


def test_names_alone_are_as_good_as_a_catalogue() -> None:
    text = '{"passes": ["function(loop-mssa(licm))", "GVN"], "next_model": "small"}'
    assert parse_answer(text, ["licm", "gvn"], (), MODELS).passes == ("licm", "gvn")
    assert parse_answer(text, ["gvn"], (), MODELS).dropped == ("licm",)


def test_repeated_names_are_kept_in_their_order() -> None:
    assert passes_of("licm", "gvn", "licm") == ("licm", "gvn", "licm")


def test_a_proposal_has_a_limit() -> None:
    assert passes_of(*["licm", "gvn"] * 50) == ("licm", "gvn") * (MOST_PASSES // 2)


@pytest.mark.parametrize(
    ("given", "taken"),
    [("coder-7b", "coder-7b"), ("Coder:7B", "coder-7b"), (" small ", "small"), ("big-model-70", "Big-Model-70B")],
)
def test_a_model_is_found_by_its_name_or_the_only_one_like_it(given: str, taken: str) -> None:
    action = parse(json.dumps({"passes": ["licm"], "next_model": given}))
    assert (action.next_model, action.error) == (taken, None)


@pytest.mark.parametrize("given", ["coder", "coder-8b-x", "gpt", "coder-74b", "x" * 100_000])
def test_an_unknown_model_leaves_the_passes_and_counts_as_an_error(given: str) -> None:
    action = parse(json.dumps({"passes": ["licm"], "next_model": given}))
    assert (action.passes, action.next_model, action.error) == (("licm",), "", UNKNOWN_MODEL)


@pytest.mark.parametrize("rest", ["", ', "next_model": null', ', "next_model": ""', ', "next_model": ["small"]'])
def test_a_missing_model_leaves_the_passes_and_counts_as_an_error(rest: str) -> None:
    action = parse(f'{{"passes": ["licm"]{rest}}}')
    assert (action.passes, action.next_model, action.error) == (("licm",), "", NO_NEXT_MODEL)


def test_a_reason_is_one_short_line_without_control_characters() -> None:
    reason = parse(json.dumps({"passes": ["licm"], "next_model": "small", "reason": "a\n\x1b[2Jb\u202e" * 900})).reason
    assert reason.isprintable()
    assert len(reason) <= 240
    assert parse('{"passes": ["licm"], "next_model": "small", "reason": {"a": 1}}').reason == ""


def valid(action: JointAction) -> bool:
    "".join([action.reason, *action.dropped, *(name for pair in action.matched for name in pair)]).encode()
    return (
        (bool(action.passes) == (action.error not in (NOT_JSON, NO_KNOWN_PASS)))
        and len(action.passes) <= MOST_PASSES
        and all(name in EDITS or name in CATALOGUE.names() for name in action.passes)
        and (action.next_model in MODELS) == (action.error is None)
        and Proposal(action.passes, action.next_model, "small", action.error) is not None
    )


words = st.sampled_from(
    ["passes", "next_model", "licm", "gvn", "small", "without<licm>", "function(", "</think>", "//"]
)
pieces = st.one_of(words, st.text(max_size=6), st.sampled_from([*"{}[]\",:'\\`#\n ()<>;=", "/*", "*/", "```"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join) | st.text())
@example("\ud800")
@example('{"passes": ["\\ud800licm"]}')
@example('{"passes": ["licm\\u0000"], "next_model": "\\ud83d"}')
def test_no_text_is_too_strange(text: str) -> None:
    assert valid(parse(text))
    assert valid(parse('{"passes": ["licm' + text))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(words, json_values, max_size=4))
def test_no_json_is_too_strange(value: dict[str, object]) -> None:
    assert valid(parse(json.dumps(value)))


plain = st.recursive(
    st.none() | st.text(string.ascii_letters + string.punctuation + " äß☃\n\t", max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=6), plain, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_reads_strict_json_as_json_does(value: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    assert read_object(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == value


HUGE = 1_000_000


@pytest.mark.parametrize(
    "unit",
    [
        "[", "{", "}", '"', "'", "\\", "x", " ", "\n", "/*", "/* a, ", '{"passes":', '{"passes":["', '{"passes":["licm',
        '{"passes":["without<', '{"passes":[{', "<think>", "</think>", '"\\"', "passes", "passes:", "{passes:[a,", "9",
        '{"passes":["loop-unrol<xx', '{"passes": ["' + "a" * 150 + '"', "function(", "without<", "- ", "# ", "ä", "->",
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_megabyte_of_garbage_is_over_soon(unit: str) -> None:
    """The limit is far above what it takes (tenths of a second) and far below what quadratic work would."""
    garbage = unit * (HUGE // len(unit))
    for text in (garbage, '{"passes": [' + garbage, '{"passes": ["licm", "' + garbage, '{"passes": ' + garbage + "]}"):
        assert valid(parse(text))


def test_an_answer_in_front_of_or_behind_a_megabyte_is_found() -> None:
    answer = '{"passes": ["licm"], "next_model": "small"}'
    for text in (answer + " so" * HUGE, "so " * HUGE + answer):
        assert parse(text).passes == ("licm",)


def test_huge_numbers_and_deep_nests_are_no_trouble() -> None:
    digits = "9" * 20_000
    assert parse(f'{{"passes": ["licm", {digits}, 1e999, -0], "next_model": "small"}}').passes == ("licm",)
    deep = "[" * 500 + '"licm"' + "]" * 500
    assert valid(parse(f'{{"next_model": "small", "passes": {deep}}}'))


def several(*actions: dict[str, object], most: int = 4, **more: object) -> JointAction:
    return parse_answer(json.dumps({"reason": "so", "proposals": actions, **more}), CATALOGUE, EDITS, MODELS, most)


def test_several_proposals_of_one_answer_are_taken_in_their_order() -> None:
    first, second = {"passes": ["licm"], "next_model": "small"}, {"passes": ["gvn", "dse"], "next_model": "coder-7b"}
    action = several(first, second)
    assert (action.passes, action.next_model, action.error) == (("licm",), "small", None)
    assert action.further == (JointAction(("gvn", "dse"), "coder-7b"),)
    assert several(first, second, most=1).further == ()
    assert several(first, first, second).further == action.further, "the same twice is one"
    assert several({"passes": ["zebra"]}, first).passes == ("licm",)


def test_one_answer_is_one_error_at_most() -> None:
    good, bad = {"passes": ["licm"], "next_model": "small"}, {"passes": ["gvn"], "next_model": "zebra"}
    action = several(good, bad, {"passes": ["dse"]})
    assert action.error == UNKNOWN_MODEL
    assert [(each.passes, each.next_model, each.error) for each in action.further] == [
        (("gvn",), "", None), (("dse",), "", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('{"proposals": [{"passes": ["licm"], "next_model": "small"}, {"passes": ["gvn", "ds', ["licm", "gvn"]),
        ('[{"passes": ["licm"]}, {"passes": ["gvn"]}]', ["licm", "gvn"]),
        ('```json\n[{"passes": ["licm"]}, {"passes": ["gvn"]}]\n```', ["licm", "gvn"]),
        ('<think>{"proposals": [{"passes": ["dse"]}]}</think>{"passes": ["licm"]}', ["licm"]),
        ('<think>{"proposals": [{"passes": ["dse"]}]}</think>{"proposals": [{"passes": ["licm"]}]}', ["licm"]),
        ('{"proposals": 3, "passes": ["licm"]}', ["licm"]),
        ('{"proposals": ["gvn"], "passes": ["licm"]}', ["licm"]),
        ('{"proposals": [{"passes": ["gvn"]}]} or rather {"proposals": [{"passes": ["licm"]}, {"passes": ["dse"]}]}',
         ["licm", "dse"]),
    ],
)  # fmt: skip
def test_several_proposals_are_read_however_they_are_written(text: str, passes: list[str]) -> None:
    action = parse_answer(text, CATALOGUE, EDITS, MODELS, 4)
    assert [each.passes[0] for each in (action, *action.further)] == passes
