/*
 * The kernel's own machine code: everything between a vector and the bodies of the system calls.
 *
 * The bodies are Python. Where C would be called there is a `hlt`, at a symbol of the C function's
 * name (HYPERCALL below): the processor stops, Python does the work on this machine's memory, and
 * the code goes on behind the `hlt` with the result in %eax. %edx then says whether the task has
 * to wait first and be asked again.
 *
 * Loaded at 1 MiB, linked at 0xC0100000. pt_regs and names as in Linux on i386.
 */

        .set    __KERNEL_CS, 0x60
        .set    __KERNEL_DS, 0x68
        .set    __USER_CS, 0x73
        .set    __USER_DS, 0x7b
        .set    __TSS, 0x80
        .set    __LDT, 0x88
        .set    PAGE_OFFSET, 0xC0000000
        .set    THREAD_SIZE, 8192

/* struct pt_regs, from %esp up once SAVE_ALL is through */
        .set    PT_EBX, 0x00
        .set    PT_ECX, 0x04
        .set    PT_EDX, 0x08
        .set    PT_ESI, 0x0c
        .set    PT_EDI, 0x10
        .set    PT_EBP, 0x14
        .set    PT_EAX, 0x18
        .set    PT_DS, 0x1c
        .set    PT_ES, 0x20
        .set    PT_FS, 0x24
        .set    PT_GS, 0x28
        .set    PT_ORIG_EAX, 0x2c
        .set    PT_EIP, 0x30
        .set    PT_CS, 0x34
        .set    PT_EFLAGS, 0x38
        .set    PT_OLDESP, 0x3c
        .set    PT_OLDSS, 0x40
        .set    PT_SIZE, 0x44

/* struct thread_info, at the bottom of each kernel stack */
        .set    TI_FLAGS, 0x00
        .set    TI_ESP, 0x04
        .set    TI_CR3, 0x08
        .set    TI_LDT, 0x0c
        .set    TI_PID, 0x10
        .set    TI_SYSENTER_RETURN, 0x220       /* in the vDSO of the task's address space */
        .set    TI_FXSAVE, 0x20
        .set    TI_SIZE, 0x224

        .set    TIF_SIGPENDING, 1
        .set    TIF_NEED_RESCHED, 2
        .set    TIF_WORK, 3

        .set    TSS_ESP0, 4

        .set    EFLAGS_TF, 1 << 8
        .set    EFLAGS_IF, 1 << 9
        .set    EFLAGS_NT, 1 << 14
        .set    EFLAGS_AC, 1 << 18
        .set    EFLAGS_FIXED, 2
        .set    EFAULT, 14

        .set    MSR_SYSENTER_CS, 0x174
        .set    MSR_SYSENTER_ESP, 0x175
        .set    MSR_SYSENTER_EIP, 0x176
        .set    MSR_EFER, 0xC0000080
        .set    EFER_NXE, 0x800
        .set    CR4_BITS, 0x624                 /* TSD PAE OSFXSR OSXMMEXCPT */
        .set    CR0_BITS, 0x80010033            /* PG WP NE ET MP PE */

        .globl  THREAD_SIZE, PT_SIZE, PT_EAX, PT_ORIG_EAX, PT_EIP
        .globl  TI_FLAGS, TI_ESP, TI_CR3, TI_LDT, TI_PID, TI_SYSENTER_RETURN, TI_FXSAVE, TI_SIZE
        .globl  TIF_SIGPENDING, TIF_NEED_RESCHED

.macro FUNCTION name
        .globl  \name
        .type   \name, @function
\name:
.endm

.macro END name
        .size   \name, . - \name
.endm

/* A body in Python: asked again after a sleep for as long as it says that it has to wait. */
.macro HYPERCALL name
        FUNCTION \name
771:    hlt
        testl   %edx, %edx
        jnz     772f
        ret
772:    call    schedule
        jmp     771b
        END \name
.endm

