/* sigaction's flags in all combinations x a real-time or a standard signal, nested: which handler, on which
 * stack, with which mask, with which action afterwards; and how the handler is left. */
#include "matrix.h"

static const struct {
	const char *name;
	unsigned long flag;
} flags[] = {
	{"SIGINFO", SA_SIGINFO}, {"NODEFER", SA_NODEFER}, {"RESETHAND", SA_RESETHAND},
	{"ONSTACK", SA_ONSTACK}, {"RESTORER", ACT_RESTORER}, {"mask", 0},
};

static char stack[65536] __attribute__((aligned(16)));
static volatile int depth, again; /* sends once only */

static int on_stack(void)
{
	char here;

	return &here > stack && &here < stack + sizeof stack;
}

static void nested(int signo)
{
	stack_t now;
	struct act action = act_now(signo);

	depth++;
	sigaltstack(NULL, &now);
	say(" %d:%d", depth, signo);
	say_set("", blocked_now());
	say(" stack%d/%d action%d/%lx", on_stack(), now.ss_flags, action.handler == SIG_DFL, action.flags & ~ACT_RESTORER);
	if (!again++) {
		say(" [");
		kill(getpid(), signo == 34 ? 12 : signo); /* the same again, or another one */
		kill(getpid(), 16);
		say("]");
	}
	depth--;
}

static void nested_info(int signo, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	mask_t mask;

	memcpy(&mask, &u->uc_sigmask, 8);
	say(" (code%d link%d stack%d", info->si_code, u->uc_link != NULL, u->uc_stack.ss_flags);
	say_set("", mask);
	say(")");
	nested(signo);
}

static void other(int signo)
{
	say(" other%d stack%d", signo, on_stack());
	say_set("", blocked_now());
}

static void run(int signo, unsigned chosen)
{
	pid_t pid = spawn("target");
	unsigned long value = 0;
	stack_t alternate = {stack, 0, sizeof stack};

	if (pid) {
		reap(pid);
		return;
	}
	for (int n = 0; n < COUNT(flags); n++)
		if (chosen & 1 << n)
			value |= flags[n].flag;
	sigaltstack(&alternate, NULL);
	act(16, other, 0, 0);
	act(12, other, SA_ONSTACK, BIT(40));
	block(BIT(1) | BIT(50));
	tell("action", act(signo, chosen & 1 ? (void *)nested_info : (void *)nested, value, chosen & 32 ? BIT(16) | BIT(9) | BIT(41) : 0));
	kill(getpid(), signo);
	say_set(" after", blocked_now());
	struct act now = act_now(signo);
	say(" %s%lx", now.handler == SIG_DFL ? "default" : "handler", now.flags & ~ACT_RESTORER);
	say_set("", now.mask);
	sigaltstack(NULL, &alternate);
	say(" stack%d", alternate.ss_flags);
	_exit(0);
}

/* sigaction gives back what it was given, less what is unknown and what cannot be blocked. */
static void given_back(unsigned long value)
{
	tell("set", act(10, handler, value, ~0ULL));
	struct act now = act_now(10);
	say(" flags %lx", now.flags);
	say_set(" mask", ~now.mask);
	say(" restorer%d", now.restorer == return_old || now.restorer == return_rt);
}

static sigjmp_buf back;
static void jump(int signo) { siglongjmp(back, signo); }
static jmp_buf plain;
static void jump_plain(int signo) { longjmp(plain, signo); }

static void change_mask(int signo, siginfo_t *info, void *context)
{
	mask_t mask = BIT(30) | BIT(9) | BIT(19) | BIT(64);

	memcpy(&((ucontext_t *)context)->uc_sigmask, &mask, 8);
	block(BIT(29));
}

static void in_handler_block(int signo) { block(BIT(29)); }

static void change_action(int signo)
{
	say(" first");
	act(signo, brief, 0, 0);
	kill(getpid(), signo);
}

static void fork_inside(int signo)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		say(" child");
		say_set("", blocked_now());
		return;
	}
	waitpid(pid, &status, 0);
	say_status(status);
	say(" parent");
}

int main(int argc, char **argv)
{
	static const int signals[] = {10, 34, 11};
	char name[100];

	begin(argc, argv);
	for (int s = 0; s < COUNT(signals); s++)
		for (unsigned chosen = 0; chosen < 1u << COUNT(flags); chosen++) {
			if (signals[s] == 11 && chosen % 5)
				continue;
			name[0] = 0;
			for (int n = 0; n < COUNT(flags); n++)
				if (chosen & 1 << n)
					strcat(strcat(name, " "), flags[n].name);
			CELL("%d%s", signals[s], name) run(signals[s], chosen);
		}
	for (int bit = 0; bit < 32; bit++)
		CELL("flag %#lx", 1ul << bit) given_back(1ul << bit);
	CELL("all flags") given_back(~0ul);
	CELL("left by siglongjmp")
	{
		act(10, jump, 0, BIT(12));
		int got = sigsetjmp(back, 1);
		if (!got)
			kill(getpid(), 10);
		say(" %d", got);
		say_set("", blocked_now());
	}
	CELL("left by longjmp")
	{
		act(10, jump_plain, 0, BIT(12));
		int got = setjmp(plain);
		if (!got)
			kill(getpid(), 10);
		say(" %d", got);
		say_set("", blocked_now());
	}
	CELL("mask changed in the frame")
	{
		act(10, change_mask, SA_SIGINFO, 0);
		kill(getpid(), 10);
		say_set("", blocked_now());
	}
	CELL("mask changed in the handler")
	{
		act(10, in_handler_block, 0, 0);
		kill(getpid(), 10);
		say_set("", blocked_now());
	}
	CELL("action changed in the handler")
	{
		act(10, change_action, 0, 0);
		kill(getpid(), 10);
		say(" back");
	}
	CELL("fork in the handler")
	{
		act(10, fork_inside, 0, BIT(12));
		kill(getpid(), 10);
		say_set(" out", blocked_now());
	}
	CELL("ignored while it is pending")
	{
		block(BIT(10) | BIT(34));
		for (int n = 0; n < 3; n++) {
			kill(getpid(), 10);
			kill(getpid(), 34);
		}
		say_set("", pending_now());
		act(34, SIG_IGN, 0, 0);
		say_set("", pending_now());
		act(10, SIG_DFL, 0, 0);
		say_set("", pending_now());
		act(34, brief, 0, 0);
		act(10, brief, 0, 0);
		unblock(BIT(10) | BIT(34));
	}
	CELL("SIGCHLD to its default while it is pending")
	{
		act(SIGCHLD, brief, 0, 0);
		block(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGTSTP));
		kill(getpid(), SIGCHLD);
		kill(getpid(), SIGCONT);
		act(SIGCONT, SIG_DFL, 0, 0);
		say_set("", pending_now());
		act(SIGCHLD, SIG_DFL, 0, 0);
		say_set("", pending_now());
		kill(getpid(), SIGCONT);
		say_set("", pending_now());
		kill(getpid(), SIGTSTP);
		say_set("", pending_now());
		kill(getpid(), SIGCONT);
		say_set("", pending_now());
	}
}
