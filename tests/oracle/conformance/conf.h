/* What the conformance programs share: each prints results that must be the same on every i386 Linux. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const char *error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : number == 512 ? "ERESTARTSYS" : "E?";
}

static void result_(const char *what, long value)
{
	if (value == -1)
		printf("%s = -1 %s\n", what, error_name(errno));
	else
		printf("%s = %ld\n", what, value);
}

/* The call's text and its exact result, or its errno. */
#define R(call) (errno = 0, result_(#call, (long)(call)))
/* The same where only success matters: addresses, pids, times. */
#define OK(call)                                                                                       \
	do {                                                                                           \
		errno = 0;                                                                             \
		long value_ = (long)(call);                                                            \
		if (value_ == -1)                                                                      \
			printf("%s = -1 %s\n", #call, error_name(errno));                              \
		else                                                                                   \
			printf("%s: ok\n", #call);                                                     \
	} while (0)
/* A system call itself, without what libc adds. */
#define S(name, ...) (errno = 0, result_(#name "(" #__VA_ARGS__ ")", syscall(SYS_##name, ##__VA_ARGS__)))
#define TITLE(text) printf("-- %s\n", text)

static void status_(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exited %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by %d%s\n", what, WTERMSIG(status), WCOREDUMP(status) ? " (core)" : "");
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else
		printf("%s: %#x\n", what, status);
}

/* Run something in a child and tell how it ended. */
#define CHILD(what, ...)                                                                               \
	do {                                                                                           \
		fflush(stdout);                                                                        \
		pid_t pid_ = fork();                                                                   \
		if (!pid_) {                                                                           \
			__VA_ARGS__;                                                                   \
			fflush(stdout);                                                                \
			_exit(0);                                                                      \
		}                                                                                      \
		int status_of_;                                                                        \
		while (waitpid(pid_, &status_of_, 0) < 0 && errno == EINTR)                            \
			;                                                                              \
		status_(what, status_of_);                                                             \
	} while (0)

#define BAD ((void *)16)
#define KERNEL ((void *)0xc0001000)

__attribute__((constructor)) static void line_by_line(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}
