/* Monte Carlo option pricing on a binomial random walk, in integers only.
 *
 * Prices are fixed-point numbers with 16 fractional bits. Each path yields the
 * payoffs of several options at once. Exact values come from the full lattice
 * (every price weighted by its probability) and must lie within the error
 * bounds of the simulation.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION = 16, MAX_STEPS = 62, UP = 0, DOWN = 1 };

typedef struct {
    uint64_t s[4];
} generator;

typedef struct {
    int steps;
    int64_t spot, strike, barrier;
    int64_t level[2 * MAX_STEPS + 1];   /* price after net moves -steps .. steps */
} market;

typedef struct {
    int64_t call, put, average, lookback, knock_out;
    int64_t call_square, put_square;    /* of whole units, for the error bounds */
    int64_t final_price;
    uint64_t count[MAX_STEPS + 1];      /* paths by number of up moves */
} totals;

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t next_bits(generator *g)
{
    uint64_t result = rotate(g->s[1] * 5, 7) * 9, t = g->s[1] << 17;
    g->s[2] ^= g->s[0];
    g->s[3] ^= g->s[1];
    g->s[1] ^= g->s[2];
    g->s[0] ^= g->s[3];
    g->s[2] ^= t;
    g->s[3] = rotate(g->s[3], 45);
    return result;
}

static generator seed_generator(uint64_t seed)
{
    generator g;
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        g.s[i] = z ^ (z >> 31);
    }
    return g;
}

/* One move up is a factor of 65/64, one move down the inverse. */
static void build_levels(market *m)
{
    int64_t *middle = m->level + m->steps;
    middle[0] = m->spot;
    for (int i = 1; i <= m->steps; i++) {
        middle[i] = (middle[i - 1] * 65 + 32) / 64;
        middle[-i] = (middle[-i + 1] * 64 + 32) / 65;
    }
}

static int64_t positive(int64_t v)
{
    return v > 0 ? v : 0;
}

/* One path from the low bits of moves; a set bit moves up. */
static void walk(const market *m, uint64_t moves, totals *t)
{
    const int64_t *price = m->level + m->steps;
    int64_t sum = 0, top = *price, alive = 1;
    int ups = 0;
    for (int i = 0; i < m->steps; i++) {
        int up = (int)(moves >> i & 1);
        ups += up;
        price += 2 * up - 1;
        sum += *price;
        top = *price > top ? *price : top;
        alive &= *price > m->barrier;
    }
    int64_t call = positive(*price - m->strike), put = positive(m->strike - *price);
    t->call += call;
    t->put += put;
    t->average += positive(sum / m->steps - m->strike);
    t->lookback += top - *price;
    t->knock_out += alive ? call : 0;
    t->call_square += (call >> FRACTION) * (call >> FRACTION);
    t->put_square += (put >> FRACTION) * (put >> FRACTION);
    t->final_price += *price;
    t->count[ups]++;
}

/* Each random word is used twice: as it is and with all moves mirrored. */
static void simulate(const market *m, generator *g, int pairs, totals *t)
{
    for (int i = 0; i < pairs; i++) {
        uint64_t moves = next_bits(g) >> 2;
        walk(m, moves, t);
        walk(m, ~moves, t);
    }
}

/* Expected payoff by backward induction with the barrier or without. Values
 * carry 10 more bits, because every step halves a sum. */
static int64_t lattice(const market *m, int direction, int with_barrier)
{
    int64_t value[MAX_STEPS + 1];
    for (int j = 0; j <= m->steps; j++) {
        int64_t price = m->level[2 * j];
        int64_t pay = positive(direction == UP ? price - m->strike : m->strike - price);
        value[j] = with_barrier && price <= m->barrier ? 0 : pay << 10;
    }
    for (int s = m->steps - 1; s >= 0; s--)
        for (int j = 0; j <= s; j++) {
            int64_t price = m->level[m->steps - s + 2 * j];
            value[j] = (value[j] + value[j + 1]) / 2;
            if (with_barrier && s > 0 && price <= m->barrier)
                value[j] = 0;
        }
    return value[0] >> 10;
}

/* Enumerate all paths when there are few: exact averages of the options that
 * depend on the path. */
static void enumerate(const market *m, totals *t)
{
    for (uint64_t moves = 0; moves < (uint64_t)1 << m->steps; moves++)
        walk(m, moves, t);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static int64_t square_root(int64_t v)
{
    int64_t r = 0;
    for (int64_t bit = (int64_t)1 << 30; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= v)
            r += bit;
    return r;
}

/* Six standard errors of a mean, from the sum of squares in whole units. */
static int64_t error_bound(int64_t squares, int64_t paths)
{
    return 6 * square_root((squares / paths + 4) * ((int64_t)1 << 2 * FRACTION) / paths) + 64;
}

static void print_price(const char *name, int64_t v)
{
    int64_t scaled = v * 10000 >> FRACTION;
    printf("%s %lld.%04lld\n", name, (long long)(scaled / 10000), (long long)(scaled % 10000));
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
    int pairs, steps, strike, seed;
    if (argc != 5 || !parse(argv[1], 1, 5000000, &pairs) || !parse(argv[2], 1, MAX_STEPS, &steps) ||
        !parse(argv[3], 50, 200, &strike) || !parse(argv[4], 0, 1000000, &seed)) {
        fprintf(stderr, "usage: montecarlo PATH_PAIRS STEPS STRIKE SEED\n");
        return 2;
    }
    market m = {.steps = steps, .spot = (int64_t)100 << FRACTION, .strike = (int64_t)strike << FRACTION,
                .barrier = (int64_t)93 << FRACTION};
    generator g = seed_generator((uint64_t)seed);
    totals t = {0};
    build_levels(&m);
    simulate(&m, &g, pairs, &t);

    int64_t paths = 2 * (int64_t)pairs;
    print_price("call", t.call / paths);
    print_price("put", t.put / paths);
    print_price("average", t.average / paths);
    print_price("lookback", t.lookback / paths);
    print_price("knock-out", t.knock_out / paths);
    uint64_t hash = (uint64_t)t.average * 31 + (uint64_t)t.lookback, seen = 0;
    hash = hash * 31 + (uint64_t)t.knock_out;
    int mirrored = 1;
    for (int j = 0; j <= steps; j++) {
        hash = hash * 1000003u + t.count[j];
        seen += t.count[j];
        mirrored &= t.count[j] == t.count[steps - j];
    }
    printf("histogram %016llx\n", (unsigned long long)hash);

    /* Call minus put is price minus strike on every path, so also in the sum. */
    int good = mirrored && seen == (uint64_t)paths;
    good &= t.call - t.put == t.final_price - paths * m.strike;
    int64_t bound = error_bound(t.call_square, paths);
    good &= distance(t.call / paths, lattice(&m, UP, 0)) <= bound;
    good &= distance(t.put / paths, lattice(&m, DOWN, 0)) <= error_bound(t.put_square, paths);
    good &= distance(t.knock_out / paths, lattice(&m, UP, 1)) <= bound;
    if (steps <= 10) {
        totals all = {0};
        enumerate(&m, &all);
        good &= distance(all.call >> steps, lattice(&m, UP, 0)) <= 2;
        good &= distance(all.knock_out >> steps, lattice(&m, UP, 1)) <= 2;
        good &= distance(all.average >> steps, t.average / paths) <= bound;
    }
    if (!good) {
        fprintf(stderr, "montecarlo: the simulation disagrees with the lattice\n");
        return 1;
    }
    puts("ok");
    return 0;
}
