/* Waves in a box: leapfrog in time, fourth-order differences in space, speed
 * of sound that varies from cell to cell, zero pressure at the walls.
 *
 * The scheme is reversible: exchanging the last two states and stepping on
 * must run the wave backwards into the first state.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HALO = 2 };      /* the stencil reaches two cells far */

typedef struct {
    int nx, ny, nz;
    size_t row, slab, cells;        /* strides of y and z, total with halo */
} grid;

static const double far_weight = -1.0 / 12.0, near_weight = 4.0 / 3.0, own_weight = -7.5;
static uint64_t rng_state = 5;

static double random_fraction(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(rng_state >> 40) * (1.0 / 16777216.0);
}

static double *allocate(const grid *g)
{
    double *p = calloc(g->cells, sizeof *p);
    if (!p) {
        fprintf(stderr, "wave3d: out of memory\n");
        exit(1);
    }
    return p;
}

static size_t at(const grid *g, int x, int y, int z)
{
    return (size_t)(z + HALO) * g->slab + (size_t)(y + HALO) * g->row + (size_t)(x + HALO);
}

/* next holds the state before now and is overwritten by the one after. */
static void step(const grid *g, const double *now, const double *speed, double *next)
{
    ptrdiff_t r = (ptrdiff_t)g->row, s = (ptrdiff_t)g->slab;
    for (int z = 0; z < g->nz; z++)
        for (int y = 0; y < g->ny; y++) {
            size_t first = at(g, 0, y, z);
            const double *p = now + first, *c = speed + first;
            double *n = next + first;
            for (int x = 0; x < g->nx; x++) {
                double near = (p[x - 1] + p[x + 1]) + (p[x - r] + p[x + r]) + (p[x - s] + p[x + s]);
                double far = (p[x - 2] + p[x + 2]) + (p[x - 2 * r] + p[x + 2 * r]) +
                             (p[x - 2 * s] + p[x + 2 * s]);
                double laplace = near_weight * near + far_weight * far + own_weight * p[x];
                n[x] = 2.0 * p[x] - n[x] + c[x] * laplace;
            }
        }
}

/* The same update for one cell, written the slow way along each axis. */
static double step_cell(const grid *g, const double *now, const double *speed, double before, int x,
                        int y, int z)
{
    static const double w[5] = {-1.0 / 12.0, 4.0 / 3.0, -2.5, 4.0 / 3.0, -1.0 / 12.0};
    double sum = 0.0;
    for (int d = -2; d <= 2; d++)
        sum += w[d + 2] * (now[at(g, x + d, y, z)] + now[at(g, x, y + d, z)] + now[at(g, x, y, z + d)]);
    return 2.0 * now[at(g, x, y, z)] - before + speed[at(g, x, y, z)] * sum;
}

/* A smooth bump; (1 - d^2)^4 needs no exponential function. */
static void add_bump(const grid *g, double *p, double cx, double cy, double cz, double radius)
{
    for (int z = 0; z < g->nz; z++)
        for (int y = 0; y < g->ny; y++)
            for (int x = 0; x < g->nx; x++) {
                double dx = (x - cx) / radius, dy = (y - cy) / radius, dz = (z - cz) / radius;
                double left = 1.0 - (dx * dx + dy * dy + dz * dz);
                if (left > 0.0)
                    p[at(g, x, y, z)] += left * left * left * left;
            }
}

/* Kinetic part and potential part of the quantity that leapfrog conserves:
 * <v, v/c> - <p_new, L p_old>. */
