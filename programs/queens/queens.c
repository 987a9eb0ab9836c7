/* Eight queens and more, three ways: bit masks with symmetry, arrays of taken
   lines, and a slow try of all permutations on a small board. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_N = 16 };

static void fail(const char *what)
{
    fprintf(stderr, "queens: %s\n", what);
    exit(1);
}

static uint64_t count_bits(uint32_t all, uint32_t cols, uint32_t left, uint32_t right)
{
    uint64_t found = 0;
    if (cols == all)
        return 1;
    for (uint32_t open = all & ~(cols | left | right); open; open &= open - 1) {
        uint32_t bit = open & (0u - open);
        found += count_bits(all, cols | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

/* Solutions with the first queen in the left half count twice. The middle
   column of an odd board counts once. */
static uint64_t count_by_bits(int n)
{
    uint32_t all = (1u << n) - 1;
    uint64_t found = 0;
    for (int c = 0; c < n / 2; c++) {
        uint32_t bit = 1u << c;
        found += 2 * count_bits(all, bit, bit << 1, bit >> 1);
    }
    if (n % 2) {
        uint32_t bit = 1u << n / 2;
        found += count_bits(all, bit, bit << 1, bit >> 1);
    }
    return found;
}

typedef struct {
    int n;
    int8_t queen[MAX_N];
    uint8_t col[MAX_N], down[2 * MAX_N], up[2 * MAX_N];
    int8_t first[MAX_N];
    uint64_t found;
    uint64_t tally[MAX_N][MAX_N]; /* solutions with a queen on this square */
    uint32_t sum;
} Board;

static void record(Board *b)
{
    if (b->found++ == 0)
        memcpy(b->first, b->queen, sizeof b->first);
    for (int r = 0; r < b->n; r++) {
        b->tally[r][b->queen[r]]++;
        b->sum = (b->sum ^ (uint32_t)b->queen[r]) * 16777619u;
    }
}

/* No recursion: queen[r] is the column being tried in row r, or -1. */
static void count_by_arrays(Board *b, int n)
{
    int r = 0;
    memset(b, 0, sizeof *b);
    b->n = n;
    b->sum = 2166136261u;
    b->queen[0] = -1;
    while (r >= 0) {
        int c = b->queen[r];
        if (c >= 0)
            b->col[c] = b->down[r + c] = b->up[r - c + n] = 0;
        for (c++; c < n; c++)
            if (!b->col[c] && !b->down[r + c] && !b->up[r - c + n])
                break;
        if (c == n) {
            b->queen[r--] = -1;
            continue;
        }
        b->queen[r] = (int8_t)c;
        b->col[c] = b->down[r + c] = b->up[r - c + n] = 1;
        if (r + 1 == n)
            record(b);
        else
            b->queen[++r] = -1;
    }
}

static int peaceful(const int8_t *q, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (q[i] == q[j] || q[i] - q[j] == i - j || q[j] - q[i] == i - j)
                return 0;
    return 1;
}

/* Every permutation in rising order. */
static uint64_t count_slow(int n)
{
    int8_t p[MAX_N];
    uint64_t found = 0;
    for (int i = 0; i < n; i++)
        p[i] = (int8_t)i;
    for (;;) {
        found += (uint64_t)peaceful(p, n);
        int i = n - 1;
        while (i > 0 && p[i - 1] > p[i])
            i--;
        if (i <= 0)
            return found;
        int j = n - 1;
        while (p[j] < p[i - 1])
            j--;
        int8_t t = p[i - 1];
        p[i - 1] = p[j];
        p[j] = t;
        for (int a = i, z = n - 1; a < z; a++, z--) {
            t = p[a];
            p[a] = p[z];
            p[z] = t;
        }
    }
}

/* A large board by repair: start with a permutation, then swap two rows when
   that leaves fewer queens on shared diagonals. */
typedef struct {
    int n;
    int *queen, *down, *up;
} Large;

static int extra(const Large *l, int d, int u)
{
    return l->down[d] + l->up[u];
}

static void put(Large *l, int r, int by)
{
    l->down[r + l->queen[r]] += by;
    l->up[r - l->queen[r] + l->n] += by;
}

static int attacked(const Large *l, int r)
{
    return extra(l, r + l->queen[r], r - l->queen[r] + l->n) > 2;
}

