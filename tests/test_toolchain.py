"""Finding clang and libLLVM of one version. The executables here are scripts that say what clang would say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colt_llvm.core.errors import ColtError, ToolchainError
from colt_llvm.llvm import toolchain as module
from colt_llvm.llvm.toolchain import ANY_VARIABLE, PREFIX_VARIABLE, Toolchain, find_toolchain, installed_toolchains

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    return installed_toolchains()[0]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH, an environment of ours and usual folders that are empty, for the test to fill."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(module, "own_environment", lambda: tmp_path / "environment")
    monkeypatch.delenv(PREFIX_VARIABLE, raising=False)
    monkeypatch.setattr(module, "_USUAL_FOLDERS", (str(tmp_path / "usual-{major}"),))
    return tmp_path


def clang(folder: Path, version: str, name: str = "clang", text: str | None = None) -> Path:
    """A clang in ``folder/bin``."""
    said = f"clang version {version} (test)\nTarget: x86_64-test-linux" if text is None else text
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{said}\nEND\n")
    path.chmod(0o755)
    return path


def complete(folder: Path, newest: Toolchain, name: str = "clang") -> Path:
    """A clang with the right libLLVM beside it."""
    path = clang(folder, newest.version, name)
    (folder / "lib").mkdir(exist_ok=True)
    link = folder / "lib" / f"libLLVM.so.{newest.major}.1"
    if not link.exists():
        link.symlink_to(newest.library)
    return path


def refusal(prefix: Path | None = None) -> str:
    with pytest.raises(ToolchainError) as caught:
        find_toolchain(prefix)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 3
    return str(caught.value)


# --- what is installed


@pytest.mark.parametrize("major", MAJORS)
def test_an_installed_clang_comes_with_the_library_of_its_version(major: int) -> None:
    toolchain = next((found for found in installed_toolchains() if found.major == major), None)
    if toolchain is None:
        pytest.skip(f"LLVM {major} is not installed")
    library = toolchain.load()
    assert ".".join(map(str, library.version)) == toolchain.version
    assert library.major == major
    assert find_toolchain(toolchain.prefix) == toolchain
    assert find_toolchain(toolchain.prefix / "bin") == toolchain
    assert toolchain.compiler(cxx=False) == toolchain.clang
    assert toolchain.compiler(cxx=True) == toolchain.clangxx
    assert toolchain.clangxx.exists()
    assert toolchain.triple.startswith(os.uname().machine)


def test_each_major_version_is_listed_once_and_the_newest_first() -> None:
    majors = [toolchain.major for toolchain in installed_toolchains()]
    assert majors
    assert majors == sorted(set(majors), reverse=True)


# --- the order


def test_the_prefix_is_used_as_it_is(newest: Toolchain, tmp_path: Path) -> None:
    executable = complete(tmp_path / "llvm", newest)
    found = find_toolchain(tmp_path / "llvm")
    assert found.clang == executable
    assert found.prefix == tmp_path / "llvm"
    assert found.library == newest.library
    assert found.version == newest.version
    assert found.triple == "x86_64-test-linux"
    assert found.opt is None


def test_the_tools_beside_clang_are_found_with_or_without_a_number(newest: Toolchain, tmp_path: Path) -> None:
    complete(tmp_path, newest)
    for name in ("opt", f"clang++-{newest.major}"):
        (tmp_path / "bin" / name).touch()
    found = find_toolchain(tmp_path)
    assert found.opt == tmp_path / "bin" / "opt"
    assert found.clangxx == tmp_path / "bin" / f"clang++-{newest.major}"


def test_the_prefix_comes_before_the_variable_and_the_variable_before_path(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("option", "variable", "path"):
        complete(nothing_installed / name, newest)
    monkeypatch.setenv("PATH", str(nothing_installed / "path" / "bin"))
    assert find_toolchain().prefix.name == "path"
    monkeypatch.setenv(PREFIX_VARIABLE, str(nothing_installed / "variable"))
    assert find_toolchain().prefix.name == "variable"
    assert find_toolchain(nothing_installed / "option").prefix.name == "option"
    monkeypatch.setenv(PREFIX_VARIABLE, "")
    assert find_toolchain().prefix.name == "path"


def test_the_first_folder_of_path_wins(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        complete(nothing_installed / name, newest)
    for order in (("one", "two"), ("two", "one")):
        monkeypatch.setenv("PATH", os.pathsep.join(str(nothing_installed / name / "bin") for name in order))
        assert find_toolchain().prefix.name == order[0]


def test_path_comes_before_the_usual_folders(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(nothing_installed / f"usual-{newest.major}", newest)
    assert find_toolchain().prefix.name == f"usual-{newest.major}"
    complete(nothing_installed / "path", newest, name=f"clang-{newest.major}")
    monkeypatch.setenv("PATH", str(nothing_installed / "path" / "bin"))
    assert find_toolchain().prefix.name == "path"


def test_an_unusable_clang_on_path_is_passed_over(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clang(nothing_installed / "path", "14.0.6")
    clang(nothing_installed / "path", f"{newest.major}.99.0", name=f"clang-{newest.major}")
    complete(nothing_installed / f"usual-{newest.major}", newest)
    monkeypatch.setenv("PATH", str(nothing_installed / "path" / "bin"))
    assert find_toolchain().prefix.name == f"usual-{newest.major}"


def test_the_clang_of_our_own_environment_comes_before_path_and_after_the_variable(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("environment", "path", "variable"):
        complete(nothing_installed / name, newest)
    monkeypatch.setenv("PATH", str(nothing_installed / "path" / "bin"))
    assert find_toolchain().prefix.name == "environment"
    assert installed_toolchains()[0].prefix.name == "environment"
    monkeypatch.setenv(PREFIX_VARIABLE, str(nothing_installed / "variable"))
    assert find_toolchain().prefix.name == "variable"
    assert installed_toolchains()[0].prefix.name == "variable"


@pytest.mark.parametrize("has_libatomic", [True, False])
def test_programs_of_our_own_environments_clang_find_its_cxx_library(
    newest: Toolchain, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, has_libatomic: bool
) -> None:
    monkeypatch.setattr(module, "_loads", lambda library: has_libatomic)
    environment = nothing_installed / "environment"
    complete(environment, newest)
    configuration = environment / "bin" / "x86_64-test-linux-gnu.cfg"
    (environment / "lib" / "x86_64-test-linux-gnu").mkdir()
    (environment / "lib" / "x86_64-test-linux-gnu" / "libc++.so.1").touch()
    module._from_clang.cache_clear()
    assert find_toolchain().prefix == environment
    assert configuration.read_text() == "$-Wl,-rpath,<CFGDIR>/../lib/x86_64-test-linux-gnu\n"
    assert (environment / "lib" / "x86_64-test-linux-gnu" / "libatomic.so.1").is_symlink() != has_libatomic
    configuration.write_text("mine\n")
    module._from_clang.cache_clear()
    assert find_toolchain().prefix == environment
    assert configuration.read_text() == "mine\n"


def test_a_clang_that_is_not_ours_gets_no_configuration(newest: Toolchain, nothing_installed: Path) -> None:
    other = nothing_installed / "other"
    complete(other, newest)
    (other / "lib" / "x86_64-test-linux-gnu").mkdir()
    (other / "lib" / "x86_64-test-linux-gnu" / "libc++.so.1").touch()
    assert find_toolchain(other).prefix == other
    assert not (other / "bin" / "x86_64-test-linux-gnu.cfg").exists()


# --- refusals


def test_says_what_to_install_where_there_is_nothing(nothing_installed: Path) -> None:
    said = refusal()
    assert "no clang with its libLLVM of version 16 to 23" in said
    assert "apt-get install clang llvm" in said
    assert "--llvm-prefix" in said
    assert installed_toolchains() == []


def test_says_why_what_is_there_cannot_be_used(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clang(nothing_installed, "14.0.6")
    monkeypatch.setenv("PATH", str(nothing_installed / "bin"))
    assert "is version 14.0.6; use LLVM 16 to 23" in refusal()


@pytest.mark.parametrize("version", ["3.9.1", "15.0.7"])
def test_refuses_a_prefix_of_another_version(version: str, tmp_path: Path) -> None:
    clang(tmp_path, version)
    assert f"is version {version}; use LLVM 16 to 23" in refusal(tmp_path)


def test_a_newer_version_than_the_known_ones_is_tried_where_the_user_says_so(
    newest: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(tmp_path, newest)
    monkeypatch.setattr(module, "SUPPORTED_MAJORS", range(newest.major - 1, 15, -1))
    monkeypatch.setattr(module, "SUPPORTED", "the known ones")
    monkeypatch.delenv(ANY_VARIABLE, raising=False)
    said = refusal(tmp_path)
    assert f"is version {newest.version}, which is newer than all that were tried; use LLVM the known ones" in said
    assert said.endswith("or try it with --llvm-any")
    monkeypatch.setenv(ANY_VARIABLE, "1")
    assert find_toolchain(tmp_path).major == newest.major


def test_an_old_version_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clang(tmp_path, "15.0.7")
    monkeypatch.setenv(ANY_VARIABLE, "1")
    assert "use LLVM 16 to 23" in refusal(tmp_path)


def test_refuses_a_prefix_without_clang(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: holds no bin/clang; --llvm-prefix takes a folder such as /usr/lib/llvm-22"
    assert "holds no bin/clang" in refusal(tmp_path / "missing")


def test_a_clang_does_not_go_with_the_library_of_another_release(newest: Toolchain, tmp_path: Path) -> None:
    clang(tmp_path, f"{newest.major}.99.0")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"libLLVM.so.{newest.major}.1").symlink_to(newest.library)
    said = refusal(tmp_path)
    assert f"clang is {newest.major}.99.0, and its libLLVM was not found" in said
    assert f"is {newest.version}" in said
    assert f"apt-get install libllvm{newest.major}" in said


def test_refuses_a_library_that_is_none(tmp_path: Path, newest: Toolchain) -> None:
    clang(tmp_path, f"{newest.major}.98.0")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"libLLVM.so.{newest.major}.98").write_text("not a library")
    said = refusal(tmp_path)
    assert "cannot be loaded" in said
    assert "apt-get install" in said


@pytest.mark.parametrize("text", ["", "gcc (Debian) 12.2.0", "clang version unknown\nTarget: x86_64-linux"])
def test_refuses_what_does_not_answer_like_clang(text: str, tmp_path: Path) -> None:
    clang(tmp_path, "", text=text)
    assert "does not say its version as clang does; use another --llvm-prefix" in refusal(tmp_path)


def test_refuses_a_clang_that_cannot_be_run(tmp_path: Path) -> None:
    clang(tmp_path, "22.1.0").chmod(0o644)
    with pytest.raises(ColtError, match="not executable; check its permissions") as caught:
        find_toolchain(tmp_path)
    assert caught.value.exit_status == 3


def test_a_clang_that_dies_is_refused(tmp_path: Path) -> None:
    path = clang(tmp_path, "22.1.0")
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    assert "does not say its version" in refusal(tmp_path)
