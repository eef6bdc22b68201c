#include "conf.h"

static sigjmp_buf back;
static volatile int code, signo;
static char *volatile where;
static char *base;

static void caught(int number, siginfo_t *info, void *context)
{
	signo = number;
	code = info->si_code;
	where = info->si_addr;
	siglongjmp(back, 1);
}

static void touch(const char *what, volatile char *at, int write)
{
	if (sigsetjmp(back, 1)) {
		printf("%s: signal %d code %d at %+ld\n", what, signo, code, (long)(where - at));
		return;
	}
	if (write)
		*at = 42;
	else
		write = *at;
	printf("%s: %s\n", what, write == 1 ? "written" : "read");
}

static int flip = 1;

static void map(const char *what, void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
	errno = 0;
	char *got = mmap(address, size, prot, flags, fd, offset);

	if (got == MAP_FAILED)
		printf("%s: %s\n", what, error_name(errno));
	else {
		printf("%s: %s\n", what, got == address ? "there" : "somewhere");
		munmap(got, size);
	}
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	const int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;

	TITLE("mmap's arguments");
	map("plain", NULL, 4096, rw, anon, -1, 0);
	map("of nothing", NULL, 0, rw, anon, -1, 0);
	map("of 1 byte", NULL, 1, rw, anon, -1, 0);
	map("no type", NULL, 4096, rw, MAP_ANONYMOUS, -1, 0);
	map("both types", NULL, 4096, rw, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map("shared anonymous", NULL, 4096, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	map("descriptor -1", NULL, 4096, rw, MAP_PRIVATE, -1, 0);
	map("descriptor 99", NULL, 4096, rw, MAP_PRIVATE, 99, 0);
	map("descriptor of a pipe", NULL, 4096, PROT_READ, MAP_PRIVATE, 1, 0);
	map("hint", (void *)0x40000000, 4096, rw, anon, -1, 0);
	map("odd hint", (void *)0x40000123, 4096, rw, anon, -1, 0);
	map("fixed odd", (void *)0x40000123, 4096, rw, anon | MAP_FIXED, -1, 0);
	map("fixed", (void *)0x40000000, 4096, rw, anon | MAP_FIXED, -1, 0);
	map("fixed 0", (void *)0, 4096, rw, anon | MAP_FIXED, -1, 0);
	map("fixed in the kernel", KERNEL, 4096, rw, anon | MAP_FIXED, -1, 0);
	map("fixed to the end", (void *)0xbffff000, 0x10000, rw, anon | MAP_FIXED, -1, 0);
	map("fixed, wrapping", (void *)0xb0000000, 0x60000000, rw, anon | MAP_FIXED, -1, 0);
	map("hint in the kernel", KERNEL, 4096, rw, anon, -1, 0);
	map("3 GiB", NULL, 0xc0000000, rw, anon | MAP_NORESERVE, -1, 0);
	map("4 GiB - 1", NULL, 0xffffffff, rw, anon, -1, 0);
	map("odd prot", NULL, 4096, 0x100, anon, -1, 0);
	map("fixed noreplace", (void *)0x40000000, 4096, rw, anon | MAP_FIXED_NOREPLACE, -1, 0);
	OK(syscall(SYS_mmap2, 0, 4096, 3, 0x22, -1, 0xffffffff));
	OK(syscall(SYS_mmap2, 0, 8192, 3, 0x22, -1, 0xfffff));
	errno = 0;
	printf("old mmap, odd offset: ");
	unsigned old[6] = {0, 4096, 3, 0x22, -1, 1};
	R(syscall(SYS_mmap, old));
	R(syscall(SYS_mmap, BAD));

	TITLE("pages");
	base = mmap((void *)0x50000000, 16 * 4096, rw, anon | MAP_FIXED, -1, 0);
	printf("%p\n", base);
	touch("zero", base, 0);
	printf("is %d\n", base[4095]);
	touch("written", base + 4096, 1);
	map("noreplace over it", base + 4096, 4096, rw, anon | MAP_FIXED_NOREPLACE, -1, 0);
	R(munmap(base + 2 * 4096, 4096));
	touch("hole", base + 2 * 4096, 0);
	touch("hole", base + 2 * 4096 + 77, 1);
	touch("before it", base + 2 * 4096 - 1, 1);
	touch("behind it", base + 3 * 4096, 1);
	R(munmap(base + 2 * 4096, 4096));
	R(munmap(base + 1, 4096));
	R(munmap(base, 0));
	R(munmap(KERNEL, 4096));
	R(munmap((void *)0xbfff0000, 0x20000));
	R(munmap(base + 4096, 3 * 4096 - 100));
	touch("unmapped", base + 3 * 4096, 0);
	touch("kept", base + 4 * 4096, 0);
	touch("kept", base, 0);
	mmap(base, 8 * 4096, rw, anon | MAP_FIXED, -1, 0);
	printf("new page is %d\n", base[4095]);
	base[5 * 4096] = 9;
	mmap(base + 4096, 4096, PROT_READ, anon | MAP_FIXED, -1, 0);
	touch("read-only", base + 4096, 0);
	touch("read-only", base + 4096, 1);
	touch("neighbour", base + 2 * 4096, 1);
	printf("%d\n", base[5 * 4096]);

	TITLE("mprotect");
	R(mprotect(base, 4096, PROT_READ));
	touch("read-only", base, 0);
	touch("read-only", base, 1);
	R(mprotect(base, 4096, PROT_NONE));
	touch("none", base, 0);
	touch("none", base + 5, 1);
	R(mprotect(base, 4096, rw));
	touch("again", base, 1);
	R(mprotect(base, 4096, PROT_WRITE));
	touch("write only reads", base, 0);
	R(mprotect(base, 4096, PROT_EXEC));
	R(mprotect(base + 1, 4096, rw));
	R(mprotect(base, 0, rw));
	R(mprotect(base, 4096, 0x1000));
	R(mprotect((void *)0x30000000, 4096, rw));
	R(mprotect(KERNEL, 4096, rw));
	R(mprotect(base, 100 * 4096, PROT_READ));
	touch("changed up to the hole", base + 15 * 4096, 1);
	R(mprotect(base, 16 * 4096, rw));
	R(mprotect(base, 4096, rw | PROT_GROWSDOWN));
	R(mprotect(base, 4096, rw | PROT_GROWSDOWN | PROT_GROWSUP));

	TITLE("executing");
	base[0] = 0xb8, base[1] = 7, base[2] = base[3] = base[4] = 0, base[5] = 0xc3;
	if (!sigsetjmp(back, 1))
		printf("ran: %d\n", ((int (*)(void))base)());
	else
		printf("signal %d code %d at %p\n", signo, code, where);
	R(mprotect(base, 4096, rw | PROT_EXEC));
	printf("ran: %d\n", ((int (*)(void))base)());
	base[1] = 8;
	printf("ran: %d\n", ((int (*)(void))base)());
	if (!sigsetjmp(back, 1))
		((void (*)(void))0x1230)();
	printf("signal %d code %d at %p\n", signo, code, where);
	if (!sigsetjmp(back, 1))
		((void (*)(void))0xc0100000)();
	printf("signal %d code %d at %p\n", signo, code, where);
	touch("kernel", KERNEL, 0);
	touch("kernel", KERNEL, 1);
	touch("null", NULL, 0);
	touch("top", (char *)0xffffffff, 1);

	TITLE("madvise and kin");
	memset(base + 8 * 4096, 5, 8192);
	R(madvise(base + 8 * 4096, 4096, MADV_DONTNEED));
	printf("%d %d\n", base[8 * 4096], base[9 * 4096]);
	R(madvise(base + 1, 4096, MADV_NORMAL));
	R(madvise(base, 4096, MADV_NORMAL));
	R(madvise(base, 4096, 9999));
	R(madvise(base, 0, MADV_DONTNEED));
	R(madvise(base, 40 * 4096, MADV_NORMAL));
	R(madvise((void *)0x30000000, 4096, MADV_DONTNEED));
	R(madvise(base, -4096, MADV_DONTNEED));
	R(msync(base, 4096, MS_SYNC));
	R(msync(base, 4096, MS_ASYNC));
	R(msync(base, 4096, 0));
	R(msync(base + 1, 4096, MS_SYNC));
	R(msync(base, 4096, 99));
	R(msync(base, 4096, MS_SYNC | MS_ASYNC));
	R(msync((void *)0x30000000, 4096, MS_SYNC));

	TITLE("brk");
	char *end = sbrk(0);
	printf("aligned %d\n", (int)((uintptr_t)syscall(SYS_brk, 0) & 0xfff) != 0x1000);
	char *now = (char *)syscall(SYS_brk, 0);
	printf("%d\n", (char *)syscall(SYS_brk, now + 10000) == now + 10000);
	now[9999] = 3;
	touch("end of its page", (char *)(((uintptr_t)now + 9999) | 4095), 1);
	touch("beyond", (char *)(((uintptr_t)now + 9999) | 4095) + 1, 1);
	printf("%d\n", (char *)syscall(SYS_brk, now) == now);
	printf("%d\n", (char *)syscall(SYS_brk, now + 10000) == now + 10000);
	printf("fresh: %d\n", now[9999]);
	printf("%d\n", (char *)syscall(SYS_brk, 1) == now + 10000);
	printf("%d\n", (char *)syscall(SYS_brk, 0xc0000000) == now + 10000);
	printf("into a mapping: %d\n", (char *)syscall(SYS_brk, 0x50001000) == now + 10000);
	printf("%d\n", (char *)syscall(SYS_brk, end) == end);

	TITLE("system calls on it");
	mprotect(base, 4096, PROT_READ);
	munmap(base + 4096, 4096);
	int ends[2];
	pipe(ends);
	R(write(ends[1], base, 5000));
	R(write(ends[1], base + 4000, 500));
	R(write(ends[1], base + 4096, 10));
	R(read(ends[0], base, 10));
	R(read(ends[0], base + 4096, 10));
	R(read(ends[0], base + 2 * 4096, 10000));
	write(ends[1], "0123456789", 10);
	R(read(ends[0], KERNEL, 1));
	R(write(ends[1], base + 4090, 6));
	R(write(ends[1], base + 4090, 7));
	R(read(ends[0], base + 3 * 4096 - 2, 20000));
	struct iovec iov[3] = {{base + 8192, 3}, {base + 4096, 4}, {base + 8192, 5}};
	R(writev(ends[1], iov, 3));
	R(writev(ends[1], iov, 1));
	R(writev(ends[1], iov + 1, 2));
	R(writev(ends[1], iov, 0));
	R(writev(ends[1], iov, -1));
	R(writev(ends[1], iov, 1025));
	R(writev(ends[1], BAD, 1));
	iov[0].iov_len = -1;
	R(writev(ends[1], iov, 1));
	R(write(ends[1], KERNEL, 0));
	R(write(ends[1], (void *)-1, 10));
	R(write(ends[1], base, 0x80000000) > 0);
	return 0;
}
