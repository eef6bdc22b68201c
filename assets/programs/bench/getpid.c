/*
 * getpid.c - how long does a system call take?
 *
 * Calls the cheapest one, by int $0x80 through its stub, again and again.
 * The first argument says how often; time it from outside.
 */
#include "int80.h"

int main(int argc, char *argv[])
{
    int count = argc > 1 ? atoi(argv[1]) : 100000;
    int i;

    for (i = 0; i < count; i++)
        getpid();
    printf("%d times getpid\n", count);
    return 0;
}
