"""Traps: C functions whose value the language leaves to the compiler, so that an optimisation may change it.

Each is written by a function of a random generator and a name, which gives the text of ``static unsigned NAME(void)``.
Some are defined and ask what the optimiser knows, some are undefined behaviour, and a few no pass may change.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random


def _constant_p_sum(random: Random, name: str) -> str:
    n, k = random.randint(50, 3000), random.randint(1, 9)
    return f"""\
static unsigned {name}(void) {{
    unsigned sum = 0;
    for (unsigned i = 0; i < {n}u; i++) sum += i * {k}u;
    if (__builtin_constant_p(sum)) {{
        volatile unsigned t[4] = {{sum, sum * 3, sum ^ 5, ~sum}};
        return t[0] + t[1] * t[2] - t[3];
    }}
    return {k}u;
}}"""


def _constant_p_argument(random: Random, name: str) -> str:
    n = random.randint(2, 90)
    return f"""\
static unsigned {name}_of(unsigned x) {{ return __builtin_constant_p(x) ? x * {n}u + 1u : x - {n}u; }}
static unsigned {name}(void) {{ return {name}_of({n * 7}u); }}"""


def _constant_p_memory(random: Random, name: str) -> str:
    n = random.randint(2, 9)
    return f"""\
static unsigned {name}(void) {{
    unsigned a[{n}];
    for (unsigned i = 0; i < {n}u; i++) a[i] = i * i;
    return __builtin_constant_p(a[{n - 1}]) ? 77u + a[{n - 1}] : 5u;
}}"""


def _object_size(random: Random, name: str) -> str:
    n = random.randint(8, 200)
    return f"""\
