/* Shortest paths on road-like and random graphs: a binary heap that can move
   entries up, checked edge by edge, and against Bellman-Ford on a few nodes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR 0xffffffffu

static void fail(const char *what)
{
    fprintf(stderr, "dijkstra: %s\n", what);
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

/* Edges of node v are start[v] .. start[v + 1] - 1. */
typedef struct {
    uint32_t nodes, edges;
    uint32_t *start, *to, *cost;
} Graph;

typedef struct {
    uint32_t from, to, cost;
} Edge;

static uint32_t seed = 2463534242u;

static uint32_t next_random(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Counting sort of the edges by source node. */
static Graph make_graph(uint32_t nodes, const Edge *e, uint32_t edges)
{
    Graph g = {nodes, edges, get(nodes + 2, 4), get(edges, 4), get(edges, 4)};
    for (uint32_t i = 0; i < edges; i++)
        g.start[e[i].from + 2]++;
    for (uint32_t v = 2; v < nodes + 2; v++)
        g.start[v] += g.start[v - 1];
    for (uint32_t i = 0; i < edges; i++) {
        uint32_t at = g.start[e[i].from + 1]++;
        g.to[at] = e[i].to;
        g.cost[at] = e[i].cost;
    }
    return g;
}

static void free_graph(Graph *g)
{
    free(g->start);
    free(g->to);
    free(g->cost);
}

/* A grid whose streets go both ways at different costs; some are closed. */
static Graph grid_graph(uint32_t side)
{
    Edge *e = get((size_t)side * side * 4, sizeof *e);
    uint32_t n = 0;
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++)
            for (uint32_t d = 0; d < 4; d++) {
                uint32_t nx = x + (d == 0) - (d == 1), ny = y + (d == 2) - (d == 3);
                if (nx >= side || ny >= side || next_random(8) == 0)
                    continue;
                e[n++] = (Edge){y * side + x, ny * side + nx, 1 + next_random(d < 2 ? 1000 : 300)};
            }
    Graph g = make_graph(side * side, e, n);
    free(e);
    return g;
}

static Graph random_graph(uint32_t nodes, uint32_t degree)
{
    Edge *e = get((size_t)nodes * degree, sizeof *e);
    for (uint32_t i = 0; i < nodes * degree; i++) {
        /* A few hubs get most edges. */
        uint32_t to = next_random(3) ? next_random(nodes) : next_random(nodes / 16 + 1);
        uint32_t from = next_random(nodes);
        e[i] = (Edge){from, to, next_random(20000)}; /* no path can pass 2^32 */
    }
    Graph g = make_graph(nodes, e, nodes * degree);
    free(e);
    return g;
}

typedef struct {
    uint32_t *item, *place; /* place[v] is 1 + position in item, 0 if absent */
    uint32_t *key;
    uint32_t count;
} Heap;

static void settle(Heap *h, uint32_t i, uint32_t v)
{
    h->item[i] = v;
    h->place[v] = i + 1;
}

