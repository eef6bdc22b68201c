/* How the processor is shared: counts of three busy children, of which the last is nicer; then real-time tasks. */
#include "conf.h"

static volatile unsigned *work;

static pid_t burn(int n, int nice_value, int policy, int priority)
{
	pid_t pid = fork();

	if (!pid) {
		struct sched_param p = {priority};
		setpriority(PRIO_PROCESS, 0, nice_value);
		if (policy >= 0)
			sched_setscheduler(0, policy, &p);
		for (;;)
			work[n]++;
	}
	return pid;
}

static void measure(const char *what, int n)
{
	struct timespec t = {0, 300000000};

	nanosleep(&t, NULL);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	signal(SIGTERM, SIG_DFL);
	printf("%s", what);
	for (int i = 0; i < n; i++) {
		printf(" %u", work[i]);
		work[i] = 0;
	}
	printf("\n");
}

int main(void)
{
	struct sched_param top = {99};

	work = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sched_setscheduler(0, SCHED_FIFO, &top);
	burn(0, 0, SCHED_OTHER, 0);
	burn(1, 0, SCHED_OTHER, 0);
	burn(2, 5, SCHED_OTHER, 0);
	measure("nice", 3);
	burn(0, 0, SCHED_RR, 5);
	burn(1, 0, SCHED_RR, 5);
	burn(2, 0, SCHED_RR, 4);
	measure("rr", 3);
	burn(0, 0, SCHED_FIFO, 5);
	burn(1, 0, SCHED_FIFO, 5);
	burn(2, 0, SCHED_RR, 6);
	measure("fifo", 3);
	burn(0, 0, SCHED_OTHER, 0);
	burn(1, 0, SCHED_IDLE, 0);
	measure("idle", 2);
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = {48, 6, 0, 0, 0, 2000000, 10000000, 10000000};
	pid_t pid = burn(0, 0, -1, 0);
	burn(1, 0, SCHED_OTHER, 0);
	syscall(SYS_sched_setattr, pid, &a, 0);
	measure("deadline", 2);
	return 0;
}
