/*
 * The vDSO: the kernel's own shared object in every address space ([vdso] in /proc/PID/maps).
 *
 * C libraries find it by the auxiliary vector: AT_SYSINFO is __kernel_vsyscall's address, which i386
 * programs keep at %gs:0x10 and call instead of executing int $0x80 themselves; AT_SYSINFO_EHDR is this
 * file's ELF header. Names, versions and the protocol with the entry code are Linux's on i386
 * (arch/x86/entry/vdso/vdso32). Linked by vdso.ld, part of the kernel's image.
 */

.macro FUNCTION name
        .globl  \name
        .type   \name, @function
\name:
.endm

.macro END name
        .size   \name, . - \name
.endm

        .text
/*
 * A system call, its number and arguments in the registers as for int $0x80. sysenter loses eip and esp:
 * the entry code knows where to return to, and takes esp from ebp. What is pushed is what sysexit would lose,
 * and the sixth argument, which the entry code reads from there.
 */
        .balign 16
        FUNCTION __kernel_vsyscall
        .cfi_startproc
        pushl   %ecx
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ecx, 0
        pushl   %edx
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset edx, 0
        pushl   %ebp
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ebp, 0
        movl    %esp, %ebp
        sysenter
/* A call that has to be restarted goes on two bytes before the landing pad: here. */
        int     $0x80
        .globl  int80_landing_pad
int80_landing_pad:
        popl    %ebp
        .cfi_restore ebp
        .cfi_adjust_cfa_offset -4
        popl    %edx
        .cfi_restore edx
        .cfi_adjust_cfa_offset -4
        popl    %ecx
        .cfi_restore ecx
        .cfi_adjust_cfa_offset -4
        ret
        .cfi_endproc
        END __kernel_vsyscall

/* Where struct sigcontext has the registers (asm/sigcontext.h), each with its number in DWARF on i386. */
.macro SIGCONTEXT_CFI at
        CFA_IN  28 + \at                        /* esp */
        SAVED   0, 44 + \at                     /* eax */
        SAVED   1, 40 + \at                     /* ecx */
        SAVED   2, 36 + \at                     /* edx */
        SAVED   3, 32 + \at                     /* ebx */
        SAVED   5, 24 + \at                     /* ebp */
        SAVED   6, 20 + \at                     /* esi */
        SAVED   7, 16 + \at                     /* edi */
        SAVED   8, 56 + \at                     /* eip */
.endm

/* DW_CFA_def_cfa_expression: DW_OP_breg4 at, DW_OP_deref */
.macro CFA_IN at
        .cfi_escape 0x0f, 4, 0x74, ((\at) & 0x7f) | 0x80, ((\at) >> 7) & 0x7f, 0x06
.endm

/* DW_CFA_expression: DW_OP_breg4 at */
.macro SAVED register, at
        .cfi_escape 0x10, \register, 3, 0x74, ((\at) & 0x7f) | 0x80, ((\at) >> 7) & 0x7f
.endm

/*
 * What handlers without a restorer of their own return to. Unwinders look at the byte before a return
 * address, so what they are told begins at the nop.
 */
        .balign 32
        .cfi_startproc simple
        .cfi_signal_frame
        SIGCONTEXT_CFI 4
        nop
        FUNCTION __kernel_sigreturn
        popl    %eax                            /* the signal's number */
        SIGCONTEXT_CFI 0
        movl    $119, %eax                      /* __NR_sigreturn */
        int     $0x80
        END __kernel_sigreturn
        nop
        .cfi_endproc

        .balign 32
        .cfi_startproc simple
        .cfi_signal_frame
        SIGCONTEXT_CFI 160                      /* behind three pointers, siginfo and ucontext's head */
        nop
        FUNCTION __kernel_rt_sigreturn
        movl    $173, %eax                      /* __NR_rt_sigreturn */
        int     $0x80
        END __kernel_rt_sigreturn
        nop
        .cfi_endproc

/* The clocks are asked by system call: there is no page of the kernel's data to read them from. */
.macro CALL_2 name, number
        .balign 16
        FUNCTION \name
        .cfi_startproc
        pushl   %ebx
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ebx, 0
        movl    8(%esp), %ebx
        movl    12(%esp), %ecx
        movl    $\number, %eax
        call    __kernel_vsyscall
        popl    %ebx
        .cfi_restore ebx
        .cfi_adjust_cfa_offset -4
        ret
        .cfi_endproc
        END \name
.endm

        CALL_2  __vdso_gettimeofday, 78
        CALL_2  __vdso_clock_gettime, 265
        CALL_2  __vdso_clock_gettime64, 403
        CALL_2  __vdso_clock_getres, 266
        CALL_2  __vdso_time, 13          /* of one argument; a second one is not looked at */
        .balign 16
        FUNCTION __vdso_getcpu
        .cfi_startproc
        pushl   %ebx
        .cfi_adjust_cfa_offset 4
        .cfi_rel_offset ebx, 0
        movl    8(%esp), %ebx
        movl    12(%esp), %ecx
        movl    16(%esp), %edx
        movl    $318, %eax                      /* __NR_getcpu */
        call    __kernel_vsyscall
        popl    %ebx
        .cfi_restore ebx
        .cfi_adjust_cfa_offset -4
        ret
        .cfi_endproc
        END __vdso_getcpu

        .section .note.Linux, "a", @note
        .long   2f - 1f, 4f - 3f, 0
1:      .asciz  "Linux"
2:      .balign 4
3:      .long   0x060100                        /* the version that uname gives */
4:

        .section .note.GNU-stack, "", @progbits
