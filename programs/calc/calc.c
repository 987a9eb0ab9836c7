/* Integer expressions: a lexer, a recursive descent parser that makes a tree,
   an evaluator for the tree, and a generator that knows the right answers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All arithmetic wraps in 32 bits. Division and remainder by 0 give 0. */
typedef enum { NUM, VAR, NEG, NOT, MUL, DIV, MOD, ADD, SUB, SHL, SHR, LT, EQ, AND, XOR, OR, COND } Op;

enum { VARS = 6, TEXT = 1 << 16, NODES = 1 << 15, MAX_DEPTH = 60 };

static uint32_t binary(Op op, uint32_t a, uint32_t b)
{
    switch (op) {
    case MUL: return a * b;
    case DIV: return b ? a / b : 0;
    case MOD: return b ? a % b : 0;
    case ADD: return a + b;
    case SUB: return a - b;
    case SHL: return a << (b & 31);
    case SHR: return a >> (b & 31);
    case LT: return a < b;
    case EQ: return a == b;
    case AND: return a & b;
    case XOR: return a ^ b;
    default: return a | b;
    }
}

/* How tight each operator binds; all of these join from the left. */
static int level(Op op)
{
    static const uint8_t levels[] = {[MUL] = 7, [DIV] = 7, [MOD] = 7, [ADD] = 6, [SUB] = 6, [SHL] = 5, [SHR] = 5,
                                     [LT] = 4,  [EQ] = 3,  [AND] = 2, [XOR] = 1, [OR] = 0,  [COND] = 0};
    return levels[op];
}

typedef enum { T_END, T_NUM, T_VAR, T_OP, T_OPEN, T_CLOSE, T_ASK, T_COLON, T_NOT, T_BAD } Token;

typedef struct {
    Op op;
    uint32_t value; /* number, or variable index */
    int a, b, c;
} Node;

typedef struct {
    const char *p;
    Token token;
    uint32_t value;
    Op op;
    Node node[NODES];
    int count, depth, error;
} Parser;

static void advance(Parser *s)
{
    static const char ops[] = "*/%+-<=&^|";
    static const Op kinds[] = {MUL, DIV, MOD, ADD, SUB, LT, EQ, AND, XOR, OR};
    while (*s->p == ' ')
        s->p++;
    char c = *s->p;
    if (c == 0) {
        s->token = T_END;
    } else if (c >= '0' && c <= '9') {
        s->token = T_NUM;
        for (s->value = 0; *s->p >= '0' && *s->p <= '9'; s->p++)
            s->value = s->value * 10 + (uint32_t)(*s->p - '0');
    } else if (c >= 'a' && c < 'a' + VARS) {
        s->token = T_VAR;
        s->value = (uint32_t)(c - 'a');
        s->p++;
    } else if ((c == '<' || c == '>') && s->p[1] == c) {
        s->token = T_OP;
        s->op = c == '<' ? SHL : SHR;
        s->p += 2;
    } else if (strchr(ops, c)) {
        s->token = T_OP;
        s->op = kinds[strchr(ops, c) - ops];
        s->p++;
    } else {
        s->token = c == '(' ? T_OPEN : c == ')' ? T_CLOSE : c == '?' ? T_ASK : c == ':' ? T_COLON
                 : c == '~' ? T_NOT : T_BAD;
        s->p++;
    }
}

static int new_node(Parser *s, Op op, uint32_t value, int a, int b, int c)
{
    if (s->count == NODES) {
        s->error = 1;
        return 0;
    }
    s->node[s->count] = (Node){op, value, a, b, c};
    return s->count++;
}

static int expect(Parser *s, Token t)
{
    if (s->token != t)
        s->error = 1;
    else
        advance(s);
    return !s->error;
}

static int parse_cond(Parser *s);

static int parse_unary(Parser *s)
{
    uint32_t value = s->value;
    Token t = s->token;
    int inner = 0;
    if (++s->depth > 8 * MAX_DEPTH)
        s->error = 1;
    if (s->error)
        return 0;
    if (t == T_NUM || t == T_VAR) {
        advance(s);
        inner = new_node(s, t == T_NUM ? NUM : VAR, value, 0, 0, 0);
    } else if (t == T_NOT || (t == T_OP && s->op == SUB)) {
        advance(s);
        inner = parse_unary(s);
        inner = new_node(s, t == T_NOT ? NOT : NEG, 0, inner, 0, 0);
    } else if (expect(s, T_OPEN)) {
        inner = parse_cond(s);
        expect(s, T_CLOSE);
    }
    s->depth--;
    return inner;
}

static int parse_binary(Parser *s, int lowest)
{
    int left = parse_unary(s);
    while (!s->error && s->token == T_OP && level(s->op) >= lowest) {
        Op op = s->op;
        advance(s);
        int right = parse_binary(s, level(op) + 1);
        left = new_node(s, op, 0, left, right, 0);
    }
    return left;
}

static int parse_cond(Parser *s)
{
    int test = parse_binary(s, 0);
    if (s->error || s->token != T_ASK)
        return test;
    advance(s);
    int yes = parse_cond(s);
    if (!expect(s, T_COLON))
        return 0;
    int no = parse_cond(s);
    return new_node(s, COND, 0, test, yes, no);
}

/* The root node, or -1 for a text that is no expression. */
static int parse(Parser *s, const char *text)
{
    s->p = text;
    s->count = s->depth = s->error = 0;
    advance(s);
    int root = parse_cond(s);
    return s->error || s->token != T_END ? -1 : root;
}

