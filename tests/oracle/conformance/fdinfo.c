/* /proc/self/fdinfo of each kind of file, and /proc/locks: what is the same on two machines. */
#include "conf.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static pid_t child;
static char lines[32][128];
static int count;
static unsigned long ours;

/* a line of a lock, without its number, device and inode; pids in words */
static void lock_line(char *line)
{
	char *at = strchr(line, ':') + 2, *arrow = strstr(at, "-> ") == at ? "-> " : "", a[16], b[16], c[16], end[32];
	int pid;
	unsigned major, minor;
	unsigned long ino;
	long long start;

	if (*arrow)
		at += 3;
	if (sscanf(at, "%15s %15s %15s %d %x:%x:%lu %lld %31s", a, b, c, &pid, &major, &minor, &ino, &start, end) != 9) {
		printf("? %s\n", line);
		return;
	}
	if (ino == ours)
		sprintf(lines[count++], "%s%s %s %s %s %lld %s\n", arrow, a, b, c, pid == getpid() ? "me" : pid == child ? "child" : pid < 0 ? "none" : "other", start, end);
}

/* the newest comes first in Linux, the order of int80 is another */
static void show_locks(void)
{
	qsort(lines, count, sizeof *lines, (int (*)(const void *, const void *))strcmp);
	for (int n = 0; n < count; n++)
		printf("%s", lines[n]);
	count = 0;
}

static void info(const char *what, int fd)
{
	char path[64], line[512], *end;
	FILE *f;

	printf("%s\n", what);
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "mnt_id:", 7) || !strncmp(line, "ino:", 4) || !strncmp(line, "eventfd-id:", 11) || !strncmp(line, "eventfd-sem", 11))
			continue;
		if (!strncmp(line, "lock:\t", 6)) {
			lock_line(line + 6);
			continue;
		}
		if ((end = strstr(line, " ino:")) && strncmp(line, "inotify", 7))
			*end = 0;
		else if (end) {
			char *mask = strstr(line, " mask:");
			memmove(end, mask, strlen(mask) + 1);
			if ((end = strstr(line, " fhandle")))
				*end = 0;
			while (line[strlen(line) - 1] == ' ')
				line[strlen(line) - 1] = 0;
		}
		printf("  %s\n", line);
	}
	fclose(f);
	show_locks();
}

static void all_locks(const char *what)
{
	char line[256];
	FILE *f = fopen("/proc/locks", "r");

	printf("%s\n", what);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		lock_line(line);
	}
	fclose(f);
	show_locks();
}

int main(void)
{
	char name[] = "/tmp/int80-fdinfo-XXXXXX";
	int file = mkstemp(name), other, p[2], go[2], st;
	struct stat st_;
	struct flock range = {F_WRLCK, SEEK_SET, 10, 20};
	uint64_t n = 5;
	char c;

	fstat(file, &st_);
	ours = st_.st_ino;
	write(file, "hello", 5);
	info("file", file);
	fcntl(file, F_SETFD, FD_CLOEXEC);
	info("close on exec", file);
	info("appending", open(name, O_WRONLY | O_APPEND | O_NONBLOCK));
	info("path", open(name, O_PATH));
	info("directory", open("/tmp", O_DIRECTORY));
	pipe(p);
	info("pipe", p[0]);
	info("its other end", p[1]);
	pipe2(p, O_NONBLOCK);
	info("that does not block", p[1]);

	int ev = dup2(eventfd(7, EFD_NONBLOCK), 60);
	write(ev, &n, 8);
	info("eventfd", ev);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	info("signalfd", signalfd(-1, &set, SFD_CLOEXEC));
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	info("timerfd", timer);
	struct itimerspec spec = {{3, 5}, {0, 1}};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
	usleep(1000);
	spec.it_value.tv_sec = 0;
	int once = timerfd_create(CLOCK_REALTIME, 0);
	spec.it_interval = (struct timespec){0, 0};
	spec.it_value = (struct timespec){0, 1};
	timerfd_settime(once, 0, &spec, NULL);
	usleep(1000);
	info("expired", once);
	int ep = epoll_create1(0);
	struct epoll_event e = {EPOLLIN | EPOLLET, {.u64 = 0x123456789abcull}};
	epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e);
	info("epoll", ep);
	int in = inotify_init();
	inotify_add_watch(in, "/tmp", IN_CREATE | IN_DELETE);
	inotify_add_watch(in, name, IN_ALL_EVENTS);
	info("inotify", in);

	TITLE("locks");
	fcntl(file, F_SETLK, &range);
	info("posix", file);
	other = open(name, O_RDWR);
	range = (struct flock){F_RDLCK, SEEK_SET, 100, 0};
	fcntl(other, F_OFD_SETLK, &range);
	info("ofd", other);
	flock(other, LOCK_SH);
	info("flock", other);
	all_locks("all");
	pipe(go);
	if (!(child = fork())) {
		child = getpid();
		range = (struct flock){F_WRLCK, SEEK_SET, 0, 15};
		write(go[1], "x", 1);
		fcntl(file, F_SETLKW, &range);
		_exit(0);
	}
	read(go[0], &c, 1);
	usleep(50000);
	all_locks("one waits");
	range = (struct flock){F_UNLCK, SEEK_SET, 0, 0};
	fcntl(file, F_SETLK, &range);
	waitpid(child, &st, 0);
	status_("child", st);
	all_locks("given back");
	close(other);
	all_locks("closed");
	close(file);

	TITLE("a lease");
	for (int fd = 3; fd < 40; fd++)
		close(fd);
	file = open(name, O_RDONLY);
	R(fcntl(file, F_SETLEASE, F_RDLCK));
	info("lease", file);
	all_locks("all");
	unlink(name);
	return 0;
}
