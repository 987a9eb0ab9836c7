/* Othello on bitboards: counts of move sequences, and a game played by
   alpha-beta search with a table of seen positions. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bit 0 is a1, bit 7 is h1, bit 63 is h8. */
typedef uint64_t Bits;

typedef struct {
    Bits mine, other; /* the side to move comes first */
} Board;

static const Bits not_a = 0xfefefefefefefefe, not_h = 0x7f7f7f7f7f7f7f7f;

static void fail(const char *what)
{
    fprintf(stderr, "othello: %s\n", what);
    exit(1);
}

static int count(Bits b)
{
    b -= b >> 1 & 0x5555555555555555u;
    b = (b & 0x3333333333333333u) + (b >> 2 & 0x3333333333333333u);
    b = (b + (b >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)(b * 0x0101010101010101u >> 56);
}

/* All stones one step further in one of eight directions. */
static Bits shift(Bits b, int dir)
{
    switch (dir) {
    case 0: return b << 1 & not_a;
    case 1: return b >> 1 & not_h;
    case 2: return b << 8;
    case 3: return b >> 8;
    case 4: return b << 9 & not_a;
    case 5: return b >> 9 & not_h;
    case 6: return b << 7 & not_h;
    default: return b >> 7 & not_a;
    }
}

static Bits moves(Board b)
{
    Bits all = 0, empty = ~(b.mine | b.other);
    for (int dir = 0; dir < 8; dir++) {
        Bits run = shift(b.mine, dir) & b.other;
        for (int i = 0; i < 5; i++)
            run |= shift(run, dir) & b.other;
        all |= shift(run, dir) & empty;
    }
    return all;
}

static Bits flips(Board b, Bits move)
{
    Bits all = 0;
    for (int dir = 0; dir < 8; dir++) {
        Bits run = 0, at = shift(move, dir);
        while (at & b.other) {
            run |= at;
            at = shift(at, dir);
        }
        if (at & b.mine)
            all |= run;
    }
    return all;
}

static Board play(Board b, Bits move)
{
    Bits f = flips(b, move);
    Board next = {b.other ^ f, b.mine ^ f ^ move};
    return next;
}

static Board pass(Board b)
{
    Board next = {b.other, b.mine};
    return next;
}

/* The rules once more, square by square, as a check. */
static Bits moves_slow(Board b)
{
    Bits all = 0;
    for (int sq = 0; sq < 64; sq++) {
        if ((b.mine | b.other) >> sq & 1)
            continue;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                int x = sq % 8 + dx, y = sq / 8 + dy, n = 0;
                while (x >= 0 && x < 8 && y >= 0 && y < 8 && b.other >> (8 * y + x) & 1) {
                    n++;
                    x += dx;
                    y += dy;
                }
                if (n && x >= 0 && x < 8 && y >= 0 && y < 8 && b.mine >> (8 * y + x) & 1)
                    all |= (Bits)1 << sq;
            }
    }
    return all;
}

static uint64_t perft(Board b, int depth, int passed)
{
    Bits m = moves(b);
    uint64_t n = 0;
    if (depth == 0)
        return 1;
    if (!m)
        return passed ? 1 : perft(pass(b), depth - 1, 1);
    for (; m; m &= m - 1)
        n += perft(play(b, m & (0 - m)), depth - 1, 0);
    return n;
}

/* Corners are good, squares beside an empty corner are bad, moves are good. */
static int evaluate(Board b)
{
    const Bits corners = 0x8100000000000081, near = 0x42c300000000c342;
    int score = 12 * (count(b.mine & corners) - count(b.other & corners));
    score -= 3 * (count(b.mine & near) - count(b.other & near));
    score += 2 * (count(moves(b)) - count(moves(pass(b))));
    return score;
}

static int final_score(Board b)
{
    return 1000 * (count(b.mine) - count(b.other));
}

enum { TABLE = 1 << 14, INFINITE = 1000000 };
typedef enum { EXACT, AT_LEAST, AT_MOST } Bound;

typedef struct {
    Board board;
    Bits best;
    int32_t score;
    int16_t depth;
    uint8_t bound, used;
} Entry;

static Entry table[TABLE];
static uint64_t nodes;

static Entry *slot(Board b)
{
    Bits h = b.mine * 0x9e3779b97f4a7c15u ^ (b.other + 0x7f4a7c15u) * 0xc2b2ae3d27d4eb4fu;
    return &table[h >> 40 & (TABLE - 1)];
}

/* Ties keep the first move found, so the table's best move decides nothing
   but the order. *choice gets the move. */
