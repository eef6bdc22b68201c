/* POSIX message queues: attributes, order, waiting, time limits, being told, and the end of a queue. */
#include "conf.h"
#include <limits.h>
#include <mqueue.h>
#include <poll.h>

#define NAME "/int80-conformance-mq"

static volatile sig_atomic_t told, code, value, sender_is_me;

static void on_message(int signo, siginfo_t *info, void *context)
{
	told = signo;
	code = info->si_code;
	value = info->si_value.sival_int;
	sender_is_me = info->si_pid == getpid();
}

static void show(mqd_t q)
{
	struct mq_attr attr;

	if (mq_getattr(q, &attr))
		puts(error_name(errno));
	else
		printf("flags %lo, %ld messages of %ld bytes, %ld there\n", attr.mq_flags, attr.mq_maxmsg, attr.mq_msgsize,
		       attr.mq_curmsgs);
}

static void next(mqd_t q)
{
	char text[64];
	unsigned priority = 77;
	ssize_t size;

	memset(text, 0, sizeof text);
	errno = 0;
	size = mq_receive(q, text, sizeof text, &priority);
	printf("%zd %s '%s' of priority %u\n", size, size < 0 ? error_name(errno) : "", text, priority);
}

static void opening(void)
{
	struct mq_attr attr = {.mq_maxmsg = 3, .mq_msgsize = 32}, bad = {.mq_maxmsg = 0, .mq_msgsize = 32};
	struct stat st;
	char line[128];
	mqd_t q, other, again;

	TITLE("opening");
	R(mq_open(NAME, O_RDWR));
	R(mq_open(NAME, O_RDWR | O_CREAT, 0600, &bad));
	bad = (struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = -1};
	R(mq_open(NAME, O_RDWR | O_CREAT, 0600, &bad));
	bad = (struct mq_attr){.mq_maxmsg = 65537, .mq_msgsize = 1};
	R(mq_open(NAME, O_RDWR | O_CREAT, 0600, &bad));
	R(mq_open("no-slash", O_RDWR | O_CREAT, 0600, NULL));
	R(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	R(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
	OK(q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0640, &attr));
	R(mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0640, &attr));
	OK(other = mq_open(NAME, O_RDONLY | O_CREAT | O_NONBLOCK, 0, NULL));
	R(fcntl(q, F_GETFD));
	show(q);
	show(other);
	R(fstat(q, &st));
	printf("mode %o, %ld bytes, %d links\n", st.st_mode, (long)st.st_size, (int)st.st_nlink);
	R(mq_send(other, "x", 1, 0));
	R(mq_send(q, "twelve bytes", 12, 5));
	memset(line, 0, sizeof line);
	R(read(q, line, sizeof line));
	printf("%s", line);
	R(read(q, line, sizeof line));
	R(write(q, "x", 1));
	R(lseek(q, 0, SEEK_SET));
	snprintf(line, sizeof line, "/proc/self/fd/%d", (int)q);
	OK(again = open(line, O_RDWR));
	show(again);
	R(mq_send(again, "again", 6, 1));
	R(mq_close(again));
	R(mq_close(other));
	R(mq_close(other));
	R(mq_close(0));
	R(mq_unlink(NAME));
	R(mq_unlink(NAME));
	R(fstat(q, &st));
	printf("%d links\n", (int)st.st_nlink);
	next(q);
	R(mq_close(q));
	OK(q = mq_open(NAME, O_RDWR | O_CREAT, 0600, NULL));
	show(q);
	R(mq_close(q));
	R(mq_unlink(NAME));
}

