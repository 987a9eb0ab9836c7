/* Regular expressions as programs for a small machine.
   Syntax: letters, . [a-z] [^...] ( ) | * + ? ^ $ and \ before any of them. */
#ifndef REGEX_H
#define REGEX_H

#include <stddef.h>
#include <stdint.h>

enum { RE_CODE = 512, RE_SETS = 32 };

typedef enum { RE_CHAR, RE_ANY, RE_SET, RE_SPLIT, RE_JUMP, RE_START, RE_END, RE_MATCH } ReOp;

typedef struct {
    uint8_t op;
    uint8_t c;     /* RE_CHAR: the letter; RE_SET: the set's number */
    uint16_t a, b; /* RE_SPLIT: both ways on; RE_JUMP: only a */
} ReInstr;

typedef struct {
    ReInstr code[RE_CODE];
    uint8_t set[RE_SETS][32]; /* one bit for each byte value */
    int size, sets;
} Regex;

typedef struct {
    size_t from, to;
} ReSpan;

/* Counts of work done, for reports. */
typedef struct {
    uint64_t steps, threads;
} ReStats;

/* 1 on success, 0 for a pattern with an error in it. */
int regex_compile(Regex *re, const char *pattern);

/* Leftmost longest match that starts at or after `from`; 0 if there is none.
   Runs all ways through the program side by side. */
int regex_find(const Regex *re, const char *text, size_t n, size_t from, ReSpan *span, ReStats *stats);

/* The same by trying one way after the other, for short texts only. */
int regex_find_slow(const Regex *re, const char *text, size_t n, size_t from, ReSpan *span);

#endif