static int search(Board b, int depth, int alpha, int beta, int passed, Bits *choice)
{
    Bits m = moves(b), best_move = 0, dummy;
    Entry *e = slot(b);
    int best = -INFINITE, start = alpha;
    nodes++;
    if (choice)
        *choice = 0;
    if (!m) {
        if (passed)
            return final_score(b);
        return -search(pass(b), depth, -beta, -alpha, 1, &dummy);
    }
    if (depth == 0)
        return evaluate(b);
    int hit = e->used && e->board.mine == b.mine && e->board.other == b.other;
    if (hit && e->depth == depth && !choice) {
        if (e->bound == EXACT || (e->bound == AT_LEAST && e->score >= beta) ||
            (e->bound == AT_MOST && e->score <= alpha))
            return e->score;
    }
    Bits first = hit ? e->best & m : 0;
    while (m && best < beta) {
        Bits move = first ? first : m & (0 - m);
        first = 0;
        m ^= move;
        int score = -search(play(b, move), depth - 1, -beta, -alpha, 0, 0);
        if (score > best) {
            best = score;
            best_move = move;
        }
        if (best > alpha)
            alpha = best;
    }
    e->board = b;
    e->best = best_move;
    e->score = best;
    e->depth = (int16_t)depth;
    e->bound = best <= start ? AT_MOST : best >= beta ? AT_LEAST : EXACT;
    e->used = 1;
    if (choice)
        *choice = best_move;
    return best;
}

static int minimax(Board b, int depth, int passed)
{
    Bits m = moves(b);
    int best = -INFINITE;
    if (!m)
        return passed ? final_score(b) : -minimax(pass(b), depth, 1);
    if (depth == 0)
        return evaluate(b);
    for (; m; m &= m - 1) {
        int score = -minimax(play(b, m & (0 - m)), depth - 1, 0);
        if (score > best)
            best = score;
    }
    return best;
}

static const Board start_board = {(Bits)1 << 28 | (Bits)1 << 35, (Bits)1 << 27 | (Bits)1 << 36};

/* Known numbers of move sequences from the start. */
static uint64_t check_perft(int depth)
{
    static const uint64_t known[] = {1, 4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288, 24571284};
    uint64_t n = 0;
    for (int d = 0; d <= depth; d++) {
        n = perft(start_board, d, 0);
        if (n != known[d])
            fail("wrong number of move sequences");
    }
    return n;
}

static uint32_t play_game(int depth, int opening)
{
    Board b = start_board;
    uint32_t sum = 2166136261u;
    int passes = 0, black = 1;
    for (int turn = 0; passes < 2; turn++) {
        Bits m = moves(b), move = 0;
        if (m != moves_slow(b))
            fail("wrong moves");
        if (!m) {
            passes++;
        } else {
            int score = 0;
            passes = 0;
            if (turn < 3) { /* the first moves differ from game to game */
                int skip = (opening >> turn) % count(m);
                for (move = m; skip; skip--)
                    move &= move - 1;
                move &= 0 - move;
            } else {
                for (int d = 1; d <= depth; d++)
                    score = search(b, d, -INFINITE, INFINITE, 0, &move);
                if (turn % 8 == 3 && search(b, 2, -INFINITE, INFINITE, 0, &(Bits){0}) != minimax(b, 2, 0))
                    fail("search differs from minimax");
            }
            if (!(move & m))
                fail("search chose no move");
            sum = (sum ^ (uint32_t)(move ^ move >> 32)) * 16777619u;
            sum = (sum ^ (uint32_t)score) * 16777619u;
        }
        b = move ? play(b, move) : pass(b);
        black = !black;
        if (b.mine & b.other)
            fail("two stones on one square");
    }
    int first = count(black ? b.mine : b.other), second = count(black ? b.other : b.mine);
    printf("game %d: %d to %d, sum %08x\n", opening, first, second, (unsigned)sum);
    return sum;
}

static int number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: othello PERFT DEPTH GAMES (0..10, 1..12, 1..100)\n");
        exit(2);
    }
    return (int)v;
}

int main(int argc, char **argv)
{
    int perft_depth = number(argc == 4 ? argv[1] : "", 0, 10), depth = number(argv[2], 1, 12);
    int games = number(argv[3], 1, 100);
    uint32_t sum = 0;
    printf("sequences %llu\n", (unsigned long long)check_perft(perft_depth));
    for (int g = 0; g < games; g++)
        sum = sum * 31 + play_game(depth, g);
    printf("nodes %llu sum %08x\nok\n", (unsigned long long)nodes, (unsigned)sum);
    return 0;
}
