/* Mixture-of-experts layer.
 *
 * A gate scores every expert for every token, the best K are kept, tokens are
 * sorted by expert, each expert runs its two-layer network on its batch, and
 * the weighted results are added back to the tokens.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOP = 8 };

typedef struct {
    int expert;
    float weight;
} route;

typedef struct {
    int tokens, dim, hidden, experts, top;
    float *gate;                 /* experts x dim */
    float *up, *down;            /* per expert: dim x hidden, hidden x dim */
    route *routes;               /* tokens x top */
    int *start;                  /* experts + 1: first slot of each batch */
    int *slot_token;             /* which token fills a slot */
    float *slot_weight;
    float *batch_in, *batch_mid, *batch_out;
} moe;

static uint64_t rng_state;

static float random_unit(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(rng_state >> 40) * (1.0f / 8388608.0f) - 1.0f;
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) {
        fprintf(stderr, "moe: out of memory\n");
        exit(1);
    }
    return p;
}

static float *random_array(size_t count, float scale)
{
    float *a = allocate(count, sizeof *a);
    for (size_t i = 0; i < count; i++)
        a[i] = random_unit() * scale;
    return a;
}

/* exp for x <= 0 by halving the argument until a short series is enough. */
static float exp_negative(float x)
{
    if (x < -60.0f)
        return 0.0f;
    float r = x * (1.0f / 256.0f);
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (1.0f / 6.0f + r * (1.0f / 24.0f))));
    for (int i = 0; i < 8; i++)
        p *= p;
    return p;
}

/* Keep the best experts of one token, in falling order; ties go to the lower
 * index. Insertion into a short list beats sorting all scores. */
static void select_top(const float *score, int experts, int top, route *out)
{
    int used = 0;
    for (int e = 0; e < experts; e++) {
        int at = used < top ? used : top;
        while (at > 0 && out[at - 1].weight < score[e])
            at--;
        if (at >= top)
            continue;
        int last = used < top ? used++ : top - 1;
        for (int i = last; i > at; i--)
            out[i] = out[i - 1];
        out[at].expert = e;
        out[at].weight = score[e];
    }
    float best = out[0].weight, sum = 0.0f;
    for (int i = 0; i < top; i++) {
        out[i].weight = exp_negative(out[i].weight - best);
        sum += out[i].weight;
    }
    for (int i = 0; i < top; i++)
        out[i].weight /= sum;
}

static void route_tokens(moe *m, const float *x)
{
    float *score = allocate(m->experts, sizeof *score);
    for (int t = 0; t < m->tokens; t++) {
        const float *row = x + (size_t)t * m->dim;
        for (int e = 0; e < m->experts; e++) {
            const float *g = m->gate + (size_t)e * m->dim;
            float s = 0.0f;
            for (int i = 0; i < m->dim; i++)
                s += row[i] * g[i];
            score[e] = s;
        }
        select_top(score, m->experts, m->top, m->routes + (size_t)t * m->top);
    }
    free(score);
}

/* Counting sort of all (token, expert) pairs by expert. */
static void group_by_expert(moe *m)
{
    int pairs = m->tokens * m->top;
    memset(m->start, 0, (size_t)(m->experts + 1) * sizeof *m->start);
    for (int p = 0; p < pairs; p++)
        m->start[m->routes[p].expert + 1]++;
    for (int e = 0; e < m->experts; e++)
        m->start[e + 1] += m->start[e];
    int *next = allocate(m->experts, sizeof *next);
    memcpy(next, m->start, (size_t)m->experts * sizeof *next);
    for (int p = 0; p < pairs; p++) {
        int slot = next[m->routes[p].expert]++;
        m->slot_token[slot] = p / m->top;
        m->slot_weight[slot] = m->routes[p].weight;
    }
    free(next);
}

/* c = a * b with a rows x inner, b inner x cols. */
static void multiply(const float *a, const float *b, float *c, int rows, int inner, int cols)
{
    for (int r = 0; r < rows; r++) {
        float *out = c + (size_t)r * cols;
        for (int j = 0; j < cols; j++)
            out[j] = 0.0f;
        for (int i = 0; i < inner; i++) {
            float v = a[(size_t)r * inner + i];
            if (v == 0.0f)          /* relu leaves many zeros */
                continue;
            const float *w = b + (size_t)i * cols;
            for (int j = 0; j < cols; j++)
                out[j] += v * w[j];
        }
    }
}

static void run_experts(moe *m, const float *x, float *y)
{
    int dim = m->dim, hidden = m->hidden;
    size_t weights = (size_t)dim * hidden;
    for (int e = 0; e < m->experts; e++) {
        int first = m->start[e], rows = m->start[e + 1] - first;
        for (int r = 0; r < rows; r++)
            memcpy(m->batch_in + (size_t)r * dim, x + (size_t)m->slot_token[first + r] * dim,
                   (size_t)dim * sizeof *x);
        multiply(m->batch_in, m->up + e * weights, m->batch_mid, rows, dim, hidden);
        for (int i = 0; i < rows * hidden; i++)
            m->batch_mid[i] = m->batch_mid[i] > 0.0f ? m->batch_mid[i] : 0.0f;
        multiply(m->batch_mid, m->down + e * weights, m->batch_out, rows, hidden, dim);
        for (int r = 0; r < rows; r++) {
            float *to = y + (size_t)m->slot_token[first + r] * dim;
            float w = m->slot_weight[first + r];
            for (int i = 0; i < dim; i++)
                to[i] += w * m->batch_out[(size_t)r * dim + i];
        }
    }
}

