/*
 * nodefer.c - the same signal while its handler runs.
 *
 * Shows the three things that can happen.  Usually the signal waits until the
 * handler has returned, and of several that wait only one is left.  With
 * SA_NODEFER the handler is interrupted by itself.  With SA_RESETHAND the
 * handler is good for one signal only: the next one takes the default action,
 * which was signal's behaviour in the old days and a race in many a program.
 *
 * Look for: how many frames of the same handler are on the stack at once, and
 * the child that the second signal ends.
 */
#include "int80.h"

static volatile int depth, runs;

/* Calls printf, which no handler should; here main is known to be in kill. */
static void on_usr1(int sig)
{
    depth++;
    runs++;
    printf("  handler begins, depth %d\n", depth);
    if (runs == 1) {
        raise(sig);
        raise(sig);
    }
    printf("  handler ends, depth %d\n", depth);
    depth--;
}

static void try_with(const char *name, unsigned long flags)
{
    struct sigaction act;
    int status;
    pid_t pid;

    printf("%s:\n", name);
    pid = fork();
    if (pid == 0) {
        memset(&act, 0, sizeof(act));
        act.sa_handler = on_usr1;
        act.sa_flags = flags;
        sigaction(SIGUSR1, &act, NULL);
        raise(SIGUSR1);
        exit(runs);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("  ended by signal %d\n", WTERMSIG(status));
    else
        printf("  3 signals sent, the handler ran %d times\n", WEXITSTATUS(status));
}

int main(void)
{
    try_with("no flags", 0);
    try_with("SA_NODEFER", SA_NODEFER);
    try_with("SA_RESETHAND", SA_RESETHAND);
    return 0;
}
