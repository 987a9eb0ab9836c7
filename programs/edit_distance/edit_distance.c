/* Comparing strings: edit distance by table, by band and by bit rows, longest
   common subsequence in linear space, and Knuth-Morris-Pratt search. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "edit_distance: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

static int min(int a, int b)
{
    return a < b ? a : b;
}

static int max(int a, int b)
{
    return a > b ? a : b;
}

/* One row of the table at a time; diag is the value up and to the left. */
static int levenshtein(const uint8_t *a, int n, const uint8_t *b, int m, int *row)
{
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diag = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = diag + (a[i - 1] != b[j - 1]);
            diag = row[j];
            row[j] = min(change, min(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

/* Only the cells within `band` of the diagonal; -1 if the distance is more. */
static int banded(const uint8_t *a, int n, const uint8_t *b, int m, int band, int *row)
{
    int far = n + m + 1;
    if (n - m > band || m - n > band)
        return -1;
    for (int j = 0; j <= m; j++)
        row[j] = j <= band ? j : far;
    for (int i = 1; i <= n; i++) {
        int from = max(1, i - band), to = min(m, i + band);
        int diag = row[from - 1];
        row[from - 1] = from == 1 && i <= band ? i : far;
        for (int j = from; j <= to; j++) {
            int change = diag + (a[i - 1] != b[j - 1]);
            diag = row[j];
            row[j] = min(change, min(row[j], row[j - 1]) + 1);
        }
    }
    return row[m] <= band ? row[m] : -1;
}

/* Bit rows: each word holds the steps up and down of 64 rows of a column. */
static int bit_rows(const uint8_t *a, int n, const uint8_t *b, int m, uint64_t *work)
{
    int words = (n + 63) / 64, score = n;
    uint64_t *up = work, *down = work + words, *match = work + 2 * words; /* match[letter][word] */
    if (n == 0)
        return m;
    memset(match, 0, (size_t)words * 256 * sizeof *match);
    for (int i = 0; i < n; i++)
        match[(size_t)a[i] * (size_t)words + (size_t)i / 64] |= (uint64_t)1 << i % 64;
    for (int w = 0; w < words; w++) {
        up[w] = ~(uint64_t)0;
        down[w] = 0;
    }
    for (int j = 0; j < m; j++) {
        const uint64_t *eq_row = match + (size_t)b[j] * (size_t)words;
        uint64_t plus = 1, minus = 0; /* what the row above hands down */
        for (int w = 0; w < words; w++) {
            uint64_t eq = eq_row[w], pv = up[w], mv = down[w];
            uint64_t xv = eq | mv;
            eq |= minus;
            uint64_t xh = (((eq & pv) + pv) ^ pv) | eq;
            uint64_t ph = mv | ~(xh | pv), mh = pv & xh;
            if (w == words - 1) {
                int last = (n - 1) % 64;
                score += (int)(ph >> last & 1) - (int)(mh >> last & 1);
            }
            uint64_t next_plus = ph >> 63, next_minus = mh >> 63;
            ph = ph << 1 | plus;
            mh = mh << 1 | minus;
            up[w] = mh | ~(xv | ph);
            down[w] = ph & xv;
            plus = next_plus;
            minus = next_minus;
        }
    }
    return score;
}

/* Last row of the LCS table of a and b, read backward if step is -1. */
static void lcs_row(const uint8_t *a, int n, const uint8_t *b, int m, int step, int *row)
{
    memset(row, 0, (size_t)(m + 1) * sizeof *row);
    for (int i = 0; i < n; i++) {
        int diag = 0, c = step > 0 ? a[i] : a[n - 1 - i];
        for (int j = 1; j <= m; j++) {
            int old = row[j], d = step > 0 ? b[j - 1] : b[m - j];
            row[j] = c == d ? diag + 1 : max(row[j], row[j - 1]);
            diag = old;
        }
    }
}

/* Hirschberg: halve a, find where b splits, solve both sides. Writes the
   common subsequence and returns its length. */
static int hirschberg(const uint8_t *a, int n, const uint8_t *b, int m, uint8_t *out, int *row)
{
    if (n == 0 || m == 0)
        return 0;
    if (n == 1) {
        if (!memchr(b, a[0], (size_t)m))
            return 0;
        out[0] = a[0];
        return 1;
    }
    int half = n / 2, best = -1, split = 0, *right = row + m + 1;
    lcs_row(a, half, b, m, 1, row);
    lcs_row(a + half, n - half, b, m, -1, right);
    for (int j = 0; j <= m; j++)
        if (row[j] + right[m - j] > best) {
            best = row[j] + right[m - j];
            split = j;
        }
    int len = hirschberg(a, half, b, split, out, row);
    return len + hirschberg(a + half, n - half, b + split, m - split, out + len, row);
}

static int is_subsequence(const uint8_t *s, int len, const uint8_t *a, int n)
{
    int k = 0;
    for (int i = 0; i < n && k < len; i++)
        k += a[i] == s[k];
    return k == len;
}

/* next[i]: length of the longest proper border of the first i letters. */
static int kmp(const uint8_t *p, int m, const uint8_t *t, int n, int *next, uint32_t *places)
{
    int hits = 0, k = 0;
    next[0] = -1;
    for (int i = 0, b = -1; i < m; next[++i] = ++b)
        while (b >= 0 && p[b] != p[i])
            b = next[b];
    for (int i = 0; i < n; i++) {
        while (k >= 0 && (k == m || p[k] != t[i]))
            k = next[k];
        if (++k == m) {
            hits++;
            *places = *places * 31 + (uint32_t)(i - m + 1);
        }
    }
    return hits;
}

static int search_slow(const uint8_t *p, int m, const uint8_t *t, int n, uint32_t *places)
{
    int hits = 0;
    for (int i = 0; i + m <= n; i++)
        if (memcmp(p, t + i, (size_t)m) == 0) {
            hits++;
            *places = *places * 31 + (uint32_t)i;
        }
    return hits;
}

static uint32_t seed = 521288629;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* b is a with letters changed, lost and added. Returns the length of b and
   counts the edits, an upper limit for the distance. */
static int mutate(const uint8_t *a, int n, uint8_t *b, int room, uint32_t one_in, int *edits)
{
    int m = 0;
    *edits = 0;
    for (int i = 0; i < n && m + 1 < room; i++) {
        uint32_t kind = next_random(one_in);
        *edits += kind < 3;
        if (kind == 0)
            continue;
        if (kind == 1)
            b[m++] = (uint8_t)('a' + next_random(6));
        b[m++] = kind == 2 ? (uint8_t)('a' + next_random(6)) : a[i];
    }
    return m;
}

static void known_pairs(int *row, uint64_t *work)
{
    const uint8_t *a = (const uint8_t *)"kitten", *b = (const uint8_t *)"sitting";
    uint8_t out[8];
    if (levenshtein(a, 6, b, 7, row) != 3 || banded(a, 6, b, 7, 3, row) != 3 || banded(a, 6, b, 7, 2, row) != -1)
        fail("wrong distance of a known pair");
    if (bit_rows(a, 6, b, 7, work) != 3 || hirschberg(a, 6, b, 7, out, row) != 4 || memcmp(out, "ittn", 4) != 0)
        fail("wrong result for a known pair");
}

static int number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: edit_distance LENGTH PAIRS SEARCHES (0..20000, 1..10000, 0..10000)\n");
        exit(2);
    }
    return (int)v;
}

int main(int argc, char **argv)
{
    int n = number(argc == 4 ? argv[1] : "", 0, 20000), pairs = number(argv[2], 1, 10000);
    int searches = number(argv[3], 0, 10000), room = 2 * n + 16;
    uint8_t *a = get((size_t)room, 1), *b = get((size_t)room, 1), *common = get((size_t)room, 1);
    int *row = get(2 * (size_t)room + 2, sizeof *row);
    uint64_t *work = get(258 * ((size_t)n / 64 + 1), sizeof *work), distances = 0, lengths = 0, found = 0;
    uint32_t sum = 2166136261u, places = 1, slow_places = 1;
    known_pairs(row, work);
    for (int k = 0; k < pairs; k++) {
        int edits;
        for (int i = 0; i < n; i++)
            a[i] = (uint8_t)('a' + next_random(6));
        int m = mutate(a, n, b, room, 4 + next_random(60), &edits);
        int d = levenshtein(a, n, b, m, row);
        if (d > edits || bit_rows(a, n, b, m, work) != d)
            fail("distances differ");
        if (banded(a, n, b, m, d, row) != d || (d > 0 && banded(a, n, b, m, d - 1, row) != -1))
            fail("banded distance differs");
        int len = hirschberg(a, n, b, m, common, row);
        lcs_row(a, n, b, m, 1, row);
        if (len != row[m] || !is_subsequence(common, len, a, n) || !is_subsequence(common, len, b, m))
            fail("wrong common subsequence");
        for (int i = 0; i < len; i++)
            sum = (sum ^ common[i]) * 16777619u;
        for (int s = 0; s < searches && m > 0; s++) {
            int at = (int)next_random((uint32_t)m), plen = 1 + (int)next_random(8);
            if (plen > m - at)
                plen = m - at;
            int hits = kmp(b + at, plen, b, m, row, &places);
            if (hits < 1 || hits != search_slow(b + at, plen, b, m, &slow_places))
                fail("wrong number of hits");
            found += (uint64_t)hits;
        }
        if (places != slow_places)
            fail("hits at other places");
        distances += (uint64_t)d;
        lengths += (uint64_t)len;
    }
    printf("distances %llu common %llu hits %llu\nsum %08x places %08x\nok\n", (unsigned long long)distances,
           (unsigned long long)lengths, (unsigned long long)found, (unsigned)sum, (unsigned)places);
    free(a);
    free(b);
    free(common);
    free(row);
    free(work);
    return 0;
}
