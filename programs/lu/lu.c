/* LU factorisation with partial pivoting: factor, determinant, solve for
 * several right-hand sides with one step of refinement, and the transposed
 * solve.
 *
 * Small systems can be read from standard input ("lu -": the order, then the
 * rows, then one right-hand side).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n;
    double *a;      /* L below the diagonal, U on and above it */
    int *pivot;     /* row swapped with row k in step k */
    int swaps;
} factors;

static uint64_t rng_state = 31337;

static double random_unit(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(rng_state >> 33) * (1.0 / 1073741824.0) - 1.0;
}

static double *allocate(size_t count)
{
    double *p = calloc(count, sizeof *p);
    if (!p) {
        fprintf(stderr, "lu: out of memory\n");
        exit(1);
    }
    return p;
}

static int choose_pivot(const factors *f, int k)
{
    int best = k;
    double size = fabs(f->a[(size_t)k * f->n + k]);
    for (int i = k + 1; i < f->n; i++) {
        double s = fabs(f->a[(size_t)i * f->n + k]);
        if (s > size) {
            size = s;
            best = i;
        }
    }
    return best;
}

static void swap_rows(double *x, double *y, int n)
{
    for (int j = 0; j < n; j++) {
        double t = x[j];
        x[j] = y[j];
        y[j] = t;
    }
}

/* Returns 0 when the matrix is singular. */
static int factor(factors *f)
{
    int n = f->n;
    f->swaps = 0;
    for (int k = 0; k < n; k++) {
        int p = choose_pivot(f, k);
        double *top = f->a + (size_t)k * n;
        f->pivot[k] = p;
        if (p != k) {
            swap_rows(top, f->a + (size_t)p * n, n);
            f->swaps++;
        }
        if (top[k] == 0.0)
            return 0;
        double inverse = 1.0 / top[k];
        for (int i = k + 1; i < n; i++) {
            double *row = f->a + (size_t)i * n;
            double m = row[k] * inverse;
            row[k] = m;
            for (int j = k + 1; j < n; j++)
                row[j] -= m * top[j];
        }
    }
    return 1;
}

static void solve(const factors *f, double *b)
{
    int n = f->n;
    for (int k = 0; k < n; k++) {
        double t = b[k];
        b[k] = b[f->pivot[k]];
        b[f->pivot[k]] = t;
    }
    for (int i = 1; i < n; i++) {
        double s = b[i];
        for (int j = 0; j < i; j++)
            s -= f->a[(size_t)i * n + j] * b[j];
        b[i] = s;
    }
    for (int i = n - 1; i >= 0; i--) {
        double s = b[i];
        for (int j = i + 1; j < n; j++)
            s -= f->a[(size_t)i * n + j] * b[j];
        b[i] = s / f->a[(size_t)i * n + i];
    }
}

/* Solve with the transpose; column access is turned into row updates. */
static void solve_transposed(const factors *f, double *b)
{
    int n = f->n;
    for (int i = 0; i < n; i++) {
        const double *row = f->a + (size_t)i * n;
        b[i] /= row[i];
        for (int j = i + 1; j < n; j++)
            b[j] -= row[j] * b[i];
    }
    for (int i = n - 1; i > 0; i--) {
        const double *row = f->a + (size_t)i * n;
        for (int j = 0; j < i; j++)
            b[j] -= row[j] * b[i];
    }
    for (int k = n - 1; k >= 0; k--) {
        double t = b[k];
        b[k] = b[f->pivot[k]];
        b[f->pivot[k]] = t;
    }
}

static void residual(const double *a, const double *x, const double *b, double *r, int n)
{
    for (int i = 0; i < n; i++) {
        double s = b[i];
        for (int j = 0; j < n; j++)
            s -= a[(size_t)i * n + j] * x[j];
        r[i] = s;
    }
}

static double norm(const double *x, int n)
{
    double top = 0.0;
    for (int i = 0; i < n; i++)
        top = fabs(x[i]) > top ? fabs(x[i]) : top;
    return top;
}

