/*
 * crt0.S - where a program starts.
 *
 * The kernel enters at _start with this on the stack, lowest address first:
 *
 *      esp ->  argc
 *              argv[0] ... argv[argc - 1], NULL
 *              envp[0] ... NULL
 *              the auxiliary vector, and the strings
 *
 * main gets the three as arguments, and what it returns goes to exit.
 */
        .text
        .globl  _start
        .type   _start, @function
_start:
        xorl    %ebp, %ebp              /* no frame above: backtraces end here */
        movl    (%esp), %eax            /* argc */
        leal    4(%esp), %ecx           /* argv */
        leal    8(%esp,%eax,4), %edx    /* envp = argv + argc + 1 */
        pushl   %edx
        pushl   %ecx
        pushl   %eax
        call    main
        pushl   %eax
        call    exit                    /* does not return */
        .size   _start, . - _start

        .section .note.GNU-stack, "", @progbits
