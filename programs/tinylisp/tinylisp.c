/* A small Lisp with closures and arena memory. Each line pair of the script
   is an expression and the text its value must print as. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value is 32 bits: small integers have the low bit set, all others are
   cell numbers. Cell 0 is the empty list, which is also false. */
typedef uint32_t Value;
typedef enum { NIL, PAIR, SYMBOL, LAMBDA, PRIMITIVE } Kind;

typedef struct {
    uint32_t kind;
    Value a, b, c; /* pair: head, tail; symbol: name, global; lambda: params, body, env */
} Cell;

enum { CELLS = 1 << 21, NAMES = 1 << 14, SYMBOLS = 512, MAX_DEPTH = 4000 };
enum { P_ADD, P_SUB, P_MUL, P_DIV, P_MOD, P_LT, P_EQ, P_CONS, P_HEAD, P_TAIL, P_ATOM, P_LIST };

static Cell *cell;
static uint32_t used, peak, symbols, names_used, depth;
static uint64_t applied;
static char names[NAMES];
static Value symbol_list[SYMBOLS];
static Value s_quote, s_if, s_lambda, s_define, s_let, s_t, s_and, s_or;

static void fail(const char *what, const char *where)
{
    fprintf(stderr, "tinylisp: %s: %.100s\n", what, where);
    exit(1);
}

static Value make(Kind kind, Value a, Value b, Value c)
{
    if (used == CELLS)
        fail("out of cells", "");
    cell[used].kind = (uint32_t)kind;
    cell[used].a = a;
    cell[used].b = b;
    cell[used].c = c;
    return used++ << 1;
}

static Cell *at(Value v)
{
    return &cell[v >> 1];
}

static int is(Value v, Kind kind)
{
    return !(v & 1) && at(v)->kind == (uint32_t)kind;
}

static Value from_int(int32_t i)
{
    return (uint32_t)i << 1 | 1;
}

/* Sign extension of 31 bits without a shift of a negative number. */
static int32_t to_int(Value v)
{
    if (!(v & 1))
        fail("not a number", "");
    uint32_t u = v >> 1;
    return u & 0x40000000u ? (int32_t)(u & 0x3fffffffu) - 0x40000000 : (int32_t)u;
}

static Value cons(Value a, Value b)
{
    return make(PAIR, a, b, 0);
}

static Value head(Value v)
{
    if (!is(v, PAIR))
        fail("not a pair", "");
    return at(v)->a;
}

static Value tail(Value v)
{
    if (!is(v, PAIR))
        fail("not a pair", "");
    return at(v)->b;
}

static Value intern(const char *s, size_t n)
{
    for (uint32_t i = 0; i < symbols; i++) {
        const char *name = names + at(symbol_list[i])->a;
        if (strlen(name) == n && memcmp(name, s, n) == 0)
            return symbol_list[i];
    }
    if (symbols == SYMBOLS || names_used + n + 1 > NAMES)
        fail("too many symbols", s);
    memcpy(names + names_used, s, n);
    names[names_used + n] = 0;
    /* c = 1 once the symbol has a global value. */
    Value v = symbol_list[symbols++] = make(SYMBOL, names_used, 0, 0);
    names_used += (uint32_t)n + 1;
    return v;
}

static void skip_space(const char **p)
{
    for (;; ++*p) {
        if (**p == ';')
            while (**p && **p != '\n')
                ++*p;
        if (**p != ' ' && **p != '\n')
            return;
    }
}

static Value read(const char **p)
{
    skip_space(p);
    const char *s = *p;
    if (*s == '\'') {
        ++*p;
        Value v = read(p);
        return cons(s_quote, cons(v, 0));
    }
    if (*s == '(') {
        Value first = 0, last = 0;
        if (++depth > MAX_DEPTH)
            fail("lists too deep", s);
        for (++*p;; skip_space(p)) {
            skip_space(p);
            if (**p == ')')
                break;
            if (!**p)
                fail("open list", s);
            Value v = cons(read(p), 0);
            if (last)
                at(last)->b = v;
            else
                first = v;
            last = v;
        }
        ++*p;
        depth--;
        return first;
    }
    while (**p && !strchr(" \n()';", **p))
        ++*p;
    if (*p == s)
        fail("unexpected text", s);
    const char *d = s + (*s == '-' && *p - s > 1);
    int32_t v = 0;
    for (; d < *p && *d >= '0' && *d <= '9' && v < 100000000; d++)
        v = v * 10 + (*d - '0');
    if (d == *p)
        return from_int(*s == '-' ? -v : v);
    return intern(s, (size_t)(*p - s));
}

