#include "conf.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile int broken;
static char buf[400000];

static void caught(int signo)
{
	broken++;
}

static void ready(const char *what, int fd)
{
	struct pollfd p = {fd, 0x3fff, 0};

	poll(&p, 1, 0);
	printf("%s: poll %#x\n", what, p.revents);
}

static void queued(int fd)
{
	int in = -1, out = -1;

	ioctl(fd, FIONREAD, &in);
	ioctl(fd, TIOCOUTQ, &out);
	printf("in %d out %d\n", in, out);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

int main(void)
{
	int s[2], st, i, n, total;
	struct stat sb;
	struct sockaddr_un a;
	socklen_t len;

	TITLE("making");
	R(socket(AF_INET6 + 40, SOCK_STREAM, 0));
	R(socket(AF_UNIX, 7, 0));
	R(socket(AF_UNIX, 12, 0));
	R(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	R(socket(AF_UNIX, SOCK_STREAM, 5));
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD));
	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, AF_UNIX, s));
	printf("%d %d %#x %d\n", s[0], s[1], fcntl(s[0], F_GETFL), fcntl(s[1], F_GETFD));
	R(close(s[0]));
	R(close(s[1]));
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	R(fstat(s[0], &sb));
	printf("%o %d %ld %d\n", sb.st_mode, (int)sb.st_nlink, (long)sb.st_size, (int)sb.st_blksize);
	R(lseek(s[0], 0, SEEK_CUR));
	R(ftruncate(s[0], 0));
	R(pread(s[0], buf, 1, 0));
	R(pwrite(s[0], buf, 1, 0));
	R(fsync(s[0]));
	R(mmap(0, 4096, PROT_READ, MAP_SHARED, s[0], 0) == MAP_FAILED ? -1 : 0);
	R(listen(s[0], 1));
	R(listen(0, 1));
	R(accept(s[0], 0, 0));
	R(bind(1, (void *)&a, 3));
	R(connect(77, (void *)&a, 3));

	TITLE("bytes");
	ready("fresh", s[0]);
	queued(s[0]);
	R(write(s[0], "hello world", 11));
	queued(s[0]);
	queued(s[1]);
	ready("full", s[1]);
	R(recv(s[1], buf, 3, MSG_PEEK));
	R(recv(s[1], buf, 5, 0));
	R(write(s[0], "more", 4));
	R(recv(s[1], buf, 100, MSG_PEEK));
	printf("%.10s\n", buf);
	R(recv(s[1], buf, 0, 0));
	R(read(s[1], buf, 0));
	R(write(s[0], buf, 0));
	R(recv(s[1], buf, 10, MSG_WAITALL));
	R(recv(s[1], buf, 10, MSG_DONTWAIT));
	R(recv(s[1], buf, 0, MSG_DONTWAIT));
	R(send(s[0], BAD, 5, 0));
	R(write(s[0], "abc", 3));
	R(recv(s[1], BAD, 5, 0));
	R(recv(s[1], buf, 5, 0));
	struct iovec v[3] = {{"one", 3}, {"", 0}, {"two", 3}};
	R(writev(s[0], v, 3));
	struct iovec w[2] = {{buf, 2}, {buf + 10, 50}};
	R(readv(s[1], w, 2));
	printf("%.2s %.4s\n", buf, buf + 10);
	memset(&a, 0, sizeof a);
	R(sendto(s[0], "x", 1, 0, (void *)&a, 5));

	TITLE("room");
	for (n = 1; n <= 200000; n = n * 5 + 3) {
		int t[2];
		socketpair(AF_UNIX, SOCK_STREAM, 0, t);
		for (i = total = 0; (st = send(t[0], buf, n, MSG_DONTWAIT)) > 0; i++)
			total += st;
		printf("%d: %d sends, %d bytes, %s\n", n, i, total, error_name(errno));
		queued(t[0]);
		ready("no room", t[0]);
		for (i = 0; i < total / 2; i += st)
			st = recv(t[1], buf, 5000, 0);
		queued(t[0]);
		ready("half", t[0]);
		while (recv(t[1], buf, sizeof buf, MSG_DONTWAIT) > 0)
			;
		queued(t[0]);
		ready("empty", t[0]);
		close(t[0]);
		close(t[1]);
	}
	fflush(stdout);
	if (!fork()) {
		memset(buf, 'z', sizeof buf);
		for (total = 0; total < sizeof buf; total += n)
			n = write(s[0], buf + total, sizeof buf - total);
		_exit(0);
	}
	for (total = 0; total < sizeof buf; total += n)
		n = recv(s[1], buf, total + 12345 > sizeof buf ? sizeof buf - total : 12345, MSG_WAITALL);
	R(total);
	wait(0);

	TITLE("shutting down");
	R(shutdown(s[0], 3));
	R(write(s[0], "last", 4));
	R(shutdown(s[0], SHUT_WR));
	ready("0", s[0]);
	ready("1", s[1]);
	R(read(s[1], buf, 10));
	R(read(s[1], buf, 10));
	signal(SIGPIPE, caught);
	R(write(s[0], "x", 1));
	printf("%d\n", broken);
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
	printf("%d\n", broken);
	R(write(s[1], "back", 4));
	R(read(s[0], buf, 10));
	R(shutdown(s[0], SHUT_RD));
	ready("0", s[0]);
	ready("1", s[1]);
	R(write(s[1], "x", 1));
	R(read(s[0], buf, 1));
	R(close(s[1]));
	ready("0", s[0]);
	R(close(s[0]));

	TITLE("the other end goes");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[0], "left", 4);
	close(s[0]);
	ready("1", s[1]);
	len = sizeof a;
	R(getpeername(s[1], (void *)&a, &len));
	R(len);
	R(read(s[1], buf, 10));
	R(read(s[1], buf, 10));
	R(write(s[1], buf, 10));
	close(s[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[1], "unread", 6);
	close(s[0]);
	ready("1", s[1]);
	R(read(s[1], buf, 10));
	R(read(s[1], buf, 10));
	R(write(s[1], buf, 10));
	close(s[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[1], "unread", 6);
	close(s[0]);
	i = -1, len = 4;
	R(getsockopt(s[1], SOL_SOCKET, SO_ERROR, &i, &len));
	printf("%s\n", error_name(i));
	R(read(s[1], buf, 10));
	close(s[1]);

	TITLE("names");
	mkdir("/tmp/unix_streams", 0755);
	chdir("/tmp/unix_streams");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c, d, e;
	a = address("name");
	ready("unconnected", l);
	R(read(l, buf, 1));
	R(write(l, buf, 1));
	R(send(l, buf, 1, 0));
	R(connect(l, (void *)&a, sizeof a));
	R(connect(l, (void *)&a, 2));
	R(connect(l, (void *)&a, 1));
	R(bind(l, (void *)&a, 111));
	R(bind(l, (void *)&a, 1));
	R(bind(l, BAD, 10));
	R(listen(l, 5));
	umask(022);
	R(bind(l, (void *)&a, sizeof a));
	R(bind(l, (void *)&a, sizeof a));
	a = address("other");
	R(bind(l, (void *)&a, sizeof a));
	R(access("other", F_OK));
	a = address("missing/other");
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	R(bind(c, (void *)&a, sizeof a));
	a = address("name");
	R(bind(c, (void *)&a, sizeof a));
	R(stat("name", &sb));
	printf("%o %ld\n", sb.st_mode, (long)sb.st_size);
	R(open("name", O_RDWR));
	R(connect(c, (void *)&a, sizeof a));
	len = sizeof a;
	R(getsockname(l, (void *)&a, &len));
	printf("%d %s\n", len, a.sun_path);
	len = 5;
	memset(&a, 'q', sizeof a);
	R(getsockname(l, (void *)&a, &len));
	printf("%d %.8s\n", len, a.sun_path);
	R(getpeername(l, (void *)&a, &len));
	a = address("name");
	R(listen(l, 1));
	ready("listening", l);
	R(fcntl(l, F_SETFL, O_NONBLOCK));
	R(accept(l, 0, 0));
	R(ioctl(l, FIONREAD, &i));
	R(read(l, buf, 1));
	int many[6];
	for (i = 0; i < 4; i++) {
		many[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		R(connect(many[i], (void *)&a, sizeof a));
	}
	R(connect(many[0], (void *)&a, sizeof a));
	ready("listening", l);
	ready("connected", many[0]);
	R(write(many[0], "early", 5));
	len = sizeof a;
	R(accept4(l, (void *)&a, &len, 7));
	len = sizeof a;
	R(d = accept4(l, (void *)&a, &len, SOCK_CLOEXEC));
	printf("%d %d %#x\n", len, fcntl(d, F_GETFD), fcntl(d, F_GETFL));
	R(read(d, buf, 10));
	len = sizeof a;
	R(getsockname(d, (void *)&a, &len));
	printf("%d %s\n", len, a.sun_path);
	R(write(many[1], "lost", 4));
	R(write(many[1], "lost", 4));
	R(close(l));
	ready("refused", many[1]);
	R(read(many[1], buf, 1));
	R(read(many[1], buf, 1));
	R(write(many[1], buf, 1));
	a = address("name");
	R(connect(many[3], (void *)&a, sizeof a));
	R(write(many[0], "still", 5));
	R(read(d, buf, 10));
	len = sizeof a;
	R(getpeername(many[0], (void *)&a, &len));
	printf("%d %s\n", len, a.sun_path);
	R(unlink("name"));
	R(rename("missing", "name"));
	close(open("file", O_CREAT | O_RDWR, 0644));
	a = address("file");
	R(connect(c, (void *)&a, sizeof a));
	R(bind(c, (void *)&a, sizeof a));
	unlink("file");

	TITLE("waiting to connect, and permissions");
	a = address("w");
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(l, (void *)&a, sizeof a);
	listen(l, 0);
	connect(c, (void *)&a, sizeof a);
	fflush(stdout);
	if (!fork()) {
		c = socket(AF_UNIX, SOCK_STREAM, 0);
		st = connect(c, (void *)&a, sizeof a);
		write(c, "waited", 6);
		_exit(st);
	}
	usleep(50000);
	d = accept(l, 0, 0);
	wait(&st);
	printf("%d\n", st);
	e = accept(l, 0, 0);
	R(read(e, buf, 10));
	close(d), close(e), close(c);
	CHILD("other user", chmod("w", 0700); setuid(1000); c = socket(AF_UNIX, SOCK_STREAM, 0);
	      R(connect(c, (void *)&a, sizeof a)));
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	R(connect(c, (void *)&a, sizeof a));
	close(c), close(l);
	unlink("w");

	TITLE("abstract names");
	a = address("x");
	memcpy(a.sun_path, "\0ab\0c", 5);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	R(bind(l, (void *)&a, 7));
	len = sizeof a;
	R(getsockname(l, (void *)&a, &len));
	R(len);
	d = socket(AF_UNIX, SOCK_STREAM, 0);
	R(bind(d, (void *)&a, 7));
	e = socket(AF_UNIX, SOCK_DGRAM, 0);
	R(bind(e, (void *)&a, 7));
	R(listen(e, 1));
	listen(l, 5);
	R(connect(d, (void *)&a, 6));
	R(connect(d, (void *)&a, 7));
	R(connect(d, (void *)&a, 7));
	R(listen(d, 7));
	close(l), close(d), close(e);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	R(bind(l, (void *)&a, 2));
	R(bind(l, (void *)&a, 2));
	len = sizeof a;
	R(getsockname(l, (void *)&a, &len));
	R(len);
	R(bind(l, (void *)&a, len));
	close(l);

	TITLE("times and signals");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct timeval tv = {0, 20000};
	R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	R(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	R(read(s[0], buf, 1));
	while (send(s[0], buf, 50000, MSG_DONTWAIT) > 0)
		;
	R(write(s[0], buf, 10));
	tv.tv_usec = 1000000;
	R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	tv.tv_usec = -1;
	R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	len = sizeof tv;
	R(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	printf("%d %ld %ld\n", len, (long)tv.tv_sec, (long)tv.tv_usec);
	struct sigaction act = {.sa_handler = caught};
	sigaction(SIGALRM, &act, 0);
	struct itimerval it = {{0, 0}, {0, 30000}};
	setitimer(ITIMER_REAL, &it, 0);
	while (recv(s[1], buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	R(read(s[1], buf, 1));
	setitimer(ITIMER_REAL, &it, 0);
	write(s[0], "half", 4);
	R(recv(s[1], buf, 10, MSG_WAITALL));
	act.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &act, 0);
	setitimer(ITIMER_REAL, &it, 0);
	if (!fork()) {
		usleep(100000);
		write(s[0], "restarted", 9);
		_exit(0);
	}
	R(read(s[1], buf, 20));
	wait(0);
	tv.tv_sec = 5, tv.tv_usec = 0;
	setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setitimer(ITIMER_REAL, &it, 0);
	R(read(s[1], buf, 20));

	TITLE("epoll, select, sendfile, splice");
	struct epoll_event ev = {EPOLLIN | EPOLLRDHUP | EPOLLET}, got[3];
	int ep = epoll_create1(0);
	R(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev));
	R(epoll_wait(ep, got, 3, 0));
	write(s[0], "1", 1);
	R(epoll_wait(ep, got, 3, 0));
	R(epoll_wait(ep, got, 3, 0));
	write(s[0], "2", 1);
	R(epoll_wait(ep, got, 3, 0));
	shutdown(s[0], SHUT_WR);
	R(epoll_wait(ep, got, 3, 0));
	printf("%#x\n", got[0].events);
	fd_set f;
	FD_ZERO(&f);
	FD_SET(s[1], &f);
	struct timeval zero = {0, 0};
	R(select(s[1] + 1, &f, 0, 0, &zero));
	int fd = open("data", O_CREAT | O_RDWR | O_TRUNC, 0644), p[2];
	write(fd, "from a file", 11);
	off_t off = 5;
	R(sendfile(s[1], fd, &off, 4));
	R(read(s[0], buf, 100));
	R(sendfile(fd, s[1], 0, 4));
	pipe(p);
	write(p[1], "through a pipe", 14);
	R(splice(p[0], 0, s[1], 0, 7, 0));
	R(read(s[0], buf, 100));
	printf("%.7s\n", buf);
	close(s[0]);
	close(s[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[1], "into it", 7);
	R(splice(s[0], 0, p[1], 0, 100, 0));
	R(read(p[0], buf, 100));
	unlink("data");

	TITLE("links");
	char link[64] = "", text[64];
	sprintf(text, "/proc/self/fd/%d", s[0]);
	R(readlink(text, link, 63) > 10);
	printf("%.8s\n", link);
	R(open(text, O_RDWR));
	FILE *un = fopen("/proc/net/unix", "r");
	R(fgets(buf, 200, un) != 0);
	printf("%s", buf);
	rmdir("/tmp/unix_streams");
	return 0;
}
