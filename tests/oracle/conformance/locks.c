#include "conf.h"
#include <sys/file.h>

#define PATH "/tmp/int80-locks"

static int lock(int fd, int cmd, int type, long long start, long long len)
{
	struct flock64 l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l);
}

static void get(int fd, int cmd, int type, long long start, long long len)
{
	struct flock64 l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int n = fcntl(fd, cmd, &l);

	if (n < 0)
		printf("get: -1 %s\n", error_name(errno));
	else
		printf("get: type %d whence %d %lld+%lld pid %s\n", l.l_type, l.l_whence, (long long)l.l_start,
		       (long long)l.l_len, l.l_pid == getppid() ? "parent" : l.l_pid == -1 ? "-1" : l.l_pid ? "?" : "0");
}

static void on_alarm(int signo)
{
}

/* A child that takes a lock, tells, and keeps it until its pipe is closed. */
static pid_t holder(int *go, int cmd, int type, long long start, long long len, int whole)
{
	int up[2], down[2];
	char c;
	pid_t pid;

	pipe(up);
	pipe(down);
	if (!(pid = fork())) {
		int fd = open(PATH, O_RDWR);
		close(down[1]);
		if (whole)
			flock(fd, type);
		else
			lock(fd, cmd, type, start, len);
		write(up[1], "x", 1);
		read(down[0], &c, 1);
		usleep(3000);
		_exit(0);
	}
	read(up[0], &c, 1);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	*go = down[1];
	return pid;
}

