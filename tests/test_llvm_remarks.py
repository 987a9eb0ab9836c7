"""What LLVM's passes say of themselves: heard only when asked for, and without changing what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.core.errors import InvalidIR, PipelineSyntaxError
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.pipeline import level_pipeline
from colt_llvm.llvm.remarks import Remark, has_remarks, most_telling, parse, run_with_remarks
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import load_program, program_from_files, programs_directory

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
O3 = "default<O3>"

#: The first loop's steps hang on each other; the second is vectorised.
SOURCE = """
int other(int);
int chained(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s = other(s) + a[i]; return s; }
void doubled(float *restrict a, const float *restrict b, int n) { for (int i = 0; i < n; i++) a[i] = b[i] * 2; }
"""


@pytest.fixture(params=MAJORS)
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == request.param), None)
    if found is None:
        pytest.skip(f"LLVM {request.param} is not installed")
    if not has_remarks(found.load()):
        pytest.skip(f"LLVM {request.param} does not hand its remarks over")
    return found


def bitcode_of(toolchain: Toolchain, folder: Path, source: str = SOURCE, *flags: str) -> bytes:
    (folder / "x.c").write_text(source)
    return front_end(toolchain, program_from_files([folder / "x.c"], cflags=flags), "O3")[0]


def with_remarks(toolchain: Toolchain, bitcode: bytes, pipeline: str = O3) -> tuple[bytes, tuple[Remark, ...]]:
    module = Module.parse(toolchain.load(), bitcode)
    return run_with_remarks(module, pipeline, TargetMachine(toolchain.load(), module.triple, 3))


def without_remarks(toolchain: Toolchain, bitcode: bytes, pipeline: str = O3) -> bytes:
    with Module.parse(toolchain.load(), bitcode) as module:
        module.run(pipeline, TargetMachine(toolchain.load(), module.triple, 3))
        return module.bitcode()


def test_says_which_loop_was_not_vectorised_and_which_was(toolchain: Toolchain, tmp_path: Path) -> None:
    _, remarks = with_remarks(toolchain, bitcode_of(toolchain, tmp_path))
    of = {(remark.kind, remark.function) for remark in remarks if remark.pass_name == "loop-vectorize"}
    assert ("missed", "chained") in of
    assert ("passed", "doubled") in of
    assert ("missed", "doubled") not in of
    why = [remark.message for remark in remarks if (remark.kind, remark.function) == ("analysis", "chained")]
    assert any("cannot be vectorized" in message or "could not be identified" in message for message in why), why


@pytest.mark.parametrize(
    ("program", "level"),
    [("lz77", "O3"), ("lz77", "Oz"), ("shapes_cpp", "Oz"),
     pytest.param("shapes_cpp", "O3", marks=pytest.mark.exhaustive)],
)  # fmt: skip
def test_remarks_do_not_change_the_code(toolchain: Toolchain, program: str, level: str) -> None:
    """LLVM 23 writes more metadata of loops where it is heard, so it is the object code that is compared."""
    bitcode = front_end(toolchain, load_program(programs_directory() / program), level)[0]  # type: ignore[arg-type]
    pipeline = level_pipeline(toolchain.major, level)
    result, remarks = with_remarks(toolchain, bitcode, pipeline)
    assert remarks

    def code(bitcode: bytes) -> bytes:
        with Module.parse(toolchain.load(), bitcode) as module:
            return module.emit_object(TargetMachine(toolchain.load(), module.triple, 3))

    assert code(result) == code(without_remarks(toolchain, bitcode, pipeline))


def test_other_modules_say_nothing_while_and_after_one_is_heard(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their diagnostic handler would be called for each remark, at the cost of a call into Python.

    LLVM always says one or two things of its own, in every version.
    """
    bitcode = bitcode_of(toolchain, tmp_path)
    library = toolchain.load()
    with_remarks(toolchain, bitcode)
    heard: list[int] = []
    severity = library.call.LLVMGetDiagInfoSeverity
    monkeypatch.setattr(library.call, "LLVMGetDiagInfoSeverity", lambda info: heard.append(1) or severity(info))
    without_remarks(toolchain, bitcode)
    quiet = len(heard)
    assert quiet <= 2
    with_remarks(toolchain, bitcode)
    assert len(heard) > 3 * quiet + 3, "this is how one would notice"


def test_the_module_is_used_up_and_a_bad_pipeline_is_refused(toolchain: Toolchain, tmp_path: Path) -> None:
    module = Module.parse(toolchain.load(), bitcode_of(toolchain, tmp_path))
    with pytest.raises(PipelineSyntaxError):
        run_with_remarks(module, "no-such-pass")
    with pytest.raises(InvalidIR, match="closed"):
        module.verify()


