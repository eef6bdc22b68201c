/*
 * busy.c - two processes that never give up the processor.
 *
 * Shows preemption: parent and child both compute, without a system call, and
 * still both get on, because the timer's interrupt lets the kernel take the
 * processor from one and give it to the other.
 *
 * Look for: interrupts in the middle of the loop, with all of its registers in
 * pt_regs, and the switch to the other stack and address space.  The results
 * prove that neither process noticed: one lost register would change them.
 */
#include "int80.h"

#define ROUNDS 20000000

/* A linear congruential generator: each value depends on all before it. */
static unsigned int compute(unsigned int x)
{
    int i;

    for (i = 0; i < ROUNDS; i++)
        x = 1664525 * x + 1013904223;
    return x;
}

int main(void)
{
    unsigned int result;
    pid_t pid;

    pid = fork();
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    if (pid == 0) {
        printf("child:  %u\n", compute(1));
        exit(0);
    }
    result = compute(2);
    waitpid(pid, NULL, 0);
    printf("parent: %u\n", result);
    return 0;
}