/* The same for a body that looks at the x87 and SSE registers, or replaces them. */
.macro HYPERCALL_FPU name
        FUNCTION \name
        call    save_fpu
771:    hlt
        testl   %edx, %edx
        jnz     772f
        jmp     load_fpu
772:    call    schedule
        jmp     771b
        END \name
.endm

.macro SAVE_ALL
        cld
        pushl   %gs
        pushl   %fs
        pushl   %es
        pushl   %ds
        pushl   %eax
        pushl   %ebp
        pushl   %edi
        pushl   %esi
        pushl   %edx
        pushl   %ecx
        pushl   %ebx
        movl    $__USER_DS, %edx
        movl    %edx, %ds
        movl    %edx, %es
        xorl    %edx, %edx                      /* the user's TLS may be gone when we return here */
        movl    %edx, %fs
        movl    %edx, %gs
.endm

.macro GET_THREAD_INFO reg
        movl    $-THREAD_SIZE, \reg
        andl    %esp, \reg
.endm

/* An address in this code that may fault, and where to go on then. */
.macro EX_TABLE at, fixup
        .pushsection __ex_table, "a"
        .long   \at, \fixup
        .popsection
.endm

/* ---- Power on: physical addresses, paging off. Python has filled the tables. ---- */

        .section .head, "ax"
        FUNCTION startup_32
        lgdt    gdt_descr - PAGE_OFFSET
        movl    $CR4_BITS, %eax
        movl    %eax, %cr4
        movl    $swapper_pg_dir - PAGE_OFFSET, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        xorl    %edx, %edx
        movl    $EFER_NXE, %eax
        wrmsr
        movl    $CR0_BITS, %eax
        movl    %eax, %cr0
        ljmp    $__KERNEL_CS, $paging_on
        END startup_32

        .text
        FUNCTION paging_on
        movl    $__USER_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $__KERNEL_DS, %eax
        movl    %eax, %ss
        movl    $init_thread_union + THREAD_SIZE, %esp
        lidt    idt_descr
        movl    $__TSS, %eax
        ltr     %ax
        xorl    %eax, %eax
        lldt    %ax
        xorl    %edx, %edx
        movl    $MSR_SYSENTER_CS, %ecx
        movl    $__KERNEL_CS, %eax              /* and SS behind it; 0 would forbid sysenter */
        wrmsr
        movl    $MSR_SYSENTER_ESP, %ecx
        movl    $init_tss, %eax
        wrmsr
        movl    $MSR_SYSENTER_EIP, %ecx
        movl    $ia32_sysenter_target, %eax
        wrmsr
        call    start_kernel
        END paging_on

/* Process 0: runs when nobody else can. */
        FUNCTION cpu_idle
        cli
        call    schedule
        sti
        FUNCTION default_idle
        hlt                                     /* until an interrupt */
        END default_idle
        jmp     cpu_idle
        END cpu_idle

        HYPERCALL start_kernel

/* ---- int $0x80 ---- */

        FUNCTION system_call
        pushl   %eax                            /* orig_eax */
        SAVE_ALL
        FUNCTION system_call_saved
        cmpl    $NR_syscalls, %eax
        jae     system_call_bad
        call    *sys_call_table(,%eax,4)
        FUNCTION system_call_done
        movl    %eax, PT_EAX(%esp)              /* the result, where %eax will be restored from */

        FUNCTION ret_from_sys_call
        cli                                     /* what is looked at now must hold until iret */
        GET_THREAD_INFO %ebp
        testl   $TIF_WORK, TI_FLAGS(%ebp)
        jnz     work_pending

        FUNCTION restore_all
        popl    %ebx
        popl    %ecx
        popl    %edx
        popl    %esi
        popl    %edi
        popl    %ebp
        popl    %eax
1:      popl    %ds
2:      popl    %es
3:      popl    %fs
4:      popl    %gs
        addl    $4, %esp                        /* orig_eax */
        FUNCTION return_from_interrupt
