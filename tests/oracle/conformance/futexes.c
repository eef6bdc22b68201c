#include "conf.h"
#include <linux/futex.h>

static char stacks[4][32768];
static unsigned a, b, c;
static volatile int results[4], ready, tid;
static unsigned *where;
static int op;
static unsigned bits;
static const struct timespec *limit;

struct wide {
	long long s, n;
};
struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static int waiter(void *argument)
{
	int n = (int)(long)argument;

	__sync_fetch_and_add(&ready, 1);
	int got = syscall(SYS_futex, where, op, 1, limit, 0, bits & 1 << n ? 1 << n : bits);
	results[n] = got < 0 ? -errno : got;
	__sync_fetch_and_add(&ready, -1);
	syscall(SYS_exit, 0);
	return 0;
}

static void start(int n, unsigned *futex, int operation)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	where = futex;
	op = operation;
	ready = 0;
	for (int i = 0; i < n; i++) {
		results[i] = 99;
		tid = clone(waiter, stacks[i] + 32768, flags, (void *)i);
	}
	while (ready < n)
		sched_yield();
	usleep(60000);
}

static void finish(void)
{
	for (int i = 0; i < 100 && ready; i++)
		usleep(1000);
	printf("left %d:", ready);
	for (int i = 0; i < 4; i++)
		printf(" %s", results[i] < 0 ? error_name(-results[i]) : results[i] ? "?" : "0");
	printf("\n");
}

static void nothing(int signo)
{
}

int main(void)
{
	struct timespec zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0}, few = {0, 80000000}, past = {1, 0};
	unsigned *readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TITLE("waiting and not");
	S(futex, &a, FUTEX_WAIT, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAIT, 0, &zero, NULL, 0);
	S(futex, &a, FUTEX_WAIT, 0, &few, NULL, 0);
	S(futex, &a, FUTEX_WAIT, 0, &bad, NULL, 0);
	S(futex, &a, FUTEX_WAIT, 0, &negative, NULL, 0);
	S(futex, &a, FUTEX_WAIT, 0, BAD, NULL, 0);
	S(futex, BAD, FUTEX_WAIT, 0, NULL, NULL, 0);
	S(futex, (char *)&a + 1, FUTEX_WAIT, 0, NULL, NULL, 0);
	S(futex, KERNEL, FUTEX_WAIT, 0, NULL, NULL, 0);
	S(futex, readonly, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAIT_BITSET, 0, &past, NULL, 1);
	S(futex, &a, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, 1);
	S(futex, &a, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &zero, NULL, 1);
	S(futex, &a, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 1);
	S(futex, &a, FUTEX_FD, 0, NULL, NULL, 1);
	S(futex, &a, 77, 0, NULL, NULL, 1);
	S(futex, &a, FUTEX_WAKE, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAKE, 0, NULL, NULL, 0);
	S(futex, BAD, FUTEX_WAKE, 1, NULL, NULL, 0);
	S(futex, BAD, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0);
	struct wide wide = {0, 0}, wide_bad = {0, -1};
	S(futex_time64, &a, FUTEX_WAIT, 0, &wide, NULL, 0);
	S(futex_time64, &a, FUTEX_WAIT, 0, &wide_bad, NULL, 0);

	TITLE("waking");
	a = 1;
	start(4, &a, FUTEX_WAIT);
	S(futex, &a, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAKE, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAKE, 0, NULL, NULL, 0);
	S(futex, &a, FUTEX_WAKE, 9, NULL, NULL, 0);
	finish();
	bits = 15;
	start(4, &a, FUTEX_WAIT_BITSET_PRIVATE);
	S(futex, &a, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 16);
	S(futex, &a, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 5);
	S(futex, &a, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 15);
	S(futex, &a, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
	finish();
	limit = &few;
	start(2, &a, FUTEX_WAIT_PRIVATE);
	finish();
	limit = NULL;

	TITLE("requeue");
	start(4, &a, FUTEX_WAIT_PRIVATE);
	S(futex, &a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &b, 0);
	S(futex, &a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &b, 1);
	S(futex, &a, FUTEX_CMP_REQUEUE_PRIVATE, -1, (void *)1, &b, 1);
	S(futex, &b, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
	S(futex, &a, FUTEX_REQUEUE_PRIVATE, 0, (void *)9, &b, 0);
	S(futex, &a, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
	S(futex, &b, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
	finish();

	TITLE("wake op");
	start(2, &a, FUTEX_WAIT_PRIVATE);
	b = 5;
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 6));
	printf("b %u\n", b);
	S(futex, &a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_GT, 6));
	printf("b %u\n", b);
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &a, FUTEX_OP(FUTEX_OP_XOR, -1, FUTEX_OP_CMP_LE, 2));
	printf("a %x\n", a);
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &a, FUTEX_OP(5, 1, FUTEX_OP_CMP_LE, 2));
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &a, FUTEX_OP(FUTEX_OP_ANDN, 1, 6, 2));
	printf("a %x\n", a);
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, BAD, 0);
	S(futex, &c, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, readonly, 0);
	finish();

	TITLE("owned");
	int me = syscall(SYS_gettid);
	a = 0;
	S(futex, &a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	printf("%d\n", a == me);
	S(futex, &a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	S(futex, &a, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	start(2, &a, FUTEX_LOCK_PI_PRIVATE);
	printf("waiters %d\n", a == (me | FUTEX_WAITERS));
	S(futex, &a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	S(futex, &a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	S(futex, &a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	usleep(40000);
	printf("died %d waiters %d\n", !!(a & FUTEX_OWNER_DIED), !!(a & FUTEX_WAITERS));
	finish();
	a = 0x3fffffff;
	S(futex, &a, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	a = 0;
	S(futex, &a, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	a = getppid();
	S(futex, &a, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	a = getppid();
	S(futex, &a, FUTEX_LOCK_PI_PRIVATE, 0, &past, NULL, 0);

	TITLE("interrupted");
	struct sigaction act = {.sa_handler = nothing};
	sigaction(SIGUSR1, &act, NULL);
	a = 1;
	start(1, &a, FUTEX_WAIT_PRIVATE);
	syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	finish();
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	start(1, &a, FUTEX_WAIT_PRIVATE);
	syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	usleep(40000);
	printf("still %d\n", ready);
	S(futex, &a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	finish();

	TITLE("futex_waitv and the rest");
	struct waitv v[129] = {{1, (uintptr_t)&a, 2 | 128, 0}, {0, (uintptr_t)&b, 2 | 128, 0}};
	b = 0;
	S(futex_waitv, v, 2, 0, &wide, CLOCK_MONOTONIC);
	S(futex_waitv, v, 2, 0, &wide, 9);
	S(futex_waitv, v, 0, 0, NULL, 0);
	S(futex_waitv, v, 129, 0, NULL, 0);
	S(futex_waitv, v, 2, 1, NULL, 0);
	S(futex_waitv, BAD, 2, 0, NULL, 0);
	v[1].val = 4;
	S(futex_waitv, v, 2, 0, &wide, CLOCK_MONOTONIC);
	v[1].flags = 0;
	S(futex_waitv, v, 2, 0, &wide, CLOCK_MONOTONIC);
	S(get_robust_list, 0, BAD, BAD);
	unsigned head, length;
	S(get_robust_list, 0, &head, &length);
	printf("length %u\n", length);
	S(get_robust_list, -1, &head, &length);
	S(set_robust_list, 0, 11);
	S(set_robust_list, 0, 12);
	return 0;
}
