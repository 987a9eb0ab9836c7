"""Asking a libLLVM which pipeline texts it accepts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm import acceptance
from colt_llvm.llvm.acceptance import accepted_pipelines, toolchain_catalogue
from colt_llvm.llvm.catalogue import load_catalogue
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)


def toolchain_or_skip(major: int) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == major), None)
    if found is None:
        pytest.skip(f"LLVM {major} is not installed")
    return found


@pytest.mark.parametrize("major", MAJORS)
def test_what_is_no_pipeline_is_not_accepted_and_costs_only_itself(major: int) -> None:
    toolchain = toolchain_or_skip(major)
    good = ["function(sroa)", "default<O3>", "cgscc(inline),function(gvn,dce)", "globaldce"]
    bad = ["no-such-pass", "function(", "function(sroa", "module(licm(gvn))", "default<O9>", "licm,,"]
    mixed = [text for pair in zip(bad, [*good, "dce", "adce"], strict=True) for text in pair]
    assert accepted_pipelines(toolchain, mixed) == {*good, "dce", "adce"}
    assert accepted_pipelines(toolchain, []) == set()


def test_a_text_that_ends_the_process_is_not_accepted_and_the_rest_is_asked() -> None:
    toolchain = installed_toolchains()[0]
    texts = ["function(sroa)", "trigger-crash-module", "function(dce)", "trigger-crash-module", "globaldce"]
    assert accepted_pipelines(toolchain, texts) == {"function(sroa)", "function(dce)", "globaldce"}


@pytest.mark.needs("LLVM 22+")  # for it stands in for 24
def test_a_version_without_a_file_has_what_its_library_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As LLVM 24 would be met: of the nearest file, what it takes."""
    toolchain = replace(installed_toolchains()[0], version="24.1.0")
    catalogue = toolchain_catalogue(toolchain)
    assert catalogue.llvm_major == 24
    known = load_catalogue(23).names()
    assert len(known) - 12 <= len(catalogue) <= len(known)


@pytest.mark.parametrize("major", MAJORS)
def test_every_action_of_a_versions_catalogue_is_accepted(major: int) -> None:
    toolchain = toolchain_or_skip(major)
    catalogue = toolchain_catalogue(toolchain)
    assert catalogue.llvm_major == major
    assert len({action.pass_name for action in catalogue}) > 90
    assert toolchain_catalogue(toolchain) is catalogue, "asked once"


def test_a_version_with_a_file_of_its_own_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> set[str]:
        raise AssertionError("asked")

    toolchain = replace(toolchain_or_skip(22), version="22.0.1")
    monkeypatch.setattr(acceptance, "accepted_pipelines", refuse)
    assert toolchain_catalogue(toolchain) == load_catalogue(22)


def test_a_clang_that_compiles_nothing_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "clang"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ToolchainError, match="does not compile an empty file; use another --llvm-prefix"):
        accepted_pipelines(replace(installed_toolchains()[0], clang=broken), ["dce"])
