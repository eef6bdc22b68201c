#include "conf.h"
#include <poll.h>

static volatile int broken;

static void caught(int signo)
{
	broken++;
}

int main(void)
{
	int p[2], q[2], st;
	char buf[70000];
	pid_t pid;

	TITLE("making");
	R(pipe(p));
	printf("%d %d\n", p[0], p[1]);
	R(pipe2(q, O_CLOEXEC | O_NONBLOCK));
	printf("%#x %#x %d\n", fcntl(q[0], F_GETFL), fcntl(q[1], F_GETFL), fcntl(q[0], F_GETFD));
	printf("%#x %#x %d\n", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL), fcntl(p[0], F_GETFD));
	R(pipe2(q, 0x12345));
	S(pipe, BAD);
	S(pipe2, 0, 0);
	struct stat s;
	R(fstat(p[0], &s));
	printf("%o %d %ld %d\n", s.st_mode, (int)s.st_nlink, (long)s.st_size, (int)s.st_blksize);
	R(lseek(p[0], 0, SEEK_CUR));
	R(ftruncate(p[1], 0));
	R(pread(p[0], buf, 1, 0));
	R(fcntl(p[0], F_GETPIPE_SZ));

	TITLE("wrong ends");
	R(read(p[1], buf, 1));
	R(write(p[0], buf, 1));
	R(read(99, buf, 1));
	R(write(-1, buf, 1));
	R(read(p[0], buf, 0));
	R(write(p[1], buf, 0));

	TITLE("not blocking");
	R(read(q[0], buf, 10));
	int total = 0, n;
	while ((n = write(q[1], buf, 1000)) > 0)
		total += n;
	printf("filled with %d in writes of 1000\n", total);
	R(write(q[1], buf, 1));
	R(read(q[0], buf, 100));
	R(write(q[1], buf, 50));
	R(read(q[0], buf, 4000));
	R(write(q[1], buf, 50));
	R(write(q[1], buf, 5000));
	R(write(q[1], buf, 70000));
	R(read(q[0], buf, 70000));
	R(write(q[1], buf, 70000));
	R(read(q[0], buf, 70000));
	R(write(q[1], buf, 100));
	R(fcntl(q[0], F_SETFL, 0));

	TITLE("end of file, broken pipe");
	R(write(p[1], "hello", 5));
	close(p[1]);
	R(read(p[0], buf, 3));
	R(read(p[0], buf, 30));
	R(read(p[0], buf, 30));
	close(p[0]);
	pipe(p);
	close(p[0]);
	signal(SIGPIPE, caught);
	R(write(p[1], "x", 1));
	R(write(p[1], "x", 0));
	printf("SIGPIPE %d\n", broken);
	signal(SIGPIPE, SIG_IGN);
	R(write(p[1], "x", 1));
	signal(SIGPIPE, SIG_DFL);
	CHILD("child", {
		write(p[1], "x", 1);
		_exit(1);
	});
	close(p[1]);

	TITLE("across processes");
	pipe(p);
	if (!(pid = fork())) {
		close(p[0]);
		for (n = 0; n < 70000; n++)
			buf[n] = n * 7;
		n = write(p[1], buf, sizeof buf);
		n += write(p[1], buf, sizeof buf);
		_exit(n == 140000);
	}
	close(p[1]);
	total = 0;
	unsigned sum = 0;
	while ((n = read(p[0], buf, 777)) > 0)
		for (total += n; n--;)
			sum += (unsigned char)buf[n];
	printf("%d %u\n", total, sum);
	waitpid(pid, &st, 0);
	status_("writer", st);
	close(p[0]);

	pipe(p);
	if (!(pid = fork())) {
		close(p[1]);
		usleep(20000);
		read(p[0], buf, 10000);
		usleep(20000);
		_exit(0);
	}
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	n = write(p[1], buf, 70000);
	printf("reader goes away in the middle: %d\n", n);
	R(write(p[1], buf, 1));
	waitpid(pid, &st, 0);
	close(p[1]);

	TITLE("a signal in the middle of a long write");
	pipe(p);
	struct sigaction act = {.sa_handler = caught};
	sigaction(SIGUSR1, &act, NULL);
	pid_t parent = getpid();
	if (!(pid = fork())) {
		usleep(20000);
		kill(parent, SIGUSR1);
		usleep(20000);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	R(write(p[1], buf, 70000));
	R(write(p[1], buf, 10));
	waitpid(pid, &st, 0);

	TITLE("poll");
	struct pollfd fds[3] = {{p[0], POLLIN | POLLOUT}, {p[1], POLLIN | POLLOUT}, {77, POLLIN}};
	R(poll(fds, 3, 0));
	printf("%#x %#x %#x\n", fds[0].revents, fds[1].revents, fds[2].revents);
	read(p[0], buf, 70000);
	R(poll(fds, 2, 0));
	printf("%#x %#x\n", fds[0].revents, fds[1].revents);
	R(poll(fds, 1, 20));
	close(p[1]);
	R(poll(fds, 1, -1));
	printf("%#x\n", fds[0].revents);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	struct timeval tv = {1, 0};
	R(select(p[0] + 1, &set, NULL, NULL, &tv));
	R(FD_ISSET(p[0], &set));
	close(p[0]);
	R(select(p[0] + 1, &set, NULL, NULL, &tv));

	TITLE("dup and flags");
	pipe(p);
	R(dup2(p[0], p[0]));
	R(dup3(p[0], p[0], 0));
	R(dup2(99, 5));
	R(dup2(p[0], -1));
	R(dup2(p[0], 1024));
	R(dup3(p[0], 20, 0x1));
	R(dup3(p[0], 20, O_CLOEXEC));
	R(fcntl(20, F_GETFD));
	R(fcntl(20, F_SETFD, 0));
	R(fcntl(20, F_GETFD));
	R(fcntl(p[0], F_DUPFD, 30));
	R(fcntl(p[0], F_DUPFD, 1024));
	R(fcntl(p[0], F_DUPFD, -1));
	R(fcntl(30, F_SETFL, O_NONBLOCK));
	printf("shared %#x\n", fcntl(20, F_GETFL));
	R(read(p[0], buf, 1));
	R(fcntl(99, F_GETFL));
	R(fcntl(p[0], 9999, 0));
	R(close(99));
	R(close(20));
	R(close(20));
	struct rlimit limit = {40, 1024};
	R(setrlimit(RLIMIT_NOFILE, &limit));
	for (n = 0; (st = dup(0)) >= 0; n++)
		;
	printf("%d more, then %s\n", n, error_name(errno));
	R(pipe(p));
	R(open("/dev/null", O_RDONLY));
	return 0;
}
