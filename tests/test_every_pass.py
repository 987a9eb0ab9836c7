"""Every action of the catalogue on programs of every kind, with each LLVM that is installed.

Each program is handled by a child process, which runs the passes in-process one after another and says
before each one what it begins. So a crash or an endless pass is reported with its name, and costs only itself: the
next child goes on behind it.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from colt_llvm.core.errors import ColtError, PipelineSyntaxError  # noqa: E402
from colt_llvm.llvm.library import Library  # noqa: E402
from colt_llvm.llvm.module import Module, TargetMachine  # noqa: E402

PASS_SECONDS = 20.0
MAJORS = (23, 22, 19, 16)
#: By default one source in so many, with the newest libraries, so that a run of all tests stays short.
ONE_IN = 6


@dataclass(frozen=True)
class Outcome:
    """What one pipeline did: "" or the reason of its failure, and the time it took."""

    pipeline: str
    failure: str
    rejected: bool
    seconds: float


# ----------------------------------------------------------------------------------------------------- in the child


def work() -> None:
    """Read one job from standard input; run each pipeline on a fresh copy of the module."""
    job = json.load(sys.stdin)
    # What LLVM prints must not mix with what we print.
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    library = Library.load(job["library"])
    bitcode = Path(job["bitcode"]).read_bytes()
    with Module.parse(library, bitcode) as module:
        target = TargetMachine(library, module.triple, 3)
    for pipeline in job["pipelines"]:
        print(json.dumps({"begin": pipeline}), file=output, flush=True)
        started, failure, rejected = time.monotonic(), "", False
        try:
            with Module.parse(library, bitcode) as module:
                module.run(pipeline, target)
        except ColtError as error:
            failure, rejected = str(error), isinstance(error, PipelineSyntaxError)
        seconds = time.monotonic() - started
        print(json.dumps({"failure": failure, "rejected": rejected, "seconds": seconds}), file=output, flush=True)


# ---------------------------------------------------------------------------------------------------- in the parent


def run_all(library: Path, bitcode: Path, pipelines: list[str]) -> list[Outcome]:
    """Run each pipeline on its own. A child that dies or hangs is replaced by one that goes on behind it."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(pipelines):
        before = len(outcomes)
        outcomes.extend(one_child(library, bitcode, pipelines[before:]))
        assert len(outcomes) > before, "the child does not even start"
    return outcomes


