"""``colt-llvm annotate``: patches of real sources, built again by clang and by gcc as a user would."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from annotate_helpers import C_MAIN, c_program, cxx_program, saved_recipe

from colt_llvm.cli.main import run
from colt_llvm.decisions.offers import offers_of
from colt_llvm.explain.annotate import Annotated, AnnotateOptions, annotate
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program, load_program, program_to_dict, programs_directory

EXHAUSTIVE = pytest.mark.exhaustive
BOX = "_ZN8geometry3BoxIiE"


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return installed_toolchains()[0]


def annotated(toolchain: Toolchain, program: Program, sequence: Sequence[str], folder: Path, **more: Any) -> Annotated:
    place = saved_recipe(toolchain, program, sequence, folder / "r.json")
    return annotate(place, toolchain, program, AnnotateOptions(**more))


def words(found: Annotated) -> list[str]:
    """Lines of the patch that hold a decision."""
    lines = found.diff.replace("\r", "").splitlines()
    return [line[1:].strip() for line in lines if line.startswith("+") and "COLT_" in line and "#define" not in line]


def reasons(found: Annotated) -> dict[str, str]:
    return {left.decision: left.reason for left in found.left}


def apply_patch(found: Annotated, folder: Path) -> None:
    tool = next((words for words in (["patch", "-p1"], ["git", "apply"]) if shutil.which(words[0])), None)
    if tool is None:
        pytest.skip("patch is not installed, and git neither")
    subprocess.run([*tool], cwd=folder, input=found.diff.encode("latin-1"), check=True, capture_output=True)


def size_of(toolchain: Toolchain, program: Program, folder: Path, level: str = "-Oz") -> int:
    """Loaded bytes of plain clang's objects, made here without anything of ours."""
    total = 0
    for source in program.sources:
        made = folder / f"{source.stem}.o"
        compiler = toolchain.compiler(program.is_cxx)
        subprocess.run([compiler, level, *program.cflags, "-c", folder / source.name, "-o", made], check=True)
        total += section_sizes(made.read_bytes()).loaded_bytes
    return total


@pytest.mark.needs("LLVM 20+")  # for skip
def test_what_has_no_word_in_a_source_or_does_not_pay_stays_in_the_recipe(toolchain: Toolchain, tmp_path: Path) -> None:
    program = c_program(tmp_path)
    sequence = ("noinline<helper>", "noinline<twice>", "optsize<sum>", "gvn", "skip<sum>(licm)", "inline-threshold<50>")
    found = annotated(toolchain, program, sequence, tmp_path)
    assert (found.said, found.diff, found.ratio) == ((), "", 1.0)
    said = {name: reason.partition(" ")[0] for name, reason in reasons(found).items()}
    assert said == {
        "noinline<helper>": "does", "noinline<twice>": "main.c:7:", "optsize<sum>": "clang", "gvn": "a",
        "skip<sum>(licm)": "passes", "inline-threshold<50>": "plain",
    }  # fmt: skip
    assert (found.flags, found.flags_share) == ((), None)  # that threshold makes this program no smaller