static void move_up(Heap *h, uint32_t i)
{
    uint32_t v = h->item[i], key = h->key[v];
    while (i && key < h->key[h->item[(i - 1) / 2]]) {
        settle(h, i, h->item[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    settle(h, i, v);
}

static void move_down(Heap *h, uint32_t i)
{
    uint32_t v = h->item[i], key = h->key[v], c;
    while ((c = 2 * i + 1) < h->count) {
        if (c + 1 < h->count && h->key[h->item[c + 1]] < h->key[h->item[c]])
            c++;
        if (h->key[h->item[c]] >= key)
            break;
        settle(h, i, h->item[c]);
        i = c;
    }
    settle(h, i, v);
}

static uint32_t pop(Heap *h)
{
    uint32_t top = h->item[0];
    h->place[top] = 0;
    if (--h->count) {
        settle(h, 0, h->item[h->count]);
        move_down(h, 0);
    }
    return top;
}

static void add_or_lower(Heap *h, uint32_t v, uint32_t key)
{
    h->key[v] = key;
    if (!h->place[v])
        settle(h, h->count++, v);
    move_up(h, h->place[v] - 1);
}

/* Fills dist and the last edge of each path; returns the nodes reached. */
static uint32_t dijkstra(const Graph *g, uint32_t source, Heap *h, uint32_t *via)
{
    uint32_t reached = 0;
    for (uint32_t v = 0; v < g->nodes; v++) {
        h->key[v] = FAR;
        h->place[v] = 0;
        via[v] = FAR;
    }
    h->count = 0;
    add_or_lower(h, source, 0);
    while (h->count) {
        uint32_t v = pop(h), d = h->key[v];
        reached++;
        for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++)
            if (d + g->cost[e] < h->key[g->to[e]]) {
                add_or_lower(h, g->to[e], d + g->cost[e]);
                via[g->to[e]] = e;
            }
    }
    return reached;
}

/* No edge can shorten a path, and each path's last edge has no slack: the two
   together prove the distances. Then walk all paths back to the source. */
static void verify(const Graph *g, uint32_t source, const uint32_t *dist, const uint32_t *via, uint32_t *mark)
{
    if (dist[source] != 0 || via[source] != FAR)
        fail("source is not at distance 0");
    for (uint32_t v = 0; v < g->nodes; v++) {
        mark[v] = FAR;
        if (v != source && (dist[v] == FAR) != (via[v] == FAR))
            fail("reached node without a path");
    }
    for (uint32_t v = 0; v < g->nodes; v++)
        for (uint32_t e = g->start[v]; e < g->start[v + 1]; e++) {
            if (dist[v] != FAR && dist[g->to[e]] > dist[v] + g->cost[e])
                fail("a shorter path exists");
            if (via[g->to[e]] == e) {
                if (dist[v] == FAR || dist[g->to[e]] != dist[v] + g->cost[e])
                    fail("path has slack");
                mark[g->to[e]] = v;
            }
        }
    for (uint32_t v = 0; v < g->nodes; v += 37) {
        uint32_t steps = 0, at = v;
        if (dist[v] == FAR)
            continue;
        for (; at != source && steps < g->nodes; steps++)
            at = mark[at];
        if (at != source)
            fail("path does not lead to the source");
    }
}

static void bellman_ford(const Graph *g, uint32_t source, uint32_t *dist)
{
    int changed = 1;
    for (uint32_t v = 0; v < g->nodes; v++)
        dist[v] = v == source ? 0 : FAR;
    while (changed) {
        changed = 0;
        for (uint32_t v = 0; v < g->nodes; v++)
            for (uint32_t e = g->start[v]; dist[v] != FAR && e < g->start[v + 1]; e++)
                if (dist[v] + g->cost[e] < dist[g->to[e]]) {
                    dist[g->to[e]] = dist[v] + g->cost[e];
                    changed = 1;
                }
    }
}

static void solve(const char *name, const Graph *g, uint32_t sources)
{
    Heap h = {get(g->nodes, 4), get(g->nodes, 4), get(g->nodes, 4), 0};
    uint32_t *via = get(g->nodes, 4), *slow = get(g->nodes, 4), sum = 2166136261u, most = 0;
    uint64_t reached = 0;
    for (uint32_t s = 0; s < sources; s++) {
        uint32_t source = next_random(g->nodes);
        reached += dijkstra(g, source, &h, via);
        verify(g, source, h.key, via, slow);
        if (s == 0) {
            bellman_ford(g, source, slow);
            if (memcmp(slow, h.key, (size_t)g->nodes * sizeof *slow) != 0)
                fail("differs from Bellman-Ford");
        }
        for (uint32_t v = 0; v < g->nodes; v++) {
            sum = (sum ^ h.key[v]) * 16777619u;
            if (h.key[v] != FAR && h.key[v] > most)
                most = h.key[v];
        }
    }
    printf("%s nodes %u edges %u reached %llu farthest %u sum %08x\n", name, (unsigned)g->nodes, (unsigned)g->edges,
           (unsigned long long)reached, (unsigned)most, (unsigned)sum);
    free(h.item);
    free(h.place);
    free(h.key);
    free(via);
    free(slow);
}

static uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        fprintf(stderr, "usage: dijkstra GRID_SIDE NODES DEGREE SOURCES (1..500, 1..200000, 0..16, 1..1000)\n");
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    uint32_t side = number(argc == 5 ? argv[1] : "", 1, 500), nodes = number(argv[2], 1, 200000);
    uint32_t degree = number(argv[3], 0, 16), sources = number(argv[4], 1, 1000);
    Graph g = grid_graph(side);
    solve("grid", &g, sources);
    free_graph(&g);
    g = random_graph(nodes, degree);
    solve("random", &g, sources);
    free_graph(&g);
    printf("ok\n");
    return 0;
}
