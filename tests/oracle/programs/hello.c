#include <stdio.h>

int main(void)
{
	printf("hello, %s\n", "world");
	fprintf(stderr, "and %d\n", 42);
	return 0;
}
