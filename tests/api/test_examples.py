"""The examples of the documents run, and print what they are meant to show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

#: Name -> what its output has to hold. Figures depend on LLVM's version.
SHOWN = {
    "five_lines": [r"^(improved|no improvement found) 1\.\d{4}x than clang -Oz$", r"^sequence: \S+"],
    "own_objective": [r"^flash: improved, cost 0\.\d{4}", r"^size \d+ -> \d+ bytes", "^energy needs runtime and size$"],
    "own_strategy": ["^proposed by strategy Annealing, no model$", r"x after 25 trials, \d+ different results"],
    "own_model": [r"\d\.\d{4}x", r"^leave-out: [1-9]\d* answers$", r"^embedded/base: [1-9]\d* answers$"],
    "own_check": [r"\d\.\d{4}x; \d+ candidates were refused$"],
    "reading_results": [
        "^searched: 6 trials",
        "^searched: 12 trials",
        r"^size: \d+ -> \d+$",
        "^12 trials in the journal",
    ],
}

#: One process for all, for loading takes longer than most of them.
RUNNER = """
import runpy, sys
for name in sys.argv[2:]:
    print("EXAMPLE", name, flush=True)
    runpy.run_path(f"{sys.argv[1]}/{name}.py", run_name="__main__")
"""


def test_every_example_is_known() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_examples_print_what_they_show(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", RUNNER, str(EXAMPLES), *SHOWN],
        capture_output=True, text=True, cwd=tmp_path, timeout=280,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    parts = re.split(r"^EXAMPLE (\w+)\n", child.stdout, flags=re.MULTILINE)[1:]
    outputs = dict(zip(parts[::2], parts[1::2], strict=True))
    for name, patterns in SHOWN.items():
        for pattern in patterns:
            assert re.search(pattern, outputs[name], re.MULTILINE), f"{name}: {pattern!r} not in {outputs[name]!r}"
    assert (tmp_path / "sha256-tuned").read_bytes().startswith(b"\x7fELF")
    rebuilt = subprocess.run([tmp_path / "words-tuned"], capture_output=True, timeout=60)
    assert rebuilt.stdout.startswith(b" 2 letters: ")
