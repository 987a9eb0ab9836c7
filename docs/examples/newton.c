#include <stdio.h>
#include <time.h>

static double root(double x) {
    double guess = x > 1 ? x / 2 : 1;
    for (int step = 0; step < 60; step++) guess = (guess + x / guess) / 2;
    return guess;
}

int main(void) {
    clock_t begun = clock();
    for (int i = 1; i <= 40; i++) printf("%d %.12f\n", i, root(i));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("took %ld ticks at %ld.%09ld\n", (long)(clock() - begun), (long)now.tv_sec, now.tv_nsec);
    return 0;
}
