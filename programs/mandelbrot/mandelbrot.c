/* Escape-time fractals: the Mandelbrot set in double and in fixed point, and a
 * Julia set. Cheap tests skip most of the inside; a slow loop without them
 * confirms samples, and symmetries of the sets confirm whole pictures.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRACTION = 28, LEVELS = 16 };

static int *allocate(size_t count)
{
    int *p = calloc(count, sizeof *p);
    if (!p) {
        fprintf(stderr, "mandelbrot: out of memory\n");
        exit(1);
    }
    return p;
}

/* Points of the main heart shape and of the disk left of it never escape. */
static int surely_inside(double cr, double ci)
{
    double x = cr - 0.25, q = x * x + ci * ci;
    if (q * (q + x) < 0.249999 * ci * ci)
        return 1;
    return (cr + 1.0) * (cr + 1.0) + ci * ci < 0.06249;
}

/* Iterations until |z| > 2, or limit. A value that comes back exactly means a
 * cycle, so the point stays forever; the reference is renewed at powers of 2. */
static int escape(double zr, double zi, double cr, double ci, int limit)
{
    double oldr = zr, oldi = zi, r2 = zr * zr, i2 = zi * zi;
    int renew = 8;
    for (int i = 0; i < limit; i++) {
        if (r2 + i2 > 4.0)
            return i;
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
        r2 = zr * zr;
        i2 = zi * zi;
        if (zr == oldr && zi == oldi)
            return limit;
        if (i == renew) {
            renew *= 2;
            oldr = zr;
            oldi = zi;
        }
    }
    return limit;
}

static int escape_slow(double zr, double zi, double cr, double ci, int limit)
{
    int i = 0;
    for (; i < limit && !(zr * zr + zi * zi > 4.0); i++) {
        double next = zr * zr - zi * zi + cr;
        zi = 2.0 * zr * zi + ci;
        zr = next;
    }
    return i;
}

/* Pixel centres lie symmetric to the axis, so row y and row h-1-y mirror each
 * other to the last bit. */
static double centre(int at, int count, double width)
{
    return (double)(2 * at + 1 - count) * (0.5 * width / count);
}

static void mandelbrot(int *out, int w, int h, int limit)
{
    for (int y = 0; y < h; y++) {
        double ci = centre(y, h, 2.5);
        for (int x = 0; x < w; x++) {
            double cr = centre(x, w, 3.0) - 0.6;
            out[(size_t)y * w + x] = surely_inside(cr, ci) ? limit : escape(0.0, 0.0, cr, ci, limit);
        }
    }
}

/* Products need 64 bits; division instead of a shift keeps negative values
 * portable and rounds toward zero, which respects the symmetry. */
static int32_t times(int32_t a, int32_t b)
{
    return (int32_t)((int64_t)a * b / (1 << FRACTION));
}

static int escape_fixed(int32_t cr, int32_t ci, int limit)
{
    int32_t zr = 0, zi = 0;
    for (int i = 0; i < limit; i++) {
        int32_t r2 = times(zr, zr), i2 = times(zi, zi);
        if ((int64_t)r2 + i2 > (int64_t)4 << FRACTION)
            return i;
        int32_t cross = times(zr, zi);
        /* |z| <= 2 here, so each part stays below 8 and fits. */
        zr = r2 - i2 + cr;
        zi = 2 * cross + ci;
        if (zr > 2 << FRACTION || zr < -(2 << FRACTION) || zi > 2 << FRACTION || zi < -(2 << FRACTION))
            return i + 1;
    }
    return limit;
}

static void mandelbrot_fixed(int *out, int w, int h, int limit)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double unit = (double)(1 << FRACTION);
            int32_t ci = (int32_t)(centre(y, h, 2.5) * unit);
            int32_t cr = (int32_t)((centre(x, w, 3.0) - 0.6) * unit);
            out[(size_t)y * w + x] = escape_fixed(cr, ci, limit);
        }
}

static void julia(int *out, int w, int h, double cr, double ci, int limit)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            out[(size_t)y * w + x] = escape(centre(x, w, 3.2), centre(y, h, 2.4), cr, ci, limit);
}

