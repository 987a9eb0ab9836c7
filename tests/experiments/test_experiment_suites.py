"""Suites: which programs a folder holds, and what is known of them. Every file here is made for the test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from bench_helpers import OUTPUT, SOURCE

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments import suites
from colt_llvm.experiments.experiment import SuiteSpec
from colt_llvm.experiments.suites import BenchProgram, gather


def programs(suite: SuiteSpec, place: Path) -> dict[str, BenchProgram]:
    return {item.name: item for item in gather([suite], place).programs}


def test_included_programs_by_split_and_name(tmp_path: Path) -> None:
    held_out = programs(SuiteSpec("included", split="held-out"), tmp_path)
    assert len(held_out) == 25
    assert {item.program.split for item in held_out.values()} == {"held-out"}
    chosen = programs(SuiteSpec("included", programs=("lz77", "aes_ctr"), cflags=("-g",)), tmp_path)
    assert list(chosen) == ["lz77", "aes_ctr"]
    assert chosen["lz77"].program.cflags[-1] == "-g"
    with pytest.raises(UsageError, match="has no program 'lz78'; it has aes_ctr"):
        programs(SuiteSpec("included", programs=("lz78",)), tmp_path)


def test_reference_output_is_output_and_exit_status(tmp_path: Path) -> None:
    folder = tmp_path / "singles"
    (folder / "deep").mkdir(parents=True)
    for name, reference in (
        ("a.c", OUTPUT + "exit 3\n"), ("b.c", "exit 0\n"), ("c.c", "plain\n"), ("deep/d.cpp", None), ("deep/a.c", None),
    ):  # fmt: skip
        (folder / name).write_text(SOURCE)
        if reference is not None:
            (folder / name).with_suffix(".reference_output").write_text(reference)
    found = programs(SuiteSpec("folder", path=folder), tmp_path / "place")
    assert set(found) == {"a", "deep-a", "b", "c", "d"}

    def wanted(name: str) -> tuple[bytes | None, int]:
        file = found[name].program.timed_workload.expected_stdout
        return file.read_bytes() if file else None, found[name].expected_status

    assert wanted("a") == (OUTPUT.encode(), 3)
    assert wanted("b") == (b"", 0)
    assert wanted("c") == (b"plain\n", 0)
    assert wanted("d") == (None, 0)
    assert found["d"].program.is_cxx


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for kind, said in (("folder", "holds no .c"), ("bitcode", "holds no .ll"), ("polybench", "no utilities/polybench")):
        with pytest.raises(UsageError, match=said):
            programs(SuiteSpec(kind, path=tmp_path), tmp_path / "place")


def test_polybench_kernels_are_built_to_print_their_arrays(tmp_path: Path) -> None:
    root = tmp_path / "poly"
    for name in ("utilities/polybench.c", "algebra/scale/scale.c", "algebra/scale/other.c", "stencils/blur/blur.c"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("int x;\n")
    found = programs(SuiteSpec("polybench", path=root, dataset="MINI", cflags=("-g",)), tmp_path / "place")
    assert set(found) == {"scale", "blur"}
    made = found["scale"].program
    assert [file.name for file in made.sources] == ["scale.c"]
    assert [file.name for file in made.harness] == ["polybench.c", "error_to_output.c"]
    assert {"-DMINI_DATASET", "-DPOLYBENCH_DUMP_ARRAYS", "-g", str(root / "utilities")} <= set(made.cflags)


def test_csmith_makes_one_program_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, headers = tmp_path / "bin" / "csmith", tmp_path / "include"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[4], 'w').write('/* seed ' + sys.argv[2] + ' */')\n")
    tool.chmod(0o755)
    headers.mkdir()
    monkeypatch.setenv("PATH", str(tool.parent))
    suite = SuiteSpec("csmith", seeds=(3, 5), path=headers)
    found = programs(suite, tmp_path / "place")
    assert set(found) == {"csmith-3", "csmith-5"}
    assert found["csmith-5"].program.sources[0].read_text() == "/* seed 5 */"
    assert str(headers) in found["csmith-5"].program.cflags
    before = os.stat(found["csmith-3"].program.sources[0]).st_mtime_ns
    assert os.stat(programs(suite, tmp_path / "place")["csmith-3"].program.sources[0]).st_mtime_ns == before


def test_a_suite_without_csmith_is_left_out_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites.shutil, "which", lambda name: None)
    with_others = [SuiteSpec("csmith", seeds=(1,)), SuiteSpec("included", programs=("lz77",))]
    gathered = gather(with_others, tmp_path)
    assert [item.name for item in gathered.programs] == ["lz77"]
    assert gathered.notes == (
        "suite csmith: left out, as there is no csmith; install it (Debian: csmith, libcsmith-dev)",
    )
    with pytest.raises(UsageError, match="has no programs; suite csmith: left out"):
        gather(with_others[:1], tmp_path)


def test_two_programs_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lz77.c").write_text(SOURCE)
    with pytest.raises(UsageError, match="two programs are called lz77"):
        gather([SuiteSpec("included"), SuiteSpec("folder", path=tmp_path)], tmp_path / "place")


def test_the_digest_is_of_content_and_not_of_the_place(tmp_path: Path) -> None:
    def digest(folder: str, source: str = SOURCE, **settings: object) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "p.c").write_text(source)
        suite = SuiteSpec("folder", path=tmp_path / folder, **settings)  # type: ignore[arg-type]
        return programs(suite, tmp_path / "place")["p"].digest

    assert digest("one") == digest("two")
    assert digest("one", SOURCE.replace("3", "4")) != digest("two")
    assert digest("one", cflags=("-g",)) != digest("two")