static void order(void)
{
	struct mq_attr attr = {.mq_maxmsg = 6, .mq_msgsize = 32}, old, flags = {.mq_flags = O_NONBLOCK};
	struct timespec past = {1, 0}, bad = {1, 1000000000};
	char text[64] = "";
	mqd_t q;

	TITLE("order");
	OK(q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	R(mq_send(q, "low", 4, 1));
	R(mq_send(q, "high", 5, 9));
	R(mq_send(q, "high, later", 12, 9));
	R(mq_send(q, "", 0, 0));
	R(mq_send(q, "highest", 8, 32767));
	R(mq_send(q, "too high", 8, 32768));
	R(mq_send(q, text, 33, 0));
	S(mq_timedsend, q, (void *)8, 4, 0, NULL);
	R(mq_receive(q, text, 31, NULL));
	R(mq_setattr(q, &flags, &old));
	printf("flags were %lo\n", old.mq_flags);
	flags.mq_flags = O_APPEND;
	R(mq_setattr(q, &flags, &old));
	show(q);
	R(mq_send(q, "last", 5, 1));
	R(mq_send(q, "no room", 8, 1));
	for (int n = 0; n < 7; n++)
		next(q);
	flags.mq_flags = 0;
	R(mq_setattr(q, &flags, NULL));
	R(mq_timedreceive(q, text, 64, NULL, &past));
	R(mq_timedreceive(q, text, 64, NULL, &bad));
	R(mq_timedsend(q, "in time", 8, 2, &past));
	S(mq_timedreceive, q, (void *)8, 64, NULL, NULL);
	show(q);
	R(mq_timedsend(-1, "x", 1, 0, &bad));
	R(mq_timedsend(-1, "x", 1, 40000, NULL));
	R(mq_close(q));
	R(mq_unlink(NAME));
}

static void waiting(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 32};
	struct pollfd polled;
	struct timespec soon;
	char text[64];
	mqd_t q;
	pid_t child;

	TITLE("waiting");
	OK(q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	polled = (struct pollfd){q, POLLIN | POLLOUT, 0};
	R(poll(&polled, 1, 0));
	printf("%x\n", polled.revents);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	if (soon.tv_nsec >= 1000000000) {
		soon.tv_nsec -= 1000000000;
		soon.tv_sec++;
	}
	R(mq_timedreceive(q, text, 64, NULL, &soon));
	child = fork();
	if (!child) {
		usleep(20000);
		mq_send(q, "first", 6, 0);
		mq_send(q, "second", 7, 0);
		mq_send(q, "third", 6, 9);
		_exit(0);
	}
	next(q);
	usleep(20000);
	next(q);
	next(q);
	waitpid(child, NULL, 0);
	R(mq_send(q, "full", 5, 0));
	R(poll(&polled, 1, 0));
	printf("%x\n", polled.revents);
	signal(SIGALRM, SIG_IGN);
	siginterrupt(SIGALRM, 1);
	struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 0);
	R(mq_send(q, "more", 5, 0));
	child = fork();
	if (!child) {
		usleep(20000);
		mq_receive(q, text, 64, NULL);
		_exit(0);
	}
	R(mq_send(q, "went in", 8, 0));
	waitpid(child, NULL, 0);
	next(q);
	R(mq_close(q));
	R(mq_unlink(NAME));
}

static void being_told(void)
{
	struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
	mqd_t q;

	TITLE("being told");
	sigaction(SIGRTMIN + 1, &action, NULL);
	event.sigev_value.sival_int = 4711;
	OK(q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
	R(mq_notify(q, NULL));
	R(mq_notify(q, &event));
	R(mq_notify(q, &event));
	R(mq_send(q, "one", 4, 0));
	printf("told %d, code %d, value %d, by me %d\n", told == SIGRTMIN + 1, code, value, sender_is_me);
	told = 0;
	next(q);
	R(mq_send(q, "two", 4, 0));
	printf("told %d\n", told);
	R(mq_notify(q, &event));
	R(mq_send(q, "three", 6, 0));
	printf("told %d\n", told);
	next(q);
	next(q);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		R(mq_notify(q, &event));
		R(mq_notify(q, NULL));
		R(mq_send(q, "from the child", 15, 0));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	printf("told %d, by me %d\n", told == SIGRTMIN + 1, sender_is_me);
	event.sigev_signo = 65;
	R(mq_notify(q, &event));
	event.sigev_notify = 9;
	R(mq_notify(q, &event));
	event.sigev_notify = SIGEV_NONE;
	R(mq_notify(q, &event));
	R(mq_notify(q, &event));
	R(mq_close(q));
	OK(q = mq_open(NAME, O_RDWR));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGRTMIN + 1;
	R(mq_notify(q, &event));
	S(mq_notify, 0, &event);
	S(mq_notify, q, (void *)8);
	R(mq_close(q));
	R(mq_unlink(NAME));
}

static void permissions(void)
{
	mqd_t q;

	TITLE("permissions");
	umask(022);
	OK(q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0606, NULL));
	mq_close(q);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		setgid(1);
		setuid(1);
		OK(mq_open(NAME, O_RDONLY));
		R(mq_open(NAME, O_WRONLY));
		R(mq_open(NAME, O_RDWR));
		R(mq_unlink(NAME));
		struct mq_attr many = {.mq_maxmsg = 11, .mq_msgsize = 8}, long_ones = {.mq_maxmsg = 1, .mq_msgsize = 8193};
		R(mq_open("/int80-conformance-other", O_RDWR | O_CREAT, 0600, &many));
		R(mq_open("/int80-conformance-other", O_RDWR | O_CREAT, 0600, &long_ones));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	R(mq_unlink(NAME));
}

static void settings(void)
{
	const char *names[] = {"msg_default", "msg_max", "msgsize_default", "msgsize_max", "queues_max"};

	TITLE("settings");
	for (int n = 0; n < 5; n++) {
		char path[64], line[32] = "";
		int fd;

		snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", names[n]);
		fd = open(path, O_RDONLY);
		read(fd, line, sizeof line - 1);
		close(fd);
		printf("%s %s", names[n], line);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	mq_unlink(NAME);
	settings();
	opening();
	order();
	waiting();
	being_told();
	permissions();
	return 0;
}
