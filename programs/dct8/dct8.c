/* Integer 8x8 cosine transform of image blocks, as still image codecs use it:
 * forward transform, quantisation, zigzag run lengths, and the way back.
 *
 * The fast one-dimensional transform splits even and odd parts. It uses the
 * same integer constants as the plain matrix product, so both agree exactly.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 8, CELLS = 64, FRACTION = 12 };

/* round(4096 * cos(k pi / 16) / 2), row 0 scaled by 1/sqrt(2). */
static const int32_t half_cosine[8] = {1448, 2009, 1892, 1703, 1448, 1138, 784, 400};

/* Coarser steps for higher frequencies. */
static int quant_step(int row, int col, int quality)
{
    int base = 6 + 3 * (row + col) + (row * col) / 2;
    int step = base * (101 - quality) / 50;
    return step < 1 ? 1 : step;
}

static int32_t matrix_entry(int k, int i)
{
    /* cos((2i + 1) k pi / 16): reduce the angle to the first quadrant. */
    int a = (2 * i + 1) * k % 32, sign = 1;
    if (k == 0)
        return half_cosine[0];
    if (a > 16)
        a = 32 - a;
    if (a > 8) {
        a = 16 - a;
        sign = -1;
    }
    return a == 8 ? 0 : a == 0 ? sign * 2048 : sign * half_cosine[a];
}

/* Out: unscaled sums with FRACTION more bits. */
static void forward_8(const int32_t *x, int stride, int32_t *y)
{
    const int32_t *c = half_cosine;
    int32_t s[4], d[4];
    for (int i = 0; i < 4; i++) {
        s[i] = x[i * stride] + x[(7 - i) * stride];
        d[i] = x[i * stride] - x[(7 - i) * stride];
    }
    int32_t e0 = s[0] + s[3], e1 = s[1] + s[2], o0 = s[0] - s[3], o1 = s[1] - s[2];
    y[0] = c[4] * (e0 + e1);
    y[4] = c[4] * (e0 - e1);
    y[2] = c[2] * o0 + c[6] * o1;
    y[6] = c[6] * o0 - c[2] * o1;
    y[1] = c[1] * d[0] + c[3] * d[1] + c[5] * d[2] + c[7] * d[3];
    y[3] = c[3] * d[0] - c[7] * d[1] - c[1] * d[2] - c[5] * d[3];
    y[5] = c[5] * d[0] - c[1] * d[1] + c[7] * d[2] + c[3] * d[3];
    y[7] = c[7] * d[0] - c[5] * d[1] + c[3] * d[2] - c[1] * d[3];
}

static void inverse_8(const int32_t *x, int32_t *y)
{
    const int32_t *c = half_cosine;
    int32_t e0 = c[4] * (x[0] + x[4]), e1 = c[4] * (x[0] - x[4]);
    int32_t o0 = c[2] * x[2] + c[6] * x[6], o1 = c[6] * x[2] - c[2] * x[6];
    int32_t s[4] = {e0 + o0, e1 + o1, e1 - o1, e0 - o0}, d[4];
    d[0] = c[1] * x[1] + c[3] * x[3] + c[5] * x[5] + c[7] * x[7];
    d[1] = c[3] * x[1] - c[7] * x[3] - c[1] * x[5] - c[5] * x[7];
    d[2] = c[5] * x[1] - c[1] * x[3] + c[7] * x[5] + c[3] * x[7];
    d[3] = c[7] * x[1] - c[5] * x[3] + c[3] * x[5] - c[1] * x[7];
    for (int i = 0; i < 4; i++) {
        y[i] = s[i] + d[i];
        y[7 - i] = s[i] - d[i];
    }
}

/* Division by a power of two, halves away from zero, for either sign. */
static int32_t round_down(int32_t v, int bits)
{
    int32_t half = 1 << (bits - 1);
    return (v >= 0 ? v + half : v - half) / (1 << bits);
}

/* Keep two extra bits between the passes. */
static void forward_block(const int32_t *in, int32_t *out)
{
    int32_t mid[CELLS], line[SIDE];
    for (int r = 0; r < SIDE; r++) {
        forward_8(in + r * SIDE, 1, line);
        for (int k = 0; k < SIDE; k++)
            mid[r * SIDE + k] = round_down(line[k], FRACTION - 2);
    }
    for (int k = 0; k < SIDE; k++) {
        forward_8(mid + k, SIDE, line);
        for (int r = 0; r < SIDE; r++)
            out[r * SIDE + k] = round_down(line[r], FRACTION + 2);
    }
}

static void inverse_block(const int32_t *in, int32_t *out)
{
    int32_t mid[CELLS], column[SIDE], line[SIDE];
    for (int k = 0; k < SIDE; k++) {
        for (int r = 0; r < SIDE; r++)
            column[r] = in[r * SIDE + k];
        inverse_8(column, line);
        for (int r = 0; r < SIDE; r++)
            mid[r * SIDE + k] = round_down(line[r], FRACTION - 2);
    }
    for (int r = 0; r < SIDE; r++) {
        inverse_8(mid + r * SIDE, line);
        for (int k = 0; k < SIDE; k++)
            out[r * SIDE + k] = round_down(line[k], FRACTION + 2);
    }
}

