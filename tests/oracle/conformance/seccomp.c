/* seccomp: strict mode, filters and what they answer, what is refused, and what is inherited. */

#include "conf.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#define NR offsetof(struct seccomp_data, nr)
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define RET(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define LENGTH(a) (sizeof(a) / sizeof(*(a)))
#define SET(...)                                                                                       \
	({                                                                                             \
		struct sock_filter code_[] = {__VA_ARGS__};                                            \
		set(code_, LENGTH(code_), 0);                                                          \
	})
#define TRY(...)                                                                                       \
	({                                                                                             \
		int before_ = SET(__VA_ARGS__);                                                        \
		int saved_ = errno;                                                                    \
		before_ ? printf(#__VA_ARGS__ ": %s\n", error_name(saved_)) : printf(#__VA_ARGS__ ": set\n"); \
	})
/* One call answered, all others allowed. */
#define ANSWER(call, what) SET(LOAD(NR), IS(call, 0, 1), RET(what), RET(SECCOMP_RET_ALLOW))

static int set(struct sock_filter *code, int length, unsigned flags)
{
	struct sock_fprog program = {length, code};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void status_lines(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10))
			fputs(line, stdout);
	fclose(f);
}

static void in_child(const char *what, void (*body)(void))
{
	int status;

	fflush(stdout);
	if (!fork()) {
		body();
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	status_(what, status & ~0x80);
}

static void strict_leaves_four(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_write, 1, "still here\n", 11);
	syscall(SYS_exit, 7);
}

static void strict_kills(void)
{
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
	syscall(SYS_getpid);
	syscall(SYS_write, 1, "not here\n", 9);
}

static void strict_kills_exit_group(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_exit_group, 3);
}

static void answers(void)
{
	R(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | EACCES));
	S(getppid);
	R(ANSWER(SYS_getuid, SECCOMP_RET_ERRNO));
	S(getuid);
	R(ANSWER(SYS_getgid, SECCOMP_RET_ERRNO | 0xffff));
	printf("getgid: %ld %d\n", syscall(SYS_getgid), errno);
	R(ANSWER(SYS_geteuid, SECCOMP_RET_TRACE | 5));
	S(geteuid);
	R(ANSWER(SYS_getegid, SECCOMP_RET_LOG));
	OK(syscall(SYS_getegid));
	R(ANSWER(999, SECCOMP_RET_ERRNO | EDOM));
	printf("999: %ld %d\n", syscall(999), errno);
	R(prctl(PR_GET_SECCOMP));
	status_lines();
	/* a stricter one of two answers counts; of equal ones the newer */
	R(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY));
	S(getppid);
	R(ANSWER(SYS_getppid, SECCOMP_RET_ALLOW));
	S(getppid);
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
	R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}

static void inherited(void)
{
	ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY);
	fflush(stdout);
	if (!fork()) {
		S(getppid);
		fflush(stdout);
		execl("/proc/self/exe", "seccomp", "again", NULL);
		_exit(1);
	}
	wait(NULL);
}

static void arithmetic(void)
{
	/* getpriority(which, who): the errno is what the filter computes of `who` */
	struct sock_filter code[] = {
	    LOAD(NR),
	    IS(SYS_getpriority, 1, 0),
	    RET(SECCOMP_RET_ALLOW),
	    LOAD(ARG(1)),
	    BPF_STMT(BPF_ST, 3),
	    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
	    BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 5),
	    BPF_STMT(BPF_MISC | BPF_TAX, 0),
	    BPF_STMT(BPF_LD | BPF_MEM, 3),
	    BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
	    BPF_STMT(BPF_ALU | BPF_NEG, 0),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 3),
	    BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0),
	    BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
	    BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
	    BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};

	R(set(code, LENGTH(code), 0));
	for (unsigned who = 1; who < 4000000000u; who = who * 7 + 3)
		printf("%u: %ld %d\n", who, syscall(SYS_getpriority, 0, who), (errno = 0, syscall(SYS_getpriority, 0, who), errno));
}

static void divides_by_zero(void)
{
	SET(LOAD(NR), IS(SYS_getppid, 1, 0), RET(SECCOMP_RET_ALLOW), BPF_STMT(BPF_LDX | BPF_IMM, 0),
	    BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(SECCOMP_RET_ALLOW));
	S(getppid);
}

