/* Four sorts on integers and three on strings, checked against each other. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "sorting: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t t = *a;
    *a = *b;
    *b = t;
}

static void insertion(int32_t *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        int32_t v = a[i];
        size_t j = i;
        for (; j && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

/* Three-way quicksort with the middle of three as pivot; it recurses into the
   smaller side, so the stack stays flat. */
static void quick(int32_t *a, size_t n)
{
    while (n > 16) {
        size_t m = n / 2, lt = 0, i = 0, gt = n;
        if (a[m] < a[0])
            swap(a + m, a);
        if (a[n - 1] < a[0])
            swap(a + n - 1, a);
        if (a[n - 1] < a[m])
            swap(a + n - 1, a + m);
        int32_t pivot = a[m];
        while (i < gt) {
            if (a[i] < pivot)
                swap(a + lt++, a + i++);
            else if (a[i] > pivot)
                swap(a + i, a + --gt);
            else
                i++;
        }
        if (lt < n - gt) {
            quick(a, lt);
            a += gt;
            n -= gt;
        } else {
            quick(a + gt, n - gt);
            n = lt;
        }
    }
    insertion(a, n);
}

/* Bottom-up merge sort that starts from short sorted runs. */
static void merge(int32_t *a, size_t n, int32_t *tmp)
{
    enum { RUN = 8 };
    int32_t *from = a, *to = tmp;
    for (size_t i = 0; i < n; i += RUN)
        insertion(a + i, n - i < RUN ? n - i : RUN);
    for (size_t width = RUN; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = n - lo < width ? n : lo + width, hi = n - mid < width ? n : mid + width;
            size_t i = lo, j = mid;
            for (size_t k = lo; k < hi; k++)
                to[k] = j == hi || (i < mid && from[i] <= from[j]) ? from[i++] : from[j++];
        }
        int32_t *t = from;
        from = to;
        to = t;
    }
    if (from != a)
        memcpy(a, from, n * sizeof *a);
}

static void sift(int32_t *a, size_t i, size_t n)
{
    int32_t v = a[i];
    size_t c;
    while ((c = 2 * i + 1) < n) {
        if (c + 1 < n && a[c + 1] > a[c])
            c++;
        if (a[c] <= v)
            break;
        a[i] = a[c];
        i = c;
    }
    a[i] = v;
}

static void heap(int32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(a, i, n);
    for (size_t end = n; end-- > 1;) {
        swap(a, a + end);
        sift(a, 0, end);
    }
}

/* Four passes of eight bits. The top bit is turned over, so that negative
   numbers come first. All counts are taken in one pass. */
static void radix(int32_t *a, size_t n, int32_t *tmp)
{
    uint32_t count[4][256] = {{0}};
    int32_t *from = a, *to = tmp;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)a[i] ^ 0x80000000u;
        for (int p = 0; p < 4; p++)
            count[p][v >> 8 * p & 255]++;
    }
    for (int p = 0; p < 4; p++) {
        uint32_t sum = 0;
        for (int d = 0; d < 256; d++) {
            uint32_t c = count[p][d];
            count[p][d] = sum;
            sum += c;
        }
        for (size_t i = 0; i < n; i++) {
            uint32_t v = (uint32_t)from[i] ^ 0x80000000u;
            to[count[p][v >> 8 * p & 255]++] = from[i];
        }
        int32_t *t = from;
        from = to;
        to = t;
    }
}

typedef const char *Str;

/* Multikey quicksort: split on one character at a time. */
static void multikey(Str *a, size_t n, size_t depth)
{
    while (n > 1) {
        int pivot = (unsigned char)a[n / 2][depth];
        size_t lt = 0, i = 0, gt = n;
        while (i < gt) {
            int c = (unsigned char)a[i][depth];
            Str t = a[i];
            if (c < pivot) {
                a[i++] = a[lt];
                a[lt++] = t;
            } else if (c > pivot) {
                a[i] = a[--gt];
                a[gt] = t;
            } else {
                i++;
            }
        }
        multikey(a, lt, depth);
        if (pivot)
            multikey(a + lt, gt - lt, depth + 1);
        a += gt;
        n -= gt;
    }
}

static void merge_strings(Str *a, size_t n, Str *tmp)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge_strings(a, half, tmp);
    merge_strings(a + half, n - half, tmp);
    memcpy(tmp, a, half * sizeof *a);
    while (i < half)
        a[k++] = j < n && strcmp(a[j], tmp[i]) < 0 ? a[j++] : tmp[i++];
}