/* The same transform by plain matrix products; returns 1 when out agrees. */
static int forward_agrees(const int32_t *in, const int32_t *out)
{
    int32_t mid[CELLS];
    for (int r = 0; r < SIDE; r++)
        for (int k = 0; k < SIDE; k++) {
            int32_t sum = 0;
            for (int i = 0; i < SIDE; i++)
                sum += matrix_entry(k, i) * in[r * SIDE + i];
            mid[r * SIDE + k] = round_down(sum, FRACTION - 2);
        }
    for (int r = 0; r < SIDE; r++)
        for (int k = 0; k < SIDE; k++) {
            int32_t sum = 0;
            for (int i = 0; i < SIDE; i++)
                sum += matrix_entry(r, i) * mid[i * SIDE + k];
            if (out[r * SIDE + k] != round_down(sum, FRACTION + 2))
                return 0;
        }
    return 1;
}

static void build_zigzag(int *order)
{
    int at = 0;
    for (int s = 0; s < 2 * SIDE - 1; s++)
        for (int i = 0; i <= s; i++) {
            int row = s & 1 ? i : s - i, col = s - row;
            if (row < SIDE && col < SIDE)
                order[at++] = row * SIDE + col;
        }
}

static int bit_length(int32_t v)
{
    uint32_t size = (uint32_t)(v < 0 ? -v : v);
    int bits = 0;
    for (; size; size >>= 1)
        bits++;
    return bits;
}

/* Quantise in place and return the bits a run-length code would need. */
static int quantise(int32_t *block, const int *step, const int *order, uint64_t *hash)
{
    int run = 0, bits = 0;
    for (int i = 0; i < CELLS; i++) {
        int at = order[i], q = step[at];
        int32_t v = block[at];
        int32_t level = (v >= 0 ? v + q / 2 : v - q / 2) / q;
        block[at] = level;
        if (level == 0) {
            run++;
            continue;
        }
        bits += 8 + bit_length(level) + 8 * (run / 16);
        *hash = (*hash ^ (uint64_t)(int64_t)(level * 64 + run)) * 0x100000001b3u;
        run = 0;
    }
    return bits + 4;    /* end of block */
}

/* Gradients, disks and a little noise. */
static void draw(uint8_t *image, int width, int height)
{
    uint32_t rng = 1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int dx = x - width / 3, dy = y - height / 2, v = (x * 90 / width) + (y * 60 / height);
            if (dx * dx + dy * dy < width * height / 12)
                v += 70 + dx * 20 / width;
            if (((x / 13) ^ (y / 29)) & 4)
                v += 20;
            rng = rng * 1664525u + 1013904223u;
            image[(size_t)y * width + x] = (uint8_t)(v + (int)(rng >> 29));
        }
}

static void load(const uint8_t *image, int width, int x, int y, int32_t *block)
{
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++)
            block[r * SIDE + c] = (int32_t)image[(size_t)(y + r) * width + x + c] - 128;
}

/* Stores the block and returns the sum of squared changes. */
static int64_t store(uint8_t *image, int width, int x, int y, const int32_t *block)
{
    int64_t error = 0;
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            uint8_t *p = &image[(size_t)(y + r) * width + x + c];
            int32_t v = block[r * SIDE + c] + 128;
            v = v < 0 ? 0 : v > 255 ? 255 : v;
            error += (int64_t)(v - *p) * (v - *p);
            *p = (uint8_t)v;
        }
    return error;
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
    int across, down, quality, rounds;
    if (argc != 5 || !parse(argv[1], 1, 256, &across) || !parse(argv[2], 1, 256, &down) ||
        !parse(argv[3], 1, 100, &quality) || !parse(argv[4], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: dct8 BLOCKS_ACROSS BLOCKS_DOWN QUALITY ROUNDS\n");
        return 2;
    }
    int width = across * SIDE, height = down * SIDE, order[CELLS], step[CELLS], good = 1;
    uint8_t *image = malloc((size_t)width * height);
    if (!image)
        return 1;
    build_zigzag(order);
    uint64_t hash = 0xcbf29ce484222325u;
    int64_t bits = 0, error = 0, lossless = 0;
    draw(image, width, height);
    for (int round = 0; round < rounds; round++) {
        /* Every round compresses the result of the one before a bit harder. */
        int q = quality - round % 20 > 1 ? quality - round % 20 : 1;
        for (int i = 0; i < CELLS; i++)
            step[i] = quant_step(i / SIDE, i % SIDE, q);
        error = 0;
        for (int y = 0; y < height; y += SIDE)
            for (int x = 0; x < width; x += SIDE) {
                int32_t block[CELLS], freq[CELLS], back[CELLS];
                load(image, width, x, y, block);
                forward_block(block, freq);
                if ((x / SIDE + y / SIDE + round) % 16 == 0)
                    good &= forward_agrees(block, freq);
                inverse_block(freq, back);          /* without quantisation: almost exact */
                for (int i = 0; i < CELLS; i++) {
                    int32_t off = back[i] - block[i];
                    good &= off >= -2 && off <= 2;
                    lossless += off == 0;
                }
                bits += quantise(freq, step, order, &hash);
                for (int i = 0; i < CELLS; i++)
                    freq[i] *= step[i];
                inverse_block(freq, back);
                error += store(image, width, x, y, back);
            }
    }
    for (size_t i = 0; i < (size_t)width * height; i++)
        hash = (hash ^ image[i]) * 0x100000001b3u;
    printf("bits %lld last error %lld exact %lld\n", (long long)bits, (long long)error, (long long)lossless);
    printf("codes and image %016llx\n", (unsigned long long)hash);
    free(image);
    if (!good) {
        fprintf(stderr, "dct8: the transform is not its own inverse or differs from the matrix\n");
        return 1;
    }
    puts("ok");
    return 0;
}
