/*
 * lostwake.c - a wake-up that is lost between test and pause.
 *
 * Shows why "is it there already? no: then sleep" needs care.  If the signal
 * comes after the test and before pause, its handler runs, and then pause
 * waits for a signal that has come already: for ever.
 *
 * Look for: nothing, most of the time.  `int80 trace --schedules 100 lostwake`
 * finds the turns in which all sleep at the end.  The cure, `lostwake cure`,
 * is to test with the signal blocked, and sigsuspend, which unblocks it and
 * sleeps in one: no signal can come in between.
 */
#include "int80.h"

static volatile int arrived;

static void on_usr1(int sig)
{
    (void) sig;
    arrived = 1;
}

static void wait_badly(void)
{
    while (!arrived) {
        puts("nothing yet: going to sleep");
        pause();
    }
}

static void wait_well(void)
{
    sigset_t usr1, before;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, &before);
    while (!arrived) {
        puts("nothing yet: going to sleep");
        sigsuspend(&before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(int argc, char **argv)
{
    pid_t pid;

    signal(SIGUSR1, on_usr1);
    pid = fork();
    if (pid == 0) {
        kill(getppid(), SIGUSR1);
        exit(0);
    }
    if (argc > 1 && strcmp(argv[1], "cure") == 0)
        wait_well();
    else
        wait_badly();
    puts("the signal is here");
    waitpid(pid, NULL, 0);
    return 0;
}
