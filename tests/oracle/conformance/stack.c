#include "conf.h"
#include <alloca.h>

static sigjmp_buf back;
static volatile int code, signo;
static volatile long offset;
static char room[65536];

static void caught(int number, siginfo_t *info, void *context)
{
	signo = number;
	code = info->si_code;
	siglongjmp(back, 1);
}

static volatile int depth;

static int recurse(int n)
{
	volatile char frame[4000];

	frame[0] = n;
	depth = n;
	return recurse(n + 1) + frame[0];
}

static int bounded(int n)
{
	volatile char frame[4000];

	frame[0] = 1;
	return n ? bounded(n - 1) + frame[0] : 0;
}

int main(void)
{
	stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	volatile char here;

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &act, NULL);
	printf("bounded %d\n", bounded(1900));
	if (!sigsetjmp(back, 1))
		recurse(0);
	printf("signal %d code %d, depth about %d\n", signo, code, depth / 20);
	if (!sigsetjmp(back, 1)) {
		*(&here - (6 << 20)) = 1;
		printf("6 MiB below is there\n");
	} else
		printf("6 MiB below: signal %d code %d\n", signo, code);
	if (!sigsetjmp(back, 1)) {
		*(&here - (9 << 20)) = 1;
		printf("9 MiB below is there\n");
	} else
		printf("9 MiB below: signal %d code %d\n", signo, code);
	CHILD("without a handler", {
		signal(SIGSEGV, SIG_DFL);
		recurse(0);
	});
	CHILD("without an alternate stack", {
		act.sa_flags = SA_SIGINFO;
		sigaction(SIGSEGV, &act, NULL);
		recurse(0);
	});
	struct rlimit limit = {256 << 10, RLIM_INFINITY};
	CHILD("with a smaller limit", {
		setrlimit(RLIMIT_STACK, &limit);
		if (!sigsetjmp(back, 1))
			recurse(0);
		printf("signal %d code %d\n", signo, code);
	});
	char *map = mmap(NULL, 4 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK, -1, 0);
	printf("%d\n", map != MAP_FAILED);
	printf("read through the kernel: ");
	int ends[2];
	pipe(ends);
	write(ends[1], "x", 1);
	R(read(ends[0], (void *)(&here - (7 << 20)), 1));
	return 0;
}
