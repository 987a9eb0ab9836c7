/* Iterative radix-2 Fourier transform on split real and imaginary arrays.
 *
 * Each round transforms a signal, compares some bins with the defining sum,
 * checks the energy, transforms back, and multiplies two integer polynomials
 * through the frequency domain, where rounding must give the exact product.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n, bits;
    double *cosine, *sine;      /* n / 2 roots of unity */
    int *reversed;
} plan;

static uint32_t rng_state = 12345;

static uint32_t next_random(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 17;
    rng_state ^= rng_state << 5;
    return rng_state;
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) {
        fprintf(stderr, "fft: out of memory\n");
        exit(1);
    }
    return p;
}

/* cos and sin of 2 pi k / n for k <= n / 8, where the series are short. */
static void small_angle(int k, int n, double *c, double *s)
{
    double a = 6.28318530717958647692 * k / n, q = a * a, term = 1.0;
    *c = *s = 0.0;
    for (int i = 0; i < 12; i++) {
        *c += term;
        term /= 2 * i + 1;
        *s += term * a;
        term *= -q / (2 * i + 2);
    }
}

/* The first eighth of the circle gives all the others by reflection. */
static void root_of_unity(int k, int n, double *c, double *s)
{
    double x, y;
    if (4 * k > n) {                    /* second quarter: cos changes sign */
        root_of_unity(n / 2 - k, n, &x, s);
        *c = -x;
    } else if (8 * k > n) {             /* mirror at 45 degrees */
        small_angle(n / 4 - k, n, &y, &x);
        *c = x;
        *s = y;
    } else {
        small_angle(k, n, c, s);
    }
}

static plan create_plan(int bits)
{
    plan p = {1 << bits, bits, NULL, NULL, NULL};
    int half = p.n > 1 ? p.n / 2 : 1;
    p.cosine = allocate(half, sizeof *p.cosine);
    p.sine = allocate(half, sizeof *p.sine);
    p.reversed = allocate(p.n, sizeof *p.reversed);
    p.cosine[0] = 1.0;
    for (int k = 1; k < half; k++)
        root_of_unity(k, p.n, &p.cosine[k], &p.sine[k]);
    for (int i = 1; i < p.n; i++)
        p.reversed[i] = p.reversed[i / 2] / 2 + (i & 1) * (p.n / 2);
    return p;
}

static void reorder(const plan *p, double *x)
{
    for (int i = 0; i < p->n; i++) {
        int j = p->reversed[i];
        if (i < j) {
            double t = x[i];
            x[i] = x[j];
            x[j] = t;
        }
    }
}

/* One stage without multiplications: all its roots are 1. */
static void first_stage(double *re, double *im, int n)
{
    for (int i = 0; i + 1 < n; i += 2) {
        double r = re[i + 1], m = im[i + 1];
        re[i + 1] = re[i] - r;
        im[i + 1] = im[i] - m;
        re[i] += r;
        im[i] += m;
    }
}

static void transform(const plan *p, double *re, double *im)
{
    reorder(p, re);
    reorder(p, im);
    first_stage(re, im, p->n);
    for (int half = 2, step = p->n / 4; half < p->n; half *= 2, step /= 2)
        for (int start = 0; start < p->n; start += 2 * half) {
            double *r0 = re + start, *i0 = im + start, *r1 = r0 + half, *i1 = i0 + half;
            for (int k = 0; k < half; k++) {
                double c = p->cosine[k * step], s = -p->sine[k * step];
                double r = r1[k] * c - i1[k] * s, m = r1[k] * s + i1[k] * c;
                r1[k] = r0[k] - r;
                i1[k] = i0[k] - m;
                r0[k] += r;
                i0[k] += m;
            }
        }
}

/* Exchanging real and imaginary part turns the transform into its inverse. */
static void inverse(const plan *p, double *re, double *im)
{
    double scale = 1.0 / p->n;
    transform(p, im, re);
    for (int i = 0; i < p->n; i++) {
        re[i] *= scale;
        im[i] *= scale;
    }
}

