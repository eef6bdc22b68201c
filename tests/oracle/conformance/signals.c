#include "conf.h"

static volatile int count, last, depth, deepest;
static volatile siginfo_t info;

static void counting(int signo)
{
	count++;
	last = signo;
}

static void telling(int signo, siginfo_t *s, void *context)
{
	ucontext_t *u = context;

	printf("  signal %d code %d errno %d", signo, s->si_code, s->si_errno);
	if (s->si_code == SI_USER || s->si_code == SI_TKILL)
		printf(" pid %s uid %d", s->si_pid == getpid() ? "mine" : "other", s->si_uid - getuid());
	if (s->si_code == SI_QUEUE)
		printf(" value %d", s->si_value.sival_int);
	printf(", mask then %d, flags %#lx, link %d, stack %d\n", sigismember(&u->uc_sigmask, SIGUSR2), u->uc_flags & ~1,
	       u->uc_link != NULL, u->uc_stack.ss_flags);
}

static void nested(int signo)
{
	sigset_t set;

	depth++;
	if (depth > deepest)
		deepest = depth;
	sigprocmask(SIG_BLOCK, NULL, &set);
	printf("  in %d at depth %d: USR1 %d USR2 %d\n", signo, depth, sigismember(&set, SIGUSR1),
	       sigismember(&set, SIGUSR2));
	if (signo == SIGUSR1 && depth == 1)
		raise(SIGUSR2);
	if (signo == SIGUSR2 && depth < 3)
		raise(SIGUSR2);
	depth--;
}

static void handle(int signo, void *handler, int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};

	sigaction(signo, &act, NULL);
}

