/* Adaptive binary range coder with byte contexts, round trip over a file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROB_BITS = 12, HALF = 1 << (PROB_BITS - 1), RATE = 4, HASH = 1 << 12 };

static void fail(const char *what)
{
    fprintf(stderr, "rangecoder: %s\n", what);
    exit(1);
}

/* Two predictions for each bit: one from a short context, one from a longer
   hashed context. Small weights say which of them did better here. */
typedef struct {
    uint16_t near[256][256];
    uint16_t far[HASH][256];
    int16_t trust[256];
    int order;
} Model;

typedef struct {
    uint16_t *near, *far;
    int16_t *trust;
    uint32_t p;
} Guess;

static void model_init(Model *m, int order)
{
    for (int i = 0; i < 256; i++)
        for (int j = 0; j < 256; j++)
            m->near[i][j] = HALF << 4;
    for (int i = 0; i < HASH; i++)
        for (int j = 0; j < 256; j++)
            m->far[i][j] = HALF << 4;
    memset(m->trust, 0, sizeof m->trust);
    m->order = order;
}

static uint32_t far_slot(const Model *m, uint32_t history)
{
    uint32_t mask = m->order >= 4 ? 0xffffffffu : (1u << 8 * m->order) - 1;
    return (history & mask) * 2654435761u >> 20;
}

/* The chance of a 1 bit, from 1 to 4095 of 4096. */
static Guess guess(Model *m, uint32_t history, uint32_t slot, uint32_t node)
{
    Guess g;
    g.near = &m->near[m->order ? history & 255 : 0][node];
    g.far = &m->far[slot][node];
    g.trust = &m->trust[history & 255];
    uint32_t weight = (uint32_t)(*g.trust + 128); /* 0..256 for the far one */
    uint32_t p = ((*g.near >> 4) * (256 - weight) + (*g.far >> 4) * weight) >> 8;
    g.p = p < 1 ? 1 : p > 4095 ? 4095 : p;
    return g;
}

static uint32_t miss(uint16_t p, int bit)
{
    return bit ? 65535u - p : p;
}

static void learn(Guess g, int bit)
{
    uint32_t a = miss(*g.near, bit), b = miss(*g.far, bit);
    if (b < a && *g.trust < 128)
        ++*g.trust;
    else if (a < b && *g.trust > -128)
        --*g.trust;
    if (bit) {
        *g.near = (uint16_t)(*g.near + ((65535 - *g.near) >> RATE));
        *g.far = (uint16_t)(*g.far + ((65535 - *g.far) >> (RATE - 1)));
    } else {
        *g.near = (uint16_t)(*g.near - (*g.near >> RATE));
        *g.far = (uint16_t)(*g.far - (*g.far >> (RATE - 1)));
    }
}

/* The coder keeps an interval [low, low + range); carries run back over
   bytes that are already written. */
typedef struct {
    uint8_t *out;
    size_t at;
    uint64_t low;
    uint32_t range;
} Encoder;

static void shift_out(Encoder *e)
{
    if (e->low >> 32) {
        size_t i = e->at;
        while (i && ++e->out[--i] == 0)
            continue;
        e->low &= 0xffffffffu;
    }
    e->out[e->at++] = (uint8_t)(e->low >> 24);
    e->low = (e->low & 0xffffff) << 8;
}

static void encode_bit(Encoder *e, uint32_t p, int bit)
{
    uint32_t bound = (e->range >> PROB_BITS) * p;
    if (bit) {
        e->range = bound;
    } else {
        e->low += bound;
        e->range -= bound;
    }
    while (e->range < 1u << 24) {
        e->range <<= 8;
        shift_out(e);
    }
}

static size_t encode(Model *m, const uint8_t *in, size_t n, uint8_t *out)
{
    Encoder e = {out, 0, 0, 0xffffffffu};
    uint32_t history = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = far_slot(m, history), node = 1;
        for (int k = 7; k >= 0; k--) {
            int bit = in[i] >> k & 1;
            Guess g = guess(m, history, slot, node);
            encode_bit(&e, g.p, bit);
            learn(g, bit);
            node = node * 2 + (uint32_t)bit;
        }
        history = history << 8 | in[i];
    }
    for (int i = 0; i < 5; i++)
        shift_out(&e);
    return e.at;
}

typedef struct {
    const uint8_t *in, *end;
    uint32_t code, range;
} Reader;

static uint32_t next_byte(Reader *r)
{
    return r->in < r->end ? *r->in++ : 0;
}

static int decode_bit(Reader *r, uint32_t p)
{
    uint32_t bound = (r->range >> PROB_BITS) * p;
    int bit = r->code < bound;
    if (bit) {
        r->range = bound;
    } else {
        r->code -= bound;
        r->range -= bound;
    }
    while (r->range < 1u << 24) {
        r->range <<= 8;
        r->code = r->code << 8 | next_byte(r);
    }
    return bit;
}

static void decode(Model *m, const uint8_t *in, size_t size, uint8_t *out, size_t n)
{
    Reader r = {in, in + size, 0, 0xffffffffu};
    uint32_t history = 0;
    for (int i = 0; i < 4; i++)
        r.code = r.code << 8 | next_byte(&r);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = far_slot(m, history), node = 1;
        while (node < 256) {
            Guess g = guess(m, history, slot, node);
            int bit = decode_bit(&r, g.p);
            learn(g, bit);
            node = node * 2 + (uint32_t)bit;
        }
        out[i] = (uint8_t)node;
        history = history << 8 | (node & 255);
    }
}

static uint8_t *read_file(const char *name, size_t *n)
{
    FILE *f = fopen(name, "rb");
    size_t room = 1 << 20;
    uint8_t *p = malloc(room);
    if (!p)
        fail("out of memory");
    if (!f)
        fail("cannot read the file");
    *n = fread(p, 1, room, f);
    if (ferror(f) || *n == room)
        fail("file too long");
    fclose(f);
    return p;
}

static int number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: rangecoder FILE ORDER REPEATS (order 0..4, repeats 1..1000)\n");
        exit(2);
    }
    return (int)v;
}

int main(int argc, char **argv)
{
    int order = number(argc == 4 ? argv[2] : "", 0, 4);
    int repeats = number(argv[3], 1, 1000);
    size_t n, total = 0, last = 0;
    uint8_t *in = read_file(argv[1], &n);
    /* A bit costs at most 12 bits and a little. */
    uint8_t *out = malloc(13 * n + 16), *back = malloc(n + 1);
    Model *m = malloc(sizeof *m);
    uint32_t sum = 2166136261u;
    if (!out || !back || !m)
        fail("out of memory");
    for (int r = 0; r < repeats; r++) {
        model_init(m, (order + r) % 5);
        last = encode(m, in, n, out);
        model_init(m, (order + r) % 5);
        decode(m, out, last, back, n);
        if (memcmp(in, back, n) != 0)
            fail("round trip lost data");
        for (size_t i = 0; i < last; i++)
            sum = (sum ^ out[i]) * 16777619u;
        total += last;
        /* Turn the text a little, so that each repeat codes new data. */
        for (size_t i = (size_t)r; i < n; i += 97)
            in[i] = (uint8_t)((in[i] & 0xe0) | ((in[i] + 1) & 31));
    }
    printf("bytes %zu\nlast %zu\ntotal %zu\nsum %08x\nok\n", n, last, total, (unsigned)sum);
    free(in);
    free(out);
    free(back);
    free(m);
    return 0;
}
