/* Who may send what to whom, by which call, and what the receiver learns of it. Identities need root: without,
 * their cells say EPERM on both sides. */
#include "matrix.h"

#define ALONE 61234 /* a user with no other processes: kill(-1) is only tried as such a one */

static const struct {
	const char *name;
	int real, effective, saved;
} identities[] = {
	{"root", 0, 0, 0},	{"a", 1000, 1000, 1000}, {"b", 1001, 1001, 1001},
	{"a as b", 1000, 1001, 1001}, {"b as a", 1001, 1000, 1001}, {"b from a", 1001, 1001, 1000},
};

static int become(int n) { return setresuid(identities[n].real, identities[n].effective, identities[n].saved); }

static void permissions(int from, int to)
{
	pid_t sender, target = spawn("target"), apart;

	if (!target) {
		block(~0ULL);
		if (become(to) < 0)
			say(" become=%s", error_name(errno));
		sh->ready = 1;
		pause();
	}
	asleep(target);
	sh->ready = 0;
	apart = spawn("apart");
	if (!apart) {
		setsid();
		block(~0ULL);
		become(to);
		sh->ready = 1;
		pause();
	}
	asleep(apart);
	sender = spawn("sender");
	if (!sender) {
		if (become(from) < 0)
			say(" become=%s", error_name(errno));
		tell("0", kill(target, 0));
		tell("TERM", kill(target, 15));
		tell("CONT", kill(target, 18));
		tell("CONT apart", kill(apart, 18));
		tell("USR1 apart", kill(apart, 10));
		tell("tkill", tkill_(target, 10));
		tell("tgkill", syscall(SYS_tgkill, target, target, 10));
		tell("queue", queue_value(target, 40, SI_QUEUE, 5));
		tell("70", kill(target, 70));
		_exit(0);
	}
	reap(sender);
	kill(target, 9);
	kill(apart, 9);
}

/* What a receiver in sigtimedwait gets, with the sender's real and effective users apart. */
static void seen_uid(int from, int how)
{
	pid_t pid = spawn("target"), sender;
	mask_t set = BIT(40);
	siginfo_t info;

	if (!pid) {
		block(set);
		setresuid(1000, 0, 1001);
		sh->ready = 1;
		syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8);
		say(" ");
		say_info(&info);
		_exit(0);
	}
	asleep(pid);
	sender = spawn("sender");
	if (!sender) {
		if (setresuid(identities[from].real, identities[from].effective, 0) < 0)
			say(" become=%s", error_name(errno));
		long result = how == 0 ? kill(pid, 40) : how == 1 ? tkill_(pid, 40) : how == 2 ? queue_value(pid, 40, SI_QUEUE, 7)
			      : how == 3 ? syscall(SYS_tgkill, pid, pid, 40) : sigqueue(pid, 40, (union sigval){.sival_int = 9});
		sh->words[0] = result < 0 ? errno : 0;
		_exit(0);
	}
	waitpid(sender, NULL, 0);
	settle(pid);
	say(" sent=%s", sh->words[0] ? error_name(sh->words[0]) : "0");
	kill(pid, 9);
	reap(pid);
}

static const int codes[] = {0, -1, -2, -3, -4, -5, -6, -7, -60, -100000, 1, 2, 5, 6, 7, 11, 0x80, 0x81, 70000};

static void faked(int code, int whom)
{
	static const int signals[] = {10, 11, 17, 29, 40};
	siginfo_t info;
	pid_t pid = whom == 1 ? spawn("target") : getpid();
	mask_t all = ~0ULL;

	if (!pid) {
		block(all);
		sh->ready = 1;
		pause();
	}
	if (whom == 1)
		asleep(pid);
	block(all);
	for (int n = 0; n < COUNT(signals); n++) {
		int words[32];
		for (int m = 0; m < 32; m++)
			words[m] = m > 2 ? 1000 + m : 0;
		words[0] = 44; /* not looked at */
		words[1] = 5;
		words[2] = code;
		say(" %d", signals[n]);
		tell("", whom == 2 ? syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid_(), signals[n], words)
				   : syscall(SYS_rt_sigqueueinfo, pid, signals[n], words));
		struct timespec none = {0, 0};
		if (whom != 1 && syscall(SYS_rt_sigtimedwait, &all, words, &none, 8) > 0) {
			int last = 3;
			for (int m = 3; m < 8; m++)
				if (words[m])
					last = m;
			for (int m = 0; m <= last; m++)
				say(",%d", words[m]);
		}
	}
	if (whom == 1)
		kill(pid, 9);
}

