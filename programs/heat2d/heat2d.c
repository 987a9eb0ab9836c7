/* Heat conduction on a square plate, two methods:
 *  - explicit five-point steps with a conductivity that varies in space and
 *    insulated edges (the total heat must stay the same),
 *  - alternating-direction implicit steps with cold edges (a sine wave must
 *    decay by a known factor per step).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t rng_state = 1;

static double random_fraction(void)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (double)(rng_state >> 8) * (1.0 / 16777216.0);
}

static double *allocate(size_t count)
{
    double *p = calloc(count, sizeof *p);
    if (!p) {
        fprintf(stderr, "heat2d: out of memory\n");
        exit(1);
    }
    return p;
}

/* Flux between neighbours uses the mean conductivity of the two cells. */
static void explicit_row(const double *up, const double *mid, const double *down, const double *kup,
                         const double *kmid, const double *kdown, double *out, int n)
{
    for (int x = 0; x < n; x++) {
        double t = mid[x], k = kmid[x], flow;
        flow = (k + kup[x]) * (up[x] - t);
        flow += (k + kdown[x]) * (down[x] - t);
        if (x > 0)
            flow += (k + kmid[x - 1]) * (mid[x - 1] - t);
        if (x < n - 1)
            flow += (k + kmid[x + 1]) * (mid[x + 1] - t);
        out[x] = t + 0.5 * flow;
    }
}

/* At the top and bottom edge the missing neighbour is the cell itself: no
 * difference, no flow. */
static void explicit_step(const double *t, const double *k, double *out, int n)
{
    for (int y = 0; y < n; y++) {
        size_t mid = (size_t)y * n;
        size_t up = y > 0 ? mid - n : mid, down = y < n - 1 ? mid + n : mid;
        explicit_row(t + up, t + mid, t + down, k + up, k + mid, k + down, out + mid, n);
    }
}

static void extremes(const double *t, size_t count, double *low, double *high)
{
    *low = *high = t[0];
    for (size_t i = 1; i < count; i++) {
        *low = t[i] < *low ? t[i] : *low;
        *high = t[i] > *high ? t[i] : *high;
    }
}

static double total(const double *t, int n)
{
    double sum = 0.0;
    for (int y = 0; y < n; y++) {
        double row = 0.0;
        for (int x = 0; x < n; x++)
            row += t[(size_t)y * n + x];
        sum += row;
    }
    return sum;
}

/* (1 + 2r) v[i] - r (v[i-1] + v[i+1]) = d[i] along a line, zero outside. The
 * elimination factors depend on r only and are computed once. */
static void line_factors(double *c, int n, double r)
{
    double before = 0.0;
    for (int i = 0; i < n; i++)
        before = c[i] = r / (1.0 + 2.0 * r - r * before);
}

static void solve_rows(double *d, const double *c, int n, double r)
{
    for (int y = 0; y < n; y++) {
        double *v = d + (size_t)y * n;
        v[0] *= c[0] / r;
        for (int i = 1; i < n; i++)
            v[i] = (v[i] + r * v[i - 1]) * (c[i] / r);
        for (int i = n - 2; i >= 0; i--)
            v[i] += c[i] * v[i + 1];
    }
}

/* All columns at once, so that the inner loop runs along memory. */
static void solve_columns(double *d, const double *c, int n, double r)
{
    for (int x = 0; x < n; x++)
        d[x] *= c[0] / r;
    for (int y = 1; y < n; y++) {
        double *v = d + (size_t)y * n, scale = c[y] / r;
        for (int x = 0; x < n; x++)
            v[x] = (v[x] + r * v[x - n]) * scale;
    }
    for (int y = n - 2; y >= 0; y--) {
        double *v = d + (size_t)y * n;
        for (int x = 0; x < n; x++)
            v[x] += c[y] * v[x + n];
    }
}

static void spread_rows(const double *t, double *d, int n, double r)
{
    for (int y = 0; y < n; y++) {
        const double *v = t + (size_t)y * n;
        double *o = d + (size_t)y * n;
        for (int x = 0; x < n; x++)
            o[x] = (1.0 - 2.0 * r) * v[x] + r * ((x ? v[x - 1] : 0.0) + (x < n - 1 ? v[x + 1] : 0.0));
    }
}

