#include "conf.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[400000];
static volatile int broken, told;

static void caught(int signo)
{
	broken++;
}

static void io(int signo, siginfo_t *info, void *context)
{
	told++;
	printf("SIGIO code %d band %#lx\n", info->si_code, (long)info->si_band);
}

static void ready(const char *what, int fd)
{
	struct pollfd p = {fd, 0x3fff, 0};

	poll(&p, 1, 0);
	printf("%s: poll %#x\n", what, p.revents);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

static int control_room = 200;

static long pass(int s, const int *fds, int count, const void *data, int size, int flags)
{
	char room[2000];
	struct iovec v = {(void *)data, size};
	struct msghdr m = {0, 0, &v, 1, room, CMSG_SPACE(4 * count)};
	struct cmsghdr *h = (void *)room;

	h->cmsg_len = CMSG_LEN(4 * count);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), fds, 4 * count);
	return sendmsg(s, &m, flags);
}

static int last;

static void take(int s, int size, int flags)
{
	char room[2000];
	struct sockaddr_un a;
	struct iovec v = {buf, size};
	struct msghdr m = {&a, sizeof a, &v, 1, room, control_room, 77};
	struct cmsghdr *h;
	int n = recvmsg(s, &m, flags);

	if (n < 0) {
		printf("recvmsg: %s\n", error_name(errno));
		return;
	}
	printf("recvmsg: %d \"%.*s\" flags %#x control %d name %d", n, n > size ? size : n > 20 ? 20 : n, buf,
	       m.msg_flags, (int)m.msg_controllen, m.msg_namelen);
	if (m.msg_namelen > 2)
		printf(" %s", a.sun_path[0] ? a.sun_path : a.sun_path + 1);
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		int *data = (void *)CMSG_DATA(h);
		printf(" [%d %d %d", (int)h->cmsg_len, h->cmsg_level, h->cmsg_type);
		if (h->cmsg_type == SCM_RIGHTS)
			for (int i = 0; i < (h->cmsg_len - 12) / 4; i++) {
				last = data[i];
				printf(" fd %d cloexec %d", data[i], fcntl(data[i], F_GETFD));
			}
		else
			printf(" %s %d %d", data[0] == getpid() ? "me" : data[0] ? "other" : "none", data[1], data[2]);
		printf("]");
	}
	printf("\n");
}

