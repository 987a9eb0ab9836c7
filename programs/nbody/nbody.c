/* Gravitational n-body simulation: softened all-pairs forces, leapfrog steps.
 *
 * Leapfrog is reversible, so a second run with reversed velocities has to lead
 * back to the start; energy and momentum are watched on the way.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n;
    double *mass;
    double *x, *y, *z;          /* positions */
    double *vx, *vy, *vz;       /* velocities */
    double *ax, *ay, *az;       /* accelerations */
} bodies;

static const double softening = 0.05;
static uint64_t rng_state = 77;

static double random_unit(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (double)(int64_t)(rng_state >> 12) * (1.0 / 2251799813685248.0) - 1.0;
}

static double *allocate(int n)
{
    double *p = calloc(n, sizeof *p);
    if (!p) {
        fprintf(stderr, "nbody: out of memory\n");
        exit(1);
    }
    return p;
}

static bodies create(int n)
{
    bodies b = {n, allocate(n), allocate(n), allocate(n), allocate(n), allocate(n),
                allocate(n), allocate(n), allocate(n), allocate(n), allocate(n)};
    return b;
}

static void destroy(bodies *b)
{
    free(b->mass), free(b->x), free(b->y), free(b->z), free(b->vx), free(b->vy), free(b->vz);
    free(b->ax), free(b->ay), free(b->az);
}

/* A ball of bodies that rotates slowly, at rest as a whole. */
static void set_up(bodies *b)
{
    double total = 0.0, px = 0.0, py = 0.0, pz = 0.0;
    for (int i = 0; i < b->n; i++) {
        double x, y, z;
        do {
            x = random_unit();
            y = random_unit();
            z = random_unit();
        } while (x * x + y * y + z * z > 1.0);
        b->mass[i] = (1.5 + random_unit()) / b->n;
        b->x[i] = x;
        b->y[i] = y;
        b->z[i] = z;
        b->vx[i] = -0.4 * y + 0.1 * random_unit();
        b->vy[i] = 0.4 * x + 0.1 * random_unit();
        b->vz[i] = 0.1 * random_unit();
        total += b->mass[i];
        px += b->mass[i] * b->vx[i];
        py += b->mass[i] * b->vy[i];
        pz += b->mass[i] * b->vz[i];
    }
    for (int i = 0; i < b->n; i++) {
        b->vx[i] -= px / total;
        b->vy[i] -= py / total;
        b->vz[i] -= pz / total;
    }
}

/* Pairs are visited twice: the loop over j then has no stores to a[j] and is
 * free to run side by side. */
static void accelerations(bodies *b)
{
    double soft = softening * softening;
    for (int i = 0; i < b->n; i++) {
        double sx = 0.0, sy = 0.0, sz = 0.0;
        for (int j = 0; j < b->n; j++) {
            double dx = b->x[j] - b->x[i], dy = b->y[j] - b->y[i], dz = b->z[j] - b->z[i];
            double d2 = dx * dx + dy * dy + dz * dz + soft;
            double pull = b->mass[j] / (d2 * sqrt(d2));
            sx += dx * pull;
            sy += dy * pull;
            sz += dz * pull;
        }
        b->ax[i] = sx;
        b->ay[i] = sy;
        b->az[i] = sz;
    }
}

/* The same forces with each pair visited once, for the comparison. */
static double accelerations_difference(const bodies *b)
{
    double *sum = calloc((size_t)3 * b->n, sizeof *sum);
    double worst = 0.0;
    if (!sum)
        exit(1);
    for (int i = 0; i < b->n; i++)
        for (int j = i + 1; j < b->n; j++) {
            double d[3] = {b->x[j] - b->x[i], b->y[j] - b->y[i], b->z[j] - b->z[i]};
            double r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + softening * softening);
            for (int k = 0; k < 3; k++) {
                double pull = d[k] / r / r / r;
                sum[3 * i + k] += b->mass[j] * pull;
                sum[3 * j + k] -= b->mass[i] * pull;
            }
        }
    for (int i = 0; i < b->n; i++) {
        double off = fabs(sum[3 * i] - b->ax[i]) + fabs(sum[3 * i + 1] - b->ay[i]) +
                     fabs(sum[3 * i + 2] - b->az[i]);
        worst = off > worst ? off : worst;
    }
    free(sum);
    return worst;
}

