/* Modular exponentiation by Montgomery multiplication on numbers of many
 * 32-bit words, with a sliding window over the exponent.
 *
 * Standard input holds cases: modulus, base, exponent and result in
 * hexadecimal, one case per line. Every result is checked; small exponents are
 * also computed by schoolbook multiplication and long division by bits.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 64, WINDOW = 4, MAX_LINE = 4 * MAX_WORDS * 8 + 16 };

typedef struct {
    uint32_t at[MAX_WORDS];     /* least significant word first */
} number;

typedef struct {
    int words;
    uint32_t inverse;           /* -1 / modulus mod 2^32 */
    number modulus, one, square; /* R mod m and R^2 mod m, R = 2^(32 words) */
} field;

static int compare(const number *a, const number *b, int words)
{
    for (int i = words - 1; i >= 0; i--)
        if (a->at[i] != b->at[i])
            return a->at[i] < b->at[i] ? -1 : 1;
    return 0;
}

static uint32_t subtract(number *a, const number *b, int words)
{
    uint64_t borrow = 0;
    for (int i = 0; i < words; i++) {
        uint64_t d = (uint64_t)a->at[i] - b->at[i] - borrow;
        a->at[i] = (uint32_t)d;
        borrow = d >> 63;
    }
    return (uint32_t)borrow;
}

