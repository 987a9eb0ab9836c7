/* Canonical Huffman codes with a length limit: encode and decode blocks. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 256, MAX_LEN = 15, FAST = 9 };

static void fail(const char *what)
{
    fprintf(stderr, "huffman: %s\n", what);
    exit(1);
}

typedef struct {
    uint8_t len[SYMBOLS];
    uint16_t code[SYMBOLS];
} Code;

typedef struct {
    uint32_t weight;
    int left, right; /* leaves have left = -1 and the symbol in right */
} Node;

/* A binary heap of node numbers, lightest on top; ties go by number. */
typedef struct {
    int item[2 * SYMBOLS];
    int count;
} Heap;

static int lighter(const Node *node, int a, int b)
{
    return node[a].weight != node[b].weight ? node[a].weight < node[b].weight : a < b;
}

static void push(Heap *h, const Node *node, int v)
{
    int i = h->count++;
    while (i && lighter(node, v, h->item[(i - 1) / 2])) {
        h->item[i] = h->item[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->item[i] = v;
}

static int pop(Heap *h, const Node *node)
{
    int top = h->item[0], v = h->item[--h->count], i = 0;
    for (;;) {
        int c = 2 * i + 1;
        if (c >= h->count)
            break;
        if (c + 1 < h->count && lighter(node, h->item[c + 1], h->item[c]))
            c++;
        if (!lighter(node, h->item[c], v))
            break;
        h->item[i] = h->item[c];
        i = c;
    }
    h->item[i] = v;
    return top;
}

/* Code lengths from a Huffman tree. Returns the longest length. */
static int tree_lengths(const uint32_t weight[SYMBOLS], uint8_t len[SYMBOLS])
{
    Node node[2 * SYMBOLS];
    int depth[2 * SYMBOLS], n = 0, longest = 0;
    Heap h;
    h.count = 0;
    memset(len, 0, SYMBOLS);
    for (int s = 0; s < SYMBOLS; s++)
        if (weight[s]) {
            node[n].weight = weight[s];
            node[n].left = -1;
            node[n].right = s;
            push(&h, node, n++);
        }
    if (n == 1)
        len[node[0].right] = 1;
    if (n < 2)
        return n;
    while (h.count > 1) {
        int a = pop(&h, node), b = pop(&h, node);
        node[n].weight = node[a].weight + node[b].weight;
        node[n].left = a;
        node[n].right = b;
        push(&h, node, n++);
    }
    /* Parents have higher numbers than their children. */
    depth[n - 1] = 0;
    for (int i = n - 1; i >= 0; i--) {
        if (node[i].left < 0) {
            len[node[i].right] = (uint8_t)depth[i];
            if (depth[i] > longest)
                longest = depth[i];
        } else {
            depth[node[i].left] = depth[node[i].right] = depth[i] + 1;
        }
    }
    return longest;
}

/* Flatten the weights until the longest code fits, then number the codes. */
static void build(const uint32_t count[SYMBOLS], Code *c)
{
    uint32_t weight[SYMBOLS], next = 0;
    memcpy(weight, count, sizeof weight);
    while (tree_lengths(weight, c->len) > MAX_LEN)
        for (int s = 0; s < SYMBOLS; s++)
            if (weight[s])
                weight[s] = weight[s] / 2 + 1;
    for (int l = 1; l <= MAX_LEN; l++, next <<= 1)
        for (int s = 0; s < SYMBOLS; s++)
            if (c->len[s] == l)
                c->code[s] = (uint16_t)next++;
}

typedef struct {
    uint8_t *p;
    uint64_t bits;
    int count;
} Writer;

static void put(Writer *w, uint32_t v, int n)
{
    w->bits = w->bits << n | v;
    w->count += n;
    while (w->count >= 8) {
        w->count -= 8;
        *w->p++ = (uint8_t)(w->bits >> w->count);
    }
}

/* Stream: 256 lengths of four bits, the codes, zero bits to the next byte. */
static size_t encode(const uint8_t *in, size_t n, uint8_t *out)
{
    uint32_t count[SYMBOLS] = {0};
    Code c;
    Writer w = {out, 0, 0};
    for (size_t i = 0; i < n; i++)
        count[in[i]]++;
    build(count, &c);
    for (int s = 0; s < SYMBOLS; s++)
        put(&w, c.len[s], 4);
    for (size_t i = 0; i < n; i++)
        put(&w, c.code[in[i]], c.len[in[i]]);
    put(&w, 0, 7);
    return (size_t)(w.p - out);
}

typedef struct {
    uint16_t fast[1 << FAST]; /* length * 256 + symbol, or 0 for long codes */
    uint32_t first[MAX_LEN + 2], start[MAX_LEN + 2];
    uint8_t sorted[SYMBOLS];
} Decoder;

static void make_decoder(const uint8_t len[SYMBOLS], Decoder *d)
{
    uint32_t code = 0, at = 0;
    memset(d, 0, sizeof *d);
    for (int l = 1; l <= MAX_LEN; l++, code <<= 1) {
        d->first[l] = code;
        d->start[l] = at;
        for (int s = 0; s < SYMBOLS; s++) {
            if (len[s] != l)
                continue;
            if (l <= FAST)
                for (uint32_t k = 0; k < 1u << (FAST - l); k++)
                    d->fast[(code << (FAST - l)) + k] = (uint16_t)(l << 8 | s);
            d->sorted[at++] = (uint8_t)s;
            if (++code > 1u << l)
                fail("lengths make no code");
        }
    }
    d->start[MAX_LEN + 1] = at;
}

static void decode(const uint8_t *p, size_t size, uint8_t *out, size_t n)
{
    uint8_t len[SYMBOLS];
    const uint8_t *end = p + size;
    uint64_t bits = 0;
    int have = 0;
    Decoder d;
    for (int s = 0; s < SYMBOLS; s += 2, p++) {
        len[s] = *p >> 4;
        len[s + 1] = *p & 15;
    }
    make_decoder(len, &d);
    for (size_t i = 0; i < n; i++) {
        while (have < MAX_LEN) {
            bits = bits << 8 | (p < end ? *p++ : 0);
            have += 8;
        }
        uint32_t fast = d.fast[bits >> (have - FAST) & ((1 << FAST) - 1)];
        if (fast) {
            out[i] = (uint8_t)fast;
            have -= (int)(fast >> 8);
            continue;
        }
        int l = FAST + 1;
        for (; l <= MAX_LEN; l++) {
            uint32_t code = (uint32_t)(bits >> (have - l)) & ((1u << l) - 1);
            uint32_t k = code - d.first[l];
            if (code >= d.first[l] && k < d.start[l + 1] - d.start[l]) {
                out[i] = d.sorted[d.start[l] + k];
                break;
            }
        }
        if (l > MAX_LEN)
            fail("unknown code");
        have -= l;
    }
}

/* Symbols of a skewed distribution; `skew` chooses how steep it is. */
static void make_data(uint8_t *p, size_t n, uint32_t skew, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t v = 0, limit = skew % 25 + 1;
        seed = seed * 1664525u + 1013904223u;
        for (uint32_t bit = seed >> 7; v < 10 * limit && bit & 1; bit >>= 1)
            v += limit;
        seed = seed * 1664525u + 1013904223u;
        p[i] = (uint8_t)(v + (seed >> 16) % limit);
    }
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: huffman BYTES BLOCKS (0..4194304, 1..10000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t n = number(argc == 3 ? argv[1] : "", 0, 4194304);
    size_t blocks = number(argv[2], 1, 10000), total = 0;
    uint8_t *in = malloc(n + 1), *out = malloc(2 * n + 256), *back = malloc(n + 1);
    uint32_t sum = 2166136261u;
    if (!in || !out || !back)
        fail("out of memory");
    for (size_t b = 0; b < blocks; b++) {
        make_data(in, n, (uint32_t)b, (uint32_t)b * 7919u + 1);
        size_t size = encode(in, n, out);
        decode(out, size, back, n);
        if (memcmp(in, back, n) != 0)
            fail("round trip lost data");
        for (size_t i = 0; i < size; i++)
            sum = (sum ^ out[i]) * 16777619u;
        total += size;
    }
    printf("in %zu\nout %zu\nsum %08x\nok\n", n * blocks, total, (unsigned)sum);
    free(in);
    free(out);
    free(back);
    return 0;
}
