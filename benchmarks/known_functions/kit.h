#ifndef KIT_H
#define KIT_H
#include <stddef.h>
#include <stdint.h>
typedef struct { char *data; size_t length, room; } kit_text;
typedef struct kit_entry { char *key; long value; struct kit_entry *next; } kit_entry;
typedef struct { kit_entry **buckets; size_t size, count; } kit_map;
typedef struct { long *items; size_t count, room; } kit_list;
typedef struct { uint64_t state; } kit_random;
void kit_text_init(kit_text *t);
int kit_text_reserve(kit_text *t, size_t room);
void kit_text_put(kit_text *t, char c);
void kit_text_add(kit_text *t, const char *s);
void kit_text_number(kit_text *t, long value, int base, int width);
void kit_text_free(kit_text *t);
uint32_t kit_hash(const char *s);
void kit_map_init(kit_map *m, size_t size);
kit_entry *kit_map_find(const kit_map *m, const char *key);
int kit_map_add(kit_map *m, const char *key, long by);
void kit_map_grow(kit_map *m);
void kit_map_free(kit_map *m);
void kit_list_push(kit_list *l, long value);
long kit_list_pop(kit_list *l);
void kit_list_sort(kit_list *l);
long kit_list_find(const kit_list *l, long value);
void kit_list_free(kit_list *l);
uint32_t kit_crc(const void *data, size_t length);
size_t kit_base64(const unsigned char *in, size_t length, char *out);
size_t kit_unbase64(const char *in, unsigned char *out);
int kit_match(const char *pattern, const char *s);
long kit_parse(const char *s, const char **end);
int kit_utf8(uint32_t point, char *out);
uint32_t kit_point(const char **s);
void kit_escape(kit_text *t, const char *s);
int kit_distance(const char *a, const char *b);
char *kit_trim(char *s);
size_t kit_split(char *s, char at, char **out, size_t most);
uint32_t kit_next(kit_random *r);
long kit_between(kit_random *r, long low, long high);
void kit_date(long days, int *year, int *month, int *day);
long kit_days(int year, int month, int day);
#endif
