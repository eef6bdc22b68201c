/* What is refused in the same way whether or not there are sockets, and files that could share what they hold. */

#include "conf.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void)
{
	int fd, other, p[2], status;
	socklen_t size = 16;
	char buf[16] = "";

	TITLE("not a socket");
	fd = open("/proc/version", O_RDONLY);
	S(getpeername, fd, buf, &size);
	S(getsockname, 99, buf, &size);
	S(bind, fd, buf, 16);
	S(connect, fd, buf, 16);
	S(listen, fd, 5);
	S(accept4, fd, NULL, NULL, 0);
	S(shutdown, fd, SHUT_RD);
	S(sendto, fd, "x", 1, 0, NULL, 0);
	S(recvfrom, fd, buf, 1, 0, NULL, NULL);
	S(getsockopt, fd, SOL_SOCKET, SO_ERROR, buf, &size);
	S(socket, 99, SOCK_STREAM, 0);
	S(socket, AF_UNIX, 77, 0);
	S(socket, AF_UNIX, SOCK_STREAM | 0x100, 0);
	S(socketpair, 99, SOCK_STREAM, 0, p);
	unsigned long args[] = {fd, (unsigned long)buf, (unsigned long)&size};
	S(socketcall, 7, args);
	S(socketcall, 99, args);
	S(socketcall, 7, BAD);
	close(fd);

	TITLE("clones");
	char here[] = "/tmp/refusedXXXXXX";
	chdir(mkdtemp(here));
	fd = open("a", O_RDWR | O_CREAT, 0600);
	other = open("b", O_RDWR | O_CREAT, 0600);
	R(ioctl(fd, FICLONE, other));
	R(ioctl(fd, FICLONE, 99));
	R(ioctl(fd, FICLONERANGE, BAD));
	struct file_clone_range range = {.src_fd = other};
	R(ioctl(fd, FICLONERANGE, &range));
	int dir = open(".", O_RDONLY);
	R(ioctl(fd, FICLONE, dir));
	pipe(p);
	R(ioctl(fd, FICLONE, p[0]));
	int reading = open("a", O_RDONLY);
	R(ioctl(reading, FICLONE, other));
	unlink("a"), unlink("b");

	TITLE("a file without a name");
	status = fcntl(open(".", O_RDWR | O_TMPFILE | O_EXCL, 0600), F_GETFL);
	printf("excl %d, tmpfile %d\n", !!(status & O_EXCL), (status & O_TMPFILE) == O_TMPFILE);
	chdir("/");
	R(rmdir(here) ? -1 : 0);

	TITLE("a list in pieces");
	for (int i = 0; i < 200; i++)
		mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char text[65536];
	fd = open("/proc/self/maps", O_RDONLY);
	int pieces = 0, whole = 1, small = 1, n;
	while ((n = read(fd, text, sizeof text)) > 0)
		pieces++, whole &= text[n - 1] == '\n', small &= n <= 4096;
	printf("more than 2: %d, whole lines: %d, a page at most: %d\n", pieces > 2, whole, small);
	lseek(fd, 0, SEEK_SET);
	n = read(fd, text, 100);
	printf("first 100: %d, then ", n);
	n = read(fd, text, 10000);
	printf("less than two pages: %d, whole lines: %d\n", n < 8192, text[n - 1] == '\n');
	return 0;
}
