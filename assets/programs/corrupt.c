/*
 * corrupt.c - a function that is not reentrant, called by a handler as well.
 *
 * Shows how a list loses an element: main is in the middle of push, has read
 * where the list begins and not yet stored its own node there, when a signal
 * comes and its handler pushes, too.  Back in main, the list begins with
 * main's node, and behind that with what it was before the handler: the
 * handler's node is lost.  malloc, printf and many others keep such data.
 *
 * Look for: nothing, most of the time.  `int80 trace --schedules 50 corrupt`
 * finds the turns in which it goes wrong.  The cure, `corrupt cure`, is to
 * block the signal while the list is being changed: it is never lost.
 */
#include "int80.h"

#define PUSHES  10000
#define SIGNALS 10

static struct node {
    struct node *next;
} nodes[PUSHES + SIGNALS];

static struct node *head;
static volatile int used, handled, cured;

static struct node *first(void)
{
    return head;
}

static void push(struct node *node)
{
    node->next = first();
    head = node;                /* a signal between the two lines is fatal */
}

static void on_usr1(int sig)
{
    (void) sig;
    handled++;
    push(&nodes[PUSHES + handled - 1]);
}

static void child(pid_t parent)
{
    volatile int i, n;

    for (n = 0; n < SIGNALS; n++) {
        for (i = 0; i < 100; i++)
            ;
        kill(parent, SIGUSR1);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    struct node *node;
    int n, length = 0;
    sigset_t usr1;
    pid_t pid;

    cured = argc > 1 && strcmp(argv[1], "cure") == 0;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    signal(SIGUSR1, on_usr1);

    pid = fork();
    if (pid == 0)
        child(getppid());
    for (n = 0; n < PUSHES; n++) {
        if (cured && n % 50 == 0)
            sigprocmask(SIG_BLOCK, &usr1, NULL);
        push(&nodes[n]);
        if (cured && n % 50 == 49)
            sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    }
    while (waitpid(pid, NULL, 0) < 0)
        ;

    for (node = head; node != NULL; node = node->next)
        length++;
    n = PUSHES + handled - length;
    if (n != 0)
        printf("%d of %d nodes lost\n", n, PUSHES + handled);
    else
        puts("no node lost");
    return n != 0;
}
