/* mremap, mlock, mincore, madvise, msync, memfd_create and seals, remap_file_pages, process_vm_readv. */
#define _GNU_SOURCE
#include "conf.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define P 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void say(const char *what, long result)
{
	if (result == -1)
		printf("%s: errno %d\n", what, errno);
	else
		printf("%s: %s\n", what, result == 0 ? "0" : "done");
}

static void number(const char *what, long result)
{
	if (result == -1)
		printf("%s: errno %d\n", what, errno);
	else
		printf("%s: %ld\n", what, result);
}

#define MAPPED(what, pointer) say(what, (long)(pointer))

static char *fresh(int pages, int prot)
{
	char *p = mmap(NULL, (pages + 2) * P, PROT_NONE, ANON, -1, 0);
	munmap(p, (pages + 2) * P);
	return mmap(p + P, pages * P, prot, ANON | MAP_FIXED, -1, 0);
}

static void core(const char *what, char *p, int pages)
{
	unsigned char vec[64];
	printf("%s:", what);
	if (mincore(p, pages * P, vec)) {
		printf(" errno %d\n", errno);
		return;
	}
	for (int i = 0; i < pages; i++)
		printf(" %d", vec[i] & 1);
	printf("\n");
}

static void remapping(void)
{
	printf("-- mremap\n");
	char *p = fresh(8, RW);
	for (int i = 0; i < 8; i++)
		p[i * P] = 'a' + i;
	say("shrink", (char *)mremap(p, 8 * P, 5 * P, 0) == p ? 0 : -1);
	core("tail", p + 5 * P, 3);
	say("grow", (char *)mremap(p, 5 * P, 7 * P, 0) == p ? 0 : -1);
	printf("%c %d\n", p[4 * P], p[5 * P]);
	char *q = mmap(p + 7 * P, P, PROT_READ, ANON | MAP_FIXED, -1, 0);
	MAPPED("no room", mremap(p, 7 * P, 9 * P, 0));
	char *r = mremap(p, 7 * P, 9 * P, MREMAP_MAYMOVE);
	printf("moved %d, %c %c %c %d\n", r != p, r[0], r[P], r[4 * P], r[8 * P]);
	core("old place", p, 7);
	munmap(q, P);
	char *to = fresh(4, PROT_READ);
	char *f = mremap(r + P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	printf("fixed %d, %c %c\n", f == to, f[0], f[P]);
	core("hole", r + P, 2);
	MAPPED("overlap", mremap(r + 3 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, r + 4 * P));
	MAPPED("fixed alone", mremap(r, P, P, MREMAP_FIXED, to));
	MAPPED("unaligned", mremap(r + 1, P, P, MREMAP_MAYMOVE));
	MAPPED("no size", mremap(r, P, 0, MREMAP_MAYMOVE));
	MAPPED("unknown flag", mremap(r, P, P, 8));
	MAPPED("not mapped", mremap(r + P, P, 2 * P, MREMAP_MAYMOVE));
	MAPPED("across a hole", mremap(r, 4 * P, 6 * P, MREMAP_MAYMOVE));
	MAPPED("old 0, private", mremap(r, 0, P, MREMAP_MAYMOVE));
	MAPPED("unaligned new", mremap(r, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, to + 1));
	char *s = mmap(NULL, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s[0] = 'S';
	char *t = mremap(s, 0, 2 * P, MREMAP_MAYMOVE);
	t[1] = 'T';
	printf("twice %d %c %c\n", t != s, t[0], s[1]);
	char *d = fresh(2, RW);
	d[0] = 'D';
	char *e = mremap(d, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (e != MAP_FAILED)
		printf("dontunmap %d %c %d\n", e != d, e[0], d[0]);
	MAPPED("dontunmap, other size", mremap(d, 2 * P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	/* what a child writes is its own, moved or not */
	r[0] = 'x';
	if (!fork()) {
		char *m = mremap(r, P, 3 * P, MREMAP_MAYMOVE);
		m[0] = 'y';
		_exit(m[0] == 'y');
	}
	int status;
	wait(&status);
	printf("child %d, %c\n", WEXITSTATUS(status), r[0]);
}

static void locking(void)
{
	printf("-- mlock\n");
	char *p = fresh(4, RW);
	number("mlock", mlock(p + P, P));
	core("locked", p, 4);
	number("munlock", munlock(p, 4 * P));
	number("mlock unaligned", mlock(p + 5, 10));
	number("munlock", munlock(p, P));
	munmap(p + 2 * P, P);
	number("mlock over a hole", mlock(p, 4 * P));
	number("munlock over a hole", munlock(p, 4 * P));
	number("mlock of nothing", mlock(p, 0));
	number("mlockall 0", mlockall(0));
	number("mlockall 8", mlockall(8));
	number("mlockall onfault", mlockall(4));
	number("mlock2 flags", syscall(SYS_mlock2, p, P, 2));
	number("mlock2 onfault", syscall(SYS_mlock2, p, P, 1));
	number("munlockall", munlockall());
	char *q = mmap(NULL, 2 * P, RW, ANON | MAP_LOCKED, -1, 0);
	core("MAP_LOCKED", q, 2);
	number("invalidate locked", msync(q, P, MS_INVALIDATE | MS_ASYNC));
	number("dontneed locked", madvise(q, P, MADV_DONTNEED));
	munlock(q, 2 * P);
	number("dontneed", madvise(q, P, MADV_DONTNEED));
}

static void advising(void)
{
	printf("-- madvise\n");
	char *p = fresh(4, RW);
	memset(p, 'm', 4 * P);
	number("dontneed", madvise(p + P, P, MADV_DONTNEED));
	printf("%c %d %c\n", p[0], p[P], p[2 * P]);
	number("normal", madvise(p, P, MADV_NORMAL));
	number("random", madvise(p, P, MADV_RANDOM));
	number("sequential", madvise(p, P, MADV_SEQUENTIAL));
	number("willneed", madvise(p, P, MADV_WILLNEED));
	number("free", madvise(p + 3 * P, P, MADV_FREE));
	number("unknown", madvise(p, P, 7));
	number("unaligned", madvise(p + 1, P, MADV_NORMAL));
	number("nothing", madvise(p, 0, MADV_NORMAL));
	number("wipeonfork", madvise(p, P, MADV_WIPEONFORK));
	number("dontfork", madvise(p + 2 * P, P, MADV_DONTFORK));
	if (!fork()) {
		unsigned char vec;
		printf("child %d", p[0]);
		printf(" %d\n", mincore(p + 2 * P, P, &vec) == -1 ? errno : vec);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	printf("parent %c %c\n", p[0], p[2 * P]);
	number("keeponfork", madvise(p, P, MADV_KEEPONFORK));
	number("dofork", madvise(p + 2 * P, P, MADV_DOFORK));
	munmap(p + P, P);
	number("hole", madvise(p, 3 * P, MADV_DONTNEED));
	printf("%d %d\n", p[0], p[2 * P]);
	number("populate", madvise(p, P, 23));
	core("populated", p, 1);
	char *s = mmap(NULL, P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	number("wipeonfork, shared", madvise(s, P, MADV_WIPEONFORK));
	number("free, shared", madvise(s, P, MADV_FREE));
	s[0] = 's';
	number("remove", madvise(s, P, MADV_REMOVE));
	printf("%d\n", s[0]);
	number("remove, private", madvise(p, P, MADV_REMOVE));
}

static void asking(void)
{
	printf("-- mincore, msync, mmap\n");
	unsigned char vec[4];
	char *p = fresh(3, RW);
	p[0] = 1;
	core("touched", p, 3);
	munmap(p + 2 * P, P);
	number("hole", mincore(p, 3 * P, vec));
	number("unaligned", mincore(p + 1, P, vec));
	number("bad vector", mincore(p, P, (void *)8));
	number("nothing", mincore(p, 0, vec));
	number("msync", msync(p, 2 * P, MS_SYNC));
	number("msync both", msync(p, P, MS_SYNC | MS_ASYNC));
	number("msync hole", msync(p, 3 * P, MS_ASYNC));
	number("msync unaligned", msync(p + 1, P, MS_SYNC));
	char *q = mmap(NULL, 2 * P, RW, ANON | MAP_POPULATE, -1, 0);
	core("populate", q, 2);
	MAPPED("no length", mmap(NULL, 0, RW, ANON, -1, 0));
	MAPPED("no descriptor", mmap(NULL, P, RW, MAP_PRIVATE, -1, 0));
	MAPPED("neither", mmap(NULL, P, RW, MAP_ANONYMOUS, -1, 0));
	MAPPED("noreplace", mmap(q, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	MAPPED("fixed unaligned", mmap(q + 1, P, RW, ANON | MAP_FIXED, -1, 0));
	int fd = open("/proc/self/exe", O_RDONLY);
	MAPPED("shared, not for writing", mmap(NULL, P, RW, MAP_SHARED, fd, 0));
	char *r = mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	number("made writable", mprotect(r, P, RW));
	number("mprotect nothing", mprotect(q, 0, RW));
	number("mprotect unaligned", mprotect(q + 1, P, RW));
}

static void sealing(void)
{
	printf("-- memfd\n");
	char page[P] = "sealed";
	int fd = memfd_create("test", MFD_ALLOW_SEALING);
	number("seals", fcntl(fd, F_GET_SEALS));
	number("write", write(fd, page, P));
	number("truncate", ftruncate(fd, 2 * P));
	char *p = mmap(NULL, P, RW, MAP_SHARED, fd, 0);
	printf("%s\n", p);
	number("busy", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	number("shrink", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	number("truncate", ftruncate(fd, P));
	number("truncate", ftruncate(fd, 3 * P));
	number("grow", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	number("truncate", ftruncate(fd, 4 * P));
	number("write beyond", pwrite(fd, page, P, 3 * P));
	number("write within", pwrite(fd, page, P, P));
	munmap(p, P);
	number("unknown", fcntl(fd, F_ADD_SEALS, 0x1000));
	number("write", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	number("pwrite", pwrite(fd, page, 1, 0));
	MAPPED("mapped for writing", mmap(NULL, P, RW, MAP_SHARED, fd, 0));
	MAPPED("private", mmap(NULL, P, RW, MAP_PRIVATE, fd, 0));
	p = mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 0);
	number("made writable", mprotect(p, P, RW));
	number("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	number("again", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	number("seals", fcntl(fd, F_GET_SEALS));
	close(fd);
	fd = memfd_create("plain", MFD_CLOEXEC);
	number("seals", fcntl(fd, F_GET_SEALS));
	number("add", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	number("cloexec", fcntl(fd, F_GETFD));
	char link[64], name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	int n = readlink(name, link, sizeof link - 1);
	link[n > 0 ? n : 0] = 0;
	printf("%s\n", link);
	number("flags", memfd_create("x", 0x100));
	number("bad name", syscall(SYS_memfd_create, 8, 0));
	int null = open("/dev/null", O_RDWR);
	number("not a memfd", fcntl(null, F_GET_SEALS));
}

static void peeking(void)
{
	printf("-- process_vm\n");
	static char there[16] = "hello, there", here[16];
	int go[2];
	pipe(go);
	pid_t child = fork();
	if (!child) {
		strcpy(there, "in the child");
		write(go[1], "x", 1);
		pause();
	}
	char c;
	read(go[0], &c, 1);
	struct iovec local = {here, 12}, remote[2] = {{there, 6}, {there + 6, 6}};
	number("read", process_vm_readv(child, &local, 1, remote, 2, 0));
	printf("%.12s\n", here);
	number("write", process_vm_writev(child, &(struct iovec){"IN", 2}, 1, remote, 1, 0));
	number("read", process_vm_readv(child, &local, 1, remote, 1, 0));
	printf("%.6s\n", here);
	number("flags", process_vm_readv(child, &local, 1, remote, 1, 1));
	remote[1].iov_base = (void *)16;
	number("partly", process_vm_readv(child, &local, 1, remote, 2, 0));
	number("nothing there", process_vm_readv(child, &local, 1, remote + 1, 1, 0));
	kill(child, SIGKILL);
	wait(NULL);
	number("gone", process_vm_readv(child, &local, 1, remote, 1, 0));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	remapping();
	locking();
	advising();
	asking();
	sealing();
	peeking();
	return 0;
}
