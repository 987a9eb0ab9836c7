/* ChaCha20 and Poly1305: seal and open messages of many lengths. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t load(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void store(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static uint32_t rol(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t s[16], int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rol(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rol(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rol(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rol(s[b] ^ s[c], 7);
}

static void chacha_block(const uint32_t in[16], uint8_t out[64])
{
    uint32_t s[16];
    memcpy(s, in, sizeof s);
    for (int r = 0; r < 10; r++) {
        quarter(s, 0, 4, 8, 12);
        quarter(s, 1, 5, 9, 13);
        quarter(s, 2, 6, 10, 14);
        quarter(s, 3, 7, 11, 15);
        quarter(s, 0, 5, 10, 15);
        quarter(s, 1, 6, 11, 12);
        quarter(s, 2, 7, 8, 13);
        quarter(s, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++)
        store(out + 4 * i, s[i] + in[i]);
}

static void chacha_setup(uint32_t s[16], const uint8_t key[32], const uint8_t nonce[12], uint32_t counter)
{
    memset(s, 0, 16 * sizeof *s);
    s[0] = 0x61707865;
    s[1] = 0x3320646e;
    s[2] = 0x79622d32;
    s[3] = 0x6b206574;
    for (int i = 0; i < 8; i++)
        s[4 + i] = load(key + 4 * i);
    s[12] = counter;
    for (int i = 0; i < 3; i++)
        s[13 + i] = load(nonce + 4 * i);
}

static void chacha_xor(const uint8_t key[32], const uint8_t nonce[12], uint32_t counter, uint8_t *data,
                       size_t n)
{
    uint32_t s[16];
    uint8_t pad[64];
    chacha_setup(s, key, nonce, counter);
    for (size_t at = 0; at < n; at += 64) {
        size_t len = n - at < 64 ? n - at : 64;
        chacha_block(s, pad);
        for (size_t i = 0; i < len; i++)
            data[at + i] ^= pad[i];
        s[12]++;
    }
}

/* Poly1305 with five limbs of 26 bits. */
static void poly1305(const uint8_t key[32], const uint8_t *p, size_t n, uint8_t tag[16])
{
    uint32_t r[5], h[5] = {0};
    uint64_t d[5];
    r[0] = load(key) & 0x3ffffff;
    r[1] = load(key + 3) >> 2 & 0x3ffff03;
    r[2] = load(key + 6) >> 4 & 0x3ffc0ff;
    r[3] = load(key + 9) >> 6 & 0x3f03fff;
    r[4] = load(key + 12) >> 8 & 0x00fffff;
    while (n) {
        uint8_t b[17] = {0};
        size_t len = n < 16 ? n : 16;
        memcpy(b, p, len);
        b[len] = 1;
        p += len;
        n -= len;
        h[0] += load(b) & 0x3ffffff;
        h[1] += load(b + 3) >> 2 & 0x3ffffff;
        h[2] += load(b + 6) >> 4 & 0x3ffffff;
        h[3] += load(b + 9) >> 6;
        h[4] += load(b + 12) >> 8 | (uint32_t)b[16] << 24;
        for (int i = 0; i < 5; i++) {
            d[i] = 0;
            for (int j = 0; j < 5; j++)
                d[i] += (uint64_t)h[j] * (j <= i ? r[i - j] : 5 * r[5 + i - j]);
        }
        for (int i = 0; i < 4; i++) {
            d[i + 1] += d[i] >> 26;
            h[i] = (uint32_t)d[i] & 0x3ffffff;
        }
        h[4] = (uint32_t)d[4] & 0x3ffffff;
        uint64_t carry = h[0] + (d[4] >> 26) * 5;
        h[0] = (uint32_t)carry & 0x3ffffff;
        h[1] += (uint32_t)(carry >> 26);
    }
    /* Two passes bring every limb below 2^26. */
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 4; i++) {
            h[i + 1] += h[i] >> 26;
            h[i] &= 0x3ffffff;
        }
        h[0] += (h[4] >> 26) * 5;
        h[4] &= 0x3ffffff;
    }
    h[1] += h[0] >> 26;
    h[0] &= 0x3ffffff;
    /* Subtract the prime when h is not below it. */
    uint32_t g[5], c = 5;
    for (int i = 0; i < 5; i++) {
        c += h[i];
        g[i] = c & 0x3ffffff;
        c >>= 26;
    }
    if (c)
        memcpy(h, g, sizeof h);
    uint32_t w[4] = {h[0] | h[1] << 26, h[1] >> 6 | h[2] << 20, h[2] >> 12 | h[3] << 14, h[3] >> 18 | h[4] << 8};
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (uint64_t)w[i] + load(key + 16 + 4 * i);
        store(tag + 4 * i, (uint32_t)sum);
        sum >>= 32;
    }
}