/* Radix sort from the first character on; small groups go to insertion. */
static void radix_strings(Str *a, size_t n, Str *tmp, size_t depth)
{
    size_t count[257] = {0};
    if (n < 24) {
        for (size_t i = 1; i < n; i++) {
            Str v = a[i];
            size_t j = i;
            for (; j && strcmp(a[j - 1] + depth, v + depth) > 0; j--)
                a[j] = a[j - 1];
            a[j] = v;
        }
        return;
    }
    for (size_t i = 0; i < n; i++)
        count[(unsigned char)a[i][depth] + 1]++;
    for (int c = 0; c < 256; c++)
        count[c + 1] += count[c];
    for (size_t i = 0; i < n; i++)
        tmp[count[(unsigned char)a[i][depth]]++] = a[i];
    memcpy(a, tmp, n * sizeof *a);
    for (int c = 1; c < 256; c++)
        radix_strings(a + count[c - 1], count[c] - count[c - 1], tmp, depth + 1);
}

static uint32_t seed = 88675123;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* Shapes: any numbers, few values, nearly sorted, falling. */
static void fill(int32_t *a, size_t n, int shape)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t r = next_random();
        int32_t any = (int32_t)(r >> 1) - 0x40000000, at = (int32_t)i;
        a[i] = shape == 0 ? any : shape == 1 ? any % 10 : shape == 2 ? (r % 50 ? at : any) : 7 - 3 * at;
    }
}

static uint32_t sum_bytes(uint32_t h, const void *p, size_t n)
{
    for (const unsigned char *s = p; n--; s++)
        h = (h ^ *s) * 16777619u;
    return h;
}

static void same_ints(const int32_t *a, const int32_t *want, size_t n, const char *what)
{
    if (memcmp(a, want, n * sizeof *a) != 0)
        fail(what);
}

/* Order independent: shows that a sort kept exactly the values it got. */
static uint64_t bag(const int32_t *a, size_t n)
{
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (uint32_t)a[i] * 0x9e3779b97f4a7c15u;
        h += x ^ x >> 29;
    }
    return h;
}

static uint32_t sort_ints(size_t n, int shape, uint32_t sum)
{
    int32_t *in = get(n, 4), *want = get(n, 4), *a = get(n, 4), *tmp = get(n, 4);
    size_t bytes = n * sizeof *a;
    fill(in, n, shape);
    memcpy(want, in, bytes);
    radix(want, n, tmp);
    for (size_t i = 1; i < n; i++)
        if (want[i - 1] > want[i])
            fail("radix sort leaves disorder");
    if (bag(want, n) != bag(in, n))
        fail("radix sort changes values");
    memcpy(a, in, bytes);
    quick(a, n);
    same_ints(a, want, n, "quicksort differs");
    memcpy(a, in, bytes);
    merge(a, n, tmp);
    same_ints(a, want, n, "merge sort differs");
    memcpy(a, in, bytes);
    heap(a, n);
    same_ints(a, want, n, "heap sort differs");
    for (size_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)want[i];
        for (int k = 0; k < 32; k += 8)
            sum = (sum ^ (v >> k & 255)) * 16777619u;
    }
    free(in);
    free(want);
    free(a);
    free(tmp);
    return sum;
}

static uint32_t sort_strings(size_t n, uint32_t sum)
{
    enum { LONGEST = 24 };
    char *text = get(n, LONGEST);
    Str *in = get(n, sizeof *in), *a = get(n, sizeof *a), *b = get(n, sizeof *b), *tmp = get(n, sizeof *tmp);
    for (size_t i = 0; i < n; i++) {
        char *s = text + i * LONGEST;
        uint32_t r = next_random(), len = r % (LONGEST - 1);
        if (i && r >> 20 & 1) /* often start like the string before */
            memcpy(s, s - LONGEST, LONGEST);
        for (uint32_t k = (uint32_t)strlen(s) / 2; k < len; k++)
            s[k] = (char)('a' + next_random() % 26);
        s[len] = 0;
        in[i] = s;
    }
    memcpy(a, in, n * sizeof *a);
    memcpy(b, in, n * sizeof *b);
    multikey(a, n, 0);
    merge_strings(b, n, tmp);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(a[i], b[i]) != 0)
            fail("string sorts differ");
        if (i && strcmp(a[i - 1], a[i]) > 0)
            fail("strings out of order");
        sum = sum_bytes(sum, a[i], strlen(a[i]) + 1);
    }
    memcpy(a, in, n * sizeof *a);
    radix_strings(a, n, tmp, 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            fail("string radix sort differs");
    free(text);
    free(in);
    free(a);
    free(b);
    free(tmp);
    return sum;
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: sorting INTS STRINGS ROUNDS (0..1000000, 0..1000000, 1..1000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t ints = number(argc == 4 ? argv[1] : "", 0, 1000000), strings = number(argv[2], 0, 1000000);
    size_t rounds = number(argv[3], 1, 1000);
    uint32_t int_sum = 2166136261u, string_sum = 2166136261u;
    for (size_t r = 0; r < rounds; r++) {
        for (int shape = 0; shape < 4; shape++)
            int_sum = sort_ints(ints, shape, int_sum);
        string_sum = sort_strings(strings, string_sum);
    }
    printf("ints %08x\nstrings %08x\nok\n", (unsigned)int_sum, (unsigned)string_sum);
    return 0;
}
