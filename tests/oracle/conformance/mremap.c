#include "conf.h"

int main(void)
{
	char *p = mmap((void *)0x50000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), *q;

	p[0] = 1, p[4096] = 2;
	q = mremap(p, 8192, 16384, 0);
	printf("grown in place: %d %d %d\n", q == p, q == MAP_FAILED ? -1 : q[4096], q == MAP_FAILED ? -1 : q[12288]);
	R((long)mremap(p, 16384, 4096, 0) == (long)p);
	mmap(p + 4096, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mprotect(p + 4096, 4096, PROT_READ);
	R(mremap(p, 4096, 8192, 0));
	q = mremap(p, 4096, 8192, MREMAP_MAYMOVE);
	printf("moved: %d %d\n", q != p, q == MAP_FAILED ? -1 : q[0]);
	R(mremap(p, 4096, 4096, 0));
	R(mremap((char *)1, 4096, 4096, 0));
	R(mremap(q, 8192, 0, 0));
	R(mremap(q, 8192, 4096, 99));
	R((long)mremap(q, 8192, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x60000000) == 0x60000000);
	R(mremap((char *)0x60000000, 4096, 4096, MREMAP_FIXED, (void *)0x61000000));
	R(mremap((char *)0x60000000, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x60000001));
	char *r = realloc(malloc(300000), 3000000);
	r[2999999] = 1;
	printf("realloc %d\n", r != NULL);
	return 0;
}
