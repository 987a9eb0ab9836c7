/* Row-wise reductions of a transformer: layer normalisation, RMS
 * normalisation and softmax (plain, with a running maximum, and as log
 * probabilities), chained over a matrix of activations.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    double mean, variance, rms, sum, streaming, logarithm, chosen;
} deviations;

static uint32_t rng_state = 7;

static float random_unit(void)
{
    rng_state = rng_state * 747796405u + 2891336453u;
    uint32_t w = ((rng_state >> ((rng_state >> 28) + 4)) ^ rng_state) * 277803737u;
    w ^= w >> 22;
    return (float)(int32_t)(w >> 8) * (1.0f / 8388608.0f) - 1.0f;
}

static float *allocate(size_t count)
{
    float *p = calloc(count, sizeof *p);
    if (!p) {
        fprintf(stderr, "norm_softmax: out of memory\n");
        exit(1);
    }
    return p;
}

static float power_of_two(int n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Arguments are never above zero here; tiny results become zero. */
static float exp_negative(float x)
{
    float inside = x < -85.0f ? -85.0f : x;
    int n = (int)(inside * 1.44269504f - 0.5f);
    float r = (inside - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = (p * r + 1.0f) * r + 1.0f;
    return x < -85.0f ? 0.0f : p * power_of_two(n);
}

/* Natural logarithm for x >= 1: ln(2^n m) with an atanh series for m. */
static float log_positive(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 23) - 127;
    float m = x * power_of_two(-n);
    if (m > 1.41421356f) {
        m *= 0.5f;
        n++;
    }
    float z = (m - 1.0f) / (m + 1.0f), q = z * z;
    float s = 1.0f + q * (1.0f / 3.0f + q * (0.2f + q * (1.0f / 7.0f + q * (1.0f / 9.0f))));
    return 2.0f * z * s + (float)n * 0.69314718f;
}

static void layer_norm(float *x, const float *gain, const float *shift, int n)
{
    float sum = 0.0f, squares = 0.0f;
    for (int i = 0; i < n; i++)
        sum += x[i];
    float mean = sum / (float)n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    float inverse = 1.0f / sqrtf(squares / (float)n + 1e-12f);
    for (int i = 0; i < n; i++)
        x[i] = (x[i] - mean) * inverse * gain[i] + shift[i];
}

static void rms_norm(float *x, const float *gain, int n)
{
    /* Four partial sums: shorter dependency chain, fixed order. */
    float s[4] = {0};
    int i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            s[j] += x[i + j] * x[i + j];
    for (; i < n; i++)
        s[0] += x[i] * x[i];
    float mean = ((s[0] + s[1]) + (s[2] + s[3])) / (float)n;
    float inverse = 1.0f / sqrtf(mean + 1e-12f);
    for (i = 0; i < n; i++)
        x[i] *= inverse * gain[i];
}

static float row_max(const float *x, int n)
{
    float top = x[0];
    for (int i = 1; i < n; i++)
        if (x[i] > top)
            top = x[i];
    return top;
}

static void softmax(const float *x, float *out, int n, float temperature)
{
    float top = row_max(x, n), sum = 0.0f;
    for (int i = 0; i < n; i++) {
        out[i] = exp_negative((x[i] - top) * temperature);
        sum += out[i];
    }
    for (int i = 0; i < n; i++)
        out[i] /= sum;
}

/* One pass for maximum and sum together, as kernels on streams do it. */
static void softmax_streaming(const float *x, float *out, int n, float temperature)
{
    float top = x[0], sum = 1.0f;
    for (int i = 1; i < n; i++) {
        if (x[i] > top) {
            sum = sum * exp_negative((top - x[i]) * temperature) + 1.0f;
            top = x[i];
        } else {
            sum += exp_negative((x[i] - top) * temperature);
        }
    }
    float inverse = 1.0f / sum;
    for (int i = 0; i < n; i++)
        out[i] = exp_negative((x[i] - top) * temperature) * inverse;
}

