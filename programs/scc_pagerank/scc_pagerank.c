/* Strong components by Tarjan's method without recursion, then page ranks in
   fixed point on the same graph. A forward and backward walk checks both. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE 0xffffffffu
#define ONE ((uint64_t)1 << 50) /* all the rank there is */

static void fail(const char *what)
{
    fprintf(stderr, "scc_pagerank: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

typedef struct {
    uint32_t n, m;
    uint32_t *start, *to;
} Graph;

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

static Graph from_pairs(uint32_t n, uint32_t m, const uint32_t *from, const uint32_t *to)
{
    Graph g = {n, m, get((size_t)n + 2, 4), get(m, 4)};
    for (uint32_t i = 0; i < m; i++)
        g.start[from[i] + 2]++;
    for (uint32_t v = 2; v < n + 2; v++)
        g.start[v] += g.start[v - 1];
    for (uint32_t i = 0; i < m; i++)
        g.to[g.start[from[i] + 1]++] = to[i];
    return g;
}

/* Rings of many sizes, joined mostly in one direction, so that there are
   large and small components; some nodes have no way out. */
static void make_graphs(uint32_t n, uint32_t degree, uint32_t seed, Graph *out, Graph *back)
{
    uint32_t room = n * (degree + 1), m = 0;
    uint32_t *from = get(room, 4), *to = get(room, 4);
    for (uint32_t v = 0; v < n;) {
        uint32_t size = 1 + next_random(&seed, next_random(&seed, 4) ? 4 : n / 8 + 1);
        if (size > n - v)
            size = n - v;
        for (uint32_t i = 0; size > 1 && i < size; i++) {
            from[m] = v + i;
            to[m++] = v + (i + 1) % size;
        }
        v += size;
    }
    for (uint32_t i = 0; i < n * degree; i++) {
        uint32_t a = next_random(&seed, n), b = next_random(&seed, n);
        if (a % 11 == 3)
            continue;
        int upward = next_random(&seed, n) != 0;
        from[m] = upward && a > b ? b : a;
        to[m++] = upward && a > b ? a : b;
    }
    *out = from_pairs(n, m, from, to);
    *back = from_pairs(n, m, to, from);
    free(from);
    free(to);
}

/* comp[v] is the component's number, in order of completion. */
static uint32_t tarjan(const Graph *g, uint32_t *comp)
{
    uint32_t n = g->n, clock = 0, comps = 0, top = 0, open = 0;
    uint32_t *low = get(n, 4), *index = get(n, 4), *next = get(n, 4), *path = get(n, 4), *stack = get(n, 4);
    for (uint32_t v = 0; v < n; v++) {
        index[v] = comp[v] = NONE;
        next[v] = g->start[v];
    }
    for (uint32_t root = 0; root < n; root++) {
        if (index[root] != NONE)
            continue;
        path[top++] = root;
        index[root] = low[root] = clock++;
        stack[open++] = root;
        while (top) {
            uint32_t v = path[top - 1];
            if (next[v] < g->start[v + 1]) {
                uint32_t w = g->to[next[v]++];
                if (index[w] == NONE) {
                    path[top++] = w;
                    index[w] = low[w] = clock++;
                    stack[open++] = w;
                } else if (comp[w] == NONE && index[w] < low[v]) {
                    low[v] = index[w];
                }
                continue;
            }
            top--;
            if (top && low[v] < low[path[top - 1]])
                low[path[top - 1]] = low[v];
            if (low[v] == index[v]) {
                uint32_t w;
                do {
                    w = stack[--open];
                    comp[w] = comps;
                } while (w != v);
                comps++;
            }
        }
    }
    free(low);
    free(index);
    free(next);
    free(path);
    free(stack);
    return comps;
}

static void walk(const Graph *g, uint32_t from, uint8_t *seen, uint32_t *queue)
{
    uint32_t head = 0, tail = 0;
    memset(seen, 0, g->n);
    seen[from] = 1;
    queue[tail++] = from;
    while (head < tail) {
        uint32_t v = queue[head++];
        for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++)
            if (!seen[g->to[e]]) {
                seen[g->to[e]] = 1;
                queue[tail++] = g->to[e];
            }
    }
}

/* Edges never lead to a later component, and for sample nodes the component
   is the set of nodes that can be reached both ways. */
static void verify(const Graph *g, const Graph *back, const uint32_t *comp, uint32_t samples)
{
    uint8_t *ahead = get(g->n, 1), *behind = get(g->n, 1);
    uint32_t *queue = get(g->n, 4);
    for (uint32_t v = 0; v < g->n; v++)
        for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++)
            if (comp[v] < comp[g->to[e]])
                fail("components out of order");
    for (uint32_t s = 0; s < samples; s++) {
        uint32_t v = (uint32_t)((uint64_t)s * g->n / samples);
        walk(g, v, ahead, queue);
        walk(back, v, behind, queue);
        for (uint32_t w = 0; w < g->n; w++)
            if ((ahead[w] && behind[w]) != (comp[w] == comp[v]))
                fail("wrong component");
    }
    free(ahead);
    free(behind);
    free(queue);
}