def one_child(library: Path, bitcode: Path, pipelines: list[str]) -> Iterator[Outcome]:
    job = json.dumps({"library": str(library), "bitcode": str(bitcode), "pipelines": pipelines})
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True, start_new_session=True,
        )  # fmt: skip
        assert child.stdin
        assert child.stdout
        try:
            child.stdin.write(job)
            child.stdin.close()
            current = None
            for line in lines(child.stdout.fileno(), PASS_SECONDS):
                if line is None:
                    yield Outcome(str(current), f"no end in {PASS_SECONDS:g} s", False, PASS_SECONDS)
                    return
                message: dict[str, Any] = json.loads(line)
                if "begin" in message:
                    current = message["begin"]
                else:
                    yield Outcome(str(current), message["failure"], message["rejected"], message["seconds"])
                    current = None
            if current is not None:
                status = child.wait()
                errors.seek(0)
                text = errors.read().strip().splitlines()
                yield Outcome(current, f"the process ends with {status}: {text[0] if text else ''}", False, 0.0)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def lines(descriptor: int, seconds: float) -> Iterator[str | None]:
    """The lines that a pipe delivers, and None when nothing came for so long."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(seconds):
                yield None
                return
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *complete, rest = (rest + data).split(b"\n")
            yield from (line.decode() for line in complete)


if __name__ == "__main__":
    work()
    sys.exit()

import pytest  # noqa: E402

from colt_llvm.llvm.catalogue import Catalogue, catalogue_directory, load_catalogue, read_passes  # noqa: E402
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains  # noqa: E402

pytestmark = pytest.mark.llvm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def toolchains() -> dict[int, Toolchain]:
    return {toolchain.major: toolchain for toolchain in installed_toolchains()}


def toolchain_or_skip(major: int) -> Toolchain:
    if major not in toolchains():
        pytest.skip(f"LLVM {major} is not installed")
    return toolchains()[major]


def bitcode_of(toolchain: Toolchain, source: Path, flags: list[str], result: Path) -> Path:
    compiler = toolchain.compiler(source.suffix in (".cc", ".cpp", ".cxx"))
    fixed = ["-O3", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c"]
    argv = [str(compiler), *flags, *fixed, str(source), "-o", str(result)]
    subprocess.run(argv, check=True, timeout=120, capture_output=True)
    return result


def all_bitcodes(toolchain: Toolchain, scratch: Path, one_in: int) -> dict[str, Path]:
    sources = []
    for path in sorted((ROOT / "programs").glob("*/program.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        sources += [(path.parent / source, table.get("cflags", [])) for source in table["sources"]]
    if one_in > 1:  # a file with the standard library in it takes as long as thirty others
        sources = [item for item in sources if item[0].suffix == ".c" or item[0].parent.name == "shapes_cpp"]
    found = {}
    for source, flags in sources[::one_in]:
        name = f"{source.parent.name}/{source.name}"
        found[name] = bitcode_of(toolchain, source, flags, scratch / (name.replace("/", "_") + ".bc"))
    return found


def adapted_catalogue(toolchain: Toolchain, scratch: Path) -> Catalogue:
    """What this libLLVM accepts, found in a child on an empty module."""
    empty = scratch / "empty.c"
    empty.write_text("")
    own = catalogue_directory() / f"{toolchain.major}.toml"
    entries = read_passes(own if own.exists() else catalogue_directory() / "22.toml")
    texts = [action.pipeline for entry in entries for action in entry.actions]
    texts += [text for entry in entries for older in entry.older for text in older]
    outcomes = run_all(toolchain.library, bitcode_of(toolchain, empty, [], scratch / "empty.bc"), texts)
    broken = [outcome for outcome in outcomes if outcome.failure and not outcome.rejected]
    assert not broken, "fails on an empty module"
    accepted = {outcome.pipeline for outcome in outcomes if not outcome.failure}
    return load_catalogue(toolchain.major, accepted.__contains__)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("major", "one_in"),
    [
        *((major, ONE_IN) for major in MAJORS[:2]),
        *(pytest.param(major, 1, marks=pytest.mark.exhaustive) for major in MAJORS[:2]),
        *(pytest.param(major, ONE_IN, marks=pytest.mark.exhaustive) for major in MAJORS[2:]),
    ],
)
def test_every_action_runs_on_the_programs(major: int, one_in: int, tmp_path: Path) -> None:
    toolchain = toolchain_or_skip(major)
    catalogue = adapted_catalogue(toolchain, tmp_path)
    assert len({action.pass_name for action in catalogue if action.kind == "transform"}) >= 100
    bitcodes = all_bitcodes(toolchain, tmp_path, one_in)
    assert len(bitcodes) >= 8
    pipelines = [action.pipeline for action in catalogue]
    failures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda bitcode: run_all(toolchain.library, bitcode, pipelines), bitcodes.values())
        for name, outcomes in zip(bitcodes, results, strict=True):
            for outcome in outcomes:
                action = catalogue[outcome.pipeline]
                if outcome.failure and not {"crash", "slow"} & set(action.risk):
                    failures.append(f"{action.name} on {name}: {outcome.failure}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("major", MAJORS[:2])
def test_a_library_accepts_the_whole_catalogue_of_its_version(major: int, tmp_path: Path) -> None:
    assert adapted_catalogue(toolchain_or_skip(major), tmp_path) == load_catalogue(major)


def test_a_crash_and_a_wrong_text_cost_only_themselves(tmp_path: Path) -> None:
    toolchain = toolchain_or_skip(22)
    source = tmp_path / "one.c"
    source.write_text("int f(int x) { return x + 1; }\n")
    bitcode = bitcode_of(toolchain, source, [], tmp_path / "one.bc")
    outcomes = run_all(
        toolchain.library, bitcode, ["function(gvn)", "trigger-crash-module", "no-such-pass", "function(dce)"]
    )
    assert [bool(outcome.failure) for outcome in outcomes] == [False, True, True, False]
    assert "ends with" in outcomes[1].failure
    assert [outcome.rejected for outcome in outcomes] == [False, False, True, False]
