/* A JSON reader and writer. The document comes from standard input; its
   serial form must be a fixed point of parse and write. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NUL, FALSE_, TRUE_, NUMBER, STRING, ARRAY, OBJECT } Kind;

/* Values live in one growing array and name each other by index. */
typedef struct {
    Kind kind;
    int key;           /* text index of the member name, or -1 */
    int next;          /* next sibling, or -1 */
    int child;         /* first child of an array or object, or -1 */
    int text, textlen; /* string bytes, or the number's digits */
} Value;

typedef struct {
    const uint8_t *p, *end;
    Value *v;
    int count, room;
    uint8_t *text;
    int used, textroom;
    int depth;
} Doc;

enum { MAX_DEPTH = 200 };

static void fail(const char *what)
{
    fprintf(stderr, "json: %s\n", what);
    exit(1);
}

static void *grow(void *p, size_t n)
{
    p = realloc(p, n);
    if (!p)
        fail("out of memory");
    return p;
}

static int new_value(Doc *d, Kind kind)
{
    if (d->count == d->room) {
        d->room = d->room ? 2 * d->room : 64;
        d->v = grow(d->v, (size_t)d->room * sizeof *d->v);
    }
    d->v[d->count] = (Value){kind, -1, -1, -1, 0, 0};
    return d->count++;
}

static void add_byte(Doc *d, uint32_t c)
{
    if (d->used == d->textroom) {
        d->textroom = d->textroom ? 2 * d->textroom : 256;
        d->text = grow(d->text, (size_t)d->textroom);
    }
    d->text[d->used++] = (uint8_t)c;
}

static void add_utf8(Doc *d, uint32_t c)
{
    if (c < 0x80) {
        add_byte(d, c);
    } else if (c < 0x800) {
        add_byte(d, 0xc0 | c >> 6);
        add_byte(d, 0x80 | (c & 63));
    } else {
        if (c < 0x10000) {
            add_byte(d, 0xe0 | c >> 12);
        } else {
            add_byte(d, 0xf0 | c >> 18);
            add_byte(d, 0x80 | (c >> 12 & 63));
        }
        add_byte(d, 0x80 | (c >> 6 & 63));
        add_byte(d, 0x80 | (c & 63));
    }
}

static int peek(const Doc *d)
{
    return d->p < d->end ? *d->p : -1;
}

static int accept(Doc *d, int c)
{
    if (peek(d) != c)
        return 0;
    d->p++;
    return 1;
}

static void space(Doc *d)
{
    int c;
    while ((c = peek(d)) == ' ' || c == '\n' || c == '\t' || c == '\r')
        d->p++;
}

static int is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex4(Doc *d, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, d->p++) {
        int c = peek(d), low = c | 32;
        if (is_digit(c))
            c -= '0';
        else if (c > 0 && low >= 'a' && low <= 'f')
            c = low - 'a' + 10;
        else
            return 0;
        *out = *out * 16 + (uint32_t)c;
    }
    return 1;
}

static int escape(Doc *d)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c, low;
    int e = peek(d);
    const char *at = e > 0 ? strchr(from, e) : 0;
    d->p += e >= 0;
    if (at) {
        add_byte(d, (uint8_t)to[at - from]);
        return 1;
    }
    if (e != 'u' || !hex4(d, &c))
        return 0;
    if (c >= 0xd800 && c < 0xdc00) { /* the first half of a pair */
        if (!accept(d, '\\') || !accept(d, 'u') || !hex4(d, &low) || low < 0xdc00 || low > 0xdfff)
            return 0;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return 0;
    }
    add_utf8(d, c);
    return 1;
}

/* Copies the bytes of a string; 0 on a syntax error. */
static int string(Doc *d, int *start, int *len)
{
    if (!accept(d, '"'))
        return 0;
    *start = d->used;
    for (;;) {
        int c = peek(d);
        if (c < 0x20)
            return 0;
        d->p++;
        if (c == '"')
            break;
        if (c == '\\') {
            if (!escape(d))
                return 0;
        } else {
            add_byte(d, (uint32_t)c);
        }
    }
    *len = d->used - *start;
    return 1;
}

