#include "conf.h"

static sigjmp_buf back;
static volatile uintptr_t start;

static void caught(int signo, siginfo_t *s, void *context)
{
	ucontext_t *u = context;
	greg_t *r = u->uc_mcontext.gregs;

	printf("  signal %d code %d addr %+ld trapno %d err %#x eip %+ld cr2 %#lx\n", signo, s->si_code,
	       s->si_addr ? (long)((uintptr_t)s->si_addr - start) : -1000000, r[REG_TRAPNO],
	       s->si_addr >= (void *)0xc0000000 ? r[REG_ERR] & ~1 : r[REG_ERR], /* x86-64 has nothing there */
	       (long)(r[REG_EIP] - start), u->uc_mcontext.cr2 * (r[REG_TRAPNO] == 14));
	siglongjmp(back, 1);
}

static char *page;

/* Run these bytes (a `ret` is put behind them) and tell which signal they make. */
static void run_(const char *what, const unsigned char *code, int size)
{
	printf("%s\n", what);
	memset(page, 0x90, 64);
	memcpy(page, code, size);
	page[size] = 0xc3;
	start = (uintptr_t)page;
	fflush(stdout);
	if (!sigsetjmp(back, 1)) {
		__asm__ volatile("pushal; call *%0; push %%ss; pop %%ds; push %%ss; pop %%es; popal; cld" : : "r"(page) : "memory", "cc");
		printf("  nothing\n");
	}
}

#define RUN(what, ...)                                                                                 \
	do {                                                                                           \
		static const unsigned char code_[] = {__VA_ARGS__};                                    \
		run_(what, code_, sizeof code_);                                                       \
	} while (0)

