/*
 * pipe.c - parent and child, and a pipe between them.
 *
 * Shows fork copying the descriptors, so that both processes hold both ends;
 * each closes the one it does not use.  The child reads before anything is in
 * the pipe and falls asleep; the parent's write wakes it.
 *
 * Look for: the child waiting in read while the parent computes, six bytes in
 * the pipe's buffer for a moment, the read that was begun before the write
 * returning after it, and the second read returning 0: end of file, because
 * nobody is left who could write.
 */
#include "int80.h"

static void compute_a_little(void)
{
    volatile unsigned int i;

    for (i = 0; i < 3000000; i++)
        ;
}

static void child(int from_parent)
{
    char buf[80];
    ssize_t n;

    n = read(from_parent, buf, sizeof(buf) - 1);
    if (n < 0) {
        perror("read");
        exit(1);
    }
    buf[n] = '\0';
    printf("child: read %d bytes: %s", n, buf);

    n = read(from_parent, buf, sizeof(buf));
    printf("child: read %d bytes: end of file\n", n);
    exit(7);
}

int main(void)
{
    int fd[2];
    int status;
    pid_t pid;

    if (pipe(fd) < 0) {
        perror("pipe");
        return 1;
    }
    pid = fork();
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    if (pid == 0) {
        close(fd[1]);
        child(fd[0]);
    }
    close(fd[0]);
    compute_a_little();         /* time enough for the child to fall asleep */
    write(fd[1], "hello\n", 6);
    close(fd[1]);

    waitpid(pid, &status, 0);
    if (WIFEXITED(status))
        printf("parent: the child's exit status is %d\n", WEXITSTATUS(status));
    return 0;
}
