/* Sudoku by backtracking on bit masks. Puzzles come from standard input, one
   line of 81 cells each; every round turns them into other puzzles. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 81, MAX_PUZZLES = 1000, ALL = 0x1ff };

static uint8_t row_of[CELLS], col_of[CELLS], box_of[CELLS];

/* A bit is set in row, col and box when its digit is still free there. */
typedef struct {
    uint16_t row[9], col[9], box[9];
    uint8_t digit[CELLS]; /* 0 for an open cell */
    uint8_t open[CELLS];
    int opens;
    uint64_t nodes;
} State;

static void fail(const char *what, long which)
{
    fprintf(stderr, "sudoku: %s (puzzle %ld)\n", what, which);
    exit(1);
}

static int count_bits(uint32_t v)
{
    int n = 0;
    for (; v; v &= v - 1)
        n++;
    return n;
}

static int lowest(uint32_t v)
{
    int n = 0;
    while (!(v >> n & 1))
        n++;
    return n;
}

static uint32_t choices(const State *s, int c)
{
    return (uint32_t)(s->row[row_of[c]] & s->col[col_of[c]] & s->box[box_of[c]]);
}

static void flip(State *s, int c, uint32_t bit)
{
    s->row[row_of[c]] ^= (uint16_t)bit;
    s->col[col_of[c]] ^= (uint16_t)bit;
    s->box[box_of[c]] ^= (uint16_t)bit;
}

/* 0 when a given digit stands twice in a row, column or box. */
static int load(State *s, const uint8_t puzzle[CELLS])
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 9; i++)
        s->row[i] = s->col[i] = s->box[i] = ALL;
    for (int c = 0; c < CELLS; c++) {
        s->digit[c] = puzzle[c];
        if (!puzzle[c]) {
            s->open[s->opens++] = (uint8_t)c;
            continue;
        }
        uint32_t bit = 1u << (puzzle[c] - 1);
        if (!(choices(s, c) & bit))
            return 0;
        flip(s, c, bit);
    }
    return 1;
}

/* Counts solutions up to a limit; keeps the last one found in `out`. The cell
   with the fewest choices goes first. */
static int solve(State *s, int limit, uint8_t out[CELLS])
{
    int best = -1, fewest = 10, found = 0;
    uint32_t set = 0;
    s->nodes++;
    if (s->opens == 0) {
        memcpy(out, s->digit, CELLS);
        return 1;
    }
    for (int i = 0; i < s->opens && fewest > 1; i++) {
        uint32_t m = choices(s, s->open[i]);
        int n = count_bits(m);
        if (n < fewest) {
            fewest = n;
            best = i;
            set = m;
        }
    }
    if (fewest == 0)
        return 0;
    int c = s->open[best];
    s->open[best] = s->open[--s->opens];
    for (; set && found < limit; set &= set - 1) {
        uint32_t bit = set & (0u - set);
        flip(s, c, bit);
        s->digit[c] = (uint8_t)(lowest(bit) + 1);
        found += solve(s, limit - found, out);
        flip(s, c, bit);
    }
    s->digit[c] = 0;
    s->open[s->opens++] = s->open[best];
    s->open[best] = (uint8_t)c;
    return found;
}

/* The same rules by plain counting, without the masks. */
static int is_solution(const uint8_t g[CELLS], const uint8_t puzzle[CELLS])
{
    for (int c = 0; c < CELLS; c++) {
        if (g[c] < 1 || g[c] > 9 || (puzzle[c] && puzzle[c] != g[c]))
            return 0;
        for (int d = 0; d < c; d++)
            if (g[c] == g[d] && (c / 9 == d / 9 || c % 9 == d % 9 || (c / 27 == d / 27 && c % 9 / 3 == d % 9 / 3)))
                return 0;
    }
    return 1;
}

static uint32_t seed = 362436069;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static void shuffle(uint8_t *a, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = next_random(i);
        uint8_t t = a[i - 1];
        a[i - 1] = a[j];
        a[j] = t;
    }
}

/* Nine lines in a new order that keeps the three bands together. */
static void shuffle_lines(uint8_t line[9])
{
    uint8_t band[3] = {0, 1, 2};
    shuffle(band, 3);
    for (int b = 0; b < 3; b++) {
        uint8_t in[3] = {0, 1, 2};
        shuffle(in, 3);
        for (int i = 0; i < 3; i++)
            line[3 * b + i] = (uint8_t)(3 * band[b] + in[i]);
    }
}

