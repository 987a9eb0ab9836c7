/* Digits of pi with big fixed-point numbers: an integer part and many groups
 * of nine decimal digits. Two arctangent formulas must agree, and a digit
 * spigot confirms the beginning independently.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 1000000000, GUARD = 2, SHOWN = 45 };

typedef struct {
    int groups;             /* group 0 is the integer part */
    uint32_t *at;
} number;

static number create(int groups)
{
    number x = {groups, calloc(groups, sizeof(uint32_t))};
    if (!x.at) {
        fprintf(stderr, "bigint_pi: out of memory\n");
        exit(1);
    }
    return x;
}

static int compare(const number *a, const number *b)
{
    for (int i = 0; i < a->groups; i++)
        if (a->at[i] != b->at[i])
            return a->at[i] < b->at[i] ? -1 : 1;
    return 0;
}

/* first: groups before it are known to be zero in b. */
static void add(number *a, const number *b, int first)
{
    uint32_t carry = 0;
    int i = a->groups - 1;
    for (; i >= first; i--) {
        uint32_t s = a->at[i] + b->at[i] + carry;
        carry = s >= GROUP;
        a->at[i] = carry ? s - GROUP : s;
    }
    for (; carry && i >= 0; i--) {
        carry = a->at[i] == GROUP - 1;
        a->at[i] = carry ? 0 : a->at[i] + 1;
    }
}

static void subtract(number *a, const number *b, int first)
{
    uint32_t borrow = 0;
    int i = a->groups - 1;
    for (; i >= first; i--) {
        uint32_t take = b->at[i] + borrow;
        borrow = a->at[i] < take;
        a->at[i] = borrow ? a->at[i] + GROUP - take : a->at[i] - take;
    }
    for (; borrow && i >= 0; i--) {
        borrow = a->at[i] == 0;
        a->at[i] = borrow ? GROUP - 1 : a->at[i] - 1;
    }
}

static void multiply(number *a, uint32_t by)
{
    uint64_t carry = 0;
    for (int i = a->groups - 1; i >= 0; i--) {
        uint64_t v = (uint64_t)a->at[i] * by + carry;
        a->at[i] = (uint32_t)(v % GROUP);
        carry = v / GROUP;
    }
}

/* out = a / by; returns the first group that is not zero. */
static int divide(const number *a, uint32_t by, number *out, int first)
{
    uint64_t rest = 0;
    int lead = a->groups;
    for (int i = first; i < a->groups; i++) {
        uint64_t v = rest * GROUP + a->at[i];
        uint32_t q = (uint32_t)(v / by);
        out->at[i] = q;
        rest = v % by;
        if (q && lead == a->groups)
            lead = i;
    }
    return lead;
}

/* sum += or -= factor * arctan(1 / x), by the alternating power series. The
 * term shrinks, and so does the range of groups to work on. */
static int add_arctan(number *sum, uint32_t factor, uint32_t x, int negative)
{
    number power = create(sum->groups), term = create(sum->groups);
    uint32_t square = x * x;
    int first = 0, count = 0;
    power.at[0] = factor;
    first = divide(&power, x, &power, 0);
    while (first < sum->groups) {
        memset(term.at, 0, (size_t)first * sizeof *term.at);
        divide(&power, 2 * (uint32_t)count + 1, &term, first);
        if ((count & 1) == negative)
            add(sum, &term, first);
        else
            subtract(sum, &term, first);
        first = divide(&power, square, &power, first);
        count++;
    }
    free(power.at);
    free(term.at);
    return count;
}

/* pi / 4 = 4 arctan(1/5) - arctan(1/239) */
static int machin(number *pi)
{
    int terms = add_arctan(pi, 4, 5, 0);
    terms += add_arctan(pi, 1, 239, 1);
    multiply(pi, 4);
    return terms;
}

/* pi / 4 = 12 arctan(1/18) + 8 arctan(1/57) - 5 arctan(1/239) */
static int gauss(number *pi)
{
    int terms = add_arctan(pi, 12, 18, 0);
    terms += add_arctan(pi, 8, 57, 0);
    terms += add_arctan(pi, 5, 239, 1);
    multiply(pi, 4);
    return terms;
}

