/* Dense matrix products in four forms: textbook loops, reordered loops,
 * transposed operand, and packed blocks with a small register kernel.
 *
 * All entries are small multiples of 1/8, so every sum is exact in double and
 * all forms must agree to the last bit whatever order they add in.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, UNIT_ROWS = 4, UNIT_COLS = 4 };

typedef struct {
    int rows, cols;
    double *at;
} matrix;

static uint32_t rng_state = 20240u;

static uint32_t next_random(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 17;
    rng_state ^= rng_state << 5;
    return rng_state;
}

static matrix create(int rows, int cols)
{
    matrix m = {rows, cols, calloc((size_t)rows * cols, sizeof(double))};
    if (!m.at) {
        fprintf(stderr, "matmul: out of memory\n");
        exit(1);
    }
    return m;
}

static void fill_random(matrix *m)
{
    for (size_t i = 0; i < (size_t)m->rows * m->cols; i++)
        m->at[i] = (double)((int)(next_random() % 129) - 64) * 0.125;
}

static void multiply_naive(const matrix *a, const matrix *b, matrix *c)
{
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < b->cols; j++) {
            double s = 0.0;
            for (int k = 0; k < a->cols; k++)
                s += a->at[(size_t)i * a->cols + k] * b->at[(size_t)k * b->cols + j];
            c->at[(size_t)i * c->cols + j] = s;
        }
}

static void multiply_reordered(const matrix *a, const matrix *b, matrix *c)
{
    memset(c->at, 0, (size_t)c->rows * c->cols * sizeof(double));
    for (int i = 0; i < a->rows; i++)
        for (int k = 0; k < a->cols; k++) {
            double v = a->at[(size_t)i * a->cols + k];
            const double *from = b->at + (size_t)k * b->cols;
            double *to = c->at + (size_t)i * c->cols;
            for (int j = 0; j < b->cols; j++)
                to[j] += v * from[j];
        }
}

static void transpose(const matrix *m, matrix *t)
{
    for (int i0 = 0; i0 < m->rows; i0 += 16)
        for (int j0 = 0; j0 < m->cols; j0 += 16)
            for (int i = i0; i < i0 + 16 && i < m->rows; i++)
                for (int j = j0; j < j0 + 16 && j < m->cols; j++)
                    t->at[(size_t)j * t->cols + i] = m->at[(size_t)i * m->cols + j];
}

static void multiply_transposed(const matrix *a, const matrix *bt, matrix *c)
{
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < bt->rows; j++) {
            const double *x = a->at + (size_t)i * a->cols, *y = bt->at + (size_t)j * bt->cols;
            double s0 = 0.0, s1 = 0.0;
            int k = 0;
            for (; k + 2 <= a->cols; k += 2) {
                s0 += x[k] * y[k];
                s1 += x[k + 1] * y[k + 1];
            }
            if (k < a->cols)
                s0 += x[k] * y[k];
            c->at[(size_t)i * c->cols + j] = s0 + s1;
        }
}

/* Copy a block into strips of UNIT rows (or columns), padded with zeros, so
 * that the kernel reads memory in order and needs no border cases. */
static void pack_rows(const matrix *a, int i0, int k0, int rows, int depth, double *out)
{
    for (int i = 0; i < rows; i += UNIT_ROWS)
        for (int k = 0; k < depth; k++)
            for (int u = 0; u < UNIT_ROWS; u++)
                *out++ = i + u < rows ? a->at[(size_t)(i0 + i + u) * a->cols + k0 + k] : 0.0;
}

static void pack_cols(const matrix *b, int k0, int j0, int depth, int cols, double *out)
{
    for (int j = 0; j < cols; j += UNIT_COLS)
        for (int k = 0; k < depth; k++)
            for (int u = 0; u < UNIT_COLS; u++)
                *out++ = j + u < cols ? b->at[(size_t)(k0 + k) * b->cols + j0 + j + u] : 0.0;
}