/* --- groups -------------------------------------------------------------------------------------------- */

static void count(int signo, siginfo_t *info, void *context)
{
	__atomic_fetch_add(&sh->words[14], 1, __ATOMIC_SEQ_CST);
	sh->words[13] = info->si_pid;
}

static pid_t member(const char *name, int group, int uid)
{
	pid_t pid = spawn(name);

	if (!pid) {
		if (group >= 0)
			setpgid(0, group);
		unblock(BIT(10));
		act(10, count, SA_SIGINFO, 0);
		if (uid)
			setresuid(uid, uid, uid);
		sh->words[15]++;
		pause();
		_exit(0);
	}
	await(&sh->words[15]);
	sh->words[15] = 0;
	settle(pid);
	return pid;
}

/* The members' handlers say nothing: which of them is first is nobody's business. */
static void group_cell(int way)
{
	pid_t a, b, c = 0;

	block(BIT(10));
	a = member("a", way == 1 ? 0 : -1, 0);
	b = member("b", way == 1 ? a : -1, way == 2 ? 1000 : 0);
	if (way == 3)
		c = member("c", 0, 0);
	sh->words[0] = way == 0 ? kill(0, 10) : kill(way == 1 ? -a : -getpgrp(), 10);
	waitpid(a, NULL, 0);
	say(" =%d", sh->words[0]);
	say(" b %c", settle(b));
	say(" %d from %s", sh->words[14], who(sh->words[13]));
	say_set("", pending_now());
	kill(b, 9);
	if (c) {
		say(" c %c", settle(c));
		kill(c, 9);
	}
}

static void others_group(int mixed)
{
	pid_t a = member("a", 0, 1000), b = mixed ? member("b", a, 1001) : 0, sender;

	sender = spawn("sender");
	if (!sender) {
		block(BIT(10));
		setresuid(1001, 1001, 1001);
		tell("0", kill(-a, 0));
		tell("TTIN", kill(-a, 18));
		_exit(0);
	}
	reap(sender);
	kill(a, 9);
	if (b)
		kill(b, 9);
}

static void everybody(void)
{
	pid_t a, b, sender;

	if (getuid()) {
		say(" not root");
		return;
	}
	a = member("a", 0, ALONE);
	b = member("b", 0, 1000);
	sender = spawn("sender");
	if (!sender) {
		act(10, brief, 0, 0);
		if (setresuid(ALONE, ALONE, ALONE) < 0 || getuid() != ALONE)
			_exit(9);
		sh->words[0] = kill(-1, 10);
		sh->words[1] = pending_now() & BIT(10);
		_exit(0);
	}
	reap(sender);
	reap(a);
	say(" =%d %d, %d from %s", sh->words[0], sh->words[1], sh->words[14], who(sh->words[13]));
	say(" b %c", settle(b));
	kill(b, 9);
}

static void nobody(void)
{
	pid_t sender = spawn("sender");

	if (!sender) {
		if (setresuid(ALONE, ALONE, ALONE) < 0 || getuid() != ALONE)
			_exit(9);
		tell("nobody else", kill(-1, 18));
		tell("init", kill(1, 10));
		tell("init 0", kill(1, 0));
		_exit(0);
	}
	reap(sender);
}

static void dead(void)
{
	pid_t pid = spawn("target");

	if (!pid)
		_exit(5);
	while (settle(pid) != 'Z')
		moment();
	tell("kill", kill(pid, 15));
	tell("KILL", kill(pid, 9));
	tell("0", kill(pid, 0));
	tell("tkill", tkill_(pid, 15));
	tell("tgkill", syscall(SYS_tgkill, pid, pid, 15));
	tell("queue", queue_value(pid, 40, -1, 0));
	tell("group", kill(-getpgrp(), 0));
	reap(pid);
	tell("gone", kill(pid, 0));
	tell("gone", queue_value(pid, 40, -1, 0));
}