/* Other digits, lines moved, perhaps mirrored: as many solutions as before.
   The puzzle and its solution go the same way. */
static void disguise(uint8_t puzzle[CELLS], uint8_t solution[CELLS])
{
    uint8_t rows[9], cols[9], digit[10], p[CELLS], s[CELLS];
    int mirror = next_random(2) == 1;
    shuffle_lines(rows);
    shuffle_lines(cols);
    for (int i = 0; i < 10; i++)
        digit[i] = (uint8_t)i;
    shuffle(digit + 1, 9);
    for (int r = 0; r < 9; r++)
        for (int c = 0; c < 9; c++) {
            int from = mirror ? cols[c] * 9 + rows[r] : rows[r] * 9 + cols[c];
            p[r * 9 + c] = digit[puzzle[from]];
            s[r * 9 + c] = digit[solution[from]];
        }
    memcpy(puzzle, p, CELLS);
    memcpy(solution, s, CELLS);
}

static int read_puzzles(uint8_t puzzle[][CELLS])
{
    char line[256];
    int n = 0;
    while (n < MAX_PUZZLES && fgets(line, sizeof line, stdin)) {
        if (line[0] == '\n' || line[0] == '#')
            continue;
        for (int c = 0; c < CELLS; c++) {
            if ((line[c] < '1' || line[c] > '9') && line[c] != '.')
                fail("broken line", n);
            puzzle[n][c] = (uint8_t)(line[c] == '.' ? 0 : line[c] - '0');
        }
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    char *stop = 0, *stop2 = 0;
    long rounds = argc == 3 ? strtol(argv[1], &stop, 10) : 0, limit = argc == 3 ? strtol(argv[2], &stop2, 10) : 0;
    if (argc != 3 || *stop || *stop2 || rounds < 1 || rounds > 10000 || limit < 1 || limit > 10000) {
        fprintf(stderr, "usage: sudoku ROUNDS LIMIT < PUZZLES (1..10000, 1..10000)\n");
        return 2;
    }
    static uint8_t puzzle[MAX_PUZZLES][CELLS], solution[MAX_PUZZLES][CELLS];
    static int solutions[MAX_PUZZLES];
    uint64_t nodes = 0, total = 0;
    uint32_t sum = 2166136261u;
    State s;
    for (int c = 0; c < CELLS; c++) {
        row_of[c] = (uint8_t)(c / 9);
        col_of[c] = (uint8_t)(c % 9);
        box_of[c] = (uint8_t)(c / 27 * 3 + c % 9 / 3);
    }
    int n = read_puzzles(puzzle);
    if (n == 0)
        fail("no puzzle to solve", 0);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++) {
            uint8_t out[CELLS] = {0};
            if (r)
                disguise(puzzle[i], solution[i]);
            if (!load(&s, puzzle[i]))
                fail("digit given twice", i);
            int found = solve(&s, (int)limit, out);
            if (found == 0 || !is_solution(out, puzzle[i]))
                fail("no solution", i);
            /* A disguise keeps the number of solutions, and a single one is
               the disguised solution of the round before. */
            if (r && (found != solutions[i] || (found == 1 && limit > 1 && memcmp(out, solution[i], CELLS) != 0)))
                fail("other solutions than before", i);
            solutions[i] = found;
            memcpy(solution[i], out, CELLS);
            /* The search must have put everything back. */
            if (memcmp(s.digit, puzzle[i], CELLS) != 0)
                fail("search left marks", i);
            nodes += s.nodes;
            total += (uint64_t)found;
            for (int c = 0; c < CELLS; c++)
                sum = (sum ^ out[c]) * 16777619u;
        }
    /* A full grid with one cell changed must clash. */
    uint8_t broken[CELLS];
    memcpy(broken, solution[0], CELLS);
    broken[0] = (uint8_t)(broken[0] % 9 + 1);
    if (load(&s, broken))
        fail("a clash was not seen", 0);
    printf("puzzles %d solutions %llu nodes %llu\nsum %08x\nok\n", n, (unsigned long long)total,
           (unsigned long long)nodes, (unsigned)sum);
    return 0;
}
