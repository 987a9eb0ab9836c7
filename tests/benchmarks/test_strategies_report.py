"""The sections of the benchmarks that are made from a folder of cells."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.strategies_report import (
    ablations_section,
    long_section,
    minute_section,
    runtime_section,
    strategies_section,
)


def write_results(folder: Path) -> Path:
    (folder / "cells").mkdir(parents=True)
    for number in range(28):
        label, program, seed = ("COLT", "no | bias")[number % 2], f"p{number // 4}", number // 2 % 2
        gain = 0.10 + 0.01 * (number // 4) - 0.05 * (number % 2)
        use = {"parameters": 2.0, "calls": 5, "answers": 4, "corrections": 1, "cost": 0.0}
        cell = {
            "kind": "colt-llvm bench cell", "version": 1, "suite": "s", "program": program, "split": "held-out",
            "strategy": label, "objective": "size", "seed": seed, "budget": {"trials": 10}, "llvm": "22.1.8",
            "host": {"cpu": "Example CPU", "cores": 2}, "made": "2026-01-02T03:04:05+00:00", "status": "done",
            "trials": 10, "distinct": 9, "seconds": 1.0, "gain": gain, "checked": True, "models": {"m": use},
            "curve": [[10, 1.0, 0.0, 8.0, gain]],
        }  # fmt: skip
        (folder / "cells" / f"{number}.json").write_text(json.dumps(cell))
    return folder


def test_the_section_gives_the_setting_the_table_and_only_what_intervals_bear_out(tmp_path: Path) -> None:
    section = strategies_section(write_results(tmp_path))
    assert section.startswith("## Strategies\n")
    assert "2026-01-02, 7 programs (7 held-out), 2 seeds, budgets of 10 trials" in section
    assert "28 of 28 searches done" in section
    assert "| no \\| bias | 7 |" in section
    assert "0/0/7" in section
    assert "COLT is better than no \\| bias (+4.88%" in section


def test_a_strategy_with_fewer_seeds_is_named(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    for file in (folder / "cells").iterdir():
        cell = json.loads(file.read_text())
        if (cell["strategy"], cell["seed"]) == ("no | bias", 1):
            file.unlink()
    assert "2 seeds (no \\| bias: 1), budgets" in strategies_section(folder)


def test_one_program_one_seed_and_one_second_are_named_as_one(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    for file in (folder / "cells").iterdir():
        cell = json.loads(file.read_text())
        if (cell["program"], cell["seed"]) != ("p0", 0):
            file.unlink()
        else:
            file.write_text(json.dumps({**cell, "budget": {"seconds": 1}}))
    section = strategies_section(folder)
    assert "2026-01-02, 1 program (1 held-out), 1 seed, budgets of 1 second," in section
    assert "### size, 1 second, LLVM" in section


def test_ablations_say_what_each_variant_asked(tmp_path: Path) -> None:
    section = ablations_section(write_results(tmp_path))
    assert "| COLT | 4.0 | 1.0 | 100% | 1.000 | 1.00 |" in section


def test_the_reference_is_held_early_against_the_others_at_the_end(tmp_path: Path) -> None:
    """Nothing of it is found before the last trial, so a part of the trials finds less than all of them."""
    section = long_section(write_results(tmp_path))
    assert section.startswith("## Long searches\n")
    for after in ("5", "2"):
        assert f"- After {after} trials COLT has found less than no \\| bias after 10 (95% intervals)." in section
    assert minute_section(tmp_path / "none").startswith("## A minute a program\n")
    assert runtime_section(tmp_path / "none").startswith("## Run time beside a profile-guided build\n")


def test_without_cells_the_section_says_not_measured(tmp_path: Path) -> None:
    assert strategies_section(tmp_path).endswith("Not measured.\n")
