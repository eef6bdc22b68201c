/* What the programs of the signal matrix share. Each makes its cells by loops over tables; a cell is a child
 * that does something with signals and writes what can be observed into memory shared by all its processes.
 * One line a cell is printed: its name and that text, the same on every i386 Linux.
 *
 * Nothing depends on who is faster: a sender waits until the other one really sleeps (`settle`: /proc's state),
 * for whom a signal wakes is no longer asleep when kill returns.
 *
 * An argument chooses the cells whose names contain it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define GUARD 20 /* seconds after which a cell hangs */
#define ACT_RESTORER 0x04000000
#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define BIT(signo) (1ULL << ((signo) - 1))
#define MS 1000000L

typedef unsigned long long mask_t;

/* `struct sigaction` as the kernel has it. */
struct act {
	void *handler;
	unsigned long flags;
	void *restorer;
	mask_t mask;
};

static volatile struct {
	int length;
	int ready;	 /* the target is about to make its call */
	int returned;	 /* the call is over */
	int go;		 /* whatever a cell wants */
	int words[16];
	int named;
	struct {
		int pid;
		char name[12];
	} names[16];
	char text[6000];
} *sh;

static const char *only;

/* --- telling ------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[600];
	va_list arguments;
	int saved = errno, length, at;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	at = __atomic_fetch_add(&sh->length, length, __ATOMIC_SEQ_CST);
	if (at + length < (int)sizeof sh->text)
		memcpy((char *)sh->text + at, line, length);
	errno = saved;
}

static const char *error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "E?";
}

/* A call's result. */
static void tell(const char *what, long value)
{
	if (value == -1)
		say(" %s=%s", what, error_name(errno));
	else
		say(" %s=%ld", what, value);
}

static void call_me(int pid, const char *name)
{
	int n = __atomic_fetch_add(&sh->named, 1, __ATOMIC_SEQ_CST);

	sh->names[n].pid = pid;
	strcpy((char *)sh->names[n].name, name);
}

/* A process by what it is in this cell. */
static const char *who(int pid)
{
	static __thread char number[12];

	if (pid && pid == getpid())
		return "self";
	for (int n = sh->named; n-- > 0;)
		if (sh->names[n].pid == pid)
			return (char *)sh->names[n].name;
	if (pid && pid == getppid())
		return "parent";
	snprintf(number, sizeof number, pid ? "other" : "0");
	return number;
}

/* Signal sets as the kernel's 64 bits. */
static const char *set_text(mask_t mask, char *out)
{
	char *at = out;

	*at++ = '{';
	for (int n = 1; n <= 64; n++)
		if (mask & BIT(n))
			at += sprintf(at, at == out + 1 ? "%d" : ",%d", n);
	strcpy(at, "}");
	return out;
}

static mask_t blocked_now(void)
{
	mask_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	return mask;
}

static mask_t pending_now(void)
{
	mask_t mask = 0;

	syscall(SYS_rt_sigpending, &mask, 8);
	return mask;
}

static void say_set(const char *what, mask_t mask)
{
	char text[300];

	say(" %s%s", what, set_text(mask, text));
}

static void say_status(int status)
{
	if (WIFEXITED(status))
		say(" exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say(" killed %d%s", WTERMSIG(status), WCOREDUMP(status) ? " core" : "");
	else if (WIFSTOPPED(status))
		say(" stopped %d", WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		say(" continued");
	else
		say(" status %#x", status);
}

static void say_info(const siginfo_t *info)
{
	int signo = info->si_signo, code = info->si_code;

	say("%d code %d", signo, code);
	if (info->si_errno)
		say(" errno %d", info->si_errno);
	if (code == SI_USER || code == SI_TKILL)
		say(" from %s/%d", who(info->si_pid), info->si_uid - getuid());
	else if (code == SI_TIMER)
		say(" timer %d overrun %d value %d", info->si_timerid, info->si_overrun, info->si_value.sival_int);
	else if (code == SI_SIGIO)
		say(" band %ld fd %d", info->si_band, info->si_fd);
	else if (code < 0)
		say(" from %s/%d value %x", who(info->si_pid), info->si_uid - getuid(), info->si_value.sival_int);
	else if (signo == SIGCHLD && code < SI_KERNEL)
		say(" child %s/%d status %d", who(info->si_pid), info->si_uid - getuid(), info->si_status);
	else if (signo >= SIGRTMIN - 2 && code > 0 && code <= 6)
		say(" band %ld fd %d", info->si_band, info->si_fd);
}

/* --- setting ------------------------------------------------------------------------------------------- */

asm(".text\n"
    "return_rt: movl $173, %eax\n int $0x80\n"
    "return_old: popl %eax\n movl $119, %eax\n int $0x80\n");
extern char return_rt[], return_old[];

/* rt_sigaction itself. Without ACT_RESTORER the handler returns by the vDSO. */
static int act(int signo, void *handler, unsigned long flags, mask_t mask)
{
	struct act new = {handler, flags, flags & SA_SIGINFO ? return_rt : return_old, mask};

	return syscall(SYS_rt_sigaction, signo, &new, NULL, 8);
}

static struct act act_now(int signo)
{
	struct act old = {0};

	syscall(SYS_rt_sigaction, signo, NULL, &old, 8);
	return old;
}

static void block(mask_t mask) { syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8); }
static void unblock(mask_t mask) { syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8); }
static void set_mask(mask_t mask) { syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8); }

