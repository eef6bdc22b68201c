/* What the programs about ptrace share: waiting for a traced task, and telling of its stop. */

#include "conf.h"
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define TRACE(request, pid, addr, data) syscall(SYS_ptrace, request, pid, addr, data)
#define T(request, pid, addr, data)                                                                    \
	(errno = 0, result_(#request "(" #addr ", " #data ")", TRACE(request, pid, addr, data)))

static pid_t traced;

/* Pids differ from machine to machine: the traced task is T, this one S. */
static const char *pid_name(pid_t pid)
{
	return pid == traced ? "T" : pid == getpid() ? "S" : pid ? "another" : "0";
}

static void tell_status(const char *what, pid_t pid, int status)
{
	if (pid <= 0)
		printf("%s: wait gives %d %s\n", what, pid, pid < 0 ? error_name(errno) : "");
	else if (WIFSTOPPED(status))
		printf("%s: %s stopped by %#x, event %d\n", what, pid_name(pid), WSTOPSIG(status), status >> 16);
	else
		status_(what, status);
}

static int wait_for(const char *what, pid_t pid, int options)
{
	int status = 0;
	pid_t got;

	errno = 0;
	while ((got = waitpid(pid, &status, options | __WALL)) < 0 && errno == EINTR)
		;
	tell_status(what, got, status);
	return status;
}

#define WAIT(what) wait_for(what, traced, 0)

static void info(const char *what)
{
	siginfo_t s;

	memset(&s, 0, sizeof s);
	if (TRACE(PTRACE_GETSIGINFO, traced, 0, &s) < 0)
		printf("%s: no siginfo, %s\n", what, error_name(errno));
	else
		printf("%s: signo %d code %#x errno %d pid %s uid %d\n", what, s.si_signo, s.si_code,
		       s.si_errno, s.si_code == SI_KERNEL ? "-" : pid_name(s.si_pid), s.si_uid);
}

static unsigned long message(void)
{
	unsigned long value = 0xdead;

	TRACE(PTRACE_GETEVENTMSG, traced, 0, &value);
	return value;
}

static struct user_regs_struct registers(void)
{
	struct user_regs_struct u;

	memset(&u, 0, sizeof u);
	if (TRACE(PTRACE_GETREGS, traced, 0, &u) < 0)
		printf("GETREGS: %s\n", error_name(errno));
	return u;
}

/* A child that is traced and has stopped by SIGSTOP; then it goes on with what follows. */
#define TRACED(...)                                                                                    \
	do {                                                                                           \
		fflush(stdout);                                                                        \
		traced = fork();                                                                       \
		if (!traced) {                                                                         \
			traced = getpid();                                                             \
			TRACE(PTRACE_TRACEME, 0, 0, 0);                                                \
			raise(SIGSTOP);                                                                \
			__VA_ARGS__;                                                                   \
			fflush(stdout);                                                                \
			_exit(0);                                                                      \
		}                                                                                      \
		WAIT("begins");                                                                        \
	} while (0)
#define CONT(signo) TRACE(PTRACE_CONT, traced, 0, signo)

static void kill_it(void)
{
	int status;

	kill(traced, SIGKILL);
	while (waitpid(traced, &status, __WALL) == traced && WIFSTOPPED(status))
		;
	status_("killed", status);
}

static char state_of(pid_t pid)
{
	char path[64], text[256] = "";
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return '-';
	read(fd, text, sizeof text - 1);
	close(fd);
	return strrchr(text, ')')[2];
}
