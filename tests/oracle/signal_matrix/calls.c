/* Every call that can sleep x what comes while it sleeps: EINTR, a restart, a short count, or nothing. */
#include "matrix.h"
#include <linux/futex.h>

static int pipe_[2], file_, other_, event_, signal_fd, timer_, notify_, epoll_, master_, slave_;
static char fifo[60], path[60], block_[70000];
#define BLOCKED (BIT(SIGTTIN) | BIT(40))
#define WITH_MASK (BIT(SIGTTIN) | BIT(SIGHUP)) /* what calls block that wait with another mask */

static long futex(volatile int *at, int op, int value, const struct timespec *time, int bits)
{
	return syscall(SYS_futex, at, op, value, time, NULL, bits);
}

static void no(void) {}
static void make_pipe(void) { pipe(pipe_); }
static void feed_pipe(void) { write(pipe_[1], "abc", 3); }

static void fill_pipe(void)
{
	pipe(pipe_);
	fcntl(pipe_[1], F_SETPIPE_SZ, 4096);
	write(pipe_[1], block_, 4096);
}

static void half_pipe(void)
{
	pipe(pipe_);
	fcntl(pipe_[1], F_SETPIPE_SZ, 8192);
	write(pipe_[1], block_, 4096);
}

static void drain_pipe(void)
{
	fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
	while (read(pipe_[0], block_, 4096) > 0)
		;
}

static void drain_more(void)
{
	for (int n = 0; n < 40 && !sh->returned; n++) {
		drain_pipe();
		moment();
	}
}

static long read_pipe(void) { return read(pipe_[0], block_, 100); }
static long write_pipe(void) { return write(pipe_[1], block_, 100); }
static long write_much(void) { return write(pipe_[1], block_, 20000); }

static long readv_pipe(void)
{
	struct iovec parts[2] = {{block_, 2}, {block_ + 10, 50}};
	return readv(pipe_[0], parts, 2);
}

static long writev_pipe(void)
{
	struct iovec parts[2] = {{block_, 4096}, {block_ + 10, 5000}};
	return writev(pipe_[1], parts, 2);
}

static int out_[2];
static void two_pipes(void)
{
	pipe(pipe_);
	pipe(out_);
}
static long splice_pipe(void) { return splice(pipe_[0], NULL, out_[1], NULL, 100, 0); }
static long tee_pipe(void) { return tee(pipe_[0], out_[1], 100, 0); }

static long wait_child(void)
{
	pid_t pid = sh->words[0];
	return wait4(pid, NULL, 0, NULL) == pid;
}
static long waitid_child(void) { return waitid(P_PID, sh->words[0], NULL, WEXITED); }

static long wait_stopped(void) { return waitpid(sh->words[0], NULL, WUNTRACED) == sh->words[0]; }
static void stop_child(void) { kill(sh->words[0], SIGSTOP); }
static void end_child(void) { kill(sh->words[0], SIGKILL); }

static long futex_wait(void) { return futex(&sh->words[1], FUTEX_WAIT, 0, NULL, 0); }
static long futex_time(void)
{
	struct timespec time = {100, 0};
	return futex(&sh->words[1], FUTEX_WAIT, 0, &time, 0);
}
static long futex_until(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += 100;
	return futex(&sh->words[1], FUTEX_WAIT_BITSET, 0, &time, -1);
}
static void futex_wake(void)
{
	sh->words[1] = 1;
	futex(&sh->words[1], FUTEX_WAKE, 9, NULL, 0);
}

static void lock_futex(void) { sh->words[1] = getpid(); }
static long futex_lock(void) { return futex(&sh->words[1], FUTEX_LOCK_PI, 0, NULL, 0); }
static void futex_unlock(void) { futex(&sh->words[1], FUTEX_UNLOCK_PI, 0, NULL, 0); }

