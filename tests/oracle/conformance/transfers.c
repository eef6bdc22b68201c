/* Data that moves inside the kernel: sendfile, splice, tee, vmsplice, copy_file_range, packets, fallocate, RWF_*. */

#include "conf.h"
#include <linux/falloc.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

static char buf[200000];

static void held(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	printf("held %d\n", n);
}

static void show(int fd, int count)
{
	char text[300];
	int n = read(fd, text, count);

	if (n < 0)
		printf("read: %s\n", error_name(errno));
	else {
		text[n] = 0;
		printf("read %d '%s'\n", n, text);
	}
}

static void go_to_tmpfs(void)
{
	char dir[] = "/dev/shm/transfersXXXXXX", other[] = "/tmp/transfersXXXXXX";

	if (chdir(mkdtemp(dir) ? dir : mkdtemp(other) ?: "/"))
		_exit(99);
}

static void sendfiles(void)
{
	int in = open("in", O_RDWR | O_CREAT, 0600), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_RDWR), dir = open(".", O_RDONLY);
	off_t off = 6;
	loff_t far = 1;
	int append = open("out", O_WRONLY | O_APPEND);

	TITLE("sendfile");
	pwrite(in, "hello, splicing world", 21, 0);
	R(sendfile(out, in, NULL, 5));
	R(lseek(in, 0, SEEK_CUR));
	R(sendfile(out, in, &off, 100));
	printf("off %ld\n", (long)off);
	R(lseek(in, 0, SEEK_CUR));
	R(lseek(out, 0, SEEK_CUR));
	pread(out, buf, 20, 0);
	printf("%.20s\n", buf);
	R(sendfile(out, in, &off, 10));
	S(sendfile64, out, in, &far, 3);
	printf("far %lld\n", (long long)far);
	off = -1;
	R(sendfile(out, in, &off, 1));
	R(sendfile(out, in, BAD, 1));
	R(sendfile(99, in, NULL, 1));
	R(sendfile(out, 99, NULL, 1));
	R(sendfile(in, append, NULL, 1));
	R(sendfile(append, in, NULL, 1));
	R(sendfile(out, in, NULL, -1));
	R(sendfile(out, in, NULL, 0));
	R(sendfile(out, dir, NULL, 1));
	R(sendfile(null, zero, NULL, 100000));
	R(sendfile(out, zero, NULL, 70000));
	R(lseek(out, 0, SEEK_END));
	R(sendfile(out, null, NULL, 10));
	pipe(p);
	R(sendfile(p[1], in, (off = 3, &off), 10));
	show(p[0], 50);
	R(sendfile(out, p[0], NULL, 10));
	R(sendfile(p[1], zero, NULL, 1000000));
	held(p[0]);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	R(sendfile(p[1], zero, NULL, 1));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	R(sendfile(p[1], zero, NULL, 1));
	close(p[1]);
	int proc = open("/proc/self/status", O_RDONLY), version = open("/proc/sys/kernel/ostype", O_RDONLY);
	R(sendfile(out, proc, NULL, 5));
	R(sendfile(out, version, NULL, 5));
	for (int n = 3; n < 30; n++)
		close(n);
}