5:      iret
        END return_from_interrupt
        END restore_all
        EX_TABLE 1b, null_ds
        EX_TABLE 2b, null_es
        EX_TABLE 3b, null_fs
        EX_TABLE 4b, null_gs
        EX_TABLE 5b, bad_iret

/* A selector on the stack cannot be loaded any more: load the null one. */
null_ds:
        movl    $0, (%esp)
        jmp     1b
null_es:
        movl    $0, (%esp)
        jmp     2b
null_fs:
        movl    $0, (%esp)
        jmp     3b
null_gs:
        movl    $0, (%esp)
        jmp     4b

        FUNCTION work_pending
        testl   $TIF_NEED_RESCHED, TI_FLAGS(%ebp)
        jz      1f
        call    schedule
        jmp     ret_from_sys_call
1:      sti
        call    do_notify_resume
        jmp     ret_from_sys_call
        END work_pending
        END ret_from_sys_call

        FUNCTION system_call_bad
        call    sys_ni_syscall
        jmp     system_call_done
        END system_call_bad
        END system_call

/*
 * ---- sysenter, from the vDSO's __kernel_vsyscall: the same frame, made by hand ----
 *
 * The processor has pushed nothing and kept neither eip nor esp. Linux's protocol on i386: ebp is the user's
 * esp, the sixth argument is where it points to, and the way back leads to the vDSO's landing pad.
 */

        FUNCTION ia32_sysenter_target
        movl    TSS_ESP0(%esp), %esp            /* esp was the TSS: in it, the kernel stack */
        FUNCTION sysenter_past_esp
        pushl   $__USER_DS
        pushl   %ebp
        pushfl
        orl     $EFLAGS_IF, (%esp)              /* sysenter has cleared it */
        pushl   $__USER_CS
        pushl   TI_SYSENTER_RETURN + 16 - THREAD_SIZE(%esp)
        FUNCTION sysenter_framed
        pushl   %eax                            /* orig_eax */
        SAVE_ALL
        FUNCTION sysenter_saved
        testl   $EFLAGS_NT | EFLAGS_AC | EFLAGS_TF, PT_EFLAGS(%esp)
        jnz     sysenter_fix_flags
        FUNCTION sysenter_argument
        sti
        cmpl    $PAGE_OFFSET - 3, %ebp
        jae     sysenter_fault
6:      movl    (%ebp), %ebp
        movl    %ebp, PT_EBP(%esp)
        jmp     system_call_saved
        EX_TABLE 6b, sysenter_fault

/* With TF every instruction up to here has trapped, and do_debug has ignored it; NT would make iret fail. */
        FUNCTION sysenter_fix_flags
        pushl   $EFLAGS_FIXED
        popfl
        jmp     sysenter_argument
        END sysenter_fix_flags

        FUNCTION sysenter_fault
        movl    $-EFAULT, %eax
        jmp     system_call_done
        END sysenter_fault
        END ia32_sysenter_target

/* iret refused what is on the stack: the task gets SIGSEGV there. */
        FUNCTION bad_iret
        pushl   $-1
        SAVE_ALL
        call    do_iret_error
        jmp     ret_from_exception
        END bad_iret

        HYPERCALL sys_ni_syscall
        HYPERCALL_FPU do_notify_resume
        HYPERCALL do_iret_error

/* ---- Exceptions: the error code (or 0) takes orig_eax's place ---- */

.macro EXCEPTION name, has_error=0
        FUNCTION \name
        .if     !\has_error
        pushl   $0
        .endif
        SAVE_ALL
        call    do_\name
        jmp     ret_from_exception
        END \name
        HYPERCALL do_\name