static void log_softmax(const float *x, float *out, int n, float temperature)
{
    float top = row_max(x, n), sum = 0.0f;
    for (int i = 0; i < n; i++)
        sum += exp_negative((x[i] - top) * temperature);
    float shift = log_positive(sum);
    for (int i = 0; i < n; i++)
        out[i] = (x[i] - top) * temperature - shift;
}

static int arg_max(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static void note(double *worst, double value)
{
    if (!(fabs(value) <= *worst))
        *worst = fabs(value);
}

static uint64_t hash_row(const float *x, int n, uint64_t h)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 1099511628211u;
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
    int rows, n, rounds;
    if (argc != 4 || !parse(argv[1], 1, 65536, &rows) || !parse(argv[2], 2, 65536, &n) ||
        !parse(argv[3], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: norm_softmax ROWS COLUMNS ROUNDS\n");
        return 2;
    }
    float *m = allocate((size_t)rows * n), *gain = allocate(n), *shift = allocate(n);
    float *unit = allocate(n), *zero = allocate(n);
    float *p = allocate(n), *q = allocate(n), *l = allocate(n);
    for (size_t i = 0; i < (size_t)rows * n; i++)
        m[i] = random_unit() * 3.0f;
    for (int i = 0; i < n; i++) {
        gain[i] = 1.0f + 0.5f * random_unit();
        shift[i] = 0.3f * random_unit();
        unit[i] = 1.0f;
    }
    deviations d = {0};
    uint64_t hash = 14695981039346656037u, choices = 0;
    for (int r = 0; r < rounds; r++)
        for (int t = 0; t < rows; t++) {
            float *x = m + (size_t)t * n;
            layer_norm(x, unit, zero, n);
            double sum = 0.0, squares = 0.0;
            for (int i = 0; i < n; i++) {
                sum += (double)x[i];
                squares += (double)x[i] * (double)x[i];
            }
            note(&d.mean, sum / n);
            note(&d.variance, squares / n - 1.0);
            layer_norm(x, gain, shift, n);
            rms_norm(x, unit, n);
            squares = 0.0;
            for (int i = 0; i < n; i++)
                squares += (double)x[i] * (double)x[i];
            note(&d.rms, squares / n - 1.0);
            rms_norm(x, gain, n);

            float temperature = 1.0f + 0.125f * (float)((t + r) % 17);
            softmax(x, p, n, temperature);
            softmax_streaming(x, q, n, temperature);
            log_softmax(x, l, n, temperature);
            sum = 0.0;
            for (int i = 0; i < n; i++) {
                sum += (double)p[i];
                note(&d.streaming, (double)p[i] - (double)q[i]);
                note(&d.logarithm, (double)exp_negative(l[i] < 0.0f ? l[i] : 0.0f) - (double)p[i]);
            }
            note(&d.sum, sum - 1.0);
            int best = arg_max(x, n);
            note(&d.chosen, (double)(p[arg_max(p, n)] - p[best]));
            choices = choices * 31 + (uint64_t)best;
            hash = hash_row(p, n, hash);
            hash = hash_row(q, n, hash);
            hash = hash_row(l, n, hash);
            for (int i = 0; i < n; i++)     /* the next round starts from here */
                x[i] += 4.0f * p[i] - 0.25f * random_unit();
        }
    printf("probabilities %016llx\n", (unsigned long long)hash);
    printf("choices %016llx\n", (unsigned long long)choices);
    free(m), free(gain), free(shift), free(unit), free(zero), free(p), free(q), free(l);
    if (!(d.mean < 1e-5 && d.variance < 1e-4 && d.rms < 1e-4 && d.sum < 1e-4 &&
          d.streaming < 1e-5 && d.logarithm < 1e-5 && d.chosen < 1e-6)) {
        fprintf(stderr, "norm_softmax: check failed: %g %g %g %g %g %g %g\n", d.mean, d.variance,
                d.rms, d.sum, d.streaming, d.logarithm, d.chosen);
        return 1;
    }
    puts("ok");
    return 0;
}
