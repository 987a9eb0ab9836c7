/* The compiler: a recursive descent parser that emits code as it reads. */
#include "regex.h"

#include <string.h>

typedef struct {
    Regex *re;
    const char *p;
    int error, depth;
} Parser;

static int emit(Parser *s, ReOp op, int c, int a, int b)
{
    if (s->re->size == RE_CODE) {
        s->error = 1;
        return 0;
    }
    s->re->code[s->re->size] = (ReInstr){(uint8_t)op, (uint8_t)c, (uint16_t)a, (uint16_t)b};
    return s->re->size++;
}

/* Makes room for one instruction at `at`, and moves the targets behind it. */
static void insert(Parser *s, int at, ReOp op, int a, int b)
{
    Regex *re = s->re;
    if (re->size == RE_CODE) {
        s->error = 1;
        return;
    }
    memmove(re->code + at + 1, re->code + at, (size_t)(re->size - at) * sizeof *re->code);
    re->size++;
    for (int i = at + 1; i < re->size; i++) {
        ReInstr *x = &re->code[i];
        if (x->op == RE_SPLIT || x->op == RE_JUMP) {
            x->a = (uint16_t)(x->a + (x->a >= at));
            x->b = (uint16_t)(x->b + (x->op == RE_SPLIT && x->b >= at));
        }
    }
    re->code[at] = (ReInstr){(uint8_t)op, 0, (uint16_t)a, (uint16_t)b};
}

static void set_add(uint8_t *set, int c)
{
    set[c / 8] |= (uint8_t)(1 << c % 8);
}

static int set_letter(Parser *s)
{
    if (*s->p == '\\' && s->p[1])
        s->p++;
    if (!*s->p) {
        s->error = 1;
        return 0;
    }
    return (unsigned char)*s->p++;
}

static void parse_set(Parser *s)
{
    int negate = *s->p == '^', first = 1;
    if (s->re->sets == RE_SETS) {
        s->error = 1;
        return;
    }
    uint8_t *set = s->re->set[s->re->sets];
    memset(set, 0, 32);
    s->p += negate;
    for (; !s->error && (*s->p != ']' || first); first = 0) {
        int lo = set_letter(s), hi = lo;
        if (*s->p == '-' && s->p[1] && s->p[1] != ']') {
            s->p++;
            hi = set_letter(s);
        }
        if (hi < lo)
            s->error = 1;
        for (int c = lo; c <= hi; c++)
            set_add(set, c);
    }
    if (s->error)
        return;
    s->p++;
    for (int i = 0; negate && i < 32; i++)
        set[i] = (uint8_t)~set[i];
    emit(s, RE_SET, s->re->sets++, 0, 0);
}

static void parse_either(Parser *s);

static void parse_atom(Parser *s)
{
    char c = *s->p++;
    switch (c) {
    case '.':
        emit(s, RE_ANY, 0, 0, 0);
        break;
    case '[':
        parse_set(s);
        break;
    case '^':
        emit(s, RE_START, 0, 0, 0);
        break;
    case '$':
        emit(s, RE_END, 0, 0, 0);
        break;
    case '(':
        if (++s->depth > 50)
            s->error = 1;
        else
            parse_either(s);
        s->depth--;
        if (*s->p == ')')
            s->p++;
        else
            s->error = 1;
        break;
    case '*':
    case '+':
    case '?':
        s->error = 1; /* nothing to repeat */
        break;
    case '\\':
        if (!*s->p)
            s->error = 1;
        else
            emit(s, RE_CHAR, (unsigned char)*s->p++, 0, 0);
        break;
    default:
        emit(s, RE_CHAR, (unsigned char)c, 0, 0);
    }
}

static void parse_repeat(Parser *s)
{
    int at = s->re->size;
    parse_atom(s);
    for (; !s->error && *s->p && strchr("*+?", *s->p); s->p++) {
        if (*s->p == '+') {
            emit(s, RE_SPLIT, 0, at, s->re->size + 1);
            continue;
        }
        /* The split goes first: into the body, or past it. */
        insert(s, at, RE_SPLIT, at + 1, 0);
        if (*s->p == '*')
            emit(s, RE_JUMP, 0, at, 0);
        s->re->code[at].b = (uint16_t)s->re->size;
    }
}

static void parse_either(Parser *s)
{
    int at = s->re->size;
    while (!s->error && *s->p && *s->p != '|' && *s->p != ')')
        parse_repeat(s);
    if (s->error || *s->p != '|')
        return;
    s->p++;
    insert(s, at, RE_SPLIT, at + 1, 0);
    int jump = emit(s, RE_JUMP, 0, 0, 0);
    if (s->error)
        return;
    s->re->code[at].b = (uint16_t)s->re->size;
    parse_either(s);
    s->re->code[jump].a = (uint16_t)s->re->size;
}

int regex_compile(Regex *re, const char *pattern)
{
    Parser s = {re, pattern, 0, 0};
    re->size = re->sets = 0;
    parse_either(&s);
    if (*s.p)
        s.error = 1;
    emit(&s, RE_MATCH, 0, 0, 0);
    return !s.error;
}
