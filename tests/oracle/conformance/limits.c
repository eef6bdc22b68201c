/* RLIMIT_AS and RLIMIT_DATA: what they count, and which call fails how. */
#include "conf.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define MIB (1 << 20)

static void limit(int which, rlim_t soft)
{
	struct rlimit r = {soft, RLIM_INFINITY};
	R(setrlimit(which, &r));
}

static void *map(size_t size, int prot, int flags)
{
	return mmap(0, size, prot, flags | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	char *kept;
	int rw = PROT_READ | PROT_WRITE;

	TITLE("address space");
	limit(RLIMIT_AS, 64 * MIB);
	OK(map(100 * MIB, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(map(100 * MIB, PROT_NONE, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(map(100 * MIB, rw, MAP_SHARED) != MAP_FAILED ? 0 : -1);
	kept = map(40 * MIB, rw, MAP_PRIVATE);
	OK(kept != MAP_FAILED ? 0 : -1);
	OK(map(40 * MIB, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(mmap(kept, 40 * MIB, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == kept ? 0 : -1);
	OK(sbrk(40 * MIB) != (void *)-1 ? 0 : -1);
	OK(sbrk(MIB) != (void *)-1 ? 0 : -1);
	R(munmap(kept, 40 * MIB));
	OK(map(40 * MIB, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	limit(RLIMIT_AS, RLIM_INFINITY);

	TITLE("data");
	limit(RLIMIT_DATA, 64 * MIB);
	OK(map(100 * MIB, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(map(100 * MIB, PROT_READ, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(map(100 * MIB, rw, MAP_SHARED) != MAP_FAILED ? 0 : -1);
	OK(sbrk(100 * MIB) != (void *)-1 ? 0 : -1);
	OK(map(MIB, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	limit(RLIMIT_DATA, 0);
	OK(map(4096, rw, MAP_PRIVATE) != MAP_FAILED ? 0 : -1);
	OK(sbrk(4096) != (void *)-1 ? 0 : -1);

	TITLE("kept capabilities");
	R(prctl(PR_GET_KEEPCAPS));
	R(prctl(PR_SET_KEEPCAPS, 2));
	R(prctl(PR_SET_KEEPCAPS, 1));
	R(prctl(PR_GET_KEEPCAPS));
	return 0;
}