int main(void)
{
	int go, st, p[2];
	pid_t pid;
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);
	int ro = open(PATH, O_RDONLY), wo = open(PATH, O_WRONLY), opath = open(PATH, O_PATH);
	struct flock64 l = {0};
	char c;

	write(fd, "0123456789", 10);
	TITLE("flock");
	R(flock(fd, 0));
	R(flock(fd, 3));
	R(flock(fd, 32));
	R(flock(99, LOCK_EX));
	R(flock(99, 0));
	R(flock(opath, LOCK_SH));
	R(flock(fd, LOCK_UN));
	R(flock(fd, LOCK_EX));
	R(flock(ro, LOCK_SH | LOCK_NB));
	R(flock(fd, LOCK_SH));
	R(flock(ro, LOCK_EX | LOCK_NB));
	R(flock(ro, LOCK_SH | LOCK_NB));
	R(flock(fd, LOCK_EX | LOCK_NB));
	R(flock(ro, LOCK_EX | LOCK_NB));
	R(flock(ro, LOCK_UN));
	int d = dup(fd);
	R(flock(d, LOCK_EX | LOCK_NB));
	R(flock(fd, LOCK_UN));
	close(d);
	pid = holder(&go, 0, LOCK_EX, 0, 0, 1);
	R(flock(fd, LOCK_SH | LOCK_NB));
	close(go);
	R(flock(fd, LOCK_EX));
	waitpid(pid, &st, 0);
	R(flock(fd, LOCK_UN));
	pipe(p);
	R(flock(p[0], LOCK_EX | LOCK_NB));
	R(flock(0, LOCK_SH | LOCK_NB) == 0);

	TITLE("fcntl: errors");
	R(fcntl(fd, F_SETLK64, BAD));
	R(fcntl(99, F_SETLK64, BAD));
	R(fcntl(opath, F_SETLK64, BAD));
	R(lock(fd, F_SETLK64, 5, 0, 1));
	R(lock(fd, F_SETLK64, F_RDLCK, -1, 1));
	R(lock(fd, F_SETLK64, F_RDLCK, 5, -6));
	R(lock(fd, F_SETLK64, F_RDLCK, 0x7fffffffffffffffll, 2));
	R(lock(fd, F_SETLK64, F_RDLCK, 0x7fffffffffffffffll, 1));
	R(lock(fd, F_SETLK64, F_UNLCK, 0x7fffffffffffffffll, 1));
	R(lock(ro, F_SETLK64, F_WRLCK, 0, 1));
	R(lock(wo, F_SETLK64, F_RDLCK, 0, 1));
	R(lock(ro, F_SETLK64, F_UNLCK, 0, 1));
	l.l_whence = 7;
	R(fcntl(fd, F_SETLK64, &l));
	l.l_whence = SEEK_CUR;
	l.l_start = -11;
	R(fcntl(fd, F_SETLK64, &l));
	get(fd, F_GETLK64, F_UNLCK, 0, 0);
	l = (struct flock64){.l_type = F_WRLCK, .l_pid = 5};
	R(fcntl(fd, F_OFD_SETLK, &l));
	R(fcntl(fd, F_OFD_GETLK, &l));
	R(lock(p[0], F_SETLK64, F_RDLCK, 0, 1));

	TITLE("fcntl: ranges seen by a child");
	R(lock(fd, F_SETLK64, F_WRLCK, 10, 20));
	R(lock(fd, F_SETLK64, F_RDLCK, 15, 5));
	R(lock(fd, F_SETLK64, F_UNLCK, 25, 2));
	R(lock(fd, F_SETLK64, F_WRLCK, 100, 0));
	get(fd, F_GETLK64, F_WRLCK, 0, 0);
	CHILD("looks", {
		get(fd, F_GETLK64, F_WRLCK, 0, 0);
		get(fd, F_GETLK64, F_RDLCK, 15, 5);
		get(fd, F_GETLK64, F_WRLCK, 15, 5);
		get(fd, F_GETLK64, F_RDLCK, 19, 100);
		get(fd, F_GETLK64, F_WRLCK, 25, 2);
		get(fd, F_GETLK64, F_WRLCK, 200, 2);
		get(fd, F_OFD_GETLK, F_WRLCK, 0, 12);
		R(lock(fd, F_SETLK64, F_RDLCK, 16, 2));
		R(lock(fd, F_SETLK64, F_WRLCK, 16, 2));
		R(lock(fd, F_SETLK64, F_WRLCK, 5, 10));
		R(lock(fd, F_SETLK64, F_WRLCK, 5, -5));
		struct flock s = {.l_type = F_WRLCK, .l_start = 100};
		R(fcntl(fd, F_GETLK, &s));
		printf("%d %ld %ld\n", s.l_type, (long)s.l_start, (long)s.l_len);
	});
	R(lock(fd, F_SETLK64, F_RDLCK, 0, 0));
	CHILD("one now", get(fd, F_GETLK64, F_WRLCK, 0, 0));
	d = dup(fd);
	close(d);
	CHILD("none after closing another descriptor", get(fd, F_GETLK64, F_WRLCK, 0, 0));

	TITLE("open file description locks");
	int fd2 = open(PATH, O_RDWR);
	R(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	R(lock(fd2, F_OFD_SETLK, F_WRLCK, 5, 10));
	R(lock(fd, F_SETLK64, F_WRLCK, 5, 10));
	get(fd2, F_OFD_GETLK, F_RDLCK, 0, 0);
	get(fd2, F_GETLK64, F_RDLCK, 0, 0);
	CHILD("shares it", R(lock(fd, F_OFD_SETLK, F_RDLCK, 2, 2)));
	get(fd2, F_OFD_GETLK, F_WRLCK, 0, 0);
	d = dup(fd);
	close(d);
	R(lock(fd2, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(fd);
	R(lock(fd2, F_OFD_SETLK, F_WRLCK, 0, 10));
	R(lock(fd2, F_OFD_SETLK, F_UNLCK, 0, 0));
	fd = open(PATH, O_RDWR);

	TITLE("waiting");
	pid = holder(&go, F_SETLK64, F_WRLCK, 0, 10, 0);
	R(lock(fd, F_SETLK64, F_RDLCK, 5, 1));
	R(lock(fd, F_SETLK64, F_RDLCK, 10, 1));
	close(go);
	R(lock(fd, F_SETLKW64, F_RDLCK, 5, 1));
	waitpid(pid, &st, 0);
	status_("holder", st);
	pid = holder(&go, F_OFD_SETLK, F_WRLCK, 20, 10, 0);
	close(go);
	R(lock(fd, F_OFD_SETLKW, F_WRLCK, 20, 1));
	waitpid(pid, &st, 0);
	R(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
	struct sigaction act = {.sa_handler = on_alarm};
	sigaction(SIGUSR1, &act, NULL);
	pid = holder(&go, F_SETLK64, F_WRLCK, 0, 3, 0);
	if (!fork()) {
		usleep(5000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	R(lock(fd, F_SETLKW64, F_WRLCK, 0, 1));
	close(go);
	wait(NULL);
	wait(NULL);
	pid = holder(&go, 0, LOCK_EX, 0, 0, 1);
	if (!fork()) {
		usleep(5000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	R(flock(fd, LOCK_SH));
	close(go);
	wait(NULL);
	wait(NULL);

	TITLE("deadlock");
	int up[2], down[2];
	pipe(up);
	pipe(down);
	lock(fd, F_SETLK64, F_UNLCK, 0, 0);
	if (!(pid = fork())) {
		lock(fd, F_SETLK64, F_WRLCK, 1, 1);
		write(up[1], "x", 1);
		read(down[0], &c, 1);
		lock(fd, F_SETLKW64, F_WRLCK, 0, 1);
		_exit(0);
	}
	lock(fd, F_SETLK64, F_WRLCK, 0, 1);
	read(up[0], &c, 1);
	write(down[1], "x", 1);
	usleep(10000);
	R(lock(fd, F_SETLKW64, F_WRLCK, 1, 1));
	R(lock(fd, F_SETLKW64, F_RDLCK, 0, 5));
	R(lock(fd, F_SETLKW64, F_WRLCK, 2, 1));
	lock(fd, F_SETLK64, F_UNLCK, 0, 0);
	waitpid(pid, &st, 0);
	status_("other", st);

	TITLE("exec and exit");
	lock(fd, F_SETLK64, F_WRLCK, 0, 5);
	CHILD("has none itself", {
		R(lock(fd, F_SETLK64, F_WRLCK, 1, 1));
		R(lock(fd, F_SETLK64, F_WRLCK, 6, 1));
	});
	R(lock(fd, F_SETLK64, F_WRLCK, 6, 1));

	TITLE("pipes' sizes, owners, leases");
	R(fcntl(p[0], F_SETPIPE_SZ, 0));
	R(fcntl(p[0], F_SETPIPE_SZ, 1));
	R(fcntl(p[1], F_GETPIPE_SZ));
	R(fcntl(p[0], F_SETPIPE_SZ, 4097));
	R(fcntl(p[0], F_SETPIPE_SZ, 100000));
	char big[9000] = "";
	R(write(p[1], big, 9000));
	R(fcntl(p[0], F_SETPIPE_SZ, 8192));
	R(fcntl(p[0], F_SETPIPE_SZ, 16384));
	R(fcntl(fd, F_SETPIPE_SZ, 16384));
	R(fcntl(p[0], F_SETPIPE_SZ, -5));
	R(fcntl(p[0], F_GETOWN));
	R(fcntl(p[0], F_SETOWN, 99999999));
	OK(fcntl(p[0], F_SETOWN, getpid()));
	R(fcntl(p[0], F_GETOWN) == getpid());
	OK(fcntl(p[0], F_SETOWN, -getpgrp()));
	struct f_owner_ex own;
	R(fcntl(p[0], F_GETOWN_EX, &own));
	printf("%d %d\n", own.type, own.pid == getpgrp());
	own.type = 9;
	R(fcntl(p[0], F_SETOWN_EX, &own));
	own.type = F_OWNER_TID;
	own.pid = getpid();
	R(fcntl(p[0], F_SETOWN_EX, &own));
	R(fcntl(p[0], F_GETSIG));
	R(fcntl(p[0], F_SETSIG, 65));
	R(fcntl(p[0], F_SETSIG, 40));
	R(fcntl(p[0], F_GETSIG));
	R(fcntl(fd, F_GETLEASE));
	R(fcntl(fd, 1027, fd2));
	R(fcntl(fd, 1027, fd));
	R(fcntl(fd, 1027, 99));
	unlink(PATH);
	return 0;
}
