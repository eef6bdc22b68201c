#include "conf.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/select.h>

static int show(int ep, int max, int timeout)
{
	struct epoll_event got[8];
	int n = epoll_wait(ep, got, max, timeout);

	if (n < 0)
		printf("wait: -1 %s\n", error_name(errno));
	else
		printf("wait: %d", n);
	for (int i = 0; i < n; i++)
		printf(" %x:%d", got[i].events, got[i].data.fd);
	if (n >= 0)
		printf("\n");
	return n;
}

static int ctl(int ep, int op, int fd, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, op, fd, &ev);
}

static int ready(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM};
	int n = poll(&p, 1, 0);

	return n < 0 ? n : p.revents;
}

static void on_usr1(int signo)
{
}

static void events(void)
{
	uint64_t v = 0, big = ~0ull - 1;
	char small[4] = "";

	TITLE("eventfd");
	int e = eventfd(3, EFD_NONBLOCK);
	int s = eventfd(2, EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);
	S(eventfd2, 0, 4);
	S(eventfd2, 0, 2);
	printf("%#x %d %#x %d\n", fcntl(e, F_GETFL), fcntl(e, F_GETFD), fcntl(s, F_GETFL), fcntl(s, F_GETFD));
	struct stat st;
	R(fstat(e, &st));
	printf("%o %ld\n", st.st_mode, (long)st.st_size);
	R(read(e, small, 4));
	R(write(e, small, 4));
	R(read(e, BAD, 8));
	R(read(e, &v, 8));
	R(write(e, &v, 8));
	R(ready(e));
	v = 5;
	R(write(e, &v, 8));
	R(ready(e));
	R(read(e, &v, 100));
	printf("%llu\n", (unsigned long long)v);
	R(read(e, &v, 8));
	R(write(e, &big, 8));
	R(ready(e));
	v = 1;
	R(write(e, &v, 8));
	v = ~0ull;
	R(write(e, &v, 8));
	R(write(e, BAD, 8));
	R(read(e, &v, 8));
	printf("%llu\n", (unsigned long long)v);
	for (int i = 0; i < 3; i++) {
		R(read(s, &v, 8));
		printf("%llu\n", (unsigned long long)v);
	}
	R(lseek(e, 0, SEEK_SET));
	R(pread(e, &v, 8, 0));
	R(ftruncate(e, 0));
	R(fsync(e));
	char link[64] = "", name[64];
	sprintf(name, "/proc/self/fd/%d", e);
	R(readlink(name, link, 63));
	printf("%s\n", link);
	R(open(name, O_RDWR));
	struct iovec iov[2] = {{&v, 4}, {(char *)&v + 4, 4}};
	v = 7;
	R(writev(e, iov, 2));
	R(readv(e, iov, 2));
	printf("%llu\n", (unsigned long long)v);
	fcntl(e, F_SETFL, 0);
	CHILD("writer", {
		v = 9;
		usleep(5000);
		write(e, &v, 8);
	});
	R(read(e, &v, 8));
	if (!fork()) {
		usleep(5000);
		v = 4;
		write(e, &v, 8);
		_exit(0);
	}
	R(read(e, &v, 8));
	printf("%llu\n", (unsigned long long)v);
	wait(NULL);
	close(e);
	close(s);
}