static size_t print(Value v, char *out, size_t room)
{
    size_t n = 0;
    if (room < 64)
        fail("value too long to print", "");
    if (v & 1)
        return (size_t)snprintf(out, room, "%d", (int)to_int(v));
    if (is(v, SYMBOL))
        return (size_t)snprintf(out, room, "%s", names + at(v)->a);
    if (is(v, LAMBDA) || is(v, PRIMITIVE))
        return (size_t)snprintf(out, room, "#fn");
    out[n++] = '(';
    for (; is(v, PAIR); v = tail(v)) {
        if (n > 1)
            out[n++] = ' ';
        n += print(head(v), out + n, room - n);
    }
    if (v) {
        n += (size_t)snprintf(out + n, room - n, " . ");
        n += print(v, out + n, room - n);
    }
    out[n++] = ')';
    out[n] = 0;
    return n;
}

/* An environment is a list of (symbol . value) pairs. */
static Value lookup(Value symbol, Value env)
{
    for (; env; env = at(env)->b)
        if (at(at(env)->a)->a == symbol)
            return at(at(env)->a)->b;
    if (!at(symbol)->c)
        fail("no value", names + at(symbol)->a);
    return at(symbol)->b;
}

static Value truth(int yes)
{
    return yes ? s_t : 0;
}

static Value primitive(uint32_t which, Value args)
{
    if (which == P_LIST)
        return args;
    Value x = head(args), y = tail(args) ? head(tail(args)) : 0;
    switch (which) {
    case P_CONS: return cons(x, y);
    case P_HEAD: return head(x);
    case P_TAIL: return tail(x);
    case P_ATOM: return truth(!is(x, PAIR));
    case P_EQ: return truth(x == y);
    default: break;
    }
    int32_t a = to_int(x), b = to_int(y);
    if (which >= P_DIV && which <= P_MOD && b == 0)
        fail("division by zero", "");
    switch (which) { /* unsigned arithmetic wraps, then 31 bits are kept */
    case P_ADD: return from_int((int32_t)(((uint32_t)a + (uint32_t)b) & 0x7fffffffu));
    case P_SUB: return from_int((int32_t)(((uint32_t)a - (uint32_t)b) & 0x7fffffffu));
    case P_MUL: return from_int((int32_t)(((uint32_t)a * (uint32_t)b) & 0x7fffffffu));
    case P_DIV: return from_int(a / b);
    case P_MOD: return from_int(a % b);
    default: return truth(a < b);
    }
}

static Value eval(Value x, Value env);

static Value eval_list(Value x, Value env)
{
    Value first = 0, last = 0;
    for (; x; x = tail(x)) {
        Value v = cons(eval(head(x), env), 0);
        if (last)
            at(last)->b = v;
        else
            first = v;
        last = v;
    }
    return first;
}

static Value bind(Value params, Value args, Value env)
{
    for (; params; params = tail(params), args = tail(args))
        env = cons(cons(head(params), head(args)), env);
    if (args)
        fail("too many arguments", "");
    return env;
}

