/* Run with 16 MiB: a process that wants all memory ends, then the largest of two. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void eat(long mib)
{
	for (long i = 0; i < mib << 8; i++) {
		char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(3);
		*p = 1;
	}
}

int main(void)
{
	int status, ready[2];
	char byte;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!fork()) {
		eat(1000);
		_exit(0);
	}
	wait(&status);
	printf("the hog: signal %d\n", WTERMSIG(status));
	pipe(ready);
	if (!fork()) {
		eat(8);
		write(ready[1], "x", 1);
		pause();
	}
	read(ready[0], &byte, 1);
	eat(10);
	printf("the parent has its memory\n");
	wait(&status);
	printf("the large child: signal %d\n", WTERMSIG(status));
	if (!fork())
		_exit(7);
	wait(&status);
	printf("a small child: exit %d\n", WEXITSTATUS(status));
	return 0;
}