def test_gives_the_place_where_the_program_has_debug_information(toolchain: Toolchain, tmp_path: Path) -> None:
    _, remarks = with_remarks(toolchain, bitcode_of(toolchain, tmp_path, SOURCE, "-g"))
    places = {remark.location for remark in remarks if remark.function == "chained"}
    assert any(place.endswith("x.c:3:49") or ":3:" in place for place in places), places
    assert all("\n" not in place for place in places)


def test_counts_what_is_said_again(toolchain: Toolchain, tmp_path: Path) -> None:
    calls = "int other(int);\nint f(int x) { return " + "+".join(f"other(x + {n})" for n in range(9)) + "; }"
    _, remarks = with_remarks(toolchain, bitcode_of(toolchain, tmp_path, calls))
    (unknown,) = [remark for remark in remarks if remark.name == "NoDefinition"]
    assert unknown.count in (9, 18), "each call once, or once more by the second inliner of LLVM 16"
    assert unknown.line() == (
        f"missed inline in f: other will not be inlined into f because its definition is unavailable (x{unknown.count})"
    )


def test_names_are_made_plain(toolchain: Toolchain, tmp_path: Path) -> None:
    source = 'int other(int) __asm__("o\\x1b[31m\\xff");\nint f(int x) { return other(x) + other(2); }'
    _, remarks = with_remarks(toolchain, bitcode_of(toolchain, tmp_path, source))
    lines = [remark.line() for remark in remarks]
    assert any("[31m" in line for line in lines), lines
    assert all(line.isprintable() for line in lines)
    "".join(lines).encode()


# --- reading

DOCUMENT = """--- !Missed
Pass:            inline
Name:            NoDefinition
DebugLoc:        { File: '/a very long folder/with, a comma/and ''quotes''/x.c',
                   Line: 12, Column: 7 }
Function:        "m\\x1Bain"
Args:
  - Callee:          other
    DebugLoc:        { File: y.c, Line: 1, Column: 2 }
  - String:          ' isn''t inlined'
  - String:          |
      , for
      two reasons
...
"""


def test_reads_every_form_of_text() -> None:
    (remark,) = parse(DOCUMENT)
    assert remark.location == "/a very long folder/with, a comma/and 'quotes'/x.c:12:7"
    assert remark.function == "m?ain"
    assert remark.message == "other isn't inlined, for two reasons"


@pytest.mark.parametrize("text", ["", "nonsense", "--- !Other\nPass: x\n...\n", "--- !Missed\nName: x\n...\n"])
def test_leaves_out_what_is_no_remark(text: str) -> None:
    assert parse(text) == ()


def test_leaves_out_a_remark_that_was_cut_off() -> None:
    assert len(parse(DOCUMENT + DOCUMENT[:-20])) == 1


def test_comes_back_from_json() -> None:
    (remark,) = parse(DOCUMENT + DOCUMENT)
    assert remark.count == 2
    assert Remark.from_json(remark.to_json()) == remark


# --- which first


def remark(kind: str = "missed", pass_name: str = "gvn", function: str = "hot", message: str = "no") -> Remark:
    return Remark(kind, pass_name, "Name", function, message)  # type: ignore[arg-type]


HOT = {"hot": 1e6, "cold": 10.0}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (remark(function="hot"), remark(function="cold")),
        (remark(function="cold"), remark(function="gone")),
        (remark(kind="missed"), remark(kind="passed")),
        (remark(pass_name="loop-vectorize"), remark(pass_name="some-pass")),
        (remark(), Remark("missed", "gvn", "NoDefinition", "hot", "no")),
    ],
)
def test_the_more_telling_comes_first(first: Remark, second: Remark) -> None:
    assert most_telling([second, first], HOT) == [first, second]
    assert most_telling([first, second], HOT, limit=1) == [first]


def test_equal_ones_are_counted_together() -> None:
    (one,) = most_telling([remark(), remark(), Remark("missed", "gvn", "Name", "hot", "no", "", 3)], HOT)
    assert one.count == 5


def test_one_pass_of_one_function_does_not_fill_the_list() -> None:
    many = [remark(pass_name="loop-vectorize", message=f"reason {number}") for number in range(50)]
    others = [remark(pass_name="licm"), remark(pass_name="inline", function="cold")]
    assert set(others) <= set(most_telling(many + others, HOT, limit=12))


def test_one_wording_does_not_fill_the_list() -> None:
    many = [remark(pass_name="loop-vectorize", function=f"f{number}") for number in range(50)]
    others = [remark(pass_name="licm", function="f1"), remark(pass_name="gvn", function="f2")]
    weights = {f"f{number}": 1e3 for number in range(50)}
    assert set(others) <= set(most_telling(many + others, weights, limit=12))
