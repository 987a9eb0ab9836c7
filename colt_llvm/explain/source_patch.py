"""What is written into sources, as text and as a patch: macros that only clang sees, defined once in each file."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core.files import explained
from colt_llvm.explain.source_edits import Source

#: Macro -> what clang is told. Names with brackets take hints of ``#pragma clang loop``.
WORDS: Mapping[str, str] = {
    "COLT_ALWAYS_INLINE": "__attribute__((always_inline))",
    "COLT_NOINLINE": "__attribute__((noinline))",
    "COLT_MINSIZE": "__attribute__((minsize))",
    "COLT_LOOP(hints)": "COLT_PRAGMA(clang loop hints)",
    "COLT_INLINE_CALL": "[[clang::always_inline]]",
    "COLT_NOINLINE_CALL": "[[clang::noinline]]",
}
_PRAGMA = "#define COLT_PRAGMA(text) _Pragma(#text)"
_HEADING = "/* Decisions of colt-llvm, for clang alone: other compilers see none of them. */"
#: Statements have attributes in C too from this clang on, whatever the language's standard.
_FIRST_CALL_ATTRIBUTES = 17
_CALLS = ("COLT_INLINE_CALL", "COLT_NOINLINE_CALL")
_CONDITION = re.compile(r"#\s*(if|ifdef|ifndef|endif|include|define)\b\s*(\S*)")


@dataclass(frozen=True, order=True)
class Edit:
    """One word written into one file."""

    file: Path
    offset: int  #: in bytes
    macro: str  #: a key of WORDS
    hints: str = ""  #: of COLT_LOOP, as the pragma has them

    @property
    def word(self) -> str:
        return f"{self.macro.partition('(')[0]}({self.hints})" if self.hints else self.macro


def patched(text: str, edits: Iterable[Edit], reasons: Mapping[Edit, str] | None = None) -> str:
    """The file with these edits and the macros they use. text: latin-1. reasons: comments beside them."""
    source = Source(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    inserts: dict[int, str] = {}
    used: set[str] = set()
    for edit in sorted(edits):
        used.add(edit.macro)
        comment = f" /* {reasons[edit]} */" if reasons and edit in reasons else ""
        gap = " "
        if edit.hints and source.is_first_on_line(edit.offset):  # above the loop, as a pragma stands
            gap = newline + text[source.line_start(edit.offset) : edit.offset]
        inserts[edit.offset] = inserts.get(edit.offset, "") + edit.word + comment + gap
    if not used:
        return text
    place = _place_of_macros(source, min(inserts))
    block = newline.join(_macros(used)) + newline
    before = newline if place and not text[:place].endswith((newline * 2, "\n\n")) else ""
    after = "" if text[place:].startswith(("\n", "\r\n")) else newline
    inserts[place] = before + block + after + inserts.get(place, "")
    parts, position = [], 0
    for offset in sorted(inserts):
        parts += [text[position:offset], inserts[offset]]
        position = offset
    return "".join([*parts, text[position:]])


def _macros(used: set[str]) -> list[str]:
    """Their definitions; the same in each file, so that headers may define them again."""
    lines = [_HEADING]
    for condition, names in (
        ("#if defined(__clang__)", [name for name in WORDS if name in used and name not in _CALLS]),
        (
            f"#if defined(__clang__) && __clang_major__ >= {_FIRST_CALL_ATTRIBUTES}",
            [name for name in _CALLS if name in used],
        ),
    ):
        if names:
            lines.append(condition)
            lines += [_PRAGMA] if "COLT_LOOP(hints)" in names else []
            lines += [f"#define {name} {WORDS[name]}" for name in names]
            lines += ["#else", *(f"#define {name}" for name in names), "#endif"]
    return lines


def _place_of_macros(source: Source, first: int) -> int:
    """Below the includes that stand before the first edit, outside of conditions; else below the file's heading."""
    depth = guard = 0
    place = None
    for number, token in enumerate(source.tokens):
        if token.start >= first:
            break
        match = _CONDITION.match(token.text) if token.kind == "directive" else None
        if match is None:
            continue
        word = match[1]
        if number == 0 and word == "ifndef" and source.tokens[1:2]:
            following = _CONDITION.match(source.tokens[1].text)
            guard = int(bool(following and following[1] == "define" and following[2] == match[2]))
        depth += word in ("if", "ifdef", "ifndef")
        depth -= word == "endif"
        if depth == guard and (word == "include" or (number == 1 and guard)):
            place = token.end
    if place is None:
        return source.line_start(source.after_heading())
    end = source.text.find("\n", place)
    return len(source.text) if end < 0 else end + 1


def unified_diff(name: str, old: str, new: str) -> str:
    """As ``patch -p1`` and ``git apply`` read it. name: of the file, relative to where the patch is applied."""
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Ended by newlines alone: to str.splitlines a form feed ends one too."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def common_root(files: Sequence[Path], here: Path) -> Path:
    """The folder that a patch's names are relative to: ``here`` where it holds all the files."""
    if all(file.is_relative_to(here) for file in files):
        return here
    return Path(os.path.commonpath([file.parent for file in files]))


def write_sources(contents: Mapping[Path, tuple[bytes, bytes]]) -> None:
    """Replace files, each whole or not at all, with its mode. contents: file -> (what it holds now, what it shall).

    All new files are written before the first one takes its place. Raises RunDirectoryError, also where a file no
    longer holds what it did.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for file, (old, new) in contents.items():
            place = Path(os.path.realpath(file))
            beside = place.with_name(f".{place.name}.{os.getpid()}.colt")
            with explained(file):
                if place.read_bytes() != old:
                    raise OSError(0, "has changed meanwhile, so nothing is written")
                mode = place.stat().st_mode
                ready.append((beside, place))
                beside.write_bytes(new)
                beside.chmod(mode & 0o7777)
        for beside, place in ready:
            with explained(place):
                os.replace(beside, place)
    finally:
        for beside, _ in ready:
            beside.unlink(missing_ok=True)
