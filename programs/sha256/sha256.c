/* SHA-256: streaming hash, HMAC and a Merkle tree over generated data. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, DIGEST = 32 };

typedef struct {
    uint32_t h[8];
    uint64_t total;
    size_t fill;
    uint8_t buf[BLOCK];
} Sha;

static uint32_t K[64];
static uint32_t H0[8];

/* The first 32 fractional bits of the k-th root of p, found by integer search:
   the largest x with x^k <= p * 2^(32k). Written out, so no floating point. */
static int root_too_big(uint64_t x, int k, uint32_t p)
{
    /* x has at most 37 bits; multiply in base 2^32 with 6 limbs. */
    uint32_t acc[6] = {1, 0, 0, 0, 0, 0};
    uint32_t xl[2] = {(uint32_t)x, (uint32_t)(x >> 32)};
    for (int r = 0; r < k; r++) {
        uint32_t out[6] = {0};
        for (int i = 0; i < 2; i++) {
            uint64_t carry = 0;
            for (int j = 0; i + j < 6; j++) {
                uint64_t t = (uint64_t)xl[i] * acc[j] + out[i + j] + carry;
                out[i + j] = (uint32_t)t;
                carry = t >> 32;
            }
        }
        memcpy(acc, out, sizeof acc);
    }
    uint32_t want[6] = {0};
    want[k] = p;
    for (int i = 5; i >= 0; i--)
        if (acc[i] != want[i])
            return acc[i] > want[i];
    return 0;
}

static uint32_t root_fraction(uint32_t p, int k)
{
    uint64_t lo = 0, hi = (uint64_t)1 << 37;
    while (hi - lo > 1) {
        uint64_t mid = (lo + hi) / 2;
        if (root_too_big(mid, k, p))
            hi = mid;
        else
            lo = mid;
    }
    return (uint32_t)lo;
}

/* The constants come from the first 64 primes, so they are computed. */
static void make_constants(void)
{
    int n = 0;
    for (uint32_t p = 2; n < 64; p++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= p; d++)
            if (p % d == 0)
                prime = 0;
        if (!prime)
            continue;
        if (n < 8)
            H0[n] = root_fraction(p, 2);
        K[n++] = root_fraction(p, 3);
    }
}

static uint32_t ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void compress(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25);
        uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + ch + K[i] + w[i];
        uint32_t s0 = ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22);
        uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        v[7] = v[6];
        v[6] = v[5];
        v[5] = v[4];
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = v[0];
        v[0] = t1 + s0 + maj;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static void sha_init(Sha *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->h, H0, sizeof s->h);
}

static void sha_update(Sha *s, const uint8_t *p, size_t n)
{
    s->total += n;
    if (s->fill) {
        size_t take = BLOCK - s->fill < n ? BLOCK - s->fill : n;
        memcpy(s->buf + s->fill, p, take);
        s->fill += take;
        p += take;
        n -= take;
        if (s->fill < BLOCK)
            return;
        compress(s->h, s->buf);
        s->fill = 0;
    }
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK)
        compress(s->h, p);
    if (n)
        memcpy(s->buf, p, n);
    s->fill = n;
}

