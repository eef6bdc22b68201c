#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct point {
	int x, y;
	char name[8];
	double weight;
};
static int depth, total;
static volatile int caught;

static void handler(int signo)
{
	caught = signo;
}

static int f(int n, struct point *p)
{
	depth++;
	if (n == 0)
		return p->x * p->y;
	p->x += n;
	return f(n - 1, p) + 1;
}

static int sum(const int *values, int count)
{
	int result = 0;

	for (int i = 0; i < count; i++)
		result += values[i];
	return result;
}

int main(int argc, char **argv)
{
	struct point p = {2, 3, "point", 1.5};
	int values[] = {1, 2, 3, 4, 5};
	int value = f(3, &p);

	total = sum(values, 5);
	printf("value %d depth %d total %d\n", value, depth, total);
	fflush(stdout);
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	total = caught;
	if (argc > 1 && !strcmp(argv[1], "fork")) {
		if (!fork()) {
			puts("the child");
			exit(3);
		}
		int status;
		wait(&status);
		printf("the parent: %d\n", WEXITSTATUS(status));
	} else if (argc > 1 && !strcmp(argv[1], "exec")) {
		execl("/bin/echo", "echo", "another program", NULL);
	} else if (argc > 1 && !strcmp(argv[1], "crash")) {
		*(volatile int *)16 = value;
	}
	return value & 7;
}