int main(void)
{
	struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

	for (int n = 0; n < 5; n++)
		sigaction(signals[n], &act, NULL);
	page = mmap((void *)0x50000000, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	RUN("nop", 0x90);
	RUN("int3", 0xcc);
	RUN("int $3", 0xcd, 3);
	RUN("int $4", 0xcd, 4);
	RUN("into without overflow", 0x31, 0xc0, 0xce);
	RUN("into", 0xb0, 0x7f, 0x04, 0x01, 0xce);
	RUN("bound inside", 0x31, 0xc0, 0x6a, 9, 0x6a, 0, 0x62, 0x04, 0x24, 0x83, 0xc4, 8);
	RUN("bound outside", 0xb8, 10, 0, 0, 0, 0x6a, 9, 0x6a, 0, 0x62, 0x04, 0x24, 0x83, 0xc4, 8);
	RUN("ud2", 0x0f, 0x0b);
	RUN("ud0", 0x0f, 0xff, 0xc0);
	RUN("invalid", 0x0f, 0x04);
	RUN("lock nop", 0xf0, 0x90);
	RUN("div by 0", 0x31, 0xc9, 0xf7, 0xf1);
	RUN("idiv overflow", 0xb8, 0, 0, 0, 0x80, 0x99, 0x83, 0xc9, 0xff, 0xf7, 0xf9);
	RUN("aam 0", 0xd4, 0);
	RUN("cli", 0xfa);
	RUN("sti", 0xfb);
	RUN("hlt", 0xf4);
	RUN("in al, dx", 0xec);
	RUN("in al, 0x60", 0xe4, 0x60);
	RUN("out dx, al", 0xee);
	RUN("outsb", 0x6e);
	RUN("insb", 0x6c);
	RUN("int 0x20", 0xcd, 0x20);
	RUN("int 0", 0xcd, 0);
	RUN("int 1", 0xcd, 1);
	RUN("int 2", 0xcd, 2);
	RUN("int 6", 0xcd, 6);
	RUN("int 8", 0xcd, 8);
	RUN("int 13", 0xcd, 13);
	RUN("int 14", 0xcd, 14);
	RUN("int 0xff", 0xcd, 0xff);
	RUN("mov cr0", 0x0f, 0x20, 0xc0);
	RUN("mov cr3", 0x0f, 0x22, 0xd8);
	RUN("mov db7", 0x0f, 0x23, 0xf8);
	RUN("lgdt", 0x0f, 0x01, 0x10);
	RUN("lidt", 0x0f, 0x01, 0x18);
	RUN("lmsw", 0x0f, 0x01, 0xf0);
	RUN("ltr", 0x0f, 0x00, 0xd8);
	RUN("lldt", 0x0f, 0x00, 0xd0);
	RUN("clts", 0x0f, 0x06);
	RUN("invd", 0x0f, 0x08);
	RUN("wbinvd", 0x0f, 0x09);
	RUN("rdmsr", 0x0f, 0x32);
	RUN("wrmsr", 0x0f, 0x30);
	RUN("mov ds, null", 0x31, 0xc0, 0x8e, 0xd8);
	RUN("mov ss, null", 0x31, 0xc0, 0x8e, 0xd0);
	RUN("mov ds, kernel data", 0xb8, 0x68, 0, 0, 0, 0x8e, 0xd8);
	RUN("mov ss, user code", 0xb8, 0x73, 0, 0, 0, 0x8e, 0xd0);
	RUN("mov ds, beyond the gdt", 0xb8, 0xfb, 0xff, 0, 0, 0x8e, 0xd8);
	RUN("mov es, empty ldt", 0xb8, 0x17, 0, 0, 0, 0x8e, 0xc0);
	RUN("far jump to null", 0xea, 0, 0, 0, 0, 0, 0);
	RUN("far call kernel code", 0x9a, 0, 0, 0, 0, 0x60, 0);
	RUN("far return to data", 0x6a, 0x7b, 0x68, 0, 0, 0, 0, 0xcb);
	RUN("iret to null", 0x9c, 0x6a, 0, 0x6a, 0, 0xcf);
	RUN("null read", 0xa1, 0, 0, 0, 0);
	RUN("null write", 0xa3, 4, 0, 0, 0);
	RUN("kernel read", 0xa1, 0, 0x10, 0, 0xc0);
	RUN("kernel write", 0xa3, 0, 0x10, 0, 0xc0);
	RUN("text write", 0xc6, 0x05, 0, 0x90, 0x04, 0x08, 0x01);
	RUN("call null", 0x31, 0xc0, 0xff, 0xd0);
	RUN("jump into data", 0xb8, 0, 0, 0, 0x60, 0xff, 0xe0);
	CHILD("a fault on a bad stack", __asm__ volatile("xor %%esp, %%esp; push %%eax" : : : "memory"));
	RUN("x87 division by zero, unmasked", 0xdb, 0xe3, 0x6a, 0, 0xc7, 0x04, 0x24, 0x7b, 0x03, 0, 0, 0xd9, 0x2c,
	    0x24, 0x58, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b, 0xdb, 0xe3);
	__asm__ volatile("fninit");
	RUN("end of the page's code", 0xe9, 0xf9, 0x1f, 0, 0);
	RUN("instruction over the end", 0xe9, 0xf8, 0x1f, 0, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	page[4095] = 0xb8;
	start = (uintptr_t)page;
	if (!sigsetjmp(back, 1))
		((void (*)(void))(page + 4095))();

	TITLE("without handlers");
	for (int n = 0; n < 5; n++)
		signal(signals[n], SIG_DFL);
	CHILD("int3", __asm__("int3"));
	CHILD("ud2", __asm__("ud2"));
	CHILD("hlt", __asm__("hlt"));
	CHILD("div", __asm__("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx"));
	CHILD("null", *(volatile int *)0 = 1);
	TITLE("ignored or blocked");
	CHILD("ignored", {
		signal(SIGSEGV, SIG_IGN);
		*(volatile int *)0 = 1;
	});
	CHILD("blocked", {
		sigset_t set;
		sigfillset(&set);
		sigaction(SIGSEGV, &act, NULL);
		sigprocmask(SIG_BLOCK, &set, NULL);
		*(volatile int *)0 = 1;
	});
	CHILD("ignored trap", {
		signal(SIGTRAP, SIG_IGN);
		__asm__("int3");
	});
	return 0;
}