static uint32_t add(number *a, const number *b, int words)
{
    uint64_t carry = 0;
    for (int i = 0; i < words; i++) {
        carry += (uint64_t)a->at[i] + b->at[i];
        a->at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

/* a = 2 a + bit mod m, for a < m. */
static void double_mod(number *a, uint32_t bit, const field *f)
{
    uint32_t carry = bit;
    for (int i = 0; i < f->words; i++) {
        uint32_t next = a->at[i] >> 31;
        a->at[i] = a->at[i] << 1 | carry;
        carry = next;
    }
    if (carry || compare(a, &f->modulus, f->words) >= 0)
        subtract(a, &f->modulus, f->words);
}

/* Multiply and reduce word by word; the sum never needs more than two extra
 * words. out may be the same object as a or b. */
static void montgomery(const field *f, const number *a, const number *b, number *out)
{
    uint32_t t[MAX_WORDS + 2] = {0};
    int n = f->words;
    for (int i = 0; i < n; i++) {
        uint64_t carry = 0, x = a->at[i];
        for (int j = 0; j < n; j++) {
            carry += x * b->at[j] + t[j];
            t[j] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[n];
        t[n] = (uint32_t)carry;
        t[n + 1] = (uint32_t)(carry >> 32);

        uint64_t q = (uint32_t)(t[0] * f->inverse);
        carry = (q * f->modulus.at[0] + t[0]) >> 32;
        for (int j = 1; j < n; j++) {
            carry += q * f->modulus.at[j] + t[j];
            t[j - 1] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[n];
        t[n - 1] = (uint32_t)carry;
        t[n] = t[n + 1] + (uint32_t)(carry >> 32);
    }
    memcpy(out->at, t, (size_t)n * sizeof *t);
    if (t[n] || compare(out, &f->modulus, n) >= 0)
        subtract(out, &f->modulus, n);
}

/* The modulus must be odd and above 1. */
static void create_field(field *f, const number *modulus, int words)
{
    uint32_t m = modulus->at[0], x = m;
    f->words = words;
    f->modulus = *modulus;
    for (int i = 0; i < 5; i++)     /* Newton: each step doubles the valid bits */
        x *= 2 - m * x;
    f->inverse = 0u - x;
    memset(&f->one, 0, sizeof f->one);
    f->one.at[0] = 1;
    for (int i = 0; i < 32 * words; i++)
        double_mod(&f->one, 0, f);
    f->square = f->one;
    for (int i = 0; i < 32 * words; i++)
        double_mod(&f->square, 0, f);
}

static int bit_at(const number *x, int i)
{
    return (int)(x->at[i / 32] >> (i % 32) & 1);
}

/* base must be below the modulus. */
static void power(const field *f, const number *base, const number *exponent, number *out)
{
    number odd[1 << (WINDOW - 1)], square, unit = {{1}};
    montgomery(f, base, &f->square, &odd[0]);
    montgomery(f, &odd[0], &odd[0], &square);
    for (int i = 1; i < 1 << (WINDOW - 1); i++)
        montgomery(f, &odd[i - 1], &square, &odd[i]);
    *out = f->one;
    int i = 32 * f->words - 1;
    while (i >= 0 && !bit_at(exponent, i))
        i--;
    while (i >= 0) {
        if (!bit_at(exponent, i)) {
            montgomery(f, out, out, out);
            i--;
            continue;
        }
        /* The longest window that starts here and ends in a set bit. */
        int low = i - WINDOW + 1 > 0 ? i - WINDOW + 1 : 0, value = 0;
        while (!bit_at(exponent, low))
            low++;
        for (; i >= low; i--) {
            montgomery(f, out, out, out);
            value = 2 * value + bit_at(exponent, i);
        }
        montgomery(f, out, &odd[value / 2], out);
    }
    montgomery(f, out, &unit, out);     /* leave the Montgomery form */
}

/* a * b mod m, one bit at a time and without Montgomery form. */
static void multiply_slow(const field *f, const number *a, const number *b, number *out)
{
    number sum;
    memset(&sum, 0, sizeof sum);
    for (int i = 32 * f->words - 1; i >= 0; i--) {
        double_mod(&sum, 0, f);
        if (bit_at(b, i)) {
            uint32_t carry = add(&sum, a, f->words);
            if (carry || compare(&sum, &f->modulus, f->words) >= 0)
                subtract(&sum, &f->modulus, f->words);
        }
    }
    *out = sum;
}

static int slow_agrees(const field *f, const number *base, uint32_t exponent)
{
    number slow, fast, small;
    memset(&small, 0, sizeof small);
    small.at[0] = exponent;
    power(f, base, &small, &fast);
    slow = *base;
    for (uint32_t i = 1; i < exponent; i++)
        multiply_slow(f, &slow, base, &slow);
    return compare(&slow, &fast, f->words) == 0;
}

static int read_hex(const char **text, number *x, int *words)
{
    const char *s = *text;
    int digits = 0;
    while (*s == ' ')
        s++;
    while (strchr("0123456789abcdef", s[digits]) && s[digits])
        digits++;
    memset(x, 0, sizeof *x);
    if (digits == 0 || digits > MAX_WORDS * 8)
        return 0;
    for (int i = 0; i < digits; i++) {
        char c = s[digits - 1 - i];
        uint32_t v = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'a') + 10;
        x->at[i / 8] |= v << (4 * (i % 8));
    }
    *words = (digits + 7) / 8;
    *text = s + digits;
    return 1;
}

int main(int argc, char **argv)
{
    static char line[MAX_LINE];
    char *end = NULL;
    long rounds = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    if (argc != 2 || *end || rounds < 1 || rounds > 100000) {
        fprintf(stderr, "usage: modexp ROUNDS <CASES\n");
        return 2;
    }
    int cases = 0, good = 1;
    uint64_t hash = 0xcbf29ce484222325u;
    while (good && fgets(line, sizeof line, stdin)) {
        number modulus, base, exponent, expect, got, chain;
        int words, unused;
        field f;
        const char *at = line;
        if (line[0] == '\n')
            continue;
        if (!read_hex(&at, &modulus, &words) || !read_hex(&at, &base, &unused) ||
            !read_hex(&at, &exponent, &unused) || !read_hex(&at, &expect, &unused) ||
            !(modulus.at[0] & 1) || compare(&base, &modulus, MAX_WORDS) >= 0) {
            fprintf(stderr, "modexp: bad case in line %d\n", cases + 1);
            return 1;
        }
        create_field(&f, &modulus, words);
        power(&f, &base, &exponent, &got);
        for (int i = words; i < MAX_WORDS; i++)
            good &= expect.at[i] == 0 && exponent.at[i] == 0;
        good &= compare(&got, &expect, words) == 0;
        good &= slow_agrees(&f, &base, 2) && slow_agrees(&f, &base, 5);
        /* Chain of powers: (b^x)^y must equal (b^y)^x. */
        chain = got;
        for (long r = 0; r < rounds && good; r++) {
            number other, left, right;
            memset(&other, 0, sizeof other);
            for (int i = 0; i < words; i++)
                other.at[i] = chain.at[words - 1 - i] ^ (uint32_t)r;
            power(&f, &got, &other, &left);
            power(&f, &base, &other, &right);
            power(&f, &right, &exponent, &right);
            good &= compare(&left, &right, words) == 0;
            chain = left;
        }
        for (int i = 0; i < words; i++)
            hash = (hash ^ chain.at[i] ^ (uint64_t)got.at[i] << 32) * 0x100000001b3u;
        cases++;
    }
    printf("cases %d\nresults %016llx\n", cases, (unsigned long long)hash);
    if (!good || cases == 0) {
        fprintf(stderr, "modexp: case %d has another result\n", cases);
        return 1;
    }
    puts("ok");
    return 0;
}
