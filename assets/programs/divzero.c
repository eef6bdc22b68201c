/*
 * divzero.c - an exception that the hardware raises.
 *
 * Shows a trap that nobody asked for: idivl finds a divisor of 0, and
 * the processor enters the kernel by vector 0, as if by a system call, with
 * the address of that very instruction saved.  The kernel makes a signal of it,
 * SIGFPE, and there is no handler: the process ends.
 *
 * Look for: eip in pt_regs on the idivl and not behind it, and the exit status
 * that a shell shows: 128 + 8.
 */
#include "int80.h"

int main(void)
{
    volatile int dividend = 100, divisor = 0;  /* volatile: no guessing */

    puts("dividing 100 by 0");
    printf("the result is %d\n", dividend / divisor);
    puts("never reached");
    return 0;
}
