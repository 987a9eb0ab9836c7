"""Do two versions of this project search alike? ``python -m benchmarks.same_as_before OLD NEW``, two checkouts.

Each runs ``colt-llvm tune`` with one worker on the same programs, objectives without noise and seeds. Compared are
sequence, key of the object, reward and failure, line by line of trials.jsonl, and the recipe's objects.
A checkout has an environment of its own, ``CHECKOUT/.venv``, and no changes that are not committed.

Results are kept by commit, so the same folder goes on where it ended, and what an old version did is run once. The
programs are copied into the folder: the key of IR holds the path of the source.

What two versions do by right in different ways, and is left out here: versions without ``--scopes`` know passes alone,
so newer ones get ``--scopes passes``; from 5170565 until 436e53f a search drew a random number for decisions also where
it had none, so that from its first refined proposal on it differs from those before and after.
What a recipe's sequence can do without is left out of it for some seconds only, so on a busy machine the recipes of
one version too differ in sequence, never in objects. A pass at its limit of time shows as a difference.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

import click

from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import programs_directory

#: Small ones of different kinds: train and held-out, C and C++.
PROGRAMS = ("lz77", "crc_adler", "sorting", "matmul", "bytecode_vm", "json", "hashmap_cpp", "queens")
OBJECTIVES = ("instructions", "size")
_FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)
_CHECKOUT = click.Path(path_type=Path, file_okay=False, exists=True)

Values = dict[str, Any]


class Version:
    """One checkout. name: of its commit."""

    def __init__(self, checkout: Path) -> None:
        self._python = checkout.absolute() / ".venv" / "bin" / "python"
        if not self._python.exists():
            raise click.UsageError(f"{checkout}: has no .venv; run make setup there")
        if _output("git", "-C", str(checkout), "status", "--porcelain", "--untracked-files=no"):
            raise click.UsageError(f"{checkout}: has changes that are not committed; results are kept by commit")
        self.name = _output("git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD").strip()
        shown = "".join(_output(*self._command(word), cwd=checkout) for word in ("--help", "--help-all"))
        self._scopes = ["--scopes", "passes"] if "--scopes" in shown else []

    def _command(self, *words: str) -> list[str]:
        return [str(self._python), "-m", "colt_llvm.cli.main", "tune", *words]

    def run(self, program: Path, objective: str, seed: int, trials: int, run: Path, prefix: Path) -> None:
        """Tune, where ``run`` holds no result yet. Ends the script where that fails."""
        if (run / "result.json").exists():
            return
        shutil.rmtree(run, ignore_errors=True)
        run.parent.mkdir(parents=True, exist_ok=True)
        command = self._command(
            str(program), "--objective", objective, "--seed", str(seed), "--trials", str(trials), "--workers", "1",
            "--run-dir", str(run), "-o", str(run.with_suffix(".out")), "--llvm-prefix", str(prefix), *self._scopes,
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=run.parent)
        if done.returncode not in (0, 1):
            raise click.ClickException(f"{self.name}: {' '.join(command)} failed:\n{done.stderr}")


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd).stdout


def trials_of(run: Path) -> Iterator[Values]:
    """What was tried, in order: sequence, key, reward and failure of each line of trials.jsonl."""
    for line in (run / "trials.jsonl").read_text(encoding="utf-8").splitlines():
        trial = json.loads(line)
        yield {
            "sequence": [*trial["request"]["sequence"], *trial["proposal"]["passes"]],
            **{name: trial["outcome"][name] for name in ("key", "reward", "failure")},
        }


def objects_of(run: Path) -> Values:
    """Digests of what the recipe gives; none where nothing better was found, and so no recipe written."""
    file = run / "recipe.json"
    return {"objects": json.loads(file.read_text(encoding="utf-8"))["objects"] if file.exists() else None}


def differences(old: Path, new: Path) -> tuple[int, list[str]]:
    """Of two runs: how many lines and recipes are equal, and what is not."""
    nothing: Values = {}
    pairs = [*zip_longest(trials_of(old), trials_of(new), fillvalue=nothing), (objects_of(old), objects_of(new))]
    found = []
    for number, (one, other) in enumerate(pairs):
        what = "recipe" if number == len(pairs) - 1 else f"trial {number}"
        unequal = [name for name in {**one, **other} if one.get(name) != other.get(name)]
        if unequal:
            found.append("; ".join(f"{what}, {name}: {one.get(name)} and {other.get(name)}" for name in unequal))
    return len(pairs) - len(found), found


@click.command()
@click.argument("old", type=_CHECKOUT)
@click.argument("new", type=_CHECKOUT)
@click.option("--programs", default=",".join(PROGRAMS), show_default=True, metavar="LIST")
@click.option("--trials", default=100, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Seeds 1 to N.")
@click.option("--folder", type=_FOLDER, default=Path("bench-results/same-as-before"), show_default=True)
@click.option("--llvm-prefix", type=_FOLDER, help="Default: the LLVM that this checkout finds.")
def main(old: Path, new: Path, folder: Path, trials: int, **given: Any) -> None:
    """Run what is missing in both checkouts, and compare. Ends with 1 where anything differs."""
    prefix = given["llvm_prefix"] or find_toolchain().prefix
    versions = Version(old), Version(new)
    equal, first, different = 0, "", 0
    for name, objective, seed in product(given["programs"].split(","), OBJECTIVES, range(1, given["seeds"] + 1)):
        program = folder / "programs" / name
        if not program.exists():
            shutil.copytree(programs_directory() / name, program)
        cell = f"{name}-{objective}-{trials}-{seed}"
        runs = [folder / version.name / cell for version in versions]
        for version, run in zip(versions, runs, strict=True):
            version.run(program, objective, seed, trials, run, prefix)
        same, found = differences(*runs)
        equal, different = equal + same, different + len(found)
        first = first or (f"{cell}, {found[0]}" if found else "")
        click.echo(f"{cell}: {same} equal, {len(found)} different")
    click.echo(f"{versions[0].name} and {versions[1].name}: {equal} lines and recipes equal, {different} different")
    if first:
        click.echo(f"first difference: {first}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
