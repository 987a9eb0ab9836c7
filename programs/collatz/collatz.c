/* The longest Collatz chain from a start below a limit, and a checksum over all chains. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t chain_length(uint64_t n) {
    uint32_t steps = 1;
    while (n != 1) {
        n = (n & 1) ? 3 * n + 1 : n / 2;
        ++steps;
    }
    return steps;
}

int main(int argc, char **argv) {
    long limit = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (limit < 10 || limit > 100000000) {
        fprintf(stderr, "usage: collatz LIMIT\n");
        return 2;
    }
    uint32_t longest = 0, best = 1, checksum = 0;
    for (uint32_t start = 1; start < (uint32_t)limit; ++start) {
        uint32_t length = chain_length(start);
        checksum = checksum * 31 + length;
        if (length > longest) {
            longest = length;
            best = start;
        }
    }
    /* Known: 9 is the start of the longest chain below 10, with 20 terms; the longest never gets shorter. */
    if (chain_length(9) != 20 || longest < 20 || chain_length(best) != longest) {
        fprintf(stderr, "collatz: self check failed\n");
        return 1;
    }
    printf("start %u length %u checksum %u\nok\n", best, longest, checksum);
    return 0;
}
