/*
 * altstack.c - a stack that is full, and a handler that needs one.
 *
 * Shows a recursion without an end.  When the stack cannot grow any more the
 * fault becomes SIGSEGV, but there is no room for the handler's frame either:
 * the first child ends.  The second has given the kernel another stack for
 * handlers (sigaltstack, SA_ONSTACK), and lives to tell.
 *
 * Look for: the stack growing page by page, and esp in the handler, which is
 * in the program's data.
 */
#include "int80.h"

static char other_stack[8192];
static sigjmp_buf start;

static void on_segv(int sig)
{
    static const char text[] = "  handler: the stack is full\n";
    char here;

    (void) sig;
    write(STDOUT_FILENO, text, sizeof(text) - 1);
    if (&here >= other_stack && &here < other_stack + sizeof(other_stack))
        siglongjmp(start, 1);
}

static int deeper(int depth)
{
    volatile char room[65536];  /* page after page, so that it is short */
    int n;

    if (depth < 0)              /* never; the compiler wants an end */
        return 0;
    for (n = sizeof(room) - PAGE_SIZE; n >= 0; n -= PAGE_SIZE)
        room[n] = depth;
    return deeper(depth + 1) + room[0];
}

static void try_with(const char *name, int on_other_stack)
{
    struct sigaction act;
    stack_t stack = { other_stack, 0, sizeof(other_stack) };
    int status;
    pid_t pid;

    printf("%s:\n", name);
    pid = fork();
    if (pid == 0) {
        memset(&act, 0, sizeof(act));
        act.sa_handler = on_segv;
        if (on_other_stack) {
            sigaltstack(&stack, NULL);
            act.sa_flags = SA_ONSTACK;
        }
        sigaction(SIGSEGV, &act, NULL);
        if (sigsetjmp(start, 1) == 0)
            deeper(0);
        puts("  back in main, with room again");
        exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("  ended by signal %d\n", WTERMSIG(status));
}

int main(void)
{
    try_with("the handler on the same stack", 0);
    try_with("the handler on another stack", 1);
    return 0;
}
