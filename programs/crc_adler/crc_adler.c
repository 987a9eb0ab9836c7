/* Three checksums over the same data: CRC-32 with slicing tables, Adler-32
   with a delayed modulo, and FNV-1a. Slow versions check the fast ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLY 0xedb88320u

static uint32_t table[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ POLY : c >> 1;
        table[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 255];
}

static uint32_t crc_bits(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    while (n--) {
        crc ^= *p++;
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (POLY & (0u - (crc & 1)));
    }
    return ~crc;
}

static uint32_t crc_bytes(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    while (n--)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Eight bytes a step, one table for each distance to the end of the step. */
static uint32_t crc_slices(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = load32(p) ^ crc, b = load32(p + 4);
        crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^
              table[4][a >> 24] ^ table[3][b & 255] ^ table[2][b >> 8 & 255] ^
              table[1][b >> 16 & 255] ^ table[0][b >> 24];
    }
    return crc_bytes(~crc, p, n);
}

/* A 32x32 bit matrix over GF(2), one word per column. */
typedef struct {
    uint32_t col[32];
} Matrix;

static uint32_t apply(const Matrix *m, uint32_t v)
{
    uint32_t r = 0;
    for (int i = 0; v; i++, v >>= 1)
        if (v & 1)
            r ^= m->col[i];
    return r;
}

static Matrix square(const Matrix *m)
{
    Matrix r;
    for (int i = 0; i < 32; i++)
        r.col[i] = apply(m, m->col[i]);
    return r;
}

/* The CRC of two joined blocks from the CRC of each: move the first one past
   len zero bytes by repeated squaring of the one-bit step. */
static uint32_t crc_combine(uint32_t a, uint32_t b, size_t len)
{
    Matrix m;
    m.col[0] = POLY;
    for (int i = 1; i < 32; i++)
        m.col[i] = 1u << (i - 1);
    m = square(&m);
    m = square(&m);
    m = square(&m);
    for (; len; len >>= 1) {
        if (len & 1)
            a = apply(&m, a);
        m = square(&m);
    }
    return a ^ b;
}

static uint32_t adler_slow(uint32_t adler, const uint8_t *p, size_t n)
{
    uint32_t a = adler & 0xffff, b = adler >> 16;
    while (n--) {
        a = (a + *p++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* 5552 bytes is the longest run for which b cannot overflow 32 bits. */
static uint32_t adler_fast(uint32_t adler, const uint8_t *p, size_t n)
{
    uint32_t a = adler & 0xffff, b = adler >> 16;
    while (n) {
        size_t run = n < 5552 ? n : 5552;
        n -= run;
        for (; run >= 16; run -= 16, p += 16) {
            uint32_t sum = 0, weighted = 0;
            for (uint32_t i = 0; i < 16; i++) {
                sum += p[i];
                weighted += (16 - i) * p[i];
            }
            b += 16 * a + weighted;
            a += sum;
        }
        for (; run; run--) {
            a += *p++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

static uint64_t fnv(uint64_t h, const uint8_t *p, size_t n)
{
    while (n--) {
        h ^= *p++;
        h *= 0x100000001b3u;
    }
    return h;
}

#define FNV_START 0xcbf29ce484222325u

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "crc_adler: wrong %s\n", what);
        exit(1);
    }
}

static void known_vectors(void)
{
    const uint8_t *digits = (const uint8_t *)"123456789";
    check(crc_bits(0, digits, 9) == 0xcbf43926u, "crc by bits");
    check(crc_bytes(0, digits, 9) == 0xcbf43926u, "crc by bytes");
    check(crc_slices(0, digits, 9) == 0xcbf43926u, "crc by slices");
    check(adler_slow(1, (const uint8_t *)"Wikipedia", 9) == 0x11e60398u, "adler");
    check(fnv(FNV_START, (const uint8_t *)"foobar", 6) == 0x85944171f73967e8u, "fnv");
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: crc_adler BYTES ROUNDS (0..16777216, 1..10000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t n = number(argc == 3 ? argv[1] : "", 0, 16777216);
    size_t rounds = number(argv[2], 1, 10000);
    uint8_t *data = malloc(n + 1);
    uint32_t crc_all = 0, adler_all = 1, lcg = 12345;
    uint64_t fnv_all = FNV_START;
    if (!data)
        return 1;
    make_tables();
    known_vectors();
    for (size_t i = 0; i < n; i++) {
        lcg = lcg * 1664525u + 1013904223u;
        data[i] = (uint8_t)(lcg >> 24);
    }
    for (size_t r = 0; r < rounds; r++) {
        /* Cut at another place each round; the parts must give the whole. */
        size_t cut = n ? (r * 40503u + 17) % n : 0;
        uint32_t left = crc_slices(0, data, cut);
        uint32_t right = crc_slices(0, data + cut, n - cut);
        uint32_t whole = crc_bytes(0, data, n);
        uint32_t adler = adler_fast(1, data, n);
        check(crc_combine(left, right, n - cut) == whole, "combined crc");
        check(crc_slices(left, data + cut, n - cut) == whole, "continued crc");
        check(adler_fast(adler_fast(1, data, cut), data + cut, n - cut) == adler, "continued adler");
        if (r % 16 == 0) {
            check(crc_bits(0, data, n) == whole, "slow crc");
            check(adler_slow(1, data, n) == adler, "slow adler");
        }
        uint8_t mix[8];
        for (int i = 0; i < 4; i++) {
            mix[i] = (uint8_t)(whole >> 8 * i);
            mix[4 + i] = (uint8_t)(adler >> 8 * i);
        }
        crc_all = crc_slices(crc_all, mix, 8);
        adler_all = adler_fast(adler_all, mix, 8);
        fnv_all = fnv(fnv(fnv_all, mix, 8), data, n);
        if (n)
            data[(r * 977) % n] ^= (uint8_t)(fnv_all >> 56);
    }
    printf("crc32  %08x\nadler  %08x\nfnv1a  %016llx\nok\n", (unsigned)crc_all,
           (unsigned)adler_all, (unsigned long long)fnv_all);
    free(data);
    return 0;
}
