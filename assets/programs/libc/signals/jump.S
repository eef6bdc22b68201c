/*
 * jump.S - sigsetjmp and siglongjmp: go back to a place, whatever was called.
 *
 * sigsetjmp notes the registers that its caller relies on and returns 0; then
 * siglongjmp loads them, and sigsetjmp seems to return once more, with another
 * value.  All functions called in between, and the frames of signal handlers
 * among them, are simply left behind on the stack.  The signal mask is not in
 * a register: see mask.c.
 */
        .text
        .globl  sigsetjmp
        .type   sigsetjmp, @function
sigsetjmp:
        movl    4(%esp), %eax           /* where */
        movl    %ebx, 0(%eax)
        movl    %esi, 4(%eax)
        movl    %edi, 8(%eax)
        movl    %ebp, 12(%eax)
        leal    4(%esp), %ecx           /* as it is after the return */
        movl    %ecx, 16(%eax)
        movl    (%esp), %ecx            /* the return address */
        movl    %ecx, 20(%eax)
        pushl   8(%esp)                 /* save_mask */
        pushl   %eax
        call    __save_mask
        addl    $8, %esp
        xorl    %eax, %eax
        ret
        .size   sigsetjmp, . - sigsetjmp

        .globl  __jump
        .type   __jump, @function
__jump:
        movl    4(%esp), %ecx           /* where */
        movl    8(%esp), %eax           /* value */
        movl    0(%ecx), %ebx
        movl    4(%ecx), %esi
        movl    8(%ecx), %edi
        movl    12(%ecx), %ebp
        movl    16(%ecx), %esp
        jmp     *20(%ecx)
        .size   __jump, . - __jump

        .section .note.GNU-stack, "", @progbits
