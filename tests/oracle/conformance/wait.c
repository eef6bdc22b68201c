#include "conf.h"

static void info(const char *what, int got, siginfo_t *s)
{
	printf("%s = %d: signo %d errno %d code %d pid %s uid %d status %d\n", what, got, s->si_signo, s->si_errno,
	       s->si_code, s->si_pid > 0 ? "child" : "0", (int)(s->si_uid - getuid()) * !!s->si_pid, s->si_status);
}

int main(void)
{
	int st = 0x5a5a, pid, pid2;
	siginfo_t s;
	struct rusage usage;

	TITLE("no children");
	R(wait(&st));
	R(waitpid(-1, &st, WNOHANG));
	R(waitpid(getpid(), &st, 0));
	R(waitpid(1, &st, 0));
	R(waitpid(999999, &st, 0));
	R(waitpid(0, &st, 0));
	R(waitpid(-999999, &st, 0));
	S(waitpid, -1, &st, 0x1000);
	S(wait4, -1, &st, 0x80, 0);
	S(wait4, -1, &st, WEXITED, 0);
	S(wait4, 0x80000000, &st, 0, 0);
	S(waitid, P_ALL, 0, &s, 0, 0);
	S(waitid, P_ALL, 0, &s, WNOHANG, 0);
	S(waitid, P_ALL, 0, &s, WEXITED, 0);
	S(waitid, P_ALL, -5, &s, WEXITED, 0);
	S(waitid, P_PID, 0, &s, WEXITED, 0);
	S(waitid, P_PID, -1, &s, WEXITED, 0);
	S(waitid, P_PGID, -1, &s, WEXITED, 0);
	S(waitid, P_PGID, 0, &s, WEXITED, 0);
	S(waitid, 9, 0, &s, WEXITED, 0);
	S(waitid, P_ALL, 0, &s, WEXITED | 0x100, 0);
	printf("status untouched: %#x\n", st);

	TITLE("exit statuses");
	for (int n = -1; n < 1024; n += 257) {
		if (!(pid = fork()))
			_exit(n);
		printf("%d\n", waitpid(pid, &st, 0) == pid);
		status_("exit", st);
	}
	for (int n = 1; n < 65; n++) {
		fflush(stdout);
		if (!(pid = fork())) {
			setpgid(0, 0); /* whose parent is of another group: not orphaned */
			raise(n);
			_exit(77);
		}
		waitpid(pid, &st, WUNTRACED);
		printf("signal %d ", n);
		status_("child", st);
		if (WIFSTOPPED(st)) {
			kill(pid, SIGKILL);
			waitpid(pid, &st, 0);
			status_("then", st);
		}
	}

	TITLE("options");
	pid = fork();
	if (!pid) {
		pause();
		_exit(1);
	}
	R(waitpid(pid, &st, WNOHANG));
	R(waitpid(-1, &st, WNOHANG));
	R(waitpid(0, &st, WNOHANG));
	S(waitpid, pid, &st, WNOHANG | __WCLONE);
	S(waitpid, pid, &st, WNOHANG | __WALL);
	S(waitpid, -1, &st, WNOHANG | __WNOTHREAD);
	memset(&s, 0xff, sizeof s);
	printf("waitid %d: %d %d %d\n", waitid(P_PID, pid, &s, WNOHANG | WEXITED), s.si_signo, s.si_pid, s.si_status);
	kill(pid, SIGSTOP);
	memset(&s, 0, sizeof s);
	info("waitid stopped nowait", waitid(P_PID, pid, &s, WSTOPPED | WNOWAIT), &s);
	R(waitpid(pid, &st, WNOHANG));
	printf("%d ", waitpid(pid, &st, WUNTRACED) == pid);
	status_("stopped", st);
	R(waitpid(pid, &st, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	memset(&s, 0, sizeof s);
	info("waitid continued", waitid(P_PID, pid, &s, WCONTINUED | WNOWAIT), &s);
	printf("%d ", waitpid(pid, &st, WCONTINUED) == pid);
	status_("continued", st);
	R(waitpid(pid, &st, WCONTINUED | WNOHANG));
	kill(pid, SIGTERM);
	memset(&s, 0, sizeof s);
	info("waitid killed nowait", waitid(P_PID, pid, &s, WEXITED | WNOWAIT), &s);
	info("waitid killed", waitid(P_ALL, 0, &s, WEXITED), &s);
	S(waitid, P_PID, pid, &s, WEXITED, 0);

	TITLE("groups");
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(pid, pid);
	pid2 = fork();
	if (!pid2)
		_exit(4);
	printf("%d ", waitpid(-pid, &st, 0) == pid);
	status_("of its group", st);
	R(waitpid(-pid, &st, 0));
	printf("%d ", waitpid(0, &st, 0) == pid2);
	status_("of mine", st);

	TITLE("bad addresses");
	if (!(pid = fork()))
		_exit(5);
	S(wait4, pid, BAD, 0, 0);
	R(waitpid(pid, &st, 0));
	if (!(pid = fork()))
		_exit(5);
	S(waitid, P_PID, pid, BAD, WEXITED, 0);
	R(waitpid(pid, &st, 0));
	if (!(pid = fork()))
		_exit(5);
	S(wait4, pid, &st, 0, BAD);
	status_("written before", st);
	if (!(pid = fork()))
		_exit(6);
	printf("%d\n", wait4(pid, NULL, 0, &usage) == pid);

	TITLE("orphans, order");
	int ends[2];
	pipe(ends);
	if (!(pid = fork())) {
		if (!fork()) {
			close(ends[0]);
			while (getppid() == pid)
				;
			usleep(30000);
			char one = getppid() == 1 ? '1' : 'p';
			write(ends[1], "1", 1);
			_exit(one == 'x');
		}
		_exit(0);
	}
	close(ends[1]);
	waitpid(pid, &st, 0);
	char c = 0;
	R(read(ends[0], &c, 1));
	R(read(ends[0], &c, 1));
	R(wait(&st));

	TITLE("SIGCHLD ignored: no zombies");
	signal(SIGCHLD, SIG_IGN);
	if (!(pid = fork()))
		_exit(1);
	R(waitpid(pid, &st, 0));
	signal(SIGCHLD, SIG_DFL);
	struct sigaction act = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	sigaction(SIGCHLD, &act, NULL);
	if (!(pid = fork()))
		_exit(1);
	R(waitpid(pid, &st, 0));
	return 0;
}
