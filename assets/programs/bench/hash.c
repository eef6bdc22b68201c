/*
 * hash.c - how fast is plain computing?
 *
 * FNV-1a over a buffer of 64 KiB: loads, multiplications and a tight loop, and
 * no system call until the end.  The first argument says how many rounds; time
 * it from outside.
 */
#include "int80.h"

#define SIZE 65536

#define FNV_OFFSET_BASIS        2166136261u
#define FNV_PRIME               16777619u

static unsigned int hash(unsigned int h, const unsigned char *data, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        h = (h ^ data[i]) * FNV_PRIME;
    return h;
}

int main(int argc, char *argv[])
{
    static unsigned char buffer[SIZE];
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    unsigned int h = FNV_OFFSET_BASIS;
    int i;

    for (i = 0; i < SIZE; i++)
        buffer[i] = i + i / 256;
    for (i = 0; i < rounds; i++)
        h = hash(h, buffer, SIZE);
    printf("%d rounds: %x\n", rounds, h);
    return 0;
}
