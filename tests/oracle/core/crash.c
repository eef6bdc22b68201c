/* A child ends with a signal of the given name in some depth, in a directory of its own; its core file goes to
 * standard output, what is told of its end to standard error. */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int written_to = 1;
char never_touched[100000];
const char *text = "constant";

__attribute__((noinline)) static int deeper(const char *how, int depth)
{
	volatile int here = depth * 1000;

	if (!depth) {
		written_to = 4711;
		__asm__ volatile("fldpi\n\tfld1");
		if (!strcmp(how, "abort"))
			kill(getpid(), SIGABRT);
		else if (!strcmp(how, "divide"))
			here = here / depth;
		else
			*(volatile int *)0x1234 = 7;
	}
	return deeper(how, depth - 1) + here;
}

static void *other(void *ready)
{
	pthread_barrier_wait(ready);
	pause();
	return NULL;
}

__attribute__((noinline)) static void crash(const char *how)
{
	pthread_barrier_t ready;
	pthread_t thread;
	char *heap = strcpy(malloc(100), "on the heap");
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	strcpy(shared, "shared");
	if (!strcmp(how, "threads")) {
		pthread_barrier_init(&ready, NULL, 2);
		pthread_create(&thread, NULL, other, &ready);
		pthread_barrier_wait(&ready);
	}
	deeper(how, heap[0] == 'o' ? 3 : 2);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "segv";
	struct rlimit limit = {!strcmp(how, "none") ? 0 : !strcmp(how, "short") ? 8192 : 64 << 20, 64 << 20};
	char dir[] = "/tmp/coreXXXXXX", buf[65536];
	siginfo_t info;
	int status, n;

	chdir(mkdtemp(dir));
	setrlimit(RLIMIT_CORE, &limit);
	if (!strcmp(how, "linked"))
		symlink("/tmp/elsewhere", "core");
	if (!strcmp(how, "open"))
		fclose(fopen("core", "w"));
	pid_t pid = fork();
	if (!pid) {
		crash(how);
		_exit(1);
	}
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	waitpid(pid, &status, 0);
	struct stat st;
	int there = !lstat("core", &st);
	fprintf(stderr, "signal %d core %d code %d status %d; file %d mode %o whole %d\n", WTERMSIG(status),
		!!WCOREDUMP(status), info.si_code, info.si_status, there, there ? st.st_mode : 0, there && st.st_size > 50000);
	FILE *in = there && S_ISREG(st.st_mode) ? fopen("core", "r") : NULL;
	while (in && (n = fread(buf, 1, sizeof buf, in)) > 0)
		fwrite(buf, 1, n, stdout);
	unlink("core");
	chdir("/");
	rmdir(dir);
	return 0;
}