static uint32_t repair(int n, uint32_t seed, uint64_t *swaps)
{
    Large l = {n, calloc((size_t)n, sizeof(int)), calloc(2 * (size_t)n, sizeof(int)),
               calloc(2 * (size_t)n + 1, sizeof(int))};
    uint32_t sum = 2166136261u;
    int clash = 1;
    if (!l.queen || !l.down || !l.up)
        fail("out of memory");
    for (int i = 0; i < n; i++)
        l.queen[i] = i;
    while (clash) {
        memset(l.down, 0, 2 * (size_t)n * sizeof(int));
        memset(l.up, 0, (2 * (size_t)n + 1) * sizeof(int));
        for (int i = n - 1; i > 0; i--) {
            seed = seed * 1664525u + 1013904223u;
            int j = (int)((uint64_t)seed * (uint32_t)(i + 1) >> 32), t = l.queen[i];
            l.queen[i] = l.queen[j];
            l.queen[j] = t;
        }
        for (int i = 0; i < n; i++)
            put(&l, i, 1);
        for (int better = 1; better;) {
            better = 0;
            for (int i = 0; i < n; i++)
                for (int j = 0; attacked(&l, i) && j < n; j++) {
                    if (j == i)
                        continue;
                    put(&l, i, -1);
                    put(&l, j, -1);
                    /* New queens beside the old ones on the lines they use. */
                    int qi = l.queen[i], qj = l.queen[j];
                    int old = extra(&l, i + qi, i - qi + n) + extra(&l, j + qj, j - qj + n);
                    int new = extra(&l, i + qj, i - qj + n) + extra(&l, j + qi, j - qi + n);
                    /* The two queens themselves may share a diagonal. */
                    old += i - j == qi - qj || i - j == qj - qi;
                    new += i - j == qj - qi || i - j == qi - qj;
                    if (new < old) {
                        l.queen[i] = qj;
                        l.queen[j] = qi;
                        better = 1;
                        ++*swaps;
                    }
                    put(&l, i, 1);
                    put(&l, j, 1);
                }
        }
        clash = 0;
        for (int i = 0; i < n; i++)
            clash += attacked(&l, i);
    }
    for (int i = 0; i < n; i++) {
        if (l.down[i + l.queen[i]] != 1 || l.up[i - l.queen[i] + n] != 1)
            fail("repaired board has a clash");
        sum = (sum ^ (uint32_t)l.queen[i]) * 16777619u;
    }
    free(l.queen);
    free(l.down);
    free(l.up);
    return sum;
}

static int number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: queens MASKS ARRAYS SIDE BOARDS (1..15, 1..13, 8..10000, 1..100)\n");
        exit(2);
    }
    return (int)v;
}

int main(int argc, char **argv)
{
    static const uint64_t known[MAX_N] = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596, 2279184};
    int most = number(argc == 5 ? argv[1] : "", 1, 15), mid = number(argv[2], 1, 13);
    int side = number(argv[3], 8, 10000), boards = number(argv[4], 1, 100);
    static Board b;
    uint64_t total = 0, swaps = 0;
    uint32_t sum = 0;
    for (int n = 1; n <= most; n++) {
        uint64_t found = count_by_bits(n);
        if (found != known[n] || (n < 8 && count_slow(n) != found))
            fail("wrong number by bit masks");
        total += found;
    }
    for (int n = 1; n <= mid; n++) {
        count_by_arrays(&b, n);
        if (b.found != known[n])
            fail("wrong number by arrays");
        if (b.found && !peaceful(b.first, n))
            fail("first solution has a clash");
        /* Each row holds one queen per solution, and boards can be mirrored. */
        for (int r = 0; r < n; r++) {
            uint64_t in_row = 0;
            for (int c = 0; c < n; c++) {
                in_row += b.tally[r][c];
                if (b.tally[r][c] != b.tally[r][n - 1 - c] || b.tally[r][c] != b.tally[c][r])
                    fail("squares are not symmetric");
            }
            if (in_row != b.found)
                fail("a row lacks queens");
        }
        sum = sum * 31 + b.sum;
    }
    printf("masks %llu arrays %08x first", (unsigned long long)total, (unsigned)sum);
    for (int r = 0; r < mid; r++)
        printf(" %d", b.first[r]);
    for (int k = 0; k < boards; k++)
        sum = sum * 31 + repair(side, (uint32_t)k + 1, &swaps);
    printf("\nlarge %08x swaps %llu\nok\n", (unsigned)sum, (unsigned long long)swaps);
    return 0;
}
