/*
 * args.c - system calls with no argument up to six, and one with a block.
 *
 * Shows where arguments travel: in ebx, ecx, edx, esi, edi and ebp, in this
 * order.  The oldest call with six, mmap, comes from a time before there were
 * that many registers to spare: it gets one pointer, in ebx, to a block of
 * memory that holds all six, and the kernel copies the block.
 *
 * Look for: one register more in each line, the stub of mmap2 saving ebp on the
 * stack to free it for the sixth argument, and copy_from_user for the block.
 */
#include "int80.h"

#define BY_REGISTERS    ((void *) 0x50000000)
#define BY_BLOCK        ((void *) 0x50001000)

static void show(const char *call, int result)
{
    if (result == -1)
        printf("%s = -1 (%s)\n", call, strerror(errno));
    else
        printf("%s = %d\n", call, result);
}

int main(void)
{
    static const char text[] = "three: these words\n";
    struct mmap_arg_struct block = {
        BY_BLOCK, PAGE_SIZE, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0
    };
    sigset_t set, old;
    char name[16];
    void *page;

    show("none:  getpid() > 0", getpid() > 0);

    show("one:   close(-1)", close(-1));

    show("two:   dup2(1, 9)", dup2(STDOUT_FILENO, 9));

    show("three: write(9, text, 19)", write(9, text, sizeof(text) - 1));

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    show("four:  rt_sigprocmask(SIG_BLOCK, set, NULL, 8)",
         rt_sigprocmask(SIG_BLOCK, &set, NULL, sizeof(set)));
    show("four:  rt_sigprocmask(SIG_UNBLOCK, set, old, 8)",
         rt_sigprocmask(SIG_UNBLOCK, &set, &old, sizeof(set)));
    show("       SIGUSR1 was blocked", sigismember(&old, SIGUSR1));

    show("five:  prctl(PR_SET_NAME, \"register\", 0, 0, 0)",
         prctl(PR_SET_NAME, (unsigned long) "register", 0, 0, 0));
    prctl(PR_GET_NAME, (unsigned long) name, 0, 0, 0);
    printf("       this process is now called %s\n", name);

    page = mmap2(BY_REGISTERS, PAGE_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("six:   mmap2(0x50000000, 4096, 3, 0x32, -1, 0) = %p\n", page);
    *(int *) page = 6;

    page = old_mmap(&block);
    printf("block: mmap({0x50001000, 4096, 3, 0x32, -1, 0}) = %p\n", page);
    *(int *) page = 1;

    show("two:   munmap(0x50000000, 8192)",
         munmap(BY_REGISTERS, 2 * PAGE_SIZE));
    return 0;
}