static struct pollfd polled(void)
{
	struct pollfd one = {pipe_[0], POLLIN};
	return one;
}
static long poll_ever(void)
{
	struct pollfd one = polled();
	return poll(&one, 1, -1);
}
static long poll_time(void)
{
	struct pollfd one = polled();
	return poll(&one, 1, 100000);
}
static long ppoll_time(void)
{
	struct pollfd one = polled();
	struct timespec time = {100, 0};
	return syscall(SYS_ppoll, &one, 1, &time, NULL, 8);
}
static long ppoll_mask(void)
{
	struct pollfd one = polled();
	mask_t mask = WITH_MASK;
	return syscall(SYS_ppoll, &one, 1, NULL, &mask, 8);
}
static long select_ever(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(pipe_[0], &set);
	return syscall(SYS__newselect, pipe_[0] + 1, &set, NULL, NULL, NULL);
}
static long select_time(void)
{
	fd_set set;
	struct timeval time = {100, 0};
	FD_ZERO(&set);
	FD_SET(pipe_[0], &set);
	long result = syscall(SYS__newselect, pipe_[0] + 1, &set, NULL, NULL, &time);
	int saved = errno;
	say(" left%d", time.tv_sec > 90);
	errno = saved;
	return result;
}
static long pselect_mask(void)
{
	fd_set set;
	mask_t mask = WITH_MASK;
	struct {
		const mask_t *mask;
		size_t size;
	} with = {&mask, 8};
	FD_ZERO(&set);
	FD_SET(pipe_[0], &set);
	return syscall(SYS_pselect6, pipe_[0] + 1, &set, NULL, NULL, NULL, &with);
}

static void make_epoll(void)
{
	struct epoll_event event = {EPOLLIN};
	pipe(pipe_);
	epoll_ = epoll_create1(0);
	epoll_ctl(epoll_, EPOLL_CTL_ADD, pipe_[0], &event);
}
static long epoll_ever(void)
{
	struct epoll_event event;
	return syscall(SYS_epoll_wait, epoll_, &event, 1, -1);
}
static long epoll_time(void)
{
	struct epoll_event event;
	return syscall(SYS_epoll_wait, epoll_, &event, 1, 100000);
}
static long epoll_mask(void)
{
	struct epoll_event event;
	mask_t mask = WITH_MASK;
	return syscall(SYS_epoll_pwait, epoll_, &event, 1, -1, &mask, 8);
}

static long pause_(void) { return syscall(SYS_pause); }
static long suspend(void)
{
	mask_t mask = WITH_MASK;
	return syscall(SYS_rt_sigsuspend, &mask, 8);
}
static long old_suspend(void) { return syscall(SYS_sigsuspend, 0, 0, (long)WITH_MASK); }
static long timed_wait(void)
{
	mask_t set = BIT(40);
	return syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8);
}
static long timed_wait_time(void)
{
	mask_t set = BIT(40);
	struct timespec time = {100, 0};
	return syscall(SYS_rt_sigtimedwait, &set, NULL, &time, 8);
}
static void send_40(void) { kill(sh->words[2], 40); }

static void say_left(const struct timespec *left)
{
	int saved = errno;
	say(" left%d", left->tv_sec == 7 ? 7 : left->tv_sec > 90);
	errno = saved;
}
static long sleep_(void)
{
	struct timespec time = {100, 0}, left = {7, 0};
	long result = syscall(SYS_nanosleep, &time, &left);
	say_left(&left);
	return result;
}
static long clock_sleep(void)
{
	struct timespec time = {100, 0}, left = {7, 0};
	long result = syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &time, &left);
	say_left(&left);
	return result;
}
static long sleep_until(void)
{
	struct timespec time, left = {7, 0};
	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += 100;
	long result = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &time, &left);
	say_left(&left);
	return result;
}

static void lock_file(void)
{
	struct flock lock = {F_WRLCK, SEEK_SET, 0, 0};
	file_ = open(path, O_RDWR | O_CREAT, 0600);
	fcntl(file_, F_SETLK, &lock);
}
static long lock_wait(void)
{
	struct flock lock = {F_WRLCK, SEEK_SET, 0, 0};
	return fcntl(file_, F_SETLKW, &lock);
}
static void unlock_file(void)
{
	struct flock lock = {F_UNLCK, SEEK_SET, 0, 0};
	fcntl(file_, F_SETLK, &lock);
}
static void lock_ofd(void)
{
	struct flock64 lock = {F_WRLCK, SEEK_SET, 0, 0};
	file_ = open(path, O_RDWR | O_CREAT, 0600);
	other_ = open(path, O_RDWR);
	syscall(SYS_fcntl64, file_, F_OFD_SETLK, &lock);
}
static long lock_ofd_wait(void)
{
	struct flock64 lock = {F_WRLCK, SEEK_SET, 0, 0};
	return syscall(SYS_fcntl64, other_, F_OFD_SETLKW, &lock);
}
static void unlock_ofd(void)
{
	struct flock64 lock = {F_UNLCK, SEEK_SET, 0, 0};
	syscall(SYS_fcntl64, file_, F_OFD_SETLK, &lock);
}
static void flock_file(void)
{
	file_ = open(path, O_RDWR | O_CREAT, 0600);
	flock(file_, LOCK_EX);
	other_ = open(path, O_RDWR);
}
static long flock_wait(void) { return flock(other_, LOCK_EX); }
static void unflock(void) { flock(file_, LOCK_UN); }

