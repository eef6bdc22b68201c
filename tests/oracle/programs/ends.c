#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void bye(void)
{
	printf("atexit\n");
}

static int deep(int n)
{
	volatile char room[4096];

	room[0] = n;
	return n ? deep(n - 1) + room[0] : 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	volatile int zero = 0;

	atexit(bye);
	printf("%s\n", how);
	if (!strcmp(how, "return"))
		return 7;
	if (!strcmp(how, "exit"))
		exit(300);
	if (!strcmp(how, "_exit"))
		_exit(-1);
	fflush(stdout);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "assert"))
		assert(zero == 1);
	if (!strcmp(how, "segfault"))
		*(volatile int *)16 = 1;
	if (!strcmp(how, "kernel"))
		*(volatile int *)0xc0100000 = 1;
	if (!strcmp(how, "text"))
		*(volatile int *)main = 1;
	if (!strcmp(how, "jump"))
		((void (*)(void))0x1234)();
	if (!strcmp(how, "divide"))
		return 1 / zero;
	if (!strcmp(how, "trap"))
		__asm__("ud2");
	if (!strcmp(how, "int3"))
		__asm__("int3");
	if (!strcmp(how, "hlt"))
		__asm__("hlt");
	if (!strcmp(how, "stack"))
		return deep(1 << 20);
	if (!strcmp(how, "deep"))
		printf("%d\n", deep(1500));
	if (!strcmp(how, "pipe")) {
		int ends[2];
		pipe(ends);
		close(ends[0]);
		write(ends[1], "x", 1);
	}
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	if (!strcmp(how, "alarm")) {
		alarm(1);
		pause();
	}
	return 0;
}
