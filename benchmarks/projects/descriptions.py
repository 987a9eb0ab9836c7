"""The projects, as data: how each is configured, built, tested and run, in the words of its own instructions.

In all commands {cc} and {cxx} stand for the compilers and {flags} for an optimisation level; a word with {flags} is
left out where the project's own flags are to be used. Commands run in ``folder`` of the unpacked source, without a
shell. Inputs of the workloads are made up from a seed: the same bytes on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Command = tuple[str, ...]

#: Where the workload's files are put, beside the project's own.
INPUTS = "workload"


@dataclass(frozen=True)
class Project:
    """A project of other people, in the source package of that name.

    build makes everything that ``test`` needs; build_program makes ``program`` alone. run is the workload, with
    ``program`` as its first word, and outputs are the files it writes, relative to ``folder``.
    """

    name: str
    kind: str
    build_system: str
    package: str
    folder: str
    configure: tuple[Command, ...]
    build: Command
    build_program: Command
    test: Command
    clean: Command
    program: str
    run: Command
    files: Callable[[], Mapping[str, str]]
    outputs: tuple[str, ...] = ()


def fill(command: Command, cc: str, cxx: str, flags: str | None) -> Command:
    """The command with compilers and flags in place."""
    chosen = (word for word in command if flags is not None or "{flags}" not in word)
    return tuple(
        word.replace("{cc}", cc).replace("{cxx}", cxx).replace("{flags}", flags if flags is not None else "")
        for word in chosen
    )


#: Rare letters last: they are drawn by the square of a uniform number, as are words.
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def text(seed: int, size: int) -> str:
    """Lines of made-up words, some common and most rare, with a number at the end of every fifth; >= size bytes."""
    draw = random.Random(seed).random
    words = _words(seed)
    lines, total = [], 0
    while total < size:
        line = " ".join(words[int(len(words) * draw() ** 2)] for _ in range(4 + int(10 * draw())))
        if draw() < 0.2:
            line += f" {int(1000 * draw())}"
        lines.append(line)
        total += len(line) + 1
    return "\n".join(lines) + "\n"


def document(seed: int, items: int) -> str:
    """XML with attributes, entities, namespaces, comments, CDATA and characters of one to three bytes."""
    draw = random.Random(seed).random
    words = _words(seed)

    def some() -> str:
        return words[int(len(words) * draw())]

    parts = [_PROLOGUE]
    for number in range(items):
        name, level = some(), int(5 * draw())
        inside = " ".join(some() for _ in range(3 + 3 * level))
        parts.append(
            f' <item id="i{number}" name="{name}" weight=\'{draw():.3f}\'>{inside} &amp; &firm; \u00e9\u4e2d'
            f'<!-- {name} --><sub:part xmlns:sub="urn:{name}" sub:n="&lt;{level}"/><![CDATA[{name}<&>]]></item>\n'
        )
    return "".join([*parts, "</list>\n"])


def _words(seed: int, count: int = 400) -> list[str]:
    draw = random.Random(seed).random
    return ["".join(_LETTERS[int(26 * draw() ** 2)] for _ in range(2 + int(9 * draw()))) for _ in range(count)]


_PROLOGUE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE list [
<!ENTITY firm "A &#38;#38; B">
<!ATTLIST item unit CDATA "piece">
]>
<list>
"""

#: Words, patterns, substitutions, arrays, recursion and number formats; prints one line of counts.
_SCRIPT = r"""
function gcd(a, b) { return b ? gcd(b, a % b) : a }
function turned(s,  i, t) { for (i = length(s); i > 0; i--) t = t substr(s, i, 1); return t }
{
  for (i = 1; i <= NF; i++) {
    count[$i]++
    if ($i ~ /^[0-9]+$/) sum += $i
    else if ($i ~ /(an|en|in)[aeiou]?t/) hits++
  }
  if (gsub(/[aeiou]+/, "<&>") > 8) rich++
  last[toupper(substr($1, 1, 3))] = NR
  if (NR % 7 == 0) { parts += split($0, part, /[<>]/); if (index($0, turned($2))) palindromes++ }
  if (NR % 50 == 0) total += length(sprintf("%08.3f|%-12s|%d", NR / 7, $1, NR))
}
END {
  for (i = 1; i <= 60000; i++) divisors += gcd(i, 360360)
  for (w in count) { words++; if (count[w] > most) most = count[w] }
  for (k in last) keys += last[k]
  print NR, words, most, sum, hits, rich, parts, palindromes, total, divisors, keys
}
"""


def compressor_files() -> Mapping[str, str]:
    """Name -> content of what is compressed."""
    return {"input.txt": text(1, 3_000_000)}


def interpreter_files() -> Mapping[str, str]:
    """Name -> content of a script and what it reads."""
    return {"input.txt": text(2, 3_000_000), "script.awk": _SCRIPT}


