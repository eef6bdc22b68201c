/*
 * coredump.c - what is left of a program that crashed.
 *
 * Shows a child that writes through a bad pointer, some calls deep.  Because
 * the limit for core files allows it, the kernel writes its registers, its
 * memory and what it knows of it into the file `core`, and a debugger sees the
 * crash in it as if it had been there.
 *
 * Look for: the file written before the process ends, and bit 7 of what wait
 * tells.  `int80 exec --core FILE coredump` keeps the file, and so does the
 * key e; `gdb -batch -ex bt PROGRAM FILE` then shows count_down, four calls
 * deep.
 */
#include "int80.h"

static int count_down(int *where, int n)
{
    if (n == 0) {
        *where = 42;
        return 0;
    }
    return count_down(where, n - 1) + n;
}

int main(void)
{
    struct rlimit as_large_as_it_gets = { -1, -1 };
    int status;
    pid_t pid;

    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &as_large_as_it_gets);
        exit(count_down((int *) 0x10, 3));
    }
    waitpid(pid, &status, 0);
    printf("ended by signal %d, %s\n", WTERMSIG(status),
           WCOREDUMP(status) ? "core dumped" : "no core");
    return 0;
}
