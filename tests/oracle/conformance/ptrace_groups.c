#include "tracing.h"
#include <pthread.h>

static void *forever(void *unused)
{
	for (;;)
		pause();
}

static volatile int handled;

static void handler(int signo)
{
	handled = signo;
}

static void sleeps_until(char letter)
{
	while (state_of(traced) != letter)
		usleep(1000);
}

static pid_t child_that(void (*what)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		what();
		_exit(0);
	}
	traced = pid;
	return pid;
}

static void sleeps(void)
{
	signal(SIGUSR1, handler);
	for (;;)
		pause();
}

static void group_stop(void)
{
	TITLE("a group's stop");
	TRACED(for (;;) pause());
	CONT(0);
	kill(traced, SIGSTOP);
	WAIT("SIGSTOP");
	info("SIGSTOP");
	CONT(SIGSTOP);
	WAIT("stopped");
	info("stopped");
	printf("state %c\n", state_of(traced));
	CONT(0);
	sleeps_until('S');
	printf("state %c\n", state_of(traced));
	kill(traced, SIGSTOP);
	WAIT("SIGSTOP");
	CONT(SIGSTOP);
	WAIT("stopped");
	kill(traced, SIGCONT);
	printf("state %c\n", state_of(traced));
	CONT(0);
	WAIT("SIGCONT");
	info("SIGCONT");
	CONT(SIGCONT);
	sleeps_until('S');
	kill(traced, SIGSTOP);
	WAIT("SIGSTOP");
	CONT(SIGSTOP);
	WAIT("stopped");
	T(PTRACE_DETACH, traced, 0, 0);
	sleeps_until('T');
	kill(traced, SIGCONT);
	sleeps_until('S');
	kill_it();
}

static void attach_to_stopped(void)
{
	TITLE("attached while stopped");
	child_that(sleeps);
	sleeps_until('S');
	kill(traced, SIGSTOP);
	wait_for("by its parent", traced, WUNTRACED);
	T(PTRACE_ATTACH, traced, 0, 0);
	WAIT("attached");
	CONT(0);
	WAIT("the signal");
	info("the signal");
	CONT(0);
	sleeps_until('S');
	kill_it();
	TITLE("attached while it sleeps");
	child_that(sleeps);
	sleeps_until('S');
	T(PTRACE_ATTACH, traced, 0, 0);
	WAIT("attached");
	info("attached");
	printf("nr %ld eax %ld\n", registers().orig_eax, registers().eax);
	T(PTRACE_DETACH, traced, 0, 0);
	sleeps_until('S');
	T(PTRACE_ATTACH, traced, 0, 0);
	WAIT("attached");
	T(PTRACE_DETACH, traced, 0, SIGTERM);
	WAIT("ended");
}

static void seize(void)
{
	TITLE("seized");
	child_that(sleeps);
	sleeps_until('S');
	T(PTRACE_SEIZE, traced, 0, PTRACE_O_TRACESYSGOOD);
	printf("state %c\n", state_of(traced));
	T(PTRACE_CONT, traced, 0, 0);
	T(PTRACE_GETREGS, traced, 0, 0);
	T(PTRACE_LISTEN, traced, 0, 0);
	T(PTRACE_INTERRUPT, traced, 0, 0);
	WAIT("interrupted");
	info("interrupted");
	printf("nr %ld\n", registers().orig_eax);
	T(PTRACE_INTERRUPT, traced, 0, 0);
	T(PTRACE_CONT, traced, 0, 0);
	WAIT("again");
	CONT(0);
	sleeps_until('S');
	kill(traced, SIGUSR1);
	WAIT("SIGUSR1");
	T(PTRACE_LISTEN, traced, 0, 0);
	CONT(SIGUSR1);
	sleeps_until('S');
	kill(traced, SIGSTOP);
	WAIT("SIGSTOP");
	info("SIGSTOP");
	CONT(SIGSTOP);
	WAIT("stopped");
	info("stopped");
	T(PTRACE_LISTEN, traced, 0, 0);
	wait_for("listening", traced, WNOHANG);
	T(PTRACE_GETREGS, traced, 0, 0);
	T(PTRACE_CONT, traced, 0, 0);
	printf("state %c\n", state_of(traced));
	kill(traced, SIGCONT);
	WAIT("trapped");
	info("trapped");
	CONT(0);
	WAIT("SIGCONT");
	CONT(SIGCONT);
	sleeps_until('S');
	kill(traced, SIGSTOP);
	WAIT("SIGSTOP");
	CONT(SIGSTOP);
	WAIT("stopped");
	T(PTRACE_LISTEN, traced, 0, 0);
	T(PTRACE_INTERRUPT, traced, 0, 0);
	WAIT("interrupted");
	T(PTRACE_CONT, traced, 0, 0);
	sleeps_until('S');
	T(PTRACE_INTERRUPT, traced, 0, 0);
	WAIT("interrupted");
	T(PTRACE_DETACH, traced, 0, 0);
	sleeps_until('T');
	kill_it();
	TITLE("a seized one's child");
	child_that(sleeps);
	sleeps_until('S');
	kill_it();
	fflush(stdout);
	traced = fork();
	if (!traced) {
		raise(SIGSTOP);
		if (!fork())
			_exit(3);
		wait(NULL);
		_exit(4);
	}
	wait_for("stopped", traced, WUNTRACED);
	T(PTRACE_SEIZE, traced, 0, PTRACE_O_TRACEFORK);
	WAIT("seized while stopped");
	info("seized while stopped");
	kill(traced, SIGCONT);
	T(PTRACE_CONT, traced, 0, 0);
	WAIT("continued");
	CONT(0);
	WAIT("SIGCONT");
	CONT(SIGCONT);
	WAIT("fork");
	pid_t parent = traced;
	traced = message();
	WAIT("the child");
	info("the child");
	CONT(0);
	WAIT("the child");
	traced = parent;
	CONT(0);
	WAIT("SIGCHLD");
	CONT(SIGCHLD);
	WAIT("ended");
}

