/* fork N MIB: touches MIB mebibytes, then forks N children that exit at once, and waits for each. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int count = atoi(argv[1]);
	long size = (long)atoi(argv[2]) << 20;
	char *p = mmap(0, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (long at = 0; at < size; at += 4096)
		p[at] = 1;
	for (int i = 0; i < count; i++) {
		if (!fork())
			_exit(0);
		wait(0);
	}
	return 0;
}
