/*
 * stores.c - how fast are stores to memory?
 *
 * Fills a buffer of 64 KiB word by word.  The first argument says how many
 * rounds; time it from outside.
 */
#include "int80.h"

#define WORDS 16384

int main(int argc, char *argv[])
{
    static volatile unsigned int buffer[WORDS];
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    int i, k;

    for (i = 0; i < rounds; i++) {
        for (k = 0; k < WORDS; k++)
            buffer[k] = i + k;
    }
    printf("%d rounds: the last word is %u\n", rounds, buffer[WORDS - 1]);
    return 0;
}
