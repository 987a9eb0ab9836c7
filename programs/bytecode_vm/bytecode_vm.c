/* A stack machine: small programs in assembly text are assembled into
   bytecode and run. Plain C versions of the same jobs check the results. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words wrap in 32 bits. Frames keep their locals on the value stack. */
typedef enum {
    PUSH, POP, DUP, SWAP, ADD, SUB, MUL, DIV, MOD, AND, XOR, SHL, SHR, LT, EQ, NOT,
    GET, SET, LOAD, STORE, JUMP, JZ, CALL, RET, EMIT, HALT, OPS
} Op;

static const struct {
    const char *name;
    int operands; /* bytes after the opcode */
} ops[OPS] = {
    {"push", 4}, {"pop", 0}, {"dup", 0}, {"swap", 0}, {"add", 0}, {"sub", 0},  {"mul", 0},  {"div", 0}, {"mod", 0},
    {"and", 0},  {"xor", 0}, {"shl", 0}, {"shr", 0},  {"lt", 0},  {"eq", 0},   {"not", 0},  {"get", 1}, {"set", 1},
    {"load", 0}, {"store", 0}, {"jump", 2}, {"jz", 2}, {"call", 3}, {"ret", 1}, {"emit", 0}, {"halt", 0},
};

enum { CODE = 4096, STACK = 8192, MEMORY = 1 << 16, LABELS = 64, FRAMES = 1024 };

static void fail(const char *what, const char *where)
{
    fprintf(stderr, "bytecode_vm: %s: %s\n", what, where);
    exit(1);
}

typedef struct {
    char name[16];
    int at;
} Label;

typedef struct {
    uint8_t code[CODE];
    int size;
    Label label[LABELS], use[2 * LABELS];
    int labels, uses;
} Program;

/* The next word of the source; 0 at the end. */
static int next_word(const char **p, char word[16])
{
    int n = 0;
    while (**p == ' ' || **p == '\n')
        ++*p;
    while (**p && **p != ' ' && **p != '\n') {
        if (n == 15)
            fail("word too long", *p);
        word[n++] = *(*p)++;
    }
    word[n] = 0;
    return n;
}

static void emit_bytes(Program *g, uint32_t v, int n)
{
    if (g->size + n > CODE)
        fail("program too long", "");
    for (int i = 0; i < n; i++)
        g->code[g->size++] = (uint8_t)(v >> 8 * i);
}

static void add_label(Label *list, int *count, int max, const char *name, int at)
{
    if (*count == max)
        fail("too many labels", name);
    memcpy(list[*count].name, name, sizeof list->name);
    list[(*count)++].at = at;
}

/* One pass; jump targets are filled in at the end. `$` is the size given
   by the caller. `call f n` hands over n arguments, `ret n` drops n slots. */
static void assemble(Program *g, const char *text, uint32_t size)
{
    char word[16];
    g->size = g->labels = g->uses = 0;
    while (next_word(&text, word)) {
        size_t len = strlen(word);
        if (word[len - 1] == ':') {
            memset(word + len - 1, 0, sizeof word - len + 1);
            add_label(g->label, &g->labels, LABELS, word, g->size);
            continue;
        }
        int op = 0;
        while (op < OPS && strcmp(ops[op].name, word) != 0)
            op++;
        if (op == OPS)
            fail("unknown instruction", word);
        emit_bytes(g, (uint32_t)op, 1);
        if (op == JUMP || op == JZ || op == CALL) {
            if (!next_word(&text, word))
                fail("missing label", ops[op].name);
            add_label(g->use, &g->uses, 2 * LABELS, word, g->size);
            emit_bytes(g, 0, 2);
        }
        if (op == PUSH || op == GET || op == SET || op == CALL || op == RET) {
            if (!next_word(&text, word))
                fail("missing number", ops[op].name);
            uint32_t v = word[0] == '$' ? size : (uint32_t)strtoul(word, 0, 10);
            emit_bytes(g, v, op == PUSH ? 4 : 1);
        }
    }
    for (int u = 0; u < g->uses; u++) {
        int l = 0;
        while (l < g->labels && strcmp(g->label[l].name, g->use[u].name) != 0)
            l++;
        if (l == g->labels)
            fail("unknown label", g->use[u].name);
        g->code[g->use[u].at] = (uint8_t)g->label[l].at;
        g->code[g->use[u].at + 1] = (uint8_t)(g->label[l].at >> 8);
    }
}

/* Every instruction must lie whole inside the code, so the run loop need not
   look at the end. Jumps go to labels, which are starts of instructions. */
