/*
 * reap.c - one wait for each SIGCHLD is not enough.
 *
 * Shows that a signal is no counter.  Three children end while SIGCHLD is
 * blocked: it is pending once, the handler runs once, and if it waits for one
 * child only, the other two stay zombies.  So a handler of SIGCHLD has to go
 * on waiting until there is nobody left to wait for.
 *
 * Look for: three SIGCHLD generated and one delivered, and the zombies among
 * the processes.
 */
#include "int80.h"

#define CHILDREN 3

static volatile int reaped;

static void wait_for_one(int sig)
{
    (void) sig;
    if (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
}

static void wait_for_all(int sig)
{
    (void) sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
}

static void try_with(const char *name, void (*handler)(int))
{
    struct timespec time = { 0, 100 * 1000 * 1000 };
    sigset_t chld, before;
    int n;

    signal(SIGCHLD, handler);
    reaped = 0;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &before);

    for (n = 0; n < CHILDREN; n++)
        if (fork() == 0)
            exit(0);
    nanosleep(&time, NULL);     /* by then all have ended */

    sigprocmask(SIG_SETMASK, &before, NULL);
    printf("%s: %d of %d reaped\n", name, reaped, CHILDREN);
    signal(SIGCHLD, SIG_DFL);
    for (n = 0; waitpid(-1, NULL, WNOHANG) > 0; n++)
        ;
    printf("  zombies left: %d\n", n);
}

int main(void)
{
    try_with("one wait for each signal", wait_for_one);
    try_with("as many as there are", wait_for_all);
    return 0;
}
