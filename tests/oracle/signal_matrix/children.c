/* SIGCHLD: what a child does x what the parent wants to hear x how it waits; and orphans. */
#include "matrix.h"

enum { EXIT0, EXIT3, EXIT259, TERM, KILL, SEGV, STOP, TSTP, CONTINUE, STOP_KILL, EVENTS };
static const char *const events[] = {"exit 0", "exit 3", "exit 259", "SIGTERM", "SIGKILL", "SIGSEGV", "stop", "SIGTSTP", "stop and go on", "stop and SIGKILL"};
enum { DEFAULT, IGNORE, HEAR, NOSTOP, NOWAIT, DEFAULT_NOWAIT, TAKE, FD, WISHES };
static const char *const wishes[] = {"default", "ignore", "handler", "SA_NOCLDSTOP", "SA_NOCLDWAIT", "default SA_NOCLDWAIT", "sigtimedwait", "signalfd"};

static void waits(pid_t pid)
{
	siginfo_t info;
	int status;

	for (int n = 0; n < 3; n++) {
		memset(&info, 0, sizeof info);
		long result = syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | (n ? 0 : WNOWAIT), NULL);
		tell("waitid", result);
		if (!result)
			say("(%d %d %s %d %d)", info.si_signo, info.si_code, who(info.si_pid), info.si_uid - getuid(), info.si_status);
	}
	pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED);
	say(" waitpid=%s", got < 0 ? error_name(errno) : who(got));
}

static pid_t make_child(int event)
{
	pid_t pid = spawn("child");

	if (!pid) {
		sh->ready = 1;
		while (!sh->go)
			moment();
		if (event <= EXIT259)
			_exit((int[]){0, 3, 259}[event]);
		for (;;)
			pause();
	}
	while (!sh->ready)
		moment();
	return pid;
}

/* `parent` may hear of a stop before the child goes on. */
static void make_event(pid_t pid, int event, pid_t parent)
{
	static const int sent[] = {0, 0, 0, 15, 9, 11, 19, 20, 19, 19};

	sh->go = 1;
	if (sent[event]) {
		kill(pid, sent[event]);
		while (!strchr("TZX", settle(pid)))
			moment();
	} else
		while (!strchr("ZX", settle(pid)))
			moment();
	if (event == CONTINUE) {
		if (parent)
			settle(parent);
		kill(pid, SIGCONT);
		while (settle(pid) == 'T')
			moment();
	}
	if (event == STOP_KILL) {
		kill(pid, SIGKILL);
		while (!strchr("ZX", settle(pid)))
			moment();
	}
}

static void run(int event, int wish)
{
	static const unsigned long flags[] = {0, 0, SA_SIGINFO, SA_SIGINFO | SA_NOCLDSTOP, SA_SIGINFO | SA_NOCLDWAIT, SA_NOCLDWAIT, 0, 0};
	void *handlers[] = {SIG_DFL, SIG_IGN, informed, informed, informed, SIG_DFL, SIG_DFL, SIG_DFL};
	struct timespec none = {0, 0};
	mask_t set = BIT(SIGCHLD);
	siginfo_t info;

	act(SIGCHLD, handlers[wish], flags[wish], 0);
	block(set);
	pid_t pid = make_child(event);
	make_event(pid, event, 0);
	say_set("", pending_now());
	if (wish == TAKE) {
		long got = syscall(SYS_rt_sigtimedwait, &set, &info, &none, 8);
		say(" ");
		if (got > 0)
			say_info(&info);
	}
	if (wish == FD) {
		struct signalfd_siginfo one = {0};
		int fd = syscall(SYS_signalfd4, -1, &set, 8, SFD_NONBLOCK);
		tell("read", read(fd, &one, sizeof one));
		say("(%d %d %s %d %d)", one.ssi_signo, one.ssi_code, who(one.ssi_pid), one.ssi_uid - getuid(), one.ssi_status);
	}
	unblock(set);
	waits(pid);
	block(set);
	kill(pid, SIGKILL);
}

/* The parent sleeps in wait while the child does it. */
static void in_wait(int event, int wish, int options)
{
	static const unsigned long flags[] = {0, 0, SA_SIGINFO, SA_SIGINFO | SA_NOCLDSTOP | SA_RESTART, SA_SIGINFO | SA_NOCLDWAIT, SA_NOCLDWAIT};
	void *handlers[] = {SIG_DFL, SIG_IGN, brief_info, brief_info, brief_info, SIG_DFL};
	pid_t parent = spawn("parent");

	if (!parent) {
		int status = 0;
		act(SIGCHLD, handlers[wish], flags[wish], 0);
		pid_t pid = make_child(event);
		sh->words[0] = pid;
		sh->words[1] = 1;
		pid_t got = wait4(-1, &status, options, NULL);
		say(" wait=%s", got < 0 ? error_name(errno) : who(got));
		if (got > 0)
			say_status(status);
		sh->words[2] = 1;
		block(BIT(SIGCHLD));
		kill(pid, SIGKILL);
		_exit(0);
	}
	await(&sh->words[1]);
	settle(parent);
	make_event(sh->words[0], event, parent);
	while (strchr("R", state_of(parent, parent)))
		moment();
	if (!sh->words[2] && settle(parent) == 'S') {
		say(" sleeps");
		kill(sh->words[0], SIGKILL);
	}
	reap(parent);
}

static int body(void *unused)
{
	_exit(4);
}

