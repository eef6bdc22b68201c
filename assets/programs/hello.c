/*
 * hello.c - the smallest program that says something.
 *
 * Shows one system call from end to end: main calls the stub write, the stub
 * puts the number 4 into eax and the arguments into ebx, ecx and edx, int $0x80
 * enters the kernel, and the result comes back in eax.
 *
 * Look for: the same three arguments in four places (on the user stack, in the
 * registers, in pt_regs on the kernel stack, in sys_write), and 13, the number
 * of bytes written, on its way back.
 */
#include "int80.h"

int main(void)
{
    write(STDOUT_FILENO, "hello, world\n", 13);
    return 0;
}
