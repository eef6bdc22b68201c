/* O_ASYNC: pipes, terminals and inotify send SIGIO, or the signal that F_SETSIG names, to their owners. */

#include "conf.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

static sigset_t all;

static void owner(int fd)
{
	struct f_owner_ex o = {99, 99};
	int got = fcntl(fd, F_GETOWN_EX, &o);

	printf("owner: %d, type %d, %s; signal %d; %s\n", got, o.type, !o.pid ? "nobody" : o.type == F_OWNER_PGRP || o.pid != getpid() ? "other" : "me",
	       fcntl(fd, F_GETSIG), fcntl(fd, F_GETFL) & O_ASYNC ? "async" : "not async");
}

/* Everything that is pending now. */
static void pending(const char *what)
{
	struct timespec none = {0};
	siginfo_t info;
	int n = 0;

	printf("%s:", what);
	while (n++ < 10 && sigtimedwait(&all, &info, &none) > 0) {
		printf(" [%d code %d", info.si_signo, info.si_code);
		if (info.si_code > 0 && info.si_code <= 6 && info.si_signo != SIGCHLD)
			printf(" band %#lx fd %d", (long)info.si_band, info.si_fd);
		printf("]");
	}
	printf("\n");
}

int main(void)
{
	int p[2], tty, master, zero = 0, one = 1, st;
	char text[100];
	struct signalfd_siginfo told;

	sigemptyset(&all);
	sigaddset(&all, SIGIO);
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGCHLD);
	for (int n = 34; n < 38; n++)
		sigaddset(&all, n);
	sigprocmask(SIG_BLOCK, &all, NULL);

	mkdir("/dev/shm", 0777);
	TITLE("owners");
	pipe2(p, O_NONBLOCK);
	owner(p[0]);
	R(fcntl(p[0], F_SETOWN, getpid()));
	owner(p[0]);
	R(fcntl(p[0], F_SETOWN, 0));
	owner(p[0]);
	R(fcntl(p[0], F_SETOWN, 99999));
	R(fcntl(p[0], F_SETOWN, -99999));
	struct f_owner_ex ex = {F_OWNER_PGRP, getpgrp()};
	R(fcntl(p[0], F_SETOWN_EX, &ex));
	owner(p[0]);
	ex.type = 7;
	R(fcntl(p[0], F_SETOWN_EX, &ex));
	R(fcntl(p[0], F_SETSIG, 65));
	R(fcntl(p[0], F_SETSIG, 34));
	owner(p[0]);
	R(fcntl(p[0], F_SETSIG, 0));

	TITLE("a pipe's reader");
	R(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	owner(p[0]);
	R(fcntl(p[0], F_SETOWN, getpid()));
	R(write(p[1], "a", 1));
	pending("first byte");
	R(write(p[1], "b", 1));
	pending("second byte");
	R(read(p[0], text, 100));
	pending("read");
	R(fcntl(p[0], F_SETSIG, 34));
	R(write(p[1], "c", 1));
	R(write(p[1], "d", 1));
	pending("two");
	R(fcntl(p[0], F_SETSIG, SIGIO));
	R(write(p[1], "c", 1));
	pending("SIGIO asked for");
	R(fcntl(p[0], F_SETSIG, SIGCHLD));
	R(write(p[1], "c", 1));
	pending("SIGCHLD");
	R(fcntl(p[0], F_SETSIG, SIGUSR1));
	R(write(p[1], "c", 1));
	pending("SIGUSR1");
	R(fcntl(p[0], F_SETFL, O_NONBLOCK));
	R(write(p[1], "e", 1));
	pending("no more");

	TITLE("a pipe's writer");
	R(fcntl(p[1], F_SETOWN, getpid()));
	R(fcntl(p[1], F_SETSIG, 35));
	R(ioctl(p[1], FIOASYNC, &one));
	owner(p[1]);
	R(read(p[0], text, 2));
	pending("a part read");
	R(read(p[0], text, 100));
	pending("the rest read");
	R(read(p[0], text, 100));
	pending("nothing there");
	R(read(p[0], text, 0));
	pending("nothing wanted");

	TITLE("both ends, by both names");
	R(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	R(fcntl(p[0], F_SETSIG, 36));
	int again = dup(p[0]);
	R(write(p[1], "x", 1));
	pending("written");
	close(p[0]);
	pending("one of two closed");
	R(read(again, text, 1));
	pending("read");
	close(again);
	pending("no reader");
	signal(SIGPIPE, SIG_IGN);
	R(write(p[1], "x", 1));
	pending("broken");
	close(p[1]);
	pipe(p);
	fcntl(p[0], F_SETFL, O_ASYNC);
	fcntl(p[0], F_SETOWN, getpid());
	fcntl(p[0], F_SETSIG, 34);
	close(p[1]);
	pending("no writer");
	close(p[0]);

	TITLE("a thread, a group, another process");
	pipe(p);
	fcntl(p[0], F_SETFL, O_ASYNC);
	ex = (struct f_owner_ex){F_OWNER_TID, syscall(SYS_gettid)};
	R(fcntl(p[0], F_SETOWN_EX, &ex));
	fcntl(p[0], F_SETSIG, 37);
	write(p[1], "x", 1);
	pending("thread");
	pid_t child = fork();
	if (!child) {
		fcntl(p[0], F_SETOWN, getpid());
		write(p[1], "x", 1);
		pending("child");
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &st, 0);
	pending("the child's end");
	printf("owner that is gone: %d\n", fcntl(p[0], F_GETOWN));
	write(p[1], "x", 1);
	pending("nobody");

	TITLE("signalfd");
	fcntl(p[0], F_SETOWN, getpid());
	int sfd = signalfd(-1, &all, SFD_NONBLOCK);
	write(p[1], "x", 1);
	R(read(sfd, &told, sizeof told));
	printf("%d %d band %#x fd %s pid %d\n", told.ssi_signo, told.ssi_code, told.ssi_band, told.ssi_fd == p[0] ? "p[0]" : "?", told.ssi_pid);
	close(p[0]);
	close(p[1]);

	TITLE("a terminal");
	master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct termios t;
	tcgetattr(tty, &t);
	t.c_lflag &= ~ECHO;
	tcsetattr(tty, TCSANOW, &t);
	R(fcntl(tty, F_SETFL, O_ASYNC | O_NONBLOCK));
	owner(tty);
	fcntl(tty, F_SETSIG, 34);
	write(master, "ab", 2);
	usleep(30000); /* Linux hands it on at its leisure */
	pending("half a line");
	write(master, "c\n", 2);
	usleep(30000);
	pending("a line");
	write(master, "d\ne\n", 4);
	usleep(30000);
	pending("two lines");
	R(read(tty, text, 100));
	pending("read");
	tcflush(tty, TCIFLUSH);
	t.c_lflag &= ~ICANON;
	tcsetattr(tty, TCSANOW, &t);
	pending("raw");
	write(master, "x", 1);
	usleep(30000);
	pending("a character");
	R(fcntl(tty, F_SETFL, O_NONBLOCK));
	write(master, "y", 1);
	usleep(30000);
	pending("no more");

	TITLE("others");
	int dir = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(dir, "/dev/shm", IN_CREATE | IN_DELETE);
	R(fcntl(dir, F_SETFL, O_ASYNC | O_NONBLOCK));
	R(fcntl(dir, F_SETOWN, getpid()));
	fcntl(dir, F_SETSIG, 34);
	close(open("/dev/shm/int80-sigio", O_CREAT | O_RDWR, 0600));
	pending("created");
	int file = open("/dev/shm/int80-sigio", O_RDWR);
	unlink("/dev/shm/int80-sigio");
	pending("removed");
	R(fcntl(file, F_SETFL, O_ASYNC));
	owner(file);
	R(ioctl(file, FIOASYNC, &one));
	R(ioctl(file, FIOASYNC, &zero));
	R(fcntl(file, F_SETOWN, getpid()));
	owner(file);
	return 0;
}
