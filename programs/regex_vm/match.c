/* The two matchers: all ways side by side, and one way after the other. */
#include "regex.h"

#include <string.h>

static int in_set(const uint8_t *set, unsigned char c)
{
    return set[c / 8] >> c % 8 & 1;
}

/* Does an instruction that reads a letter take this one? */
static int takes(const Regex *re, const ReInstr *x, unsigned char c)
{
    switch (x->op) {
    case RE_CHAR:
        return x->c == c;
    case RE_ANY:
        return c != '\n';
    case RE_SET:
        return in_set(re->set[x->c], c);
    default:
        return 0;
    }
}

/* A set of program places; a place is in it when it carries the set's mark. */
typedef struct {
    uint16_t place[RE_CODE];
    int count;
    uint32_t mark[RE_CODE], now;
} Threads;

static void clear(Threads *t)
{
    t->count = 0;
    t->now++;
}

/* Follows jumps and splits from pc with an own stack; keeps the places that
   read a letter. Returns 1 when the end of the program was reached. */
static int add(const Regex *re, Threads *t, int pc, size_t at, size_t n)
{
    uint16_t stack[2 * RE_CODE];
    int top = 0, matched = 0;
    stack[top++] = (uint16_t)pc;
    while (top) {
        pc = stack[--top];
        if (t->mark[pc] == t->now)
            continue;
        t->mark[pc] = t->now;
        const ReInstr *x = &re->code[pc];
        switch (x->op) {
        case RE_SPLIT:
            stack[top++] = x->b;
            stack[top++] = x->a;
            break;
        case RE_JUMP:
            stack[top++] = x->a;
            break;
        case RE_START:
            if (at == 0)
                stack[top++] = (uint16_t)(pc + 1);
            break;
        case RE_END:
            if (at == n)
                stack[top++] = (uint16_t)(pc + 1);
            break;
        case RE_MATCH:
            matched = 1;
            break;
        default:
            t->place[t->count++] = (uint16_t)pc;
        }
    }
    return matched;
}

/* The longest match that starts just here, or -1 for none. */
static int64_t longest_at(const Regex *re, const char *text, size_t n, size_t from, Threads *a, Threads *b,
                          ReStats *stats)
{
    int64_t best = -1;
    clear(a);
    if (add(re, a, 0, from, n))
        best = (int64_t)from;
    for (size_t at = from; at < n && a->count; at++) {
        unsigned char c = (unsigned char)text[at];
        int matched = 0;
        clear(b);
        stats->steps++;
        stats->threads += (uint64_t)a->count;
        for (int i = 0; i < a->count; i++) {
            int pc = a->place[i];
            if (takes(re, &re->code[pc], c))
                matched |= add(re, b, pc + 1, at + 1, n);
        }
        if (matched)
            best = (int64_t)at + 1;
        Threads *t = a;
        a = b;
        b = t;
    }
    return best;
}

int regex_find(const Regex *re, const char *text, size_t n, size_t from, ReSpan *span, ReStats *stats)
{
    static Threads a, b;
    for (; from <= n; from++) {
        int64_t end = longest_at(re, text, n, from, &a, &b, stats);
        if (end >= 0) {
            span->from = from;
            span->to = (size_t)end;
            return 1;
        }
    }
    return 0;
}

/* Depth first over (place, position) pairs, each at most once. */
enum { SLOW_TEXT = 256 };

static uint8_t seen[RE_CODE][SLOW_TEXT + 1];

static int64_t walk(const Regex *re, const char *text, size_t n, int pc, size_t at)
{
    int64_t best = -1, other;
    for (;;) {
        const ReInstr *x = &re->code[pc];
        if (seen[pc][at])
            return best;
        seen[pc][at] = 1;
        switch (x->op) {
        case RE_MATCH:
            return (int64_t)at > best ? (int64_t)at : best;
        case RE_SPLIT:
            other = walk(re, text, n, x->a, at);
            best = other > best ? other : best;
            pc = x->b;
            break;
        case RE_JUMP:
            pc = x->a;
            break;
        case RE_START:
        case RE_END:
            if (at != (x->op == RE_START ? 0 : n))
                return best;
            pc++;
            break;
        default:
            if (at == n || !takes(re, x, (unsigned char)text[at]))
                return best;
            at++;
            pc++;
        }
    }
}

int regex_find_slow(const Regex *re, const char *text, size_t n, size_t from, ReSpan *span)
{
    if (n > SLOW_TEXT)
        n = SLOW_TEXT;
    for (; from <= n; from++) {
        memset(seen, 0, sizeof seen[0] * (size_t)re->size);
        int64_t end = walk(re, text, n, 0, from);
        if (end >= 0) {
            span->from = from;
            span->to = (size_t)end;
            return 1;
        }
    }
    return 0;
}
