/* A small convolutional block on NCHW images:
 * 3x3 convolution, relu, depthwise 3x3 with stride, pointwise 1x1, relu,
 * 2x2 max pooling.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n, c, h, w;
    float *data;
} tensor;

static uint32_t rng_state = 99;

static float random_unit(void)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (float)(int32_t)(rng_state >> 12) * (1.0f / 524288.0f) - 1.0f;
}

static size_t count(const tensor *t)
{
    return (size_t)t->n * t->c * t->h * t->w;
}

static tensor create(int n, int c, int h, int w)
{
    tensor t = {n, c, h, w, NULL};
    t.data = calloc(count(&t), sizeof *t.data);
    if (!t.data) {
        fprintf(stderr, "convolution: out of memory\n");
        exit(1);
    }
    return t;
}

static tensor create_random(int n, int c, int h, int w, float scale)
{
    tensor t = create(n, c, h, w);
    for (size_t i = 0; i < count(&t); i++)
        t.data[i] = random_unit() * scale;
    return t;
}

static float *plane(const tensor *t, int n, int c)
{
    return t->data + ((size_t)n * t->c + c) * t->h * t->w;
}

/* Copy into a frame of zeros so that the 3x3 loops need no border tests. */
static void pad(const tensor *in, tensor *out)
{
    for (int n = 0; n < in->n; n++)
        for (int c = 0; c < in->c; c++)
            for (int y = 0; y < in->h; y++)
                memcpy(plane(out, n, c) + (size_t)(y + 1) * out->w + 1,
                       plane(in, n, c) + (size_t)y * in->w, (size_t)in->w * sizeof(float));
}

/* Weights are [out channels][in channels][3][3]; in is padded. */
static void conv3x3(const tensor *in, const tensor *weight, const float *bias, tensor *out)
{
    for (int n = 0; n < out->n; n++)
        for (int k = 0; k < out->c; k++) {
            float *to = plane(out, n, k);
            for (int i = 0; i < out->h * out->w; i++)
                to[i] = bias[k];
            for (int c = 0; c < in->c; c++) {
                const float *from = plane(in, n, c), *g = plane(weight, k, c);
                for (int y = 0; y < out->h; y++) {
                    const float *r0 = from + (size_t)y * in->w, *r1 = r0 + in->w, *r2 = r1 + in->w;
                    float *row = to + (size_t)y * out->w;
                    for (int x = 0; x < out->w; x++) {
                        float s = r0[x] * g[0] + r0[x + 1] * g[1] + r0[x + 2] * g[2];
                        s += r1[x] * g[3] + r1[x + 1] * g[4] + r1[x + 2] * g[5];
                        s += r2[x] * g[6] + r2[x + 1] * g[7] + r2[x + 2] * g[8];
                        row[x] += s;
                    }
                }
            }
        }
}

static void relu(tensor *t)
{
    size_t n = count(t);
    for (size_t i = 0; i < n; i++)
        t->data[i] = t->data[i] > 0.0f ? t->data[i] : 0.0f;
}

/* One 3x3 filter per channel; in is padded. */
static void depthwise3x3(const tensor *in, const tensor *weight, tensor *out, int stride)
{
    for (int n = 0; n < out->n; n++)
        for (int c = 0; c < out->c; c++) {
            const float *from = plane(in, n, c), *g = plane(weight, c, 0);
            float *to = plane(out, n, c);
            for (int y = 0; y < out->h; y++)
                for (int x = 0; x < out->w; x++) {
                    const float *p = from + (size_t)y * stride * in->w + (size_t)x * stride;
                    float s = 0.0f;
                    for (int i = 0; i < 3; i++)
                        for (int j = 0; j < 3; j++)
                            s += p[(size_t)i * in->w + j] * g[i * 3 + j];
                    to[(size_t)y * out->w + x] = s;
                }
        }
}

/* A 1x1 convolution mixes channels only: a matrix product over pixels. */
static void pointwise(const tensor *in, const tensor *weight, tensor *out)
{
    int pixels = in->h * in->w;
    for (int n = 0; n < out->n; n++)
        for (int k = 0; k < out->c; k++) {
            float *to = plane(out, n, k);
            memset(to, 0, (size_t)pixels * sizeof *to);
            for (int c = 0; c < in->c; c++) {
                const float *from = plane(in, n, c);
                float g = weight->data[(size_t)k * in->c + c];
                for (int i = 0; i < pixels; i++)
                    to[i] += g * from[i];
            }
        }
}

static float larger(float a, float b)
{
    return a > b ? a : b;
}

/* An odd last row or column is dropped. */
static void max_pool2x2(const tensor *in, tensor *out)
{
    for (int n = 0; n < out->n; n++)
        for (int c = 0; c < out->c; c++)
            for (int y = 0; y < out->h; y++) {
                const float *r0 = plane(in, n, c) + (size_t)2 * y * in->w, *r1 = r0 + in->w;
                float *to = plane(out, n, c) + (size_t)y * out->w;
                for (int x = 0; x < out->w; x++)
                    to[x] = larger(larger(r0[2 * x], r0[2 * x + 1]), larger(r1[2 * x], r1[2 * x + 1]));
            }
}

