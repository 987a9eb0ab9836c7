/* Suffix arrays by prefix doubling with radix passes, common prefixes, and
   searches in the sorted suffixes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "suffix_array: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

static uint32_t seed = 123456789;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Four letters; pieces are copied from earlier on, with a few changes, so the
   text has long repeats. */
static void make_text(uint8_t *t, uint32_t n)
{
    uint32_t at = 0;
    while (at < n) {
        uint32_t len = 1 + next_random(200), from = at ? next_random(at) : 0;
        int copy = at && next_random(3) != 0;
        for (; len && at < n; len--, at++) {
            if (copy && next_random(60))
                t[at] = t[from++];
            else
                t[at] = (uint8_t)"acgt"[next_random(4)];
        }
    }
}

typedef struct {
    uint32_t n;
    uint32_t *sa, *rank, *tmp, *count;
    uint32_t *lcp; /* lcp[i]: common prefix of the suffixes sa[i - 1], sa[i] */
} Index;

/* One stable counting pass: order `from` by rank into `to`. */
static void radix_pass(const Index *x, const uint32_t *from, uint32_t *to, uint32_t ranks)
{
    memset(x->count, 0, (ranks + 1) * sizeof *x->count);
    for (uint32_t i = 0; i < x->n; i++)
        x->count[x->rank[i] + 1]++;
    for (uint32_t r = 0; r < ranks; r++)
        x->count[r + 1] += x->count[r];
    for (uint32_t i = 0; i < x->n; i++)
        to[x->count[x->rank[from[i]]]++] = from[i];
}

/* Doubles the sorted length until all ranks differ; returns the rounds. */
static int sort_suffixes(Index *x, const uint8_t *t)
{
    uint32_t n = x->n, ranks = 256, *tmp = x->tmp;
    int rounds = 0;
    for (uint32_t i = 0; i < n; i++) {
        x->rank[i] = t[i];
        tmp[i] = i;
    }
    radix_pass(x, tmp, x->sa, ranks);
    for (uint32_t h = 1;; h *= 2, rounds++) {
        /* New ranks: equal when both halves are equal. */
        uint32_t r = 0, back = h / 2;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t a = x->sa[i], b = i ? x->sa[i - 1] : 0;
            int same = i && x->rank[a] == x->rank[b];
            if (same && back)
                same = a + back < n && b + back < n && x->rank[a + back] == x->rank[b + back];
            r += i && !same;
            tmp[a] = r;
        }
        memcpy(x->rank, tmp, n * sizeof *tmp);
        ranks = r + 1;
        if (ranks >= n)
            return rounds;
        /* Order by the second half comes from the last round for free. */
        uint32_t k = 0;
        for (uint32_t i = n > h ? n - h : 0; i < n; i++)
            tmp[k++] = i;
        for (uint32_t i = 0; i < n; i++)
            if (x->sa[i] >= h)
                tmp[k++] = x->sa[i] - h;
        radix_pass(x, tmp, x->sa, ranks);
    }
}

/* The common prefix shrinks by at most one from suffix i to suffix i + 1. */
static void common_prefixes(Index *x, const uint8_t *t)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        if (x->rank[i] == 0) {
            h = 0;
            continue;
        }
        uint32_t j = x->sa[x->rank[i] - 1];
        while (i + h < x->n && j + h < x->n && t[i + h] == t[j + h])
            h++;
        x->lcp[x->rank[i]] = h;
        if (h)
            h--;
    }
}

/* Neighbours in order, by ranks of the rest; the ranks are a permutation. */
static void verify(const Index *x, const uint8_t *t)
{
    memset(x->tmp, 0, x->n * sizeof *x->tmp);
    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t a = x->sa[i];
        if (a >= x->n || x->tmp[a]++ || x->rank[a] != i)
            fail("not a permutation");
    }
    for (uint32_t i = 1; i < x->n; i++) {
        uint32_t a = x->sa[i - 1], b = x->sa[i];
        if (t[a] > t[b])
            fail("first letters out of order");
        if (t[a] == t[b] && a + 1 < x->n && (b + 1 == x->n || x->rank[a + 1] > x->rank[b + 1]))
            fail("suffixes out of order");
        if (i % 64 == 0) {
            uint32_t h = 0;
            while (a + h < x->n && b + h < x->n && t[a + h] == t[b + h])
                h++;
            if (h != x->lcp[i])
                fail("wrong common prefix");
        }
    }
}

