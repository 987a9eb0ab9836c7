"""The proof on projects of other people: what it fetches, builds, compares and says, shown on a made-up project."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.projects import fetch as projects_fetch
from benchmarks.projects import steps as projects_steps
from benchmarks.projects import workspace as projects_workspace
from benchmarks.projects.__main__ import FILE, failures, load, missing_steps
from benchmarks.projects.descriptions import PROJECTS, Project, document, fill, text
from benchmarks.projects.fetch import FetchError, fetch, find_archive, first_reason, source_entries, unpack
from benchmarks.projects.steps import STEPS, Setting, different, proof_of, recipes_used, tune_command
from benchmarks.projects.workspace import StepFailed, Workspace
from benchmarks.report import projects_table
from colt_llvm.core import process
from colt_llvm.core.errors import CommandNotFound, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.llvm.toolchain import Toolchain

TOOLCHAIN = Toolchain(Path("/llvm"), Path("/llvm/clang"), Path("/llvm/clang++"), Path("/llvm/lib"), "22.1.0", "x86_64")

#: "Compiles" by copying, and "runs" by printing a file.
TOY = Project(
    name="toy", kind="compressor", build_system="make", package="toy", folder="inner",
    configure=(("sh", "-c", "echo $CFLAGS {cc} > configured"),),
    build=("sh", "-c", "cp source a.o && cp source program && chmod +x program && echo '{}' >> ${COLT_LOG:-/dev/null}"),
    build_program=("make", "CFLAGS=-Wall {flags}", "program"),
    test=("test", "-f", "program"), clean=("rm", "-f", "a.o"), program="./program",
    run=("./program", "workload/in put.txt"), files=lambda: {"in put.txt": "hello\n"},
)  # fmt: skip


def pack(folder: Path, content: str = '#!/bin/sh\ncat "$1"\n') -> Path:
    source = folder / "toy-1.0" / "inner"
    source.mkdir(parents=True)
    (source / "source").write_text(content)
    archive = folder / "toy_1.0.orig.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source.parent, "toy-1.0")
    return archive


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(projects_workspace, "compilers", lambda _toolchain, wrapped: ("colt-cc",) * 2 if wrapped
                        else ("clang",) * 2)  # fmt: skip
    # The toy's objects are no ELF files.
    monkeypatch.setattr(Workspace, "loaded", Workspace.objects)
    monkeypatch.setattr(Workspace, "loaded_bytes", lambda self: (self.tree / "program").stat().st_size)
    return Setting(TOY, pack(tmp_path), tmp_path / "toy", TOOLCHAIN, 30.0)


def changed(setting: Setting, **changes: Any) -> Setting:
    return replace(setting, project=replace(setting.project, **changes))


# Inputs


def test_inputs_are_the_same_bytes_everywhere() -> None:
    made = (text(1, 2000) + document(3, 20)).encode()
    assert hashlib.sha256(made).hexdigest() == "0713288abf1e62add67b0ffbf738c236cec834321a8692478a890a045fc6b0ba"


def test_the_document_is_well_formed() -> None:
    items = ElementTree.fromstring(document(3, 50)).findall("item")
    assert [item.get("id") for item in items] == [f"i{number}" for number in range(50)]
    assert "A & B" in (items[0].text or "")


# The list


def test_a_level_takes_the_place_of_flags_and_without_one_the_projects_own_are_kept() -> None:
    command = ("make", "CC={cc}", "CXX={cxx}", "CFLAGS=-Wall {flags}", "prog")
    assert fill(command, "a", "b", "-Oz") == ("make", "CC=a", "CXX=b", "CFLAGS=-Wall -Oz", "prog")
    assert fill(command, "a", "b", None) == ("make", "CC=a", "CXX=b", "prog")


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_every_project_is_built_by_the_compiler_that_is_given(project: Project) -> None:
    commands = [*project.configure, project.build, project.build_program, project.test, project.clean]
    filled = [fill(command, "CC!", "CXX!", "-Oz") for command in commands]
    assert not [word for command in filled for word in command if "{" in word]
    assert any("CC!" in word for command in filled[: len(project.configure) + 1] for word in command)
    assert any("-Oz" in word for command in filled[: len(project.configure) + 1] for word in command)
    assert project.run[0] == project.program


def test_the_projects_are_of_four_kinds_and_three_build_systems() -> None:
    assert len({project.kind for project in PROJECTS}) == 4
    assert len({project.build_system for project in PROJECTS}) == 3


# Fetching


def test_sources_come_from_the_archives_that_packages_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.gpg"
    key.touch()
    monkeypatch.setattr(projects_fetch, "_KEYS", {"Debian": key, "Ubuntu": tmp_path / "none.gpg"})
    lines = [
        "Debian|$(SIGNED_BY)|scheme://one/debian/|stable|main",
        "Debian|/own/key.gpg|scheme://one/debian/|stable-updates|main",
        "Ubuntu|$(SIGNED_BY)|scheme://two/|noble|universe",
        "somebody|/k.gpg|scheme://three/|nodistro|main",
    ]
    assert source_entries("\n".join([*lines, lines[0]]) + "\n") == [
        "deb-src [signed-by=/own/key.gpg] scheme://one/debian/ stable-updates main",
        f"deb-src [signed-by={key}] scheme://one/debian/ stable main",
        "deb-src scheme://two/ noble universe",
    ]


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda *_words, **_more: pytest.fail("apt-get was called"))
    for name in ("toy_1.0.orig.tar.xz", "toy_1.0.orig.tar.xz.asc", "toybox_2.orig.tar.gz", "toy_1.0-1.debian.tar.xz"):
        (tmp_path / name).touch()
    assert fetch(["toy"], tmp_path) == {"toy": tmp_path / "toy_1.0.orig.tar.xz"}
    assert find_archive("box", tmp_path) is None


@pytest.mark.parametrize("missing", [True, False])
def test_without_apt_or_network_one_line_says_what_to_do(
    missing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: Sequence[str], **_more: Any) -> process.Completed:
        if missing:
            raise CommandNotFound("apt-get: not found; install it or give its full path")
        if "indextargets" in argv:
            return process.Completed((), 0, b"Debian|/k|scheme://one/|stable|main\n", b"", 0, 0, 0, 0)
        return process.Completed((), 100, b"", b"E: Could not resolve\nE: more\n", 0, 0, 0, 0)

    monkeypatch.setattr(process, "run", run)
    with pytest.raises(FetchError) as caught:
        fetch(["toy"], tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert ("apt-get: not found" if missing else "Could not resolve") in message
    assert f"put toy_VERSION.orig.tar.gz into {tmp_path}" in message


def test_the_reason_is_told_without_addresses() -> None:
    assert (
        first_reason("noise\nW: Failed to fetch scheme://host/path  Timeout\nE: later\n") == "Failed to fetch Timeout"
    )
    assert first_reason("noise\n") == ""


def test_each_copy_is_fresh_and_keeps_the_times_of_files(tmp_path: Path) -> None:
    archive, place = pack(tmp_path), tmp_path / "copy"
    before = (tmp_path / "toy-1.0" / "inner" / "source").stat().st_mtime
    top = unpack(archive, place)
    (top / "left over").touch()
    top = unpack(archive, place)
    assert [path.name for path in top.iterdir()] == ["inner"]
    assert int((top / "inner" / "source").stat().st_mtime) == int(before)
    archive.write_bytes(b"not an archive")
    with pytest.raises(FetchError, match="delete the file"):
        unpack(archive, place)


# One copy


def test_flags_of_the_surroundings_do_not_reach_the_build(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O1")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    work = setting.workspace(wrapped=True)
    work.configure()
    assert (work.tree / "configured").read_text() == "colt-cc\n"


def test_a_failing_command_is_named_with_what_it_said_last(setting: Setting) -> None:
    test = ("sh", "-c", "echo first >&2; echo wrong result >&2; exit 3")
    with pytest.raises(StepFailed, match=r"^toy: sh -c .*: exit status 3 \(wrong result\); see \S+failed\.txt$"):
        projects_steps.plain(changed(setting, test=test), {})
    assert "first\nwrong result\n" in (setting.folder / "failed.txt").read_text()


def test_a_clean_that_leaves_objects_is_refused(setting: Setting) -> None:
    work = changed(setting, clean=("true",)).workspace(wrapped=False)
    work.build()
    with pytest.raises(StepFailed, match=r"a\.o is there after cleaning"):
        work.clean()


# The steps


def test_the_plain_build_is_what_the_wrapped_one_is_held_against(setting: Setting) -> None:
    plain = projects_steps.plain(setting, {})
    assert list(plain["objects"]) == ["a.o"]
    assert plain["unstable"] == []
    assert plain["output"] == hashlib.sha256(b"hello\n").hexdigest()
    wrapped = projects_steps.wrapped(setting, {"plain": plain})
    assert wrapped == {"objects": 1, "different": [], "same_loaded": [], "commands": 1, "recipes_used": 0}
    other = changed(setting, build=("sh", "-c", "echo other > a.o; cp source program; chmod +x program"))
    assert projects_steps.wrapped(other, {"plain": plain})["different"] == ["a.o"]


def test_only_an_object_that_plain_builds_vary_too_may_differ_in_debug_information(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace, "loaded", lambda _self: {"a.o": "the same code"})
    dated = ("sh", "-c", "cat /proc/sys/kernel/random/uuid > a.o; cp source program; chmod +x program")
    plain = projects_steps.plain(changed(setting, build=dated), {})
    assert plain["unstable"] == ["a.o"]
    result = projects_steps.wrapped(changed(setting, build=dated), {"plain": plain})
    assert (result["different"], result["same_loaded"]) == ([], ["a.o"])
    result = projects_steps.wrapped(changed(setting, build=dated), {"plain": plain | {"unstable": []}})
    assert (result["different"], result["same_loaded"]) == (["a.o"], [])
    result = projects_steps.wrapped(changed(setting, build=dated), {"plain": plain | {"loaded": {"a.o": "other code"}}})
    assert (result["different"], result["same_loaded"]) == (["a.o"], [])


def test_a_step_needs_the_one_before(setting: Setting) -> None:
    for earlier in ({}, {"plain": {"error": "x"}}):
        with pytest.raises(StepFailed, match="run that first"):
            projects_steps.wrapped(setting, earlier)


PROOF = {"verdict": "improved", "ratio": 1.0213, "interval": [1.01, 1.03], "units_tuned": ["a.c"], "units": 3}


def test_a_tuned_project_is_built_twice_more_and_verified_by_its_output(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects_steps, "tune", lambda *_given: PROOF)
    plain = projects_steps.plain(setting, {})
    build = (
        "sh", "-c", "cp source program && chmod +x program && echo ${COLT_DISABLE:-tuned} > a.o && "
        """echo '{"recipe": "a.json", "note": ""}' >> ${COLT_LOG:-/dev/null}""",
    )  # fmt: skip
    result = projects_steps.size(changed(setting, build=build), {"plain": plain})
    assert (result["proof"], result["recipes_used"], result["objects_tuned"]) == (PROOF, 1, 1)
    assert result["rebuild_same"]
    varying = ("sh", "-c", "cat /proc/sys/kernel/random/uuid > a.o; cp source program; chmod +x program")
    assert not projects_steps.size(changed(setting, build=varying), {"plain": plain})["rebuild_same"]
    wrong = ("sh", "-c", "touch a.o; printf '#!/bin/sh\necho no\n' > program; chmod +x program")
    with pytest.raises(StepFailed, match="output is not that of the plain one"):
        projects_steps.runtime(changed(setting, build=wrong), {"plain": plain})


def test_tune_is_called_as_a_user_would_with_the_words_of_the_project(setting: Setting) -> None:
    given = changed(setting, outputs=("out/a.txt",))
    argv = tune_command(given.workspace(wrapped=True, flags="-Oz"), "size", 30.0, Path("/runs"))
    assert argv[3:] == [
        "tune", "--build", "make 'CFLAGS=-Wall -Oz' program", "--run", "./program 'workload/in put.txt'",
        "--output-file", "out/a.txt", "--objective", "size", "--time", "30", "--seed", "1", "--run-dir", "/runs",
        "--json",
    ]  # fmt: skip


def test_the_proof_is_read_from_the_result_of_a_project() -> None:
    result = {
        "verdict": "improved", "ratio": 1.02, "interval": {"ratio": 1.02, "low": 1.01, "high": 1.03, "rounds": 9},
        "figures": {"runtime": [1.0, 0.98]}, "units_of_program": 3, "elapsed_seconds": 50.0,
        "units": [{"source": "a.c", "outcome": "improved"}, {"source": "b.c", "outcome": "no improvement found"}],
    }  # fmt: skip
    proof = proof_of(result)
    assert (proof["interval"], proof["units_tuned"], proof["units"]) == ([1.01, 1.03], ["a.c"], 3)
    assert proof_of(result | {"interval": None})["interval"] is None
    with pytest.raises(KeyError):
        proof_of({"verdict": "improved"})


def test_names_that_only_one_side_has_are_different() -> None:
    assert different({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "x", "d": "4"}) == ["b", "c", "d"]


def test_a_log_says_how_often_a_recipe_was_used() -> None:
    assert recipes_used([{"recipe": "a.json"}, {"recipe": ""}, {"recipe": None}, {}]) == 1


# Results


def test_a_run_goes_on_with_what_is_missing_or_failed() -> None:
    known = {"plain": {"objects": {}}, "size": {"error": "x"}}
    assert missing_steps(known, tuple(STEPS)) == ["wrapped", "size", "runtime"]
    assert missing_steps(known, ("runtime", "plain")) == ["runtime"]


def test_results_of_two_llvms_are_not_mixed(tmp_path: Path) -> None:
    assert load(tmp_path, TOOLCHAIN)["projects"] == {}
    write_json(tmp_path / FILE, {"llvm": "19.1.0", "projects": {}})
    with pytest.raises(UsageError, match=r"LLVM 19\.1\.0; use another --results folder for 22\.1\.0"):
        load(tmp_path, TOOLCHAIN)
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(UsageError, match="delete it"):
        load(tmp_path, TOOLCHAIN)


def state(**steps: Any) -> dict[str, Any]:
    entry = {"version": "1.0", "kind": "parser", "build_system": "make", "sha256": "", "steps": steps}
    return {
        "date": "2026-01-02", "host": {"cpu": "a cpu", "cores": 2}, "llvm": "22.1.0", "projects": {"toy": entry}
    }  # fmt: skip


TUNED = {"proof": PROOF, "recipes_used": 2, "rebuild_same": True, "objects": 9, "program_bytes": [100, 90]}
WRAPPED = {"objects": 9, "different": [], "same_loaded": ["a.o"]}


def test_what_does_not_hold_is_a_failure_of_the_run() -> None:
    assert failures(state(plain={"run_seconds": 0.5}, wrapped=WRAPPED, size=TUNED)) == []
    kept = TUNED | {"recipes_used": 0, "proof": PROOF | {"verdict": "no improvement found"}}
    assert failures(state(size=kept)) == []
    found = failures(
        state(plain={"error": "no make"}, wrapped=WRAPPED | {"different": ["b.o"]},
              size=TUNED | {"rebuild_same": False}, runtime=TUNED | {"recipes_used": 0})
    )  # fmt: skip
    assert [line.split(":")[0] for line in found] == ["toy, plain", "toy, wrapped", "toy, size", "toy, runtime"]


def test_the_table_says_what_was_measured_and_what_failed() -> None:
    old = {"claim" if name == "proof" else name: value for name, value in TUNED.items()}
    assert projects_table(state(size=old)) == projects_table(state(size=TUNED))
    kept = TUNED | {"proof": PROOF | {"verdict": "no improvement found", "interval": None}}
    table = projects_table(state(plain={"run_seconds": 0.25}, wrapped=WRAPPED, size=TUNED, runtime=kept))
    assert (
        "| toy 1.0 | parser, make | passed in 4 of 4 steps | 8 of 9, and 1 but for a build date | 0.25 s | "
        "1.0213 (1.010 to 1.030), 1 of 3 units | kept | 2, 2 | same bytes |" in table
    )
    table = projects_table(state(plain={"run_seconds": 0.25}, size={"error": "toy: make: exit status 2"}))
    assert "| passed in 1 of 2 steps |" in table
    assert "| failed |" in table
    assert "- toy, size: toy: make: exit status 2" in table
    assert "DIFFERENT" in projects_table(state(size=TUNED | {"rebuild_same": False}))


def test_the_table_of_nothing_says_so() -> None:
    assert "Not measured." in projects_table(None)