static void splices(void)
{
	int p[2], q[2], in = open("in", O_RDWR), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	loff_t off = 7, at = 2;

	TITLE("splice");
	pipe(p);
	pipe(q);
	R(splice(in, &off, p[1], NULL, 8, 0));
	printf("off %lld\n", (long long)off);
	write(p[1], "more", 4);
	held(p[0]);
	R(tee(p[0], q[1], 100, 0));
	held(p[0]);
	show(q[0], 100);
	R(tee(p[0], q[1], 3, 0));
	show(q[0], 100);
	R(splice(p[0], NULL, q[1], NULL, 10, 0));
	write(q[1], "x", 1);
	show(q[0], 100);
	held(p[0]);
	R(splice(p[0], NULL, out, &at, 100, 0));
	printf("at %lld\n", (long long)at);
	R(lseek(out, 0, SEEK_CUR));
	write(p[1], "abc", 3);
	R(splice(p[0], NULL, out, NULL, 2, 0));
	R(lseek(out, 0, SEEK_CUR));
	pread(out, buf, 4, 0);
	printf("%.4s\n", buf);
	TITLE("errors");
	R(splice(p[0], &off, out, NULL, 1, 0));
	R(splice(in, NULL, p[1], &off, 1, 0));
	R(splice(in, NULL, out, NULL, 1, 0));
	R(splice(p[0], NULL, p[1], NULL, 1, 0));
	R(splice(p[1], NULL, out, NULL, 1, 0));
	R(splice(p[0], NULL, q[0], NULL, 1, 0));
	R(splice(p[0], NULL, out, NULL, 0, 0xff));
	R(splice(p[0], NULL, out, NULL, 1, 0xff));
	R(splice(99, NULL, out, NULL, 1, 0));
	R(splice(in, BAD, p[1], NULL, 1, 0));
	R(splice(in, (off = -5, &off), p[1], NULL, 1, 0));
	R(splice(in, (off = 1000, &off), p[1], NULL, 1, 0));
	R(tee(p[0], out, 1, 0));
	R(tee(p[0], p[1], 1, 0));
	R(tee(q[0], p[1], 1, SPLICE_F_NONBLOCK));
	show(p[0], 10);
	R(splice(p[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK));
	R(splice(q[0], NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK));
	TITLE("waiting");
	CHILD("writer", usleep(20000); write(p[1], "late", 4); R(splice(p[0], NULL, out, NULL, 10, 0)));
	if (!fork()) {
		usleep(20000);
		write(p[1], "later", 5);
		_exit(0);
	}
	R(splice(p[0], NULL, q[1], NULL, 10, 0));
	wait(NULL);
	show(q[0], 10);
	close(p[1]);
	R(splice(p[0], NULL, q[1], NULL, 10, 0));
	R(tee(p[0], q[1], 10, 0));
	R(splice(p[0], NULL, out, NULL, 10, 0));
	close(p[0]), close(q[0]), close(q[1]);
	TITLE("slots");
	pipe(p);
	fcntl(p[1], F_SETPIPE_SZ, 8192);
	ftruncate(out, 20000);
	R(splice(out, (off = 4000, &off), p[1], NULL, 20000, 0));
	printf("off %lld\n", (long long)off);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	R(write(p[1], "y", 1));
	R(read(p[0], buf, 97));
	R(write(p[1], "y", 1));
	close(p[0]), close(p[1]);
	TITLE("vmsplice");
	pipe(p);
	struct iovec v[40] = {{"one ", 4}, {"two ", 4}, {buf, 0}};
	R(vmsplice(p[1], v, 3, 0));
	write(p[1], "three", 5);
	show(p[0], 100);
	v[0].iov_base = buf, v[0].iov_len = 5;
	write(p[1], "1234567", 7);
	R(vmsplice(p[0], v, 1, 0));
	printf("%.5s\n", buf);
	held(p[0]);
	R(vmsplice(in, v, 1, 0));
	R(vmsplice(p[1], v, 1, 0x40));
	v[0].iov_base = BAD;
	R(vmsplice(p[1], v, 1, 0));
	R(vmsplice(p[0], v, 1, 0));
	R(vmsplice(p[1], v, 0, 0));
	R(vmsplice(p[1], v, 5000, 0));
	v[0].iov_base = buf, v[0].iov_len = sizeof buf;
	R(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK) > 60000);
	R(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK));
	for (int n = 3; n < 30; n++)
		close(n);
}