/* Encrypt then authenticate; the MAC key is the start of key stream block 0. */
static void make_tag(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *data, size_t n, uint8_t tag[16])
{
    uint8_t first[64] = {0};
    chacha_xor(key, nonce, 0, first, 64);
    poly1305(first, data, n, tag);
}

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "chacha20: wrong %s\n", what);
        exit(1);
    }
}

static void known_vectors(void)
{
    static const uint8_t block1[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
        0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e,
        0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2,
        0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0};
    static const uint8_t mac_key[32] = {
        0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5, 0x06, 0xa8,
        0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b};
    static const uint8_t mac_tag[16] = {0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6,
                                        0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9};
    uint8_t key[32], out[64] = {0}, tag[16];
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    chacha_xor(key, nonce, 1, out, 64);
    check(memcmp(out, block1, 64) == 0, "RFC 8439 key stream");
    poly1305(mac_key, (const uint8_t *)"Cryptographic Forum Research Group", 34, tag);
    check(memcmp(tag, mac_tag, 16) == 0, "RFC 8439 tag");
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: chacha20 BYTES MESSAGES (0..16777216, 1..100000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t max = number(argc == 3 ? argv[1] : "", 0, 16777216);
    size_t messages = number(argv[2], 1, 100000);
    uint8_t *data = malloc(max + 1), *copy = malloc(max + 1);
    uint8_t key[32] = {0}, nonce[12] = {0}, tag[16] = {0}, again[16];
    if (!data || !copy)
        return 1;
    known_vectors();
    for (size_t i = 0; i < max; i++)
        data[i] = (uint8_t)(i * i >> 3);
    for (size_t m = 0; m < messages; m++) {
        size_t n = m % 2 ? max : max - max / (m + 2);
        store(nonce, (uint32_t)m);
        memcpy(copy, data, n);
        chacha_xor(key, nonce, 1, data, n);
        make_tag(key, nonce, data, n, tag);
        /* Starting the stream in the middle must give the same bytes. */
        size_t from = n / 128 * 64;
        chacha_xor(key, nonce, 1 + (uint32_t)(from / 64), data + from, n - from);
        check(memcmp(data + from, copy + from, n - from) == 0, "stream from the middle");
        chacha_xor(key, nonce, 1, data, from);
        check(memcmp(data, copy, n) == 0, "round trip");
        /* One changed bit must change the tag. */
        if (n) {
            chacha_xor(key, nonce, 1, copy, n);
            copy[m % n] ^= 1;
            make_tag(key, nonce, copy, n, again);
            check(memcmp(again, tag, 16) != 0, "tag of a changed message");
        }
        for (int i = 0; i < 16; i++) {
            key[(m % 2) * 16 + (size_t)i] ^= tag[i];
            if (max)
                data[(m * 131 + (size_t)i) % max] ^= tag[i];
        }
    }
    printf("key ");
    for (int i = 0; i < 32; i++)
        printf("%02x", key[i]);
    printf("\nok\n");
    free(data);
    free(copy);
    return 0;
}
