"""The benchmark of random decision lists in short: some lists of one program, and that a wrong program is seen."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from benchmarks.trust_decisions import Examiner, examiner, summary
from colt_llvm.llvm.decision import KINDS, is_decision, parse_decision
from colt_llvm.llvm.process_options import threshold_options
from colt_llvm.program.program import load_program, programs_directory


@pytest.fixture(scope="module")
def found() -> Iterator[Examiner]:
    with examiner(load_program(programs_directory() / "crc_adler"), "size", None) as made:
        yield made


@pytest.mark.needs("LLVM 20+")  # for skip
def test_lists_have_every_kind_and_repeat_from_their_number(found: Examiner) -> None:
    lists = [found.places.draw(Random(number)) for number in range(400)]
    assert lists == [found.places.draw(Random(number)) for number in range(400)]
    names = [name for one in lists for name in one]
    kinds = {(d.kind, d.scope) for d in map(parse_decision, filter(is_decision, names))}
    assert kinds == {(kind.name, kind.scope) for kind in KINDS}
    assert any(map(threshold_options, names))
    values = Counter(parse_decision(name).value for name in names if name.startswith("unroll<"))
    assert {"2", "full"} <= set(values)


@pytest.mark.slow
def test_no_wrong_program_is_accepted(found: Examiner) -> None:
    records = [{"number": number, "objective": "size", **found.examine(number)} for number in range(25)]
    assert not any(record["wrong"] for record in records), records
    assert any(record["outcome"] == "accepted" for record in records)
    assert summary(records).splitlines()[-1].startswith("built: ")


def test_another_program_is_seen_to_be_another(found: Examiner, tmp_path: Path) -> None:
    assert found.difference(found.verifier.baseline) == ""
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho other\n")
    other.chmod(0o755)
    assert found.difference(other) == ", ".join(workload.name for workload in found.program.workloads[1:])
    shutil.rmtree(tmp_path)
