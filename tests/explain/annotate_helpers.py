"""Programs with what makes places in a source hard to find, and recipes for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from colt_llvm.evaluate.target import Sequences
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import Recipe, apply_recipe, opt_lines, save_recipe, source_digests

C_HEADER = """\
#ifndef SHAPES_H
#define SHAPES_H
#include <stdio.h>
#define MAKE(name, factor) int name(int x) { return x * factor; }
static inline int clamp(int x)
{
    return x > 100 ? 100 : x;
}
int sum(const int *values, int count);
#endif
"""

C_MAIN = """\
/* A heading
   of two lines. */
#include "shapes.h"
#include <stdlib.h>

static int helper(int x);
MAKE(twice, 2)
__attribute__((unused))
static int
helper(int x)
{
    /* helper( in a comment, and "helper(" */
    return x + 3;
}

static const char *name_of(int x) { return x ? "helper(1)" : "b"; }

int main(int argc, char **argv)
{
    int values[40], total = 0;
    (void)argv;
    for (int i = 0; i < 40; i++)
        values[i] = helper(i) + clamp(i * argc);
    if (argc) for (int j = 0; j < 3; j++) total += twice(j);
    total += helper(argc);
    helper(2);
    while (total > 1000)
        total -= helper(total);
    printf("%d %d %s\\n", total, sum(values, 40), name_of(argc));
    return 0;
}
"""

C_SUM = (
    "#include \"shapes.h\"\r\nstatic int helper(int x) { return x * 7 + (x & 3); }\r\n"
    "int sum(const int *values, int count)\r\n{\r\n\tint s = 0;\r\n\tfor (int i = 0; i < count; i++)\r\n"
    "\t\ts += helper(clamp(values[i]));\r\n\treturn s;\r\n}\r\n"
)  # fmt: skip

CXX = """\
#include <cstdio>
#include <vector>

namespace geometry {
template <class T>
class Box {
public:
    explicit Box(T value) : value_(value) {}
    ~Box() { std::printf("gone\\n"); }
    T get() const { return value_; }
    static int sides(int x) { return x * 4; }
    [[nodiscard]] int count() const;
    Box operator+(const Box &other) const { return Box(value_ + other.value_); }

private:
    T value_;
};

template <class T> int Box<T>::count() const { return static_cast<int>(value_) + 1; }
extern "C" int plain(int x) { return x - 1; }
}  // namespace geometry

struct Plain { std::vector<int> items; };

template <class T>
static T larger(T a, T b) {
    return a > b ? a : b;
}

int main(int argc, char **) {
    using geometry::Box;
    Box<int> a(argc), b(2);
    Box<long> c(3);
    Plain plain;
    plain.items.push_back(argc);
    Plain copy = plain;
    auto triple = [](int x) { return x * 3; };
    std::printf("%d %ld %d %d\\n", (a + b).get(), c.get(), a.count(), Box<int>::sides(argc));
    std::printf("%d %ld %d\\n", larger(argc, 2), larger(5L, 4L), triple(geometry::plain(argc)));
    return static_cast<int>(copy.items.size()) - 1;
}
"""


def c_program(folder: Path) -> Program:
    for name, text in (("shapes.h", C_HEADER), ("main.c", C_MAIN), ("sum.c", C_SUM)):
        (folder / name).write_bytes(text.encode())
    return Program("shapes", (folder / "main.c", folder / "sum.c"))


def cxx_program(folder: Path) -> Program:
    (folder / "box.cpp").write_text(CXX, encoding="utf-8")
    return Program("box", (folder / "box.cpp",))


def recipe_of(toolchain: Toolchain, program: Program, objective: str, sequence: Sequence[str]) -> Recipe:
    baseline = prepare_baseline(toolchain, program, objective)
    pipeline = Sequences(toolchain_catalogue(toolchain), baseline).pipeline(sequence)
    draft = Recipe(
        program.name, objective, baseline.level, tuple(sequence), pipeline, program.cflags, program.ldflags,
        toolchain.version, toolchain.triple, source_digests(program), (),
        opt_lines(toolchain, program, baseline.level, pipeline), {"ratio": 1.01},
    )  # fmt: skip
    return replace(draft, objects=tuple(map(loaded_digest, apply_recipe(draft, toolchain, program))))


def saved_recipe(
    toolchain: Toolchain, program: Program, sequence: Sequence[str], place: Path, objective: str = "size"
) -> Path:
    save_recipe(recipe_of(toolchain, program, objective, sequence), place)
    return place