static volatile int traps;
static void on_sys(int n, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	traps++;
	printf("SIGSYS %d: code %d errno %d syscall %d arch %x eax %d, at the call: %d\n", n, info->si_code,
	       info->si_errno, info->si_syscall, info->si_arch, uc->uc_mcontext.gregs[REG_EAX],
	       (unsigned)info->si_call_addr == (unsigned)uc->uc_mcontext.gregs[REG_EIP]);
	uc->uc_mcontext.gregs[REG_EAX] = 4242;
}

static void trap_(void)
{
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &sa, NULL);
	R(ANSWER(SYS_getppid, SECCOMP_RET_TRAP | 77));
	S(getppid);
	R(ANSWER(1001, SECCOMP_RET_TRAP));
	R(syscall(1001));
	R(traps);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fflush(stdout);
	S(getppid);
	puts("not here");
}

static void trap_without_handler(void)
{
	ANSWER(SYS_getppid, SECCOMP_RET_TRAP);
	syscall(SYS_getppid);
}

static void kill_process(void)
{
	signal(SIGSYS, SIG_IGN);
	ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
	syscall(SYS_getppid);
}

static void unknown_action(void)
{
	ANSWER(SYS_getppid, 0x12340000);
	syscall(SYS_getppid);
}

static void *calls_getppid(void *unused)
{
	syscall(SYS_getppid);
	return "came back";
}

static void kill_thread(void)
{
	pthread_t t;

	ANSWER(SYS_getppid, SECCOMP_RET_KILL_THREAD);
	pthread_create(&t, NULL, calls_getppid, NULL);
	for (int n = 0; n < 50; n++) /* the thread goes without a word to its joiner */
		usleep(1000);
	puts("the process goes on");
	fflush(stdout);
	syscall(SYS_getppid);
	puts("not here");
}

static int go[2];
static void *waits_and_calls(void *unused)
{
	char c;

	read(go[0], &c, 1);
	R(prctl(PR_GET_SECCOMP));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	S(getppid);
	return NULL;
}

static void synchronised(void)
{
	pthread_t t;
	struct sock_filter code[] = {LOAD(NR), IS(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | EXDEV),
				     RET(SECCOMP_RET_ALLOW)};

	pipe(go);
	pthread_create(&t, NULL, waits_and_calls, NULL);
	R(set(code, LENGTH(code), SECCOMP_FILTER_FLAG_TSYNC));
	write(go[1], "x", 1);
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	struct sock_filter allow = RET(SECCOMP_RET_ALLOW);
	struct sock_fprog program = {1, &allow};
	unsigned action;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		S(getppid);
		status_lines();
		return 0;
	}
	TITLE("before");
	R(prctl(PR_GET_SECCOMP));
	status_lines();
	R(syscall(SYS_seccomp, 99, 0, NULL));
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &program));
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x4000, &program));
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD));
	R(prctl(PR_SET_SECCOMP, 3, &program));
	R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, BAD));
	unsigned known[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
			    SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 0x1234, 0xffffffff};
	for (int n = 0; n < (int)LENGTH(known); n++) {
		action = known[n];
		R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	}
	R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &action));
	R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, BAD));
	struct seccomp_notif_sizes sizes = {0};
	R(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
	printf("%d %d %d\n", sizes.seccomp_notif, sizes.seccomp_notif_resp, sizes.seccomp_data);

	TITLE("strict");
	in_child("four calls", strict_leaves_four);
	in_child("another", strict_kills);
	in_child("exit_group", strict_kills_exit_group);

	TITLE("filters that cannot be");
	R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	program.len = 0;
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	program.len = 4097;
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	program.len = 1, program.filter = BAD;
	R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	TRY(LOAD(NR));
	TRY(LOAD(64), RET(0));
	TRY(LOAD(2), RET(0));
	TRY(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0));
	TRY(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0));
	TRY(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0));
	TRY(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0));
	TRY(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0));
	TRY(BPF_STMT(BPF_ST, 16), RET(0));
	TRY(BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0));
	TRY(IS(0, 1, 0), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), RET(0));
	TRY(IS(0, 0, 5), RET(0));
	TRY(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0));
	TRY(BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(0));
	TRY(BPF_STMT(0xffff, 0), RET(0));
	TRY(BPF_STMT(BPF_RET | BPF_X, 0));
	R(prctl(PR_GET_SECCOMP));

	TITLE("filters");
	in_child("answers", answers);
	in_child("inherited", inherited);
	in_child("arithmetic", arithmetic);
	in_child("divides by zero", divides_by_zero);
	in_child("trap", trap_);
	in_child("trap without handler", trap_without_handler);
	in_child("kill process", kill_process);
	in_child("unknown action", unknown_action);
	in_child("kill thread", kill_thread);
	in_child("synchronised", synchronised);
	return 0;
}
