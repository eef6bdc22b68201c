/*
 * sigreturn.S - where a signal handler returns to.
 *
 * The kernel builds a frame on the user stack, with one of these two addresses
 * as the return address, and jumps to the handler.  The handler's ret comes
 * here, and sigreturn makes the kernel restore all registers from the frame:
 * the program goes on where the signal found it.  Neither call returns.
 *
 * A plain handler's frame begins with the signal's number, which sigreturn
 * wants off the stack; a handler with SA_SIGINFO has the rt frame.
 */
#include "syscall.h"

        .text
        .globl  __restore
        .type   __restore, @function
__restore:
        popl    %eax
        movl    $__NR_sigreturn, %eax
        int     $0x80
        .size   __restore, . - __restore

        .globl  __restore_rt
        .type   __restore_rt, @function
__restore_rt:
        movl    $__NR_rt_sigreturn, %eax
        int     $0x80
        .size   __restore_rt, . - __restore_rt

        .section .note.GNU-stack, "", @progbits
