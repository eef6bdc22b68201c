#include "conf.h"

static void one(void) { printf("one\n"); }
static void two(void) { printf("two\n"); }

__attribute__((destructor)) static void last(void) { printf("destructor\n"); }

int main(void)
{
	int ends[2];
	char buf[100];

	CHILD("exit runs handlers in reverse", {
		atexit(one);
		atexit(two);
		printf("no newline");
		exit(256 + 7);
	});
	CHILD("_exit does not", {
		atexit(one);
		printf("lost?\n");
		_exit(9);
	});
	CHILD("exit(1) by the system call", syscall(SYS_exit, 0x12345));
	CHILD("exit_group", syscall(SYS_exit_group, -2));
	CHILD("abort", abort());
	CHILD("abort, caught", {
		signal(SIGABRT, (void (*)(int))one);
		abort();
	});
	CHILD("abort, ignored", {
		signal(SIGABRT, SIG_IGN);
		abort();
	});
	CHILD("kill itself", kill(getpid(), SIGKILL));
	CHILD("descriptors are closed", {
		pipe(ends);
		if (!fork()) {
			usleep(10000);
			_exit(0);
		}
		close(ends[1]);
		printf("%d\n", (int)read(ends[0], buf, 1));
	});
	CHILD("no stdout", {
		close(1);
		errno = 0;
		int got = write(1, "x", 1);
		_exit(got < 0 ? errno : 0);
	});
	return 0;
}