/* Slow reference with border tests, in double. */
static double filter_at(const tensor *in, const float *g, int n, int c, int y, int x)
{
    double s = 0.0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
            if (y + i >= 0 && y + i < in->h && x + j >= 0 && x + j < in->w)
                s += (double)plane(in, n, c)[(size_t)(y + i) * in->w + x + j] *
                     (double)g[(i + 1) * 3 + j + 1];
    return s;
}

static int close(double a, float b)
{
    return fabs(a - (double)b) < 1e-4;
}

static uint64_t hash_tensor(const tensor *t, uint64_t h)
{
    for (size_t i = 0; i < count(t); i++) {
        uint32_t bits;
        memcpy(&bits, &t->data[i], sizeof bits);
        h = (h ^ bits) * 0x9e3779b97f4a7c15u;
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
    int n, c, k, h, w, stride, rounds;
    if (argc != 8 || !parse(argv[1], 1, 64, &n) || !parse(argv[2], 1, 256, &c) ||
        !parse(argv[3], 1, 256, &k) || !parse(argv[4], 4, 1024, &h) || !parse(argv[5], 4, 1024, &w) ||
        !parse(argv[6], 1, 2, &stride) || !parse(argv[7], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: convolution IMAGES CHANNELS FILTERS HEIGHT WIDTH STRIDE ROUNDS\n");
        return 2;
    }
    int h2 = (h - 1) / stride + 1, w2 = (w - 1) / stride + 1;
    tensor in = create_random(n, c, h, w, 1.0f);
    tensor w1 = create_random(k, c, 3, 3, 1.0f / sqrtf((float)(9 * c)));
    tensor bias = create_random(1, k, 1, 1, 0.1f);
    tensor wd = create_random(k, 1, 3, 3, 0.5f);
    tensor wp = create_random(k, k, 1, 1, 1.5f / sqrtf((float)k));
    tensor in_pad = create(n, c, h + 2, w + 2), full = create(n, k, h, w);
    tensor full_pad = create(n, k, h + 2, w + 2), deep = create(n, k, h2, w2);
    tensor mixed = create(n, k, h2, w2), out = create(n, k, h2 / 2, w2 / 2);
    uint64_t hash = 0;
    int good = 1;

    for (int r = 0; r < rounds; r++) {
        pad(&in, &in_pad);
        conv3x3(&in_pad, &w1, bias.data, &full);
        relu(&full);
        pad(&full, &full_pad);
        depthwise3x3(&full_pad, &wd, &deep, stride);
        pointwise(&deep, &wp, &mixed);
        relu(&mixed);
        max_pool2x2(&mixed, &out);
        hash = hash_tensor(&out, hash);

        /* Recompute some positions of each layer, corners among them. */
        for (int s = 0; s < 16; s++) {
            int b = s % n, f = (s * 7 + r) % k;
            int y = s < 4 ? (s & 1) * (h - 1) : (s * 11 + r) % h;
            int x = s < 4 ? (s >> 1) * (w - 1) : (s * 5 + r) % w;
            double v = (double)bias.data[f];
            for (int i = 0; i < c; i++)
                v += filter_at(&in, plane(&w1, f, i), b, i, y, x);
            good &= close(v > 0.0 ? v : 0.0, plane(&full, b, f)[(size_t)y * w + x]);
            int yd = y / stride, xd = x / stride;
            v = filter_at(&full, plane(&wd, f, 0), b, f, yd * stride, xd * stride);
            good &= close(v, plane(&deep, b, f)[(size_t)yd * w2 + xd]);
            v = 0.0;
            for (int i = 0; i < k; i++)
                v += (double)wp.data[(size_t)f * k + i] * (double)plane(&deep, b, i)[(size_t)yd * w2 + xd];
            good &= close(v > 0.0 ? v : 0.0, plane(&mixed, b, f)[(size_t)yd * w2 + xd]);
            if (yd / 2 < out.h && xd / 2 < out.w)
                good &= plane(&out, b, f)[(size_t)(yd / 2) * out.w + xd / 2] >=
                        plane(&mixed, b, f)[(size_t)yd * w2 + xd];
        }
        /* Feed some of the result back, so that every round differs. */
        for (size_t i = 0; i < count(&in); i++)
            in.data[i] = 0.75f * in.data[i] + 0.25f * out.data[(i * 3 + (size_t)r) % count(&out)];
    }
    double sum = 0.0;
    for (size_t i = 0; i < count(&out); i++)
        sum += (double)out.data[i];
    printf("output %016llx\nmean %.9f\n", (unsigned long long)hash, sum / (double)count(&out));
    tensor *all[] = {&in, &w1, &bias, &wd, &wp, &in_pad, &full, &full_pad, &deep, &mixed, &out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->data);
    if (!good) {
        fprintf(stderr, "convolution: a layer differs from the direct computation\n");
        return 1;
    }
    puts("ok");
    return 0;
}
