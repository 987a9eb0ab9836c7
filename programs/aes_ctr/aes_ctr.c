/* AES-128 in counter mode. The fast path uses four word tables; a byte-wise
   cipher with its own inverse checks it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 10, BLOCK = 16 };

typedef struct {
    uint8_t byte[(ROUNDS + 1) * BLOCK];
    uint32_t word[(ROUNDS + 1) * 4];
} Key;

static uint8_t sbox[256], inverse[256];
static uint32_t T[4][256];

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;
    for (; b; b >>= 1, a = twice(a))
        if (b & 1)
            r ^= a;
    return r;
}

static uint32_t load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The S-box is the inverse in GF(256) and an affine map of its bits. */
static void make_tables(void)
{
    for (int x = 0; x < 256; x++) {
        uint8_t inv = 0;
        for (int y = 1; x && y < 256; y++)
            if (gf_mul((uint8_t)x, (uint8_t)y) == 1)
                inv = (uint8_t)y;
        uint8_t s = 0x63;
        for (int k = 0; k < 5; k++)
            s ^= (uint8_t)(inv << k | inv >> (8 - k));
        sbox[x] = s;
        inverse[s] = (uint8_t)x;
    }
    for (int x = 0; x < 256; x++) {
        uint8_t s = sbox[x];
        uint32_t w = (uint32_t)twice(s) << 24 | (uint32_t)s << 16 | (uint32_t)s << 8 | (twice(s) ^ s);
        for (int t = 0; t < 4; t++) {
            T[t][x] = w;
            w = w >> 8 | w << 24;
        }
    }
}

static void expand_key(Key *k, const uint8_t key[BLOCK])
{
    uint8_t rcon = 1;
    memcpy(k->byte, key, BLOCK);
    for (int i = BLOCK; i < (ROUNDS + 1) * BLOCK; i += 4) {
        uint8_t t[4];
        memcpy(t, k->byte + i - 4, 4);
        if (i % BLOCK == 0) {
            uint8_t first = t[0];
            t[0] = sbox[t[1]] ^ rcon;
            t[1] = sbox[t[2]];
            t[2] = sbox[t[3]];
            t[3] = sbox[first];
            rcon = twice(rcon);
        }
        for (int j = 0; j < 4; j++)
            k->byte[i + j] = k->byte[i + j - BLOCK] ^ t[j];
    }
    for (int i = 0; i < (ROUNDS + 1) * 4; i++)
        k->word[i] = load(k->byte + 4 * i);
}

static void encrypt(const Key *key, const uint8_t in[BLOCK], uint8_t out[BLOCK])
{
    const uint32_t *k = key->word;
    uint32_t s[4], t[4];
    for (int c = 0; c < 4; c++)
        s[c] = load(in + 4 * c) ^ k[c];
    for (int r = 1; r < ROUNDS; r++) {
        k += 4;
        for (int c = 0; c < 4; c++)
            t[c] = T[0][s[c] >> 24] ^ T[1][s[(c + 1) % 4] >> 16 & 255] ^
                   T[2][s[(c + 2) % 4] >> 8 & 255] ^ T[3][s[(c + 3) % 4] & 255] ^ k[c];
        memcpy(s, t, sizeof s);
    }
    k += 4;
    for (int c = 0; c < 4; c++) {
        uint32_t w = (uint32_t)sbox[s[c] >> 24] << 24 | (uint32_t)sbox[s[(c + 1) % 4] >> 16 & 255] << 16 |
                     (uint32_t)sbox[s[(c + 2) % 4] >> 8 & 255] << 8 | sbox[s[(c + 3) % 4] & 255];
        store(out + 4 * c, w ^ k[c]);
    }
}

static void add_key(uint8_t s[BLOCK], const uint8_t *k)
{
    for (int i = 0; i < BLOCK; i++)
        s[i] ^= k[i];
}

static void mix_columns(uint8_t s[BLOCK], const uint8_t m[4])
{
    for (int c = 0; c < BLOCK; c += 4) {
        uint8_t out[4] = {0};
        for (int r = 0; r < 4; r++)
            for (int j = 0; j < 4; j++)
                out[r] ^= gf_mul(s[c + j], m[(j - r + 4) % 4]);
        memcpy(s + c, out, 4);
    }
}

/* dir is 1 to shift rows left, 3 to shift them right. */
static void sub_shift(uint8_t s[BLOCK], const uint8_t box[256], int dir)
{
    uint8_t t[BLOCK];
    for (int c = 0; c < 4; c++)
        for (int r = 0; r < 4; r++)
            t[4 * c + r] = box[s[4 * ((c + dir * r) % 4) + r]];
    memcpy(s, t, BLOCK);
}

static void encrypt_slow(const Key *k, const uint8_t in[BLOCK], uint8_t s[BLOCK])
{
    static const uint8_t m[4] = {2, 3, 1, 1};
    memmove(s, in, BLOCK);
    add_key(s, k->byte);
    for (int r = 1; r <= ROUNDS; r++) {
        sub_shift(s, sbox, 1);
        if (r < ROUNDS)
            mix_columns(s, m);
        add_key(s, k->byte + r * BLOCK);
    }
}

