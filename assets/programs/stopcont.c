/*
 * stopcont.c - a process stopped and continued.
 *
 * Shows the signals that every shell's job control is made of: SIGSTOP, which
 * nobody can catch, and SIGCONT, which makes a process go on even if it blocks
 * or ignores it.  wait tells the parent of both if it asks (WUNTRACED,
 * WCONTINUED).  While stopped, a process takes no other signal: SIGTERM is
 * pending, until SIGCONT comes.
 *
 * Look for: the child's state, and SIGTERM pending while it is stopped.
 */
#include "int80.h"

static void wait_and_tell(pid_t pid, int options)
{
    int status;

    waitpid(pid, &status, options);
    if (WIFSTOPPED(status))
        printf("parent: stopped by signal %d\n", WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        puts("parent: it goes on");
    else if (WIFSIGNALED(status))
        printf("parent: ended by signal %d\n", WTERMSIG(status));
    else
        printf("parent: exit status %d\n", WEXITSTATUS(status));
}

static void on_cont(int sig)
{
    static const char text[] = "child: the handler of SIGCONT\n";

    (void) sig;
    write(STDOUT_FILENO, text, sizeof(text) - 1);
}

static void child(int from_parent)
{
    sigset_t cont, before;
    char c;

    signal(SIGCONT, on_cont);
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    sigprocmask(SIG_BLOCK, &cont, &before);
    raise(SIGSTOP);
    read(from_parent, &c, 1);   /* it is the parent's turn to speak */
    puts("child: I went on, though I block SIGCONT");
    sigprocmask(SIG_SETMASK, &before, NULL);
    raise(SIGSTOP);
    puts("child: never reached");
    exit(0);
}

int main(void)
{
    int fd[2];
    pid_t pid;

    pipe(fd);
    pid = fork();
    if (pid == 0)
        child(fd[0]);
    wait_and_tell(pid, WUNTRACED);
    kill(pid, SIGCONT);
    wait_and_tell(pid, WCONTINUED);
    write(fd[1], "x", 1);
    wait_and_tell(pid, WUNTRACED);
    kill(pid, SIGTERM);
    puts("parent: SIGTERM sent, and it is still stopped");
    kill(pid, SIGCONT);
    wait_and_tell(pid, 0);
    return 0;
}
