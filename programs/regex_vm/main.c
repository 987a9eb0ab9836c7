/* The driver: known cases, then patterns over generated log lines, with both
   matchers compared on a part of the lines. */
#include "regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *pattern)
{
    fprintf(stderr, "regex_vm: %s: %s\n", what, pattern);
    exit(1);
}

static const struct {
    const char *pattern, *text;
    int from, to; /* from -1: no match */
} cases[] = {
    {"abc", "xxabcxx", 2, 5},       {"a*", "baaa", 0, 0},          {"a+", "baaa", 1, 4},
    {"a|ab", "ab", 0, 2},           {"(a|b)*c", "xabbac", 1, 6},   {"^ab", "cab", -1, 0},
    {"^ab$", "ab", 0, 2},           {"b$", "bab", 2, 3},           {"[a-c]+x?", "zzabcxx", 2, 6},
    {"[^a-z]", "abc4", 3, 4},       {"\\.\\*", "a.*", 1, 3},       {"(ab?)+", "aababb", 0, 5},
    {"", "abc", 0, 0},              {"x(a|b|)y", "xy", 0, 2},      {"(a*)*b", "aaab", 0, 4},
    {"(a?)(a?)(a?)aaa", "aaa", 0, 3}, {"[]x]+", "a]x]", 1, 4},     {"a.c", "a\nc abc", 4, 7},
    {"((a)|(bc))+d", "abcad", 0, 5}, {"(x+x+)+y", "xxxxxxxxxx", -1, 0}, {"^(a|)*$", "aaa", 0, 3},
};

static const char *const broken[] = {"(", ")", "a)", "*a", "[a", "a|*", "[b-a]", "\\", "(a"};

static const char *const patterns[] = {
    "error",
    "[0-9]+\\.[0-9]+\\.[0-9]+",
    "(GET|PUT|POST) /[a-z/]*",
    "size=[0-9]+(k|M)?",
    "^[0-9][0-9]:[0-9][0-9]",
    "([a-z]+/)+[a-z]+",
    "(warn|error|info).*code=[1-5]",
    "[aeiou][^aeiou ]+[aeiou]$",
    "(a|e|i|o|u)(a|e|i|o|u)+",
    "\\[[^]]*\\]",
};

enum { PATTERNS = sizeof patterns / sizeof *patterns, LINE = 160 };

static void check_cases(Regex *re)
{
    ReStats stats = {0, 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        for (int slow = 0; slow < 2; slow++) {
            ReSpan s = {0, 0};
            if (!regex_compile(re, cases[i].pattern))
                fail("did not compile", cases[i].pattern);
            int hit = slow ? regex_find_slow(re, cases[i].text, n, 0, &s)
                           : regex_find(re, cases[i].text, n, 0, &s, &stats);
            if (hit != (cases[i].from >= 0) || (hit && (s.from != (size_t)cases[i].from || s.to != (size_t)cases[i].to)))
                fail(slow ? "wrong slow match" : "wrong match", cases[i].pattern);
        }
    }
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (regex_compile(re, broken[i]))
            fail("broken pattern compiled", broken[i]);
}

static uint32_t seed;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static const char *pick(const char *const *list, uint32_t n)
{
    return list[next_random(n)];
}

static size_t make_line(char line[LINE])
{
    static const char *const levels[] = {"info", "warn", "error", "trace"};
    static const char *const verbs[] = {"GET", "PUT", "POST", "LIST"};
    static const char *const words[] = {"queue", "index", "page", "data", "audio", "tree", "room", "item"};
    int n = snprintf(line, LINE, "%02u:", (unsigned)next_random(24));
    n += snprintf(line + n, LINE - (size_t)n, "%02u ", (unsigned)next_random(60));
    n += snprintf(line + n, LINE - (size_t)n, "[%s] ", pick(words, 8));
    n += snprintf(line + n, LINE - (size_t)n, "%s ", pick(levels, 4));
    n += snprintf(line + n, LINE - (size_t)n, "%s ", pick(verbs, 4));
    for (uint32_t k = next_random(4); k; k--)
        n += snprintf(line + n, LINE - (size_t)n, "/%s", pick(words, 8));
    if (next_random(2)) {
        n += snprintf(line + n, LINE - (size_t)n, " size=%u", (unsigned)next_random(5000));
        n += snprintf(line + n, LINE - (size_t)n, "%s", next_random(2) ? "k" : "");
    }
    if (next_random(3) == 0)
        for (int k = 0; k < 3; k++)
            n += snprintf(line + n, LINE - (size_t)n, k ? ".%u" : " %u", (unsigned)next_random(300));
    n += snprintf(line + n, LINE - (size_t)n, " code=%u", (unsigned)next_random(10));
    n += snprintf(line + n, LINE - (size_t)n, " %s", pick(words, 8));
    return (size_t)n;
}

static uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: regex_vm LINES CHECK_EVERY (0..1000000, 1..1000000)\n");
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    uint32_t lines = number(argc == 3 ? argv[1] : "", 0, 1000000), every = number(argv[2], 1, 1000000);
    static Regex re[PATTERNS];
    uint32_t hits[PATTERNS] = {0}, sum = 2166136261u;
    ReStats stats = {0, 0};
    char line[LINE];
    check_cases(&re[0]);
    for (int p = 0; p < PATTERNS; p++)
        if (!regex_compile(&re[p], patterns[p]))
            fail("did not compile", patterns[p]);
    seed = 2463534242u;
    for (uint32_t i = 0; i < lines; i++) {
        size_t n = make_line(line);
        for (int p = 0; p < PATTERNS; p++) {
            /* All matches of a line, one behind the other. */
            for (size_t at = 0; at <= n;) {
                ReSpan s = {0, 0}, t = {0, 0};
                int hit = regex_find(&re[p], line, n, at, &s, &stats);
                if (i % every == 0 && (regex_find_slow(&re[p], line, n, at, &t) != hit || s.from != t.from || s.to != t.to))
                    fail("matchers differ", patterns[p]);
                if (!hit)
                    break;
                hits[p]++;
                sum = (sum ^ (uint32_t)(s.from * LINE + s.to)) * 16777619u;
                at = s.to > s.from ? s.to : s.to + 1;
            }
        }
    }
    printf("hits");
    for (int p = 0; p < PATTERNS; p++)
        printf(" %u", (unsigned)hits[p]);
    printf("\nsteps %llu threads %llu\nsum %08x\nok\n", (unsigned long long)stats.steps,
           (unsigned long long)stats.threads, (unsigned)sum);
    return 0;
}
