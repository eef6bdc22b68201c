/*
 * eintr.c - a read that a signal interrupts.
 *
 * Shows what becomes of a system call that sleeps when a handler has to run:
 * it ends early with EINTR, unless the handler was set with SA_RESTART: then
 * the kernel lets the program make the call once more, and it looks as if
 * nothing had been.
 *
 * Look for: eip set back onto the int $0x80 before the handler's frame is
 * built, in the second half; -4 in eax in the first.
 */
#include "int80.h"

static volatile int handled;

static void on_usr1(int sig)
{
    (void) sig;
    handled++;
}

static void sleep_a_little(void)
{
    struct timespec time = { 0, 50 * 1000 * 1000 };

    nanosleep(&time, NULL);
}

static void try_with(const char *name, unsigned long flags)
{
    struct sigaction act;
    int fd[2];
    ssize_t n;
    pid_t pid;
    char c;

    memset(&act, 0, sizeof(act));
    act.sa_handler = on_usr1;
    act.sa_flags = flags;
    sigaction(SIGUSR1, &act, NULL);
    handled = 0;

    pipe(fd);
    pid = fork();
    if (pid == 0) {
        sleep_a_little();
        kill(getppid(), SIGUSR1);
        sleep_a_little();
        write(fd[1], "x", 1);
        exit(0);
    }
    n = read(fd[0], &c, 1);
    printf("%s: read gives %d, the handler ran %d times", name, n, handled);
    if (n < 0)
        printf(": %s", strerror(errno));
    puts("");
    waitpid(pid, NULL, 0);
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    try_with("no flags", 0);
    try_with("SA_RESTART", SA_RESTART);
    return 0;
}
