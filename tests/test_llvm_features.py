"""A module as numbers, against functions that can be counted by hand."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from colt_llvm.core import process
from colt_llvm.llvm.features import AUTOPHASE_NAMES, INST_COUNT_NAMES, autophase, inst_count, instruction_count
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)

#: Four blocks in a diamond, then a loop.
TEXT = """
declare i32 @other(i32)

define i32 @diamond(i32 %x, ptr %p) {
entry:
  %a = alloca i32
  %c = icmp eq i32 %x, 0
  br i1 %c, label %left, label %right
left:
  %l = add i32 %x, 1
  br label %join
right:
  %r = call i32 @other(i32 %x)
  store i32 %r, ptr %a
  br label %join
join:
  %m = phi i32 [ %l, %left ], [ %r, %right ]
  %v = load i32, ptr %p
  %s = mul i32 %m, %v
  ret i32 %s
}

define void @loop(i64 %n) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %out, label %head
out:
  ret void
}
"""

COUNTS = {
    "TotalInsts": 18, "TotalBlocks": 7, "TotalFuncs": 2, "Ret": 2, "Br": 5, "Add": 2, "Mul": 1, "Alloca": 1, "Load": 1,
    "Store": 1, "ICmp": 2, "PHI": 2, "Call": 1,
}  # fmt: skip

AUTOPHASE = {
    "TotalInsts": 18, "TotalBlocks": 7, "TotalFuncs": 2, "NumEdges": 7, "BranchCount": 5, "UncondBranches": 3,
    "onePred": 3, "twoPred": 2, "oneSuccessor": 3, "twoSuccessor": 2, "onePredOneSuc": 2, "twoEach": 1,
    "CriticalCount": 1, "BeginPhi": 2, "ArgsPhi": 4, "BB03Phi": 2, "BBNoPhi": 5, "BBNumArgsLo": 2, "BlockLow": 7,
    "NumAddInst": 2, "NumMulInst": 1, "NumAllocaInst": 1, "NumLoadInst": 1, "NumStoreInst": 1, "NumICmpInst": 2,
    "NumPHIInst": 2, "NumCallInst": 1, "NumRetInst": 2, "NumBrInst": 5, "returnInt": 1, "binaryConstArg": 2,
    "numConstOnes": 3, "TotalMemInst": 4, "testUnary": 2,
}  # fmt: skip


def module_of(toolchain: Toolchain, folder: Path, text: str) -> Module:
    """From textual IR, as it stands."""
    source, result = folder / "x.ll", folder / "x.bc"
    source.write_text(text)
    done = process.run([toolchain.clang, "-Xclang", "-disable-llvm-passes", "-Wno-override-module", "-emit-llvm",
                        "-c", source, "-o", result])  # fmt: skip
    assert done.status == 0, done.stderr
    return Module.parse(toolchain.load(), result.read_bytes())


@pytest.fixture(params=MAJORS)
def module(request: pytest.FixtureRequest, tmp_path: Path) -> Module:
    toolchain = next((found for found in installed_toolchains() if found.major == request.param), None)
    if toolchain is None:
        pytest.skip(f"LLVM {request.param} is not installed")
    return module_of(toolchain, tmp_path, TEXT)


def test_counts_instructions_of_functions_with_a_body(module: Module) -> None:
    assert instruction_count(module) == 18
    assert sum(line.startswith("  ") for line in module.text().splitlines()) == 18


def test_counts_each_kind_of_instruction(module: Module) -> None:
    vector = inst_count(module)
    assert vector.shape == (70,)
    assert vector.dtype == np.int64
    assert {name: count for name, count in zip(INST_COUNT_NAMES, vector, strict=True) if count} == COUNTS


def test_counts_the_shape_of_the_control_flow(module: Module) -> None:
    vector = autophase(module)
    assert vector.shape == (56,)
    found = dict(zip(AUTOPHASE_NAMES, map(int, vector), strict=True))
    assert {name: found[name] for name in AUTOPHASE} == AUTOPHASE


def test_parts_add_up(module: Module) -> None:
    names = dict(zip(INST_COUNT_NAMES, map(int, inst_count(module)), strict=True))
    assert sum(names.values()) - names["TotalBlocks"] - names["TotalFuncs"] == 2 * names["TotalInsts"]
    shape = dict(zip(AUTOPHASE_NAMES, map(int, autophase(module)), strict=True))
    assert shape["BB03Phi"] + shape["BBHiPhi"] + shape["BBNoPhi"] == shape["TotalBlocks"]
    assert shape["TotalInsts"] == names["TotalInsts"] == instruction_count(module)


def test_an_empty_module_is_all_zeros(tmp_path: Path) -> None:
    module = module_of(installed_toolchains()[0], tmp_path, "declare void @nothing()\n")
    assert instruction_count(module) == 0
    assert not inst_count(module).any()
    assert not autophase(module).any()


# --- the names that CompilerGym's users know


def list_in(relative: str, name: str) -> list[str]:
    """A list of texts that stands in a file of compiler_gym, read without importing it."""
    spec = importlib.util.find_spec("compiler_gym")
    if spec is None or spec.origin is None:
        pytest.skip("compiler-gym is not installed")
    tree = ast.parse((Path(spec.origin).parent / relative).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return [str(value) for value in ast.literal_eval(node.value)]
    raise AssertionError(f"{relative}: no {name}")


def test_autophase_has_compiler_gyms_names_in_its_order() -> None:
    assert list(AUTOPHASE_NAMES) == list_in("third_party/autophase/__init__.py", "AUTOPHASE_FEATURE_NAMES")


def test_inst_count_has_compiler_gyms_names_in_its_order() -> None:
    theirs = list_in("third_party/llvm/instcount.py", "INST_COUNT_FEATURE_NAMES")
    assert list(INST_COUNT_NAMES) == theirs
