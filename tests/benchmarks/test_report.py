"""docs/BENCHMARKS.md says what the results say, the bad ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.report import write_report
from colt_llvm.core.files import write_json


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
    assert report(tmp_path).count("Not measured.") == 12


def test_a_section_that_was_measured_before_stays(tmp_path: Path) -> None:
    report(tmp_path, result("lz77", 1.1))
    (tmp_path / "size" / "lz77.json").unlink()
    write_json(tmp_path / "control.json", {"ab_tests": []})
    write_report(tmp_path, tmp_path / "out.md")
    text = (tmp_path / "out.md").read_text()
    assert "| lz77 | train | 1000 | 909 | 1.1000 |" in text
    assert "0 of 0 were called improved" in text
    assert text.count("## Code size") == 1
    write_report(tmp_path, tmp_path / "out.md")
    assert (tmp_path / "out.md").read_text() == text


def test_a_section_that_is_not_made_here_stays_once(tmp_path: Path) -> None:
    (tmp_path / "out.md").write_text("# Benchmarks\n\n## By hand\n\nA figure.\n")
    for _ in range(2):
        write_report(tmp_path, tmp_path / "out.md")
        assert (tmp_path / "out.md").read_text().count("## By hand\n\nA figure.\n") == 1


def test_the_folder_of_the_report_is_made(tmp_path: Path) -> None:
    write_report(tmp_path, tmp_path / "docs" / "out.md")
    assert (tmp_path / "docs" / "out.md").read_text().startswith("# Benchmarks")


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


def test_an_answer_of_an_embedded_model_is_shown_beside_a_trial_of_the_same_run(tmp_path: Path) -> None:
    speed = {
        "date": "2026-01-02", "host": {"cpu": "a cpu", "cores": 2, "kernel": "6.1"}, "llvm": "22.1.0",
        "steps": {"walk": 1000.0, "fresh": 500.0, "multistep_passes": 900.0}, "help_seconds": 0.1,
    }  # fmt: skip
    answers = {
        "program": "lz77", "mean_tried": 40.4, "actions": 328, "trial_seconds": 0.02,
        "models": {"embedded/nano": {"seconds": 0.00015, "trials": 0.0075}},
    }  # fmt: skip
    write_json(tmp_path / "speed.json", speed | {"answers": answers})
    row = "| one answer of `embedded/nano`, 40 of 328 actions tried so far |"
    assert f"{row} 150 µs; 0.75% of a trial of lz77, which is built, not run (20 ms) |" in report(tmp_path)
    write_json(tmp_path / "speed.json", speed)
    write_report(tmp_path, tmp_path / "out.md")
    assert "one answer" not in (tmp_path / "out.md").read_text(), "measured before there were such rows"
