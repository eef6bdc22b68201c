/* The times of a file that is mapped: read by mapping it, changed by the first store to each page. */
#include "conf.h"

#define SIZE 16384

static struct timespec was;

static void touched(const char *what, int fd)
{
	struct stat st;

	fstat(fd, &st);
	printf("%s:%s%s%s\n", what, st.st_atim.tv_sec > was.tv_sec ? " accessed" : "",
	       st.st_mtim.tv_sec > was.tv_sec ? " modified" : "",
	       st.st_ctim.tv_sec > was.tv_sec ? " changed" : "");
}

/* All its times lie in the past; what happens now is told from it by whole seconds. */
static void age(int fd)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &was);
	times[0] = times[1] = (struct timespec){was.tv_sec - 1000, 0};
	futimens(fd, times);
	clock_gettime(CLOCK_REALTIME, &was);
	usleep(1000 * (1100 - was.tv_nsec / 1000000));
}

static void in(const char *where, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	volatile char *shared, *private;
	struct iovec iov;
	int n = 0;

	TITLE(where);
	if (fd < 0)
		return;
	unlink(path);
	ftruncate(fd, SIZE);
	age(fd);
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	touched("mapped", fd);
	age(fd);
	n += shared[0];
	touched("read", fd);
	shared[1] = 1;
	touched("stored", fd);
	age(fd);
	shared[4096] = 1;
	touched("stored in another page, not there yet", fd);
	age(fd);
	shared[4097] = 1;
	touched("stored again", fd);
	n += shared[8192];
	iov = (struct iovec){(void *)(shared + 8192), 5};
	lseek(fd, 0, SEEK_SET);
	touched("before a call", fd);
	R(getcwd((char *)iov.iov_base, 1) == NULL);
	touched("a call that stores nothing", fd);
	R(pipe((int *)(shared + 12288)));
	touched("a call that stores", fd);
	munmap((void *)shared, SIZE);
	age(fd);
	private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	touched("mapped privately", fd);
	age(fd);
	private[0] = 1;
	touched("stored there", fd);
	R(mprotect((void *)private, SIZE, PROT_READ));
	touched("protected", fd);
	munmap((void *)private, SIZE);
	shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	age(fd);
	n += shared[0];
	R(mprotect((void *)shared, SIZE, PROT_READ | PROT_WRITE));
	touched("read, made writable", fd);
	printf("%d\n", n);
	close(fd);
}

int main(void)
{
	in("a file", "mapped-times");
	in("in /dev/shm", "/dev/shm/int80-mapped-times");
	return 0;
}
