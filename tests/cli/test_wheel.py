"""The wheel, in an environment that has the packages but not the source tree, run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from colt_llvm.llvm.toolchain import find_toolchain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run([sys.executable, *build], check=True, timeout=120)
    (wheel,) = folder.glob("colt_llvm-*.whl")
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True, timeout=120)
    site = next(made.glob("lib/python*/site-packages"))
    install = ["-m", "pip", "--python", made / "bin" / "python", "install", "-q", "--no-deps", wheel]
    subprocess.run([sys.executable, *install], check=True, timeout=120)
    # The packages of the environment that runs the tests. Its own link to the source tree is not followed from there.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def variables() -> dict[str, str]:
    """With the clang of this environment, which may be in .venv alone."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return inherited | {"COLT_LLVM_PREFIX": str(find_toolchain().prefix)}


def run(environment: Path, folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        [environment / "bin" / "colt-llvm", *words],
        cwd=folder,
        env=variables(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_carries_what_it_reads(environment: Path) -> None:
    names = set(zipfile.ZipFile(next(environment.parent.glob("*.whl"))).namelist())
    source = {path.relative_to(ROOT) for path in (ROOT / "colt_llvm").rglob("*") if path.is_file()}
    wanted = {str(path) for path in source if "__pycache__" not in path.parts and "_data" not in path.parts}
    assert wanted <= names
    for folder in ("passes", "programs"):
        assert {f"colt_llvm/_data/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.toml")} <= names


@pytest.mark.slow
def test_the_commands_work_from_another_folder(environment: Path, tmp_path: Path) -> None:
    where = "import colt_llvm; print(colt_llvm.__file__)"
    said = subprocess.run([environment / "bin" / "python", "-c", where], cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.startswith(str(environment))
    run(environment, tmp_path, "tune", "crc_adler", "--objective", "size", "--trials", "4", "-o", "out")
    recipe = next(tmp_path.glob("colt-runs/*/recipe.json"))
    run(environment, tmp_path, "apply", recipe, "crc_adler", "-o", "again.o")
    run(environment, tmp_path, "report", recipe.parent)
    assert (tmp_path / "again.o").read_bytes().startswith(b"\x7fELF")
    loop = (
        "import colt_llvm.env, compiler_gym\n"
        "reward = 'IrInstructionCountOz'\n"
        "with compiler_gym.make('colt-llvm-v0', benchmark='colt-v0/crc_adler', reward_space=reward) as e:\n"
        "    e.reset()\n"
        "    print(e.step(e.action_space['sroa'])[1] > 0)\n"
    )
    done = subprocess.run(
        [environment / "bin" / "python", "-c", loop],
        cwd=tmp_path,
        env=variables(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "True\n", done.stderr
