/*
 * signal.c - two signals, caught.
 *
 * Shows a handler at work: the kernel interrupts the program on its way back to
 * user mode, builds a frame on the user stack and lets it run the handler; the
 * handler returns into sigreturn, and the program goes on as if nothing had
 * been.  First for a signal that the process sends to itself, then for SIGCHLD,
 * which the kernel sends when a child ends.
 *
 * Look for: the handler running before kill returns to main, registers saved
 * in the frame and restored from it, and the signal blocked in between.
 *
 * The handlers use write and not printf: only few functions are safe in one,
 * see signal-safety(7).
 */
#include "int80.h"

static volatile int children_ended;

static void on_usr1(int sig)
{
    static const char text[] = "handler: SIGUSR1\n";

    if (sig == SIGUSR1)
        write(STDOUT_FILENO, text, sizeof(text) - 1);
}

static void on_chld(int sig)
{
    static const char text[] = "handler: SIGCHLD\n";

    if (sig == SIGCHLD)
        write(STDOUT_FILENO, text, sizeof(text) - 1);
    children_ended++;
}

int main(void)
{
    int status;
    pid_t pid;

    if (signal(SIGUSR1, on_usr1) == SIG_ERR
        || signal(SIGCHLD, on_chld) == SIG_ERR) {
        perror("signal");
        return 1;
    }

    puts("main: sending SIGUSR1 to myself");
    kill(getpid(), SIGUSR1);
    puts("main: back, and sending it once more");
    kill(getpid(), SIGUSR1);

    puts("main: making a child");
    pid = fork();
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    if (pid == 0)
        exit(3);
    waitpid(pid, &status, 0);
    printf("main: the child's exit status is %d, children ended: %d\n",
           WEXITSTATUS(status), children_ended);
    return 0;
}
