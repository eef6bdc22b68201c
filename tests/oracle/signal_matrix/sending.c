/* Every signal x disposition x blocked or not, sent by the process itself or by its parent. */
#include "matrix.h"

enum { DEFAULT, IGNORE, HANDLER, INFORMED, DISPOSITIONS };
static const char *const dispositions[] = {"default", "ignore", "handler", "siginfo"};
#define END 63 /* the signal by which the sender ends the target's pause */

static const int signals[] = {1,  2,  3,  4,  5,  6,	7,  8,	9,  10, 11, 12, 13, 14, 15, 16, 17, 18,
			      19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 50, 64};

static void dispose(int signo, int disposition)
{
	void *handlers[] = {SIG_DFL, SIG_IGN, handler, informed};

	if (act(signo, handlers[disposition], disposition == INFORMED ? SA_SIGINFO : 0, 0) < 0)
		say(" action=%s", error_name(errno));
}


static void from_parent(int signo, int disposition, int blocked)
{
	pid_t pid = spawn("target");

	if (!pid) {
		dispose(signo, disposition);
		if (blocked)
			block(BIT(signo));
		act(END, brief, 0, 0);
		sh->ready = 1;
		tell("pause", syscall(SYS_pause));
		if (blocked) {
			say_set("pending", pending_now());
			unblock(BIT(signo));
			say_set("then", pending_now());
		}
		_exit(7);
	}
	asleep(pid);
	kill(pid, signo);
	if (settle(pid) == 'T') {
		say_stopped(pid);
		kill(pid, SIGCONT);
		settle(pid);
	}
	say(" |");
	kill(pid, END);
	if (settle(pid) == 'T') {
		say_stopped(pid);
		kill(pid, SIGCONT);
	}
	reap(pid);
}

static void from_self(int signo, int disposition, int blocked)
{
	pid_t pid = spawn("target");

	if (!pid) {
		dispose(signo, disposition);
		if (blocked)
			block(BIT(signo));
		tell("kill", kill(getpid(), signo));
		if (blocked) {
			say_set("pending", pending_now());
			unblock(BIT(signo));
			say_set("then", pending_now());
		}
		_exit(7);
	}
	if (settle(pid) == 'T') {
		say_stopped(pid);
		kill(pid, SIGCONT);
	}
	reap(pid);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (int n = 0; n < COUNT(signals); n++)
		for (int disposition = 0; disposition < DISPOSITIONS; disposition++)
			for (int blocked = 0; blocked < 2; blocked++) {
				CELL("%d %s%s, by itself", signals[n], dispositions[disposition],
				     blocked ? " blocked" : "")
					from_self(signals[n], disposition, blocked);
				CELL("%d %s%s, by the parent", signals[n], dispositions[disposition],
				     blocked ? " blocked" : "")
					from_parent(signals[n], disposition, blocked);
			}
}