static double dot(const double *x, const double *y, int n)
{
    double s = 0.0;
    for (int i = 0; i < n; i++)
        s += x[i] * y[i];
    return s;
}

/* Product of the pivots as mantissa and power of two: no overflow. */
static double determinant(const factors *f, int *exponent)
{
    double m = f->swaps & 1 ? -1.0 : 1.0;
    *exponent = 0;
    for (int i = 0; i < f->n; i++) {
        m *= f->a[(size_t)i * f->n + i];
        while (fabs(m) >= 1.0) {
            m *= 0.5;
            ++*exponent;
        }
        while (fabs(m) < 0.5) {
            m *= 2.0;
            --*exponent;
        }
    }
    return m;
}

static int parse(const char *s, long low, long high, int *out)
{
    char *end;
    long v = strtol(s, &end, 10);
    *out = (int)v;
    return *s && !*end && v >= low && v <= high;
}

static int read_numbers(double *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (scanf("%lf", &x[i]) != 1)
            return 0;
    return 1;
}

static uint64_t mix(uint64_t h, const double *x, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 0x9e3779b97f4a7c15u;
        h ^= h >> 30;
    }
    return h;
}

int main(int argc, char **argv)
{
    int n, sides = 1, rounds = 1, from_input = argc == 2 && strcmp(argv[1], "-") == 0;
    if (!from_input && (argc != 4 || !parse(argv[1], 1, 2000, &n) || !parse(argv[2], 1, 1000, &sides) ||
                        !parse(argv[3], 1, 1000, &rounds))) {
        fprintf(stderr, "usage: lu ORDER SIDES ROUNDS  or  lu - <SYSTEM\n");
        return 2;
    }
    if (from_input && (scanf("%d", &n) != 1 || n < 1 || n > 2000)) {
        fprintf(stderr, "lu: bad order in input\n");
        return 1;
    }
    size_t size = (size_t)n * n;
    double *a = allocate(size), *b = allocate(n), *x = allocate(n), *r = allocate(n), *y = allocate(n);
    factors f = {n, allocate(size), calloc(n, sizeof(int)), 0};
    if (!f.pivot)
        return 1;
    if (from_input && (!read_numbers(a, size) || !read_numbers(b, n))) {
        fprintf(stderr, "lu: input ends early\n");
        return 1;
    }
    uint64_t hash = 0;
    int good = 1, exponent = 0;
    double mantissa = 0.0;
    for (int round = 0; round < rounds && good; round++) {
        for (size_t i = 0; i < size && !from_input; i++)
            a[i] = random_unit();
        memcpy(f.a, a, size * sizeof *a);
        if (!factor(&f)) {
            fprintf(stderr, "lu: singular matrix\n");
            return 1;
        }
        mantissa = determinant(&f, &exponent);
        for (int s = 0; s < sides; s++) {
            for (int i = 0; i < n && !from_input; i++)
                b[i] = random_unit();
            memcpy(x, b, n * sizeof *b);
            solve(&f, x);
            residual(a, x, b, r, n);
            solve(&f, r);                       /* refinement */
            for (int i = 0; i < n; i++)
                x[i] += r[i];
            residual(a, x, b, r, n);
            good &= norm(r, n) <= 1e-11 * (1.0 + norm(x, n)) * n;
            /* b.(A^-T c) must equal (A^-1 b).c */
            for (int i = 0; i < n; i++)
                r[i] = y[i] = random_unit();
            solve_transposed(&f, y);
            double left = dot(b, y, n), right = dot(x, r, n);
            good &= fabs(left - right) <= 1e-9 * (1.0 + norm(x, n) + norm(y, n)) * n;
            hash = mix(mix(hash, x, n), y, n);
        }
    }
    printf("determinant %.12f * 2^%d\n", mantissa, exponent);
    printf("first %.12g last %.12g\nsolutions %016llx\n", x[0], x[n - 1], (unsigned long long)hash);
    free(a), free(b), free(x), free(r), free(y), free(f.a), free(f.pivot);
    if (!good) {
        fprintf(stderr, "lu: a solution does not satisfy its system\n");
        return 1;
    }
    puts("ok");
    return 0;
}