def test_static_functions_of_one_name_and_functions_of_headers_are_all_found(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    """For run time nothing is left out, so the whole patch can be seen."""
    program = c_program(tmp_path)
    sequence = ("noinline<helper>", "alwaysinline<clamp>", "unroll<main#1;4>", "nounroll<main#2>",
                "vectorize<sum#1;4>", "alwaysinline<main;helper#3>", "minsize<name_of>")  # fmt: skip
    found = timed(toolchain, program, sequence, tmp_path)
    assert set(found.said) == set(sequence)
    assert words(found) == [
        "COLT_NOINLINE __attribute__((unused))",
        'COLT_MINSIZE static const char *name_of(int x) { return x ? "helper(1)" : "b"; }',
        "COLT_LOOP(unroll_count(4))",
        "if (argc) COLT_LOOP(unroll(disable)) for (int j = 0; j < 3; j++) total += twice(j);",
        "COLT_INLINE_CALL helper(2);",
        "COLT_ALWAYS_INLINE static inline int clamp(int x)",
        "COLT_NOINLINE static int helper(int x) { return x * 7 + (x & 3); }",
        "COLT_LOOP(vectorize_width(4))",
    ]
    apply_patch(found, tmp_path)
    assert (tmp_path / "main.c").read_bytes() == found.contents[tmp_path / "main.c"][1]
    assert b"\r\n" in (tmp_path / "sum.c").read_bytes()
    assert C_MAIN.count("\n") < (tmp_path / "main.c").read_text().count("\n")


def timed(toolchain: Toolchain, program: Program, sequence: Sequence[str], folder: Path) -> Annotated:
    place = saved_recipe(toolchain, program, sequence, folder / "r.json", "runtime")
    return annotate(place, toolchain, program, AnnotateOptions(seconds=1.0))


def test_members_operators_and_templates_of_cxx(toolchain: Toolchain, tmp_path: Path) -> None:
    program = cxx_program(tmp_path)
    command = [toolchain.clangxx, *program.cflags, "-w", "-S", "-emit-llvm", *program.sources, "-o", tmp_path / "ir"]
    subprocess.run(command, check=True)
    pattern = r"_ZNSt\w*6vectorIi(?:SaIiEE|NS_9allocatorIiEEE)D2\w+"
    (name,) = set(re.findall(pattern, (tmp_path / "ir").read_text()))
    vector = f"noinline<{name}>"  # libstdc++ and libc++ name it each in their way
    sequence = (
        f"noinline<{BOX}C2Ei>", "noinline<_ZN8geometry3BoxIlEC2El>", f"noinline<{BOX}5sidesEi>",
        "noinline<_ZNK8geometry3BoxIiE5countEv>", "noinline<_ZNK8geometry3BoxIiEplERKS1_>", "noinline<plain>",
        "noinline<_ZL6largerIiET_S0_S0_>", "noinline<_ZL6largerIlET_S0_S0_>",
        f"noinline<{BOX}D2Ev>", "noinline<_ZN5PlainD2Ev>", "noinline<_ZZ4mainENK3$_0clEi>",
        vector,
    )  # fmt: skip
    found = timed(toolchain, program, sequence, tmp_path)
    assert set(found.said) == set(sequence[:8])
    assert words(found) == [
        "COLT_NOINLINE explicit Box(T value) : value_(value) {}",
        "COLT_NOINLINE static int sides(int x) { return x * 4; }",
        "COLT_NOINLINE Box operator+(const Box &other) const { return Box(value_ + other.value_); }",
        "template <class T> COLT_NOINLINE int Box<T>::count() const { return static_cast<int>(value_) + 1; }",
        'extern "C" COLT_NOINLINE int plain(int x) { return x - 1; }',
        "COLT_NOINLINE static T larger(T a, T b) {",
    ]
    left = reasons(found)
    assert "stands for other functions" in left[f"noinline<{BOX}D2Ev>"]  # of one instantiation only
    assert "by the compiler" in left["noinline<_ZN5PlainD2Ev>"]
    assert "no source of yours" in left[vector]


@pytest.mark.parametrize(
    "name",
    ["tinylisp", *(pytest.param(name, marks=EXHAUSTIVE) for name in ("regex_vm", "huffman", "raytrace", "shapes_cpp"))],
)
def test_the_share_of_included_programs_is_that_of_a_plain_build(
    toolchain: Toolchain, name: str, tmp_path: Path
) -> None:
    """Patched by patch(1) and built by clang alone; gcc builds it too, and what gcc makes of it does the same."""
    program = copied(load_program(programs_directory() / name), tmp_path)
    baseline = prepare_baseline(toolchain, program, "size")
    catalogue = toolchain_catalogue(toolchain)
    offers = offers_of(toolchain.load(), baseline.bitcodes, ("inline",), catalogue, "").offers
    mine = [offer.name for offer in offers if "alwaysinline" in offer.name and "St" not in offer.name]
    many = len(program.sources) == 1 and not program.is_cxx
    found = annotated(toolchain, program, mine[: 6 if many else 2], tmp_path, reasons=True)
    plain, recipe = (
        size_of(toolchain, program, tmp_path),
        sum(section_sizes(data).loaded_bytes for data in _objects_of(toolchain, program, tmp_path / "r.json")),
    )
    if found.diff:
        apply_patch(found, tmp_path)
        assert "bytes larger without */" in found.diff
    patched = size_of(toolchain, program, tmp_path)
    assert patched == found.figures["size"] <= plain
    assert found.ratio == pytest.approx(plain / patched)
    if recipe < plain:
        assert found.share == pytest.approx(math.log(plain / patched) / math.log(plain / recipe))
    compiler = shutil.which("g++" if program.is_cxx else "gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    sources = [tmp_path / source.name for source in program.sources]
    command = [compiler, "-O1", "-Wall", *program.cflags, *sources, "-o", tmp_path / "by-gcc", *program.ldflags]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "COLT_" not in made.stderr


def _objects_of(toolchain: Toolchain, program: Program, place: Path) -> list[bytes]:
    from colt_llvm.program.recipe import apply_recipe, load_recipe

    return apply_recipe(load_recipe(place), toolchain, program)


def copied(program: Program, folder: Path) -> Program:
    """The program in a folder that may be changed, with its quick workloads alone."""
    here = program.sources[0].parent
    shutil.copytree(here, folder, dirs_exist_ok=True)
    flags = tuple(flag.replace(str(here), str(folder)) for flag in program.cflags)
    sources = tuple(folder / source.relative_to(here) for source in program.sources)
    return replace(program, sources=sources, cflags=flags, workloads=program.workloads[-1:])


def test_write_changes_the_files_and_a_second_time_refuses(
    toolchain: Toolchain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = c_program(tmp_path)
    sequence = ("alwaysinline<clamp>", "noinline<helper>")
    place = saved_recipe(toolchain, program, sequence, tmp_path / "r.json", "runtime")
    (tmp_path / "sum.c").chmod(0o600)
    sources = [str(source) for source in program.sources]
    assert run(["annotate", str(place), *sources, "--time", "1", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["diff"]
    assert not data["written"]
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert run(["annotate", str(place), *sources, "--time", "1", "--write"]) == 0
    assert capfd.readouterr().out == ""
    changed = {str(file) for file, content in before.items() if file.read_bytes() != content}
    assert changed == set(data["files"])
    assert (tmp_path / "sum.c").stat().st_mode & 0o777 == 0o600
    assert run(["annotate", str(place), *sources]) == 7
    assert "has changed since it was tuned" in one_line(capfd)


def one_line(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_bad_input_gives_one_line_that_says_what_to_do(
    toolchain: Toolchain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = c_program(tmp_path)
    place = saved_recipe(toolchain, program, ("noinline<helper>",), tmp_path / "r.json")
    assert run(["annotate", str(tmp_path / "none.json")]) == 7
    assert "name a recipe.json that tune wrote" in one_line(capfd)
    assert run(["annotate", str(place)]) == 2
    assert "name its sources after it" in one_line(capfd)
    assert run(["annotate", str(place), "--args", "3"]) == 2
    assert "--args: goes with sources" in one_line(capfd)
    assert run(["annotate", str(place), str(program.sources[0]), "--time", "0"]) == 2
    assert "use a number above 0" in one_line(capfd)
    lowered = tmp_path / "main.ll"
    subprocess.run([toolchain.clang, "-S", "-emit-llvm", program.sources[0], "-o", lowered], check=True)
    other = replace(program, sources=(lowered,))
    place = saved_recipe(toolchain, replace(other, sources=program.sources), ("gvn",), tmp_path / "r.json")
    assert run(["annotate", str(place), str(lowered)]) == 2
    assert "has no source to annotate" in one_line(capfd)
    (tmp_path / "run.json").write_text(json.dumps({"program": program_to_dict(program)}), encoding="utf-8")
    assert run(["annotate", str(tmp_path / "r.json")]) == 6
    assert "run.json" in one_line(capfd)