static int queue_value(int pid, int signo, int code, int value)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_signo = signo;
	info.si_code = code;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	return syscall(SYS_rt_sigqueueinfo, pid, signo, &info);
}

static int tkill_(int tid, int signo) { return syscall(SYS_tkill, tid, signo); }
static int gettid_(void) { return syscall(SYS_gettid); }

/* Handlers that tell. */
static void handler(int signo)
{
	say(" H%d", signo);
	say_set("in", blocked_now());
}

static void informed(int signo, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	mask_t mask;

	memcpy(&mask, &u->uc_sigmask, 8);
	say(" I(");
	say_info(info);
	say_set("in", blocked_now());
	say_set("back", mask);
	say(")");
}

static void brief(int signo) { say(" h%d", signo); }
static void silent(int signo) {}

static void brief_info(int signo, siginfo_t *info, void *context)
{
	say(" i(");
	say_info(info);
	say(")");
}

/* --- waiting ------------------------------------------------------------------------------------------- */

static void moment(void)
{
	struct timespec time = {0, 200000};

	syscall(SYS_nanosleep, &time, NULL);
}

static void sleep_ms(int ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * MS};

	while (syscall(SYS_nanosleep, &time, &time) < 0 && errno == EINTR)
		;
}

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* /proc's letter for a task of this pid (and thread). */
static char state_of(int pid, int tid)
{
	char path[60], data[300], *end;
	int fd, length;

	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 'X';
	length = read(fd, data, sizeof data - 1);
	close(fd);
	if (length <= 0)
		return 'X';
	data[length] = 0;
	end = strrchr(data, ')');
	return end ? end[2] : '?';
}

/* Until a task sleeps, is stopped, or is no more; its state. */
static char settle_thread(int pid, int tid)
{
	for (;;) {
		char state = state_of(pid, tid);
		if (strchr("STZX", state))
			return state;
		moment();
	}
}

static char settle(int pid) { return settle_thread(pid, pid); }

/* Until it is about to make its call, and asleep in it. */
static char asleep(int pid)
{
	while (!sh->ready && state_of(pid, pid) != 'Z')
		moment();
	return settle(pid);
}

static void await(volatile int *word)
{
	while (!*word)
		moment();
}

/* A child that dies with its parent. */
static pid_t spawn(const char *name)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		say(" fork=%s", error_name(errno));
		_exit(1);
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		call_me(getpid(), name);
	}
	return pid;
}

/* Stop a child, or find it stopped, and tell. */
static void say_stopped(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	say_status(status);
}

static void stop(pid_t pid)
{
	kill(pid, SIGSTOP);
	say_stopped(pid);
}

/* What becomes of a child until it has ended. (Not WCONTINUED: whoever has ended was never continued.) */
static void reap(pid_t pid)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WUNTRACED);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			say(" wait=%s", error_name(errno));
			return;
		}
		say_status(status);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return;
	}
}

/* --- cells --------------------------------------------------------------------------------------------- */

static void begin(int argc, char **argv)
{
	only = argc > 1 ? argv[1] : NULL;
	sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	block(BIT(SIGCHLD));
}

/* True in a child that is to do the cell; the caller goes on when that has ended, and has printed its line. */
__attribute__((format(printf, 1, 2))) static int cell_(const char *format, ...)
{
	char name[200];
	va_list arguments;
	struct timespec guard = {GUARD, 0};
	mask_t child = BIT(SIGCHLD);
	int status;
	pid_t pid;

	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	if (only && !strstr(name, only))
		return 0;
	memset((void *)sh, 0, offsetof(__typeof__(*sh), text));
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		call_me(getpid(), "runner");
		unblock(child);
		return 1;
	}
	while (waitpid(pid, &status, WNOHANG) != pid)
		if (syscall(SYS_rt_sigtimedwait, &child, NULL, &guard, 8) < 0 && errno == EAGAIN) {
			say(" HANGS");
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
	if (WIFSIGNALED(status))
		say(" (runner killed %d)", WTERMSIG(status));
	printf("%s:%.*s\n", name, sh->length, sh->text);
	return 0;
}

#define CELL(...) if (cell_(__VA_ARGS__)) for (;; _exit(0))