static void ranges(void)
{
	int in = open("in", O_RDWR), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600), dir = open(".", O_RDONLY), p[2];
	int null = open("/dev/null", O_RDWR), append = open("out", O_WRONLY | O_APPEND);
	loff_t a = 7, b = 3;
	struct stat st;

	TITLE("copy_file_range");
	pipe(p);
	R(copy_file_range(in, &a, out, &b, 8, 0));
	printf("%lld %lld\n", (long long)a, (long long)b);
	R(copy_file_range(in, NULL, out, NULL, 3, 0));
	R(lseek(in, 0, SEEK_CUR));
	R(lseek(out, 0, SEEK_CUR));
	pread(out, buf, 11, 0);
	printf("%.11s\n", buf);
	R(copy_file_range(in, NULL, out, NULL, 1000, 0));
	R(copy_file_range(in, NULL, out, NULL, 1000, 0));
	R(copy_file_range(in, NULL, out, NULL, 1, 1));
	R(copy_file_range(in, NULL, dir, NULL, 1, 0));
	R(copy_file_range(p[0], NULL, out, NULL, 1, 0));
	R(copy_file_range(in, NULL, null, NULL, 1, 0));
	R(copy_file_range(in, NULL, append, NULL, 1, 0));
	R(copy_file_range(append, NULL, in, NULL, 1, 0));
	R(copy_file_range(in, (a = 0, &a), in, (b = 5, &b), 6, 0));
	R(copy_file_range(in, (a = 0, &a), in, (b = 5, &b), 5, 0));
	R(copy_file_range(in, (a = -1, &a), out, NULL, 1, 0));
	R(copy_file_range(in, BAD, out, NULL, 1, 0));
	TITLE("fallocate");
	R(fallocate(out, 0, 0, 10000));
	fstat(out, &st);
	printf("%ld %ld\n", (long)st.st_size, (long)st.st_blocks);
	R(fallocate(out, FALLOC_FL_KEEP_SIZE, 16384, 8192));
	fstat(out, &st);
	printf("%ld %ld\n", (long)st.st_size, (long)st.st_blocks);
	memset(buf, 'x', 30000);
	pwrite(out, buf, 20000, 0);
	char *map = mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
	R(fallocate(out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 8500));
	printf("%d %d %d %d %d\n", map[99], map[100], map[5000], map[8599], map[8600]);
	fstat(out, &st);
	printf("%ld %ld\n", (long)st.st_size, (long)st.st_blocks);
	R(lseek(out, 0, SEEK_HOLE));
	R(lseek(out, 4096, SEEK_DATA));
	R(fallocate(out, FALLOC_FL_PUNCH_HOLE, 0, 10));
	R(fallocate(out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 10));
	R(fallocate(out, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	R(fallocate(out, FALLOC_FL_ZERO_RANGE, 0, 4096));
	R(fallocate(out, FALLOC_FL_INSERT_RANGE, 0, 4096));
	R(fallocate(out, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	R(fallocate(out, 0x1000, 0, 4096));
	R(fallocate(out, 0, 0, 0));
	R(fallocate(out, 0, -1, 5));
	R(fallocate(99, 0, 0, 5));
	R(fallocate(append, 0, 0, 5));
	R(fallocate(dir, 0, 0, 5));
	R(fallocate(p[1], 0, 0, 5));
	R(fallocate(null, 0, 0, 5));
	R(fallocate(open("in", O_RDONLY), 0, 0, 5));
	CHILD("limit", struct rlimit l = {4096, 4096}; setrlimit(RLIMIT_FSIZE, &l); signal(SIGXFSZ, SIG_IGN);
	      R(fallocate(open("in", O_RDWR), 0, 0, 5000)));
	TITLE("preadv2, pwritev2");
	struct iovec v[2] = {{"AB", 2}, {"CD", 2}}, w[2] = {{buf, 3}, {buf + 10, 5}};
	ftruncate(in, 10);
	lseek(in, 4, SEEK_SET);
	R(pwritev2(in, v, 2, -1, 0));
	R(lseek(in, 0, SEEK_CUR));
	R(pwritev2(in, v, 2, 0, RWF_APPEND));
	R(lseek(in, 0, SEEK_END));
	R(pwritev2(in, v, 2, 0, RWF_DSYNC | RWF_SYNC));
	R(preadv2(in, w, 2, 3, RWF_HIPRI));
	printf("%.3s\n", buf);
	R(preadv2(in, w, 2, 3, 0x1000));
	R(preadv2(in, w, 2, -2, 0));
	R(preadv2(in, w, 2, 0, RWF_NOWAIT));
	R(pwritev2(append, v, 1, 1, 0x20));
	R(pwritev2(append, v, 1, 1, 0x30));
	R(preadv2(p[0], w, 2, 0, 0));
	R(preadv2(p[0], w, 2, -1, RWF_NOWAIT));
	R(pwritev2(p[1], v, 2, -1, RWF_NOWAIT));
	R(preadv2(p[0], w, 1, -1, RWF_NOWAIT));
	TITLE("advice");
	R(posix_fadvise(in, 0, 0, POSIX_FADV_DONTNEED));
	R(posix_fadvise(in, 0, 0, 77));
	R(posix_fadvise(in, 0, -1, 0));
	R(posix_fadvise(p[0], 0, 0, 0));
	R(posix_fadvise(99, 0, 0, 0));
	R(posix_fadvise(null, 0, 0, 0));
	R(readahead(in, 0, 100));
	R(readahead(p[0], 0, 100));
	R(readahead(append, 0, 100));
	R(readahead(dir, 0, 100));
	R(sync_file_range(in, 0, 100, 7));
	R(sync_file_range(in, 0, 100, 8));
	R(sync_file_range(in, -1, 100, 0));
	R(sync_file_range(p[0], 0, 100, 0));
	R(sync_file_range(dir, 0, 100, 0));
	for (int n = 3; n < 30; n++)
		close(n);
}

static void packets(void)
{
	int p[2];

	TITLE("packets");
	R(pipe2(p, O_DIRECT | O_NONBLOCK));
	R(fcntl(p[0], F_GETFL));
	R(fcntl(p[1], F_GETFL));
	write(p[1], "first", 5);
	write(p[1], "second", 6);
	write(p[1], "third", 5);
	held(p[0]);
	show(p[0], 100);
	show(p[0], 3);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	write(p[1], "plain", 5);
	write(p[1], "er", 2);
	show(p[0], 100);
	show(p[0], 100);
	show(p[0], 100);
	memset(buf, 'z', 10000);
	fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT);
	R(write(p[1], buf, 10000));
	R(read(p[0], buf, 10000));
	R(read(p[0], buf, 10000));
	R(read(p[0], buf, 10000));
	R(fcntl(open("/dev/null", O_RDWR), F_SETFL, O_DIRECT));
}

int main(void)
{
	go_to_tmpfs();
	sendfiles();
	splices();
	ranges();
	packets();
	unlink("in"), unlink("out");
	return 0;
}
