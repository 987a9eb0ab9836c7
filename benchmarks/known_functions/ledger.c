/* Bookings by date: balances, months, and lines of JSON. */
#include "kit.h"
#include <stdio.h>
#include <stdlib.h>
typedef struct { long day, cents; char from[12], to[12]; } booking;
static const char *const people[] = {"anna", "bert", "carla", "dimitri", "eve", "f\xc3\xbcrst"};
static void name(char *out, const char *s) { int n = 0; for (; s[n] && n < 11; n++) out[n] = s[n]; out[n] = 0; }
static booking draw(kit_random *r) {
    booking b; b.day = kit_between(r, 18000, 21000); b.cents = kit_between(r, 1, 99999);
    long from = kit_between(r, 0, 5), to = (from + kit_between(r, 1, 5)) % 6;
    name(b.from, people[from]); name(b.to, people[to]);
    return b;
}
static void money(kit_text *t, long cents) { kit_text_number(t, cents / 100, 10, 1); kit_text_put(t, '.'); kit_text_number(t, labs(cents % 100), 10, 2); }
static void date(kit_text *t, long day) {
    int y, m, d; kit_date(day, &y, &m, &d);
    kit_text_number(t, y, 10, 4); kit_text_put(t, '-'); kit_text_number(t, m, 10, 2); kit_text_put(t, '-'); kit_text_number(t, d, 10, 2);
}
static void json(kit_text *t, const booking *b) {
    kit_text_add(t, "{\"date\": \""); date(t, b->day); kit_text_add(t, "\", \"from\": "); kit_escape(t, b->from);
    kit_text_add(t, ", \"to\": "); kit_escape(t, b->to); kit_text_add(t, ", \"amount\": "); money(t, b->cents); kit_text_add(t, "}\n");
}
static long checked(const booking *b) { int y, m, d; kit_date(b->day, &y, &m, &d); return kit_days(y, m, d) - b->day; }
static void month(const booking *all, int n, int year, int which) {
    kit_list l = {0}; long from = kit_days(year, which, 1), to = kit_days(year + which / 12, which % 12 + 1, 1);
    for (int i = 0; i < n; i++) if (all[i].day >= from && all[i].day < to) kit_list_push(&l, all[i].cents);
    kit_list_sort(&l); long most = l.count ? l.items[l.count - 1] : 0, place = kit_list_find(&l, most), sum = 0;
    while (l.count) sum += kit_list_pop(&l);
    kit_text t; kit_text_init(&t); money(&t, sum); kit_text_put(&t, ' '); money(&t, most); kit_text_put(&t, ' '); kit_text_number(&t, place, 16, 3);
    printf("%d-%02d %s\n", year, which, t.data); kit_text_free(&t); kit_list_free(&l);
}
static long read_back(const char *line) { const char *at = line, *end; long sum = 0; for (; *at; at = *end ? end + 1 : end) { while (*at && (*at < '0' || *at > '9')) at++; sum = sum * 31 + kit_parse(at, &end); } return sum; }
int main(int argc, char **argv) {
    kit_random r = {argc > 1 ? (uint64_t)kit_parse(argv[1], NULL) : 3};
    booking all[400]; kit_map balance; kit_map_init(&balance, 2); long wrong = 0; kit_text t; kit_text_init(&t);
    for (int i = 0; i < 400; i++) {
        all[i] = draw(&r); wrong += checked(&all[i]); kit_map_add(&balance, all[i].from, -all[i].cents); kit_map_add(&balance, all[i].to, all[i].cents);
        json(&t, &all[i]);
    }
    printf("%ld %u %zu %ld\n", wrong, kit_crc(t.data, t.length), t.length, read_back(t.data));
    for (int i = 0; i < 6; i++) { const kit_entry *e = kit_map_find(&balance, people[i]); kit_text line; kit_text_init(&line); if (e) money(&line, e->value); printf("%s %s\n", people[i], line.data ? line.data : "-"); kit_text_free(&line); }
    for (int y = 2020; y < 2026; y++) for (int m = 1; m <= 12; m += 3) month(all, 400, y, m);
    char u[5] = {0}; for (uint32_t c = 60; c < 70000; c = c * 3 + 1) { int n = kit_utf8(c, u); const char *s = u; printf("%d %u\n", n, kit_point(&s)); }
    kit_map_free(&balance); kit_text_free(&t);
    return 0;
}
