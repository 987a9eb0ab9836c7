/* A chain of grey image filters: binomial blur, median, histogram
 * equalisation, edge strength. The picture is generated or read from a plain
 * PGM file; the results are written as PGM files.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int width, height;
    uint8_t *pixel;
} image;

static image create(int width, int height)
{
    image m = {width, height, calloc((size_t)width * height, 1)};
    if (!m.pixel) {
        fprintf(stderr, "image_filter: out of memory\n");
        exit(1);
    }
    return m;
}

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* Pixels outside repeat the border. */
static int pixel_at(const image *m, int x, int y)
{
    return m->pixel[(size_t)clamp(y, 0, m->height - 1) * m->width + clamp(x, 0, m->width - 1)];
}

/* Tiles, rings and salt-and-pepper noise. */
static void generate(image *m, uint32_t seed)
{
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++) {
            int dx = x - m->width / 2, dy = y - m->height / 3;
            int v = 60 + ((x / 24 + y / 17) & 1) * 40 + x * 50 / m->width;
            if (((dx * dx + dy * dy) >> 9) & 2)
                v += 35;
            seed = seed * 1664525u + 1013904223u;
            v += (int)(seed >> 28);
            if ((seed >> 16 & 63) == 0)
                v = seed & 0x8000u ? 255 : 0;
            m->pixel[(size_t)y * m->width + x] = (uint8_t)clamp(v, 0, 255);
        }
}

static int read_pgm(const char *path, image *m)
{
    int w, h, top, v, ok = 0;
    char kind[3];
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%2s %d %d %d", kind, &w, &h, &top) == 4 && strcmp(kind, "P2") == 0 && w > 0 &&
        h > 0 && w <= 4096 && h <= 4096 && top == 255) {
        *m = create(w, h);
        ok = 1;
        for (int i = 0; ok && i < w * h; i++) {
            ok = fscanf(f, "%d", &v) == 1 && v >= 0 && v <= 255;
            if (ok)
                m->pixel[i] = (uint8_t)v;
        }
        if (!ok)
            free(m->pixel);
    }
    fclose(f);
    return ok;
}

static int write_pgm(const char *path, const image *m)
{
    size_t size = (size_t)m->width * m->height;
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    int ok = fprintf(f, "P5\n%d %d\n255\n", m->width, m->height) > 0 &&
             fwrite(m->pixel, 1, size, f) == size;
    return fclose(f) == 0 && ok;
}

/* One row with two repeated pixels at each end: no border tests later on. */
static void padded_row(const image *m, int y, uint8_t *row)
{
    const uint8_t *from = m->pixel + (size_t)clamp(y, 0, m->height - 1) * m->width;
    memcpy(row + 2, from, (size_t)m->width);
    row[0] = row[1] = from[0];
    row[m->width + 2] = row[m->width + 3] = from[m->width - 1];
}

/* Weights 1 4 6 4 1 in both directions; the middle rows hold sums of 16. */
static void blur(const image *in, image *out)
{
    int w = in->width;
    uint8_t *row = malloc((size_t)w + 4);
    uint16_t *sums = malloc(((size_t)in->height + 4) * w * sizeof *sums);
    if (!row || !sums)
        exit(1);
    for (int y = -2; y < in->height + 2; y++) {
        uint16_t *to = sums + (size_t)(y + 2) * w;
        padded_row(in, y, row);
        for (int x = 0; x < w; x++)
            to[x] = (uint16_t)(row[x] + 4 * row[x + 1] + 6 * row[x + 2] + 4 * row[x + 3] + row[x + 4]);
    }
    for (int y = 0; y < in->height; y++) {
        const uint16_t *s = sums + (size_t)y * w;
        for (int x = 0; x < w; x++) {
            int v = s[x] + 4 * s[x + w] + 6 * s[x + 2 * w] + 4 * s[x + 3 * w] + s[x + 4 * w];
            out->pixel[(size_t)y * w + x] = (uint8_t)((v + 128) >> 8);
        }
    }
    free(row), free(sums);
}

static void order(uint8_t *a, uint8_t *b)
{
    uint8_t low = *a < *b ? *a : *b, high = *a < *b ? *b : *a;
    *a = low;
    *b = high;
}

/* Sort the three columns, then the median of: largest low, middle middle,
 * smallest high. */
static uint8_t median_of_9(const uint8_t *r0, const uint8_t *r1, const uint8_t *r2)
{
    uint8_t c[3][3];
    for (int i = 0; i < 3; i++) {
        c[i][0] = r0[i];
        c[i][1] = r1[i];
        c[i][2] = r2[i];
        order(&c[i][0], &c[i][1]);
        order(&c[i][1], &c[i][2]);
        order(&c[i][0], &c[i][1]);
    }
    uint8_t low = c[0][0], mid[3] = {c[0][1], c[1][1], c[2][1]}, high = c[0][2];
    for (int i = 1; i < 3; i++) {
        low = c[i][0] > low ? c[i][0] : low;
        high = c[i][2] < high ? c[i][2] : high;
    }
    order(&mid[0], &mid[1]);
    order(&mid[1], &mid[2]);
    order(&mid[0], &mid[1]);
    order(&low, &mid[1]);
    order(&mid[1], &high);
    order(&low, &mid[1]);
    return mid[1];
}

static void median(const image *in, image *out)
{
    size_t stride = (size_t)in->width + 4;
    uint8_t *rows = malloc(3 * stride);
    if (!rows)
        exit(1);
    for (int y = 0; y < in->height; y++) {
        for (int i = 0; i < 3; i++)
            padded_row(in, y + i - 1, rows + i * stride);
        for (int x = 0; x < in->width; x++)
            out->pixel[(size_t)y * in->width + x] =
                median_of_9(rows + x + 1, rows + stride + x + 1, rows + 2 * stride + x + 1);
    }
    free(rows);
}