static void make_fifo(void) { mkfifo(fifo, 0600); }
static long open_reader(void) { return open(fifo, O_RDONLY) >= 0; }
static long open_writer(void) { return open(fifo, O_WRONLY) >= 0; }
static void be_writer(void) { open(fifo, O_RDWR | O_NONBLOCK); }

static void make_tty(void)
{
	struct termios mode;
	char name[40];
	int number, zero = 0;

	master_ = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	ioctl(master_, TIOCSPTLCK, &zero);
	ioctl(master_, TIOCGPTN, &number);
	sprintf(name, "/dev/pts/%d", number);
	slave_ = open(name, O_RDWR | O_NOCTTY);
	tcgetattr(slave_, &mode);
	mode.c_lflag &= ~ECHO;
	tcsetattr(slave_, TCSANOW, &mode);
}
static long read_tty(void) { return read(slave_, block_, 100); }
static void type(void) { write(master_, "hello\n", 6); }
static long read_master(void) { return read(master_, block_, 100); }
static void print(void) { write(slave_, "abc", 3); }

static void make_event(void) { event_ = eventfd(0, 0); }
static void full_event(void)
{
	long long most = -2;
	event_ = eventfd(0, 0);
	write(event_, &most, 8);
}
static long read_event(void) { return read(event_, block_, 8); }
static long write_event(void)
{
	long long one = 1;
	return write(event_, &one, 8);
}
static void add_event(void)
{
	long long one = 1;
	write(event_, &one, 8);
}
static void take_event(void) { read(event_, block_, 8); }

static void make_timer(void) { timer_ = timerfd_create(CLOCK_MONOTONIC, 0); }
static long read_timer(void) { return read(timer_, block_, 8); }
static void fire(void)
{
	struct itimerspec soon = {{0, 0}, {0, 1}};
	timerfd_settime(timer_, 0, &soon, NULL);
}

static long read_signal(void)
{
	mask_t set = BIT(40);
	int fd;
	block(set);
	fd = syscall(SYS_signalfd4, -1, &set, 8, 0);
	return read(fd, block_, 128);
}

static void make_notify(void)
{
	close(open(path, O_RDWR | O_CREAT, 0600));
	notify_ = inotify_init();
	inotify_add_watch(notify_, path, IN_ATTRIB);
}
static long read_notify(void) { return read(notify_, block_, 100); }
static void touch(void) { chmod(path, 0640); }

static const struct {
	const char *name;
	void (*prepare)(void);
	long (*call)(void);
	void (*wake)(void);
	int mine; /* the file is this cell's */
} calls[] = {
	{"read", make_pipe, read_pipe, feed_pipe},
	{"readv", make_pipe, readv_pipe, feed_pipe},
	{"write", fill_pipe, write_pipe, drain_pipe},
	{"write of more than there is room for", half_pipe, write_much, drain_more},
	{"writev", half_pipe, writev_pipe, drain_more},
	{"splice", two_pipes, splice_pipe, feed_pipe},
	{"tee", two_pipes, tee_pipe, feed_pipe},
	{"futex", no, futex_wait, futex_wake},
	{"futex, 100 s", no, futex_time, futex_wake},
	{"futex until", no, futex_until, futex_wake},
	{"FUTEX_LOCK_PI", lock_futex, futex_lock, futex_unlock},
	{"poll", make_pipe, poll_ever, feed_pipe},
	{"poll, 100 s", make_pipe, poll_time, feed_pipe},
	{"ppoll, 100 s", make_pipe, ppoll_time, feed_pipe},
	{"ppoll with a mask", make_pipe, ppoll_mask, feed_pipe},
	{"select", make_pipe, select_ever, feed_pipe},
	{"select, 100 s", make_pipe, select_time, feed_pipe},
	{"pselect with a mask", make_pipe, pselect_mask, feed_pipe},
	{"epoll_wait", make_epoll, epoll_ever, feed_pipe},
	{"epoll_wait, 100 s", make_epoll, epoll_time, feed_pipe},
	{"epoll_pwait with a mask", make_epoll, epoll_mask, feed_pipe},
	{"pause", no, pause_, NULL},
	{"rt_sigsuspend", no, suspend, NULL},
	{"sigsuspend", no, old_suspend, NULL},
	{"sigtimedwait", no, timed_wait, send_40},
	{"sigtimedwait, 100 s", no, timed_wait_time, send_40},
	{"nanosleep", no, sleep_, NULL},
	{"clock_nanosleep", no, clock_sleep, NULL},
	{"clock_nanosleep until", no, sleep_until, NULL},
	{"F_SETLKW", lock_file, lock_wait, unlock_file, 1},
	{"F_OFD_SETLKW", lock_ofd, lock_ofd_wait, unlock_ofd, 1},
	{"flock", flock_file, flock_wait, unflock, 1},
	{"open of a FIFO for reading", make_fifo, open_reader, be_writer, 1},
	{"open of a FIFO for writing", make_fifo, open_writer, be_writer, 1},
	{"read of a terminal", make_tty, read_tty, type},
	{"read of a pty's master", make_tty, read_master, print},
	{"read of an eventfd", make_event, read_event, add_event},
	{"write to an eventfd", full_event, write_event, take_event},
	{"read of a timerfd", make_timer, read_timer, fire},
	{"read of a signalfd", no, read_signal, send_40},
	{"read of inotify", make_notify, read_notify, touch, 1},
	{"wait4", no, wait_child, end_child},
	{"waitid", no, waitid_child, end_child},
	{"waitpid WUNTRACED", no, wait_stopped, stop_child},
};

