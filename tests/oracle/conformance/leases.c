/* Leases and F_NOTIFY: who holds a file, or watches a directory, is told by a signal. */

#include "conf.h"

#ifndef F_NOTIFY
#define F_NOTIFY 1026
#endif

static sigset_t all;
static char name[] = "lease";

/* Everything that is pending now, or comes within a moment. */
static void pending(const char *what)
{
	struct timespec moment = {0, 20000000};
	siginfo_t info;
	int n = 0;

	printf("%s:", what);
	while (n++ < 10 && sigtimedwait(&all, &info, &moment) > 0) {
		printf(" [%d code %d", info.si_signo, info.si_code);
		if (info.si_code > 0 && info.si_code <= 6 && info.si_signo != SIGCHLD)
			printf(" band %#lx fd %d", (long)info.si_band, info.si_fd);
		printf("]");
	}
	printf("\n");
}

static void state(int fd)
{
	int lease = fcntl(fd, F_GETLEASE);

	printf("lease: %s, owner %s, signal %d\n",
	       lease == F_RDLCK ? "read" : lease == F_WRLCK ? "write" : lease == F_UNLCK ? "none" : "?",
	       fcntl(fd, F_GETOWN) == getpid() ? "me" : fcntl(fd, F_GETOWN) ? "other" : "nobody", fcntl(fd, F_GETSIG));
}

/* A child opens the file; the parent answers as it is told after the signal. */
static void broken(const char *what, int fd, int flags, int answer)
{
	int p[2], st;
	char c;

	pipe(p);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		close(fd);
		int got = open(name, flags);
		write(p[1], got < 0 ? "-" : "+", 1);
		_exit(got < 0 ? errno : 0);
	}
	siginfo_t info;
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGIO);
	sigaddset(&one, 34);
	struct timespec second = {1, 0};
	int got = sigtimedwait(&one, &info, &second);
	printf("%s: signal %d", what, got);
	if (got == 34)
		printf(" code %d band %#lx fd %d", info.si_code, (long)info.si_band, info.si_fd);
	printf("\n");
	state(fd);
	if (answer >= 0)
		result_("answer", fcntl(fd, F_SETLEASE, answer));
	else
		close(fd);
	read(p[0], &c, 1);
	waitpid(child, &st, 0);
	printf("opened: %c %d\n", c, WEXITSTATUS(st));
	if (answer >= 0)
		state(fd);
	close(p[0]);
	close(p[1]);
	pending("afterwards");
}

