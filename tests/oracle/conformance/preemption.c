#include "conf.h"

static volatile unsigned long turns;

static void work(int n)
{
	for (unsigned long i = 0; i < 20000000ul; i++)
		turns += n;
}

int main(void)
{
	int st, pids[4];
	volatile int *shared = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int n = 0; n < 3; n++)
		if (!(pids[n] = fork())) {
			while (!shared[0])
				;
			work(n + 1);
			_exit(turns == 20000000ul * (n + 1) ? n + 10 : 1);
		}
	shared[0] = 1;
	for (int n = 0; n < 3; n++) {
		waitpid(pids[n], &st, 0);
		status_("busy", st);
	}
	TITLE("two who wait for each other by turns");
	if (!(pids[0] = fork())) {
		for (int n = 0; n < 20; n++) {
			while (shared[1] != 2 * n + 1)
				sched_yield();
			shared[1] = 2 * n + 2;
		}
		_exit(0);
	}
	for (int n = 0; n < 20; n++) {
		shared[1] = 2 * n + 1;
		while (shared[1] != 2 * n + 2)
			sched_yield();
	}
	printf("%d\n", shared[1]);
	waitpid(pids[0], &st, 0);
	status_("other", st);
	TITLE("a busy child is killed");
	if (!(pids[0] = fork()))
		for (;;)
			;
	usleep(20000);
	kill(pids[0], SIGTERM);
	waitpid(pids[0], &st, 0);
	status_("child", st);
	TITLE("many processes");
	int made = 0;
	for (int n = 0; n < 100; n++) {
		int pid = fork();
		if (!pid)
			_exit(n);
		made += pid > 0;
	}
	unsigned sum = 0;
	int reaped = 0;
	while (wait(&st) > 0) {
		sum += WEXITSTATUS(st);
		reaped++;
	}
	printf("made %d reaped %d sum %u\n", made, reaped, sum);
	TITLE("a fork bomb within limits");
	struct rlimit limit = {60, 60};
	CHILD("bomb", {
		if (getuid() == 0) {
			setgid(54321);
			setuid(54321);
		}
		setrlimit(RLIMIT_NPROC, &limit);
		int n = 0;
		int pid;
		while ((pid = fork()) > 0)
			n++;
		if (!pid) {
			pause();
			_exit(0);
		}
		printf("%d children, then %s\n", n, error_name(errno));
		signal(SIGTERM, SIG_IGN);
		setpgid(0, 0);
		kill(-1, SIGTERM);
		while (wait(&st) > 0)
			n--;
		printf("%d left\n", n);
	});
	return 0;
}