static void sha_final(Sha *s, uint8_t out[DIGEST])
{
    uint64_t bits = s->total * 8;
    uint8_t pad[BLOCK + 8] = {0x80};
    size_t n = (s->fill < 56 ? 56 : 120) - s->fill;
    for (int i = 0; i < 8; i++)
        pad[n + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    sha_update(s, pad, n + 8);
    for (int i = 0; i < DIGEST; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

static void sha_all(const uint8_t *p, size_t n, uint8_t out[DIGEST])
{
    Sha s;
    sha_init(&s);
    sha_update(&s, p, n);
    sha_final(&s, out);
}

static void hmac(const uint8_t *key, size_t klen, const uint8_t *p, size_t n, uint8_t out[DIGEST])
{
    uint8_t k[BLOCK] = {0}, pad[BLOCK], inner[DIGEST];
    Sha s;
    if (klen > BLOCK)
        sha_all(key, klen, k);
    else
        memcpy(k, key, klen);
    for (int i = 0; i < BLOCK; i++)
        pad[i] = k[i] ^ 0x36;
    sha_init(&s);
    sha_update(&s, pad, BLOCK);
    sha_update(&s, p, n);
    sha_final(&s, inner);
    for (int i = 0; i < BLOCK; i++)
        pad[i] = k[i] ^ 0x5c;
    sha_init(&s);
    sha_update(&s, pad, BLOCK);
    sha_update(&s, inner, DIGEST);
    sha_final(&s, out);
}

/* Hash fixed leaves, then pairs of nodes until one is left. */
static void merkle(const uint8_t *p, size_t n, size_t leaf, uint8_t out[DIGEST])
{
    size_t count = n / leaf;
    uint8_t *node = malloc(count * DIGEST);
    if (!node)
        exit(1);
    for (size_t i = 0; i < count; i++)
        sha_all(p + i * leaf, leaf, node + i * DIGEST);
    while (count > 1) {
        size_t half = count / 2;
        for (size_t i = 0; i < half; i++) {
            uint8_t d[DIGEST];
            sha_all(node + 2 * i * DIGEST, 2 * DIGEST, d);
            memcpy(node + i * DIGEST, d, DIGEST);
        }
        if (count % 2)
            memmove(node + half * DIGEST, node + (count - 1) * DIGEST, DIGEST);
        count = half + count % 2;
    }
    memcpy(out, node, DIGEST);
    free(node);
}

static void to_hex(const uint8_t d[DIGEST], char out[2 * DIGEST + 1])
{
    for (int i = 0; i < DIGEST; i++) {
        out[2 * i] = "0123456789abcdef"[d[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[d[i] & 15];
    }
    out[2 * DIGEST] = 0;
}

static void fail(const char *what)
{
    fprintf(stderr, "sha256: wrong %s\n", what);
    exit(1);
}

static void expect(const uint8_t d[DIGEST], const char *want, const char *what)
{
    char hex[2 * DIGEST + 1];
    to_hex(d, hex);
    if (strcmp(hex, want) != 0)
        fail(what);
}

static void known_vectors(void)
{
    uint8_t d[DIGEST], key[20];
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha_all((const uint8_t *)"abc", 3, d);
    expect(d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "hash of abc");
    sha_all((const uint8_t *)"", 0, d);
    expect(d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "empty hash");
    sha_all((const uint8_t *)two, strlen(two), d);
    expect(d, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "two block hash");
    memset(key, 0x0b, sizeof key);
    hmac(key, sizeof key, (const uint8_t *)"Hi There", 8, d);
    expect(d, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "HMAC");
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: sha256 KIB ROUNDS (1..65536, 1..10000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t n = number(argc == 3 ? argv[1] : "", 1, 65536) * 1024;
    size_t rounds = number(argv[2], 1, 10000);
    uint8_t *data = malloc(n), d[DIGEST], e[DIGEST], chain[DIGEST] = {0};
    char hex[2 * DIGEST + 1];
    uint64_t x = 88172645463325252u;
    if (!data)
        return 1;
    make_constants();
    known_vectors();
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 24);
    }
    for (size_t r = 0; r < rounds; r++) {
        /* Uneven pieces must give the same digest as one call. */
        Sha s;
        sha_init(&s);
        for (size_t at = 0, step = 1 + r; at < n; step = step * 3 % 4099 + 1) {
            size_t take = step < n - at ? step : n - at;
            sha_update(&s, data + at, take);
            at += take;
        }
        sha_final(&s, d);
        sha_all(data, n, e);
        if (memcmp(d, e, DIGEST) != 0)
            fail("digest of pieces");
        hmac(chain, DIGEST, d, DIGEST, chain);
        merkle(data, n, 256, e);
        hmac(chain, DIGEST, e, DIGEST, chain);
        data[(r * 7919) % n] ^= chain[0];
    }
    to_hex(d, hex);
    printf("digest %s\n", hex);
    to_hex(e, hex);
    printf("merkle %s\n", hex);
    to_hex(chain, hex);
    printf("chain  %s\nok\n", hex);
    free(data);
    return 0;
}
