/* Feed-forward block of a transformer with a gated activation (SwiGLU):
 *     y = x + W_down (silu(W_gate norm(x)) * (W_up norm(x)))
 * Tokens pass through several such layers. Products run on column panels of
 * the weights, packed once.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 8 };

typedef struct {
    int rows, cols;      /* maps vectors of length rows to length cols */
    float *plain;        /* row-major, for the reference computation */
    float *packed;       /* panels of PANEL columns, padded with zeros */
} weights;

typedef struct {
    weights gate, up, down;
    float *scale;        /* of the normalisation */
} layer;

static uint64_t rng_state = 0x2545f4914f6cdd1du;

static float random_unit(void)
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    uint32_t top = (uint32_t)((rng_state * 0x2545f4914f6cdd1du) >> 40);
    return (float)(int32_t)top * (1.0f / 8388608.0f) - 1.0f;
}

static float *allocate(size_t count)
{
    float *p = calloc(count, sizeof *p);
    if (!p) {
        fprintf(stderr, "mlp: out of memory\n");
        exit(1);
    }
    return p;
}

static weights create_weights(int rows, int cols)
{
    int panels = (cols + PANEL - 1) / PANEL;
    weights w = {rows, cols, allocate((size_t)rows * cols), allocate((size_t)rows * panels * PANEL)};
    float scale = 1.6f / sqrtf((float)rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            float v = random_unit() * scale;
            w.plain[(size_t)i * cols + j] = v;
            w.packed[((size_t)(j / PANEL) * rows + i) * PANEL + j % PANEL] = v;
        }
    return w;
}

/* exp by powers of two and a polynomial; the argument is clamped. */
static float exp_clamped(float x)
{
    x = x > 80.0f ? 80.0f : x < -80.0f ? -80.0f : x;
    int n = (int)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    float r = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (1.66666667e-1f +
              r * (4.16666667e-2f + r * (8.33333333e-3f + r * 1.38888889e-3f)))));
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static float silu(float x)
{
    return x / (1.0f + exp_clamped(-x));
}

static void normalise(const float *x, const float *scale, float *out, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    float inverse = 1.0f / sqrtf(sum / (float)n + 1e-6f);
    for (int i = 0; i < n; i++)
        out[i] = x[i] * inverse * scale[i];
}

/* One row times one panel: PANEL sums in registers. */
static void row_times_panel(const float *x, const float *panel, int n, float *sum)
{
    float acc[PANEL] = {0};
    for (int i = 0; i < n; i++)
        for (int j = 0; j < PANEL; j++)
            acc[j] += x[i] * panel[(size_t)i * PANEL + j];
    memcpy(sum, acc, sizeof acc);
}

/* Gate and up share the input, so both products run in one pass. */
static void gated(const layer *l, const float *x, float *out)
{
    int rows = l->gate.rows, cols = l->gate.cols;
    for (int first = 0; first < cols; first += PANEL) {
        float g[PANEL], u[PANEL];
        row_times_panel(x, l->gate.packed + (size_t)first * rows, rows, g);
        row_times_panel(x, l->up.packed + (size_t)first * rows, rows, u);
        int width = cols - first < PANEL ? cols - first : PANEL;
        for (int j = 0; j < width; j++)
            out[first + j] = silu(g[j]) * u[j];
    }
}

static void project_add(const weights *w, const float *x, float *y)
{
    for (int first = 0; first < w->cols; first += PANEL) {
        float sum[PANEL];
        row_times_panel(x, w->packed + (size_t)first * w->rows, w->rows, sum);
        int width = w->cols - first < PANEL ? w->cols - first : PANEL;
        for (int j = 0; j < width; j++)
            y[first + j] += sum[j];
    }
}

static void forward(const layer *layers, int depth, float *x, int tokens, float *norm, float *mid)
{
    int dim = layers[0].gate.rows;
    for (int d = 0; d < depth; d++)
        for (int t = 0; t < tokens; t++) {
            float *row = x + (size_t)t * dim;
            normalise(row, layers[d].scale, norm, dim);
            gated(&layers[d], norm, mid);
            project_add(&layers[d].down, mid, row);
        }
}

