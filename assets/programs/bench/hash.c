/*
 * hash.c - how fast is plain computing?
 *
 * A buffer of 64 KiB is hashed in rounds, without a system call until the end;
 * time it from outside.  The first argument says how many rounds.  The hash is
 * MurmurHash3's (a word at a time); with a second argument it is FNV-1a (a byte
 * at a time), whose loop is about as tight as loops get.
 */
#include "int80.h"

#define SIZE 65536

#define FNV_OFFSET_BASIS        2166136261u
#define FNV_PRIME               16777619u

static unsigned int fnv1a(unsigned int h, const unsigned char *data, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        h = (h ^ data[i]) * FNV_PRIME;
    return h;
}

static unsigned int murmur3(unsigned int h, const unsigned int *data, size_t words)
{
    size_t i;

    for (i = 0; i < words; i++) {
        unsigned int k = data[i] * 0xcc9e2d51u;

        k = (k << 15 | k >> 17) * 0x1b873593u;
        h ^= k;
        h = (h << 13 | h >> 19) * 5 + 0xe6546b64u;
    }
    h ^= words * 4;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

int main(int argc, char *argv[])
{
    static unsigned int buffer[SIZE / 4];
    unsigned char *bytes = (unsigned char *)buffer;
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    unsigned int h = FNV_OFFSET_BASIS;
    int i;

    for (i = 0; i < SIZE; i++)
        bytes[i] = i + i / 256;
    for (i = 0; i < rounds; i++)
        h = argc > 2 ? fnv1a(h, bytes, SIZE) : murmur3(h, buffer, SIZE / 4);
    printf("%d rounds: %x\n", rounds, h);
    return 0;
}
