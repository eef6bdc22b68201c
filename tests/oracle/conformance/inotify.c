/* inotify: which events, in which order, with which names and cookies. */

#include "conf.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <utime.h>

static int fd;
static unsigned first_cookie;

static void flags(unsigned mask)
{
	static const char *names[] = {"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM",
				      "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", "?", "UNMOUNT", "OVERFLOW",
				      "IGNORED"};

	for (int n = 0; n < 16; n++)
		if (mask & 1u << n)
			printf(" %s", names[n]);
	if (mask & IN_ISDIR)
		printf(" ISDIR");
}

static void drain(const char *what)
{
	static char buf[65536] __attribute__((aligned(8)));
	int n;

	printf("%s:\n", what);
	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (char *at = buf; at < buf + n;) {
			struct inotify_event *e = (void *)at;

			if (e->cookie && !first_cookie)
				first_cookie = e->cookie;
			printf("  %d", e->wd);
			flags(e->mask);
			if (e->cookie)
				printf(" cookie %u", e->cookie - first_cookie);
			if (e->len)
				printf(" %u '%s'", e->len, e->name);
			printf("\n");
			at += sizeof *e + e->len;
		}
	if (n < 0 && errno != EAGAIN)
		printf("  %s\n", error_name(errno));
}

static void touch(const char *name)
{
	close(open(name, O_WRONLY | O_CREAT, 0644));
}

