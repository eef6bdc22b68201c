/*
 * The vDSO as Linux has it on i386: found by the auxiliary vector, its dynamic symbols and versions,
 * __kernel_vsyscall (whichever instruction it uses), handlers without a restorer, unwinding, the clocks.
 */
#include "conf.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

static const char *vdso;
static unsigned long size;

static void *find(const char *name, const char *version)
{
	const Elf32_Ehdr *header = (void *)vdso;
	const Elf32_Phdr *phdr = (void *)(vdso + header->e_phoff);
	const Elf32_Dyn *dynamic = NULL;
	const Elf32_Sym *symbols = NULL;
	const char *strings = NULL;
	const unsigned *hash = NULL;
	const unsigned short *versions = NULL;
	const Elf32_Verdef *defined = NULL;

	for (int n = 0; n < header->e_phnum; n++)
		if (phdr[n].p_type == PT_DYNAMIC)
			dynamic = (void *)(vdso + phdr[n].p_vaddr);
	for (; dynamic->d_tag; dynamic++) {
		const char *at = vdso + dynamic->d_un.d_ptr;

		if (dynamic->d_tag == DT_SYMTAB)
			symbols = (void *)at;
		if (dynamic->d_tag == DT_STRTAB)
			strings = at;
		if (dynamic->d_tag == DT_HASH)
			hash = (void *)at;
		if (dynamic->d_tag == DT_VERSYM)
			versions = (void *)at;
		if (dynamic->d_tag == DT_VERDEF)
			defined = (void *)at;
	}
	for (unsigned n = 1; hash && n < hash[1]; n++) {
		const Elf32_Verdef *one = defined;

		if (strcmp(strings + symbols[n].st_name, name) || !symbols[n].st_shndx)
			continue;
		while (one->vd_ndx != (versions[n] & 0x7fff))
			one = (void *)((char *)one + one->vd_next);
		printf("%s@%s is %s, %s\n", name, version,
		       strcmp(strings + ((Elf32_Verdaux *)((char *)one + one->vd_aux))->vda_name, version)
			       ? "of another version" : "there",
		       ELF32_ST_TYPE(symbols[n].st_info) == STT_FUNC ? "a function" : "no function");
		return (void *)(vdso + symbols[n].st_value);
	}
	printf("%s is missing\n", name);
	return NULL;
}

/* A call through `entry` with all six arguments, and what it left of the other registers. */
static long call(void *entry, long nr, long a, long b, long c, long d, long e, long f)
{
	long block[] = {a, b, c, d, e, f, (long)entry}, result = nr, after = 0;

	__asm__ volatile("push %%ebx; push %%ebp; push %%esi; push %%edi\n"
			 "mov %1, %%esi; push 24(%%esi); mov (%%esi), %%ebx; mov 4(%%esi), %%ecx\n"
			 "mov 8(%%esi), %%edx; mov 16(%%esi), %%edi; mov 20(%%esi), %%ebp; mov 12(%%esi), %%esi\n"
			 "call *(%%esp)\n"
			 "lea (%%ebx,%%ecx), %%ebx; add %%edx, %%ebx; add %%esi, %%ebx; add %%edi, %%ebx; add %%ebp, %%ebx\n"
			 "mov %%ebx, %%ecx; add $4, %%esp; pop %%edi; pop %%esi; pop %%ebp; pop %%ebx\n"
			 : "+a"(result), "=c"(after) : "1"(block) : "edx", "memory");
	printf("registers %s\n", after == a + b + c + d + e + f ? "kept" : "lost");
	return result;
}

static volatile int caught;
static void *returns_to;

static void handler(int signo)
{
	caught = signo;
	returns_to = __builtin_return_address(0);
}

static void info_handler(int signo, siginfo_t *info, void *context)
{
	caught = signo + (info->si_signo == signo ? 100 : 0) + (context ? 1000 : 0);
	returns_to = __builtin_return_address(0);
}

struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask[2];
};

