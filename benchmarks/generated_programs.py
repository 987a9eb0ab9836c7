"""Small C programs from a seed, whose answer may change with what the optimiser knows.

Each works for a while, and then computes traps: values that C leaves to the compiler. The answer goes to one place
only, in turn: standard output, standard error, a named file, a file that nobody names, one in a subfolder, the exit
status. Whoever does not look there takes a program that does something else for the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from benchmarks.traps import FREQUENT, TRAPS

#: Where the answer goes. "named": a file that --run names; "unnamed": one that nobody names.
PLACES = ("stdout", "stderr", "named", "unnamed", "subfolder", "status")


@dataclass(frozen=True)
class GeneratedProgram:
    """One program. place: of PLACES. traps: by name, those that it holds; args: of its command line."""

    name: str
    text: str
    place: str
    traps: tuple[str, ...]
    args: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files to be named to whoever compares."""
        return self.args if self.place == "named" else ()


def generate(seed: int) -> GeneratedProgram:
    """The program of this seed; the same in every run and on every machine."""
    random = Random(seed)
    place = PLACES[seed % len(PLACES)]
    chosen = [random.choice(FREQUENT), *random.sample(sorted(TRAPS), random.randint(0, 2))]
    chosen = list(dict.fromkeys(chosen))
    traps = [TRAPS[name](random, f"trap{number}") for number, name in enumerate(chosen)]
    calls = "".join(f"    answer = mix(answer, trap{number}());\n" for number in range(len(traps)))
    text = "\n".join(
        [
            _HEAD, *(_helper(random, number) for number in range(random.randint(2, 5))), *traps, _SINKS[place],
            _MAIN.format(work=_work(random), calls=calls),
        ]
    )  # fmt: skip
    return GeneratedProgram(f"own-{seed}", text, place, tuple(chosen), ("out.txt",) if place == "named" else ())


_HEAD = """\
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static volatile int zero = 0;
static unsigned mix(unsigned hash, unsigned value) { return (hash ^ value) * 16777619u + (hash >> 13); }
"""

_MAIN = """\
int main(int argc, char **argv) {{
    unsigned answer = 2166136261u;
    (void)argc; (void)argv;
{work}{calls}    return finish(answer, argv);
}}
"""

#: finish() puts the answer where the program's place is, and nothing elsewhere.
_SINKS = {
    "stdout": """\
static int finish(unsigned answer, char **argv) {
    (void)argv;
    printf("answer %u\\n", answer);
    return 0;
}""",
    "stderr": """\
static int finish(unsigned answer, char **argv) {
    (void)argv;
    puts("done");
    fprintf(stderr, "answer %u\\n", answer);
    return 0;
}""",
    "named": """\
static int finish(unsigned answer, char **argv) {
    FILE *file = fopen(argv[1], "w");
    if (!file) return 1;
    fprintf(file, "answer %u\\n", answer);
    return fclose(file) != 0;
}""",
    "unnamed": """\
static int finish(unsigned answer, char **argv) {
    (void)argv;
    int file = open("answer.bin", O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (file < 0) return 1;
    long wrote = write(file, &answer, sizeof answer);
    close(file);
    return wrote != sizeof answer;
}""",
    "subfolder": """\
static int finish(unsigned answer, char **argv) {
    (void)argv;
    mkdir("results", 0755);
    mkdir("results/deep", 0755);
    FILE *file = fopen("results/deep/answer.txt", "w");
    if (!file) return 1;
    fprintf(file, "answer %u\\n", answer);
    return fclose(file) != 0;
}""",
    "status": "static int finish(unsigned answer, char **argv) { (void)argv; return (int)(answer % 251u); }",
}


def _helper(random: Random, number: int) -> str:
    """Ordinary code, with something to gain for a search."""
    a, b, c = (random.randint(3, 97) for _ in range(3))
    shape = random.choice(("loop", "cases", "record", "bytes"))
    head = f"static unsigned work{number}(unsigned x) {{\n"
    if shape == "loop":
        body = f"""\
    unsigned s = x;
    for (unsigned i = 0; i < {a * 20}u; i++) s += (i * {b}u) ^ (s >> {c % 7 + 1});
    return s;
"""
    elif shape == "cases":
        changes = [random.choice(("+=", "^=", "*=", "-=")) for _ in range(6)]
        cases = "".join(f"        case {k}: x {change} {k * a + b}u; break;\n" for k, change in enumerate(changes))
        body = f"""\
    for (unsigned i = 0; i < {b * 9}u; i++) switch ((x >> {c % 5}) % 6u) {{
{cases}    }}
    return x;
"""
    elif shape == "record":
        head = f"typedef struct {{ unsigned key; short kind; char name[{a % 13 + 3}]; }} Record{number};\n" + head
        body = f"""\
    Record{number} r[{b % 29 + 3}];
    memset(r, 0, sizeof r);
    for (unsigned i = 0; i < sizeof r / sizeof r[0]; i++) {{
        r[i].key = i * {a}u + x;
        r[i].kind = (short)(r[i].key % {c}u);
        r[i].name[0] = (char)('a' + i % 26);
    }}
    for (unsigned i = 1; i < sizeof r / sizeof r[0]; i++)
        if (r[i].kind < r[i - 1].kind) x = mix(x, r[i].key + (unsigned char)r[i].name[0]);
    return x;
"""
    else:
        body = f"""\
    char text[64];
    int n = snprintf(text, sizeof text, "%u-%u", x, x * {a}u);
    for (int i = 0; i < n; i++) x = mix(x, (unsigned char)text[i] + {b}u);
    return x;
"""
    return f"{head}{body}}}"


def _work(random: Random) -> str:
    return "".join(f"    answer = mix(answer, work{number}({random.randint(1, 1 << 20)}u));\n" for number in range(2))
