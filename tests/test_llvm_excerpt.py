"""The hot code of a module as text, and which functions differ."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from colt_llvm.core.text import plain, plain_lines
from colt_llvm.llvm import excerpt as excerpt_module
from colt_llvm.llvm import flow as fingerprints_module
from colt_llvm.llvm.excerpt import excerpt_of, function_in, shorten, tidy
from colt_llvm.llvm.flow import changed_functions, function_fingerprints, functions_of, loop_depths
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import load_program, program_from_files, programs_directory

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
LONG = "".join(f"  if (x == {number}) x = other(x * {number + 7});\n" for number in range(120))
SOURCE = f"""
int other(int);
int straight(int x) {{
{LONG}  return x;
}}
void multiply(int n, double a[n][n], double b[n][n], double c[n][n]) {{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int k = 0; k < n; k++) c[i][j] += a[i][k] * b[k][j];
}}
int last(int x) {{ return other(x) - 1; }}
"""


@pytest.fixture(params=MAJORS)
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == request.param), None)
    if found is None:
        pytest.skip(f"LLVM {request.param} is not installed")
    return found


def module_of(toolchain: Toolchain, folder: Path, source: str, pipeline: str = "default<O1>", *flags: str) -> Module:
    (folder / "x.c").write_text(source)
    bitcode = front_end(toolchain, program_from_files([folder / "x.c"], cflags=flags), "O3")[0]
    module = Module.parse(toolchain.load(), bitcode)
    if pipeline:
        module.run(pipeline, TargetMachine(toolchain.load(), module.triple, 3))
    return module


@pytest.fixture
def module(toolchain: Toolchain, tmp_path: Path) -> Module:
    return module_of(toolchain, tmp_path, SOURCE)


# --- loops


@pytest.mark.parametrize(
    ("edges", "depths"),
    [
        ([], []),
        ([[]], [0]),
        ([[0]], [1]),
        ([[1], [1, 2], []], [0, 1, 0]),
        ([[1], [2], [2, 3], [1, 4], []], [0, 1, 2, 1, 0]),
        ([[1], [2, 5], [3], [3, 4], [2, 1], []], [0, 1, 2, 3, 2, 0]),
        ([[1], [2, 3], [4], [4], [1, 5], []], [0, 1, 1, 1, 1, 0]),  # a diamond in a loop
        ([[1, 2], [3], [3], []], [0, 0, 0, 0]),
        ([[1], [2, 4], [3], [2, 1], [5], [4, 6], []], [0, 1, 2, 2, 1, 1, 0]),  # two loops, one after another
        ([[], [1]], [0, 0]),  # what cannot be reached is in no loop
    ],
)
def test_counts_the_loops_around_each_block(edges: list[list[int]], depths: list[int]) -> None:
    assert loop_depths(edges) == depths


def test_a_loop_with_two_entries_is_a_loop() -> None:
    assert max(loop_depths([[1, 2], [2, 3], [1], []])) == 1


def test_a_hundred_thousand_blocks_need_no_recursion() -> None:
    count = 100_000
    edges = [[block + 1, 1] if block else [1] for block in range(count - 1)] + [[]]
    assert loop_depths(edges)[1] == 1


def test_finds_the_depth_and_size_of_functions(module: Module) -> None:
    found = {function.name: function for function in functions_of(module)}
    assert list(found) == ["straight", "multiply", "last"]
    assert (found["multiply"].depth, found["straight"].depth, found["last"].depth) == (3, 0, 0)
    assert found["straight"].instructions > found["multiply"].instructions
    assert found["multiply"].weight > 1000 > found["straight"].weight / 10
    assert [block.position for block in found["multiply"].blocks] == list(range(len(found["multiply"].blocks)))


def test_a_function_past_the_limit_counts_as_without_loops(module: Module) -> None:
    found = {function.name: function for function in functions_of(module, max_blocks=20)}
    assert len(found["straight"].blocks) > 20
    assert found["multiply"].depth == 3
    assert {function.depth for function in functions_of(module, max_blocks=0)} == {0}


# --- the excerpt


def test_shows_the_deep_loop(module: Module) -> None:
    excerpt = excerpt_of(module)
    assert excerpt.function == function_in(excerpt.text) == "multiply"
    assert "fmul" in excerpt.text
    assert "loop depth 3" in excerpt.text
    assert "@straight" not in excerpt.text


def test_shows_the_largest_function_for_size(module: Module) -> None:
    excerpt = excerpt_of(module, for_size=True)
    assert excerpt.function == "straight"


@pytest.mark.parametrize("limit", [0, 1, 40, 200, 600, 1_000, 3_000])
@pytest.mark.parametrize("for_size", [False, True])
def test_keeps_to_its_limit(module: Module, limit: int, for_size: bool) -> None:
    assert len(excerpt_of(module, for_size=for_size, max_characters=limit).text) <= limit


def test_what_is_cut_is_the_coldest(module: Module) -> None:
    whole = excerpt_of(module, max_characters=100_000).text
    short = shorten(whole, len(whole) * 2 // 3)
    assert "loop depth 0" in whole
    assert whole.count("loop depth 3") == short.count("loop depth 3") > 0
    assert short.count("loop depth 0") < whole.count("loop depth 0")
    again = shorten(short, len(short) - 10)
    out = [int(text.rsplit("; ", 1)[1].split()[0]) for text in (short, again)]
    assert whole.count("; block ") == short.count("; block ") + out[0] == again.count("; block ") + out[1]


def test_a_long_function_is_printed_block_by_block(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpt_module, "_WHOLE_FUNCTION", 10)
    printed: list[int] = []
    call = module.library.call
    print_value = call.LLVMPrintValueToString
    monkeypatch.setattr(call, "LLVMPrintValueToString", lambda value: printed.append(value) or print_value(value))
    excerpt = excerpt_of(module)
    assert "fmul" in excerpt.text
    assert excerpt.function == "multiply"
    assert len(printed) <= 8
    assert not {function.handle for function in functions_of(module)} & set(printed)


def test_leaves_out_metadata_attributes_and_debug_records(toolchain: Toolchain, tmp_path: Path) -> None:
    text = excerpt_of(module_of(toolchain, tmp_path, SOURCE, "default<O2>", "-g")).text
    assert "fmul" in text
    for noise in ("!", "#", "noundef", "dbg", " align "):
        assert noise not in text


def test_tidies_what_llvm_prints() -> None:
    line = "  %3 = load i32, ptr %2, align 4, !tbaa !5, !range !6, !dbg !DILocation(line: 1)"
    assert tidy(line) == "  %3 = load i32, ptr %2"
    assert tidy("  call void @f(ptr noundef nonnull %1) #7, !dbg !3") == "  call void @f(ptr %1)"
    assert tidy("  br label %1, !llvm.loop !9") == "  br label %1"
    assert tidy('  call void asm "nop #7, !x !1", ""()') == '  call void asm "nop #7, !x !1", ""()'


def test_an_empty_module_has_no_excerpt(toolchain: Toolchain, tmp_path: Path) -> None:
    module = module_of(toolchain, tmp_path, "extern int x;\n", "")
    assert excerpt_of(module).text == excerpt_of(module).function == ""
    assert function_fingerprints(module) == {}


# --- what changed


def test_names_exactly_the_function_that_changed(toolchain: Toolchain, tmp_path: Path) -> None:
    before = function_fingerprints(module_of(toolchain, tmp_path, SOURCE))
    after = function_fingerprints(module_of(toolchain, tmp_path, SOURCE.replace("other(x) - 1", "other(x) - 2")))
    assert changed_functions(before, after) == ["last"]
    assert changed_functions(before, before) == []


def test_attributes_and_debug_information_are_no_change(toolchain: Toolchain, tmp_path: Path) -> None:
    plainly = function_fingerprints(module_of(toolchain, tmp_path, SOURCE, ""))
    debugged = function_fingerprints(module_of(toolchain, tmp_path, SOURCE, "", "-g"))
    assert changed_functions(plainly, debugged) == []


def test_names_what_is_new_and_what_is_gone() -> None:
    assert changed_functions({"a": "1/2/x", "gone": "1/1/y"}, {"new": "1/1/z", "a": "1/2/x"}) == ["new", "gone"]


def test_a_large_module_is_compared_by_shape(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    before = function_fingerprints(module)
    monkeypatch.setattr(fingerprints_module, "MAX_INSTRUCTIONS", 10)
    after = function_fingerprints(module)
    assert all(len(fingerprint.split("/")) == 2 for fingerprint in after.values())
    assert changed_functions(before, after) == []
    assert changed_functions({"a": "1/2/x"}, {"a": "1/3"}) == ["a"]


# --- text of the user's


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb\x00c", "a?[31mb?c"),
        ("two\nlines\t and  more", "two lines and more"),
        ("\ud800\u202e\u200b", "???"),
        ("naïve π", "naïve π"),
    ],
)
def test_text_is_made_plain(text: str, safe: str) -> None:
    assert plain(text) == safe
    assert plain_lines(text).encode()


# --- large modules


@pytest.mark.slow
def test_a_module_of_fifty_thousand_lines_is_looked_at_quickly(tmp_path: Path) -> None:
    """Looking at it costs less than reading its source does: no step grows with the square of the size."""
    body = "s += p[i] * {0}; if (s & {1}) p[i] ^= s; else s += s >> 2;"
    source = "".join(
        f"int f{n}(int n, int *p) {{ int s = {n}; for (int i = 0; i < n; i++) {{ {body.format(n + 3, n % 7 + 1)} }}"
        " return s; }\n"
        for n in range(1_200)
    )  # fmt: skip
    toolchain = installed_toolchains()[0]
    started = time.process_time()
    module = module_of(toolchain, tmp_path, source, "")
    assert sum(function.instructions for function in functions_of(module)) > 50_000
    excerpt = excerpt_of(module)
    assert len(function_fingerprints(module)) == 1_200
    assert "mul" in excerpt.text
    assert time.process_time() - started < 60


def test_every_included_program_has_an_excerpt(tmp_path: Path) -> None:
    toolchain = installed_toolchains()[0]
    for name in ("regex_vm", "shapes_cpp", "sha256"):
        module = Module.parse(
            toolchain.load(), front_end(toolchain, load_program(programs_directory() / name), "O3")[0]
        )
        module.run("default<O3>", TargetMachine(toolchain.load(), module.triple, 3))
        excerpt = excerpt_of(module)
        assert excerpt.function
        assert 200 < len(excerpt.text) <= excerpt_module.DEFAULT_CHARACTERS
        assert excerpt.text.replace("\n", "").isprintable()