static unsigned {name}_of(const char *p) {{ return (unsigned)__builtin_object_size(p, {random.choice((0, 1))}); }}
static unsigned {name}(void) {{
    char *p = malloc({n});
    if (!p) return 0;
    p[0] = 1;
    unsigned size = {name}_of(p + {n // 3});
    free(p);
    return size;
}}"""


def _reassociation(random: Random, name: str) -> str:
    n = random.choice((64, 100, 256, 1000))
    return f"""\
static float {name}_data[{n}];
static unsigned {name}(void) {{
    for (int i = 0; i < {n}; i++)
        {name}_data[i] = 1.0f / (float)(i * {random.randint(3, 11)} + 1) * (i % 3 ? 1e4f : -1e-3f);
    float sum = 0;
    {{
        #pragma clang fp reassociate(on)
        for (int i = 0; i < {n}; i++) sum += {name}_data[i];
    }}
    unsigned bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}}"""


def _float_order(random: Random, name: str) -> str:
    """No pass may change this one: a guard against those that do."""
    return f"""\
static unsigned {name}(void) {{
    volatile float big = {random.choice(("1e8f", "3e7f"))};
    float a = big, sum = 0;
    for (int i = 1; i < {random.randint(20, 90)}; i++) sum = (sum + a) - a + 1.0f / (float)i;
    return (unsigned)(sum * 1000.0f);
}}"""


def _signed_overflow(random: Random, name: str) -> str:
    return f"""\
static unsigned {name}(void) {{
    int x = INT_MAX - zero;
    unsigned found = 0;
    for (int i = 0; i < {random.randint(2, 5)}; i++) found += (x + i + 1 > x) ? 3u : 7u;
    return found;
}}"""


def _overflow_in_a_loop(random: Random, name: str) -> str:
    step = random.choice((0x10000000, 0x20000000))
    return f"""\
static unsigned {name}(void) {{
    unsigned turns = 0;
    for (int i = 1; i > zero && turns < 40u; i += {step}) turns++;
    return turns;
}}"""


def _aliasing(random: Random, name: str) -> str:
    first, second = random.choice((("int", "float"), ("long", "double"), ("unsigned", "short")))
    return f"""\
static {first} {name}_set({first} *a, {second} *b) {{ *a = 1; *b = 2; return *a; }}
static {first} (*volatile {name}_call)({first} *, {second} *) = {name}_set;
static unsigned {name}(void) {{
    union {{ {first} a; {second} b; long long whole; }} u = {{0}};
    return (unsigned){name}_call(&u.a, ({second} *)(void *)&u.a);
}}"""


def _uninitialised(random: Random, name: str) -> str:
    """The stack below holds the same bytes in every run."""
    return f"""\
static __attribute__((noinline)) void {name}_fill(void) {{
    volatile unsigned a[64];
    for (int i = 0; i < 64; i++) a[i] = {random.randint(1, 1 << 30)}u;
}}
static __attribute__((noinline)) unsigned {name}_read(int n) {{
    unsigned x;
    if (n > 4) x = {random.randint(1, 99)}u;
    return x % 1000u;
}}
static unsigned {name}(void) {{ {name}_fill(); return {name}_read(zero); }}"""


def _far_shift(random: Random, name: str) -> str:
    return f"""\
static unsigned {name}(void) {{
    unsigned n = 32u + (unsigned)zero, found = 0;
    for (unsigned i = 0; i < {random.randint(2, 5)}u; i++) found += {random.randint(1, 1000)}u << (n + i);
    return found;
}}"""


def _null_after_use(random: Random, name: str) -> str:
    return f"""\
static int {name}_cell = {random.randint(1, 99)};
static __attribute__((noinline)) unsigned {name}_of(int *p, int use) {{
    unsigned x = 0;
    if (use) x = (unsigned)*p;
    if (!p) return x + 1u;
    return x + (__builtin_constant_p(p != 0) ? 2u : 3u);
}}
static unsigned {name}(void) {{ return {name}_of(&{name}_cell, 1) + {name}_of(zero ? &{name}_cell : 0, 0); }}"""


def _neighbours(random: Random, name: str) -> str:
    return f"""\
static int {name}_a[{random.randint(1, 4)}], {name}_b[{random.randint(1, 4)}];
static unsigned {name}(void) {{
    {name}_a[0] = {name}_b[0] = zero;
    int *p = {name}_a + sizeof {name}_a / sizeof(int), *q = {name}_b;
    return (p == q ? 1u : 0u) + (memcmp(&p, &q, sizeof p) == 0 ? 2u : 0u);
}}"""


def _equal_literals(random: Random, name: str) -> str:
    word = "".join(random.choice("abcdefgh") for _ in range(6))
    return f"""\
static const char {name}_a[] = "{word}", {name}_b[] = "{word}";
static const char *volatile {name}_p = {name}_a, *volatile {name}_q = {name}_b;
static unsigned {name}(void) {{ return {name}_p == {name}_q ? 1u : 2u; }}"""


def _frame_size(random: Random, name: str) -> str:
    return f"""\
static unsigned {name}_down(int n, const char *above) {{
    char here[{random.randint(8, 60)}];
    here[0] = (char)n;
    __asm__ volatile("" : : "r"(here) : "memory");
    unsigned deep = n ? {name}_down(n - 1, here) : 0;
    return deep * 3u + (unsigned)(above - here);
}}
static unsigned {name}(void) {{
    char top[8];
    __asm__ volatile("" : : "r"(top) : "memory");
    return {name}_down({random.randint(1, 4)}, top);
}}"""


def _alignment(random: Random, name: str) -> str:
    n = random.choice((24, 40, 100))
    return f"""\
static char {name}_pad[{random.choice((1, 3, 5))}], {name}_data[{n}];
static unsigned {name}(void) {{
    for (int i = 0; i < {n}; i++) {name}_data[i] = (char)(i + zero);
    {name}_pad[0] = 1;
    return (unsigned)((uintptr_t){name}_data % 64u) + (unsigned char){name}_data[7];
}}"""


def _code_distance(random: Random, name: str) -> str:
    """Of two functions: what every change of code changes."""
    return f"""\
static __attribute__((noinline)) unsigned {name}_one(unsigned x) {{ return mix(x, {random.randint(1, 99)}u) / 3u; }}
static __attribute__((noinline)) unsigned {name}_two(unsigned x) {{ return mix(x, x) % 7u; }}
static unsigned {name}(void) {{
    unsigned (*volatile p)(unsigned) = {name}_one, (*volatile q)(unsigned) = {name}_two;
    return (unsigned)((uintptr_t)p - (uintptr_t)q) + p(3) + q(5);
}}"""


def _long_jump(random: Random, name: str) -> str:
    return f"""\
static jmp_buf {name}_place;
static __attribute__((noinline)) void {name}_back(void) {{ longjmp({name}_place, 1); }}
static unsigned {name}(void) {{
    unsigned kept = {random.randint(1, 50)}u;
    if (setjmp({name}_place) == 0) {{
        for (int i = 0; i < {random.randint(2, 9)}; i++) kept += (unsigned)(i + zero);
        {name}_back();
    }}
    return kept;
}}"""


def _wrong_assumption(random: Random, name: str) -> str:
    n = random.randint(4, 30)
    return f"""\
static __attribute__((noinline)) unsigned {name}_of(unsigned x) {{
    __builtin_assume(x < {n}u);
    return x / {n}u + (x >= {n}u ? 11u : 13u);
}}
static unsigned {name}(void) {{ return {name}_of({n + 3}u + (unsigned)zero); }}"""


def _endless_loop(random: Random, name: str) -> str:
    """Without effects, and so the compiler may take it to end. It would last a long time, not for ever."""
    return f"""\
static __attribute__((noinline)) unsigned {name}_of(unsigned long long n) {{
    unsigned long long x = n;
    while (x != 1u) x = x % 2u ? 3u * x + 1u : x / 2u == 2u ? n : x / 2u;
    return {random.randint(2, 99)}u;
}}
static unsigned {name}(void) {{ {name}_of(7u + (unsigned)zero); return 1u; }}"""


#: Name -> function that writes the text of one.
TRAPS: dict[str, Callable[[Random, str], str]] = {
    "constant_p of a sum": _constant_p_sum,
    "constant_p of an argument": _constant_p_argument,
    "constant_p of memory": _constant_p_memory,
    "object size": _object_size,
    "reassociated floats": _reassociation,
    "order of floats": _float_order,
    "signed overflow": _signed_overflow,
    "overflow in a loop": _overflow_in_a_loop,
    "aliasing": _aliasing,
    "uninitialised": _uninitialised,
    "far shift": _far_shift,
    "null after use": _null_after_use,
    "neighbours": _neighbours,
    "equal literals": _equal_literals,
    "size of frames": _frame_size,
    "alignment": _alignment,
    "distance of functions": _code_distance,
    "long jump": _long_jump,
    "wrong assumption": _wrong_assumption,
    "endless loop": _endless_loop,
}
#: Each program has one of these: they change often, and cost little.
FREQUENT = (
    "constant_p of a sum", "constant_p of an argument", "constant_p of memory", "object size", "signed overflow",
    "uninitialised", "reassociated floats", "overflow in a loop", "aliasing",
)  # fmt: skip