static int digits(Doc *d)
{
    int n = 0;
    for (; is_digit(peek(d)); n++)
        add_byte(d, *d->p++);
    return n > 0;
}

/* Numbers keep their digits, so no value is rounded. */
static int number(Doc *d, int v)
{
    int start = d->used;
    if (accept(d, '-'))
        add_byte(d, '-');
    if (accept(d, '0'))
        add_byte(d, '0');
    else if (!digits(d))
        return 0;
    if (accept(d, '.')) {
        add_byte(d, '.');
        if (!digits(d))
            return 0;
    }
    if (accept(d, 'e') || accept(d, 'E')) {
        add_byte(d, 'e');
        if (accept(d, '-'))
            add_byte(d, '-');
        else
            accept(d, '+');
        if (!digits(d))
            return 0;
    }
    d->v[v].text = start;
    d->v[v].textlen = d->used - start;
    return 1;
}

static int word(Doc *d, const char *w)
{
    for (; *w; w++)
        if (!accept(d, *w))
            return 0;
    return 1;
}

static int value(Doc *d, int *out);

static int members(Doc *d, int parent, int object)
{
    int last = -1, close = object ? '}' : ']';
    d->p++;
    space(d);
    if (accept(d, close))
        return 1;
    if (++d->depth > MAX_DEPTH)
        return 0;
    for (;;) {
        int v, key = -1, keylen = 0;
        space(d);
        if (object) {
            if (!string(d, &key, &keylen))
                return 0;
            add_byte(d, 0); /* names end with a zero byte in the text store */
            if (memchr(d->text + key, 0, (size_t)keylen))
                return 0;
            space(d);
            if (!accept(d, ':'))
                return 0;
        }
        if (!value(d, &v))
            return 0;
        d->v[v].key = key;
        if (last < 0)
            d->v[parent].child = v;
        else
            d->v[last].next = v;
        last = v;
        if (accept(d, close))
            break;
        if (!accept(d, ','))
            return 0;
    }
    d->depth--;
    return 1;
}

static int value(Doc *d, int *out)
{
    int good, start = 0, len = 0;
    space(d);
    int c = peek(d);
    Kind kind = c == '{' ? OBJECT : c == '[' ? ARRAY : c == '"' ? STRING : c == 't' ? TRUE_ : c == 'f' ? FALSE_
              : c == 'n' ? NUL : NUMBER;
    int v = *out = new_value(d, kind);
    switch (kind) {
    case OBJECT:
    case ARRAY:
        good = members(d, v, kind == OBJECT);
        break;
    case STRING:
        good = string(d, &start, &len);
        d->v[v].text = start;
        d->v[v].textlen = len;
        break;
    case TRUE_:
        good = word(d, "true");
        break;
    case FALSE_:
        good = word(d, "false");
        break;
    case NUL:
        good = word(d, "null");
        break;
    default:
        good = number(d, v);
    }
    space(d);
    return good;
}

static int parse(Doc *d, const uint8_t *p, size_t n)
{
    int root;
    d->p = p;
    d->end = p + n;
    d->count = d->used = d->depth = 0;
    add_byte(d, 0); /* so that the text store is never null */
    return value(d, &root) && d->p == d->end;
}

typedef struct {
    uint8_t *p;
    size_t n, room;
} Out;

static void put(Out *o, uint32_t c)
{
    if (o->n == o->room) {
        o->room = o->room ? 2 * o->room : 1024;
        o->p = grow(o->p, o->room);
    }
    o->p[o->n++] = (uint8_t)c;
}

