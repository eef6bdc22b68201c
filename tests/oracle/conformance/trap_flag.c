#include "conf.h"

static volatile int steps;
static volatile uintptr_t eips[400];
static volatile int codes[8];

static void step(int signo, siginfo_t *s, void *context)
{
	ucontext_t *u = context;

	if (steps < 400)
		eips[steps] = u->uc_mcontext.gregs[REG_EIP];
	if (steps < 8)
		codes[steps] = s->si_code * 2 + (s->si_addr == (void *)u->uc_mcontext.gregs[REG_EIP]);
	steps++;
	if (!(u->uc_mcontext.gregs[REG_EFL] & 0x100)) /* the last one: behind the popfl that clears it */
		printf("TF is not in the frame of step %d\n", steps);
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
	unsigned flags = 0;

	sigaction(SIGTRAP, &act, NULL);
	__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl\n"
			 "nop; nop; mov $3, %%ecx; 1: loop 1b\n"
			 "pushfl; andl $~0x100, (%%esp); popfl\n" : : : "ecx", "memory", "cc");
	printf("steps %d\n", steps);
	for (int n = 1; n < steps && n < 400; n++)
		printf("%+ld ", (long)(eips[n] - eips[n - 1]));
	printf("\n%d %d\n", codes[0], codes[7]);
	steps = 0;
	__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl\n"
			 "mov $20, %%eax; int $0x80; nop; nop\n"
			 "pushfl; andl $~0x100, (%%esp); popfl\n" : : : "eax", "memory", "cc");
	printf("over int $0x80: steps %d\n", steps);
	for (int n = 1; n < steps && n < 400; n++)
		printf("%+ld ", (long)(eips[n] - eips[n - 1]));
	printf("\n");
	steps = 0;
	static char from[8] = "abcdefg", to[8];
	char *source = from, *target = to;
	__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl\n"
			 "mov $5, %%ecx; rep movsb; nop\n"
			 "pushfl; andl $~0x100, (%%esp); popfl\n"
			 : "+S"(source), "+D"(target) : : "ecx", "memory", "cc");
	printf("over rep movsb: steps %d, %s\n", steps, to);
	__asm__ volatile("pushfl; popl %0" : "=r"(flags));
	printf("flags %#x\n", flags & 0x100);
	fflush(stdout);
	CHILD("without a handler", {
		signal(SIGTRAP, SIG_DFL);
		__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl; nop" : : : "memory", "cc");
	});
	return 0;
}