.endm

        EXCEPTION divide_error
        EXCEPTION debug
        EXCEPTION nmi
        EXCEPTION int3
        EXCEPTION overflow
        EXCEPTION bounds
        EXCEPTION invalid_op
        EXCEPTION device_not_available
        EXCEPTION double_fault, 1
        EXCEPTION coprocessor_segment_overrun
        EXCEPTION invalid_TSS, 1
        EXCEPTION segment_not_present, 1
        EXCEPTION stack_segment, 1
        EXCEPTION general_protection, 1
        EXCEPTION page_fault, 1
        EXCEPTION coprocessor_error
        EXCEPTION alignment_check, 1
        EXCEPTION machine_check
        EXCEPTION simd_coprocessor_error

        FUNCTION ret_from_exception
        testl   $3, PT_CS(%esp)
        jz      restore_all                     /* back into the kernel: no work is looked for */
        jmp     ret_from_sys_call
        END ret_from_exception

/* ---- Interrupts: timer 0x20, keyboard 0x21, serial line 0x24 ---- */

.macro INTERRUPT name
        FUNCTION \name
        pushl   $-1
        SAVE_ALL
        call    do_\name
        jmp     ret_from_exception
        END \name
        HYPERCALL do_\name
.endm

        INTERRUPT timer_interrupt
        INTERRUPT keyboard_interrupt
        INTERRUPT serial_interrupt

/* The disk, 0x2e. Behind all other code, so that nothing else moved for it. */
        .section .text.disk, "ax", @progbits
        INTERRUPT disk_interrupt
        .text

/* ---- Switching tasks ---- */

        FUNCTION schedule
        pushfl
        cli
        FUNCTION pick_next
        hlt                                     /* Python chooses: %eax this thread, %edx the next */
        END pick_next
        cmpl    %eax, %edx
        je      1f
        call    __switch_to
1:      popfl
        ret
        END schedule

        FUNCTION __switch_to
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        fxsave  TI_FXSAVE(%eax)
        movl    %esp, TI_ESP(%eax)
        movl    TI_ESP(%edx), %esp
        movl    TI_CR3(%edx), %ecx
        movl    %ecx, %cr3
        leal    THREAD_SIZE(%edx), %ecx
        movl    %ecx, init_tss + TSS_ESP0
        movl    TI_LDT(%edx), %ecx
        lldt    %cx
        fxrstor TI_FXSAVE(%edx)
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        FUNCTION finish_task_switch
        hlt
        END finish_task_switch
        ret
        END __switch_to

/* A new task's first steps. */
        FUNCTION ret_from_fork
        jmp     ret_from_sys_call
        END ret_from_fork

        FUNCTION save_fpu
        GET_THREAD_INFO %ecx
        fxsave  TI_FXSAVE(%ecx)
        ret
        END save_fpu

        FUNCTION load_fpu
        GET_THREAD_INFO %ecx
        fxrstor TI_FXSAVE(%ecx)
        ret
        END load_fpu

        .include "syscall_table.S"

/* ---- Data ---- */

        .section .rodata
        .globl  gdt_descr, idt_descr
        .balign 4
        .word   0
gdt_descr:
        .word   GDT_ENTRIES * 8 - 1
        .long   gdt_table
        .word   0
idt_descr:
        .word   256 * 8 - 1
        .long   idt_table
        .set    GDT_ENTRIES, 32

/* The vDSO, on a page of its own. */
        .globl  vdso_start, vdso_end
        .balign 4096
vdso_start:
        .incbin "vdso.so"
vdso_end:
        .balign 4096

        .bss
        .globl  swapper_pg_dir, gdt_table, idt_table, init_tss, init_thread_union
        .balign 8192
        .type   init_thread_union, @object
init_thread_union:
        .skip   THREAD_SIZE
        .size   init_thread_union, . - init_thread_union
        .balign 4096
        .type   swapper_pg_dir, @object
swapper_pg_dir:
        .skip   4096
        .size   swapper_pg_dir, . - swapper_pg_dir
        .type   idt_table, @object
idt_table:
        .skip   256 * 8
        .size   idt_table, . - idt_table
        .type   gdt_table, @object
gdt_table:
        .skip   GDT_ENTRIES * 8
        .size   gdt_table, . - gdt_table
        .type   init_tss, @object
init_tss:
        .skip   104
        .size   init_tss, . - init_tss
