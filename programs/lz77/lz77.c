/* LZ77 with hash chains and lazy matching. The packed stream is written to a
   file, read back and unpacked. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 14, WINDOW = 1 << 15, MIN_MATCH = 4, MAX_MATCH = 1 << 12 };

static void fail(const char *what)
{
    fprintf(stderr, "lz77: %s\n", what);
    exit(1);
}

static void *get(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        fail("out of memory");
    return p;
}

static uint32_t seed = 1;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Text with words that come back, runs of one byte, and some noise. */
static void make_data(uint8_t *p, size_t n)
{
    static const char *const words[] = {"the ", "stream ", "window ", "match ", "of ",   "length ", "and ",
                                        "byte ", "is ",    "packed ", "in ",    "short", ".\n",     "token "};
    size_t at = 0;
    while (at < n) {
        uint32_t kind = next_random(100);
        if (kind < 2) {
            uint32_t len = next_random(300), c = next_random(256);
            while (len-- && at < n)
                p[at++] = (uint8_t)c;
        } else if (kind < 5) {
            uint32_t len = next_random(20);
            while (len-- && at < n)
                p[at++] = (uint8_t)next_random(256);
        } else {
            const char *w = words[next_random(sizeof words / sizeof *words)];
            while (*w && at < n)
                p[at++] = (uint8_t)*w++;
        }
    }
}

typedef struct {
    const uint8_t *in;
    size_t n;
    int32_t head[1 << HASH_BITS];
    int32_t prev[WINDOW];
} Finder;

static uint32_t hash4(const uint8_t *p)
{
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return v * 2654435761u >> (32 - HASH_BITS);
}

static void insert(Finder *f, size_t at)
{
    if (at + MIN_MATCH > f->n)
        return;
    uint32_t h = hash4(f->in + at);
    f->prev[at % WINDOW] = f->head[h];
    f->head[h] = (int32_t)at;
}

/* Longest earlier match for the bytes at `at`; looks at most `depth` back. */
static size_t find(const Finder *f, size_t at, int depth, size_t *distance)
{
    size_t best = 0, limit = f->n - at < MAX_MATCH ? f->n - at : MAX_MATCH;
    if (limit < MIN_MATCH)
        return 0;
    const uint8_t *here = f->in + at;
    int32_t from = f->head[hash4(here)];
    while (from >= 0 && at - (size_t)from < WINDOW && depth-- > 0) {
        const uint8_t *there = f->in + from;
        /* A longer match must agree in the byte after the best so far. */
        if (best == limit)
            break;
        if (there[best] == here[best]) {
            size_t len = 0;
            while (len < limit && there[len] == here[len])
                len++;
            if (len > best) {
                best = len;
                *distance = at - (size_t)from;
            }
        }
        from = f->prev[(size_t)from % WINDOW];
    }
    return best >= MIN_MATCH ? best : 0;
}

/* Numbers are stored seven bits a byte, low bits first. */
static uint8_t *put_number(uint8_t *out, size_t v)
{
    for (; v >= 128; v >>= 7)
        *out++ = (uint8_t)(v | 128);
    *out++ = (uint8_t)v;
    return out;
}

static uint8_t *put_token(uint8_t *out, const uint8_t *lit, size_t nlit, size_t len, size_t distance)
{
    out = put_number(out, nlit);
    memcpy(out, lit, nlit);
    out = put_number(out + nlit, len);
    return len ? put_number(out, distance) : out;
}

static size_t pack(Finder *f, const uint8_t *in, size_t n, uint8_t *out, int depth, size_t *tokens)
{
    uint8_t *start = out;
    size_t at = 0, lit = 0;
    f->in = in;
    f->n = n;
    for (size_t i = 0; i < (size_t)1 << HASH_BITS; i++)
        f->head[i] = -1;
    memset(f->prev, 0xff, sizeof f->prev);
    while (at < n) {
        size_t distance = 0, other = 0;
        size_t len = find(f, at, depth, &distance);
        insert(f, at);
        /* Take one literal more when the next place has a longer match. */
        if (len && at + 1 < n && find(f, at + 1, depth, &other) > len + 1)
            len = 0;
        if (!len) {
            at++;
            continue;
        }
        out = put_token(out, in + lit, at - lit, len, distance);
        ++*tokens;
        for (size_t i = 1; i < len; i++)
            insert(f, at + i);
        at += len;
        lit = at;
    }
    out = put_token(out, in + lit, n - lit, 0, 0);
    return (size_t)(out - start);
}

static const uint8_t *get_number(const uint8_t *p, const uint8_t *end, size_t *v)
{
    *v = 0;
    for (int shift = 0;; shift += 7) {
        if (p == end || shift > 42)
            fail("broken number in stream");
        *v |= (size_t)(*p & 127) << shift;
        if (*p++ < 128)
            return p;
    }
}

static size_t unpack(const uint8_t *p, size_t size, uint8_t *out, size_t room)
{
    const uint8_t *end = p + size;
    size_t at = 0, n, distance;
    for (;;) {
        p = get_number(p, end, &n);
        if (n > (size_t)(end - p) || n > room - at)
            fail("literals too long");
        memcpy(out + at, p, n);
        p += n;
        at += n;
        p = get_number(p, end, &n);
        if (n == 0)
            break;
        p = get_number(p, end, &distance);
        if (distance == 0 || distance > at || n > room - at)
            fail("match outside the data");
        /* Byte by byte, since source and target may overlap. */
        for (; n; n--, at++)
            out[at] = out[at - distance];
    }
    if (p != end)
        fail("bytes after the end");
    return at;
}

static uint32_t checksum(uint32_t h, const uint8_t *p, size_t n)
{
    while (n--)
        h = (h ^ *p++) * 16777619u;
    return h;
}

static long number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: lz77 BYTES DEPTH BLOCKS (0..16777216, 1..10000, 1..1000)\n");
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    size_t n = (size_t)number(argc == 4 ? argv[1] : "", 0, 16777216);
    int depth = (int)number(argv[2], 1, 10000);
    long blocks = number(argv[3], 1, 1000);
    size_t room = n + n / 2 + 64, tokens = 0, total = 0;
    uint8_t *in = get(n), *packed = get(room), *back = get(n), *stored = get(room);
    Finder *f = get(sizeof *f);
    uint32_t sum = 2166136261u;
    FILE *file = fopen("packed.bin", "w+b");
    if (!file)
        fail("cannot write packed.bin");
    for (long b = 0; b < blocks; b++) {
        seed = (uint32_t)b * 2654435761u + 1;
        make_data(in, n);
        size_t size = pack(f, in, n, packed, depth, &tokens);
        if (size > room)
            fail("packed stream too long");
        /* Only the last block stays in the file. */
        if (b == blocks - 1) {
            if (fwrite(packed, 1, size, file) != size || fseek(file, 0, SEEK_SET) != 0 ||
                fread(stored, 1, size, file) != size || memcmp(stored, packed, size) != 0)
                fail("file does not hold the stream");
        }
        if (unpack(packed, size, back, n) != n || (n && memcmp(in, back, n) != 0))
            fail("round trip lost data");
        sum = checksum(sum, packed, size);
        total += size;
    }
    if (fclose(file) != 0)
        fail("cannot close packed.bin");
    printf("in %zu\nout %zu\ntokens %zu\nsum %08x\nok\n", n * (size_t)blocks, total, tokens, (unsigned)sum);
    free(in);
    free(packed);
    free(back);
    free(stored);
    free(f);
    return 0;
}
