/* Counts words by length and letter, and prints a table with a checksum. */
#include <stdio.h>
#include <string.h>

typedef struct {
    char text[16];
    int length;
    int vowels;
} Word;

static unsigned next(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void make(Word *word, unsigned *state) {
    word->length = 2 + (int)(next(state) % 12);
    word->vowels = 0;
    for (int i = 0; i < word->length; i++) {
        char letter = (char)('a' + next(state) % 26);
        word->text[i] = letter;
        switch (letter) {
        case 'a': case 'e': case 'i': case 'o': case 'u': word->vowels++; break;
        default: break;
        }
    }
    word->text[word->length] = 0;
}

static void sort(Word *words, int count) {
    for (int i = 1; i < count; i++) {
        Word moved = words[i];
        int j = i;
        while (j > 0 && strcmp(words[j - 1].text, moved.text) > 0) {
            words[j] = words[j - 1];
            j--;
        }
        words[j] = moved;
    }
}

int main(void) {
    static Word words[200];
    int lengths[16] = {0}, vowels = 0;
    unsigned state = 7, sum = 2166136261u;
    for (int i = 0; i < 200; i++) make(&words[i], &state);
    sort(words, 200);
    for (int i = 0; i < 200; i++) {
        lengths[words[i].length]++;
        vowels += words[i].vowels;
        for (int j = 0; j < words[i].length; j++) sum = (sum ^ (unsigned char)words[i].text[j]) * 16777619u;
    }
    for (int i = 2; i < 14; i++) printf("%2d letters: %d\n", i, lengths[i]);
    printf("first %s, last %s, vowels %d, sum %08x\n", words[0].text, words[199].text, vowels, sum);
    return 0;
}