/* What the sender does while the call sleeps: letters of a script.
 * u, v: SIGUSR1, SIGUSR2 (the latter's handler has SA_RESTART); w: SIGWINCH, ignored by default; i: SIGURG,
 * ignored by the program; b: SIGTTIN, blocked; s: stop it, c: continue it; t: SIGTSTP with its default; x: kill. */
static const char *const scripts[] = {"u", "v", "vu", "w", "sc", "svuc", "x", /* then for some calls only: */
				      "vv", "i", "b", "scsc", "suc", "svc", "suvc", "swc", "tc", "scv", "sx"};
#define FOR_ALL 7
static const char in_full[] = "read.write of more than there is room for.futex, 100 s.poll.nanosleep.epoll_wait."
			      "rt_sigsuspend.sigtimedwait, 100 s.F_SETLKW.wait4.";

static int goes_in_full(const char *name)
{
	char with_dot[80];

	sprintf(with_dot, "%s.", name);
	const char *at = strstr(in_full, with_dot);
	return at && (at == in_full || at[-1] == '.');
}

static void do_script(pid_t pid, const char *script)
{
	for (; *script; script++) {
		int signo = *script == 'u' ? SIGUSR1 : *script == 'v' ? SIGUSR2 : *script == 'w' ? SIGWINCH
			    : *script == 'i' ? SIGURG : *script == 'b' ? SIGTTIN : *script == 'c' ? SIGCONT
			    : *script == 't' ? SIGTSTP : *script == 's' ? SIGSTOP : SIGKILL;
		kill(pid, signo);
		if (signo == SIGSTOP || signo == SIGTSTP)
			say_stopped(pid);
		else
			settle(pid);
	}
}

static void run(int n, const char *script)
{
	pid_t child = 0, pid;

	snprintf(fifo, sizeof fifo, "/tmp/int80-matrix-%d", getpid());
	strcpy(path, fifo);
	if (calls[n].mine)
		unlink(path);
	calls[n].prepare();
	pid = spawn("target");
	if (!pid) {
		if (strstr(calls[n].name, "wait4") || strstr(calls[n].name, "waitid") || strstr(calls[n].name, "waitpid")) {
			child = spawn("child");
			if (!child)
				for (;;)
					pause();
			sh->words[0] = child;
		}
		sh->words[2] = getpid();
		act(SIGUSR1, brief, 0, 0);
		act(SIGUSR2, brief_info, SA_RESTART | SA_SIGINFO, 0);
		act(SIGURG, SIG_IGN, 0, 0);
		block(BLOCKED);
		sh->ready = 1;
		errno = 0;
		long result = calls[n].call();
		sh->returned = 1;
		tell("returned", result);
		if (blocked_now() != BLOCKED)
			say_set("mask", blocked_now());
		_exit(0);
	}
	asleep(pid);
	do_script(pid, script);
	if (!sh->returned && state_of(pid, pid) == 'S') {
		say(" sleeps");
		if (calls[n].wake)
			calls[n].wake();
		else
			kill(pid, SIGUSR1);
	}
	reap(pid);
	if (sh->words[0])
		kill(sh->words[0], SIGKILL);
	if (calls[n].mine)
		unlink(path);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (int n = 0; n < COUNT(calls); n++)
		for (int m = 0; m < (goes_in_full(calls[n].name) ? COUNT(scripts) : FOR_ALL); m++)
			CELL("%s: %s", calls[n].name, scripts[m])
				run(n, scripts[m]);
}
