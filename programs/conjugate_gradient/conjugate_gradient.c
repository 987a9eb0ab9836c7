/* Conjugate gradients on a sparse matrix in compressed rows (CSR).
 *
 * The matrix is the weighted Laplacian of a graph plus a small diagonal, hence
 * symmetric and positive definite. The graph is read from a file ("edges FILE")
 * or generated as a grid with extra random links ("grid SIZE").
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int from, to;
    double weight;
} edge;

typedef struct {
    int nodes, count, room;
    edge *edges;
} graph;

typedef struct {
    int n;
    int *start;         /* n + 1 */
    int *col;
    double *val;
} csr;

typedef struct {
    double *x, *r, *z, *p, *q;
} vectors;

static uint64_t rng_state = 2718281828u;

static uint32_t next_random(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng_state >> 33);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) {
        fprintf(stderr, "conjugate_gradient: out of memory\n");
        exit(1);
    }
    return p;
}

static void add_edge(graph *g, int from, int to, double weight)
{
    if (from == to)
        return;
    if (g->count == g->room) {
        g->room = g->room ? g->room * 2 : 256;
        edge *e = realloc(g->edges, (size_t)g->room * sizeof *e);
        if (!e) {
            fprintf(stderr, "conjugate_gradient: out of memory\n");
            exit(1);
        }
        g->edges = e;
    }
    g->edges[g->count++] = (edge){from, to, weight};
}

static void grid_graph(graph *g, int size)
{
    g->nodes = size * size;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            int i = y * size + x;
            if (x + 1 < size)
                add_edge(g, i, i + 1, 0.5 + (double)(next_random() % 64) / 64.0);
            if (y + 1 < size)
                add_edge(g, i, i + size, 0.5 + (double)(next_random() % 64) / 64.0);
            if (next_random() % 8 == 0)
                add_edge(g, i, (int)(next_random() % (uint32_t)g->nodes), 0.25);
        }
}

/* First line: number of nodes. Then one edge per line: from to weight. */
static int read_graph(graph *g, const char *path)
{
    FILE *f = fopen(path, "r");
    int from, to, ok;
    double weight;
    if (!f)
        return 0;
    ok = fscanf(f, "%d", &g->nodes) == 1 && g->nodes > 0 && g->nodes <= 1000000;
    while (ok && fscanf(f, "%d %d %lf", &from, &to, &weight) == 3) {
        ok = from >= 0 && to >= 0 && from < g->nodes && to < g->nodes && weight > 0.0;
        if (ok)
            add_edge(g, from, to, weight);
    }
    ok = ok && feof(f);
    fclose(f);
    return ok;
}

/* Count the entries of each row, turn counts into starts, fill, sort each row
 * and merge entries with the same column. */
static csr build_matrix(const graph *g)
{
    int n = g->nodes;
    csr m = {n, allocate((size_t)n + 1, sizeof(int)), NULL, NULL};
    int *next = allocate((size_t)n + 1, sizeof *next);
    for (int i = 0; i < n; i++)
        next[i + 1] = 1;                            /* the diagonal */
    for (int e = 0; e < g->count; e++) {
        next[g->edges[e].from + 1]++;
        next[g->edges[e].to + 1]++;
    }
    for (int i = 0; i < n; i++)
        next[i + 1] += next[i];
    memcpy(m.start, next, ((size_t)n + 1) * sizeof *next);
    m.col = allocate(m.start[n], sizeof *m.col);
    m.val = allocate(m.start[n], sizeof *m.val);
    for (int i = 0; i < n; i++) {
        m.col[next[i]] = i;
        m.val[next[i]++] = 0.01;
    }
    for (int e = 0; e < g->count; e++) {
        edge d = g->edges[e];
        m.val[m.start[d.from]] += d.weight;         /* the diagonal comes first for now */
        m.val[m.start[d.to]] += d.weight;
        m.col[next[d.from]] = d.to;
        m.val[next[d.from]++] = -d.weight;
        m.col[next[d.to]] = d.from;
        m.val[next[d.to]++] = -d.weight;
    }
    free(next);
    int out = 0, begin = 0;
    for (int i = 0; i < n; i++) {
        int end = m.start[i + 1];
        for (int a = begin + 1; a < end; a++) {     /* rows are short: insertion sort */
            int c = m.col[a], b = a;
            double v = m.val[a];
            for (; b > begin && m.col[b - 1] > c; b--) {
                m.col[b] = m.col[b - 1];
                m.val[b] = m.val[b - 1];
            }
            m.col[b] = c;
            m.val[b] = v;
        }
        m.start[i] = out;
        for (int a = begin; a < end; a++) {
            if (out > m.start[i] && m.col[out - 1] == m.col[a]) {
                m.val[out - 1] += m.val[a];
            } else {
                m.col[out] = m.col[a];
                m.val[out++] = m.val[a];
            }
        }
        begin = end;
    }
    m.start[n] = out;
    return m;
}

static void multiply(const csr *m, const double *x, double *y)
{
    for (int i = 0; i < m->n; i++) {
        double s = 0.0;
        for (int k = m->start[i]; k < m->start[i + 1]; k++)
            s += m->val[k] * x[m->col[k]];
        y[i] = s;
    }
}