static void decrypt_slow(const Key *k, const uint8_t in[BLOCK], uint8_t s[BLOCK])
{
    static const uint8_t m[4] = {14, 11, 13, 9};
    memmove(s, in, BLOCK);
    for (int r = ROUNDS; r > 0; r--) {
        add_key(s, k->byte + r * BLOCK);
        if (r < ROUNDS)
            mix_columns(s, m);
        sub_shift(s, inverse, 3);
    }
    add_key(s, k->byte);
}

/* Counter mode: the same call encrypts and decrypts. */
static void ctr(const Key *k, const uint8_t start[BLOCK], uint8_t *data, size_t n)
{
    uint8_t counter[BLOCK], pad[BLOCK];
    memcpy(counter, start, BLOCK);
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t len = n - at < BLOCK ? n - at : BLOCK;
        encrypt(k, counter, pad);
        for (size_t i = 0; i < len; i++)
            data[at + i] ^= pad[i];
        for (int i = BLOCK - 1; i >= 0 && ++counter[i] == 0; i--)
            continue;
    }
}

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "aes_ctr: wrong %s\n", what);
        exit(1);
    }
}

static void from_hex(const char *s, uint8_t *out, int n)
{
    for (int i = 0; i < n; i++) {
        unsigned v = 0;
        for (int j = 0; j < 2; j++) {
            int c = s[2 * i + j];
            v = v * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (uint8_t)v;
    }
}

static void known_vectors(void)
{
    uint8_t key[BLOCK], plain[BLOCK], want[BLOCK], got[BLOCK], start[BLOCK];
    Key k;
    from_hex("000102030405060708090a0b0c0d0e0f", key, BLOCK);
    from_hex("00112233445566778899aabbccddeeff", plain, BLOCK);
    from_hex("69c4e0d86a7b0430d8cdb78070b4c55a", want, BLOCK);
    expand_key(&k, key);
    encrypt(&k, plain, got);
    check(memcmp(got, want, BLOCK) == 0, "FIPS-197 vector");
    encrypt_slow(&k, plain, got);
    check(memcmp(got, want, BLOCK) == 0, "FIPS-197 vector, byte-wise");
    decrypt_slow(&k, want, got);
    check(memcmp(got, plain, BLOCK) == 0, "FIPS-197 decryption");
    from_hex("2b7e151628aed2a6abf7158809cf4f3c", key, BLOCK);
    from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", start, BLOCK);
    from_hex("6bc1bee22e409f96e93d7e117393172a", plain, BLOCK);
    from_hex("874d6191b620e3261bef6864990db6ce", want, BLOCK);
    expand_key(&k, key);
    ctr(&k, start, plain, BLOCK);
    check(memcmp(plain, want, BLOCK) == 0, "counter mode vector");
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: aes_ctr BYTES ROUNDS (1..16777216, 1..1000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t n = number(argc == 3 ? argv[1] : "", 1, 16777216);
    size_t rounds = number(argv[2], 1, 1000);
    uint8_t *data = malloc(n), *copy = malloc(n);
    uint8_t key[BLOCK] = {0}, start[BLOCK], mac[BLOCK] = {0}, block[BLOCK];
    uint32_t lcg = 2463534242u;
    Key k;
    if (!data || !copy)
        return 1;
    make_tables();
    known_vectors();
    for (size_t i = 0; i < n; i++) {
        lcg = lcg * 1103515245u + 12345u;
        data[i] = (uint8_t)(lcg >> 23);
    }
    memset(start, 0xff, BLOCK); /* the counter wraps after one block */
    for (size_t r = 0; r < rounds; r++) {
        expand_key(&k, key);
        memcpy(copy, data, n);
        ctr(&k, start, data, n);
        /* A CBC-MAC of the ciphertext feeds the next round's key. */
        for (size_t at = 0; at < n; at++) {
            mac[at % BLOCK] ^= data[at];
            if (at % BLOCK == BLOCK - 1 || at == n - 1)
                encrypt(&k, mac, mac);
        }
        size_t spot = (r * 7919) % n;
        ctr(&k, start, data, n);
        check(memcmp(copy, data, n) == 0, "round trip");
        encrypt_slow(&k, mac, block);
        decrypt_slow(&k, block, block);
        check(memcmp(block, mac, BLOCK) == 0, "byte-wise inverse");
        encrypt_slow(&k, mac, key);
        encrypt(&k, mac, block);
        check(memcmp(block, key, BLOCK) == 0, "byte-wise cipher");
        memcpy(start, mac, BLOCK);
        data[spot] ^= mac[0];
    }
    printf("mac ");
    for (int i = 0; i < BLOCK; i++)
        printf("%02x", mac[i]);
    printf("\nkey ");
    for (int i = 0; i < BLOCK; i++)
        printf("%02x", key[i]);
    printf("\nok\n");
    free(data);
    free(copy);
    return 0;
}
