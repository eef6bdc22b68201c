#include "tracing.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static pid_t first, second;

static const char *who(pid_t pid)
{
	return pid == first ? "T" : pid == second ? "child" : "another";
}

/* Go on, wait for any traced task, tell of its stop. */
static int next(int request, pid_t pid, int signo)
{
	int status;
	pid_t got;

	if (pid)
		TRACE(request, pid, 0, signo);
	got = waitpid(-1, &status, __WALL);
	if (got < 0) {
		printf("wait: %s\n", error_name(errno));
		return -1;
	}
	if (got != first && !second)
		second = got;
	printf("%s: ", who(got));
	if (WIFSTOPPED(status))
		printf("stopped by %#x, event %d\n", WSTOPSIG(status), status >> 16);
	else
		status_("ended", status);
	traced = got;
	return status;
}

#define BEGIN(...)                                                                                     \
	do {                                                                                           \
		TRACED(__VA_ARGS__);                                                                   \
		first = traced;                                                                        \
		second = 0;                                                                            \
	} while (0)

static void at_calls(void)
{
	struct user_regs_struct u;
	struct __ptrace_syscall_info i;

	TITLE("system calls");
	BEGIN({
		errno = 0;
		long value = syscall(SYS_getpriority, 99, 0);
		printf("child: %ld %s\n", value, error_name(errno));
		printf("child: %ld\n", syscall(SYS_umask, 022));
		printf("child: %ld\n", syscall(SYS_umask, 077));
		value = syscall(12345, 1, 2);
		printf("child: %ld %s\n", value, error_name(errno));
		value = syscall(SYS_dup, 77);
		printf("child: %ld %s\n", value, error_name(errno));
		value = syscall(SYS_getpgid, -1);
		printf("child: %ld %s\n", value, error_name(errno));
		_exit(5);
	});
	next(PTRACE_SYSCALL, first, 0);
	info("without TRACESYSGOOD");
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESYSGOOD);
	for (int n = 0; n < 60; n++) {
		int status = next(PTRACE_SYSCALL, first, 0);

		if (!WIFSTOPPED(status))
			break;
		u = registers();
		long size = TRACE(PTRACE_GET_SYSCALL_INFO, first, sizeof i, &i);
		printf("nr %ld, op %d, size %ld, ", u.orig_eax, i.op, size);
		if (u.orig_eax == SYS_write || u.orig_eax == SYS_exit_group) {
			printf("\n");
			continue;
		}
		if (i.op == PTRACE_SYSCALL_INFO_ENTRY) {
			printf("eax %ld args %llx %llx, message %ld\n", u.eax, (long long)i.entry.args[0] & 0xffffffff,
			       (long long)i.entry.args[1] & 0xfff, message());
			if (u.orig_eax == SYS_umask && u.ebx == 077) { /* another argument */
				u.ebx = 0;
				TRACE(PTRACE_SETREGS, first, 0, &u);
			} else if (u.orig_eax == SYS_dup) { /* another call */
				u.orig_eax = SYS_umask;
				TRACE(PTRACE_SETREGS, first, 0, &u);
			} else if (u.orig_eax == SYS_getpgid) { /* none */
				u.orig_eax = -1;
				u.eax = 4242;
				TRACE(PTRACE_SETREGS, first, 0, &u);
			}
		} else {
			printf("eax %ld, result %lld, error %d, message %ld\n", u.eax, (long long)i.exit.rval,
			       i.exit.is_error, message());
			if (u.orig_eax == SYS_getpriority) {
				u.eax = 17;
				TRACE(PTRACE_SETREGS, first, 0, &u);
			}
		}
	}
	TITLE("an interrupted call");
	BEGIN({
		int fds[2];
		char c;
		signal(SIGUSR1, SIG_IGN);
		pipe(fds);
		write(fds[1], "x", 1);
		read(fds[0], &c, 1);
		kill(getppid(), SIGUSR2);
		long value = read(fds[0], &c, 1);
		printf("child: %ld %s\n", value, error_name(errno));
	});
	signal(SIGUSR2, SIG_IGN);
	CONT(0);
	while (state_of(first) != 'S')
		usleep(1000);
	kill(first, SIGUSR1);
	next(0, 0, 0);
	u = registers();
	printf("nr %ld eax %ld\n", u.orig_eax, u.eax);
	TRACE(PTRACE_CONT, first, 0, SIGUSR1);
	while (state_of(first) != 'S')
		usleep(1000);
	kill(first, SIGUSR1);
	next(0, 0, 0);
	u = registers();
	printf("nr %ld eax %ld\n", u.orig_eax, u.eax);
	u.orig_eax = -1;
	u.eax = -EINTR;
	TRACE(PTRACE_SETREGS, first, 0, &u);
	next(PTRACE_CONT, first, 0);
	TITLE("emulated calls");
	BEGIN({
		printf("child: %ld\n", syscall(SYS_getppid));
		_exit(3);
	});
	for (int n = 0; n < 3; n++) {
		next(PTRACE_SYSEMU, first, 0);
		u = registers();
		printf("nr %ld eax %ld\n", u.orig_eax, u.eax);
		if (u.orig_eax == SYS_getppid) {
			u.eax = 1234;
			TRACE(PTRACE_SETREGS, first, 0, &u);
			next(PTRACE_CONT, first, 0);
			break;
		}
	}
	signal(SIGUSR2, SIG_DFL);
}