static void timers(void)
{
	struct itimerspec t = {{0, 0}, {0, 5000000}}, old;
	struct timespec now;
	uint64_t v;

	TITLE("timerfd");
	S(timerfd_create, 2, 0);
	S(timerfd_create, CLOCK_MONOTONIC, 1);
	S(timerfd_create, 99, 0);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int r = timerfd_create(CLOCK_REALTIME, 0);
	int b = timerfd_create(CLOCK_BOOTTIME, 0);
	R(read(fd, &v, 8));
	R(read(fd, &v, 7));
	R(write(fd, &v, 8));
	R(ready(fd));
	R(timerfd_settime(fd, 8, &t, NULL));
	S(timerfd_settime, fd, 0, NULL, NULL);
	S(timerfd_settime, fd, 0, BAD, NULL);
	R(timerfd_settime(99, 0, &t, NULL));
	R(timerfd_settime(0, 0, &t, NULL));
	t.it_value.tv_nsec = 1000000000;
	R(timerfd_settime(fd, 0, &t, NULL));
	R(timerfd_settime(99, 0, &t, NULL));
	t.it_value.tv_nsec = 5000000;
	t.it_interval.tv_nsec = -1;
	R(timerfd_settime(fd, 0, &t, NULL));
	t.it_interval.tv_nsec = 0;
	R(timerfd_settime(fd, 0, &t, &old));
	printf("%d %d\n", (int)old.it_value.tv_sec, (int)old.it_value.tv_nsec);
	R(timerfd_gettime(fd, &old));
	printf("%d\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 5000000);
	struct pollfd p = {fd, POLLIN};
	R(poll(&p, 1, 1000));
	R(read(fd, &v, 8));
	printf("%llu\n", (unsigned long long)v);
	R(read(fd, &v, 8));
	R(timerfd_gettime(fd, &old));
	printf("%d %d\n", (int)old.it_value.tv_sec, (int)old.it_value.tv_nsec);
	t.it_interval.tv_nsec = 10000000;
	R(timerfd_settime(fd, 0, &t, NULL));
	usleep(40000);
	R(read(fd, &v, 8));
	printf("%d\n", v >= 3 && v < 10);
	R(timerfd_gettime(fd, &old));
	printf("%d %d\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 10000000, (int)old.it_interval.tv_nsec);
	usleep(15000);
	R(ready(fd));
	t.it_value.tv_nsec = 0;
	R(timerfd_settime(fd, 0, &t, &old));
	R(ready(fd));
	printf("%d\n", (int)old.it_interval.tv_nsec);
	R(timerfd_gettime(fd, &old));
	printf("%d %d\n", (int)old.it_value.tv_nsec, (int)old.it_interval.tv_nsec);
	clock_gettime(CLOCK_REALTIME, &now);
	t.it_value = now;
	t.it_interval.tv_nsec = 0;
	t.it_value.tv_nsec += 3000000;
	if (t.it_value.tv_nsec > 999999999)
		t.it_value.tv_sec++, t.it_value.tv_nsec -= 1000000000;
	R(timerfd_settime(r, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t, NULL));
	R(read(r, &v, 8));
	printf("%llu\n", (unsigned long long)v);
	t.it_value.tv_sec = 0;
	t.it_value.tv_nsec = 1;
	R(timerfd_settime(b, TFD_TIMER_ABSTIME, &t, NULL));
	R(read(b, &v, 8));
	printf("%llu\n", (unsigned long long)v);
	R(timerfd_gettime(0, &old));
	S(timerfd_gettime, fd, BAD);
	close(fd);
	close(r);
	close(b);
}

static void signals(void)
{
	sigset_t set, pending;
	struct signalfd_siginfo si[3];
	unsigned char bytes[130];

	TITLE("signalfd");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGKILL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	S(signalfd4, -1, &set, 8, 1);
	S(signalfd4, -1, &set, 4, 0);
	S(signalfd4, -1, BAD, 8, 1);
	S(signalfd4, 0, &set, 8, 0);
	S(signalfd4, 99, &set, 8, 0);
	int fd = signalfd(-1, &set, SFD_NONBLOCK);
	R(ready(fd));
	R(read(fd, si, sizeof si));
	R(read(fd, si, 100));
	kill(getpid(), SIGUSR2);
	union sigval value = {.sival_int = 77};
	sigqueue(getpid(), SIGRTMIN, value);
	sigqueue(getpid(), SIGRTMIN, value);
	R(ready(fd));
	R(read(fd, BAD, 128));
	sigpending(&pending);
	R(sigismember(&pending, SIGUSR2));
	kill(getpid(), SIGUSR1);
	R(read(fd, si, sizeof si));
	for (int i = 0; i < 3; i++)
		printf("%d %d %d %d %d %d\n", si[i].ssi_signo, si[i].ssi_code, si[i].ssi_pid == getpid(), si[i].ssi_uid == getuid(), si[i].ssi_int, si[i].ssi_status);
	R(ready(fd));
	R(write(fd, si, 128));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	R(signalfd(fd, &set, 0) == fd);
	kill(getpid(), SIGUSR1);
	R(ready(fd));
	R(read(fd, si, sizeof si));
	sigaddset(&set, SIGUSR1);
	R(signalfd(fd, &set, 0) == fd);
	R(ready(fd));
	fcntl(fd, F_SETFL, 0);
	R(read(fd, bytes, 130));
	if (!fork()) {
		usleep(5000);
		kill(getppid(), SIGUSR2);
		_exit(3);
	}
	R(read(fd, si, sizeof si));
	printf("%d %d\n", si[0].ssi_signo, si[0].ssi_code);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signalfd(fd, &set, 0);
	wait(NULL);
	if (!fork())
		_exit(4);
	struct pollfd p = {fd, POLLIN};
	R(poll(&p, 1, 1000));
	R(read(fd, si, sizeof si));
	printf("%d %d %d\n", si[0].ssi_signo, si[0].ssi_code, si[0].ssi_status);
	wait(NULL);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void epolls(void)
{
	int p[2], q[2], file = open("/tmp", O_RDONLY), null = open("/dev/null", O_RDWR);
	struct epoll_event ev = {EPOLLIN}, got[4];
	char c[10];

	TITLE("epoll: errors");
	S(epoll_create, 0);
	S(epoll_create, -1);
	S(epoll_create1, 1);
	int ep = epoll_create1(EPOLL_CLOEXEC), ep2 = epoll_create(1);
	R(fcntl(ep, F_GETFD));
	printf("%#x\n", fcntl(ep2, F_GETFL));
	pipe2(p, O_NONBLOCK);
	pipe2(q, O_NONBLOCK);
	R(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL));
	R(epoll_ctl(99, EPOLL_CTL_ADD, p[0], NULL));
	R(epoll_ctl(99, EPOLL_CTL_ADD, p[0], &ev));
	R(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &ev));
	R(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
	R(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
	R(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev));
	R(epoll_ctl(ep, EPOLL_CTL_ADD, null, &ev));
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
	R(epoll_ctl(ep, 7, p[0], &ev));
	R(epoll_wait(ep, got, 0, 0));
	R(epoll_wait(ep, got, -1, 0));
	R(epoll_wait(99, got, 0, 0));
	R(epoll_wait(99, got, 1, 0));
	R(epoll_wait(p[0], got, 1, 0));
	R(epoll_wait(ep, BAD, 1, 0));
	R(epoll_wait(ep, got, 0x7fffffff, 0));
	R(read(ep, c, 1));
	R(write(ep, c, 1));

	TITLE("epoll: level");
	R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	R(ctl(ep, EPOLL_CTL_ADD, q[0], EPOLLIN));
	R(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT));
	show(ep, 8, 0);
	write(q[1], "x", 1);
	write(p[1], "abc", 3);
	show(ep, 8, 0);
	show(ep, 1, 0);
	show(ep, 1, 0);
	show(ep, 1, 0);
	show(ep, 1, 0);
	R(ready(ep));
	read(q[0], c, 1);
	show(ep, 8, 0);
	R(epoll_wait(ep, BAD, 1, 0));
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_DEL, p[1], 0));
	read(p[0], c, 10);
	show(ep, 8, 0);
	R(ready(ep));
	show(ep, 8, 10);

	TITLE("epoll: edge, oneshot, mod");
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
	write(p[1], "abc", 3);
	show(ep, 8, 0);
	show(ep, 8, 0);
	write(p[1], "d", 1);
	show(ep, 8, 0);
	read(p[0], c, 1);
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
	show(ep, 8, 0);
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
	show(ep, 8, 0);
	show(ep, 8, 0);
	write(p[1], "d", 1);
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	R(ctl(ep, EPOLL_CTL_MOD, p[0], 0));
	show(ep, 8, 0);
	close(p[1]);
	show(ep, 8, 0);
	R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM));
	show(ep, 8, 0);

	TITLE("epoll: closing what is watched");
	int d = dup(p[0]);
	close(p[0]);
	show(ep, 8, 0);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R(ctl(ep, EPOLL_CTL_ADD, d, EPOLLIN));
	show(ep, 8, 0);
	close(d);
	show(ep, 8, 0);
	pipe2(p, O_NONBLOCK);
	R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	R(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET));
	show(ep, 8, 0);
	static char big[4096];
	while (write(p[1], big, sizeof big) > 0)
		;
	show(ep, 8, 0);
	while (read(p[0], big, sizeof big) > 0)
		;
	show(ep, 8, 0);
	close(p[0]);
	show(ep, 8, 0);
	show(ep, 8, 0);
	close(p[1]);

	TITLE("epoll: nesting");
	pipe2(p, O_NONBLOCK);
	R(ctl(ep2, EPOLL_CTL_ADD, ep, EPOLLIN));
	R(ctl(ep, EPOLL_CTL_ADD, ep2, EPOLLIN));
	R(ctl(ep2, EPOLL_CTL_ADD, ep, EPOLLIN | EPOLLEXCLUSIVE));
	R(ctl(ep2, EPOLL_CTL_MOD, ep, EPOLLIN | EPOLLET));
	R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	show(ep2, 8, 0);
	write(p[1], "x", 1);
	show(ep2, 8, 0);
	show(ep2, 8, 0);
	show(ep, 8, 0);
	write(p[1], "x", 1);
	show(ep2, 8, 0);
	read(p[0], c, 10);
	R(ctl(ep2, EPOLL_CTL_MOD, ep, EPOLLIN));
	show(ep2, 8, 0);
	R(ready(ep2));
	int chain[8];
	for (int i = 0; i < 8; i++)
		chain[i] = epoll_create1(0);
	for (int i = 0; i < 7; i++)
		R(ctl(chain[i + 1], EPOLL_CTL_ADD, chain[i], EPOLLIN));
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	close(ep);
	show(ep2, 8, 0);

	TITLE("epoll: waiting");
	ep = epoll_create1(0);
	R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	fflush(stdout);
	if (!fork()) {
		usleep(5000);
		write(p[1], "y", 1);
		_exit(0);
	}
	show(ep, 8, -1);
	wait(NULL);
	read(p[0], c, 10);
	signal(SIGUSR1, on_usr1);
	siginterrupt(SIGUSR1, 0);
	sigset_t none, usr1;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	fflush(stdout);
	if (!fork()) {
		usleep(5000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	show(ep, 8, -1);
	wait(NULL);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	show(ep, 8, 0);
	R(epoll_pwait(ep, got, 4, 0, &none));
	raise(SIGUSR1);
	R(epoll_pwait(ep, got, 4, 20, &none));
	S(epoll_pwait, ep, got, 4, 20, &none, 4);
	struct timespec ts = {0, 3000000}, wrong = {0, 1000000000};
	R(epoll_pwait2(ep, got, 4, &ts, NULL));
	R(epoll_pwait2(ep, got, 4, &wrong, NULL));
	sigset_t now;
	sigprocmask(SIG_SETMASK, NULL, &now);
	R(sigismember(&now, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);

	TITLE("epoll: two sets, exclusive");
	ep2 = epoll_create1(0);
	int ep3 = epoll_create1(0);
	ctl(ep, EPOLL_CTL_DEL, p[0], 0);
	R(ctl(ep2, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	R(ctl(ep3, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	R(ctl(ep3, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLET));
	write(p[1], "x", 1);
	show(ep2, 8, 0);
	show(ep3, 8, 0);
	fd_set in;
	FD_ZERO(&in);
	FD_SET(ep2, &in);
	FD_SET(ep3, &in);
	R(select(20, &in, NULL, NULL, NULL));
}

int main(void)
{
	events();
	timers();
	signals();
	epolls();
	return 0;
}
