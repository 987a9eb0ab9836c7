"""The catalogue file, how it is read, and the names and texts of sequences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import split_pipeline
from colt_llvm.llvm import catalogue as module
from colt_llvm.llvm.catalogue import (
    Action,
    Catalogue,
    CatalogueError,
    UnknownPassError,
    catalogue_directory,
    load_catalogue,
    read_passes,
)

NEWEST = load_catalogue(22)

ONE_PASS = """
[[pass]]
name = "licm"
pipeline = "function(loop-mssa(licm{params}))"
level = "loop"
summary = "Hoists."
"""


def write(directory: Path, text: str, major: int = 22) -> Path:
    path = directory / f"{major}.toml"
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------------- the file


def test_offers_at_least_110_transformations() -> None:
    assert len({action.pass_name for action in NEWEST if action.kind == "transform"}) >= 110


def test_names_and_pipelines_are_unique() -> None:
    assert len(set(NEWEST.names())) == len(NEWEST)
    assert len({action.pipeline for action in NEWEST}) == len(NEWEST)


@pytest.mark.parametrize("action", NEWEST, ids=NEWEST.names())
def test_an_action_is_complete(action: Action) -> None:
    assert action.level in module.LEVELS
    assert action.kind in module.KINDS
    assert set(action.risk) <= set(module.RISKS)
    assert bool(action.note) == bool(action.risk)
    assert "\n" not in action.summary
    assert 10 <= len(action.summary) <= 200
    assert action.summary.endswith(".")
    assert "{" not in action.pipeline
    assert split_pipeline(action.pipeline) == [action.pipeline], "a sequence of names and one of texts split alike"
    assert split_pipeline(action.name) == [action.name]
    assert action.name.startswith(action.pass_name)
    assert not set(action.name) & set(" ,\"'")


def test_function_and_loop_passes_stand_in_their_adaptors() -> None:
    starts = {"function": ("function(", "module("), "loop": ("function(", "module("), "cgscc": ("cgscc(",)}
    for action in NEWEST:
        if action.level in starts:
            assert action.pipeline.startswith(starts[action.level]), action.name


def test_instcombine_never_insists_on_a_fixpoint() -> None:
    # opt aborts when it does, and does not reach it
    for action in NEWEST:
        if "instcombine" in action.pipeline.replace("aggressive-instcombine", ""):
            assert "no-verify-fixpoint" in action.pipeline


def test_the_baselines_are_actions() -> None:
    assert NEWEST["default<O3>"].pipeline == "default<O3>"
    assert NEWEST["default<Oz>"].kind == "pipeline"


# ------------------------------------------------------------------------------------------------------- reading


def test_parameters_fill_the_placeholders(tmp_path: Path) -> None:
    path = write(tmp_path, ONE_PASS + '[pass.variants]\n"a;b=2" = "More."\n')
    (entry,) = read_passes(path)
    assert [action.name for action in entry.actions] == ["licm", "licm<a;b=2>"]
    assert entry.actions[0].pipeline == "function(loop-mssa(licm))"
    assert entry.actions[1].pipeline == "function(loop-mssa(licm<a;b=2>))"
    assert entry.actions[1].summary == "Hoists. More."
    assert entry.actions[1].pass_name == "licm"


def test_a_variant_may_have_a_pipeline_and_a_risk_of_its_own(tmp_path: Path) -> None:
    text = '[pass.variants]\n"x" = { summary = "S.", pipeline = "module(y)", risk = ["slow"], note = "Long." }\n'
    (entry,) = read_passes(write(tmp_path, ONE_PASS + text))
    assert entry.actions[1].pipeline == "module(y)"
    assert (entry.actions[0].risk, entry.actions[1].risk) == ((), ("slow",))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no [[pass]]"),
        ("[[pass]\n", "TOML"),
        ('[[pass]]\nname = "x"\n', "pipeline must be one line"),
        (ONE_PASS.replace('"loop"', '"loops"'), "level 'loops' is not one of"),
        (ONE_PASS.replace("summary", "sumary"), "unknown key sumary"),
        (ONE_PASS.replace("Hoists.", "One\\ntwo."), "summary must be one line"),
        (ONE_PASS + 'risk = ["deadly"]\n', "risk 'deadly'"),
        (ONE_PASS + 'risk = ["slow"]\n', "no note"),
        (ONE_PASS + 'kind = "wild"\n', "kind 'wild'"),
        (ONE_PASS + "bare = false\n", "offers nothing"),
        (ONE_PASS + "older = 3\n", "older must be a list"),
        (ONE_PASS + ONE_PASS, "used twice"),
        (ONE_PASS.replace("{params}", "") + '[pass.variants]\na = "A."\n', "no place for it"),
        ("pass = [3]\n", "is not a table"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read_passes(write(tmp_path, text))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_another_version_keeps_what_its_library_accepts(tmp_path: Path) -> None:
    other = ONE_PASS.replace("licm", "gvn")
    write(tmp_path, ONE_PASS + other)
    catalogue = load_catalogue(19, lambda text: "gvn" in text, tmp_path)
    assert catalogue.llvm_major == 19
    assert catalogue.names() == ["gvn"]


def test_an_older_spelling_is_used_where_the_new_one_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS + 'older = ["function(licm{params})", "licm"]\n[pass.variants]\na = "A."\n')
    catalogue = load_catalogue(16, lambda text: "mssa" not in text, tmp_path)
    assert [action.pipeline for action in catalogue] == ["function(licm)", "function(licm<a>)"]


def test_two_actions_with_the_same_older_spelling_are_one(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS + 'older = ["licm"]\n[pass.variants]\na = "A."\n')
    assert load_catalogue(16, lambda text: text == "licm", tmp_path).names() == ["licm"]


def test_a_file_of_its_own_wins_over_the_newest(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS)
    write(tmp_path, ONE_PASS.replace("licm", "gvn"), major=16)
    assert load_catalogue(16, directory=tmp_path).names() == ["gvn"]


def test_a_version_of_before_starts_from_the_next_newer_file_and_one_of_after_from_the_newest(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS.replace("licm", "gvn"), major=18)
    write(tmp_path, ONE_PASS.replace("licm", "dse"), major=20)
    found = {major: load_catalogue(major, lambda _: True, tmp_path).names() for major in (17, 19, 21)}
    assert found == {17: ["gvn"], 19: ["dse"], 21: ["dse"]}


def test_a_file_that_says_what_differs_from_its_base(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS + '[pass.variants]\na = "A."\nb = "B."\n' + ONE_PASS.replace("licm", "gvn"))
    more = '[[pass]]\nname = "licm"\n[pass.variants]\nc = "C."\n'
    text = 'base = 22\nwithout = ["licm<a>", "gvn"]\n' + more + ONE_PASS.replace("licm", "dse")
    write(tmp_path, text, major=23)
    assert load_catalogue(23, directory=tmp_path).names() == ["licm", "licm<b>", "licm<c>", "dse"]
    assert load_catalogue(22, directory=tmp_path).names() == ["licm", "licm<a>", "licm<b>", "gvn"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = 22\nwithout = ["dse"]\n', "without names dse, which is no action of its base"),
        ("base = 21\n", "cannot be read"),
        ("base = 23\n", "has a base too"),
        ('base = 22\nwithout = "licm"\n', "without must be a list"),
    ],
)
def test_a_base_that_does_not_fit_is_told(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS)
    write(tmp_path, text + ONE_PASS.replace("licm", "gvn"), major=23)
    with pytest.raises(CatalogueError, match=said):
        load_catalogue(23, directory=tmp_path)


def test_llvm_23_has_no_pipelines_for_size() -> None:
    catalogue = load_catalogue(23)
    assert len(catalogue) > 200
    assert not [action.name for action in catalogue if re.search(r"\bO[sz]\b", action.pipeline)]
    assert "default<O2>" in catalogue
    assert catalogue["gvn<no-scalar-pre>"].pipeline == "function(gvn<no-scalar-pre>)"


def test_another_version_without_a_library_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ONE_PASS)
    with pytest.raises(CatalogueError, match="libLLVM is needed"):
        load_catalogue(16, directory=tmp_path)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="holds no"):
        load_catalogue(16, lambda text: True, tmp_path)


def test_installed_data_comes_before_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "colt_llvm"
    (package / "_data" / "passes").mkdir(parents=True)
    (tmp_path / "passes").mkdir()
    monkeypatch.setattr(module, "__file__", str(package / "llvm" / "catalogue.py"))
    assert catalogue_directory() == package / "_data" / "passes"
    (package / "_data" / "passes").rmdir()
    assert catalogue_directory() == tmp_path / "passes"
    (tmp_path / "passes").rmdir()
    with pytest.raises(CatalogueError, match="install colt-llvm again"):
        catalogue_directory()


# ------------------------------------------------------------------------------------------------------- look-ups


def test_finds_by_name_by_text_and_with_parameters_in_any_order() -> None:
    assert NEWEST["licm"].pass_name == "licm"
    assert NEWEST["function(gvn)"].name == "gvn"
    name = "simplifycfg<hoist-common-insts;sink-common-insts>"
    assert NEWEST["simplifycfg<sink-common-insts; hoist-common-insts>"].name == name
    assert "licm" in NEWEST
    assert "nonsense" not in NEWEST
    assert 3 not in NEWEST


def test_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(UnknownPassError, match=r"^'loop-vectorise': not in .* did you mean loop-vectorize"):
        NEWEST["loop-vectorise"]
    with pytest.raises(KeyError):
        NEWEST["qqqqqq"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("LICM", "licm"), ("instcombin", "instcombine"), ("licm<fast>", "licm"), ("loop_unroll", "loop-unroll")],
)
def test_close_matches_hold_what_was_meant(wrong: str, right: str) -> None:
    assert right in NEWEST.close_matches(wrong)


def test_search_lists_names_before_summaries() -> None:
    found = [action.name for action in NEWEST.search("Inline")]
    assert found[0].startswith("inline") or "inline" in found[0]
    named = ["inline" in name.lower() for name in found]
    assert named == sorted(named, reverse=True)
    assert "partial-inliner" in found
    assert len(set(found)) == len(found)


def test_without_a_risk() -> None:
    risky = {action.name for action in NEWEST if "miscompile" in action.risk}
    assert risky
    assert risky.isdisjoint(NEWEST.without(["miscompile"]).names())
    assert len(NEWEST.without(["miscompile"])) == len(NEWEST) - len(risky)
    assert NEWEST.without([]) == NEWEST
    with pytest.raises(UsageError, match="no such risk"):
        NEWEST.without(["dangerous"])


def test_the_fingerprint_changes_with_names_and_pipelines_only() -> None:
    one = Action("a", "function(a)", "function", "A.")
    assert Catalogue(22, (one,)).fingerprint() == Catalogue(19, (one,)).fingerprint()
    assert NEWEST.fingerprint() == load_catalogue(22).fingerprint()
    for other in (Action("b", "function(a)", "function", "A."), Action("a", "function(b)", "function", "A.")):
        assert Catalogue(22, (other,)).fingerprint() != Catalogue(22, (one,)).fingerprint()


# ------------------------------------------------------------------------------------------------------- sequences


def test_splits_at_depth_zero_only() -> None:
    assert split_pipeline("a,function(b,c<d;e>),f<g,h>,,i ") == ["a", "function(b,c<d;e>)", "f<g,h>", "i"]
    assert split_pipeline("") == []


@pytest.mark.parametrize("text", ["a(", "a)", "a(b>", "a<b", "a,b>,c", "(a<)>"])
def test_unbalanced_brackets_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="brackets"):
        split_pipeline(text)


@given(st.lists(st.sampled_from(NEWEST.actions)))
def test_a_sequence_survives_its_texts_and_its_names(actions: list[Action]) -> None:
    def parsed(text: str) -> list[Action]:
        return [NEWEST[part] for part in split_pipeline(text)]

    assert parsed(",".join(action.pipeline for action in actions)) == actions
    assert parsed(", ".join(action.name for action in actions)) == actions


NESTED = st.recursive(
    st.text("abc-=;", min_size=1),
    lambda inner: (
        st.builds(lambda name, parts: f"{name}({','.join(parts)})", st.text("ab"), st.lists(inner))
        | st.builds(lambda name, parts: f"{name}<{','.join(parts)}>", st.text("ab"), st.lists(inner))
    ),
)


@given(st.lists(NESTED))
def test_what_was_joined_is_split_again(parts: list[str]) -> None:
    assert split_pipeline(",".join(parts)) == parts


@given(st.text("ab<>(),", max_size=30))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        parts = split_pipeline(text)
    except UsageError:
        return
    assert split_pipeline(",".join(parts)) == parts