static void forks(void)
{
	int status;

	TITLE("fork");
	BEGIN({
		pid_t pid = fork();
		if (!pid)
			_exit(4);
		int status;
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	});
	T(PTRACE_SETOPTIONS, first, 0,
	  PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT);
	TRACE(PTRACE_CONT, first, 0, 0);
	wait_for("fork", first, 0);
	traced = first;
	info("fork");
	second = message();
	printf("nr %ld eax %ld\n", registers().orig_eax, registers().eax);
	traced = second;
	WAIT("the child");
	info("the child");
	printf("eax %ld\n", registers().eax);
	TRACE(PTRACE_CONT, second, 0, 0);
	WAIT("the child");
	printf("message %#lx\n", message());
	TRACE(PTRACE_CONT, second, 0, 0);
	WAIT("the child");
	TRACE(PTRACE_CONT, first, 0, 0);
	traced = first;
	status = WAIT("the parent");
	if (status >> 8 == SIGCHLD) {
		CONT(0);
		WAIT("the parent");
	}
	printf("message %#lx\n", message());
	CONT(0);
	WAIT("the parent");

	TITLE("vfork");
	BEGIN({
		if (!vfork())
			_exit(6);
		_exit(7);
	});
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
	CONT(0);
	WAIT("vfork");
	second = message();
	printf("state %c\n", state_of(first));
	traced = second;
	WAIT("the child");
	CONT(0);
	WAIT("the child");
	traced = first;
	CONT(0);
	status = WAIT("done");
	if (WSTOPSIG(status) == SIGCHLD) {
		CONT(0);
		WAIT("done");
	}
	printf("message is the child: %d\n", message() == second);
	CONT(0);
	status = WAIT("ends");
	if (WIFSTOPPED(status)) {
		CONT(0);
		WAIT("ends");
	}

	TITLE("without options the child is free");
	BEGIN({
		pid_t pid = fork();
		if (!pid)
			_exit(4);
		int status;
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	});
	CONT(0);
	status = WAIT("SIGCHLD");
	CONT(0);
	WAIT("ends");
	TITLE("CLONE_PTRACE");
	BEGIN({
		pid_t pid = syscall(SYS_clone, CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);
		if (!pid)
			_exit(4);
		sleep(100);
	});
	CONT(0);
	next(0, 0, 0);
	next(PTRACE_CONT, second, 0);
	next(0, 0, 0);
	traced = first;
	kill_it();
}

static void *thread(void *unused)
{
	return NULL;
}

