/*
 * signal.c - sigaction and signal, and sets of signals.
 *
 * The kernel is told three things about a handler: its address, the signals to
 * block while it runs, and the restorer, the code that its ret leads to.
 */
#include "int80.h"

void __restore(void);
void __restore_rt(void);

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct sigaction with_restorer;

    if (act == NULL)
        return rt_sigaction(sig, NULL, old, sizeof(sigset_t));

    with_restorer = *act;
    with_restorer.sa_flags |= SA_RESTORER;
    if (act->sa_flags & SA_SIGINFO)
        with_restorer.sa_restorer = __restore_rt;
    else
        with_restorer.sa_restorer = __restore;
    return rt_sigaction(sig, &with_restorer, old, sizeof(sigset_t));
}

/* As in BSD: the handler stays, and interrupted system calls are restarted. */
sighandler_t signal(int sig, sighandler_t handler)
{
    struct sigaction act, old;

    act.sa_handler = handler;
    act.sa_flags = SA_RESTART;
    sigemptyset(&act.sa_mask);
    if (sigaction(sig, &act, &old) < 0)
        return SIG_ERR;
    return old.sa_handler;
}

int sigemptyset(sigset_t *set)
{
    set->sig[0] = 0;
    set->sig[1] = 0;
    return 0;
}

int sigaddset(sigset_t *set, int sig)
{
    set->sig[(sig - 1) / 32] |= 1UL << (sig - 1) % 32;
    return 0;
}

int sigismember(const sigset_t *set, int sig)
{
    return (set->sig[(sig - 1) / 32] >> (sig - 1) % 32) & 1;
}
