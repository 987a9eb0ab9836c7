#include "kit.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
static void *need(void *p) { if (!p) abort(); return p; }
static char *copy(const char *s) { size_t n = strlen(s) + 1; return memcpy(need(malloc(n)), s, n); }
static int digit(int c) { if (c >= '0' && c <= '9') return c - '0'; c |= 32; return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
static int is_blank(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
void kit_text_init(kit_text *t) { t->data = NULL; t->length = t->room = 0; }
int kit_text_reserve(kit_text *t, size_t room) {
    if (t->length + room + 1 <= t->room) return 0;
    size_t want = t->room ? t->room : 16;
    while (want < t->length + room + 1) want *= 2;
    t->data = need(realloc(t->data, want));
    t->room = want;
    return 1;
}
void kit_text_put(kit_text *t, char c) { kit_text_reserve(t, 1); t->data[t->length++] = c; t->data[t->length] = 0; }
void kit_text_add(kit_text *t, const char *s) { while (*s) kit_text_put(t, *s++); }
void kit_text_number(kit_text *t, long value, int base, int width) {
    char buffer[72]; int n = 0; unsigned long rest = value < 0 ? 0ul - (unsigned long)value : (unsigned long)value;
    do { buffer[n++] = "0123456789abcdef"[rest % (unsigned long)base]; rest /= (unsigned long)base; } while (rest);
    while (n < width && n < 64) buffer[n++] = '0';
    if (value < 0) buffer[n++] = '-';
    while (n) kit_text_put(t, buffer[--n]);
}
void kit_text_free(kit_text *t) { free(t->data); kit_text_init(t); }
uint32_t kit_hash(const char *s) { uint32_t h = 2166136261u; for (; *s; s++) { h ^= (unsigned char)*s; h *= 16777619u; } return h; }
void kit_map_init(kit_map *m, size_t size) { m->buckets = need(calloc(size, sizeof *m->buckets)); m->size = size; m->count = 0; }
kit_entry *kit_map_find(const kit_map *m, const char *key) {
    for (kit_entry *e = m->buckets[kit_hash(key) % m->size]; e; e = e->next) if (!strcmp(e->key, key)) return e;
    return NULL;
}
int kit_map_add(kit_map *m, const char *key, long by) {
    kit_entry *e = kit_map_find(m, key);
    if (e) { e->value += by; return 0; }
    if (m->count >= m->size) kit_map_grow(m);
    kit_entry **at = &m->buckets[kit_hash(key) % m->size];
    e = need(malloc(sizeof *e));
    e->key = copy(key); e->value = by; e->next = *at; *at = e; m->count++;
    return 1;
}
void kit_map_grow(kit_map *m) {
    kit_map wide; kit_map_init(&wide, m->size * 2 + 1);
    for (size_t i = 0; i < m->size; i++)
        for (kit_entry *e = m->buckets[i], *next; e; e = next) {
            next = e->next;
            kit_entry **at = &wide.buckets[kit_hash(e->key) % wide.size];
            e->next = *at; *at = e; wide.count++;
        }
    free(m->buckets); *m = wide;
}
void kit_map_free(kit_map *m) {
    for (size_t i = 0; i < m->size; i++)
        for (kit_entry *e = m->buckets[i], *next; e; e = next) { next = e->next; free(e->key); free(e); }
    free(m->buckets); m->buckets = NULL; m->size = m->count = 0;
}
void kit_list_push(kit_list *l, long value) {
    if (l->count == l->room) { l->room = l->room ? l->room * 2 : 8; l->items = need(realloc(l->items, l->room * sizeof *l->items)); }
    l->items[l->count++] = value;
}
long kit_list_pop(kit_list *l) { return l->count ? l->items[--l->count] : 0; }
static void sift(long *v, size_t at, size_t n) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && v[child] < v[child + 1]) child++;
        if (v[at] >= v[child]) return;
        long t = v[at]; v[at] = v[child]; v[child] = t;
    }
}
void kit_list_sort(kit_list *l) {
    for (size_t i = l->count / 2; i-- > 0;) sift(l->items, i, l->count);
    for (size_t n = l->count; n > 1;) { n--; long t = l->items[0]; l->items[0] = l->items[n]; l->items[n] = t; sift(l->items, 0, n); }
}
long kit_list_find(const kit_list *l, long value) {
    size_t low = 0, high = l->count;
    while (low < high) { size_t mid = (low + high) / 2; if (l->items[mid] < value) low = mid + 1; else high = mid; }
    return low < l->count && l->items[low] == value ? (long)low : -1;
}
void kit_list_free(kit_list *l) { free(l->items); l->items = NULL; l->count = l->room = 0; }
uint32_t kit_crc(const void *data, size_t length) {
    const unsigned char *p = data; uint32_t c = ~0u;
    while (length--) { c ^= *p++; for (int i = 0; i < 8; i++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1; }
    return ~c;
}
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
size_t kit_base64(const unsigned char *in, size_t length, char *out) {
    char *start = out;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < length ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < length ? in[i + 2] : 0);
        *out++ = letters[v >> 18 & 63]; *out++ = letters[v >> 12 & 63];
        *out++ = i + 1 < length ? letters[v >> 6 & 63] : '='; *out++ = i + 2 < length ? letters[v & 63] : '=';
    }
    *out = 0;
    return (size_t)(out - start);
}
static int sextet(int c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}
size_t kit_unbase64(const char *in, unsigned char *out) {
    size_t n = 0; uint32_t v = 0; int bits = 0;
    for (; *in && *in != '='; in++) {
        int s = sextet((unsigned char)*in);
        if (s < 0) continue;
        v = v << 6 | (uint32_t)s; bits += 6;
        if (bits >= 8) { bits -= 8; out[n++] = (unsigned char)(v >> bits); }
    }
    return n;
}
int kit_match(const char *p, const char *s) {
    for (; *p; p++, s++) {
        if (*p == '*') { while (*p == '*') p++; if (!*p) return 1; for (; *s; s++) if (kit_match(p, s)) return 1; return 0; }
        if (*p == '[') {
            int no = p[1] == '!', hit = 0; p += 1 + no;
            for (; *p && *p != ']'; p++) {
                if (p[1] == '-' && p[2] && p[2] != ']') { if (*s >= p[0] && *s <= p[2]) hit = 1; p += 2; }
                else if (*p == *s) hit = 1;
            }
            if (!*s || hit == no) return 0;
        } else if (!*s || (*p != '?' && *p != *s)) return 0;
    }
    return !*s;
}
long kit_parse(const char *s, const char **end) {
    int minus = 0, base = 10; long v = 0;
    while (is_blank(*s)) s++;
    if (*s == '-' || *s == '+') minus = *s++ == '-';
    if (s[0] == '0' && (s[1] | 32) == 'x') { base = 16; s += 2; }
    for (int d; (d = digit((unsigned char)*s)) >= 0 && d < base; s++) v = v * base + d;
    if (end) *end = s;
    return minus ? -v : v;
}
int kit_utf8(uint32_t c, char *out) {
    if (c < 0x80) { out[0] = (char)c; return 1; }
    if (c < 0x800) { out[0] = (char)(0xc0 | c >> 6); out[1] = (char)(0x80 | (c & 63)); return 2; }
    if (c < 0x10000) { out[0] = (char)(0xe0 | c >> 12); out[1] = (char)(0x80 | (c >> 6 & 63)); out[2] = (char)(0x80 | (c & 63)); return 3; }
    out[0] = (char)(0xf0 | c >> 18); out[1] = (char)(0x80 | (c >> 12 & 63)); out[2] = (char)(0x80 | (c >> 6 & 63)); out[3] = (char)(0x80 | (c & 63));
    return 4;
}
uint32_t kit_point(const char **s) {
    const unsigned char *p = (const unsigned char *)*s; int more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t c = more ? *p & (63u >> more) : *p;
    for (p++; more-- && (*p & 0xc0) == 0x80; p++) c = c << 6 | (*p & 63);
    *s = (const char *)p;
    return c;
}
void kit_escape(kit_text *t, const char *s) {
    kit_text_put(t, '"');
    while (*s) {
        uint32_t c = kit_point(&s);
        switch (c) {
            case '"': kit_text_add(t, "\\\""); break;
            case '\\': kit_text_add(t, "\\\\"); break;
            case '\n': kit_text_add(t, "\\n"); break;
            case '\t': kit_text_add(t, "\\t"); break;
            case '\r': kit_text_add(t, "\\r"); break;
            default:
                if (c < 32 || c > 126) { kit_text_add(t, "\\u"); kit_text_number(t, (long)c, 16, 4); }
                else kit_text_put(t, (char)c);
        }
    }
    kit_text_put(t, '"');
}
int kit_distance(const char *a, const char *b) {
    int row[65]; int n = (int)strlen(b); if (n > 64) n = 64;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int diagonal = row[0]; row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (tolower((unsigned char)*a) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}
char *kit_trim(char *s) { while (is_blank(*s)) s++; size_t n = strlen(s); while (n && is_blank(s[n - 1])) s[--n] = 0; return s; }
size_t kit_split(char *s, char at, char **out, size_t most) {
    size_t n = 0;
    while (n < most) { out[n++] = s; while (*s && *s != at) s++; if (!*s) break; *s++ = 0; }
    for (size_t i = 0; i < n; i++) out[i] = kit_trim(out[i]);
    return n;
}
uint32_t kit_next(kit_random *r) { r->state = r->state * 6364136223846793005ull + 1442695040888963407ull; uint32_t x = (uint32_t)((r->state >> 18 ^ r->state) >> 27); int by = (int)(r->state >> 59); return x >> by | x << (-by & 31); }
long kit_between(kit_random *r, long low, long high) { return low + (long)(kit_next(r) % (uint32_t)(high - low + 1)); }
static int is_leap(int y) { return (y % 4 == 0 && y % 100) || y % 400 == 0; }
static int month_days(int y, int m) { static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}; return days[m - 1] + (m == 2 && is_leap(y)); }
void kit_date(long days, int *year, int *month, int *day) {
    int y = 1970, m = 1;
    while (days >= 365 + is_leap(y)) days -= 365 + is_leap(y++);
    while (days >= month_days(y, m)) days -= month_days(y, m++);
    *year = y; *month = m; *day = (int)days + 1;
}
long kit_days(int year, int month, int day) {
    long n = 0;
    for (int y = 1970; y < year; y++) n += 365 + is_leap(y);
    for (int m = 1; m < month; m++) n += month_days(year, m);
    return n + day - 1;
}