static void verify(const Program *g)
{
    int pc = 0, op = -1;
    while (pc < g->size) {
        op = g->code[pc];
        pc += 1 + ops[op].operands;
    }
    if (pc != g->size || (op != HALT && op != JUMP && op != RET))
        fail("code runs off its end", "");
    for (int l = 0; l < g->labels; l++)
        if (g->label[l].at >= g->size)
            fail("label at the end", g->label[l].name);
}

typedef struct {
    uint32_t stack[STACK], memory[MEMORY];
    struct {
        int pc, base;
    } frame[FRAMES];
    uint64_t steps;
    uint32_t sum;
} Machine;

static uint32_t operand(const uint8_t *code, int pc, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint32_t)code[pc + i] << 8 * i;
    return v;
}

static uint32_t run(Machine *m, const Program *g)
{
    const uint8_t *code = g->code;
    uint32_t *s = m->stack, a, b;
    int pc = 0, sp = 8, base = 8, frames = 0; /* eight spare slots below */
    memset(m->memory, 0, sizeof m->memory);
    memset(m->stack, 0, sizeof m->stack);
    m->sum = 2166136261u;
    m->steps = 0;
    for (;;) {
        if (sp < 2 || sp > STACK - 2)
            fail("stack out of bounds", "");
        m->steps++;
        int op = code[pc++];
        switch (op) {
        case PUSH: s[sp++] = operand(code, pc, 4); pc += 4; break;
        case POP: sp--; break;
        case DUP: s[sp] = s[sp - 1]; sp++; break;
        case SWAP: a = s[sp - 1]; s[sp - 1] = s[sp - 2]; s[sp - 2] = a; break;
        case NOT: s[sp - 1] = !s[sp - 1]; break;
        case GET:
        case SET:
            a = (uint32_t)base + code[pc++];
            if (a >= STACK)
                fail("local out of bounds", "");
            if (op == GET)
                s[sp++] = s[a];
            else
                s[a] = s[--sp];
            break;
        case LOAD: s[sp - 1] = m->memory[s[sp - 1] % MEMORY]; break;
        case STORE: sp -= 2; m->memory[s[sp] % MEMORY] = s[sp + 1]; break;
        case JUMP: pc = (int)operand(code, pc, 2); break;
        case JZ: pc = s[--sp] ? pc + 2 : (int)operand(code, pc, 2); break;
        case CALL:
            if (frames == FRAMES)
                fail("calls too deep", "");
            m->frame[frames].pc = pc + 3;
            m->frame[frames++].base = base;
            base = sp - code[pc + 2];
            if (base < 0)
                fail("missing arguments", "");
            pc = (int)operand(code, pc, 2);
            break;
        case RET:
            if (frames == 0)
                fail("return without call", "");
            a = s[sp - 1];
            sp = base;
            s[sp++] = a;
            pc = m->frame[--frames].pc;
            base = m->frame[frames].base;
            break;
        case EMIT: m->sum = (m->sum ^ s[--sp]) * 16777619u; break;
        case HALT: return m->sum;
        default:
            sp--;
            a = s[sp - 1];
            b = s[sp];
            switch (op) {
            case ADD: a += b; break;
            case SUB: a -= b; break;
            case MUL: a *= b; break;
            case DIV: a = b ? a / b : 0; break;
            case MOD: a = b ? a % b : 0; break;
            case AND: a &= b; break;
            case XOR: a ^= b; break;
            case SHL: a <<= b & 31; break;
            case SHR: a >>= b & 31; break;
            case LT: a = a < b; break;
            default: a = a == b; break;
            }
            s[sp - 1] = a;
        }
    }
}

/* Locals of the top level are slots 0..n made by the first pushes. */
static const char sieve[] =
    "push 2\n"                                               /* 0: i */
    "next: get 0 push $ lt jz done\n"
    "get 0 load not jz skip get 0 emit get 0 dup mul\n"      /* 1: j */
    "mark: dup push $ lt jz unmark dup push 1 store dup get 0 add set 1 jump mark\n"
    "unmark: pop\n"
    "skip: get 0 push 1 add set 0 jump next\n"
    "done: halt\n";

static const char fibonacci[] =
    "push $ call fib 1 emit halt\n"
    "fib: get 0 push 2 lt jz more get 0 ret 1\n"
    "more: get 0 push 1 sub call fib 1 get 0 push 2 sub call fib 1 add ret 1\n";