/* Mirrored at the real axis (Mandelbrot) or turned by 180 degrees (Julia). */
static int symmetric(const int *a, int w, int h, int turn)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int mx = turn ? w - 1 - x : x;
            if (a[(size_t)y * w + x] != a[(size_t)(h - 1 - y) * w + mx])
                return 0;
        }
    return 1;
}

static uint64_t mix(uint64_t h, const int *a, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        h = (h ^ (uint64_t)a[i]) * 0x100000001b3u;
        h ^= h >> 33;
    }
    return h;
}

/* How many pixels need that many iterations, on a logarithmic scale. */
static void histogram(const int *a, size_t count, int limit, int *level)
{
    for (size_t i = 0; i < count; i++) {
        int bin = 0;
        for (int v = a[i]; v > 1 && bin < LEVELS - 2; v >>= 1)
            bin++;
        level[a[i] == limit ? LEVELS - 1 : bin]++;
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
    int w, h, limit, frames;
    if (argc != 5 || !parse(argv[1], 1, 4096, &w) || !parse(argv[2], 1, 4096, &h) ||
        !parse(argv[3], 1, 100000, &limit) || !parse(argv[4], 1, 1000, &frames)) {
        fprintf(stderr, "usage: mandelbrot WIDTH HEIGHT LIMIT JULIA_FRAMES\n");
        return 2;
    }
    size_t count = (size_t)w * h;
    int *a = allocate(count), *b = allocate(count), level[LEVELS] = {0}, good = 1;

    mandelbrot(a, w, h, limit);
    good &= symmetric(a, w, h, 0);
    histogram(a, count, limit, level);
    for (int s = 0; s < 300; s++) {
        int x = (int)((s * 7919u + 13u) % (unsigned)w), y = (int)((s * 104729u + 7u) % (unsigned)h);
        good &= escape_slow(0.0, 0.0, centre(x, w, 3.0) - 0.6, centre(y, h, 2.5), limit) ==
                a[(size_t)y * w + x];
    }
    printf("mandelbrot %016llx inside %d\n", (unsigned long long)mix(1, a, count), level[LEVELS - 1]);
    /* The area is near 1.5066; coarse pictures are allowed to be off. */
    double area = (double)level[LEVELS - 1] / (double)count * 7.5;
    if (w >= 200 && h >= 200 && limit >= 200)
        good &= area > 1.48 && area < 1.56;

    int fixed_limit = limit < 200 ? limit : 200, near = 0;
    mandelbrot_fixed(b, w, h, fixed_limit);
    good &= symmetric(b, w, h, 0);
    for (size_t i = 0; i < count; i++) {
        int expect = a[i] < fixed_limit ? a[i] : fixed_limit;
        near += expect >= b[i] - 1 && expect <= b[i] + 1;
    }
    good &= (int64_t)near * 100 >= (int64_t)count * 98;
    printf("fixed point %016llx agreeing %d of %d\n", (unsigned long long)mix(2, b, count), near, (int)count);

    uint64_t hash = 3;
    for (int f = 0; f < frames; f++) {
        double cr = -0.8 + 0.01 * f, ci = 0.156 + 0.003 * f;
        julia(b, w, h, cr, ci, limit);
        good &= symmetric(b, w, h, 1);
        histogram(b, count, limit, level);
        for (int s = 0; s < 30; s++) {
            int x = (int)((s * 31u + 5u * (unsigned)f) % (unsigned)w), y = (int)(s * 17u % (unsigned)h);
            good &= escape_slow(centre(x, w, 3.2), centre(y, h, 2.4), cr, ci, limit) == b[(size_t)y * w + x];
        }
        hash = mix(hash, b, count);
    }
    printf("julia %016llx levels", (unsigned long long)hash);
    int64_t seen = 0;
    for (int i = 0; i < LEVELS; i++) {
        printf(" %d", level[i]);
        seen += level[i];
    }
    printf("\n");
    good &= seen == (int64_t)count * (frames + 1);
    free(a);
    free(b);
    if (!good) {
        fprintf(stderr, "mandelbrot: a picture is not symmetric or differs from the slow loop\n");
        return 1;
    }
    puts("ok");
    return 0;
}