int main(void)
{
	void *entry, *sigreturn, *rt_sigreturn;
	char line[256], byte = 0;
	long (*clock_gettime_)(int, struct timespec *), (*gettimeofday_)(struct timeval *, void *), (*time_)(long *);
	struct kernel_sigaction act = {handler};
	struct timespec a, b = {0}, c;
	FILE *maps = fopen("/proc/self/maps", "r");

	vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	printf("ELF header %s\n", vdso && !memcmp(vdso, "\177ELF\1\1", 6) ? "there" : "missing");
	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "[vdso]")) {
			size = strtoul(line + 9, NULL, 16) - strtoul(line, NULL, 16);
			printf("maps: %s, %.28s\n", (char *)strtoul(line, NULL, 16) == vdso ? "the same" : "elsewhere",
			       strchr(line, ' '));
		}
	entry = find("__kernel_vsyscall", "LINUX_2.5");
	sigreturn = find("__kernel_sigreturn", "LINUX_2.5");
	rt_sigreturn = find("__kernel_rt_sigreturn", "LINUX_2.5");
	clock_gettime_ = find("__vdso_clock_gettime", "LINUX_2.6");
	gettimeofday_ = find("__vdso_gettimeofday", "LINUX_2.6");
	time_ = find("__vdso_time", "LINUX_2.6");
	find("__vdso_clock_gettime64", "LINUX_2.6");
	find("__vdso_clock_getres", "LINUX_2.6");
	printf("AT_SYSINFO %s\n", entry == (void *)getauxval(32) ? "agrees" : "differs");

	printf("getpid %s\n", call(entry, SYS_getpid, 1, 2, 3, 4, 5, 6) == getpid() ? "agrees" : "differs");
	{
		char *page = (char *)call(entry, SYS_mmap2, 0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		printf("mmap2 %s\n", (unsigned long)page < -4095UL ? "maps" : "fails");
		page[8191] = 1;
	}
	printf("no such call %ld\n", call(entry, 100000, 1, 2, 3, 4, 5, 6));
	printf("write %ld\n", call(entry, SYS_write, -1, (long)&byte, 1, 0, 0, 0));

	memset(&a, 0, sizeof a);
	clock_gettime(CLOCK_MONOTONIC, &a);
	printf("clock_gettime %ld\n", clock_gettime_(CLOCK_MONOTONIC, &b));
	clock_gettime(CLOCK_MONOTONIC, &c);
	printf("in order %d\n", (a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec)) &&
	       (b.tv_sec < c.tv_sec || (b.tv_sec == c.tv_sec && b.tv_nsec <= c.tv_nsec)));
	printf("bad clock %ld\n", clock_gettime_(12345, &b));
	{
		struct timeval now = {0};

		printf("gettimeofday %ld, ", gettimeofday_(&now, NULL));
		printf("time %s\n", labs(time_(NULL) - now.tv_sec) <= 2 ? "agrees" : "differs");
	}

	syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8);
	raise(SIGUSR1);
	printf("handler without restorer: %d, %s\n", caught, returns_to == sigreturn ? "into the vDSO" : "elsewhere");
	act.handler = info_handler;
	act.flags = SA_SIGINFO;
	syscall(SYS_rt_sigaction, SIGUSR2, &act, NULL, 8);
	raise(SIGUSR2);
	printf("with siginfo: %d, %s\n", caught, returns_to == rt_sigreturn ? "into the vDSO" : "elsewhere");

	printf("write protected %d\n", mprotect((void *)vdso, size, PROT_READ | PROT_WRITE | PROT_EXEC) ? errno : 0);
	((char *)vdso)[0] = 'x';
	if (!fork())
		_exit(vdso[0]);
	{
		int status;

		wait(&status);
		printf("child saw %c\n", WEXITSTATUS(status));
	}
	printf("getpid %s\n", call(entry, SYS_getpid, 1, 2, 3, 4, 5, 6) == getpid() ? "agrees" : "differs");
	return 0;
}
