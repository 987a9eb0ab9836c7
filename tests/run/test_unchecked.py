"""A library without main: nothing of it is run, a test command says whether it is right, or everything says that
nobody checked it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_other_processors import skip_without

from colt_llvm.cli.main import run
from colt_llvm.core.errors import NotRepeatable, PassError, ProgramError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.evaluate.unrun import ObjectVerifier, verifier_of
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.explain.guard import guard
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import program_from_files
from colt_llvm.program.recipe import load_recipe
from colt_llvm.run.tuner import tune

pytestmark = pytest.mark.llvm

SOURCE = """
static int mix(int a, int b) { return (a * 31 + b) ^ (a >> 3); }
int walk(const int *values, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum = mix(sum, values[i] % 7 == 3 ? values[i] * values[i] : values[i] >> 1);
    return sum;
}
int both(const int *values, int count) { return walk(values, count) + mix(walk(values, count / 2), count); }
"""
DRIVER = "int walk(const int *, int); int main(void) { int v[3] = {3, 10, 8}; return walk(v, 3) != 11749; }\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    source = tmp_path / "lib.c"
    source.write_text(SOURCE)
    return source


def script(library: Path, text: str) -> str:
    """A test command beside the library."""
    file = library.parent / "test.sh"
    file.write_text(text)
    return f"sh {file}"


def options(**given: object) -> TuneOptions:
    return TuneOptions(objective="size", trials=4, workers=1, scopes=("passes", "module"), **given)  # type: ignore[arg-type]


def test_all_that_is_left_behind_says_not_checked(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skip_without("riscv32-unknown-elf")
    folder, output = library.parent / "run", library.parent / "lib.o"
    command = ["tune", str(library), "--unchecked", "--objective", "size", "--trials", "4", "--workers", "1"]
    command += ["--scopes", "passes,module", "--target", "riscv32-unknown-elf"]
    assert run([*command, "--run-dir", str(folder), "-o", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "lib: improved, not checked" in shown
    assert shown.splitlines()[-1] == "not checked: nothing of it was run; test it before you ship it"
    result = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "improved, not checked"
    recipe = load_recipe(folder / "recipe.json")
    assert recipe.triple == "riscv32-unknown-elf"
    assert recipe.evidence["compared"]["text"] == "not checked: nothing of it was run"
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    baseline = result["figures"]["size"][0]
    smaller = [trial for trial in trials if trial["outcome"]["figures"].get("size", baseline) < baseline]
    assert smaller
    assert not any(trial["checked"] for trial in smaller)
    assert (loaded_digest(output.read_bytes()),) == recipe.objects
    assert run(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "not checked: nothing of it was run" in page
    assert "did the same" not in page
    found = guard(folder, find_toolchain())
    assert (found.state, found.detail) == ("kept", "not checked: nothing of it was run")


def test_a_test_command_checks_the_objects(library: Path) -> None:
    (library.parent / "driver.c").write_text(DRIVER)
    clang = find_toolchain().clang
    test = script(library, f"set -e; cd {library.parent}\n{clang} driver.c $COLT_OBJECTS/lib.o -o driver; ./driver\n"
                  "basename $COLT_OBJECTS >> seen\n")  # fmt: skip
    program = program_from_files([library])
    found = tune(program, find_toolchain(), options(test=tuple(test.split())), run_directory=library.parent / "run")
    assert found.verdict == "improved"
    assert found.compared.text == f"checked by --test {test} alone"
    seen = (library.parent / "seen").read_text().split()
    assert seen[0] == "baseline"
    assert seen[-1].startswith("finalist-0")


def test_a_candidate_is_blamed_only_where_the_test_still_succeeds_with_the_baseline(library: Path) -> None:
    good = script(library, 'case "$COLT_OBJECTS" in */baseline) ;; *) echo "sum is 7" >&2; exit 3 ;; esac\n')
    target = prepare_target(find_toolchain(), program_from_files([library]), options(test=tuple(good.split())))
    verifier = verifier_of(target)
    assert isinstance(verifier, ObjectVerifier)
    try:
        candidate = verifier.link(target.baseline.objects, "candidate")
        assert [path.name for path in candidate.iterdir()] == ["lib.o"]
        assert verifier.check(candidate, thorough=False) is False
        with pytest.raises(Miscompiled, match=r"fails with exit status 3 \(sum is 7\)"):
            verifier.check(candidate, thorough=True)
        script(library, "exit 1\n")
        with pytest.raises(NotRepeatable, match="succeeds and fails with the same objects"):
            verifier.check(candidate, thorough=True)
        verifier.discard(candidate)
        assert not candidate.exists()
    finally:
        verifier.close()


def test_a_test_that_fails_with_the_baseline_ends_the_run(library: Path) -> None:
    program, bad = program_from_files([library]), script(library, "echo no compiler >&2; exit 1")
    with pytest.raises(ProgramError, match=r"with the baseline's objects it fails with exit status 1 \(no compiler\)"):
        verifier_of(prepare_target(find_toolchain(), program, options(test=tuple(bad.split()))))
    with pytest.raises(UsageError, match="--test: "):
        verifier_of(prepare_target(find_toolchain(), program, options(test=("./none",))))


def test_what_is_not_checked_takes_no_pass_with_a_risk(library: Path) -> None:
    program = program_from_files([library])
    drawn = prepare_target(find_toolchain(), program, options(unchecked=True)).catalogue
    assert not any(action.risk for action in drawn.actions)
    known = prepare_target(find_toolchain(), program, options(risky=True, test=("true",))).catalogue
    assert any(action.risk for action in known.actions)


def test_a_pipeline_that_leaves_a_broken_module_gives_no_object(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier runs after each pipeline, in the process that applies it."""
    target = prepare_target(find_toolchain(), program_from_files([library]), options(unchecked=True))

    def breaks(module: Module, *_: object) -> None:
        call = module.library.call
        call.LLVMSetLinkage(call.LLVMGetNamedFunction(module.handle, b"walk"), 14)  # common: for variables alone

    with Module.parse(target.toolchain.load(), target.baseline.bitcodes[0]) as module:
        monkeypatch.setattr(Module, "_run_passes", breaks)
        with pytest.raises(PassError, match="leaves a broken module"):
            module.run("licm")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unchecked", "--objective", "runtime"], "--unchecked: nothing is run, so no run time is known; use --obj"),
        (["--test", "true", "--objective", "balanced"], "--test: nothing is run, so no run time is known"),
        (["--unchecked", "--args", "3"], "--unchecked: PROGRAM is not run; leave out --args"),
        (["--unchecked", "--risky", "--objective", "size"], "takes no pass that may break programs"),
        (
            ["--unchecked", "-o", "lib", "--objective", "size"],
            "-o lib: nothing is linked; name an object, such as lib.o",
        ),
        (["--test", "true > x"], "> needs a shell, and none is used; write a script, and name that"),
        ([], "or tune the objects alone with --test COMMAND or --unchecked"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    library: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(library.parent)
    assert run(["tune", "lib.c", "--trials", "1", *arguments]) in (2, 4)
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("colt-llvm: ") or arguments == []