/* Compute one token directly in double and compare with its row of y. */
static double token_error(const moe *m, const float *x, const float *y, int t)
{
    double worst = 0.0;
    size_t weights = (size_t)m->dim * m->hidden;
    const float *row = x + (size_t)t * m->dim;
    double *sum = allocate(m->dim, sizeof *sum);
    for (int k = 0; k < m->top; k++) {
        route r = m->routes[(size_t)t * m->top + k];
        const float *up = m->up + r.expert * weights, *down = m->down + r.expert * weights;
        for (int h = 0; h < m->hidden; h++) {
            double s = 0.0;
            for (int i = 0; i < m->dim; i++)
                s += (double)row[i] * (double)up[(size_t)i * m->hidden + h];
            if (s > 0.0)
                for (int i = 0; i < m->dim; i++)
                    sum[i] += (double)r.weight * s * (double)down[(size_t)h * m->dim + i];
        }
    }
    for (int i = 0; i < m->dim; i++) {
        double off = fabs(sum[i] + (double)row[i] * 0.5 - (double)y[(size_t)t * m->dim + i]);
        worst = off > worst ? off : worst;
    }
    free(sum);
    return worst;
}

/* Every token must have distinct experts in falling order with weights that
 * add up to 1, and every pair must have a slot. */
static int routes_valid(const moe *m)
{
    for (int t = 0; t < m->tokens; t++) {
        const route *r = m->routes + (size_t)t * m->top;
        double sum = 0.0;
        for (int k = 0; k < m->top; k++) {
            sum += (double)r[k].weight;
            if (k && r[k].weight > r[k - 1].weight)
                return 0;
            for (int j = 0; j < k; j++)
                if (r[j].expert == r[k].expert)
                    return 0;
        }
        if (fabs(sum - 1.0) > 1e-5)
            return 0;
    }
    return m->start[m->experts] == m->tokens * m->top;
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
    moe m = {0};
    int rounds;
    if (argc != 7 || !parse(argv[1], 1, 4096, &m.tokens) || !parse(argv[2], 1, 512, &m.dim) ||
        !parse(argv[3], 1, 2048, &m.hidden) || !parse(argv[4], 1, 64, &m.experts) ||
        !parse(argv[5], 1, MAX_TOP, &m.top) || m.top > m.experts || !parse(argv[6], 1, 1000, &rounds)) {
        fprintf(stderr, "usage: moe TOKENS DIM HIDDEN EXPERTS TOP ROUNDS\n");
        return 2;
    }
    size_t size = (size_t)m.tokens * m.dim, pairs = (size_t)m.tokens * m.top;
    size_t weights = (size_t)m.experts * m.dim * m.hidden;
    rng_state = 2024;
    m.gate = random_array((size_t)m.experts * m.dim, 1.0f);
    m.up = random_array(weights, 2.0f / sqrtf((float)m.dim));
    m.down = random_array(weights, 1.5f / sqrtf((float)m.hidden));
    m.routes = allocate(pairs, sizeof *m.routes);
    m.start = allocate(m.experts + 1, sizeof *m.start);
    m.slot_token = allocate(pairs, sizeof *m.slot_token);
    m.slot_weight = allocate(pairs, sizeof *m.slot_weight);
    m.batch_in = allocate(size, sizeof(float));       /* an expert gets a token at most once */
    m.batch_mid = allocate((size_t)m.tokens * m.hidden, sizeof(float));
    m.batch_out = allocate(size, sizeof(float));
    float *x = random_array(size, 1.0f), *y = allocate(size, sizeof *y);

    int valid = 1, fullest = 0, idle = 0;
    double worst = 0.0;
    uint64_t hash = 1469598103934665603u;
    for (int r = 0; r < rounds; r++) {
        route_tokens(&m, x);
        group_by_expert(&m);
        for (size_t i = 0; i < size; i++)
            y[i] = x[i] * 0.5f;             /* residual path */
        run_experts(&m, x, y);
        valid &= routes_valid(&m);
        for (int s = 0; s < 2; s++) {
            double off = token_error(&m, x, y, (r * 37 + s * (m.tokens / 2)) % m.tokens);
            valid &= off < 1e-4;
            worst = off > worst ? off : worst;
        }
        for (int e = 0; e < m.experts; e++) {
            int rows = m.start[e + 1] - m.start[e];
            fullest = rows > fullest ? rows : fullest;
            idle += rows == 0;
        }
        for (size_t i = 0; i < size; i++) {
            uint32_t bits;
            memcpy(&bits, &y[i], sizeof bits);
            hash = (hash ^ bits) * 1099511628211u;
        }
        for (size_t i = 0; i < size; i++)   /* next input: new tokens with some history */
            x[i] = 0.25f * y[i] + random_unit();
    }
    float largest = 0.0f;
    for (size_t i = 0; i < size; i++)
        largest = fabsf(y[i]) > largest ? fabsf(y[i]) : largest;
    printf("output %016llx largest %.6f\n", (unsigned long long)hash, largest);
    printf("fullest expert %d tokens, idle %d times\n", fullest, idle);
    free(m.gate), free(m.up), free(m.down), free(m.routes), free(m.start), free(m.slot_token);
    free(m.slot_weight), free(m.batch_in), free(m.batch_mid), free(m.batch_out), free(x), free(y);
    if (!valid) {
        fprintf(stderr, "moe: check failed: routes %d error %g\n", valid, worst);
        return 1;
    }
    puts("ok");
    return 0;
}
