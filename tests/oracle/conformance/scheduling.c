#include "conf.h"

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static void show(const char *what)
{
	struct attr a = {0};
	struct sched_param p = {77};

	syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0);
	sched_getparam(0, &p);
	printf("%s: policy %d, param %d, nice %d, attr %u %u flags %llu nice %d prio %u %llu %llu %llu\n", what,
	       sched_getscheduler(0), p.sched_priority, getpriority(PRIO_PROCESS, 0), a.size, a.policy, a.flags, a.nice,
	       a.priority, a.policy == 6 ? a.runtime : 0, a.deadline, a.period);
}

static void user(void)
{
	setgroups(0, NULL);
	setresgid(1000, 1000, 1000);
	setresuid(1000, 1000, 1000);
}

int main(void)
{
	struct sched_param p = {0}, one = {1}, many = {100};
	struct timespec t;

	if (getuid()) {
		printf("needs root\n");
		return 0;
	}
	TITLE("policies");
	for (int policy = -1; policy < 7; policy++) {
		printf("%d: ", policy);
		R(sched_get_priority_max(policy));
		printf("%d: ", policy);
		R(sched_get_priority_min(policy));
	}
	show("at first");
	for (int policy = 0; policy < 7; policy++)
		for (int prio = 0; prio < 2; prio++) {
			struct sched_param q = {prio};
			printf("%d %d: ", policy, prio);
			R(sched_setscheduler(0, policy, &q));
			if (prio && (policy == SCHED_RR || policy == SCHED_FIFO)) {
				OK(sched_rr_get_interval(0, &t));
				printf("%ld %ld\n", (long)t.tv_sec, (long)t.tv_nsec / (policy == SCHED_RR ? 100000000 : 1));
			}
		}
	show("now");
	R(sched_setscheduler(0, SCHED_FIFO, &many));
	R(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &one));
	show("reset on fork");
	CHILD("child", show("child"));
	R(sched_setscheduler(0, SCHED_FIFO, &one));
	show("not any more");
	CHILD("child", show("child"));
	R(sched_setparam(0, &p));
	R(sched_setparam(0, &many));
	R(sched_setparam(0, NULL));
	R(sched_setscheduler(0, SCHED_OTHER, NULL));
	R(sched_setscheduler(-3, SCHED_OTHER, &p));
	R(sched_setscheduler(999999, SCHED_OTHER, &p));
	S(sched_setscheduler, 0, 0, BAD);
	S(sched_setscheduler, 0, -1, &p);
	R(sched_getscheduler(-1));
	R(sched_getscheduler(999999));
	R(sched_getparam(-1, &p));
	R(sched_getparam(0, NULL));
	S(sched_getparam, 0, BAD);
	R(sched_rr_get_interval(-1, &t));
	S(sched_rr_get_interval, 0, BAD);
	R(sched_setscheduler(0, SCHED_OTHER, &p));

	TITLE("attributes");
	struct attr a = {sizeof(a)};
	a.policy = SCHED_RR;
	a.priority = 5;
	S(sched_setattr, 0, &a, 0);
	show("rr");
	S(sched_setattr, 0, &a, 1);
	S(sched_setattr, 0, NULL, 0);
	S(sched_setattr, 0, BAD, 0);
	a.flags = 1 << 9;
	S(sched_setattr, 0, &a, 0);
	a.flags = 0;
	a.size = 20;
	S(sched_setattr, 0, &a, 0);
	printf("size %d\n", a.size >= 56);
	a.size = 48;
	a.policy = SCHED_BATCH;
	S(sched_setattr, 0, &a, 0);
	a.priority = 0;
	a.nice = 7;
	S(sched_setattr, 0, &a, 0);
	show("batch");
	a.flags = 0x18;
	a.nice = 3;
	S(sched_setattr, 0, &a, 0);
	show("kept");
	a.flags = 0;
	a.nice = 0;
	a.policy = SCHED_DEADLINE;
	S(sched_setattr, 0, &a, 0);
	a.runtime = 1000;
	a.deadline = 2000000;
	S(sched_setattr, 0, &a, 0);
	a.runtime = 3000000;
	S(sched_setattr, 0, &a, 0);
	a.policy = 4;
	S(sched_setattr, 0, &a, 0);
	a.policy = 0;
	S(sched_setattr, 0, &a, 0);
	S(sched_getattr, 0, &a, 47, 0);
	S(sched_getattr, 0, &a, 5000, 0);
	S(sched_getattr, 0, &a, 48, 1);
	S(sched_getattr, 0, &a, 48, 0);
	S(sched_getattr, -1, &a, 48, 0);
	S(sched_getattr, 0, BAD, 48, 0);
	show("at last");

	TITLE("nice");
	R(getpriority(PRIO_PROCESS, 0));
	S(getpriority, PRIO_PROCESS, 0);
	R(setpriority(PRIO_PROCESS, 0, 5));
	S(getpriority, PRIO_PROCESS, 0);
	R(setpriority(PRIO_PROCESS, 0, 100));
	S(getpriority, PRIO_PROCESS, 0);
	R(setpriority(PRIO_PROCESS, 0, -100));
	S(getpriority, PRIO_PGRP, 0);
	S(getpriority, 5, 0);
	R(setpriority(5, 0, 0));
	R(getpriority(PRIO_PROCESS, 999999));
	R(setpriority(PRIO_PGRP, 999999, 0));
	S(nice, 3);
	S(getpriority, PRIO_PROCESS, 0);
	S(nice, 1000);
	S(getpriority, PRIO_PROCESS, 0);
	S(nice, -1000);
	S(getpriority, PRIO_PROCESS, 0);
	R(setpriority(PRIO_PROCESS, 0, 0));
	CHILD("a user", {
		pid_t parent = getppid();
		user();
		struct rlimit none = {0, 0};
		R(setpriority(PRIO_PROCESS, 0, 3));
		R(setpriority(PRIO_PROCESS, 0, 2));
		S(nice, -1);
		R(setpriority(PRIO_PROCESS, parent, 4));
		R(sched_setscheduler(0, SCHED_FIFO, &one));
		R(sched_setscheduler(parent, SCHED_OTHER, &p));
		R(sched_setscheduler(0, SCHED_BATCH, &p));
		R(sched_setscheduler(0, SCHED_IDLE, &p));
		R(sched_setscheduler(0, SCHED_OTHER, &p));
		R(sched_setscheduler(0, SCHED_IDLE | SCHED_RESET_ON_FORK, &p));
		R(sched_setscheduler(0, SCHED_IDLE, &p));
		a.policy = SCHED_DEADLINE;
		a.runtime = 1000000;
		a.deadline = 20000000;
		S(sched_setattr, 0, &a, 0);
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(0, &set);
		R(sched_setaffinity(parent, sizeof(set), &set));
	});

	TITLE("the processor");
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	S(sched_setaffinity, 0, sizeof(set), &set);
	S(sched_setaffinity, 0, 4, &set);
	S(sched_setaffinity, 999999, 4, &set);
	S(sched_setaffinity, 0, 4, BAD);
	CPU_ZERO(&set);
	S(sched_setaffinity, 0, sizeof(set), &set);
	S(sched_setaffinity, 0, 0, &set);
	OK(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set));
	printf("%d %d\n", CPU_COUNT(&set), CPU_ISSET(0, &set));
	S(sched_getaffinity, 0, 5, &set);
	S(sched_getaffinity, 0, 0, &set);
	S(sched_getaffinity, 999999, 128, &set);
	S(sched_getaffinity, 0, 128, BAD);
	unsigned cpu = 9, node = 9;
	S(getcpu, &cpu, &node, 0);
	printf("%u %u\n", cpu, node);
	S(getcpu, 0, 0, 0);
	S(getcpu, BAD, 0, 0);
	S(sched_yield);

	TITLE("input and output");
	S(ioprio_get, 1, 0);
	S(ioprio_set, 1, 0, 2 << 13 | 6);
	S(ioprio_get, 1, 0);
	S(ioprio_set, 1, 0, 2 << 13 | 8);
	S(ioprio_set, 1, 0, 1 << 13 | 3);
	S(ioprio_set, 1, 0, 3 << 13 | 3);
	S(ioprio_set, 1, 0, 4 << 13);
	S(ioprio_set, 1, 0, 1);
	S(ioprio_set, 9, 0, 0);
	S(ioprio_set, 1, 999999, 0);
	S(ioprio_get, 9, 0);
	S(ioprio_get, 1, 999999);
	S(ioprio_set, 1, 0, 0);
	S(ioprio_get, 1, 0);

	TITLE("barriers");
	S(membarrier, 0, 1, 0);
	S(membarrier, 8, 0, 0);
	S(membarrier, 16, 0, 0);
	S(membarrier, 8, 0, 0);
	S(membarrier, 1, 0, 0);
	S(membarrier, 1 << 12, 0, 0);
	return 0;
}
