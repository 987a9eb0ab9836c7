"""Where words go in a source: found in text as people write it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.explain.source_edits import Source, definition_spot, loop_spot, statement_spot
from colt_llvm.explain.source_patch import Edit, patched, unified_diff, write_sources


def marked(text: str, offset: int | None) -> str:
    """The text with @ where a word would go; "none" where nowhere."""
    return "none" if offset is None else text[:offset] + "@" + text[offset:]


def of_definition(text: str, line: int, name: str) -> str:
    return marked(text, definition_spot(Source(text), line, name))


@pytest.mark.parametrize(
    ("text", "line", "name", "wanted"),
    [
        ("int f(void) {}", 1, "f", "@int f(void) {}"),
        ("int x;\nstatic const char *\nf(int a) {}", 3, "f", "int x;\n@static const char *\nf(int a) {}"),
        ("void g() {}\nint f() {}", 2, "f", "void g() {}\n@int f() {}"),
        ("#define A \\\n  int\nint f() {}", 3, "f", "#define A \\\n  int\n@int f() {}"),
        ("MACRO(g)\nint f() {}", 2, "f", "MACRO(g)\n@int f() {}"),
        ("EXPORT(int) f() {}", 1, "f", "@EXPORT(int) f() {}"),
        ("__attribute__((cold))\nint f() {}", 2, "f", "@__attribute__((cold))\nint f() {}"),
        ("[[nodiscard]] int f() {}", 1, "f", "[[nodiscard]] @int f() {}"),
        ("template <class T, int (*P)(int)> T f(T) {}", 1, "f<int>", "template <class T, int (*P)(int)> @T f(T) {}"),
        ('extern "C" int f() {}', 1, "f", 'extern "C" @int f() {}'),
        ("struct A { public: int f() {} };", 1, "f", "struct A { public: @int f() {} };"),
        ("struct A { A() {} ~A() {} };", 1, "A", "struct A { @A() {} ~A() {} };"),
        ("struct A { A() {} ~A() {} };", 1, "~A", "struct A { A() {} @~A() {} };"),
        ("std::map<int, int> n::A<T>::f(int) {}", 1, "f", "@std::map<int, int> n::A<T>::f(int) {}"),
        ("bool operator<(A a, A b) {}", 1, "operator<", "@bool operator<(A a, A b) {}"),
        ("A operator()(int a) {}", 1, "operator()", "@A operator()(int a) {}"),
        ("template <> int f<int>(int) {}", 1, "f<int>", "template <> @int f<int>(int) {}"),
        ('const char *s = "f(1)"; /* f( */ int f() {}', 1, "f", 'const char *s = "f(1)"; /* f( */ @int f() {}'),
        ('auto r = R"x(f( ")x"; int f() {}', 1, "f", 'auto r = R"x(f( ")x"; @int f() {}'),
        ("MAKE(f, 2)", 1, "f", "none"),
        ("struct f { int a; };", 1, "f", "none"),
        ("int g() { return 1; }", 1, "f", "none"),
        ("auto g = [](int x) { return x; };", 1, "operator()", "none"),
        ("int f() {}", 7, "f", "none"),
    ],
)
def test_a_definition_is_found_where_it_begins(text: str, line: int, name: str, wanted: str) -> None:
    assert of_definition(text, line, name) == wanted


@pytest.mark.parametrize(
    ("text", "column", "wanted"),
    [
        ("for (;;) x();", 1, "@for (;;) x();"),
        ("if (a) while (b) x();", 8, "if (a) @while (b) x();"),
        ("do x(); while (b);", 1, "@do x(); while (b);"),
        ("EACH(a) x();", 1, "none"),
        ("", 9, "none"),
    ],
)
def test_a_loop_has_its_word_before_it(text: str, column: int, wanted: str) -> None:
    assert marked(text, loop_spot(Source(text), 1, column)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{ a(); call(1); }", "{ a(); @call(1); }"),
        ("{ x = y + call(1); }", "{ @x = y + call(1); }"),
        ("{ if (a) call(1); }", "{ if (a) @call(1); }"),
        ("{ if (a) b(); else call(1); }", "{ if (a) b(); else @call(1); }"),
        ("{ case 1: call(1); }", "{ case 1: @call(1); }"),
        ("{ done: call(1); }", "{ done: @call(1); }"),
        ("{ x = a ? b : call(1); }", "{ @x = a ? b : call(1); }"),
        ("{ return f(a, call(1)); }", "{ @return f(a, call(1)); }"),
        ("{ a.b[3].call(1); }", "{ @a.b[3].call(1); }"),
        ("{ if (call(1)) b(); }", "none"),
        ("{ for (;;call(1)) b(); }", "none"),
    ],
)
def test_a_call_is_its_whole_statement(text: str, wanted: str) -> None:
    assert marked(text, statement_spot(Source(text), 1, text.index("call") + 1)) == wanted


def edits(text: str, *words: str) -> list[Edit]:
    return [Edit(Path("x.c"), text.index("int f"), word) for word in words]


def test_macros_are_defined_below_the_includes_and_inside_a_guard() -> None:
    text = (
        "/* c */\n#ifndef X_H\n#define X_H\n#include <a.h>\n#ifdef B\n#include <b.h>\n#endif\n\nint f(void);\n#endif\n"
    )
    lines = patched(text, edits(text, "COLT_NOINLINE")).splitlines()
    assert lines[3] == "#include <a.h>"
    assert lines.index("#define COLT_NOINLINE __attribute__((noinline))") < lines.index("#ifdef B")
    assert "COLT_NOINLINE int f(void);" in lines


def test_without_includes_they_are_defined_below_the_heading() -> None:
    text = "// heading\n\nint f(void) { return 1; }\n"
    lines = patched(text, edits(text, "COLT_MINSIZE")).splitlines()
    assert lines[:2] == ["// heading", ""]
    assert lines[2].startswith("/*")
    assert lines[-1] == "COLT_MINSIZE int f(void) { return 1; }"


def test_a_file_keeps_its_line_ends_and_a_missing_last_one() -> None:
    text = "#include <a.h>\r\nint f(void) { return 1; }"
    new = patched(text, edits(text, "COLT_NOINLINE"))
    assert new.count("\n") == new.count("\r\n")
    assert not new.endswith("\n")
    assert unified_diff("x.c", text, new).endswith("\\ No newline at end of file\n")


def test_without_edits_nothing_changes() -> None:
    assert patched("int f;\n", []) == "int f;\n"


def test_files_are_written_whole_with_their_mode_or_not_at_all(tmp_path: Path) -> None:
    first, second = tmp_path / "a.c", tmp_path / "b.c"
    first.write_bytes(b"old a")
    second.write_bytes(b"somebody's")
    first.chmod(0o640)
    with pytest.raises(RunDirectoryError, match=r"b\.c: .*changed meanwhile"):
        write_sources({first: (b"old a", b"new a"), second: (b"old b", b"new b")})
    assert first.read_bytes() == b"old a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.c", "b.c"]
    write_sources({first: (b"old a", b"new a")})
    assert first.read_bytes() == b"new a"
    assert first.stat().st_mode & 0o777 == 0o640
