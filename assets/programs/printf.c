/*
 * printf.c - from C through a library to a system call.
 *
 * Shows that printf is not a system call: it is a function of the library,
 * which makes text of its arguments and then calls write like anybody else.
 *
 * Look for: much work in user mode and one single trap for each printf; write
 * returns the number of bytes to printf, and printf returns it to main.
 */
#include "int80.h"

int main(void)
{
    int n;

    n = printf("hello, %s: %d is %x in hexadecimal%c\n",
               "world", 128, 128, '!');
    printf("printf returned %d\n", n);
    return 0;
}