static double dot_column(const weights *w, const double *x, int col)
{
    double s = 0.0;
    for (int i = w->rows - 1; i >= 0; i--)
        s += x[i] * (double)w->plain[(size_t)i * w->cols + col];
    return s;
}

/* The same layers for one token, in double, with the sigmoid computed as a
 * limit (1 + x/m)^m instead of the polynomial. */
static void reference(const layer *layers, int depth, double *x, double *norm, double *mid)
{
    int dim = layers[0].gate.rows, hidden = layers[0].gate.cols;
    for (int d = 0; d < depth; d++) {
        double sum = 0.0;
        for (int i = 0; i < dim; i++)
            sum += x[i] * x[i];
        for (int i = 0; i < dim; i++)
            norm[i] = x[i] / sqrt(sum / dim + 1e-6) * (double)layers[d].scale[i];
        for (int j = 0; j < hidden; j++) {
            double g = dot_column(&layers[d].gate, norm, j);
            double e = 1.0 + -g / 1073741824.0;
            for (int i = 0; i < 30; i++)
                e *= e;
            mid[j] = g / (1.0 + e) * dot_column(&layers[d].up, norm, j);
        }
        for (int i = 0; i < dim; i++)
            x[i] += dot_column(&layers[d].down, mid, i);
    }
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
    int tokens, dim, hidden, depth, rounds;
    if (argc != 6 || !parse(argv[1], 1, 4096, &tokens) || !parse(argv[2], 1, 1024, &dim) ||
        !parse(argv[3], 1, 4096, &hidden) || !parse(argv[4], 1, 16, &depth) ||
        !parse(argv[5], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: mlp TOKENS DIM HIDDEN LAYERS ROUNDS\n");
        return 2;
    }
    layer layers[16];
    for (int d = 0; d < depth; d++) {
        layers[d].gate = create_weights(dim, hidden);
        layers[d].up = create_weights(dim, hidden);
        layers[d].down = create_weights(hidden, dim);
        layers[d].scale = allocate(dim);
        for (int i = 0; i < dim; i++)
            layers[d].scale[i] = 1.0f + 0.25f * random_unit();
    }
    size_t size = (size_t)tokens * dim;
    float *x = allocate(size), *norm = allocate(dim), *mid = allocate(hidden);
    double *slow = calloc((size_t)2 * dim + hidden, sizeof *slow);
    if (!slow)
        return 1;
    uint64_t hash = 0;
    double worst = 0.0, total = 0.0;
    int good = 1;
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < size; i++)
            x[i] = random_unit();
        int probe = r % tokens;
        for (int i = 0; i < dim; i++)
            slow[i] = (double)x[(size_t)probe * dim + i];
        forward(layers, depth, x, tokens, norm, mid);
        if (r < 4) {
            reference(layers, depth, slow, slow + dim, slow + 2 * dim);
            for (int i = 0; i < dim; i++) {
                double off = fabs(slow[i] - (double)x[(size_t)probe * dim + i]);
                good &= off < 1e-3;
                worst = off > worst ? off : worst;
            }
        }
        for (size_t i = 0; i < size; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof bits);
            hash = (hash + bits) * 0xd6e8feb86659fd93u;
            hash ^= hash >> 31;
            total += (double)x[i];
        }
    }
    printf("output %016llx\nsum %.6f\n", (unsigned long long)hash, total);
    for (int d = 0; d < depth; d++) {
        weights *all[] = {&layers[d].gate, &layers[d].up, &layers[d].down};
        for (int i = 0; i < 3; i++)
            free(all[i]->plain), free(all[i]->packed);
        free(layers[d].scale);
    }
    free(x), free(norm), free(mid), free(slow);
    if (!good) {
        fprintf(stderr, "mlp: differs from the reference by %g\n", worst);
        return 1;
    }
    puts("ok");
    return 0;
}