static void count_levels(const image *m, uint32_t *count)
{
    memset(count, 0, 256 * sizeof *count);
    for (size_t i = 0; i < (size_t)m->width * m->height; i++)
        count[m->pixel[i]]++;
}

static void equalise(const image *in, image *out)
{
    uint32_t count[256], below = 0, total = (uint32_t)(in->width * in->height), first = 0;
    uint8_t map[256];
    count_levels(in, count);
    while (count[first] == 0)
        first++;
    for (int i = 0; i < 256; i++) {
        below += count[i];
        uint64_t span = total - count[first];
        map[i] = span && below ? (uint8_t)((255 * (uint64_t)(below - count[first]) + span / 2) / span) : 0;
    }
    for (size_t i = 0; i < total; i++)
        out->pixel[i] = map[in->pixel[i]];
}

static int magnitude(int v)
{
    return v < 0 ? -v : v;
}

static void edges(const image *in, image *out)
{
    size_t stride = (size_t)in->width + 4;
    uint8_t *rows = malloc(3 * stride);
    if (!rows)
        exit(1);
    for (int y = 0; y < in->height; y++) {
        for (int i = 0; i < 3; i++)
            padded_row(in, y + i - 1, rows + i * stride);
        const uint8_t *a = rows + 1, *b = a + stride, *c = b + stride;
        for (int x = 0; x < in->width; x++) {
            int dx = a[x + 2] - a[x] + 2 * (b[x + 2] - b[x]) + c[x + 2] - c[x];
            int dy = c[x] - a[x] + 2 * (c[x + 1] - a[x + 1]) + c[x + 2] - a[x + 2];
            int v = (magnitude(dx) + magnitude(dy)) / 4;
            out->pixel[(size_t)y * in->width + x] = (uint8_t)(v > 255 ? 255 : v);
        }
    }
    free(rows);
}

/* Recompute one pixel of blur, median and edges the slow way. */
static int pixel_agrees(const image *in, const image *blurred, const image *med, const image *edge, int x,
                        int y)
{
    static const int weight[5] = {1, 4, 6, 4, 1};
    int sum = 128, dx = 0, dy = 0, value = pixel_at(med, x, y), less = 0, more = 0;
    for (int i = -2; i <= 2; i++)
        for (int j = -2; j <= 2; j++)
            sum += weight[i + 2] * weight[j + 2] * pixel_at(in, x + j, y + i);
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            int p = pixel_at(blurred, x + j, y + i), q = pixel_at(med, x + j, y + i);
            less += p < value;
            more += p > value;
            dx += j * (2 - i * i) * q;
            dy += i * (2 - j * j) * q;
        }
    return pixel_at(blurred, x, y) == sum / 256 && less <= 4 && more <= 4 &&
           pixel_at(edge, x, y) == clamp((magnitude(dx) + magnitude(dy)) / 4, 0, 255);
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
    int w, h, rounds;
    image in;
    if (argc == 5 && strcmp(argv[1], "generate") == 0 && parse(argv[2], 1, 4096, &w) &&
        parse(argv[3], 1, 4096, &h) && parse(argv[4], 1, 1000, &rounds)) {
        in = create(w, h);
        generate(&in, 1);
    } else if (argc == 4 && strcmp(argv[1], "file") == 0 && parse(argv[3], 1, 1000, &rounds)) {
        if (!read_pgm(argv[2], &in)) {
            fprintf(stderr, "image_filter: cannot read %s\n", argv[2]);
            return 1;
        }
        w = in.width, h = in.height;
    } else {
        fprintf(stderr, "usage: image_filter generate WIDTH HEIGHT ROUNDS  or  file PGM ROUNDS\n");
        return 2;
    }
    size_t size = (size_t)w * h;
    image blurred = create(w, h), med = create(w, h), edge = create(w, h), equal = create(w, h);
    uint64_t hash = 0xcbf29ce484222325u, sum = 0;
    int good = 1;
    for (int r = 0; r < rounds; r++) {
        blur(&in, &blurred);
        median(&blurred, &med);
        edges(&med, &edge);
        equalise(&med, &equal);
        for (int s = 0; s < 200; s++)
            good &= pixel_agrees(&in, &blurred, &med, &edge, (s * 37 + r) % w, (s * 61 + r * 3) % h);
        uint32_t before[256], after[256], merged = 0;
        count_levels(&med, before);
        count_levels(&equal, after);
        for (int i = 0; i < 256; i++) {
            merged += after[i];
            sum += (uint64_t)i * after[i] + before[i] * (uint64_t)(255 - i);
        }
        good &= merged == size;
        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ edge.pixel[i] ^ (uint64_t)equal.pixel[i] << 8) * 0x100000001b3u;
            /* The next picture mixes the results into the current one. */
            in.pixel[i] = (uint8_t)((in.pixel[i] + 2 * equal.pixel[i] + edge.pixel[i]) / 4 + (i + r) % 3);
        }
    }
    good &= write_pgm("edges.pgm", &edge) && write_pgm("equalised.pgm", &equal);
    printf("size %dx%d level sum %llu\npixels %016llx\n", w, h, (unsigned long long)sum,
           (unsigned long long)hash);
    free(in.pixel), free(blurred.pixel), free(med.pixel), free(edge.pixel), free(equal.pixel);
    if (!good) {
        fprintf(stderr, "image_filter: a filter differs from the direct computation\n");
        return 1;
    }
    puts("ok");
    return 0;
}