static void spread_columns(const double *t, double *d, int n, double r)
{
    for (int y = 0; y < n; y++) {
        const double *v = t + (size_t)y * n;
        double *o = d + (size_t)y * n;
        for (int x = 0; x < n; x++)
            o[x] = (1.0 - 2.0 * r) * v[x] + r * ((y ? v[x - n] : 0.0) + (y < n - 1 ? v[x + n] : 0.0));
    }
}

static void implicit_step(double *t, double *d, const double *c, int n, double r)
{
    spread_columns(t, d, n, r);
    solve_rows(d, c, n, r);
    spread_rows(d, t, n, r);
    solve_columns(t, c, n, r);
}

/* sin(pi (i+1) / (n+1)) by the recurrence s[i+1] = 2 cos(h) s[i] - s[i-1],
 * started with short series. Returns the cosine. */
static double sine_wave(double *s, int n)
{
    double h = 3.14159265358979323846 / (n + 1), sine = 0.0, cosine = 0.0, term = 1.0;
    for (int i = 0; i < 20; i++) {
        cosine += term;
        term *= h / (2 * i + 1);
        sine += term;
        term *= -h / (2 * i + 2);
    }
    double before = 0.0, now = sine;
    for (int i = 0; i < n; i++) {
        s[i] = now;
        double next = 2.0 * cosine * now - before;
        before = now;
        now = next;
    }
    return cosine;
}

static uint64_t hash_values(const double *x, size_t count)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 0x100000001b3u;
        h ^= h >> 32;
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
    if (argc != 3 || !parse(argv[1], 2, 2000, &n) || !parse(argv[2], 1, 100000, &steps)) {
        fprintf(stderr, "usage: heat2d SIZE STEPS\n");
        return 2;
    }
    size_t cells = (size_t)n * n;
    double *t = allocate(cells), *next = allocate(cells), *k = allocate(cells);
    for (size_t i = 0; i < cells; i++)
        k[i] = 0.02 + 0.2 * random_fraction();
    for (int spot = 0; spot < 6; spot++) {
        int cx = (int)(random_fraction() * n), cy = (int)(random_fraction() * n);
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++)
                if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= n * n / 64 + 1)
                    t[(size_t)y * n + x] += 100.0;
    }
    double low, high, low_after, high_after, heat = total(t, n);
    extremes(t, cells, &low, &high);
    for (int s = 0; s < steps; s++) {
        explicit_step(t, k, next, n);
        double *swap = t;
        t = next;
        next = swap;
    }
    extremes(t, cells, &low_after, &high_after);
    double lost = fabs(total(t, n) - heat) / heat;
    printf("explicit %016llx low %.9f high %.9f\n", (unsigned long long)hash_values(t, cells), low_after,
           high_after);

    /* Each half step multiplies the wave by (1 - e) / (1 + e). */
    double r = 0.8, *wave = allocate(n), *c = allocate(n);
    double cosine = sine_wave(wave, n), e = 2.0 * r * (1.0 - cosine), factor = 1.0, worst = 0.0;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++)
            t[(size_t)y * n + x] = wave[y] * wave[x];
    line_factors(c, n, r);
    for (int s = 0; s < steps; s++) {
        implicit_step(t, next, c, n, r);
        factor *= (1.0 - e) / (1.0 + e) * ((1.0 - e) / (1.0 + e));
    }
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            double off = fabs(t[(size_t)y * n + x] - factor * wave[y] * wave[x]);
            worst = off > worst ? off : worst;
        }
    printf("implicit %016llx factor %.12g\n", (unsigned long long)hash_values(t, cells), factor);
    free(t), free(next), free(k), free(wave), free(c);
    if (!(lost < 1e-11 && low_after >= low && high_after <= high && worst < 1e-10)) {
        fprintf(stderr, "heat2d: check failed: lost %g wave %g\n", lost, worst);
        return 1;
    }
    puts("ok");
    return 0;
}