static void kick(bodies *b, double dt)
{
    for (int i = 0; i < b->n; i++) {
        b->vx[i] += b->ax[i] * dt;
        b->vy[i] += b->ay[i] * dt;
        b->vz[i] += b->az[i] * dt;
    }
}

static void drift(bodies *b, double dt)
{
    for (int i = 0; i < b->n; i++) {
        b->x[i] += b->vx[i] * dt;
        b->y[i] += b->vy[i] * dt;
        b->z[i] += b->vz[i] * dt;
    }
}

static void run(bodies *b, int steps, double dt)
{
    accelerations(b);
    for (int s = 0; s < steps; s++) {
        kick(b, 0.5 * dt);
        drift(b, dt);
        accelerations(b);
        kick(b, 0.5 * dt);
    }
}

static double energy(const bodies *b)
{
    double kinetic = 0.0, potential = 0.0;
    for (int i = 0; i < b->n; i++) {
        kinetic += 0.5 * b->mass[i] *
                   (b->vx[i] * b->vx[i] + b->vy[i] * b->vy[i] + b->vz[i] * b->vz[i]);
        for (int j = i + 1; j < b->n; j++) {
            double dx = b->x[j] - b->x[i], dy = b->y[j] - b->y[i], dz = b->z[j] - b->z[i];
            potential -= b->mass[i] * b->mass[j] /
                         sqrt(dx * dx + dy * dy + dz * dz + softening * softening);
        }
    }
    return kinetic + potential;
}

static double momentum(const bodies *b)
{
    double px = 0.0, py = 0.0, pz = 0.0;
    for (int i = 0; i < b->n; i++) {
        px += b->mass[i] * b->vx[i];
        py += b->mass[i] * b->vy[i];
        pz += b->mass[i] * b->vz[i];
    }
    return fabs(px) + fabs(py) + fabs(pz);
}

static uint64_t hash_values(const double *x, int n, uint64_t h)
{
    for (int i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 0xff51afd7ed558ccdu;
        h ^= h >> 33;
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
    int n, steps;
    if (argc != 3 || !parse(argv[1], 1, 10000, &n) || !parse(argv[2], 1, 100000, &steps)) {
        fprintf(stderr, "usage: nbody BODIES STEPS\n");
        return 2;
    }
    const double dt = 1.0 / 512.0;
    bodies b = create(n);
    set_up(&b);
    double *start = allocate(3 * n);
    memcpy(start, b.x, n * sizeof *start);
    memcpy(start + n, b.y, n * sizeof *start);
    memcpy(start + 2 * n, b.z, n * sizeof *start);
    double before = energy(&b);
    run(&b, steps, dt);
    double after = energy(&b), drifted = momentum(&b), forces = accelerations_difference(&b);
    uint64_t hash = hash_values(b.z, n, hash_values(b.y, n, hash_values(b.x, n, 1)));
    printf("positions %016llx\nenergy %.12f\n", (unsigned long long)hash, after);

    for (int i = 0; i < n; i++) {
        b.vx[i] = -b.vx[i];
        b.vy[i] = -b.vy[i];
        b.vz[i] = -b.vz[i];
    }
    run(&b, steps, dt);
    double back = 0.0;
    for (int i = 0; i < n; i++) {
        double off = fabs(b.x[i] - start[i]) + fabs(b.y[i] - start[n + i]) + fabs(b.z[i] - start[2 * n + i]);
        back = off > back ? off : back;
    }
    destroy(&b);
    free(start);
    if (!(fabs(after - before) < 1e-3 && drifted < 1e-12 && forces < 1e-10 && back < 1e-7)) {
        fprintf(stderr, "nbody: check failed: energy %g momentum %g forces %g return %g\n",
                after - before, drifted, forces, back);
        return 1;
    }
    puts("ok");
    return 0;
}