int main(int argc, char **argv)
{
	char dir[] = "/dev/shm/inotifyXXXXXX", other[] = "/tmp/inotifyXXXXXX", name[300];
	char *here = mkdtemp(dir) ? dir : mkdtemp(other);
	struct pollfd p = {0, POLLIN};
	int f, n, wd;

	chdir(here);
	TITLE("arguments");
	R(inotify_init1(1));
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	R(fcntl(fd, F_GETFL));
	R(inotify_add_watch(fd, ".", 0));
	R(inotify_add_watch(fd, "nothing", IN_OPEN));
	R(inotify_add_watch(fd, BAD, IN_OPEN));
	R(inotify_add_watch(99, ".", IN_OPEN));
	R(inotify_add_watch(1, ".", IN_OPEN));
	R(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	R(inotify_rm_watch(fd, 1));
	R(inotify_rm_watch(1, 1));
	R(write(fd, "x", 1));
	R(lseek(fd, 0, SEEK_SET));
	R(inotify_add_watch(fd, ".", IN_ALL_EVENTS));
	R(inotify_add_watch(fd, ".", IN_ALL_EVENTS));
	R(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_CREATE));
	touch("file");
	R(inotify_add_watch(fd, "file", IN_OPEN | IN_ONLYDIR));
	p.fd = fd;
	R(poll(&p, 1, 0));
	R(ioctl(fd, FIONREAD, &n));
	printf("%d\n", n);
	R(read(fd, name, 8));
	drain("touch");
	R(poll(&p, 1, 0));

	TITLE("a file in a directory");
	f = open("file", O_RDWR);
	write(f, "some text", 9);
	write(f, "more", 4);
	pread(f, name, 4, 0);
	read(f, name, 4);
	ftruncate(f, 3);
	fchmod(f, 0600);
	fchown(f, -1, -1);
	futimens(f, NULL);
	struct timespec times[2] = {{1, 0}, {0, UTIME_OMIT}}, others[2] = {{0, UTIME_OMIT}, {1, 0}};
	futimens(f, times);
	futimens(f, others);
	fsetxattr(f, "trusted.one", "1", 1, 0);
	fremovexattr(f, "trusted.one");
	drain("changed");
	int g = open("other", O_RDWR | O_CREAT, 0644);
	lseek(f, 0, SEEK_SET);
	sendfile(g, f, NULL, 10);
	close(g);
	close(f);
	drain("sent");
	close(open("file", O_WRONLY | O_TRUNC));
	close(open("file", O_PATH));
	truncate("file", 10);
	chmod("file", 0644);
	utime("file", NULL);
	drain("by path");
	struct iovec v = {name, 0};
	f = open("file", O_RDWR);
	writev(f, &v, 1);
	readv(f, &v, 1);
	read(f, name, 0);
	posix_fallocate(f, 0, 100);
	close(f);
	drain("nothing moved");

	TITLE("names");
	mkdir("d", 0755);
	symlink("file", "link");
	link("file", "hard");
	mknod("fifo", S_IFIFO | 0600, 0);
	drain("made");
	rename("file", "new");
	rename("new", "d/moved");
	rename("d/moved", "file");
	drain("moved");
	rename("other", "hard");
	drain("replaced");
	unlink("link");
	unlink("fifo");
	rmdir("d");
	drain("removed");
	mkdir("e", 0755);
	syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "e", 2);
	drain("exchanged");
	memset(name, 'n', 200), name[200] = 0;
	touch(name);
	unlink(name);
	drain("long name");
	closedir(opendir("."));
	f = open(".", O_RDONLY);
	char entries[1000];
	syscall(SYS_getdents64, f, entries, 1000);
	close(f);
	drain("directory");

	TITLE("two watches");
	wd = inotify_add_watch(fd, "hard", IN_ALL_EVENTS);
	printf("wd %d\n", wd);
	touch("hard");
	rename("hard", "harder");
	drain("both");
	R(inotify_add_watch(fd, "harder", IN_MODIFY));
	touch("harder");
	R(inotify_add_watch(fd, "harder", IN_OPEN | IN_MASK_ADD));
	R(inotify_rm_watch(fd, 1));
	f = open("harder", O_WRONLY);
	write(f, "x", 1);
	unlink("harder");
	drain("open");
	inotify_add_watch(fd, "/proc/self/fd", IN_OPEN);
	close(f);
	drain("closed");
	R(inotify_rm_watch(fd, wd));

	TITLE("self");
	touch("x");
	wd = inotify_add_watch(fd, "x", IN_ALL_EVENTS);
	link("x", "y");
	unlink("x");
	rename("y", "z");
	touch("w");
	rename("w", "z");
	drain("gone");
	mkdir("s", 0700);
	inotify_add_watch(fd, "s", IN_ALL_EVENTS);
	touch("s/f");
	rename("s", "t");
	rename("t/f", "u");
	rmdir("t");
	drain("directory gone");

	TITLE("flags");
	wd = inotify_add_watch(fd, "u", IN_OPEN | IN_ONESHOT);
	touch("u");
	touch("u");
	drain("once");
	inotify_add_watch(fd, ".", IN_CLOSE | IN_EXCL_UNLINK);
	f = open("u", O_RDONLY);
	unlink("u");
	close(f);
	touch("u");
	drain("excluded");
	symlink("u", "l");
	inotify_add_watch(fd, "l", IN_ATTRIB | IN_DONT_FOLLOW);
	chmod("u", 0600);
	lchown("l", -1, -1);
	drain("link");
	close(fd);

	TITLE("waiting");
	fd = inotify_init();
	inotify_add_watch(fd, ".", IN_CREATE);
	if (!fork()) {
		usleep(20000);
		touch("late");
		_exit(0);
	}
	R(read(fd, name, sizeof name));
	wait(NULL);
	int dupe = dup(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	close(fd);
	fd = dupe;
	touch("later");
	drain("dup");
	unlink("late"), unlink("later"), unlink("l"), unlink("u"), unlink("z"), unlink("e"), rmdir("file");
	chdir("/");
	inotify_add_watch(fd, here, IN_ALL_EVENTS);
	rmdir(here);
	drain("end");

	if (argc > 1) /* a trace of all the calls that follow takes long */
		return 0;
	TITLE("overflow");
	mkdir(here, 0700);
	chdir(here);
	inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE);
	for (n = 0; n < 8200; n++) {
		mkdir("o", 0700);
		rmdir("o");
	}
	int events = 0, overflows = 0, size;
	static char buf[65536] __attribute__((aligned(8)));
	while ((size = read(fd, buf, sizeof buf)) > 0)
		for (char *at = buf; at < buf + size; at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len) {
			struct inotify_event *e = (void *)at;
			events++;
			if (e->mask & IN_Q_OVERFLOW)
				overflows++, printf("wd %d at %d\n", e->wd, events);
		}
	printf("%d events, %d overflows\n", events, overflows);
	chdir("/"), rmdir(here);
	return 0;
}