static const char gcds[] =
    "push 1 push 0\n"                                        /* 0: i, 1: sum */
    "loop: get 0 push $ lt jz done\n"
    "get 0 get 0 dup mul push 12345 add call gcd 2 get 1 add set 1\n"
    "get 1 emit get 0 push 1 add set 0 jump loop\n"
    "done: halt\n"
    "gcd: get 1 jz base get 1 get 0 get 1 mod call gcd 2 ret 2\n"
    "base: get 0 ret 2\n";

static const char collatz[] =
    "push 1 push 0\n"                                        /* 0: i, 1: steps */
    "loop: get 0 push $ lt jz done push 0 set 1 get 0\n"
    "walk: dup push 1 eq not jz end dup push 1 and jz even push 3 mul push 1 add jump count\n"
    "even: push 1 shr\n"
    "count: get 1 push 1 add set 1 jump walk\n"
    "end: pop get 1 emit get 0 push 1 add set 0 jump loop\n"
    "done: halt\n";

/* Fill memory from a shift register, then insertion sort it. */
static const char insertion[] =
    "push 0 push 2463534242 push 0\n"                        /* 0: i, 1: x, 2: j */
    "fill: get 0 push $ lt jz sort get 1 dup push 13 shl xor dup push 17 shr xor dup push 5 shl xor set 1\n"
    "get 0 get 1 store get 0 push 1 add set 0 jump fill\n"
    "sort: push 1 set 0\n"
    "outer: get 0 push $ lt jz show get 0 load set 1 get 0 set 2\n"
    "inner: get 2 jz place get 1 get 2 push 1 sub load lt jz place\n"
    "get 2 get 2 push 1 sub load store get 2 push 1 sub set 2 jump inner\n"
    "place: get 2 get 1 store get 0 push 1 add set 0 jump outer\n"
    "show: push 0 set 0\n"
    "print: get 0 push $ lt jz done get 0 load emit get 0 push 1 add set 0 jump print\n"
    "done: halt\n";

static uint32_t mix(uint32_t sum, uint32_t v)
{
    return (sum ^ v) * 16777619u;
}

static uint32_t plain_fib(uint32_t n)
{
    return n < 2 ? n : plain_fib(n - 1) + plain_fib(n - 2);
}

static uint32_t plain(int job, uint32_t n, uint32_t *work)
{
    uint32_t sum = 2166136261u, total = 0, x = 2463534242u;
    memset(work, 0, MEMORY * sizeof *work);
    switch (job) {
    case 0:
        for (uint32_t i = 2; i < n; i++)
            if (!work[i]) {
                sum = mix(sum, i);
                for (uint64_t j = (uint64_t)i * i; j < n; j += i)
                    work[j] = 1;
            }
        break;
    case 1: sum = mix(sum, plain_fib(n)); break;
    case 2:
        for (uint32_t i = 1; i < n; i++, sum = mix(sum, total)) {
            uint32_t a = i, b = i * i + 12345;
            while (b) {
                uint32_t t = a % b;
                a = b;
                b = t;
            }
            total += a;
        }
        break;
    case 3:
        for (uint32_t i = 1; i < n; i++) {
            uint32_t steps = 0;
            for (uint32_t v = i; v != 1; steps++)
                v = v & 1 ? 3 * v + 1 : v >> 1;
            sum = mix(sum, steps);
        }
        break;
    default:
        for (uint32_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            uint32_t j = i;
            for (; j && x < work[j - 1]; j--)
                work[j] = work[j - 1];
            work[j] = x;
        }
        for (uint32_t i = 0; i < n; i++)
            sum = mix(sum, work[i]);
    }
    return sum;
}

static uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: bytecode_vm SIEVE FIB GCD COLLATZ SORT (at most 65535 30 1000000 100000 5000)\n");
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"sieve", "fibonacci", "gcd", "collatz", "insertion"};
    static const char *const texts[] = {sieve, fibonacci, gcds, collatz, insertion};
    static const long limits[] = {65535, 30, 1000000, 100000, 5000};
    static Machine m;
    static Program g;
    static uint32_t work[MEMORY];
    uint32_t size[5];
    for (int i = 0; i < 5; i++)
        size[i] = number(argc == 6 ? argv[1 + i] : "", 0, limits[i]);
    for (int i = 0; i < 5; i++) {
        assemble(&g, texts[i], size[i]);
        verify(&g);
        uint32_t sum = run(&m, &g);
        if (sum != plain(i, size[i], work))
            fail("wrong result", names[i]);
        printf("%s bytes %d steps %llu sum %08x\n", names[i], g.size, (unsigned long long)m.steps, (unsigned)sum);
    }
    printf("ok\n");
    return 0;
}
