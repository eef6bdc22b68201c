#include "conf.h"
#include <linux/futex.h>

static char stacks[4][65536];
static volatile int shared, tids[4], parent_tid, child_tid;
static volatile pid_t group;

static int body(void *argument)
{
	int n = (int)(long)argument;

	__sync_fetch_and_add(&shared, n + 1);
	return n;
}

static int thread(void *argument)
{
	int n = (int)(long)argument;

	group = syscall(SYS_getpid);
	tids[n] = syscall(SYS_gettid);
	for (int i = 0; i < 1000; i++)
		__sync_fetch_and_add(&shared, 1);
	__sync_fetch_and_add(&parent_tid, 1);
	syscall(SYS_exit, 0);
	return 0;
}

static int late(void *argument)
{
	struct timespec t = {0, 40000000};

	syscall(SYS_nanosleep, &t, 0);
	syscall(SYS_exit, 5);
	return 0;
}

static int fails(void *argument)
{
	return 0;
}

static volatile int caught_by;

static void caught(int signo)
{
	caught_by = syscall(SYS_gettid);
}

static int dies(void *argument)
{
	syscall(SYS_exit_group, 9);
	return 0;
}

static int faults(void *argument)
{
	*(volatile int *)0 = 1;
	return 0;
}

static int files(void *argument)
{
	close(9);
	dup2(1, 10);
	chdir("/tmp");
	umask(0707);
	return 0;
}

int main(void)
{
	int st, pid;

	TITLE("without CLONE_VM");
	pid = clone(body, stacks[0] + 65536, SIGCHLD, (void *)2);
	printf("%d ", waitpid(pid, &st, 0) == pid);
	status_("clone", st);
	printf("shared %d\n", shared);
	TITLE("with CLONE_VM");
	pid = clone(body, stacks[0] + 65536, CLONE_VM | SIGCHLD, (void *)3);
	printf("%d ", waitpid(pid, &st, 0) == pid);
	status_("clone", st);
	printf("shared %d\n", shared);
	TITLE("vfork");
	pid = clone(body, stacks[0] + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)4);
	printf("shared %d at once\n", shared);
	waitpid(pid, &st, 0);
	status_("clone", st);
	volatile int x = 1;
	pid = vfork();
	if (!pid) {
		x = 2;
		_exit(x + 5);
	}
	printf("x %d ", x);
	waitpid(pid, &st, 0);
	status_("vfork", st);
	TITLE("other signals");
	pid = clone(body, stacks[0] + 65536, CLONE_VM | SIGUSR2 * 0, (void *)0);
	errno = 0;
	R(waitpid(pid, &st, 0));
	printf("%d ", waitpid(pid, &st, __WCLONE) == pid);
	status_("__WCLONE", st);
	pid = clone(body, stacks[0] + 65536, CLONE_VM, (void *)6);
	printf("%d ", waitpid(-1, &st, __WALL) == pid);
	status_("__WALL", st);

	TITLE("tids");
	parent_tid = child_tid = 0;
	pid = clone(body, stacks[0] + 65536, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_VM | SIGCHLD, (void *)0,
		    &parent_tid, NULL, &child_tid);
	waitpid(pid, &st, 0);
	printf("%d %d\n", parent_tid == pid, child_tid == pid);
	child_tid = 77;
	pid = clone(body, stacks[0] + 65536, CLONE_CHILD_CLEARTID | CLONE_VM | SIGCHLD, (void *)0, NULL, NULL, &child_tid);
	waitpid(pid, &st, 0);
	printf("cleared: %d\n", child_tid);

	TITLE("bad flags");
	R(clone(fails, stacks[0] + 65536, CLONE_THREAD | SIGCHLD, 0));
	R(clone(fails, stacks[0] + 65536, CLONE_SIGHAND | SIGCHLD, 0));
	R(clone(fails, stacks[0] + 65536, CLONE_THREAD | CLONE_SIGHAND | SIGCHLD, 0));
	R(clone(fails, stacks[0] + 65536, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0));
	R(syscall(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, BAD, 0));

	TITLE("what is shared");
	dup2(1, 9);
	pid = clone(files, stacks[0] + 65536, CLONE_VM | SIGCHLD, 0);
	waitpid(pid, &st, 0);
	char cwd[100];
	getcwd(cwd, 100);
	printf("not: 9 %d, 10 %d, cwd %s, umask %o\n", fcntl(9, F_GETFD), fcntl(10, F_GETFD), cwd, umask(022));
	pid = clone(files, stacks[0] + 65536, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, 0);
	waitpid(pid, &st, 0);
	getcwd(cwd, 100);
	printf("shared: 9 %d, 10 %d, cwd %s, umask %o\n", fcntl(9, F_GETFD), fcntl(10, F_GETFD), cwd, umask(022));

	TITLE("threads");
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	shared = parent_tid = 0;
	for (int n = 0; n < 4; n++)
		if (clone(thread, stacks[n] + 65536, flags, (void *)n) < 0)
			printf("clone %s\n", error_name(errno));
	while (parent_tid < 4)
		syscall(SYS_sched_yield);
	printf("shared %d, one process %d, different %d\n", shared, group == getpid(),
	       tids[0] != tids[1] && tids[1] != tids[2] && tids[0] != getpid());
	usleep(20000);
	R(waitpid(-1, &st, __WALL | WNOHANG));
	S(tgkill, getpid(), tids[0], 0);
	signal(SIGUSR1, caught);
	raise(SIGUSR1);
	printf("%d\n", caught_by == getpid());
	CHILD("a thread ends all", {
		clone(dies, stacks[0] + 65536, flags, 0);
		for (;;)
			pause();
	});
	CHILD("a thread faults", {
		clone(faults, stacks[0] + 65536, flags, 0);
		for (;;)
			pause();
	});
	CHILD("the first thread ends first", {
		clone(late, stacks[0] + 65536, flags, 0);
		syscall(SYS_exit, 3);
	});
	CHILD("exec from a thread's process", {
		clone((void *)pause, stacks[0] + 65536, flags, 0);
		char *args[] = {"x", NULL};
		char *env[] = {NULL};
		if (getenv("STOP"))
			_exit(1);
		execve("/nonexistent", args, env);
		_exit(errno);
	});
	return 0;
}
