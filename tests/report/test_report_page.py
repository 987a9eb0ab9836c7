"""What a report says of runs at any stage, read off its text; and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from report_helpers import BASELINE, SPECS, make_run

from colt_llvm.cli.main import run
from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.explain import hot_function
from colt_llvm.explain.contributions import KIND, VERSION, Contribution, Contributions
from colt_llvm.explain.hot_function import HotFunction
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.report.page import diff_table, write_report
from colt_llvm.report.run import read_run
from colt_llvm.report.text import data_script, e, seconds
from colt_llvm.report.tree import MARKS, nodes_of
from colt_llvm.report.verdict import ticks
from colt_llvm.run.journal import Journal


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="run-data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def verdict_of(page: str) -> str:
    found = re.search(r'<p class="verdict (\w+)">(.*?)</p>', page)
    assert found
    return f"{found[1]}: {found[2]}"


def test_the_tree_is_the_one_that_the_search_had(tmp_path: Path) -> None:
    search = make_run(tmp_path, trials=400, seed=3)
    nodes = nodes_of(read_run(tmp_path))
    assert nodes.note == ""
    assert [row.visits for row in nodes.rows] == [node.visits for node in search.tree.nodes]
    assert [row.parent for row in nodes.rows[1:]] == [node.parent for node in search.tree.nodes[1:]]
    assert [row.failure for row in nodes.rows] == [node.failure for node in search.tree.nodes]


def test_every_kind_of_node_is_marked(tmp_path: Path) -> None:
    search = make_run(tmp_path, trials=400, seed=3)
    rows = nodes_of(read_run(tmp_path)).rows
    assert {row.mark for row in rows} == set(MARKS)
    for row, node in zip(rows[1:], search.tree.nodes[1:], strict=True):
        above = search.tree.nodes[node.parent or 0].reward
        if row.mark == "miscompile":
            assert node.failure == "miscompile"
        if row.mark == "regression":
            assert node.reward is not None
            assert above is not None
            assert node.reward < above
        if row.mark == "correction":
            assert row.trial is not None
            assert row.trial.request.kind == "correct"
    best = max(node.reward or 0.0 for node in search.tree.nodes)
    assert [row.reward for row in rows if row.mark == "winner"] == [best]


def test_a_journal_that_does_not_fit_its_options_still_shows_its_tree(tmp_path: Path) -> None:
    make_run(tmp_path, trials=200, seed=3)
    header = json.loads((tmp_path / "run.json").read_text())
    header["options"]["search"] = {"course_alteration_period": 50}
    (tmp_path / "run.json").write_text(json.dumps(header))
    nodes = nodes_of(read_run(tmp_path))
    assert nodes.search is None
    assert nodes.is_tree
    assert len(nodes.rows) == 201
    assert "visits are not known" in page_of(tmp_path)


def test_an_improvement_is_one_sentence_with_its_figures(tmp_path: Path) -> None:
    make_run(tmp_path)
    page = page_of(tmp_path)
    size = json.loads((tmp_path / "result.json").read_text())["figures"]["size"][1]
    share = 1 - size / BASELINE["size"]
    assert verdict_of(page) == (
        f"improved: toy is {share:.1%} smaller than with clang -Oz: {size:,.0f} loaded bytes instead of 4,000, an "
        "exact count; its output was the same on all 2 workloads."
    )
    assert "opt -passes=..." in page
    assert "colt-llvm apply" in page


def test_a_measured_ratio_comes_with_its_interval(tmp_path: Path) -> None:
    interval = {"ratio": 1.05, "low": 1.04, "high": 1.06, "confidence": 0.95, "rounds": 40}
    figures = {"runtime": [2.1, 2.0], "size": [4000, 4100]}
    make_run(tmp_path, objective="runtime", ratio=1.05, interval=interval, figures=figures)
    said = verdict_of(page_of(tmp_path))
    assert "toy runs 1.0500 times as fast as with clang -Oz" in said
    assert "(95.0% interval 1.0400 to 1.0600, ratio 1.0500, 40 rounds measured after the search)" in said


def test_a_gain_within_the_noise_of_the_host_is_said_to_be_one(tmp_path: Path) -> None:
    interval = {"ratio": 1.009, "low": 1.005, "high": 1.02, "confidence": 0.99, "rounds": 9}
    make_run(tmp_path, improved=False, interval=interval, evidence={"host_noise": 0.0276})
    page = page_of(tmp_path)
    assert "which is within the noise floor of this host, 2.76% in the A/A control" in verdict_of(page)
    assert "\N{PLUS-MINUS SIGN}2.76%" in page


def test_a_run_that_found_nothing_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, improved=False)
    page = page_of(tmp_path)
    assert verdict_of(page).startswith("kept: No improvement found: in 60 trials nothing was proved better than")
    assert "there is no recipe" in page
    assert data_of(page)["winner"] is None


def test_a_run_without_a_result_is_told_apart_from_one_at_work(tmp_path: Path) -> None:
    make_run(tmp_path, result=False)
    assert "This run ended before its proof: 60 trials" in verdict_of(page_of(tmp_path))
    journal, _ = Journal.open(tmp_path)
    try:
        page = page_of(tmp_path)
    finally:
        journal.close()
    assert "open: This run is still at work: 60 trials, the best so far measured" in verdict_of(page)
    assert "nothing is proved yet" in verdict_of(page)
    assert "colt-llvm tune --resume" in page


def test_the_ledger_of_a_run_without_a_result_comes_from_its_calls(tmp_path: Path) -> None:
    search = make_run(tmp_path, result=False)
    page = page_of(tmp_path)
    record = search.statistics.by_model["small"]
    row = re.search(r'<th scope="row">small</th>(.*)</tr>', page)
    assert row
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    assert cells[3] == f"{record.hit_rate:.0%}"
    assert cells[6] == f"{120 * int(cells[1].replace(',', '')):,}"  # tokens
    assert f">{60:,}</td>" in page


def test_a_run_without_trials_makes_a_page_too(tmp_path: Path) -> None:
    make_run(tmp_path, trials=1, result=False)
    (tmp_path / "trials.jsonl").write_text("")
    assert "No trial has ended yet." in page_of(tmp_path)


def test_reading_changes_nothing_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    make_run(tmp_path, result=False)
    with open(tmp_path / "trials.jsonl", "a") as file:
        file.write('{"request": {"id"')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(tmp_path, tmp_path.parent / f"{tmp_path.name}.html")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_page_refers_to_nothing_outside_and_forbids_it(tmp_path: Path) -> None:
    make_run(tmp_path)
    page = page_of(tmp_path)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"<[^>]*\s(?:style|on\w+)=", page.partition("<script")[0])


def test_the_page_has_headings_captions_and_labels(tmp_path: Path) -> None:
    make_run(tmp_path)
    page = page_of(tmp_path)
    assert page.count("<h1>") == 1
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.count("<table") == page.count("<caption")
    assert all("aria-" in tag for tag in re.findall(r"<(?:svg|canvas|aside|nav)[^>]*>", page))
    assert re.search(r'<html lang="en">', page)
    for name in ("prefers-reduced-motion", "prefers-color-scheme", "@media print", ":focus-visible"):
        assert name in page


def test_a_wrong_program_is_listed_with_what_reproduces_it(tmp_path: Path) -> None:
    make_run(tmp_path)
    folder = tmp_path / "miscompiles" / "000007"
    folder.mkdir(parents=True)
    told = {
        "sequence": ["licm"],
        "pipeline": "licm",
        "difference": "line 3 <differs>",
        "opt": ["opt -passes=licm a.bc"],
    }
    (folder / "miscompile.json").write_text(json.dumps(told))
    (tmp_path / "miscompiles" / "000008").mkdir()
    page = page_of(tmp_path)
    assert "Trial 7: line 3 &lt;differs&gt;" in page
    assert "opt -passes=licm a.bc" in page


def test_the_repeat_command_has_what_decides_the_run(tmp_path: Path) -> None:
    make_run(tmp_path, options={"preset": "paper", "risky": True}, seed=9)
    page = page_of(tmp_path)
    assert "--objective size --seed 9 --trials 60 --workers 1 --risky --preset paper" in page
    assert "the search repeats exactly" in page


@pytest.mark.parametrize("damage", ["result.json", "run.json", "trials.jsonl"])
def test_a_damaged_run_is_one_line(damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path)
    (tmp_path / damage).write_text('{"version": 1}\n{"version": 1}\n' if damage == "trials.jsonl" else '{"version": 1}')
    assert run(["report", str(tmp_path), "--no-measure"]) == 6
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert damage in said


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds no run"):
        write_report(tmp_path)


def test_a_project_is_refused_with_the_name_of_a_run_in_it(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text("{}")
    with pytest.raises(UsageError, match="run of a whole project; no file"):
        write_report(tmp_path)
    make_run(tmp_path / "units" / "a.c")
    with pytest.raises(UsageError, match=r"such as .*units/a\.c"):
        write_report(tmp_path)


def test_an_output_that_is_no_page_or_cannot_be_written_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    with pytest.raises(UsageError, match=r"give a name in \.html"):
        write_report(tmp_path / "run", tmp_path / "run" / "run.json")
    with pytest.raises(RunDirectoryError, match="choose another place with -o"):
        write_report(tmp_path / "run", tmp_path / "absent" / "page.html")


def test_text_is_escaped_and_nothing_in_it_is_invisible() -> None:
    assert e("</p>\"'&\0\u202e\u200b") == "&lt;/p&gt;&quot;&#x27;&amp;\\u0000\\u202e\\u200b"
    script = data_script({"a": "</script><!--"}, "x")
    assert script.count("</") == 1
    assert "<!--" not in script


def test_times_are_read_in_fitting_units() -> None:
    assert [seconds(value) for value in (2e-5, 0.0123, 12.5, 600, 9000)] == [
        "20 \N{MICRO SIGN}s", "12.3 ms", "12.5 s", "10.0 min", "2.5 h",
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(0, 7), (0.97, 1.03), (0, 5000), (1, 1 + 1e-6)])
def test_ticks_are_round_and_within_the_axis(low: float, high: float) -> None:
    values, digits = ticks(low, high, 5)
    assert 2 <= len(values) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    assert len({f"{value:.{digits}f}" for value in values}) == len(values)


def test_a_diff_has_signs_numbers_and_leaves_out_what_is_alike() -> None:
    before = "\n".join(f"line {number}" for number in range(40))
    page = diff_table(before, before.replace("line 20", "line <b>"), "f")
    assert '<tr class="minus"><td class="number">21</td><td class="number"></td>' in page
    assert "line &lt;b&gt;" in page
    assert "17 lines alike" in page
    assert diff_table(before, before, "f") == "<p>Both are the same.</p>\n"


def test_every_model_is_in_the_ledger(tmp_path: Path) -> None:
    make_run(tmp_path, result=False)
    page = page_of(tmp_path)
    assert all(f'<th scope="row">{spec.name}</th>' in page for spec in SPECS)


def test_what_each_pass_contributes_is_read_from_the_run(tmp_path: Path) -> None:
    make_run(tmp_path)
    sequence = tuple(json.loads((tmp_path / "recipe.json").read_text())["sequence"])
    first = Contribution(sequence[0], 0, 1.02, None, 1.0125, (1.01, 1.015))
    others = [Contribution(name, at, 1.03, no_effect=True, factor=1.0) for at, name in enumerate(sequence)][1:]
    broken = Contribution("licm", len(sequence), failure="miscompile: line 1 <differs>")
    found = Contributions(sequence, "size", 1.03, None, (first, *others, broken), rounds=12)
    write_json(tmp_path / "contributions.json", {"kind": KIND, "version": VERSION, **asdict(found)})
    page = page_of(tmp_path)
    row = re.search(rf"<code>{re.escape(e(sequence[0]))}</code></td>(.*)</tr>", page.partition('id="passes"')[2])
    assert row
    assert "+1.25%" in row[1]
    assert "+1.00% to +1.50%" in row[1]
    assert page.count("same object code without it") == len(others)
    assert "miscompile: line 1 &lt;differs&gt;" in page


def test_what_was_not_measured_is_said_with_the_remedy(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert "Not measured. It is made by <code>colt-llvm report RUN, without --no-measure</code>" in page_of(tmp_path)


@pytest.mark.needs("LLVM 22")
def test_a_report_is_written_though_nothing_can_be_measured_any_more(tmp_path: Path) -> None:
    make_run(tmp_path)  # its source is not there
    page = write_report(tmp_path, toolchain=installed_toolchains()[0]).read_text()
    assert "Not measured: " in page
    assert "toy.c" in page.partition("Not measured: ")[2][:300]
    assert not (tmp_path / "contributions.json").exists()


def test_the_hot_function_is_read_from_the_run_and_shown_as_a_diff(tmp_path: Path) -> None:
    make_run(tmp_path)
    sequence = tuple(json.loads((tmp_path / "recipe.json").read_text())["sequence"])
    code = HotFunction("work<int>", "it shrank most", None, "push\nadd\nret", "push\nret", "assembly", sequence)

    def page_with(code: HotFunction) -> str:
        data = {"kind": hot_function.KIND, "version": hot_function.VERSION, "function": asdict(code)}
        write_json(tmp_path / hot_function.FILE_NAME, data)
        return page_of(tmp_path)

    stale = page_with(replace(code, sequence=sequence[1:]))  # the run went on and found better
    assert "Not looked up. It is made by" in stale
    assert "work&lt;int&gt;" not in stale
    page = page_with(code)
    assert "<code>work&lt;int&gt;</code>, as assembly: it shrank most. 3 lines before and 2 after." in page
    assert page.count('<tr class="minus">') == 1
