/*
 * syscall.h - system call numbers, and macros that make C functions of them.
 *
 * Linux on i386 takes the number of the call in eax and up to six arguments in
 * ebx, ecx, edx, esi, edi and ebp, enters the kernel by int $0x80, and returns
 * one value in eax.  A value from -4095 to -1 is an error number with its sign
 * turned: the stub stores it in errno and returns -1, as C programs expect.
 * All other registers come back as they were.
 *
 *      _syscall3(ssize_t, write, int, fd, const void *, buf, size_t, count)
 *
 * defines the function write, whose number is __NR_write.  The numbers are
 * those of Linux's asm/unistd_32.h; see syscall(2).
 */
#ifndef SYSCALL_H
#define SYSCALL_H

#define __NR_exit               1
#define __NR_fork               2
#define __NR_read               3
#define __NR_write              4
#define __NR_open               5
#define __NR_close              6
#define __NR_waitpid            7
#define __NR_execve             11
#define __NR_getpid             20
#define __NR_getuid             24
#define __NR_alarm              27
#define __NR_pause              29
#define __NR_kill               37
#define __NR_pipe               42
#define __NR_brk                45
#define __NR_dup2               63
#define __NR_getppid            64
#define __NR_setrlimit          75
#define __NR_mmap               90      /* the old one: a pointer to a block */
#define __NR_munmap             91
#define __NR_wait4              114
#define __NR_sigreturn          119
#define __NR_mprotect           125
#define __NR_nanosleep          162
#define __NR_prctl              172
#define __NR_rt_sigreturn       173
#define __NR_rt_sigaction       174
#define __NR_rt_sigprocmask     175
#define __NR_rt_sigqueueinfo    178
#define __NR_rt_sigsuspend      179
#define __NR_sigaltstack        186
#define __NR_mmap2              192

#ifndef __ASSEMBLER__

#define MAX_ERRNO 4095

/* The end of every stub: from the kernel's way to report an error to C's. */
#define __syscall_return(type, result)                                      \
    do {                                                                    \
        if ((unsigned long) (result) >= (unsigned long) -MAX_ERRNO) {       \
            errno = -(result);                                              \
            (result) = -1;                                                  \
        }                                                                   \
        return (type) (result);                                             \
    } while (0)

#define _syscall0(type, name)                                               \
type name(void)                                                             \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name)                                   \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#define _syscall1(type, name, type1, arg1)                                  \
type name(type1 arg1)                                                       \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name), "b" (arg1)                       \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#define _syscall2(type, name, type1, arg1, type2, arg2)                     \
type name(type1 arg1, type2 arg2)                                           \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name), "b" (arg1), "c" (arg2)           \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#define _syscall3(type, name, type1, arg1, type2, arg2, type3, arg3)        \
type name(type1 arg1, type2 arg2, type3 arg3)                               \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name), "b" (arg1), "c" (arg2),          \
                        "d" (arg3)                                          \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#define _syscall4(type, name, type1, arg1, type2, arg2, type3, arg3,        \
                  type4, arg4)                                              \
type name(type1 arg1, type2 arg2, type3 arg3, type4 arg4)                   \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name), "b" (arg1), "c" (arg2),          \
                        "d" (arg3), "S" (arg4)                              \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#define _syscall5(type, name, type1, arg1, type2, arg2, type3, arg3,        \
                  type4, arg4, type5, arg5)                                 \
type name(type1 arg1, type2 arg2, type3 arg3, type4 arg4, type5 arg5)       \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("int $0x80"                                           \
                      : "=a" (result)                                       \
                      : "0" (__NR_##name), "b" (arg1), "c" (arg2),          \
                        "d" (arg3), "S" (arg4), "D" (arg5)                  \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

/*
 * The sixth argument belongs in ebp, which is the frame pointer, so it has to
 * be saved by hand.  With all other registers taken the argument travels in
 * eax until ebp is free; only then does eax get the number of the call.
 */
#define _syscall6(type, name, type1, arg1, type2, arg2, type3, arg3,        \
                  type4, arg4, type5, arg5, type6, arg6)                    \
type name(type1 arg1, type2 arg2, type3 arg3, type4 arg4, type5 arg5,       \
          type6 arg6)                                                       \
{                                                                           \
    long result;                                                            \
    __asm__ volatile ("pushl %%ebp\n\t"                                     \
                      "movl %%eax, %%ebp\n\t"                               \
                      "movl %1, %%eax\n\t"                                  \
                      "int $0x80\n\t"                                       \
                      "popl %%ebp"                                          \
                      : "=a" (result)                                       \
                      : "i" (__NR_##name), "0" (arg6), "b" (arg1),          \
                        "c" (arg2), "d" (arg3), "S" (arg4), "D" (arg5)      \
                      : "memory");                                          \
    __syscall_return(type, result);                                         \
}

#endif /* __ASSEMBLER__ */
#endif /* SYSCALL_H */