/* clone with another exit signal. */
static void exit_signal(int signo)
{
	static char stack[16384] __attribute__((aligned(16)));
	int status;

	/* si_band's width tells what lies behind the other fields of a real-time signal: i386 has no 64 bits */
	act(signo ? signo : 12, signo > 31 ? (void *)handler : (void *)informed, SA_SIGINFO, 0);
	act(SIGCHLD, informed, SA_SIGINFO, 0);
	block(~0ULL);
	pid_t pid = clone(body, stack + sizeof stack, signo, NULL);
	call_me(pid, "child");
	while (settle(pid) != 'Z')
		moment();
	say_set("", pending_now());
	tell("wait", waitpid(pid, &status, 0) == pid);
	tell("WCLONE", waitpid(pid, &status, __WCLONE) == pid);
	tell("WALL", waitpid(pid, &status, __WALL) == pid);
	unblock(~0ULL);
}

static void several(int count, int ignore)
{
	pid_t pids[8];

	act(SIGCHLD, informed, SA_SIGINFO, 0);
	block(BIT(SIGCHLD));
	for (int n = 0; n < count; n++) {
		char name[8];
		sprintf(name, "c%d", n);
		pids[n] = spawn(name);
		if (!pids[n])
			_exit(n);
		while (settle(pids[n]) != 'Z')
			moment();
	}
	if (ignore) {
		signal(SIGCHLD, SIG_IGN);
		say_set("", pending_now());
	}
	unblock(BIT(SIGCHLD));
	for (int n = 0; n <= count; n++) {
		int status;
		pid_t got = wait(&status);
		say(" %s", got < 0 ? error_name(errno) : who(got));
	}
}

/* --- orphans ------------------------------------------------------------------------------------------- */

/* A group whose last parent outside ends. */
static void orphans(int stopped, int handles, int how)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = spawn("parent"), child;

	if (!parent) {
		child = fork();
		if (!child) {
			call_me(getpid(), "child");
			setpgid(0, 0);
			if (handles) {
				act(SIGHUP, brief_info, SA_SIGINFO, 0);
				act(SIGCONT, brief_info, SA_SIGINFO, 0);
			}
			sh->words[0] = getpid();
			pause();
			say(" woken");
			if (how == 1) {
				kill(getpid(), SIGTSTP);
				say(" not stopped");
				kill(getpid(), SIGTTIN);
				say(" nor that");
			}
			pause();
			_exit(0);
		}
		await(&sh->words[0]);
		settle(child);
		if (stopped) {
			kill(child, SIGSTOP);
			waitpid(child, NULL, WUNTRACED);
		}
		_exit(0);
	}
	waitpid(parent, NULL, 0);
	child = sh->words[0];
	say(" child %c", settle(child));
	if (how == 2) {
		kill(child, SIGTSTP);
		say(" %c", settle(child));
		kill(child, SIGSTOP);
		say(" %c", settle(child));
		kill(child, SIGCONT);
		say(" %c", settle(child));
	}
	kill(child, SIGKILL);
	reap(child);
}

/* PR_SET_PDEATHSIG, with what the parent is and does. */
static void parent_dies(int signo, int way)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = spawn("parent"), child;

	if (!parent) {
		child = fork();
		if (!child) {
			int now = -1;
			call_me(getpid(), "child");
			act(signo, informed, SA_SIGINFO, 0);
			tell("set", prctl(PR_SET_PDEATHSIG, signo));
			prctl(PR_GET_PDEATHSIG, &now);
			say(" %d", now);
			if (way == 1) {
				act(signo, silent, SA_RESTART, 0);
				pid_t other = fork();
				if (other) {
					waitpid(other, NULL, 0);
					_exit(0);
				}
				act(signo, informed, SA_SIGINFO, 0);
				prctl(PR_GET_PDEATHSIG, &now);
				say(" after fork %d", now);
			}
			if (way == 2) {
				setresgid(5, 5, 5);
				prctl(PR_GET_PDEATHSIG, &now);
				say(" after setgid %d", now);
			}
			sh->words[0] = getpid();
			pause();
			say(" parent %s", who(getppid()));
			_exit(0);
		}
		await(&sh->words[0]);
		settle(sh->words[0]);
		_exit(0);
	}
	waitpid(parent, NULL, 0);
	child = sh->words[0];
	say(" %c", settle(child));
	kill(child, SIGKILL);
	if (way != 1)
		reap(child);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (int event = 0; event < EVENTS; event++)
		for (int wish = 0; wish < WISHES; wish++)
			CELL("%s, %s", events[event], wishes[wish]) run(event, wish);
	for (int event = 0; event < EVENTS; event++)
		for (int wish = 0; wish <= DEFAULT_NOWAIT; wish++)
			if (event == EXIT3 || event == TERM || event == STOP || event == CONTINUE) {
				CELL("%s, %s, in wait", events[event], wishes[wish]) in_wait(event, wish, 0);
				if (event >= STOP)
					CELL("%s, %s, in wait with all", events[event], wishes[wish]) in_wait(event, wish, WUNTRACED | WCONTINUED);
			}
	static const int signals[] = {0, 10, 17, 33, 64};
	for (int n = 0; n < COUNT(signals); n++)
		CELL("exit signal %d", signals[n]) exit_signal(signals[n]);
	for (int count = 1; count < 5; count++)
		CELL("%d children", count) several(count, 0);
	CELL("3 children, ignored late") several(3, 1);
	for (int stopped = 0; stopped < 2; stopped++)
		for (int handles = 0; handles < 2; handles++)
			for (int how = 0; how < 3; how++)
				CELL("orphans%s%s %d", stopped ? " stopped" : "", handles ? " handling" : "", how)
					orphans(stopped, handles, how);
	static const int deaths[] = {0, 1, 10, 34, 64, 65};
	for (int n = 0; n < COUNT(deaths); n++)
		CELL("PDEATHSIG %d", deaths[n]) parent_dies(deaths[n], 0);
	CELL("PDEATHSIG is not inherited") parent_dies(10, 1);
	CELL("PDEATHSIG and setgid") parent_dies(10, 2);
}