int main(void)
{
	sigset_t set, old;
	struct sigaction act, before;
	int ends[2];
	char c;
	pid_t pid;

	TITLE("sigaction's arguments");
	R(sigaction(0, NULL, &before));
	R(sigaction(65, NULL, &before));
	R(sigaction(-1, NULL, &before));
	R(sigaction(SIGKILL, NULL, &before));
	memset(&act, 0, sizeof act);
	act.sa_handler = SIG_IGN;
	R(sigaction(SIGKILL, &act, NULL));
	R(sigaction(SIGSTOP, &act, NULL));
	S(rt_sigaction, SIGUSR1, 0, 0, 8);
	S(rt_sigaction, SIGUSR1, 0, 0, 4);
	S(rt_sigaction, SIGUSR1, BAD, 0, 8);
	S(rt_sigaction, SIGUSR1, 0, BAD, 8);
	act.sa_handler = counting;
	act.sa_flags = SA_RESTART | SA_NODEFER;
	sigfillset(&act.sa_mask);
	R(sigaction(SIGUSR1, &act, NULL));
	R(sigaction(SIGUSR1, NULL, &before));
	unsigned long raw[5] = {0};
	S(rt_sigaction, SIGUSR1, 0, raw, 8);
	printf("%d flags %#lx mask %#lx %#lx\n", raw[0] == (unsigned long)counting, raw[1] & ~0x4000000, raw[3], raw[4]);
	R((long)signal(SIGUSR1, SIG_DFL) == (long)counting);
	S(rt_sigaction, SIGUSR1, 0, raw, 8);
	printf("flags %#lx mask %#lx %#lx\n", raw[1] & ~0x4000000, raw[3], raw[4]);
	S(signal, SIGKILL, 1);
	S(signal, SIGUSR1, 1);
	S(signal, SIGUSR1, 0);
	S(sigaction, SIGUSR1, 0, 0);
	S(sigaction, 70, 0, 0);

	TITLE("masks");
	S(rt_sigprocmask, 9, 0, &old, 8);
	sigemptyset(&set);
	S(rt_sigprocmask, 9, &set, &old, 8);
	S(rt_sigprocmask, SIG_BLOCK, &set, &old, 16);
	S(rt_sigprocmask, SIG_BLOCK, BAD, &old, 8);
	S(rt_sigprocmask, SIG_BLOCK, &set, BAD, 8);
	sigfillset(&set);
	S(rt_sigprocmask, SIG_BLOCK, &set, 0, 8);
	S(rt_sigprocmask, SIG_SETMASK, 0, &old, 8);
	printf("KILL %d STOP %d TERM %d RT %d\n", sigismember(&old, SIGKILL), sigismember(&old, SIGSTOP),
	       sigismember(&old, SIGTERM), sigismember(&old, 64));
	unsigned mask = 0;
	S(sigprocmask, SIG_SETMASK, &mask, &mask);
	printf("%#x\n", mask);
	S(rt_sigprocmask, SIG_SETMASK, 0, &old, 8);
	printf("RT still %d\n", sigismember(&old, 64));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	S(sgetmask);
	S(ssetmask, 0xffffffff);
	S(sgetmask);
	S(ssetmask, 0);

	TITLE("pending");
	handle(SIGUSR1, counting, 0);
	handle(SIGRTMIN, counting, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int n = 0; n < 3; n++) {
		kill(getpid(), SIGUSR1);
		kill(getpid(), SIGRTMIN);
	}
	sigpending(&old);
	printf("pending %d %d, counted %d\n", sigismember(&old, SIGUSR1), sigismember(&old, SIGRTMIN), count);
	S(rt_sigpending, &old, 4);
	S(rt_sigpending, &old, 9);
	S(rt_sigpending, BAD, 8);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("counted %d, last %d\n", count, last);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&old);
	printf("ignored: pending %d\n", sigismember(&old, SIGUSR1));
	raise(SIGUSR1);
	sigpending(&old);
	printf("blocked and ignored: pending %d\n", sigismember(&old, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);

	TITLE("kill's arguments");
	R(kill(getpid(), 0));
	R(kill(getpid(), 65));
	R(kill(getpid(), -1));
	R(kill(999999, 0));
	R(kill(-999999, 0));
	R(kill(0, 0));
	S(tkill, getpid(), 0);
	S(tkill, 0, 0);
	S(tkill, -1, 0);
	S(tgkill, getpid(), getpid(), 0);
	S(tgkill, getpid(), 999999, 0);
	S(tgkill, 999999, getpid(), 0);
	S(tgkill, 0, getpid(), 0);
	S(tgkill, getpid(), -1, 0);

	TITLE("information");
	act.sa_sigaction = telling;
	act.sa_flags = SA_SIGINFO;
	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGRTMIN + 1, &act, NULL);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	R(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 77}));
	R(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 78}));
	R(sigqueue(getpid(), 99, (union sigval){.sival_int = 78}));
	siginfo_t forged = {.si_signo = SIGUSR1, .si_code = SI_USER};
	S(rt_sigqueueinfo, getpid(), SIGUSR1, &forged);
	S(rt_sigqueueinfo, getppid(), SIGUSR1, &forged);
	forged.si_code = SI_QUEUE;
	S(rt_sigqueueinfo, getpid(), SIGUSR1, BAD);
	act.sa_flags |= SA_ONSTACK;
	sigaction(SIGUSR1, &act, NULL);
	static char room[32768];
	stack_t stack = {.ss_sp = room, .ss_size = sizeof room}, kept;
	R(sigaltstack(&stack, &kept));
	printf("before: flags %d\n", kept.ss_flags);
	raise(SIGUSR1);
	R(sigaltstack(NULL, &kept));
	printf("%d %d %d\n", kept.ss_sp == room, kept.ss_size, kept.ss_flags);
	stack.ss_size = 100;
	R(sigaltstack(&stack, NULL));
	stack.ss_size = 2047;
	S(sigaltstack, &stack, 0);
	stack.ss_flags = 7;
	R(sigaltstack(&stack, NULL));
	stack.ss_flags = SS_DISABLE;
	R(sigaltstack(&stack, NULL));
	S(sigaltstack, BAD, 0);
	S(sigaltstack, 0, BAD);

	TITLE("nesting");
	memset(&act, 0, sizeof act);
	act.sa_handler = nested;
	sigaction(SIGUSR1, &act, NULL);
	act.sa_flags = SA_NODEFER;
	sigaction(SIGUSR2, &act, NULL);
	raise(SIGUSR1);
	act.sa_flags = 0;
	sigaddset(&act.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	printf("deepest %d\n", deepest);
	act.sa_flags = SA_RESETHAND;
	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &before);
	printf("reset: %d\n", before.sa_handler == SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	handle(SIGUSR1, nested, 0);
	handle(SIGUSR2, nested, 0);
	depth = 5;
	raise(SIGUSR2);
	raise(SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);

	TITLE("suspend");
	count = 0;
	handle(SIGUSR1, counting, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigemptyset(&old);
	R(sigsuspend(&old));
	printf("counted %d\n", count);
	sigprocmask(SIG_BLOCK, NULL, &old);
	printf("mask back: %d\n", sigismember(&old, SIGUSR1));
	S(rt_sigsuspend, &old, 4);
	S(rt_sigsuspend, BAD, 8);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (!(pid = fork())) {
		usleep(20000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	R(pause());
	waitpid(pid, NULL, 0);

	TITLE("timed waiting");
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct timespec none = {0, 0}, some = {0, 20000000}, bad = {0, 1000000000}, negative = {-1, 0};
	siginfo_t got;
	R(sigtimedwait(&set, &got, &none));
	R(sigtimedwait(&set, &got, &some));
	R(sigtimedwait(&set, &got, &bad));
	R(sigtimedwait(&set, &got, &negative));
	raise(SIGUSR2);
	kill(getpid(), SIGUSR1);
	R(sigtimedwait(&set, &got, &some));
	printf("code %d\n", got.si_code);
	R(sigwaitinfo(&set, &got));
	printf("code %d\n", got.si_code);
	handle(SIGALRM, counting, SA_RESTART);
	if (!(pid = fork())) {
		usleep(20000);
		kill(getppid(), SIGALRM);
		usleep(20000);
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	R(sigwaitinfo(&set, &got));
	R(sigwaitinfo(&set, &got));
	waitpid(pid, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);

	TITLE("interrupted calls");
	pipe(ends);
	for (int flags = 0;; flags = SA_RESTART) {
		handle(SIGUSR1, counting, flags);
		printf("restart %d\n", flags != 0);
		if (!(pid = fork())) {
			usleep(30000);
			kill(getppid(), SIGUSR1);
			usleep(30000);
			write(ends[1], "x", 1);
			_exit(4);
		}
		R(read(ends[0], &c, 1));
		if (!flags)
			R(read(ends[0], &c, 1));
		int st = 0;
		int w;
		while ((w = waitpid(pid, &st, 0)) < 0)
			printf("%s\n", error_name(errno));
		status_("child", st);
		if (!(pid = fork())) {
			usleep(30000);
			kill(getppid(), SIGUSR1);
			usleep(30000);
			_exit(5);
		}
		while ((w = waitpid(pid, &st, 0)) < 0)
			printf("waitpid %s\n", error_name(errno));
		status_("child", st);
		if (!(pid = fork())) {
			usleep(30000);
			kill(getppid(), SIGUSR1);
			_exit(5);
		}
		struct timespec long_one = {5, 0}, left = {9, 9};
		R(nanosleep(&long_one, &left));
		printf("left %ld\n", left.tv_sec);
		waitpid(pid, &st, 0);
		if (!(pid = fork())) {
			usleep(30000);
			kill(getppid(), SIGUSR1);
			_exit(5);
		}
		R(pause());
		waitpid(pid, &st, 0);
		if (flags)
			break;
	}
	printf("counted %d\n", count);
	handle(SIGCHLD, counting, 0);
	if (!(pid = fork()))
		_exit(6);
	int st, w = waitpid(pid, &st, 0);
	printf("SIGCHLD does not interrupt its own wait: %d\n", w == pid);
	signal(SIGCHLD, SIG_DFL);

	TITLE("stopping and going on");
	handle(SIGCONT, counting, 0);
	if (!(pid = fork())) {
		struct timespec t = {0, 100000000};
		int r = nanosleep(&t, NULL);
		printf("sleep over a stop = %d %s\n", r, r ? error_name(errno) : "");
		_exit(0);
	}
	usleep(20000);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	status_("child", st);
	kill(pid, SIGCONT);
	waitpid(pid, &st, 0);
	status_("child", st);
	signal(SIGCONT, SIG_DFL);
	if (!(pid = fork())) {
		struct timespec t = {0, 60000000};
		int r = nanosleep(&t, NULL);
		printf("without a handler = %d %s\n", r, r ? error_name(errno) : "");
		_exit(0);
	}
	usleep(20000);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGTERM);
	usleep(10000);
	R(waitpid(pid, &st, WNOHANG));
	kill(pid, SIGCONT);
	waitpid(pid, &st, 0);
	status_("child", st);
	return 0;
}
