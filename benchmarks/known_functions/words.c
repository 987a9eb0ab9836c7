/* Counts words, sorts what it counted, and writes a report. */
#include "kit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const char *const stems[] = {"river", "stone", "cloud", "ember", "maple", "otter", "quill", "raven", "spark", "tulip"};
static const char *const ends[] = {"", "s", "ed", "ing", "er", "\xc3\xa9"};
static void make(kit_text *t, kit_random *r, int words) {
    for (int i = 0; i < words; i++) {
        kit_text_add(t, stems[kit_between(r, 0, 9)]); kit_text_add(t, ends[kit_between(r, 0, 5)]);
        kit_text_put(t, kit_between(r, 0, 9) ? ' ' : '\n');
    }
}
static void count(kit_map *m, char *text) {
    char *lines[2000]; size_t n = kit_split(text, '\n', lines, 2000);
    for (size_t i = 0; i < n; i++) {
        char *words[200]; size_t k = kit_split(lines[i], ' ', words, 200);
        for (size_t j = 0; j < k; j++) if (*words[j]) kit_map_add(m, words[j], 1);
    }
}
static void report(const kit_map *m, const char *pattern) {
    kit_list counts = {0}; long total = 0;
    for (size_t i = 0; i < m->size; i++)
        for (const kit_entry *e = m->buckets[i]; e; e = e->next) if (kit_match(pattern, e->key)) { kit_list_push(&counts, e->value); total += e->value; }
    kit_list_sort(&counts);
    printf("%s: %zu words, %ld times, median %ld, found %ld\n", pattern, counts.count, total, counts.count ? counts.items[counts.count / 2] : 0, kit_list_find(&counts, counts.count ? counts.items[0] : 1));
    kit_list_free(&counts);
}
static void nearest(const kit_map *m, const char *word) {
    const char *best = ""; int least = 99;
    for (size_t i = 0; i < m->size; i++)
        for (const kit_entry *e = m->buckets[i]; e; e = e->next) { int d = kit_distance(word, e->key); if (d < least || (d == least && strcmp(e->key, best) < 0)) { least = d; best = e->key; } }
    kit_text t; kit_text_init(&t); kit_escape(&t, best);
    printf("%s ~ %s %d\n", word, t.data, least); kit_text_free(&t);
}
int main(int argc, char **argv) {
    kit_random r = {argc > 1 ? (uint64_t)kit_parse(argv[1], NULL) : 7};
    kit_text t; kit_text_init(&t); make(&t, &r, 3000);
    printf("%zu bytes, crc %08x\n", t.length, kit_crc(t.data, t.length));
    char *wide = malloc(t.length * 2); unsigned char *back = malloc(t.length + 3);
    size_t n = kit_base64((unsigned char *)t.data, t.length, wide);
    printf("%zu %zu %d\n", n, kit_unbase64(wide, back), memcmp(back, t.data, t.length));
    kit_map m; kit_map_init(&m, 7); count(&m, t.data);
    report(&m, "*"); report(&m, "r*"); report(&m, "[a-m]*ing"); report(&m, "?????s");
    nearest(&m, "rivering"); nearest(&m, "storm"); nearest(&m, "caf\xc3\xa9");
    kit_map_free(&m); kit_text_free(&t); free(wide); free(back);
    return 0;
}