/* Tail calls loop here and need no C stack. */
static Value eval(Value x, Value env)
{
    if (++depth > MAX_DEPTH)
        fail("recursion too deep", "");
    for (;;) {
        if (x & 1 || !x)
            break;
        if (is(x, SYMBOL)) {
            x = lookup(x, env);
            break;
        }
        Value f = head(x), rest = tail(x);
        if (f == s_quote) {
            x = head(rest);
            break;
        }
        if (f == s_lambda) {
            x = make(LAMBDA, head(rest), head(tail(rest)), env);
            break;
        }
        if (f == s_define) {
            Value v = eval(head(tail(rest)), env);
            at(head(rest))->b = v;
            at(head(rest))->c = 1;
            x = head(rest);
            break;
        }
        if (f == s_if) {
            x = head(eval(head(rest), env) ? tail(rest) : tail(tail(rest)));
            continue;
        }
        if (f == s_and || f == s_or) {
            /* (and a b) is (if a b ()), (or a b) is (if a t b). */
            Value first = eval(head(rest), env);
            if (!first == (f == s_and)) {
                x = first;
                break;
            }
            x = head(tail(rest));
            continue;
        }
        if (f == s_let) {
            Value inner = env;
            for (Value b = head(rest); b; b = tail(b))
                inner = cons(cons(head(head(b)), eval(head(tail(head(b))), inner)), inner);
            env = inner;
            x = head(tail(rest));
            continue;
        }
        f = eval(f, env);
        rest = eval_list(rest, env);
        applied++;
        if (is(f, PRIMITIVE)) {
            x = primitive(at(f)->a, rest);
            break;
        }
        if (!is(f, LAMBDA))
            fail("not a function", "");
        env = bind(at(f)->a, rest, at(f)->c);
        x = at(f)->b;
    }
    depth--;
    return x;
}

static Value define_symbol(const char *name, Value v)
{
    Value s = intern(name, strlen(name));
    at(s)->b = v ? v : s;
    at(s)->c = 1;
    return s;
}

static void setup(void)
{
    static const char *const prims[] = {"+", "-", "*", "/", "%", "<", "eq", "cons", "head", "tail", "atom", "list"};
    cell = malloc(CELLS * sizeof *cell);
    if (!cell)
        fail("out of memory", "");
    make(NIL, 0, 0, 0);
    for (uint32_t i = 0; i < sizeof prims / sizeof *prims; i++)
        define_symbol(prims[i], make(PRIMITIVE, i, 0, 0));
    s_t = define_symbol("t", 0);
    s_quote = define_symbol("quote", 0);
    s_if = define_symbol("if", 0);
    s_lambda = define_symbol("lambda", 0);
    s_define = define_symbol("define", 0);
    s_let = define_symbol("let", 0);
    s_and = define_symbol("and", 0);
    s_or = define_symbol("or", 0);
}

int main(int argc, char **argv)
{
    char *stop = 0;
    long repeats = argc == 3 ? strtol(argv[2], &stop, 10) : 0;
    if (argc != 3 || *stop || repeats < 1 || repeats > 100000) {
        fprintf(stderr, "usage: tinylisp SCRIPT REPEATS (1..100000)\n");
        return 2;
    }
    static char text[1 << 16], out[4096];
    FILE *f = fopen(argv[1], "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0, mark = 0, tests = 0;
    uint32_t sum = 2166136261u;
    if (!f || n == 0)
        fail("cannot read the script", argv[1]);
    fclose(f);
    setup();
    /* All expressions are read first; definitions then stay in the arena, and
       everything after them is dropped when a test is done. */
    const char *p = text;
    Value script = 0;
    for (skip_space(&p); *p; skip_space(&p)) {
        Value v = read(&p);
        script = cons(v, script);
    }
    Value forward = 0;
    for (; script; script = tail(script))
        forward = cons(head(script), forward);
    for (Value s = forward; s; s = tail(s))
        if (is(head(s), PAIR) && head(head(s)) == s_define)
            eval(head(s), 0);
    mark = used;
    for (long r = 0; r < repeats; r++)
        for (Value s = forward; s; s = tail(s)) {
            if (is(head(s), PAIR) && head(head(s)) == s_define)
                continue;
            Value want = head(tail(s)), got = eval(head(s), 0);
            size_t len = print(got, out, sizeof out);
            for (size_t i = 0; i < len; i++)
                sum = (sum ^ (uint8_t)out[i]) * 16777619u;
            if (print(want, out + len + 1, sizeof out - len - 1) != len || memcmp(out, out + len + 1, len) != 0)
                fail("wrong value", out);
            if (used > peak)
                peak = used;
            memset(cell + mark, 0, (used - mark) * sizeof *cell);
            used = (uint32_t)mark;
            tests++;
            s = tail(s);
        }
    printf("tests %zu calls %llu peak %u\nsum %08x\nok\n", tests, (unsigned long long)applied, (unsigned)peak,
           (unsigned)sum);
    free(cell);
    return 0;
}