/* Difference of bin k from the defining sum. */
static double bin_error(const plan *p, const double *xr, const double *xi, const double *re,
                        const double *im, int k)
{
    double sr = 0.0, si = 0.0;
    for (int i = 0; i < p->n; i++) {
        unsigned turn = (unsigned)i * (unsigned)k % (unsigned)p->n;
        int half = p->n / 2, flip = p->n > 1 && turn >= (unsigned)half;
        unsigned at = flip ? turn - (unsigned)half : turn;
        double c = flip ? -p->cosine[at] : p->cosine[at], s = flip ? p->sine[at] : -p->sine[at];
        sr += xr[i] * c - xi[i] * s;
        si += xr[i] * s + xi[i] * c;
    }
    return fabs(sr - re[k]) + fabs(si - im[k]);
}

static double energy(const double *re, const double *im, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += re[i] * re[i] + im[i] * im[i];
    return sum;
}

/* Cyclic product of two digit sequences: one transform carries both, as real
 * and imaginary part of its input. Returns the number of exact entries among
 * the probed ones. */
static int product_exact(const plan *p, double *re, double *im, int *a, int *b, uint64_t *hash)
{
    int n = p->n, exact = 0;
    for (int i = 0; i < n; i++) {
        re[i] = a[i] = (int)(next_random() % 100);
        im[i] = b[i] = (int)(next_random() % 100);
    }
    transform(p, re, im);
    /* With z = a + ib: A B = (z[k]^2 - conj(z[-k])^2) / 4i, pair by pair. */
    for (int k = 0; k <= n / 2; k++) {
        int j = (n - k) & (n - 1);
        double zr = re[k], zi = im[k], wr = re[j], wi = -im[j];
        double dr = (zr * zr - zi * zi) - (wr * wr - wi * wi), di = 2.0 * (zr * zi - wr * wi);
        re[k] = 0.25 * di;
        im[k] = -0.25 * dr;
        re[j] = re[k];
        im[j] = j == k ? im[k] : -im[k];
    }
    inverse(p, re, im);
    for (int i = 0; i < n; i++)
        *hash = *hash * 1000003u + (uint64_t)(int64_t)floor(re[i] + 0.5);
    for (int probe = 0; probe < 4; probe++) {
        int k = (int)(next_random() & (uint32_t)(n - 1));
        int64_t sum = 0;
        for (int i = 0; i < n; i++)
            sum += (int64_t)a[i] * b[(k - i + n) & (n - 1)];
        exact += (int64_t)floor(re[k] + 0.5) == sum;
    }
    return exact;
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
    int bits, rounds;
    if (argc != 3 || !parse(argv[1], 0, 20, &bits) || !parse(argv[2], 1, 10000, &rounds)) {
        fprintf(stderr, "usage: fft LOG2_SIZE ROUNDS\n");
        return 2;
    }
    plan p = create_plan(bits);
    int n = p.n, *a = allocate(n, sizeof *a), *b = allocate(n, sizeof *b), good = 1;
    double *xr = allocate(n, sizeof *xr), *xi = allocate(n, sizeof *xi);
    double *re = allocate(n, sizeof *re), *im = allocate(n, sizeof *im);
    uint64_t spectrum = 0, products = 0;
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            re[i] = xr[i] = (double)(next_random() >> 8) / 8388608.0 - 1.0;
            im[i] = xi[i] = (double)(next_random() >> 8) / 8388608.0 - 1.0;
        }
        transform(&p, re, im);
        for (int probe = 0; probe < 2; probe++)
            good &= bin_error(&p, xr, xi, re, im, (int)(next_random() & (uint32_t)(n - 1))) < 1e-8;
        double before = energy(xr, xi, n), after = energy(re, im, n) / n;
        good &= fabs(before - after) < 1e-10 * n;
        for (int i = 0; i < n; i++) {
            uint64_t u, v;
            memcpy(&u, &re[i], sizeof u);
            memcpy(&v, &im[i], sizeof v);
            spectrum = (spectrum ^ u ^ (v << 1)) * 0x9e3779b97f4a7c15u;
            spectrum ^= spectrum >> 31;
        }
        inverse(&p, re, im);
        for (int i = 0; i < n; i++)
            good &= fabs(re[i] - xr[i]) < 1e-11 && fabs(im[i] - xi[i]) < 1e-11;
        good &= product_exact(&p, re, im, a, b, &products) == 4;
    }
    printf("spectrum %016llx\nproducts %016llx\n", (unsigned long long)spectrum,
           (unsigned long long)products);
    free(p.cosine), free(p.sine), free(p.reversed), free(a), free(b);
    free(xr), free(xi), free(re), free(im);
    if (!good) {
        fprintf(stderr, "fft: a transform differs from its definition\n");
        return 1;
    }
    puts("ok");
    return 0;
}
