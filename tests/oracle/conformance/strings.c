#include "conf.h"

static sigjmp_buf back;
static unsigned char *base;
static volatile unsigned ecx, esi, edi, address;

static void caught(int signo, siginfo_t *s, void *context)
{
	ucontext_t *u = context;

	ecx = u->uc_mcontext.gregs[REG_ECX];
	esi = u->uc_mcontext.gregs[REG_ESI] - (unsigned)base;
	edi = u->uc_mcontext.gregs[REG_EDI] - (unsigned)base;
	address = (unsigned)s->si_addr - (unsigned)base;
	siglongjmp(back, 1);
}

#define TRY(text, count, from, to)                                                                     \
	do {                                                                                           \
		unsigned c = count;                                                                    \
		unsigned char *s = from, *d = to;                                                      \
		if (!sigsetjmp(back, 1)) {                                                             \
			__asm__ volatile(text "; cld" : "+c"(c), "+S"(s), "+D"(d) : "a"(0x41424344) : "memory", "cc"); \
			printf(text ": ecx %u esi %d edi %d\n", c, (int)(s - base), (int)(d - base));  \
		} else                                                                                 \
			printf(text ": fault at %d, ecx %u esi %d edi %d\n", (int)address, ecx, (int)esi, (int)edi); \
	} while (0)

int main(void)
{
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &act, NULL);
	base = mmap((void *)0x50000000, 16 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (int n = 0; n < 4096; n++)
		base[n] = n;
	TRY("rep movsb", 10000, base, base + 5 * 4096 - 100);
	TRY("rep movsl", 2500, base + 2, base + 5 * 4096 - 99);
	TRY("rep stosb", 9000, base, base + 9 * 4096 - 1);
	TRY("rep stosl", 3000, base, base + 9 * 4096 - 2);
	TRY("rep lodsb", 5000, base, base);
	TRY("repe cmpsb", 5000, base + 12 * 4096, base + 13 * 4096);
	TRY("repne scasb", 5000, base, base);
	TRY("repe scasl", 5000, base, base + 9 * 4096 - 2);
	mprotect(base + 8 * 4096, 4096, PROT_READ);
	munmap(base + 12 * 4096, 4096);
	TRY("rep movsb", 10000, base, base + 7 * 4096 + 5);
	TRY("rep movsl", 10000, base, base + 7 * 4096 + 5);
	TRY("rep movsw", 10000, base, base + 7 * 4096 + 7);
	TRY("rep stosb", 10000, base, base + 7 * 4096 + 50);
	TRY("rep stosl", 10000, base, base + 7 * 4096 + 50);
	TRY("rep lodsl", 10000, base + 11 * 4096 + 2, base);
	TRY("rep movsb", 10000, base + 11 * 4096 + 2, base);
	TRY("repe cmpsb", 10000, base + 10 * 4096, base + 11 * 4096);
	TRY("repne scasb", 10000, base, base + 11 * 4096);
	TRY("std; rep movsb", 5000, base + 14 * 4096, base + 9 * 4096 + 300);
	TRY("std; rep stosl", 5000, base, base + 9 * 4096 + 300);
	unsigned sum = 0;
	for (int n = 0; n < 8 * 4096; n++)
		sum = sum * 31 + base[n];
	for (int n = 13 * 4096; n < 16 * 4096; n++)
		sum = sum * 31 + base[n];
	printf("sum %u\n", sum);

	TITLE("instructions over page ends");
	*(unsigned *)(base + 2 * 4096 - 2) = 0x12345678;
	printf("%x\n", *(volatile unsigned *)(base + 2 * 4096 - 2));
	base[7 * 4096 + 4094] = base[7 * 4096 + 4095] = 9;
	if (!sigsetjmp(back, 1))
		*(volatile unsigned *)(base + 8 * 4096 - 2) = 0xffffffff;
	printf("fault at %d, %d %d\n", (int)address, base[7 * 4096 + 4094], base[7 * 4096 + 4095]);
	if (!sigsetjmp(back, 1))
		*(volatile double *)(base + 8 * 4096 - 4) = 1.5;
	printf("fault at %d, %d\n", (int)address, base[7 * 4096 + 4095]);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("lock incl (%0)" : : "r"(base + 8 * 4096 - 1) : "memory");
	printf("fault at %d\n", (int)address);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("xchg %%eax, (%0)" : : "r"(base + 8 * 4096 + 8), "a"(1) : "memory");
	printf("fault at %d\n", (int)address);

	TITLE("self-modifying code");
	unsigned char *code = mmap(NULL, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, "\xb8\x00\x00\x00\x00\xc3", 6);
	for (int n = 0; n < 300; n++) {
		code[1] = n;
		if (((int (*)(void))code)() != (n & 255))
			printf("stale at %d\n", n);
	}
	/* a loop that rewrites its own immediate: mov $9,%ecx; 1: addl $1,%eax; incb imm; loop 1b */
	unsigned char loop[] = {0x31, 0xc0, 0xb9, 9, 0, 0, 0, 0x83, 0xc0, 1, 0xfe, 0x05, 0, 0, 0, 0, 0xe2, 0xf5, 0xc3};
	memcpy(code + 100, loop, sizeof loop);
	*(unsigned *)(code + 112) = (unsigned)code + 109;
	printf("loop: %d\n", ((int (*)(void))(code + 100))());
	printf("again: %d\n", ((int (*)(void))(code + 100))());
	int ends[2];
	pipe(ends);
	write(ends[1], "\xb8\x2a\x00\x00\x00\xc3", 6);
	read(ends[0], code, 6);
	printf("read by the kernel: %d\n", ((int (*)(void))code)());
	CHILD("child", {
		code[1] = 43;
		printf("child: %d\n", ((int (*)(void))code)());
	});
	printf("parent: %d\n", ((int (*)(void))code)());
	return 0;
}
