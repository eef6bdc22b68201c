/*
 * spaces.c - two address spaces, one address.
 *
 * Shows that a virtual address means nothing without an address space: after
 * fork, parent and child each have a variable at the same address, and what
 * one stores there the other never sees.
 *
 * Look for: right after fork both page tables lead to the same frame, marked
 * read-only.  The first store into it faults, and the kernel gives the writer a
 * copy of its own (copy on write): the same page in two frames from then on.
 * The child still reads 1000 when the parent may long have stored 1111.
 */
#include "int80.h"

/* At the beginning of a page, to make its address easy to find. */
int value __attribute__((aligned(PAGE_SIZE))) = 1000;

int main(void)
{
    pid_t pid;

    printf("before: the value at %p is %d\n", (void *) &value, value);

    pid = fork();
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    if (pid == 0) {
        printf("child:  the value at %p is %d\n", (void *) &value, value);
        value = 2222;
        printf("child:  the value at %p is %d\n", (void *) &value, value);
        exit(0);
    }
    value = 1111;
    waitpid(pid, NULL, 0);
    printf("parent: the value at %p is %d\n", (void *) &value, value);
    return 0;
}