static void to_text(const number *x, int digits, char *text)
{
    for (int i = 0; i < digits; i++) {
        uint32_t v = x->at[1 + i / 9];
        for (int j = i % 9; j < 8; j++)
            v /= 10;
        text[i] = (char)('0' + v % 10);
    }
    text[digits] = 0;
}

/* Digits in a mixed-radix system where pi is 2;2,2,2,... (the radix of place i
 * is i / (2i + 1)). Nines wait until a carry can no longer change them. */
static void spigot(int digits, char *text)
{
    int places = digits * 10 / 3 + 20, made = 0, nines = 0, held = -1;
    uint32_t *a = malloc((size_t)places * sizeof *a);
    if (!a)
        exit(1);
    for (int i = 0; i < places; i++)
        a[i] = 2;
    while (made <= digits) {
        uint64_t carry = 0;
        for (int i = places - 1; i > 0; i--) {
            uint64_t v = 10 * (uint64_t)a[i] + carry;
            a[i] = (uint32_t)(v % (2 * (uint64_t)i + 1));
            carry = v / (2 * (uint64_t)i + 1) * (uint64_t)i;
        }
        uint64_t v = 10 * (uint64_t)a[0] + carry;
        int digit = (int)(v / 10);
        a[0] = (uint32_t)(v % 10);
        if (digit == 9) {
            nines++;
            continue;
        }
        int over = digit == 10;
        /* The digit before the decimal point is not stored. */
        for (int i = -1; i < nines; i++) {
            int out = i < 0 ? held + over : over ? 0 : 9;
            if (i < 0 && held < 0)
                continue;
            if (made > 0 && made <= digits)
                text[made - 1] = (char)('0' + out);
            made++;
        }
        nines = 0;
        held = over ? 0 : digit;
    }
    text[digits] = 0;
    free(a);
}

static int parse(const char *s, long low, long high, int *out)
{
    char *end;
    long v = strtol(s, &end, 10);
    *out = (int)v;
    return *s && !*end && v >= low && v <= high;
}

int main(int argc, char **argv)
{
    static const char known[] = "14159265358979323846264338327950288419716939937510";
    int digits, checked;
    if (argc != 3 || !parse(argv[1], 9, 200000, &digits) || !parse(argv[2], 1, 20000, &checked) ||
        checked > digits) {
        fprintf(stderr, "usage: bigint_pi DIGITS SPIGOT_DIGITS\n");
        return 2;
    }
    int groups = 1 + (digits + 8) / 9 + GUARD;
    number a = create(groups), b = create(groups);
    char *text = malloc((size_t)digits + 1), *other = malloc((size_t)digits + 1);
    if (!text || !other)
        return 1;
    int terms = machin(&a), more = gauss(&b);
    to_text(&a, digits, text);
    to_text(&b, digits, other);
    /* All but the guard groups must be the same. */
    number low = create(groups), high = create(groups);
    memcpy(low.at, a.at, (size_t)groups * sizeof *a.at);
    memcpy(high.at, a.at, (size_t)groups * sizeof *a.at);
    number slack = create(groups);
    slack.at[groups - GUARD] = 1;
    subtract(&low, &slack, 0);
    add(&high, &slack, 0);
    int good = compare(&low, &b) < 0 && compare(&b, &high) < 0 && a.at[0] == 3;
    good &= strcmp(text, other) == 0;
    spigot(checked, other);
    good &= strncmp(text, other, (size_t)checked) == 0;
    good &= strncmp(text, known, digits < 50 ? (size_t)digits : 50) == 0;

    int count[10] = {0}, tail = digits > SHOWN ? digits - SHOWN : 0;
    uint64_t hash = 0;
    for (int i = 0; i < digits; i++) {
        count[text[i] - '0']++;
        hash = hash * 1000003u + (uint64_t)(unsigned char)text[i];
    }
    for (int i = 0; i < groups - GUARD; i++)
        hash = hash * 1000003u + b.at[i];
    printf("terms %d %d\n3. ... %s\ncounts", terms, more, text + tail);
    for (int i = 0; i < 10; i++)
        printf(" %d", count[i]);
    printf("\nhash %016llx\n", (unsigned long long)hash);
    free(a.at), free(b.at), free(low.at), free(high.at), free(slack.at), free(text), free(other);
    if (!good) {
        fprintf(stderr, "bigint_pi: the computations disagree\n");
        return 1;
    }
    puts("ok");
    return 0;
}