int main(void)
{
	char dir[] = "/dev/shm/int80-lease-XXXXXX";
	int fd, other, st, p[2];

	mkdir("/dev/shm", 0777);
	if (!mkdtemp(dir) || chdir(dir))
		return printf("no directory\n"), 1;
	sigemptyset(&all);
	sigaddset(&all, SIGIO);
	for (int n = 34; n < 38; n++)
		sigaddset(&all, n);
	sigprocmask(SIG_BLOCK, &all, NULL);

	TITLE("what can be leased");
	fd = open(name, O_CREAT | O_RDWR, 0600);
	write(fd, "text", 4);
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	R(fcntl(fd, F_SETLEASE, F_UNLCK));
	R(fcntl(fd, F_SETLEASE, 7));
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_UNLCK));
	state(fd);
	close(fd);
	fd = open(name, O_RDONLY);
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	state(fd);
	other = open(name, O_RDONLY);
	state(other);
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	R(fcntl(other, F_SETLEASE, F_RDLCK));
	R(fcntl(other, F_SETLEASE, F_WRLCK));
	R(fcntl(other, F_SETLEASE, F_UNLCK));
	R(fcntl(other, F_SETLEASE, F_UNLCK));
	close(other);
	R(fcntl(fd, F_SETLEASE, F_UNLCK));
	other = open(name, O_RDWR);
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	close(other);
	pipe(p);
	R(fcntl(p[0], F_SETLEASE, F_RDLCK));
	R(fcntl(p[0], F_SETLEASE, F_UNLCK));
	R(fcntl(p[0], F_GETLEASE));
	other = open(".", O_RDONLY);
	R(fcntl(other, F_SETLEASE, 7));
	close(other);
	CHILD("another user", {
		chmod(".", 0777);
		chmod(name, 0666);
		setuid(1000);
		int mine = open(name, O_RDONLY);
		R(fcntl(mine, F_SETLEASE, F_RDLCK));
	});

	TITLE("broken");
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	broken("reader", fd, O_RDONLY, F_RDLCK);
	broken("writer", fd, O_WRONLY, F_UNLCK);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	broken("reader", fd, O_RDONLY, F_RDLCK);
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	broken("reader", fd, O_RDONLY, F_UNLCK);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_WRLCK));
	broken("writer", fd, O_RDWR | O_TRUNC, F_UNLCK);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	broken("writer, closed", fd, O_RDWR, -1);

	TITLE("not waited for");
	fd = open(name, O_RDONLY);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	R(open(name, O_RDWR | O_NONBLOCK));
	state(fd);
	pending("told");
	R(open(name, O_RDWR | O_NONBLOCK));
	pending("told once");
	R(open(name, O_RDONLY | O_NONBLOCK) > 0);
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_UNLCK));
	R(open(name, O_PATH) > 0);
	close(fd);
	for (int n = 3; n < 20; n++)
		close(n);

	TITLE("cut");
	fd = open(name, O_RDONLY);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		close(fd);
		_exit(truncate(name, 1) ? errno : 0);
	}
	pending("truncate");
	state(fd);
	R(fcntl(fd, F_SETLEASE, F_UNLCK));
	waitpid(child, &st, 0);
	status_("child", st);
	R(fcntl(fd, F_SETSIG, 34));
	R(fcntl(fd, F_SETLEASE, F_RDLCK));
	R(chmod(name, 0600));
	R(rename(name, "renamed"));
	R(unlink("renamed"));
	pending("attributes and names");
	close(fd);

	TITLE("directories");
	close(open("watched", O_CREAT, 0600));
	int d = open(".", O_RDONLY);
	R(fcntl(d, F_NOTIFY, DN_CREATE));
	state(d);
	R(fcntl(d, F_SETSIG, 34));
	close(open("new", O_CREAT | O_RDWR, 0600));
	pending("created");
	close(open("newer", O_CREAT | O_RDWR, 0600));
	pending("only once");
	R(fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_DELETE | DN_ATTRIB));
	unlink("newer");
	pending("removed");
	chmod("new", 0644);
	pending("mode");
	chmod(".", 0700);
	pending("its own mode");
	fd = open("watched", O_RDWR);
	write(fd, "x", 1);
	pending("written, not asked for");
	R(fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_MODIFY | DN_ACCESS));
	write(fd, "x", 1);
	pending("written");
	lseek(fd, 0, SEEK_SET);
	R(read(fd, dir + sizeof dir - 2, 1));
	dir[sizeof dir - 2] = 0;
	pending("read");
	R(fcntl(d, F_NOTIFY, 0));
	write(fd, "x", 1);
	pending("nothing any more");
	mkdir("sub", 0700);
	R(fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_RENAME));
	rename("new", "newest");
	pending("renamed");
	rename("newest", "sub/x");
	pending("moved away");
	rename("sub/x", "back");
	pending("moved here");
	R(fcntl(d, F_NOTIFY, DN_MULTISHOT));
	R(fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_CREATE | DN_DELETE));
	rename("back", "sub/x");
	pending("moved away");
	rename("sub/x", "back");
	pending("moved here");
	link("back", "link");
	pending("linked");
	symlink("back", "symbolic");
	pending("symbolic link");
	mkdir("sub2", 0700);
	pending("directory");
	rmdir("sub2");
	pending("directory removed");
	int twin = dup(d);
	close(twin);
	unlink("link");
	pending("a twin closed");
	unlink("symbolic");
	pending("no more");
	R(fcntl(fd, F_NOTIFY, DN_CREATE));
	R(fcntl(fd, F_NOTIFY, 0));
	unlink("back");
	unlink("watched");
	rmdir("sub");
	chdir("/");
	return 0;
}