static void threads(void)
{
	pid_t tid;

	TITLE("a thread");
	BEGIN({
		pthread_t t;
		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
		_exit(9);
	});
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	CONT(0);
	WAIT("clone");
	tid = traced = message();
	WAIT("the thread");
	info("the thread");
	CONT(0);
	WAIT("the thread");
	CONT(0);
	WAIT("the thread");
	traced = first;
	CONT(0);
	WAIT("the process");
	printf("message %#lx\n", message());
	CONT(0);
	WAIT("the process");
}

static void executes(void)
{
	int status;

	TITLE("exec");
	BEGIN({
		execl("/proc/self/exe", "x", "exit", NULL);
		_exit(1);
	});
	CONT(0);
	WAIT("exec");
	info("exec");
	CONT(0);
	WAIT("ends");
	BEGIN({
		execl("/proc/self/exe", "x", "exit", NULL);
		_exit(1);
	});
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
	CONT(0);
	WAIT("exec");
	info("exec");
	printf("message %d, nr %ld\n", message() == first, registers().orig_eax);
	TRACE(PTRACE_SYSCALL, first, 0, 0);
	WAIT("its end");
	printf("nr %ld eax %ld\n", registers().orig_eax, registers().eax);
	CONT(0);
	WAIT("ends");
	BEGIN({
		execl("/no/such/file", "x", NULL);
		_exit(errno);
	});
	CONT(0);
	WAIT("fails");
}

static void filters(void)
{
	struct user_regs_struct u;

	TITLE("seccomp");
	for (int round = 0; round < 2; round++) {
		BEGIN({
			struct sock_filter f[] = {
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_umask, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 77),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
			};
			struct sock_fprog p = {4, f};
			long value;
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
			errno = 0;
			value = syscall(SYS_umask, 022);
			printf("child: %ld %s\n", value, error_name(errno));
			value = syscall(SYS_umask, 022);
			printf("child: %ld %s\n", value, error_name(errno));
		});
		if (round) {
			T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
			CONT(0);
			WAIT("seccomp");
			printf("message %ld, nr %ld eax %ld\n", message(), registers().orig_eax, registers().eax);
			info("seccomp");
			CONT(0);
			WAIT("seccomp");
			u = registers();
			u.orig_eax = -1;
			u.eax = 55;
			TRACE(PTRACE_SETREGS, first, 0, &u);
		}
		CONT(0);
		WAIT("ends");
	}
}

static void ends(void)
{
	TITLE("killed");
	BEGIN(for (;;) pause());
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACEEXIT);
	CONT(0);
	kill(first, SIGTERM);
	WAIT("SIGTERM");
	CONT(SIGTERM);
	WAIT("exit");
	printf("message %#lx\n", message());
	CONT(0);
	WAIT("ended");
	BEGIN(for (;;) pause());
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACEEXIT);
	kill(first, SIGKILL);
	WAIT("exit");
	printf("message %#lx\n", message());
	CONT(0);
	WAIT("ended");
	BEGIN(for (;;) pause());
	T(PTRACE_KILL, first, 0, 0);
	WAIT("PTRACE_KILL");
	TITLE("exit");
	BEGIN(syscall(SYS_exit, 33));
	T(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACEEXIT);
	CONT(0);
	WAIT("exit");
	printf("message %#lx nr %ld\n", message(), registers().orig_eax);
	info("exit");
	CONT(0);
	WAIT("ended");
	TITLE("detached");
	BEGIN({
		raise(SIGSTOP);
		_exit(8);
	});
	CONT(0);
	WAIT("SIGSTOP");
	T(PTRACE_DETACH, first, 0, 0);
	WAIT("ends");
	BEGIN(raise(SIGSTOP));
	T(PTRACE_DETACH, first, 0, SIGTERM);
	WAIT("ends");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		_exit(44);
	at_calls();
	forks();
	threads();
	executes();
	filters();
	ends();
	return 0;
}