static void waits(void)
{
	siginfo_t s;
	int status;

	TITLE("waiting");
	TRACED(raise(SIGUSR1); syscall(SYS_gettid); _exit(5));
	memset(&s, 0, sizeof s);
	T(PTRACE_SETOPTIONS, traced, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT);
	CONT(0);
	R(waitid(P_PID, traced, &s, WSTOPPED | WNOWAIT));
	printf("signo %d code %d status %#x pid %s\n", s.si_signo, s.si_code, s.si_status, pid_name(s.si_pid));
	WAIT("once");
	wait_for("twice", traced, WNOHANG);
	CONT(0);
	R(waitid(P_PID, traced, &s, WSTOPPED));
	printf("code %d status %#x\n", s.si_code, s.si_status);
	CONT(0);
	R(waitid(P_PID, traced, &s, WEXITED));
	printf("code %d status %#x\n", s.si_code, s.si_status);
	TITLE("SIGCHLD");
	TRACED(raise(SIGUSR1); _exit(5));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct timespec none = {0};
	while (sigtimedwait(&set, NULL, &none) > 0)
		;
	CONT(0);
	sigwaitinfo(&set, &s);
	printf("code %d status %#x pid %s\n", s.si_code, s.si_status, pid_name(s.si_pid));
	WAIT("SIGUSR1");
	CONT(0);
	sigwaitinfo(&set, &s);
	printf("code %d status %#x pid %s\n", s.si_code, s.si_status, pid_name(s.si_pid));
	WAIT("ended");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void tracer_and_parent(void)
{
	int fds[2], back[2], status;
	char c;
	pid_t tracer, child;
	char path[64], text[2048] = "", *at;

	TITLE("a tracer that is not the parent");
	fflush(stdout);
	pipe(fds);
	pipe(back);
	child = child_that(sleeps);
	sleeps_until('S');
	tracer = fork();
	if (!tracer) {
		T(PTRACE_ATTACH, child, 0, 0);
		WAIT("attached");
		write(fds[1], "x", 1);
		read(back[0], &c, 1);
		T(PTRACE_CONT, child, 0, 0);
		WAIT("SIGTERM");
		T(PTRACE_CONT, child, 0, SIGTERM);
		siginfo_t s;
		waitid(P_PID, child, &s, WEXITED | WNOWAIT | __WALL);
		write(fds[1], "y", 1);
		read(back[0], &c, 1);
		WAIT("ended");
		write(fds[1], "z", 1);
		pause();
	}
	read(fds[0], &c, 1);
	snprintf(path, sizeof path, "/proc/%d/status", child);
	int fd = open(path, O_RDONLY);
	read(fd, text, sizeof text - 1);
	close(fd);
	at = strstr(text, "TracerPid:");
	printf("TracerPid is the tracer: %d\n", atoi(at + 10) == tracer);
	at = strstr(text, "State:");
	printf("%.22s\n", at);
	wait_for("the parent", child, WNOHANG | WUNTRACED);
	T(PTRACE_CONT, child, 0, 0);
	T(PTRACE_ATTACH, child, 0, 0);
	kill(child, SIGTERM);
	write(back[1], "x", 1);
	read(fds[0], &c, 1);
	wait_for("the parent", child, WNOHANG);
	printf("state %c\n", state_of(child));
	write(back[1], "y", 1);
	read(fds[0], &c, 1);
	WAIT("the parent");
	kill(tracer, SIGKILL);
	waitpid(tracer, &status, 0);

	TITLE("a tracer that ends");
	child = child_that(sleeps);
	sleeps_until('S');
	tracer = fork();
	if (!tracer) {
		T(PTRACE_ATTACH, child, 0, 0);
		WAIT("attached");
		_exit(0);
	}
	waitpid(tracer, &status, 0);
	sleeps_until('S');
	kill_it();
	child = child_that(sleeps);
	sleeps_until('S');
	tracer = fork();
	if (!tracer) {
		T(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL);
		_exit(0);
	}
	waitpid(tracer, &status, 0);
	wait_for("EXITKILL", child, 0);
}

static void threads(void)
{
	pid_t leader, tid = 0;

	TITLE("a group of two");
	TRACED({
		pthread_t t;
		pthread_create(&t, NULL, forever, NULL);
		forever(NULL);
	});
	leader = traced;
	T(PTRACE_SETOPTIONS, traced, 0, PTRACE_O_TRACECLONE);
	CONT(0);
	WAIT("clone");
	tid = message();
	CONT(0);
	traced = tid;
	WAIT("the thread");
	CONT(0);
	sleeps_until('S');
	traced = leader;
	sleeps_until('S');
	syscall(SYS_tgkill, leader, tid, SIGSTOP);
	traced = tid;
	WAIT("the thread");
	CONT(SIGSTOP);
	WAIT("the thread");
	traced = leader;
	WAIT("the leader");
	info("the leader");
	CONT(0);
	traced = tid;
	CONT(0);
	sleeps_until('S');
	kill(leader, SIGKILL);
	WAIT("the thread");
	traced = leader;
	WAIT("the leader");
}

int main(void)
{
	group_stop();
	attach_to_stopped();
	seize();
	waits();
	tracer_and_parent();
	threads();
	return 0;
}
