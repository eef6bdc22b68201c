/*
 * badptr.c - what the kernel does with pointers it can't trust.
 *
 * Shows that each pointer in a system call is checked: it must lie below the
 * kernel's part of the address space, and its pages must be mapped in the way
 * that the call needs.  A bad one is no crash but an error, EFAULT; good pages
 * that are merely not present yet are brought in on the way.
 *
 * Look for: copy_from_user and copy_to_user walking the page tables, how many
 * bytes were moved before a hole was met, and the end: the same kernel address
 * that gave EFAULT to write is SIGSEGV when the program itself touches it.
 */
#include "int80.h"

#define KERNEL_POINTER  ((char *) 0xC0000000)

static void show(const char *call, int result)
{
    if (result == -1)
        printf("%s = -1 (%s)\n", call, strerror(errno));
    else
        printf("%s = %d\n", call, result);
}

static char *map(size_t pages, int prot)
{
    return mmap2(NULL, pages * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
}

int main(void)
{
    static char buf[2 * PAGE_SIZE];
    char *half, *fresh, *read_only;
    int fd[2];

    if (pipe(fd) < 0) {
        perror("pipe");
        return 1;
    }

    puts("nothing there:");
    show("  write(pipe, 16, 6)", write(fd[1], (char *) 16, 6));
    show("  write(pipe, 0xc0000000, 6)", write(fd[1], KERNEL_POINTER, 6));

    puts("a page, and a hole behind it:");
    half = map(2, PROT_READ | PROT_WRITE);
    munmap(half + PAGE_SIZE, PAGE_SIZE);
    show("  write(pipe, hole - 6, 12)", write(fd[1], half + PAGE_SIZE - 6, 12));
    show("  write(pipe, hole - 4096, 8192)",
         write(fd[1], half, 2 * PAGE_SIZE));
    show("  read(pipe, buf, 8192)", read(fd[0], buf, sizeof(buf)));

    puts("pages that are mapped but not present yet:");
    fresh = map(2, PROT_READ | PROT_WRITE);
    show("  write(pipe, fresh, 6)", write(fd[1], fresh, 6));
    show("  read(pipe, fresh + 4096, 6)", read(fd[0], fresh + PAGE_SIZE, 6));

    puts("pages that can only be read:");
    read_only = map(1, PROT_READ);
    show("  write(pipe, \"hello\\n\", 6)", write(fd[1], "hello\n", 6));
    show("  read(pipe, read_only, 6)", read(fd[0], read_only, 6));
    show("  read(pipe, main, 6)", read(fd[0], (void *) main, 6));
    show("  read(pipe, buf, 6)", read(fd[0], buf, 6));

    puts("the kernel's memory, touched from user mode:");
    printf("  %d\n", *(volatile int *) KERNEL_POINTER);
    puts("  never reached");
    return 0;
}
