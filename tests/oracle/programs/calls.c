/* Calls of functions, of libraries and its own, to be seen in a trace. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noipa)) int twice(int n)
{
	return 2 * n;
}

__attribute__((noipa)) int sum_to(int n)
{
	return n ? n + sum_to(n - 1) : 0;
}

static int down(const void *a, const void *b)
{
	return abs(*(const int *)b - *(const int *)a);
}

int main(void)
{
	int numbers[] = {1, 2};
	char *home = getenv("NOTHING");

	printf("%s has %u, %c%5.2f\n", "hello", (unsigned)strlen("hello"), 'x', 1.5);
	puts(home ? home : "none");
	qsort(numbers, 2, sizeof *numbers, down);
	fflush(stdout);
	twice(sum_to(2));
	return atoi("42") - 42;
}
