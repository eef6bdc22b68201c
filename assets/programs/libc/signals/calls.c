/*
 * calls.c - the system calls about signals that few programs need.
 */
#include "int80.h"
#include "syscall.h"

_syscall0(int, pause)
_syscall1(unsigned int, alarm, unsigned int, seconds)
_syscall2(int, sigaltstack, const stack_t *, stack, stack_t *, old)
_syscall2(int, setrlimit, int, resource, const struct rlimit *, limit)

static _syscall0(unsigned int, getuid)
static _syscall2(int, rt_sigsuspend, const sigset_t *, mask, size_t, size)
static _syscall3(int, rt_sigqueueinfo, pid_t, pid, int, sig,
                 const siginfo_t *, info)

int sigsuspend(const sigset_t *mask)
{
    return rt_sigsuspend(mask, sizeof(sigset_t));
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return rt_sigprocmask(how, set, old, sizeof(sigset_t));
}

int raise(int sig)
{
    return kill(getpid(), sig);
}

/* The kernel takes what is in the structure as it is: who sends it says so. */
int sigqueue(pid_t pid, int sig, int value)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = sig;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = value;
    return rt_sigqueueinfo(pid, sig, &info);
}
