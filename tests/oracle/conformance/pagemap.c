/* /proc/PID/pagemap: frames of pages that are there, shared, copied, of files and of other processes. */
#include "conf.h"
#include <sys/mman.h>
#include <sys/prctl.h>

#define PFN(word) ((word) & ((1ull << 55) - 1))

static uint64_t entry(int fd, void *at)
{
	uint64_t word = 0;

	pread(fd, &word, 8, (uintptr_t)at / 4096 * 8);
	return word;
}

/* without the frame, and without what only 64-bit kernels have (soft-dirty) */
static void show(const char *what, int fd, void *at)
{
	uint64_t word = entry(fd, at);

	printf("%s: %#x frame %d\n", what, (unsigned)(word >> 56), PFN(word) != 0);
}

int main(void)
{
	char path[64], data[4096] = "x";
	int map = open("/proc/self/pagemap", O_RDONLY), file = open("/tmp/int80-pagemap", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p = mmap(0, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t words[8];
	int go[2], said[2], st;
	char c;

	TITLE("asking");
	R(open("/proc/self/pagemap", O_RDWR));
	R(read(map, words, 4));
	R(pread(map, words, 8, 4));
	R(read(map, words, 0));
	R(pread64(map, words, 64, 0));
	printf("%d\n", words[0] == 0 && words[7] == 0);
	R(read(map, BAD, 8));
	R(write(map, words, 8));

	TITLE("private");
	show("untouched", map, p);
	p[0] = 1;
	p[2 * 4096] = 1;
	show("written", map, p);
	show("between", map, p + 4096);
	show("written", map, p + 2 * 4096);
	printf("two frames %d\n", PFN(entry(map, p)) != PFN(entry(map, p + 2 * 4096)));

	TITLE("shared");
	s[0] = 1;
	show("written", map, s);
	show("untouched", map, s + 4096);

	TITLE("files");
	write(file, data, 4096);
	char *f = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	char *g = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	show("untouched", map, f);
	c = *(volatile char *)f;
	show("read", map, f);
	c = *(volatile char *)g;
	show("read twice", map, f);
	printf("one frame %d\n", PFN(entry(map, f)) == PFN(entry(map, g)));
	f[1] = 1;
	show("copied", map, f);
	show("left", map, g);
	printf("one frame %d\n", PFN(entry(map, f)) == PFN(entry(map, g)));

	TITLE("fork");
	pipe(go);
	pipe(said);
	pid_t pid = fork();
	if (!pid) {
		c = *(volatile char *)s; /* a child of Linux has shared pages only once it looks at them */
		write(said[1], "x", 1);
		read(go[0], &c, 1);
		p[0] = 2;
		write(said[1], "x", 1);
		pause();
	}
	sprintf(path, "/proc/%d/pagemap", pid);
	int its = open(path, O_RDONLY);
	read(said[0], &c, 1);
	show("mine", map, p);
	show("its", its, p);
	show("mine, shared", map, s);
	printf("one frame %d %d\n", PFN(entry(map, p)) == PFN(entry(its, p)), PFN(entry(map, s)) == PFN(entry(its, s)));
	write(go[1], "x", 1);
	read(said[0], &c, 1);
	show("its, written", its, p);
	printf("one frame %d\n", PFN(entry(map, p)) == PFN(entry(its, p)));
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	show("mine, alone", map, p);
	R(pread(its, words, 8, 0));

	TITLE("given back");
	madvise(p, 4096, MADV_DONTNEED);
	show("private", map, p);
	munmap(p, 5 * 4096);
	show("gone", map, p + 2 * 4096);
	unlink("/tmp/int80-pagemap");

	TITLE("without privilege");
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = 1;
	show("root", map, p);
	if (!(pid = fork())) {
		setresuid(1234, 1234, 1234);
		prctl(PR_SET_DUMPABLE, 1);
		map = open("/proc/self/pagemap", O_RDONLY);
		OK(map);
		*p = 2;
		show("other", map, p);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	status_("child", st);
	return 0;
}
