/*
 * recover.c - out of a fault with siglongjmp.
 *
 * Shows how a program survives an access that it may not make.  To return from
 * the handler of SIGSEGV would only make the same access again; so it jumps
 * out of it, to where sigsetjmp was called.  The signal mask has to be put
 * back on the way: the second child forgets that, SIGSEGV stays blocked, and
 * its next fault is its end, handler or not.
 *
 * Look for: a frame on the stack that no sigreturn ever takes off, and the
 * mask after the jump.
 */
#include "int80.h"

static sigjmp_buf before_the_access;

static void on_segv(int sig)
{
    (void) sig;
    siglongjmp(before_the_access, 1);
}

static int can_be_read(const volatile char *address, int save_mask)
{
    if (sigsetjmp(before_the_access, save_mask) != 0)
        return 0;
    (void) *address;
    return 1;
}

static void look(int save_mask)
{
    printf("  a string: %s\n", can_be_read("x", save_mask) ? "yes" : "no");
    printf("  page 0:   %s\n", can_be_read(NULL, save_mask) ? "yes" : "no");
    printf("  kernel:   %s\n",
           can_be_read((char *) 0xc0000000, save_mask) ? "yes" : "no");
    exit(0);
}

static void try_with(const char *name, int save_mask)
{
    int status;
    pid_t pid;

    printf("can it be read? %s:\n", name);
    pid = fork();
    if (pid == 0)
        look(save_mask);
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("  ended by signal %d\n", WTERMSIG(status));
}

int main(void)
{
    signal(SIGSEGV, on_segv);
    try_with("with the mask", 1);
    try_with("without the mask", 0);
    return 0;
}
