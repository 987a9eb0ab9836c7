/* Conway's Life on a torus, 64 cells in a word. A cell-by-cell version checks
   it, and a glider must come home. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "life: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        fail("out of memory");
    return p;
}

/* Cell x of a row is bit x % 64 of word x / 64. */
typedef struct {
    size_t words, rows;
    uint64_t *now, *next;
} Board;

static Board new_board(size_t words, size_t rows)
{
    Board b = {words, rows, get(words * rows, 8), get(words * rows, 8)};
    return b;
}

static void free_board(Board *b)
{
    free(b->now);
    free(b->next);
}

static int cell(const Board *b, size_t x, size_t y)
{
    return (int)(b->now[y * b->words + x / 64] >> x % 64 & 1);
}

static void set_cell(Board *b, size_t x, size_t y)
{
    b->now[y * b->words + x / 64] |= (uint64_t)1 << x % 64;
}

/* The cells to the left and to the right of the cells of word i. */
static uint64_t left(const uint64_t *row, size_t i, size_t words)
{
    return row[i] << 1 | row[i ? i - 1 : words - 1] >> 63;
}

static uint64_t right(const uint64_t *row, size_t i, size_t words)
{
    return row[i] >> 1 | row[i + 1 < words ? i + 1 : 0] << 63;
}

/* Bitwise sum of three one-bit numbers. */
static void add3(uint64_t a, uint64_t b, uint64_t c, uint64_t *one, uint64_t *two)
{
    uint64_t ab = a ^ b;
    *one = ab ^ c;
    *two = (a & b) | (ab & c);
}

/* Counts all nine cells: a cell lives on with 3, or with 4 if it was alive. */
static void step(Board *b)
{
    for (size_t y = 0; y < b->rows; y++) {
        const uint64_t *up = b->now + (y ? y - 1 : b->rows - 1) * b->words;
        const uint64_t *mid = b->now + y * b->words;
        const uint64_t *low = b->now + (y + 1 < b->rows ? y + 1 : 0) * b->words;
        uint64_t *out = b->next + y * b->words;
        for (size_t i = 0; i < b->words; i++) {
            uint64_t u1, u2, m1, m2, l1, l2, ones, carry, twos, four_a, more, four_b;
            add3(left(up, i, b->words), up[i], right(up, i, b->words), &u1, &u2);
            add3(left(mid, i, b->words), mid[i], right(mid, i, b->words), &m1, &m2);
            add3(left(low, i, b->words), low[i], right(low, i, b->words), &l1, &l2);
            add3(u1, m1, l1, &ones, &carry);
            add3(u2, m2, l2, &twos, &four_a);
            more = twos & carry;
            twos ^= carry;
            four_b = four_a ^ more; /* 8 or 9 cells clear this bit again */
            uint64_t three = ones & twos & ~four_a & ~more;
            uint64_t four = ~ones & ~twos & four_b;
            out[i] = three | (four & mid[i]);
        }
    }
    uint64_t *t = b->now;
    b->now = b->next;
    b->next = t;
}

static void step_slow(const Board *b, uint64_t *out)
{
    size_t width = b->words * 64;
    memset(out, 0, b->words * b->rows * sizeof *out);
    for (size_t y = 0; y < b->rows; y++)
        for (size_t x = 0; x < width; x++) {
            int n = 0;
            for (size_t dy = 0; dy < 3; dy++)
                for (size_t dx = 0; dx < 3; dx++)
                    n += cell(b, (x + width - 1 + dx) % width, (y + b->rows - 1 + dy) % b->rows);
            if (n == 3 || (n == 4 && cell(b, x, y)))
                out[y * b->words + x / 64] |= (uint64_t)1 << x % 64;
        }
}

static uint32_t count_bits(uint64_t v)
{
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(v * 0x0101010101010101u >> 56);
}

static uint64_t population(const Board *b)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < b->words * b->rows; i++)
        sum += count_bits(b->now[i]);
    return sum;
}

static uint64_t hash_board(const Board *b)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < b->words * b->rows; i++)
        h = (h ^ b->now[i]) * 0x100000001b3u;
    return h;
}

/* About one cell in four is alive. */
static void scatter(Board *b, uint64_t seed)
{
    for (size_t i = 0; i < b->words * b->rows; i++) {
        uint64_t both = ~(uint64_t)0;
        for (int k = 0; k < 2; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            both &= seed ^ seed >> 31;
        }
        b->now[i] = both;
    }
}

/* A glider moves one cell down and right in four steps, so on a square torus
   it is home after four times the width. */
static void glider_comes_home(size_t words)
{
    size_t side = 64 * words;
    Board b = new_board(words, side);
    uint64_t start;
    set_cell(&b, 1, 0);
    set_cell(&b, 2, 1);
    set_cell(&b, 0, 2);
    set_cell(&b, 1, 2);
    set_cell(&b, 2, 2);
    start = hash_board(&b);
    for (size_t i = 1; i <= 4 * side; i++) {
        step(&b);
        if (population(&b) != 5)
            fail("the glider broke");
        if ((hash_board(&b) == start) != (i == 4 * side))
            fail("the glider lost its way");
    }
    free_board(&b);
}

static size_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: life WORDS ROWS STEPS (1..64, 3..4096, 1..100000)\n");
        exit(2);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    size_t words = number(argc == 4 ? argv[1] : "", 1, 64), rows = number(argv[2], 3, 4096);
    size_t steps = number(argv[3], 1, 100000);
    Board b = new_board(words, rows);
    uint64_t *want = get(words * rows, 8), most = 0, least = UINT64_MAX, sum = 0;
    /* Checked steps: all of a short run, a few of a long one. */
    size_t every = steps / 4 + 1;
    if (words == 1)
        glider_comes_home(words);
    scatter(&b, 42);
    for (size_t i = 0; i < steps; i++) {
        int checked = i % every == 0;
        if (checked)
            step_slow(&b, want);
        step(&b);
        if (checked && memcmp(want, b.now, words * rows * sizeof *want) != 0)
            fail("differs from the slow step");
        uint64_t alive = population(&b);
        most = alive > most ? alive : most;
        least = alive < least ? alive : least;
        sum = sum * 31 + alive;
    }
    printf("alive %llu most %llu least %llu\nboard %016llx sum %016llx\nok\n", (unsigned long long)population(&b),
           (unsigned long long)most, (unsigned long long)least, (unsigned long long)hash_board(&b),
           (unsigned long long)sum);
    free(want);
    free_board(&b);
    return 0;
}