static uint32_t eval(const Node *node, int i, const uint32_t var[VARS])
{
    const Node *n = &node[i];
    switch (n->op) {
    case NUM: return n->value;
    case VAR: return var[n->value];
    case NEG: return 0u - eval(node, n->a, var);
    case NOT: return ~eval(node, n->a, var);
    case COND: return eval(node, eval(node, n->a, var) ? n->b : n->c, var);
    default: return binary(n->op, eval(node, n->a, var), eval(node, n->b, var));
    }
}

/* The generator writes random text and finds its value on the way. */
typedef struct {
    char text[TEXT];
    size_t n;
    uint32_t seed;
    const uint32_t *var;
} Gen;

static uint32_t next_random(Gen *g, uint32_t below)
{
    g->seed ^= g->seed << 13;
    g->seed ^= g->seed >> 17;
    g->seed ^= g->seed << 5;
    return (uint32_t)((uint64_t)g->seed * below >> 32);
}

static void put(Gen *g, const char *s)
{
    while (*s)
        g->text[g->n++] = *s++;
    if (next_random(g, 4) == 0)
        g->text[g->n++] = ' ';
}

static uint32_t generate(Gen *g, int depth);

static uint32_t generate_atom(Gen *g, int depth)
{
    char buf[16];
    uint32_t v, kind = next_random(g, 10);
    if (depth > 0 && kind > 3 && g->n < TEXT / 2) {
        put(g, "(");
        v = generate(g, depth - 1);
        put(g, ")");
    } else if (kind == 0 && g->n < TEXT / 2) {
        put(g, "-");
        v = 0u - generate_atom(g, depth - 1);
    } else if (kind == 1 && g->n < TEXT / 2) {
        put(g, "~");
        v = ~generate_atom(g, depth - 1);
    } else if (kind % 2) {
        v = next_random(g, kind == 5 ? 0xffffffffu : 100);
        snprintf(buf, sizeof buf, "%u", (unsigned)v);
        put(g, buf);
    } else {
        uint32_t i = next_random(g, VARS);
        buf[0] = (char)('a' + i);
        buf[1] = 0;
        v = g->var[i];
        put(g, buf);
    }
    return v;
}

/* A chain of operators of one level, whose parts bind tighter. */
static uint32_t generate_level(Gen *g, int depth, int at)
{
    static const char *const names[] = {[MUL] = "*",  [DIV] = "/",  [MOD] = "%", [ADD] = "+", [SUB] = "-", [SHL] = "<<",
                                        [SHR] = ">>", [LT] = "<", [EQ] = "=", [AND] = "&", [XOR] = "^", [OR] = "|"};
    if (at > 7)
        return generate_atom(g, depth);
    uint32_t v = generate_level(g, depth, at + 1);
    while (next_random(g, 5) == 0 && g->n < TEXT / 2) {
        Op op = (Op)(MUL + next_random(g, OR - MUL + 1));
        if (level(op) != at)
            continue;
        put(g, names[op]);
        v = binary(op, v, generate_level(g, depth, at + 1));
    }
    return v;
}

static uint32_t generate(Gen *g, int depth)
{
    uint32_t v = generate_level(g, depth, 0);
    if (next_random(g, 6) == 0 && g->n < TEXT / 2) {
        put(g, "?");
        uint32_t yes = generate(g, depth - 1);
        put(g, ":");
        uint32_t no = generate(g, depth - 1);
        v = v ? yes : no;
    }
    return v;
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "calc: %s: %.200s\n", what, text);
    exit(1);
}

static void check_known(Parser *s, const uint32_t *var)
{
    static const char *const broken[] = {"", "1+", "(1", "1)", "1 2", "a?b", "$", "*1", "1?2:", "()", "g"};
    static const struct {
        const char *text;
        uint32_t value;
    } good[] = {{"1+2*3", 7}, {"10-4-3", 3}, {"-2+~0", 0xfffffffdu}, {"1<2?3:4", 3}, {"0?1:0?2:5", 5}, {"1<<4>>1|3", 11}, {"7/0", 0}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (parse(s, broken[i]) >= 0)
            fail("accepted", broken[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int root = parse(s, good[i].text);
        if (root < 0 || eval(s->node, root, var) != good[i].value)
            fail("wrong value", good[i].text);
    }
}

static int number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: calc EXPRESSIONS DEPTH EVALUATIONS (1..1000000, 0..%d, 1..1000)\n", MAX_DEPTH);
        exit(2);
    }
    return (int)v;
}

int main(int argc, char **argv)
{
    int count = number(argc == 4 ? argv[1] : "", 1, 1000000);
    int depth = number(argv[2], 0, MAX_DEPTH), evals = number(argv[3], 1, 1000);
    static Parser s;
    static Gen g;
    uint32_t var[VARS], sum = 0;
    uint64_t bytes = 0, nodes = 0;
    for (uint32_t i = 0; i < VARS; i++)
        var[i] = i * 1000003u + 1;
    check_known(&s, var);
    g.seed = 2463534242u;
    g.var = var;
    for (int i = 0; i < count; i++) {
        g.n = 0;
        uint32_t want = generate(&g, depth);
        g.text[g.n] = 0;
        int root = parse(&s, g.text);
        if (root < 0 || eval(s.node, root, var) != want)
            fail("wrong value", g.text);
        bytes += g.n;
        nodes += (uint64_t)s.count;
        for (int e = 0; e < evals; e++) {
            sum = sum * 31 + eval(s.node, root, var);
            var[e % VARS] += sum >> 5;
        }
    }
    printf("bytes %llu\nnodes %llu\nsum %08x\nok\n", (unsigned long long)bytes, (unsigned long long)nodes, (unsigned)sum);
    return 0;
}
