/*
 * string.c - bytes and strings, a byte at a time.
 */
#include "int80.h"

size_t strlen(const char *s)
{
    const char *end = s;

    while (*end != '\0')
        end++;
    return end - s;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *(const unsigned char *) a - *(const unsigned char *) b;
}

char *strcpy(char *to, const char *from)
{
    char *p = to;

    while ((*p++ = *from++) != '\0')
        ;
    return to;
}

void *memcpy(void *to, const void *from, size_t count)
{
    char *p = to;
    const char *q = from;

    while (count-- > 0)
        *p++ = *q++;
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    char *p = to;
    const char *q = from;

    if (p <= q)
        return memcpy(to, from, count);
    while (count-- > 0)
        p[count] = q[count];
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    char *p = to;

    while (count-- > 0)
        *p++ = byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *p = a;
    const unsigned char *q = b;

    for (; count > 0; count--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}
