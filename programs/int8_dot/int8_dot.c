/* Matrix-vector products in 8-bit integers, as quantised inference runs them:
 * int8 weights, uint8 activations with a zero point, 32-bit sums, and
 * requantisation by a fixed-point multiplier with rounding and clamping.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int inputs, outputs;
    int8_t *weight;          /* outputs x inputs */
    int32_t *bias;
    int32_t *row_sum;        /* sum of each weight row, for the zero point */
    int32_t *multiplier;     /* per-channel scale, 31 fractional bits */
    int *shift;              /* and a right shift */
    int32_t in_zero, out_zero;
} layer;

static uint64_t rng_state = 42;

static uint32_t next_random(void)
{
    rng_state += 0x9e3779b97f4a7c15u;
    uint64_t z = rng_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) {
        fprintf(stderr, "int8_dot: out of memory\n");
        exit(1);
    }
    return p;
}

static layer create_layer(int inputs, int outputs)
{
    layer l = {.inputs = inputs, .outputs = outputs};
    l.weight = allocate((size_t)inputs * outputs, 1);
    l.bias = allocate(outputs, sizeof *l.bias);
    l.row_sum = allocate(outputs, sizeof *l.row_sum);
    l.multiplier = allocate(outputs, sizeof *l.multiplier);
    l.shift = allocate(outputs, sizeof *l.shift);
    l.in_zero = 118 + (int32_t)(next_random() % 20);
    l.out_zero = 118 + (int32_t)(next_random() % 20);
    /* Sums grow like the square root of the length; each doubling of the
     * length costs half a bit of scale. */
    int shift = 5;
    for (int n = inputs; n >= 4; n /= 4)
        shift++;
    for (int o = 0; o < outputs; o++) {
        for (int i = 0; i < inputs; i++) {
            int32_t w = (int32_t)(next_random() % 255) - 127;
            l.weight[(size_t)o * inputs + i] = (int8_t)w;
            l.row_sum[o] += w;
        }
        l.bias[o] = (int32_t)(next_random() % 4001) - 2000;
        l.multiplier[o] = (int32_t)(0x40000000u + next_random() % 0x40000000u);
        l.shift[o] = shift;
    }
    return l;
}

static void destroy_layer(layer *l)
{
    free(l->weight), free(l->bias), free(l->row_sum), free(l->multiplier), free(l->shift);
}

/* The hot loop: signed times unsigned bytes into a 32-bit sum. */
static int32_t dot(const int8_t *w, const uint8_t *x, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += (int32_t)w[i] * (int32_t)x[i];
    return sum;
}

/* Four rows share each load of the vector. */
static void dot4(const int8_t *w, size_t stride, const uint8_t *x, int n, int32_t *out)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    const int8_t *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    for (int i = 0; i < n; i++) {
        int32_t v = x[i];
        a += w[i] * v;
        b += w1[i] * v;
        c += w2[i] * v;
        d += w3[i] * v;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

/* round(sum * multiplier / 2^(31 + shift)), halves away from zero. The shift
 * works on the magnitude: right shifts of negative values are not portable. */
static int32_t scale_down(int32_t sum, int32_t multiplier, int shift)
{
    int64_t product = (int64_t)sum * multiplier;
    uint64_t size = (uint64_t)(product < 0 ? -product : product);
    int bits = 31 + shift;
    int64_t rounded = (int64_t)((size + ((uint64_t)1 << (bits - 1))) >> bits);
    return (int32_t)(product < 0 ? -rounded : rounded);
}

static uint8_t clamp_byte(int32_t v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint8_t finish(const layer *l, int o, int32_t raw)
{
    int32_t sum = raw - l->in_zero * l->row_sum[o] + l->bias[o];
    return clamp_byte(scale_down(sum, l->multiplier[o], l->shift[o]) + l->out_zero);
}

static void forward(const layer *l, const uint8_t *x, uint8_t *y)
{
    size_t stride = (size_t)l->inputs;
    int o = 0;
    for (; o + 4 <= l->outputs; o += 4) {
        int32_t raw[4];
        dot4(l->weight + o * stride, stride, x, l->inputs, raw);
        for (int i = 0; i < 4; i++)
            y[o + i] = finish(l, o + i, raw[i]);
    }
    for (; o < l->outputs; o++)
        y[o] = finish(l, o, dot(l->weight + o * stride, x, l->inputs));
}

/* One output again: zero point subtracted per element, 64-bit sums, scaling
 * by division. */
static int agrees(const layer *l, const uint8_t *x, const uint8_t *y, int o)
{
    int64_t sum = l->bias[o];
    for (int i = l->inputs - 1; i >= 0; i--)
        sum += (int64_t)l->weight[(size_t)o * l->inputs + i] * ((int64_t)x[i] - l->in_zero);
    int64_t product = sum * l->multiplier[o], unit = (int64_t)1 << (31 + l->shift[o]);
    int64_t value = product / unit, rest = product % unit;
    if (rest >= unit / 2)
        value++;
    else if (rest <= -(unit / 2))
        value--;
    value += l->out_zero;
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    return value == y[o];
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
    int inputs, hidden, vectors;
    if (argc != 4 || !parse(argv[1], 1, 8192, &inputs) || !parse(argv[2], 1, 8192, &hidden) ||
        !parse(argv[3], 1, 100000, &vectors)) {
        fprintf(stderr, "usage: int8_dot INPUTS HIDDEN VECTORS\n");
        return 2;
    }
    layer up = create_layer(inputs, hidden), down = create_layer(hidden, inputs);
    down.in_zero = up.out_zero;
    uint8_t *x = allocate(inputs, 1), *mid = allocate(hidden, 1), *y = allocate(inputs, 1);
    uint32_t histogram[256] = {0};
    uint64_t hash = 0;
    int good = 1;
    for (int i = 0; i < inputs; i++)
        x[i] = (uint8_t)next_random();
    for (int v = 0; v < vectors; v++) {
        forward(&up, x, mid);
        forward(&down, mid, y);
        for (int s = 0; s < 3; s++) {
            good &= agrees(&up, x, mid, (int)(((unsigned)v * 13u + s * 101u) % (unsigned)hidden));
            good &= agrees(&down, mid, y, (int)(((unsigned)v * 17u + s * 59u) % (unsigned)inputs));
        }
        for (int i = 0; i < inputs; i++) {
            histogram[y[i]]++;
            hash = (hash ^ y[i]) * 1099511628211u;
            x[i] = (uint8_t)(y[i] + x[i] * 3 + v);      /* next vector */
        }
        for (int i = 0; i < hidden; i++)
            hash = (hash ^ mid[i]) * 1099511628211u;
    }
    uint64_t seen = 0;
    int used = 0;
    for (int i = 0; i < 256; i++) {
        seen += histogram[i];
        used += histogram[i] != 0;
    }
    good &= seen == (uint64_t)vectors * (uint64_t)inputs;
    printf("output %016llx\n", (unsigned long long)hash);
    printf("levels %d clamped low %u high %u\n", used, histogram[0], histogram[255]);
    destroy_layer(&up);
    destroy_layer(&down);
    free(x), free(mid), free(y);
    if (!good) {
        fprintf(stderr, "int8_dot: an output differs from the direct computation\n");
        return 1;
    }
    puts("ok");
    return 0;
}