static void arguments(void)
{
	int me = getpid();

	tell("kill 65", kill(me, 65));
	tell("kill -1", kill(me, -1));
	tell("min", kill(-2147483647 - 1, 0));
	tell("tkill 0", tkill_(0, 10));
	tell("tkill -5", tkill_(-5, 10));
	tell("tkill none", tkill_(4000000, 0));
	tell("tkill 65", tkill_(me, 65));
	tell("tgkill 0 0", syscall(SYS_tgkill, 0, me, 0));
	tell("tgkill -1", syscall(SYS_tgkill, -1, me, 0));
	tell("tgkill other", syscall(SYS_tgkill, getppid(), me, 0));
	tell("tgkill 65", syscall(SYS_tgkill, me, me, 65));
	tell("tgkill none", syscall(SYS_tgkill, me, 4000000, 65));
	tell("queue bad", syscall(SYS_rt_sigqueueinfo, me, 10, 16));
	tell("queue 0", queue_value(me, 0, -1, 0));
	tell("queue 65", queue_value(me, 65, -1, 0));
	tell("queue none", queue_value(4000000, 10, -1, 0));
	tell("queue -1", queue_value(-1, 10, -1, 0));
	tell("queue 0 pid", queue_value(0, 10, -1, 0));
	siginfo_t info = {.si_code = -1};
	tell("tgqueue 0", syscall(SYS_rt_tgsigqueueinfo, 0, me, 10, &info));
	tell("tgqueue other", syscall(SYS_rt_tgsigqueueinfo, getppid(), me, 10, &info));
	tell("tgqueue 0 signal", syscall(SYS_rt_tgsigqueueinfo, me, me, 0, &info));
	tell("tgqueue 65", syscall(SYS_rt_tgsigqueueinfo, me, me, 65, &info));
}

/* RLIMIT_SIGPENDING: of the user's signals in all queues. A user without other processes. */
static void limited(int most, int signo, int how)
{
	pid_t pid = spawn("target");

	if (!pid) {
		struct rlimit limit = {most, most};
		mask_t all = ~0ULL;
		siginfo_t info;
		struct timespec none = {0, 0};
		int count = 0;
		if (getuid() == 0)
			setresuid(ALONE + 1, ALONE + 1, ALONE + 1);
		setrlimit(RLIMIT_SIGPENDING, &limit);
		block(all);
		for (int n = 0; n < 5; n++)
			tell("", how == 0 ? kill(getpid(), signo) : how == 1 ? tkill_(gettid_(), signo)
				 : how == 2 ? queue_value(getpid(), signo, SI_QUEUE, n) : queue_value(getpid(), n + 34, SI_QUEUE, n));
		while (syscall(SYS_rt_sigtimedwait, &all, &info, &none, 8) > 0) {
			say(" (");
			say_info(&info);
			say(")");
		}
		_exit(0);
	}
	reap(pid);
}

int main(int argc, char **argv)
{
	static const char *const hows[] = {"kill", "tkill", "rt_sigqueueinfo", "tgkill", "sigqueue"};
	static const char *const whoms[] = {"oneself", "another", "oneself by rt_tgsigqueueinfo"};

	begin(argc, argv);
	for (int from = 0; from < COUNT(identities); from++)
		for (int to = 0; to < COUNT(identities); to++)
			CELL("from %s to %s", identities[from].name, identities[to].name) permissions(from, to);
	for (int from = 0; from < COUNT(identities); from++)
		for (int how = 0; how < COUNT(hows); how++)
			CELL("%s seen from %s", hows[how], identities[from].name) seen_uid(from, how);
	for (int code = 0; code < COUNT(codes); code++)
		for (int whom = 0; whom < COUNT(whoms); whom++)
			CELL("si_code %d to %s", codes[code], whoms[whom]) faked(codes[code], whom);
	CELL("kill 0") group_cell(0);
	CELL("a group") group_cell(1);
	CELL("own group with another's process") group_cell(2);
	CELL("not another group") group_cell(3);
	CELL("others' group") others_group(0);
	CELL("a group with one's own in it") others_group(1);
	CELL("everybody") everybody();
	CELL("nobody") nobody();
	CELL("a zombie") dead();
	CELL("arguments") arguments();
	for (int most = 0; most < 4; most += most + 1)
		for (int how = 0; how < 4; how++) {
			CELL("RLIMIT_SIGPENDING %d, %s of 40", most, how == 3 ? "several" : hows[how]) limited(most, 40, how);
			if (how < 3)
				CELL("RLIMIT_SIGPENDING %d, %s of 10", most, hows[how]) limited(most, 10, how);
		}
}