static void put_string(Out *o, const uint8_t *s, int n)
{
    put(o, '"');
    for (int i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\') {
            put(o, '\\');
            put(o, s[i]);
        } else if (s[i] < 0x20) {
            for (const char *u = "\\u00"; *u; u++)
                put(o, (uint8_t)*u);
            put(o, (uint8_t)"01"[s[i] >> 4]);
            put(o, (uint8_t)"0123456789abcdef"[s[i] & 15]);
        } else {
            put(o, s[i]);
        }
    }
    put(o, '"');
}

static void write_value(const Doc *d, int v, Out *o)
{
    static const char *const words[] = {"null", "false", "true"};
    const Value *x = &d->v[v];
    switch (x->kind) {
    case NUMBER:
        for (int i = 0; i < x->textlen; i++)
            put(o, d->text[x->text + i]);
        break;
    case STRING:
        put_string(o, d->text + x->text, x->textlen);
        break;
    case ARRAY:
    case OBJECT:
        put(o, x->kind == ARRAY ? '[' : '{');
        for (int c = x->child; c >= 0; c = d->v[c].next) {
            if (c != x->child)
                put(o, ',');
            if (x->kind == OBJECT) {
                const uint8_t *key = d->text + d->v[c].key;
                put_string(o, key, (int)strlen((const char *)key));
                put(o, ':');
            }
            write_value(d, c, o);
        }
        put(o, x->kind == ARRAY ? ']' : '}');
        break;
    default:
        for (const char *s = words[x->kind]; *s; s++)
            put(o, (uint8_t)*s);
    }
}

static uint32_t checksum(uint32_t h, const uint8_t *p, size_t n)
{
    while (n--)
        h = (h ^ *p++) * 16777619u;
    return h;
}

static void check_broken(Doc *d)
{
    static const char *const broken[] = {"", "[1,]", "{\"a\":}", "[01]", "\"\\x\"", "\"\\ud800\"", "nul", "[1 2]",
                                         "{\"a\" 1}", "1.", "-", "1e", "\"open", "[", "]", "{,}", "\"\t\"", "{1:2}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        if (parse(d, (const uint8_t *)broken[i], strlen(broken[i])))
            fail("a broken document was accepted");
}

int main(int argc, char **argv)
{
    char *stop = 0;
    long repeats = argc == 2 ? strtol(argv[1], &stop, 10) : 0;
    if (argc != 2 || *stop || repeats < 1 || repeats > 100000) {
        fprintf(stderr, "usage: json REPEATS < DOCUMENT (1..100000)\n");
        return 2;
    }
    static uint8_t in[1 << 20];
    size_t n = fread(in, 1, sizeof in, stdin), count[OBJECT + 1] = {0};
    Doc d = {0}, e = {0};
    Out a = {0}, b = {0};
    uint32_t sum = 2166136261u;
    check_broken(&d);
    for (long r = 0; r < repeats; r++) {
        a.n = b.n = 0;
        if (!parse(&d, in, n))
            fail("the document is broken");
        write_value(&d, 0, &a);
        if (!parse(&e, a.p, a.n))
            fail("the written document is broken");
        write_value(&e, 0, &b);
        if (a.n != b.n || memcmp(a.p, b.p, a.n) != 0 || d.count != e.count)
            fail("writing is not a fixed point");
        sum = checksum(sum, a.p, a.n);
        for (int i = 0; i < d.count; i++)
            count[d.v[i].kind]++;
        /* Change one digit, so that each repeat reads another document. */
        for (size_t i = 0, at = (size_t)r * 101; i < n; i++, at++)
            if (in[at % n] >= '1' && in[at % n] <= '8') {
                in[at % n]++;
                break;
            }
    }
    printf("values %d bytes %zu\nkinds", d.count, a.n);
    for (int k = 0; k <= OBJECT; k++)
        printf(" %zu", count[k]);
    printf("\nsum %08x\nok\n", (unsigned)sum);
    free(d.v);
    free(d.text);
    free(e.v);
    free(e.text);
    free(a.p);
    free(b.p);
    return 0;
}
