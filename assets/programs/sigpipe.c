/*
 * sigpipe.c - writing to a pipe that nobody reads.
 *
 * Shows why `yes | head -1` ends: a write to a pipe without a reader sends
 * SIGPIPE, whose default action ends the writer before write can return.  Who
 * ignores the signal gets EPIPE, and has to look at what write returns, or it
 * goes on for ever.
 *
 * Look for: SIGPIPE sent by the kernel in the middle of write, and the first
 * child's write, which never comes back.
 */
#include "int80.h"

static void writer(int fd)
{
    ssize_t n;

    do
        n = write(fd, "y\n", 2);
    while (n == 2);
    printf("  writer: write gives %d: %s\n", n, strerror(errno));
    exit(1);
}

static void try_with(const char *name, sighandler_t action)
{
    int fd[2], status;
    char buf[2];
    pid_t pid;

    printf("%s:\n", name);
    pipe(fd);
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, action);
        close(fd[0]);
        writer(fd[1]);
    }
    close(fd[1]);
    read(fd[0], buf, sizeof(buf));
    close(fd[0]);               /* one line is enough */
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("  ended by signal %d\n", WTERMSIG(status));
    else
        printf("  exit status %d\n", WEXITSTATUS(status));
}

int main(void)
{
    try_with("SIGPIPE as it is", SIG_DFL);
    try_with("SIGPIPE ignored", SIG_IGN);
    return 0;
}
