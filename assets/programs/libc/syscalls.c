/*
 * syscalls.c - one function per system call, each made by one macro.
 *
 * Disassemble any of them: the arguments go from the stack into registers, the
 * number of the call into eax, and int $0x80 does the rest.
 */
#include "int80.h"
#include "syscall.h"

int errno;

_syscall0(pid_t, fork)
_syscall3(ssize_t, read, int, fd, void *, buf, size_t, count)
_syscall3(ssize_t, write, int, fd, const void *, buf, size_t, count)
_syscall3(int, open, const char *, path, int, flags, int, mode)
_syscall1(int, close, int, fd)
_syscall3(pid_t, waitpid, pid_t, pid, int *, status, int, options)
_syscall3(int, execve, const char *, path, char *const *, argv,
          char *const *, envp)
_syscall0(pid_t, getpid)
_syscall2(int, kill, pid_t, pid, int, sig)
_syscall1(int, pipe, int *, fd)
_syscall2(int, dup2, int, oldfd, int, newfd)
_syscall0(pid_t, getppid)
_syscall2(int, munmap, void *, addr, size_t, len)
_syscall4(pid_t, wait4, pid_t, pid, int *, status, int, options,
          struct rusage *, usage)
_syscall3(int, mprotect, void *, addr, size_t, len, int, prot)
_syscall2(int, nanosleep, const struct timespec *, request,
          struct timespec *, remaining)
_syscall5(int, prctl, int, option, unsigned long, arg2, unsigned long, arg3,
          unsigned long, arg4, unsigned long, arg5)
_syscall4(int, rt_sigaction, int, sig, const struct sigaction *, act,
          struct sigaction *, old, size_t, sigsetsize)
_syscall4(int, rt_sigprocmask, int, how, const sigset_t *, set,
          sigset_t *, old, size_t, sigsetsize)
_syscall6(void *, mmap2, void *, addr, size_t, len, int, prot, int, flags,
          int, fd, unsigned long, page_offset)

/* The call that i386 Linux numbers as mmap is the one that takes a block. */
#define __NR_old_mmap __NR_mmap
_syscall1(void *, old_mmap, struct mmap_arg_struct *, arg)

/* The one stub that needs no ending: there is nobody to return to. */
void _exit(int status)
{
    for (;;)
        __asm__ volatile ("int $0x80" : : "a" (__NR_exit), "b" (status));
}