static void kernel(const double *a, const double *b, int depth, double sum[UNIT_ROWS][UNIT_COLS])
{
    double s[UNIT_ROWS][UNIT_COLS] = {{0}};
    for (int k = 0; k < depth; k++)
        for (int i = 0; i < UNIT_ROWS; i++)
            for (int j = 0; j < UNIT_COLS; j++)
                s[i][j] += a[k * UNIT_ROWS + i] * b[k * UNIT_COLS + j];
    memcpy(sum, s, sizeof s);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static void multiply_blocked(const matrix *a, const matrix *b, matrix *c)
{
    static double left[BLOCK * BLOCK], right[BLOCK * BLOCK];
    memset(c->at, 0, (size_t)c->rows * c->cols * sizeof(double));
    for (int j0 = 0; j0 < b->cols; j0 += BLOCK)
        for (int k0 = 0; k0 < a->cols; k0 += BLOCK) {
            int cols = smaller(BLOCK, b->cols - j0), depth = smaller(BLOCK, a->cols - k0);
            pack_cols(b, k0, j0, depth, cols, right);
            for (int i0 = 0; i0 < a->rows; i0 += BLOCK) {
                int rows = smaller(BLOCK, a->rows - i0);
                pack_rows(a, i0, k0, rows, depth, left);
                for (int i = 0; i < rows; i += UNIT_ROWS)
                    for (int j = 0; j < cols; j += UNIT_COLS) {
                        double sum[UNIT_ROWS][UNIT_COLS];
                        kernel(left + (size_t)i * depth, right + (size_t)j * depth, depth, sum);
                        for (int u = 0; u < smaller(UNIT_ROWS, rows - i); u++)
                            for (int v = 0; v < smaller(UNIT_COLS, cols - j); v++)
                                c->at[(size_t)(i0 + i + u) * c->cols + j0 + j + v] += sum[u][v];
                    }
            }
        }
}

/* Freivalds' test: a (b v) must equal c v for a random vector v. */
static int product_holds(const matrix *a, const matrix *b, const matrix *c)
{
    matrix v = create(b->cols, 1), bv = create(b->rows, 1);
    matrix left = create(a->rows, 1), right = create(a->rows, 1);
    for (int i = 0; i < v.rows; i++)
        v.at[i] = (double)(int)(next_random() % 17) - 8.0;
    multiply_naive(b, &v, &bv);
    multiply_naive(a, &bv, &left);
    multiply_naive(c, &v, &right);
    int same = memcmp(left.at, right.at, (size_t)a->rows * sizeof(double)) == 0;
    free(v.at), free(bv.at), free(left.at), free(right.at);
    return same;
}

static int equal(const matrix *a, const matrix *b)
{
    for (size_t i = 0; i < (size_t)a->rows * a->cols; i++)
        if (a->at[i] != b->at[i])
            return 0;
    return 1;
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
    int rows, inner, cols, rounds;
    if (argc != 5 || !parse(argv[1], 1, 2000, &rows) || !parse(argv[2], 1, 2000, &inner) ||
        !parse(argv[3], 1, 2000, &cols) || !parse(argv[4], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: matmul ROWS INNER COLUMNS ROUNDS\n");
        return 2;
    }
    matrix a = create(rows, inner), b = create(inner, cols), bt = create(cols, inner);
    matrix c[4];
    for (int i = 0; i < 4; i++)
        c[i] = create(rows, cols);
    int64_t trace = 0;
    uint64_t hash = 0;
    int good = 1;
    for (int r = 0; r < rounds; r++) {
        fill_random(&a);
        fill_random(&b);
        transpose(&b, &bt);
        multiply_naive(&a, &b, &c[0]);
        multiply_reordered(&a, &b, &c[1]);
        multiply_transposed(&a, &bt, &c[2]);
        multiply_blocked(&a, &b, &c[3]);
        good &= equal(&c[0], &c[1]) && equal(&c[0], &c[2]) && equal(&c[0], &c[3]);
        good &= product_holds(&a, &b, &c[3]);
        for (int i = 0; i < smaller(rows, cols); i++)
            trace += (int64_t)(c[3].at[(size_t)i * cols + i] * 64.0);
        for (size_t i = 0; i < (size_t)rows * cols; i++)
            hash = hash * 1000003u + (uint64_t)(int64_t)(c[r & 3].at[i] * 64.0);
    }
    printf("trace %lld/64\nproducts %016llx\n", (long long)trace, (unsigned long long)hash);
    free(a.at), free(b.at), free(bt.at);
    for (int i = 0; i < 4; i++)
        free(c[i].at);
    if (!good) {
        fprintf(stderr, "matmul: the products differ\n");
        return 1;
    }
    puts("ok");
    return 0;
}
