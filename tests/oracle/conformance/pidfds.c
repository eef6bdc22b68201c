#include "conf.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#define pidfd_open(pid, flags) syscall(434, pid, flags)
#define pidfd_send_signal(fd, sig, info, flags) syscall(424, fd, sig, info, flags)
#define pidfd_getfd(fd, other, flags) syscall(438, fd, other, flags)

static int ready(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDNORM};
	int n = poll(&p, 1, 0);

	return n < 0 ? n : p.revents;
}

static volatile int tid;
static int gate[2];

static void *thread(void *unused)
{
	char c;

	tid = syscall(SYS_gettid);
	write(gate[1], "x", 1);
	pause();
	return NULL;
}

static void caught(int signo, siginfo_t *info, void *unused)
{
	printf("caught %d code %d pid %d value %d\n", signo, info->si_code, info->si_pid == getpid(), info->si_value.sival_int);
}

int main(void)
{
	int p[2], q[2], st;
	char c;
	siginfo_t info = {0};
	pid_t pid;

	TITLE("opening");
	R(pidfd_open(0, 0));
	R(pidfd_open(-1, 0));
	R(pidfd_open(99999999, 0));
	R(pidfd_open(getpid(), 1));
	int self = pidfd_open(getpid(), 0);
	printf("%d %d\n", fcntl(self, F_GETFD), fcntl(self, F_GETFL) & ~O_LARGEFILE);
	R(ready(self));
	R(read(self, &c, 1));
	R(write(self, &c, 1));
	R(pidfd_send_signal(self, 0, NULL, 0));
	R(pidfd_send_signal(self, 65, NULL, 0));
	R(pidfd_send_signal(self, 0, NULL, 8));
	R(pidfd_send_signal(0, 0, NULL, 0));
	R(pidfd_send_signal(99, 0, NULL, 0));
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &act, NULL);
	R(pidfd_send_signal(self, SIGUSR1, NULL, 0));
	info.si_signo = SIGUSR1;
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 12;
	R(pidfd_send_signal(self, SIGUSR1, &info, 0));
	R(pidfd_send_signal(self, SIGUSR2, &info, 0));
	R(pidfd_send_signal(self, SIGUSR1, BAD, 0));
	R(pidfd_send_signal(self, SIGUSR1, NULL, 1));
	R(pidfd_send_signal(self, SIGUSR1, NULL, 2));

	TITLE("a child");
	pipe(p);
	pipe(q);
	if (!(pid = fork())) {
		close(q[1]);
		int mine = dup2(p[1], 70);
		write(p[1], "1", 1);
		read(q[0], &c, 1);
		_exit(7);
	}
	read(p[0], &c, 1);
	int fd = pidfd_open(pid, 0), nb = pidfd_open(pid, O_NONBLOCK);
	printf("%#x\n", fcntl(nb, F_GETFL) & O_NONBLOCK);
	R(ready(fd));
	R(pidfd_getfd(fd, 70, 1));
	R(pidfd_getfd(fd, 71, 0));
	R(pidfd_getfd(99, 0, 0));
	R(pidfd_getfd(p[0], 0, 0));
	int got = pidfd_getfd(fd, 70, 0);
	printf("%d\n", fcntl(got, F_GETFD));
	R(write(got, "h", 1));
	R(read(p[0], &c, 1));
	info.si_pid = 1;
	R(waitid(P_PIDFD, nb, &info, WEXITED));
	R(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
	printf("%d\n", info.si_pid);
	R(waitid(P_PIDFD, self, &info, WEXITED | WNOHANG));
	R(waitid(P_PIDFD, p[0], &info, WEXITED));
	R(waitid(P_PIDFD, 99, &info, WEXITED));
	R(waitid(P_PIDFD, -1, &info, WEXITED));
	int ep = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {.fd = fd}};
	R(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	R(epoll_wait(ep, &ev, 1, 5));
	close(q[1]);
	R(epoll_wait(ep, &ev, 1, 1000));
	printf("%#x\n", ev.events);
	R(ready(fd));
	R(pidfd_send_signal(fd, 0, NULL, 0));
	R(pidfd_getfd(fd, 0, 0));
	R(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT));
	R(waitid(P_PIDFD, fd, &info, WEXITED));
	printf("%d %d %d\n", info.si_signo, info.si_code, info.si_status);
	R(waitid(P_PIDFD, fd, &info, WEXITED));
	R(ready(fd));
	R(pidfd_send_signal(fd, 0, NULL, 0));
	R(pidfd_getfd(fd, 0, 0));
	R(pidfd_open(pid, 0));

	TITLE("a child that is killed");
	if (!(pid = fork())) {
		pause();
		_exit(0);
	}
	fd = pidfd_open(pid, 0);
	R(pidfd_send_signal(fd, SIGKILL, NULL, 0));
	struct pollfd w = {fd, POLLIN};
	R(poll(&w, 1, 1000));
	waitpid(pid, &st, 0);
	status_("child", st);

	TITLE("a directory of /proc is one for sending");
	char path[64];
	sprintf(path, "/proc/%d", getpid());
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	R(pidfd_send_signal(dir, 0, NULL, 0));
	R(pidfd_send_signal(dir, SIGUSR1, NULL, 0));
	R(pidfd_send_signal(dir, SIGUSR1, NULL, 1));
	R(pidfd_getfd(dir, 0, 0));
	R(waitid(P_PIDFD, dir, &info, WEXITED));
	R(pidfd_send_signal(open(path, O_PATH), 0, NULL, 0));
	R(pidfd_send_signal(open("/proc/self/task", O_RDONLY), 0, NULL, 0));
	R(pidfd_send_signal(open("/proc/thread-self", O_RDONLY), 0, NULL, 0));
	R(pidfd_send_signal(open("/proc", O_RDONLY), 0, NULL, 0));
	if (!(pid = fork())) {
		pause();
		_exit(0);
	}
	sprintf(path, "/proc/%d", pid);
	dir = open(path, O_RDONLY);
	R(pidfd_send_signal(dir, SIGTERM, NULL, 0));
	waitpid(pid, &st, 0);
	status_("child", st);
	R(pidfd_send_signal(dir, SIGTERM, NULL, 0));

	TITLE("clone gives one");
	int word = -1;
	fflush(stdout);
	pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &word, 0, 0);
	if (!pid)
		_exit(fcntl(word, F_GETFD) < 0 ? 5 : 6);
	OK(pid);
	R(fcntl(word, F_GETFD));
	R(waitid(P_PIDFD, word, &info, WEXITED));
	printf("%d\n", info.si_status);
	close(word);
	R(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &word, 0, 0));
	R(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 4, 0, 0));
	R(waitpid(-1, &st, 0));
	uint64_t args[11] = {CLONE_PIDFD, (uintptr_t)&word, 0, 0, SIGCHLD};
	pid = syscall(435, args, sizeof args);
	if (!pid)
		_exit(4);
	OK(pid);
	R(waitid(P_PIDFD, word, &info, WEXITED));
	printf("%d\n", info.si_status);
	close(word);

	TITLE("threads");
	pthread_t t;
	pipe(gate);
	pthread_create(&t, NULL, thread, NULL);
	read(gate[0], &c, 1);
	R(pidfd_open(tid, 0));
	return 0;
}
