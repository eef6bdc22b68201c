/*
 * rtqueue.c - in which order pending signals are delivered.
 *
 * Shows the difference between the old signals and the real-time ones.  While
 * all are blocked, SIGUSR1 is sent twice and is pending once.  Real-time
 * signals are queued one by one, each with its value; the lowest number comes
 * first, and those of one number in the order in which they were sent.
 *
 * Look for: the pending sets, and the kernel building all frames before the
 * first handler runs unless sa_mask keeps the others back, as it does here.
 */
#include "int80.h"

static struct {
    int sig, value;
} seen[16];
static volatile int count;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void) context;
    seen[count].sig = sig;
    seen[count].value = info->si_code == SI_QUEUE ? info->si_value : 0;
    count++;
}

int main(void)
{
    struct sigaction act;
    sigset_t all, before;
    int n;

    memset(&all, 0xff, sizeof(all));
    act.sa_sigaction = handler;
    act.sa_flags = SA_SIGINFO;
    act.sa_mask = all;
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGRTMIN + 4, &act, NULL);
    sigaction(SIGRTMIN + 5, &act, NULL);

    sigprocmask(SIG_BLOCK, &all, &before);
    puts("sent:      RTMIN+5 (1)  RTMIN+4 (2)  USR1  RTMIN+4 (3)  USR1  RTMIN+5 (4)");
    sigqueue(getpid(), SIGRTMIN + 5, 1);
    sigqueue(getpid(), SIGRTMIN + 4, 2);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 4, 3);
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 5, 4);
    sigprocmask(SIG_SETMASK, &before, NULL);

    printf("delivered:");
    for (n = 0; n < count; n++) {
        if (seen[n].sig == SIGUSR1)
            printf(" USR1 ");
        else
            printf(" RTMIN+%d (%d) ", seen[n].sig - SIGRTMIN, seen[n].value);
    }
    puts("");
    return 0;
}