int main(void)
{
	int s[2], i, n, st, one = 1, zero = 0, p[2];
	struct sockaddr_un a, b;
	socklen_t len;

	TITLE("datagrams, connected");
	R(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	ready("fresh", s[0]);
	R(write(s[0], "one", 3));
	R(write(s[0], "two two", 7));
	R(write(s[0], "", 0));
	R(send(s[0], "", 0, 0));
	R(ioctl(s[1], FIONREAD, &n));
	R(n);
	R(recv(s[1], buf, 2, MSG_PEEK));
	R(recv(s[1], buf, 2, MSG_PEEK | MSG_TRUNC));
	R(recv(s[1], buf, 2, 0));
	take(s[1], 3, 0);
	R(recv(s[1], buf, 2, 0));
	R(recv(s[1], buf, 2, MSG_DONTWAIT));
	R(write(s[0], buf, 300000));
	R(write(s[0], BAD, 3));
	R(write(s[0], "lost", 4));
	R(read(s[1], BAD, 3));
	R(recv(s[1], buf, 2, MSG_DONTWAIT));
	R(accept(s[0], 0, 0));
	R(listen(s[0], 0));
	for (i = 0; send(s[0], "x", 1, MSG_DONTWAIT) == 1; i++)
		;
	printf("%d %s\n", i, error_name(errno));
	ready("full", s[0]);
	R(shutdown(s[1], SHUT_RD));
	ready("shut", s[0]);
	ready("shut", s[1]);
	signal(SIGPIPE, caught);
	while (recv(s[1], buf, 10, MSG_DONTWAIT) > 0)
		;
	R(recv(s[1], buf, 10, MSG_DONTWAIT));
	R(recv(s[1], buf, 10, 0));
	R(write(s[0], "x", 1));
	R(shutdown(s[0], SHUT_WR));
	R(write(s[0], "x", 1));
	printf("%d\n", broken);
	R(close(s[1]));
	ready("gone", s[0]);
	close(s[0]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	write(s[1], "unread", 6);
	close(s[0]);
	R(write(s[1], "x", 1));
	R(write(s[1], "x", 1));
	R(recv(s[1], buf, 1, MSG_DONTWAIT));
	close(s[1]);

	TITLE("datagrams, named");
	mkdir("/tmp/unix_messages", 0755);
	chdir("/tmp/unix_messages");
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z;
	a = address("x"), b = address("y");
	R(sendto(y, "hi", 2, 0, (void *)&a, sizeof a));
	R(bind(x, (void *)&a, sizeof a));
	R(send(y, "hi", 2, 0));
	R(sendto(y, "hi", 2, 0, (void *)&a, sizeof a));
	len = sizeof b;
	R(recvfrom(x, buf, 10, 0, (void *)&b, &len));
	R(len);
	b = address("y");
	R(bind(y, (void *)&b, sizeof b));
	R(sendto(y, "hello", 5, 0, (void *)&a, sizeof a));
	take(x, 10, 0);
	R(connect(x, (void *)&b, sizeof b));
	R(connect(y, (void *)&a, sizeof a));
	z = socket(AF_UNIX, SOCK_DGRAM, 0);
	R(sendto(z, "x", 1, 0, (void *)&a, sizeof a));
	R(connect(z, (void *)&a, sizeof a));
	R(write(x, "to y", 4));
	take(y, 10, 0);
	struct sockaddr nobody = {AF_UNSPEC};
	R(write(x, "to y", 4));
	R(connect(y, &nobody, sizeof nobody));
	R(recv(y, buf, 10, MSG_DONTWAIT));
	R(write(x, "x", 1));
	R(recv(x, buf, 10, MSG_DONTWAIT));
	R(write(y, "x", 1));
	R(connect(x, &nobody, sizeof nobody));
	R(recv(y, buf, 10, MSG_DONTWAIT));
	for (i = 0; sendto(z, "x", 1, MSG_DONTWAIT, (void *)&a, sizeof a) == 1; i++)
		;
	printf("%d %s\n", i, error_name(errno));
	R(connect(z, (void *)&a, sizeof a));
	ready("full", z);
	fflush(stdout);
	if (!fork())
		_exit(write(z, "waited", 6) != 6);
	usleep(30000);
	R(read(x, buf, 10));
	wait(&st);
	R(st);
	while (recv(x, buf, 10, MSG_DONTWAIT) > 0)
		;
	printf("%.6s\n", buf);
	ready("empty", z);
	R(close(x));
	R(write(z, "x", 1));
	R(write(z, "x", 1));
	R(sendto(z, "x", 1, 0, (void *)&a, sizeof a));
	close(y), close(z);
	unlink("x"), unlink("y");

	TITLE("seqpacket");
	R(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	ready("fresh", s[0]);
	R(write(s[0], "one", 3));
	R(write(s[0], "two two", 7));
	R(ioctl(s[1], FIONREAD, &n));
	R(n);
	take(s[1], 2, 0);
	take(s[1], 20, MSG_WAITALL);
	R(sendto(s[0], "to", 2, 0, (void *)&a, sizeof a));
	take(s[1], 20, 0);
	R(shutdown(s[0], SHUT_WR));
	R(read(s[1], buf, 10));
	R(recv(s[1], buf, 10, MSG_DONTWAIT));
	broken = 0;
	R(write(s[0], "x", 1));
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
	R(write(s[1], "unread", 6));
	R(close(s[0]));
	ready("gone", s[1]);
	R(write(s[1], "x", 1));
	R(read(s[1], buf, 1));
	printf("%d\n", broken);
	close(s[1]);
	x = socket(AF_UNIX, SOCK_SEQPACKET, 0), y = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ready("unconnected", x);
	R(read(x, buf, 1));
	R(write(x, buf, 1));
	a = address("seq");
	R(bind(x, (void *)&a, sizeof a));
	R(listen(x, 3));
	R(connect(y, (void *)&a, sizeof a));
	R(write(y, "early", 5));
	R(write(y, "bird", 4));
	z = accept(x, 0, 0);
	take(z, 10, 0);
	take(z, 10, 0);
	R(close(y));
	R(read(z, buf, 10));
	R(close(x));
	close(z);
	unlink("seq");

	TITLE("descriptors");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pipe(p);
	R(pass(s[0], p, 2, "two", 3, 0));
	take(s[1], 10, 0);
	R(write(last, "by it", 5));
	R(read(p[0], buf, 10));
	close(last), close(last - 1);
	R(pass(s[0], p, 1, "abc", 3, 0));
	R(write(s[0], "def", 3));
	take(s[1], 2, MSG_PEEK);
	close(last);
	take(s[1], 2, MSG_CMSG_CLOEXEC);
	take(s[1], 2, 0);
	close(last);
	take(s[1], 20, 0);
	R(pass(s[0], p, 1, "", 0, 0));
	R(recv(s[1], buf, 10, MSG_DONTWAIT));
	R(pass(s[0], p, 2, "x", 1, 0));
	control_room = 16;
	take(s[1], 10, 0);
	close(last);
	control_room = 15;
	R(pass(s[0], p, 2, "x", 1, 0));
	take(s[1], 10, 0);
	control_room = 0;
	R(pass(s[0], p, 2, "x", 1, 0));
	take(s[1], 10, 0);
	control_room = 200;
	R(pass(s[0], p, 2, "x", 1, 0));
	R(read(s[1], buf, 10));
	int bad[2] = {p[0], 99}, lots[260];
	R(pass(s[0], bad, 2, "x", 1, 0));
	for (i = 0; i < 260; i++)
		lots[i] = p[0];
	R(pass(s[0], lots, 253, "x", 1, 0));
	R(pass(s[0], lots, 254, "x", 1, 0));
	R(recv(s[1], buf, 10, 0));
	struct rlimit rl, old;
	getrlimit(RLIMIT_NOFILE, &old);
	rl.rlim_max = old.rlim_max;
	rl.rlim_cur = dup(0) + 1;
	close(rl.rlim_cur - 1);
	setrlimit(RLIMIT_NOFILE, &rl);
	R(pass(s[0], p, 2, "limit", 5, 0));
	take(s[1], 10, 0);
	close(last);
	setrlimit(RLIMIT_NOFILE, &old);
	/* a pipe's end that only a message has: closed with the socket */
	R(pass(s[0], p + 1, 1, "x", 1, 0));
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	R(read(p[0], buf, 1));
	close(s[1]);
	R(read(p[0], buf, 1));
	close(s[0]);
	/* sockets that only hold themselves */
	close(p[0]);
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	int self[3] = {s[0], s[1], p[1]};
	R(pass(s[0], self, 3, "loop", 4, 0));
	close(p[1]);
	close(s[0]);
	close(s[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	close(s[0]);
	close(s[1]);
	fcntl(p[0], F_SETFL, 0);
	R(read(p[0], buf, 1));
	/* bad control messages */
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	struct {
		struct cmsghdr h;
		int data[10];
	} c = {{11, SOL_SOCKET, SCM_RIGHTS}};
	struct iovec v = {"x", 1};
	struct msghdr m = {0, 0, &v, 1, &c, sizeof c};
	R(sendmsg(s[0], &m, 0));
	c.h.cmsg_len = 100;
	R(sendmsg(s[0], &m, 0));
	c.h.cmsg_len = 12;
	R(sendmsg(s[0], &m, 0));
	c.h.cmsg_type = 9;
	R(sendmsg(s[0], &m, 0));
	c.h.cmsg_level = 9;
	R(sendmsg(s[0], &m, 0));
	m.msg_iov = 0, m.msg_iovlen = 2000;
	R(sendmsg(s[0], &m, 0));
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	m.msg_control = BAD;
	R(sendmsg(s[0], &m, 0));
	S(sendmsg, s[0], BAD, 0);
	S(recvmsg, s[0], BAD, MSG_DONTWAIT);

	TITLE("credentials");
	R(write(s[0], "before", 6));
	R(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, 4));
	R(write(s[0], "after", 5));
	take(s[1], 20, 0);
	take(s[1], 20, 0);
	fflush(stdout);
	if (!fork()) {
		write(s[0], "child", 5);
		_exit(0);
	}
	wait(0);
	R(write(s[0], "parent", 6));
	take(s[1], 20, 0);
	take(s[1], 20, 0);
	R(write(s[0], "cut", 3));
	control_room = 20;
	take(s[1], 20, 0);
	control_room = 200;
	pipe(p);
	R(pass(s[0], p, 2, "both", 4, 0));
	take(s[1], 20, 0);
	close(last), close(last - 1);
	c.h.cmsg_len = 24, c.h.cmsg_level = SOL_SOCKET, c.h.cmsg_type = SCM_CREDENTIALS;
	c.data[0] = getpid(), c.data[1] = 1, c.data[2] = 2;
	m.msg_control = &c, m.msg_controllen = 24;
	R(sendmsg(s[0], &m, 0));
	take(s[1], 20, 0);
	c.data[0] = 999999;
	R(sendmsg(s[0], &m, 0));
	CHILD("forged", setresuid(1000, 1000, 1000); c.data[0] = getpid(); c.data[1] = 0; R(sendmsg(s[0], &m, 0));
	      c.data[0] = getppid(); c.data[1] = 1000; R(sendmsg(s[0], &m, 0)));
	struct {
		int pid, uid, gid;
	} u;
	len = sizeof u;
	R(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
	printf("%d %d %d %d\n", len, u.pid == getpid(), u.uid, u.gid);
	x = socket(AF_UNIX, SOCK_STREAM, 0);
	R(getsockopt(x, SOL_SOCKET, SO_PEERCRED, &u, &len));
	printf("%d %d %d %d\n", len, u.pid, u.uid, u.gid);
	y = socket(AF_UNIX, SOCK_DGRAM, 0);
	R(setsockopt(y, SOL_SOCKET, SO_PASSCRED, &one, 4));
	a = address("d");
	z = socket(AF_UNIX, SOCK_DGRAM, 0);
	bind(z, (void *)&a, sizeof a);
	R(sendto(y, "bound", 5, 0, (void *)&a, sizeof a));
	len = sizeof b;
	R(getsockname(y, (void *)&b, &len));
	R(len);
	R(recvfrom(z, buf, 10, 0, (void *)&b, &len));
	R(len);
	close(x), close(y), close(z);
	unlink("d");

	TITLE("options");
	static int options[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 18, 19, 29, 30, 36, 38, 39, 99};
	for (i = 0; i < sizeof options / sizeof *options; i++) {
		n = -77, len = sizeof n;
		st = getsockopt(s[0], SOL_SOCKET, options[i], &n, &len);
		printf("%d: %d %d %d\n", options[i], st, n, len);
	}
	static int sets[][2] = {{SO_SNDBUF, 1}, {SO_SNDBUF, 5000}, {SO_RCVBUF, 1},
				{SO_RCVBUF, 4000}, {SO_RCVLOWAT, 0}, {SO_RCVLOWAT, 7}, {SO_RCVLOWAT, -1},
				{SO_REUSEADDR, 5}, {SO_KEEPALIVE, 1}, {SO_TYPE, 1}, {SO_ERROR, 1},
				{SO_DOMAIN, 1}, {SO_ACCEPTCONN, 1}, {SO_SNDLOWAT, 1}, {SO_PRIORITY, 3}, {99, 1}};
	for (i = 0; i < sizeof sets / sizeof *sets; i++) {
		st = setsockopt(s[0], SOL_SOCKET, sets[i][0], &sets[i][1], 4);
		n = -77, len = sizeof n;
		if (!st)
			getsockopt(s[0], SOL_SOCKET, sets[i][0], &n, &len);
		printf("%d %d: %d %d\n", sets[i][0], sets[i][1], st, n);
	}
	R(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &one, 3));
	R(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &one, -1));
	R(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, BAD, 4));
	R(setsockopt(s[0], 6, 1, &one, 4));
	R(getsockopt(s[0], 6, 1, &one, &len));
	len = 1;
	n = 0x55555555;
	R(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, &len));
	printf("%#x %d\n", n, len);
	len = -1;
	R(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, &len));
	R(setsockopt(1, SOL_SOCKET, SO_TYPE, &n, 4));
	close(s[0]), close(s[1]);

	TITLE("several");
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	struct mmsghdr mm[4];
	struct iovec vv[4];
	char *texts[] = {"first", "second", "third", "x"};
	memset(mm, 0, sizeof mm);
	for (i = 0; i < 4; i++) {
		vv[i].iov_base = texts[i], vv[i].iov_len = strlen(texts[i]);
		mm[i].msg_hdr.msg_iov = &vv[i], mm[i].msg_hdr.msg_iovlen = 1;
	}
	R(sendmmsg(s[0], mm, 3, 0));
	printf("%d %d %d\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	for (i = 0; i < 4; i++)
		vv[i].iov_base = buf + 10 * i, vv[i].iov_len = 10, mm[i].msg_len = 0;
	R(recvmmsg(s[1], mm, 2, 0, 0));
	printf("%d %d %d %.6s\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len, buf + 10);
	R(recvmmsg(s[1], mm, 4, MSG_WAITFORONE, 0));
	R(recvmmsg(s[1], mm, 4, MSG_DONTWAIT, 0));
	fflush(stdout);
	if (!fork()) {
		write(s[0], "one", 3);
		usleep(20000);
		write(s[0], "two", 3);
		_exit(0);
	}
	R(recvmmsg(s[1], mm, 2, 0, 0));
	wait(0);
	R(sendmmsg(s[0], mm, 0, 0));
	close(s[0]), close(s[1]);

	TITLE("SIGIO");
	struct sigaction act = {.sa_sigaction = io, .sa_flags = SA_SIGINFO};
	sigaction(SIGIO, &act, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	R(fcntl(s[1], F_SETOWN, getpid()));
	R(fcntl(s[1], F_SETSIG, SIGIO));
	R(fcntl(s[1], F_SETFL, O_ASYNC));
	R(fcntl(s[1], F_GETFL));
	R(write(s[0], "x", 1));
	R(read(s[1], buf, 1));
	R(shutdown(s[0], SHUT_WR));
	R(close(s[0]));
	R(told);
	close(s[1]);
	R(rmdir("/tmp/unix_messages"));
	return 0;
}