#: Closures, strings, patterns, tables, coroutines, sorting and numbers; prints one line. Errors end it with a status.
_LUA_SCRIPT = r"""
local counts, order = {}, {}
for line in io.lines(arg[1]) do
  for word in line:gmatch("%a+") do
    if not counts[word] then order[#order + 1] = word end
    counts[word] = (counts[word] or 0) + 1
  end
end
table.sort(order, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
local function numbers(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local sum, text = 0, {}
for i in numbers(200000) do sum = (sum * 31 + i // 3) % 1000003 end
for i = 1, 400 do
  local word = order[i % #order + 1]
  text[i] = string.format("%05.2f|%-8s|%x", i / 7, word, counts[word])
end
local joined = table.concat(text, ";"):gsub("[aeiou]+", string.upper):reverse()
local Point = {__add = function(a, b) return setmetatable({x = a.x + b.x}, getmetatable(a)) end}
local point = setmetatable({x = 0}, Point)
for i = 1, 100000 do point = point + setmetatable({x = i & 7}, Point) end
assert(not pcall(error, {}) and select("#", string.byte(joined, 1, 9)) == 9)
print(#order, order[1], sum, #joined, joined:byte(100), point.x, 7 // 2.5, 2 ^ 53, math.type(3 // 1))
"""


def lua_files() -> Mapping[str, str]:
    """Name -> content of a script and what it reads."""
    return {"input.txt": text(4, 1_500_000), "script.lua": _LUA_SCRIPT}


def no_files() -> Mapping[str, str]:
    """For a program that reads a file of its own source package."""
    return {}


def parser_files() -> Mapping[str, str]:
    """Name -> content of what is parsed."""
    return {"input.xml": document(3, 60_000)}


_BZIP2 = ("make", "CC={cc}", "CFLAGS=-Wall -Winline {flags} -D_FILE_OFFSET_BITS=64")
_LUA = (
    "make", "-C", "src", "CC={cc}", "CFLAGS={flags} -Wall -Wextra -DLUA_COMPAT_5_3 -DLUA_USE_LINUX",
    "SYSLIBS=-Wl,-E -ldl",
)  # fmt: skip
_BUILD = "build"

PROJECTS = (
    Project(
        name="bzip2", kind="compressor", build_system="make", package="bzip2", folder=".",
        configure=(),
        build=(*_BZIP2, "bzip2", "bzip2recover"), build_program=(*_BZIP2, "bzip2"),
        test=(*_BZIP2, "test"), clean=("make", "clean"),
        program="./bzip2", run=("./bzip2", "-9", "-c", f"{INPUTS}/input.txt"), files=compressor_files,
    ),
    Project(
        name="mawk", kind="interpreter", build_system="configure and make", package="mawk", folder=".",
        configure=(("./configure", "CC={cc}", "CFLAGS={flags}"),),
        build=("make",), build_program=("make", "mawk"), test=("make", "check"), clean=("make", "clean"),
        program="./mawk", run=("./mawk", "-f", f"{INPUTS}/script.awk", f"{INPUTS}/input.txt"), files=interpreter_files,
    ),
    Project(
        name="lua", kind="interpreter", build_system="make", package="lua5.4", folder=".",
        configure=(), build=(*_LUA, "lua", "luac"), build_program=(*_LUA, "lua"),
        test=("make", "test"), clean=("make", "clean"),
        program="./src/lua", run=("./src/lua", f"{INPUTS}/script.lua", f"{INPUTS}/input.txt"), files=lua_files,
    ),
    Project(
        name="libpng", kind="codec", build_system="configure and make", package="libpng1.6", folder=".",
        configure=(("./configure", "--disable-shared", "CC={cc}", "CFLAGS={flags}"),),
        build=("make",), build_program=("make", "pngtest"), test=("make", "check"), clean=("make", "clean"),
        program="./pngtest", run=("./pngtest", "pngtest.png"), outputs=("pngout.png",), files=no_files,
    ),
    Project(
        # Its own default is no optimisation at all; a build type is what its instructions leave to the user.
        name="expat", kind="parser", build_system="CMake", package="expat", folder="expat",
        configure=(
            (
                "cmake", "-S", ".", "-B", _BUILD, "-G", "Unix Makefiles", "-DCMAKE_C_COMPILER={cc}",
                "-DCMAKE_CXX_COMPILER={cxx}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                "-DCMAKE_C_FLAGS_RELWITHDEBINFO={flags}", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO={flags}",
                "-DEXPAT_SHARED_LIBS=OFF", "-DEXPAT_BUILD_DOCS=OFF", "-DEXPAT_BUILD_EXAMPLES=OFF",
            ),
        ),
        build=("cmake", "--build", _BUILD), build_program=("cmake", "--build", _BUILD, "--target", "xmlwf"),
        test=("cmake", "-E", "chdir", _BUILD, "ctest", "--output-on-failure"),
        clean=("cmake", "--build", _BUILD, "--target", "clean"),
        program=f"./{_BUILD}/xmlwf/xmlwf", outputs=("out/input.xml",),
        run=(f"./{_BUILD}/xmlwf/xmlwf", "-n", "-d", "out", f"{INPUTS}/input.xml"), files=parser_files,
    ),
)  # fmt: skip
