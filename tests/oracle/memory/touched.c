/* Touches 32 MiB and forks; the child writes one page of it, then the parent one, when the child is gone. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	long size = 32 << 20;
	char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (long at = 0; at < size; at += 4096)
		p[at] = 1;
	if (!fork()) {
		p[16 << 20] = 2;
		_exit(p[16 << 20] - 2);
	}
	wait(0);
	p[16 << 20] = 3;
	p[17 << 20] = 3;
	return p[16 << 20] - 3;
}