/* First position in the suffix array that is not below the pattern, or above
   all suffixes that start with it. */
static uint32_t bound(const Index *x, const uint8_t *t, const uint8_t *p, uint32_t m, int above)
{
    uint32_t lo = 0, hi = x->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2, at = x->sa[mid];
        uint32_t len = x->n - at < m ? x->n - at : m;
        int c = memcmp(t + at, p, len);
        if (c == 0 && len < m)
            c = -1;
        if (c < 0 || (above && c == 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t count_slow(const uint8_t *t, uint32_t n, const uint8_t *p, uint32_t m)
{
    uint32_t hits = 0;
    for (uint32_t i = 0; i + m <= n; i++) {
        uint32_t k = 0;
        while (k < m && t[i + k] == p[k])
            k++;
        hits += k == m;
    }
    return hits;
}

/* Longest text that occurs at least `times` times: a window minimum over the
   common prefixes, kept in a queue of rising values. */
static uint32_t longest_repeat(const Index *x, uint32_t times, uint32_t *where)
{
    uint32_t best = 0, head = 0, tail = 0, *queue = x->tmp, width = times - 1;
    *where = 0;
    for (uint32_t i = 1; i < x->n; i++) {
        while (tail > head && x->lcp[queue[tail - 1]] >= x->lcp[i])
            tail--;
        queue[tail++] = i;
        if (queue[head] + width <= i)
            head++;
        if (i >= width && x->lcp[queue[head]] > best) {
            best = x->lcp[queue[head]];
            *where = x->sa[i];
        }
    }
    return best;
}

static uint32_t mix(uint32_t sum, uint32_t v)
{
    return (sum ^ v) * 16777619u;
}

static uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: suffix_array LENGTH TEXTS QUERIES (1..4000000, 1..1000, 0..1000000)\n");
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    uint32_t n = number(argc == 4 ? argv[1] : "", 1, 4000000), texts = number(argv[2], 1, 1000);
    uint32_t queries = number(argv[3], 0, 1000000), sum = 2166136261u, longest = 0;
    uint8_t *t = get(n, 1), pattern[40];
    uint32_t room = n > 256 ? n : 256;
    Index x = {n, get(n, 4), get(n, 4), get(n, 4), get(room + 1, 4), get(n, 4)};
    uint64_t distinct = 0, hits = 0;
    int rounds = 0;
    for (uint32_t k = 0; k < texts; k++) {
        make_text(t, n);
        rounds += sort_suffixes(&x, t);
        common_prefixes(&x, t);
        verify(&x, t);
        /* Every suffix adds its length less what it shares. */
        x.lcp[0] = 0;
        for (uint32_t i = 0; i < n; i++) {
            distinct += n - x.sa[i] - x.lcp[i];
            sum = mix(mix(sum, x.sa[i]), x.lcp[i]);
        }
        for (uint32_t q = 0; q < queries; q++) {
            uint32_t m = 1 + next_random(sizeof pattern), at = next_random(n);
            if (m > n - at)
                m = n - at;
            memcpy(pattern, t + at, m);
            if (q % 4 == 0) {
                uint32_t spot = next_random(m);
                pattern[spot] = (uint8_t)"acgt"[next_random(4)];
            }
            uint32_t found = bound(&x, t, pattern, m, 1) - bound(&x, t, pattern, m, 0);
            if (q % 256 == 0 && found != count_slow(t, n, pattern, m))
                fail("wrong number of hits");
            hits += found;
        }
        for (uint32_t times = 2; times <= 4; times++) {
            uint32_t where, len = longest_repeat(&x, times, &where);
            if (len && count_slow(t, n, t + where, len) < times)
                fail("repeat does not repeat");
            sum = mix(sum, len);
            if (len > longest)
                longest = len;
        }
    }
    printf("rounds %d distinct %llu hits %llu longest %u\nsum %08x\nok\n", rounds, (unsigned long long)distinct,
           (unsigned long long)hits, (unsigned)longest, (unsigned)sum);
    free(t);
    free(x.sa);
    free(x.rank);
    free(x.tmp);
    free(x.count);
    free(x.lcp);
    return 0;
}
