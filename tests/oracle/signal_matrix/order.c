/* Several signals at once: which comes first, how often, with what; drawn by a fixed generator. */
#include "matrix.h"

static unsigned seed;
static unsigned draw(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

static const int choice[] = {1, 4, 5, 8, 10, 11, 12, 15, 17, 23, 31, 34, 35, 64};
enum { HANDLERS, INFOS, NESTED, TIMEDWAIT, SIGNALFD, ONE_BY_ONE, MIXED, WAYS };
static const char *const ways[] = {"handlers", "SA_SIGINFO", "SA_NODEFER and sa_mask", "sigtimedwait", "signalfd", "unblocked one by one", "some default"};

static void nested(int signo)
{
	say(" [%d", signo);
	say_set("", blocked_now());
	moment();
	say("]");
}

static void send(int signo, int how, int value)
{
	int pid = getpid();

	switch (how) {
	case 0:
		kill(pid, signo);
		break;
	case 1:
		tkill_(gettid_(), signo);
		break;
	case 2:
		queue_value(pid, signo, SI_QUEUE, value);
		break;
	case 3:
		queue_value(pid, signo, 11, value); /* as if the processor had raised it: to oneself that is allowed */
		break;
	}
}

static void run(int number, int way)
{
	mask_t all = 0, set;
	siginfo_t info;
	int fd, count;
	struct timespec none = {0, 0};
	pid_t pid = spawn("target");

	if (pid) {
		reap(pid);
		return;
	}
	seed = number * 7919 + way;
	for (int n = 0; n < COUNT(choice); n++)
		all |= BIT(choice[n]);
	block(all);
	for (int n = 0; n < COUNT(choice); n++) {
		if (way == HANDLERS)
			act(choice[n], brief, 0, 0);
		else if (way == NESTED)
			act(choice[n], nested, draw(2) ? SA_NODEFER : 0, BIT(choice[draw(COUNT(choice))]) | BIT(choice[draw(COUNT(choice))]));
		else if (way == MIXED && draw(3) == 0)
			act(choice[n], SIG_DFL, 0, 0);
		else
			act(choice[n], brief_info, SA_SIGINFO, 0);
	}
	count = 3 + draw(8);
	say(" sent");
	for (int n = 0; n < count; n++) {
		int signo = choice[draw(COUNT(choice))], how = draw(number % 3 == 2 ? 4 : 3);
		say(" %d%c", signo, "ktqs"[how]);
		send(signo, how, n + 1);
	}
	say(":");
	if (way == TIMEDWAIT) {
		while (syscall(SYS_rt_sigtimedwait, &all, &info, &none, 8) > 0) {
			say(" (");
			say_info(&info);
			say(")");
		}
		tell("", -1);
	} else if (way == SIGNALFD) {
		struct signalfd_siginfo got[3];
		int size;
		fd = syscall(SYS_signalfd4, -1, &all, 8, SFD_NONBLOCK);
		while ((size = read(fd, got, sizeof got)) > 0)
			for (int n = 0; n < size / (int)sizeof *got; n++)
				say(" (%d code %d pid %s value %d)", got[n].ssi_signo, got[n].ssi_code, who(got[n].ssi_pid), got[n].ssi_int);
		tell("", -1);
	} else if (way == ONE_BY_ONE) {
		for (int n = COUNT(choice); n-- > 0;)
			unblock(BIT(choice[n]));
	} else {
		unblock(all);
	}
	say_set(" left", pending_now());
	_exit(3);
}

/* A process stopped while signals come to it: what is done when it goes on. */
static void stopped(int number)
{
	pid_t pid = spawn("target");
	static const int some[] = {1, 10, 12, 15, 18, 20, 21, 22, 34, 3, 28};

	seed = number * 31 + 5;
	if (!pid) {
		for (int n = 0; n < COUNT(some); n++)
			if (draw(3) && some[n] != 18)
				act(some[n], brief, 0, 0);
		if (draw(2))
			act(18, brief, 0, 0);
		block(draw(2) ? BIT(18) | BIT(15) : 0);
		sh->ready = 1;
		tell("pause", pause());
		_exit(0);
	}
	asleep(pid);
	stop(pid);
	int count = 2 + draw(5);
	for (int n = 0; n < count; n++) {
		int signo = some[draw(COUNT(some))];
		say(" %d", signo);
		kill(pid, signo);
		if (signo == 18 && settle(pid) == 'T') {
			say("T");
			waitpid(pid, NULL, WUNTRACED | WNOHANG);
		}
		if (signo == 18)
			break;
	}
	kill(pid, SIGCONT);
	if (settle(pid) == 'T') {
		say_stopped(pid);
		kill(pid, SIGCONT);
		settle(pid);
	}
	say(" |");
	kill(pid, SIGKILL);
	reap(pid);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (int way = 0; way < WAYS; way++)
		for (int number = 0; number < 14; number++)
			CELL("%s %d", ways[way], number) run(number, way);
	for (int number = 0; number < 24; number++)
		CELL("to a stopped process %d", number) stopped(number);
}
