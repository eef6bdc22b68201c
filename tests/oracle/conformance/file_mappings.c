#include "conf.h"

static sigjmp_buf back;
static volatile int code, signo;

static void caught(int number, siginfo_t *info, void *context)
{
	signo = number;
	code = info->si_code;
	siglongjmp(back, 1);
}

static void touch(const char *what, volatile char *at, int write)
{
	if (sigsetjmp(back, 1)) {
		printf("%s: signal %d code %d\n", what, signo, code);
		return;
	}
	if (write)
		*at = 42;
	printf("%s: %d\n", what, *at);
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	char name[] = "/dev/shm/int80-map-XXXXXX", buf[64];
	int fd;

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	mkdir("/dev/shm", 0777);
	fd = mkstemp(name);
	unlink(name);
	for (int n = 0; n < 3; n++) {
		memset(buf, 'a' + n, sizeof buf);
		pwrite(fd, buf, 60, n * 4096);
	}
	R(lseek(fd, 0, SEEK_END));
	char *private = mmap(NULL, 5 * 4096, 3, MAP_PRIVATE, fd, 0);
	char *shared = mmap(NULL, 5 * 4096, 3, MAP_SHARED, fd, 0);
	char *second = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	touch("private", private, 0);
	touch("shared", shared, 0);
	touch("second", second, 0);
	touch("behind the end in its page", private + 2 * 4096 + 100, 0);
	touch("page behind the end", private + 3 * 4096, 0);
	touch("page behind the end", shared + 3 * 4096, 1);
	touch("private write", private + 1, 1);
	touch("shared unaffected", shared + 1, 0);
	touch("shared write", shared + 4097, 1);
	touch("second sees", second + 1, 0);
	touch("private sees the clean page", private + 4097, 0);
	touch("second is read-only", second, 1);
	R(pread(fd, buf, 3, 4096));
	printf("%d %d %d\n", buf[0], buf[1], buf[2]);
	R(pwrite(fd, "XYZ", 3, 4096 + 10));
	touch("write seen by shared", shared + 4096 + 11, 0);
	touch("by the private clean page", private + 4096 + 11, 0);
	R(pwrite(fd, "Q", 1, 2));
	touch("not by the private copy", private + 2, 0);
	touch("by shared", shared + 2, 0);

	TITLE("over fork");
	CHILD("child", {
		touch("private", private + 1, 0);
		private[3] = 1;
		shared[3] = 2;
	});
	printf("%d %d\n", private[3], shared[3]);

	TITLE("growing and shrinking");
	R(ftruncate(fd, 5 * 4096));
	touch("now there", shared + 3 * 4096, 1);
	touch("private too", private + 3 * 4096, 0);
	R(ftruncate(fd, 100));
	touch("gone", shared + 4096, 0);
	touch("gone in private", private + 4096, 0);
	touch("tail zeroed", shared + 200, 0);
	R(ftruncate(fd, 8192));
	touch("zero again", shared + 4096, 0);
	R(msync(shared, 4096, MS_SYNC));
	R(madvise(private, 4096, MADV_DONTNEED));
	touch("fresh", private + 1, 0);

	TITLE("permissions");
	int ro = open("/proc/self/exe", O_RDONLY);
	R(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	char *read_only = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	R(mprotect(read_only, 4096, 3));
	R(memcmp(read_only, "\177ELF", 4));
	int wo = open("/dev/null", O_WRONLY);
	R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, wo, 0));
	R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1));
	R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/", O_RDONLY), 0));
	int zero = open("/dev/zero", O_RDWR);
	char *z = mmap(NULL, 8192, 3, MAP_PRIVATE, zero, 0);
	if (z != MAP_FAILED)
		touch("/dev/zero", z + 4096, 1);
	close(fd);
	touch("after close", shared, 1);
	return 0;
}
