"""docs/BENCHMARKS.md says what the results say, the bad ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colt_llvm.bench.report import write_report
from colt_llvm.journal import write_json


def result(program: str, ratio: float, **changes: Any) -> dict[str, Any]:
    return {
        "program": program, "verdict": "improved" if ratio > 1 else "no improvement found", "ratio": ratio,
        "interval": None, "figures": {"size": [1000.0, 1000.0 / ratio]}, "trials": 7, "failures": {"miscompile": 2},
        "busy_fraction": None, **changes,
    }  # fmt: skip


def report(tmp_path: Path, *results: dict[str, Any]) -> str:
    (tmp_path / "size").mkdir()
    for item in results:
        write_json(tmp_path / "size" / f"{item['program']}.json", item)
    write_report(tmp_path, tmp_path / "out.md")
    return (tmp_path / "out.md").read_text()


def test_the_mean_is_geometric_and_split_by_kind(tmp_path: Path) -> None:
    text = report(tmp_path, result("lz77", 1.1), result("aes_ctr", 1.0))
    assert "- all: geometric mean 1.0488 (4.7% smaller), 1 of 2 improved" in text
    assert "- train: geometric mean 1.1000" in text
    assert "- held-out: geometric mean 1.0000" in text
    assert "| lz77 | train | 1000 | 909 | 1.1000 |" in text
    assert "miscompile 2" in text


def test_a_measured_loss_counts_as_the_baseline_kept(tmp_path: Path) -> None:
    text = report(tmp_path, result("lz77", 0.9))
    assert "geometric mean 1.0000" in text
    assert "| kept |" in text


def test_a_program_that_could_not_be_tuned_is_shown(tmp_path: Path) -> None:
    text = report(tmp_path, result("lz77", 1.1), {"program": "json", "error": "colt-llvm: does not compile"})
    assert "does not compile" in text


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    assert report(tmp_path).count("Not measured.") == 9


def test_a_section_that_was_measured_before_stays(tmp_path: Path) -> None:
    report(tmp_path, result("lz77", 1.1))
    (tmp_path / "size" / "lz77.json").unlink()
    write_json(tmp_path / "control.json", {"contests": []})
    write_report(tmp_path, tmp_path / "out.md")
    text = (tmp_path / "out.md").read_text()
    assert "| lz77 | train | 1000 | 909 | 1.1000 |" in text
    assert "0 of 0 were called improved" in text
    assert text.count("## Code size") == 1
    write_report(tmp_path, tmp_path / "out.md")
    assert (tmp_path / "out.md").read_text() == text


def test_every_kind_of_evaluation_has_its_rows_with_ratios(tmp_path: Path) -> None:
    row = {"environment": 300.0, "opt": 20.0, "ratio": 15.0}
    speed = {
        "date": "2026-01-02", "host": {"cpu": "a cpu", "cores": 2, "kernel": "6.1"}, "llvm": "22.1.0",
        "steps": {"walk": 1000.0, "fresh": 500.0, "multistep_passes": 900.0}, "help_seconds": 0.1,
        "random_sequences": {"lz77": row | {"ratio": 2.0}}, "search": {"lz77": row | {"ratio": 3.0}},
    }  # fmt: skip
    write_json(tmp_path / "speed.json", speed | {"steps_by_prefix": {"lz77": row}})
    text = report(tmp_path)
    assert "| lz77 | steps | 300.0 | 20.0 | 15.0 |" in text
    assert "| lz77 | random | 300.0 | 20.0 | 2.0 |" in text
    assert "| lz77 | search | 300.0 | 20.0 | 3.0 |" in text
    write_json(tmp_path / "speed.json", speed)
    write_report(tmp_path, tmp_path / "out.md")
    assert "| steps |" not in (tmp_path / "out.md").read_text(), "measured before there were such rows"


def ablation(program: str, **gains: float) -> dict[str, Any]:
    """One run a variant; the largest policy costs 100 an answer, the small one 1."""
    answers = {"COLT, two": {"p/big": 2, "p/tiny": 8}, "p/big alone": {"p/big": 10}, "p/tiny alone": {"p/tiny": 10}}
    runs = [
        {
            "variant": variant, "seed": 1, "gain": gain, "answers": answers[variant], "corrections": 1, "seconds": 2.0,
            "largest_answers": answers[variant].get("p/big", 0),
            "cost": 100 * answers[variant].get("p/big", 0) + answers[variant].get("p/tiny", 0),
        }
        for variant, gain in zip(answers, gains.values(), strict=True)
    ]  # fmt: skip
    return {"program": program, "split": "train", "family": "hash", "trials": 10, "preset": "paper", "runs": runs}


def test_the_ablation_is_held_against_the_largest_alone(tmp_path: Path) -> None:
    (tmp_path / "ablation").mkdir()
    for name in ("a", "b"):
        write_json(tmp_path / "ablation" / f"{name}.json", ablation(name, colt=0.10, big=0.05, tiny=0.02))
    write_report(tmp_path, tmp_path / "out.md")
    text = (tmp_path / "out.md").read_text()
    assert "### All programs (2)" in text
    assert "Neural workloads" not in text
    assert "| COLT, two | 9.52% | +4.64 (+4.64 to +4.64) | 10 | 1.0 | 20% | 0.208 | 2.00 s |" in text
    assert "| p/big alone | 4.88% |  | 10 | 1.0 | 100% | 1.000 | 2.00 s |" in text
    assert "| p/tiny alone | 1.98% | -2.90 (-2.90 to -2.90) |" in text
