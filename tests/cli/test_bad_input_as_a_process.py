"""Bad input given to ``colt-llvm`` as a process of its own: one line, the promised exit status, nothing left behind.

What can be told without a process of its own stands in test_bad_input and test_refusals.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shells import QUICK, Shell, sound_recipe, tune

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return sound_recipe(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system with so many KiB."""
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        place = tmp_path / "small"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", place], capture_output=True)
        if done.returncode:
            pytest.skip("this user may mount nothing")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


# --- the toolchain


def test_a_prefix_without_a_clang_that_fits(shell: Shell, tmp_path: Path) -> None:
    prefix = tmp_path / "llvm"
    prefix.mkdir()
    for command in (["passes"], tune("good.c")):
        assert "--llvm-prefix takes a folder such as /usr/lib" in shell.refused(3, *command, "--llvm-prefix", prefix)
    clang = prefix / "bin" / "clang"
    clang.parent.mkdir()
    clang.write_text("#!/bin/sh\necho clang version 14.0.6\necho Target: x86_64-pc-linux-gnu\n")
    assert "check its permissions" in shell.refused(3, "passes", "--llvm-prefix", prefix)
    clang.chmod(0o755)
    assert "is version 14.0.6; use LLVM 16 to 23" in shell.refused(3, "passes", "--llvm-prefix", prefix)


def test_the_doctor_without_a_toolchain(shell: Shell) -> None:
    status, out, err = shell.run("doctor", "--quick", "--llvm-prefix", shell.folder)
    assert (status, err) == (3, "")
    assert "FAIL toolchain\n     -> " in out
    assert "holds no bin/clang; --llvm-prefix takes a folder" in out


@pytest.mark.slow
def test_the_doctor_with_one(shell: Shell) -> None:
    status, out, err = shell.run("doctor", "--quick")
    assert (status, err) == (0, "")
    assert "FAIL" not in out
    assert "the CompilerGym environment answers" in out


# --- where things are written


def give_up_power() -> None:
    """Permissions are for this process too, even if it is the superuser's."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_folders_that_cannot_be_written(shell: Shell) -> None:
    closed = shell.folder / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    said = shell.refused(6, *tune("good.c", "-o", "closed/out"), preexec_fn=give_up_power)
    assert said == "colt-llvm: -o closed/out: its folder cannot be written (Permission denied); choose another place"
    said = shell.refused(6, *tune("good.c", "--run-dir", "closed/run"), preexec_fn=give_up_power)
    assert said.endswith("Permission denied; free some space, or choose a folder that can be written")


def test_a_disk_that_is_full_in_the_midst_of_a_run(shell: Shell, small_disk: Callable[[int], Path]) -> None:
    run = small_disk(24) / "run"
    trials = ("--objective", "size", "--workers", "1", "--json")
    said = shell.refused(6, "tune", "good.c", *trials, "--trials", "500", "--run-dir", run)
    assert said.endswith("run: No space left on device; free some space, or choose a folder that can be written")
    kept = (run / "trials.jsonl").read_bytes().rpartition(b"\n")[0].splitlines()
    assert len(kept) > 5
    assert [json.loads(line)["request"]["id"] for line in kept] == list(range(len(kept)))
    saved = shutil.copytree(run, shell.folder / "saved")
    status, out, err = shell.run("tune", "--resume", saved, "--trials", str(len(kept) + 1), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["trials"] == len(kept) + 1
    assert (saved / "trials.jsonl").read_bytes().splitlines()[: len(kept)] == kept


def test_a_disk_that_has_no_room_for_anything(shell: Shell, small_disk: Callable[[int], Path], recipe: Path) -> None:
    disk = small_disk(4)
    (disk / "out").write_text("old")  # takes all of it
    said = shell.refused(6, "apply", recipe, "good.c", "-o", disk / "out")
    assert said.endswith("out: cannot be written (No space left on device); choose another place with -o")
    assert {path.name: path.read_text() for path in disk.iterdir()} == {"out": "old"}
    said = shell.refused(6, *tune("good.c", "--run-dir", disk / "run"))
    assert "No space left on device; free some space" in said
    assert [path for path in disk.rglob("*") if path.is_file()] == [disk / "out"]


def test_no_room_for_temporary_files(shell: Shell, small_disk: Callable[[int], Path]) -> None:
    shell.temporary = small_disk(12)
    assert "the disk is full; free some space, or set TMPDIR" in shell.refused(6, *tune("good.c"))


# --- whoever reads the output


def test_passes_can_be_searched_and_read_as_json(shell: Shell) -> None:
    status, out, err = shell.run("passes", "--search", "unroll")
    assert status == 0
    assert all("unroll" in line.lower() for line in out.splitlines())
    assert err.startswith(f"{len(out.splitlines())} actions of ")
    status, out, err = shell.run("passes", "--search", "unroll", "--json")
    assert (status, err) == (0, "")
    assert "loop-unroll" in [action["name"] for action in json.loads(out)]
    status, out, err = shell.run("passes", "--search", "no such word", "--json")
    assert (status, json.loads(out), err) == (0, [], "")


@pytest.mark.parametrize("arguments", [["--help"], ["programs"], ["passes"], ["passes", "--json"]])
def test_a_reader_that_reads_nothing(shell: Shell, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    status, _, err = shell.run(*arguments, stdout=writing)
    os.close(writing)
    assert (status, err) == (0, "")


def test_a_reader_that_has_seen_enough(shell: Shell) -> None:
    """As with ``colt-llvm tune 2>&1 | head -1``: the run goes on, and is there at its end."""
    run = ("tune", *QUICK[:-1], "good.c")
    with shell.start(*run, "--run-dir", "run", stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "good: size: building the baseline\n"
        child.stdout.close()
        assert child.wait(timeout=120) == 0
    shell.assert_tidy(child.pid)
    assert json.loads((shell.folder / "run" / "result.json").read_text())["trials"] == 2


def test_nobody_to_hear_what_is_wrong(shell: Shell) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with shell.start("tune", "gone.c", stdout=writing, stderr=writing) as child:
        assert child.wait(timeout=60) == 2
    os.close(writing)


def test_output_to_a_full_disk(shell: Shell) -> None:
    with open("/dev/full", "w") as full:
        status, _, err = shell.run("passes", stdout=full)
    assert status == 6
    assert err.startswith("colt-llvm: No space left on device; free some space")
    assert err.count("\n") == 1