static double energy(const grid *g, const double *now, const double *before, const double *speed)
{
    ptrdiff_t r = (ptrdiff_t)g->row, s = (ptrdiff_t)g->slab;
    double sum = 0.0;
    for (int z = 0; z < g->nz; z++)
        for (int y = 0; y < g->ny; y++) {
            size_t first = at(g, 0, y, z);
            const double *p = before + first, *q = now + first, *c = speed + first;
            double part = 0.0;
            for (int x = 0; x < g->nx; x++) {
                double v = q[x] - p[x];
                double near = p[x - 1] + p[x + 1] + p[x - r] + p[x + r] + p[x - s] + p[x + s];
                double far = p[x - 2] + p[x + 2] + p[x - 2 * r] + p[x + 2 * r] + p[x - 2 * s] + p[x + 2 * s];
                part += v * v / c[x] - q[x] * (near_weight * near + far_weight * far + own_weight * p[x]);
            }
            sum += part;
        }
    return sum;
}

static uint64_t hash_values(const double *x, size_t count)
{
    uint64_t h = 0x84222325cbf29ce4u;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
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
    grid g;
    int steps;
    if (argc != 5 || !parse(argv[1], 1, 400, &g.nx) || !parse(argv[2], 1, 400, &g.ny) ||
        !parse(argv[3], 1, 400, &g.nz) || !parse(argv[4], 1, 10000, &steps)) {
        fprintf(stderr, "usage: wave3d NX NY NZ STEPS\n");
        return 2;
    }
    g.row = (size_t)g.nx + 2 * HALO;
    g.slab = g.row * ((size_t)g.ny + 2 * HALO);
    g.cells = g.slab * ((size_t)g.nz + 2 * HALO);
    double *a = allocate(&g), *b = allocate(&g), *start = allocate(&g), *speed = allocate(&g);
    for (size_t i = 0; i < g.cells; i++)
        speed[i] = 0.04 + 0.1 * random_fraction();      /* (c dt / dx)^2, small enough to be stable */
    add_bump(&g, a, g.nx * 0.5, g.ny * 0.4, g.nz * 0.5, g.nx * 0.3 + 1.0);
    add_bump(&g, a, g.nx * 0.2, g.ny * 0.7, g.nz * 0.3, g.nx * 0.15 + 1.0);
    memcpy(start, a, g.cells * sizeof *a);
    memcpy(b, a, g.cells * sizeof *a);      /* equal states: the wave starts at rest */

    double *now = a, *other = b, first_energy = 0.0, drift = 0.0, cell = 0.0;
    for (int s = 0; s < steps; s++) {
        int x = s * 7 % g.nx, y = s * 5 % g.ny, z = s * 3 % g.nz;
        double expect = step_cell(&g, now, speed, other[at(&g, x, y, z)], x, y, z);
        step(&g, now, speed, other);
        double *swap = now;
        now = other;
        other = swap;
        double off = fabs(expect - now[at(&g, x, y, z)]);
        cell = off > cell ? off : cell;
        if (s == 0 || s == steps / 2 || s == steps - 1) {
            double e = energy(&g, now, other, speed);
            if (s == 0)
                first_energy = e;
            off = fabs(e - first_energy) / first_energy;
            drift = off > drift ? off : drift;
        }
    }
    double peak = 0.0;
    for (size_t i = 0; i < g.cells; i++)
        peak = fabs(now[i]) > peak ? fabs(now[i]) : peak;
    printf("state %016llx\n", (unsigned long long)hash_values(now, g.cells));
    printf("energy %.9f peak %.9f\n", first_energy, peak);

    double *swap = now;     /* backwards */
    now = other;
    other = swap;
    for (int s = 0; s < steps; s++) {
        step(&g, now, speed, other);
        swap = now;
        now = other;
        other = swap;
    }
    double back = 0.0;
    for (size_t i = 0; i < g.cells; i++) {
        double off = fabs(now[i] - start[i]);
        back = off > back ? off : back;
    }
    free(a), free(b), free(start), free(speed);
    if (!(cell < 1e-12 && drift < 1e-9 && back < 1e-8)) {
        fprintf(stderr, "wave3d: check failed: cell %g energy %g return %g\n", cell, drift, back);
        return 1;
    }
    puts("ok");
    return 0;
}