static double dot(const double *x, const double *y, int n)
{
    double s = 0.0;
    for (int i = 0; i < n; i++)
        s += x[i] * y[i];
    return s;
}

/* Solve m x = b from zero; inverse is the inverse diagonal or all ones.
 * Returns the number of iterations. */
static int solve(const csr *m, const double *b, const double *inverse, vectors *v, double tolerance)
{
    int n = m->n, iterations = 0;
    for (int i = 0; i < n; i++) {
        v->x[i] = 0.0;
        v->r[i] = b[i];
        v->p[i] = v->z[i] = b[i] * inverse[i];
    }
    double rz = dot(v->r, v->z, n), limit = tolerance * tolerance * dot(b, b, n);
    while (dot(v->r, v->r, n) > limit && iterations < 10 * n + 100) {
        multiply(m, v->p, v->q);
        double alpha = rz / dot(v->p, v->q, n);
        for (int i = 0; i < n; i++) {
            v->x[i] += alpha * v->p[i];
            v->r[i] -= alpha * v->q[i];
        }
        for (int i = 0; i < n; i++)
            v->z[i] = v->r[i] * inverse[i];
        double before = rz;
        rz = dot(v->r, v->z, n);
        double beta = rz / before;
        for (int i = 0; i < n; i++)
            v->p[i] = v->z[i] + beta * v->p[i];
        iterations++;
    }
    return iterations;
}

/* The true residual, computed from the edges and not from the matrix. */
static double residual(const graph *g, const double *x, const double *b, double *r)
{
    double worst = 0.0;
    for (int i = 0; i < g->nodes; i++)
        r[i] = b[i] - 0.01 * x[i];
    for (int e = 0; e < g->count; e++) {
        edge d = g->edges[e];
        double flow = d.weight * (x[d.from] - x[d.to]);
        r[d.from] -= flow;
        r[d.to] += flow;
    }
    for (int i = 0; i < g->nodes; i++)
        worst = fabs(r[i]) > worst ? fabs(r[i]) : worst;
    return worst;
}

int main(int argc, char **argv)
{
    graph g = {0};
    char *end = NULL;
    long sides = argc == 4 ? strtol(argv[3], &end, 10) : 0;
    int bad = argc != 4 || *end || sides < 1 || sides > 1000;
    if (!bad && strcmp(argv[1], "grid") == 0) {
        long size = strtol(argv[2], &end, 10);
        bad = *end || size < 1 || size > 1000;
        if (!bad)
            grid_graph(&g, (int)size);
    } else if (!bad && strcmp(argv[1], "edges") == 0) {
        if (!read_graph(&g, argv[2])) {
            fprintf(stderr, "conjugate_gradient: cannot read %s\n", argv[2]);
            return 1;
        }
    } else {
        bad = 1;
    }
    if (bad) {
        fprintf(stderr, "usage: conjugate_gradient grid SIZE SIDES  or  edges FILE SIDES\n");
        return 2;
    }
    csr m = build_matrix(&g);
    int n = m.n;
    double *b = allocate(n, sizeof *b), *ones = allocate(n, sizeof *b), *jacobi = allocate(n, sizeof *b);
    double *first = allocate(n, sizeof *first);
    vectors v = {allocate(n, sizeof *b), allocate(n, sizeof *b), allocate(n, sizeof *b),
                 allocate(n, sizeof *b), allocate(n, sizeof *b)};
    for (int i = 0; i < n; i++) {
        ones[i] = 1.0;
        for (int k = m.start[i]; k < m.start[i + 1]; k++)
            if (m.col[k] == i)
                jacobi[i] = 1.0 / m.val[k];
    }
    int plain = 0, scaled = 0, good = 1;
    double worst = 0.0, apart = 0.0;
    uint64_t hash = 0;
    for (int s = 0; s < sides; s++) {
        for (int i = 0; i < n; i++)
            b[i] = (double)(int)(next_random() % 2001) / 1000.0 - 1.0;
        plain += solve(&m, b, ones, &v, 1e-10);
        double off = residual(&g, v.x, b, v.q);
        worst = off > worst ? off : worst;
        memcpy(first, v.x, (size_t)n * sizeof *first);
        scaled += solve(&m, b, jacobi, &v, 1e-10);
        off = residual(&g, v.x, b, v.q);
        worst = off > worst ? off : worst;
        for (int i = 0; i < n; i++) {
            off = fabs(first[i] - v.x[i]);
            apart = off > apart ? off : apart;
            uint64_t bits;
            memcpy(&bits, &v.x[i], sizeof bits);
            hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
            hash ^= hash >> 32;
            good &= off < 1e-6;
        }
    }
    printf("nodes %d entries %d\niterations %d and %d\n", n, m.start[n], plain, scaled);
    printf("solutions %016llx first %.9f\n", (unsigned long long)hash, v.x[0]);
    free(g.edges), free(m.start), free(m.col), free(m.val), free(b), free(ones), free(jacobi), free(first);
    free(v.x), free(v.r), free(v.z), free(v.p), free(v.q);
    if (!(good && worst < 1e-7)) {
        fprintf(stderr, "conjugate_gradient: check failed: residual %g apart %g\n", worst, apart);
        return 1;
    }
    puts("ok");
    return 0;
}
