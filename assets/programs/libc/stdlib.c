/*
 * stdlib.c - exit, numbers from text, and a heap on brk.
 *
 * The heap is a list of blocks in the order of their addresses.  malloc takes
 * the first free block that is large enough (first fit), splits off what it
 * does not need, and moves the program break when there is none.
 */
#include "int80.h"
#include "syscall.h"

void exit(int status)
{
    _exit(status);
}

int atoi(const char *s)
{
    int value = 0;
    int negative = 0;

    while (*s == ' ')
        s++;
    if (*s == '-' || *s == '+')
        negative = *s++ == '-';
    while (*s >= '0' && *s <= '9')
        value = 10 * value + (*s++ - '0');
    return negative ? -value : value;
}

/*
 * The kernel's brk never fails in the usual way: it returns where the break is
 * now, which is not where it was asked to be if it could not move it.
 */
#define __NR_kernel_brk __NR_brk
static _syscall1(char *, kernel_brk, void *, end)

static char *current_break;

int brk(void *end)
{
    current_break = kernel_brk(end);
    if (current_break != end) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

void *sbrk(int increment)
{
    char *old;

    if (current_break == NULL)
        current_break = kernel_brk(NULL);
    old = current_break;
    if (increment != 0 && brk(old + increment) < 0)
        return (void *) -1;
    return old;
}

struct block {
    size_t size;                /* of the memory that follows this header */
    struct block *next;         /* behind it in memory, NULL after the last */
    int is_free;
} __attribute__((aligned(8)));

#define MAX_SIZE (0x7fffffff - 2 * PAGE_SIZE)   /* sbrk takes an int */

static struct block *first;

static char *end_of(struct block *b)
{
    return (char *) (b + 1) + b->size;
}

/* Cut a block in two if the rest can hold a header and something more. */
static void split(struct block *b, size_t size)
{
    struct block *rest;

    if (b->size < size + sizeof(struct block) + 8)
        return;
    rest = (struct block *) ((char *) (b + 1) + size);
    rest->size = b->size - size - sizeof(struct block);
    rest->next = b->next;
    rest->is_free = 1;
    b->next = rest;
    b->size = size;
}

/* Ask the kernel for a page or more, as a new block at the end of the list. */
static struct block *grow(struct block *last, size_t size)
{
    size_t bytes = (size + sizeof(struct block) + PAGE_SIZE - 1) & -PAGE_SIZE;
    size_t padding = -(size_t) sbrk(0) & 7;     /* a break may be anywhere */
    char *start = sbrk(padding + bytes);
    struct block *b;

    if (start == (char *) -1)
        return NULL;
    b = (struct block *) (start + padding);
    b->size = bytes - sizeof(struct block);
    b->next = NULL;
    b->is_free = 1;
    if (last == NULL)
        first = b;
    else
        last->next = b;
    return b;
}

void *malloc(size_t size)
{
    struct block *b, *last = NULL;

    if (size > MAX_SIZE) {
        errno = ENOMEM;
        return NULL;
    }
    size = (size + 7) & -8;
    for (b = first; b != NULL; b = b->next) {
        if (b->is_free && b->size >= size)
            break;
        last = b;
    }
    if (b == NULL)
        b = grow(last, size);
    if (b == NULL)
        return NULL;
    split(b, size);
    b->is_free = 0;
    return b + 1;
}

void free(void *memory)
{
    struct block *b;

    if (memory == NULL)
        return;
    b = (struct block *) memory - 1;
    b->is_free = 1;

    /* Join neighbours that are both free. */
    for (b = first; b != NULL; b = b->next) {
        while (b->is_free && b->next != NULL && b->next->is_free
               && end_of(b) == (char *) b->next) {
            b->size += sizeof(struct block) + b->next->size;
            b->next = b->next->next;
        }
    }
}