/* Each node hands 85/100 of its rank to its targets in equal whole shares.
   What is left over, and the rank of dead ends, is spread over all nodes, so
   the sum never changes. Returns the number of rounds. */
static uint32_t pagerank(const Graph *g, uint64_t *rank, uint32_t max_rounds)
{
    uint32_t n = g->n, round = 0;
    uint64_t *fresh = get(n, 8), change = ONE;
    for (uint32_t v = 0; v < n; v++)
        rank[v] = ONE / n + (v < ONE % n);
    while (round < max_rounds && change > ONE >> 24) {
        uint64_t spread = ONE;
        memset(fresh, 0, (size_t)n * sizeof *fresh);
        for (uint32_t v = 0; v < n; v++) {
            uint32_t degree = g->start[v + 1] - g->start[v];
            uint64_t share = degree ? rank[v] / 100 * 85 / degree : 0;
            for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++)
                fresh[g->to[e]] += share;
            spread -= share * degree;
        }
        change = 0;
        for (uint32_t v = 0; v < n; v++) {
            fresh[v] += spread / n + (v < spread % n);
            change += fresh[v] > rank[v] ? fresh[v] - rank[v] : rank[v] - fresh[v];
        }
        memcpy(rank, fresh, (size_t)n * sizeof *rank);
        round++;
    }
    free(fresh);
    return round;
}

/* The same step seen from the targets: it must hardly change the ranks. */
static void verify_ranks(const Graph *g, const Graph *back, const uint64_t *rank, int settled)
{
    uint64_t total = 0, given = 0, change = 0;
    uint32_t n = g->n;
    for (uint32_t v = 0; v < n; v++) {
        total += rank[v];
        for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++)
            given += rank[v] / 100 * 85 / (g->start[v + 1] - g->start[v]);
    }
    if (total != ONE)
        fail("rank got lost");
    for (uint32_t v = 0; v < n; v++) {
        uint64_t sum = (ONE - given) / n + (v < (ONE - given) % n);
        for (uint32_t e = back->start[v]; e < back->start[v + 1]; e++) {
            uint32_t u = back->to[e];
            sum += rank[u] / 100 * 85 / (g->start[u + 1] - g->start[u]);
        }
        change += sum > rank[v] ? sum - rank[v] : rank[v] - sum;
    }
    if (settled && change > ONE >> 24)
        fail("ranks are not settled");
}

static uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: scc_pagerank NODES DEGREE GRAPHS ROUNDS (1..1000000, 0..16, 1..1000, 1..1000)\n");
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    uint32_t n = number(argc == 5 ? argv[1] : "", 1, 1000000), degree = number(argv[2], 0, 16);
    uint32_t graphs = number(argv[3], 1, 1000), rounds = number(argv[4], 1, 1000);
    uint32_t *comp = get(n, 4), *size = get(n, 4), comps = 0, largest = 0, used = 0, sum = 2166136261u;
    uint64_t *rank = get(n, 8), best = 0;
    for (uint32_t i = 0; i < graphs; i++) {
        Graph g, back;
        make_graphs(n, degree, 12345 + i * 7919, &g, &back);
        comps = tarjan(&g, comp);
        verify(&g, &back, comp, 10);
        memset(size, 0, (size_t)n * sizeof *size);
        for (uint32_t v = 0; v < n; v++)
            if (++size[comp[v]] > largest)
                largest = size[comp[v]];
        uint32_t did = pagerank(&g, rank, rounds);
        verify_ranks(&g, &back, rank, did < rounds);
        used += did;
        for (uint32_t v = 0; v < n; v++) {
            sum = (sum ^ comp[v]) * 16777619u;
            sum = (sum ^ (uint32_t)(rank[v] >> 16)) * 16777619u;
            if (rank[v] > best)
                best = rank[v];
        }
        free(g.start);
        free(g.to);
        free(back.start);
        free(back.to);
    }
    printf("components %u largest %u\nrounds %u best %llu\nsum %08x\nok\n", (unsigned)comps, (unsigned)largest,
           (unsigned)used, (unsigned long long)best, (unsigned)sum);
    free(comp);
    free(size);
    free(rank);
    return 0;
}
