#include "conf.h"
#include <math.h>

static volatile int ticks;

static void spoil(int signo)
{
	double junk[8] = {1, 2, 3, 4, 5, 6, 7, 8}, sum = 0;

	for (int n = 0; n < 8; n++)
		sum += sqrt(junk[n]) * 1.7;
	__asm__ volatile("fninit; fldpi; fldl2e; pxor %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm3, %%xmm3"
			 : : : "memory");
	unsigned mxcsr = 0x7f80;
	unsigned short cw = 0x0c7f;
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(cw));
	ticks += sum > 0;
}

int main(void)
{
	unsigned values[8][4], after[8][4];
	unsigned mxcsr = 0x1f80 | 0x4000, mxcsr2;
	unsigned short cw = 0x0b7f, cw2, sw;
	long double st[4] = {1.5L, -2.25L, 1e4000L, 0}, out[4];
	int ends[2], pid, st_;

	pipe(ends);
	signal(SIGUSR1, spoil);
	for (int n = 0; n < 32; n++)
		((unsigned *)values)[n] = n * 0x01010101u + 7;
	for (int turn = 0; turn < 3; turn++) {
		long got = 0;
		if (turn == 1 && !(pid = fork())) {
			for (int n = 0; n < 20; n++) {
				spoil(0);
				sched_yield();
			}
			usleep(10000);
			write(ends[1], "x", 1);
			_exit(0);
		}
		char c;
		long nr = turn == 0 ? SYS_kill : turn == 1 ? SYS_read : SYS_sched_yield;
		long a = turn == 0 ? getpid() : ends[0], b = turn == 0 ? SIGUSR1 : (long)&c;
		__asm__ volatile("fninit; fldcw %2; ldmxcsr %3\n"
				 "fldt 0(%5); fldt 12(%5); fldt 24(%5)\n"
				 "movups 0(%4), %%xmm0; movups 16(%4), %%xmm1; movups 32(%4), %%xmm2\n"
				 "movups 48(%4), %%xmm3; movups 64(%4), %%xmm4; movups 80(%4), %%xmm5\n"
				 "movups 96(%4), %%xmm6; movups 112(%4), %%xmm7\n"
				 "push %%ebx; push %%edx; mov %6, %%eax; mov %7, %%ebx; mov %8, %%ecx; mov $1, %%edx\n"
				 "int $0x80; pop %%edx; pop %%ebx; mov %%eax, %0\n"
				 : "=m"(got), "=m"(c) : "m"(cw), "m"(mxcsr), "D"(values), "S"(st), "m"(nr), "m"(a), "m"(b)
				 : "eax", "ecx", "memory");
		__asm__ volatile("fnstsw %0; fnstcw %1; stmxcsr %2\n"
				 "fstpt 24(%4); fstpt 12(%4); fstpt 0(%4)\n"
				 "movups %%xmm0, 0(%3); movups %%xmm1, 16(%3); movups %%xmm2, 32(%3); movups %%xmm3, 48(%3)\n"
				 "movups %%xmm4, 64(%3); movups %%xmm5, 80(%3); movups %%xmm6, 96(%3); movups %%xmm7, 112(%3)\n"
				 "fninit; ldmxcsr %5\n"
				 : "=m"(sw), "=m"(cw2), "=m"(mxcsr2) : "D"(after), "S"(out), "m"((unsigned){0x1f80}) : "memory");
		printf("turn %d: call %ld, xmm %d, st %d, sw %#x cw %#x mxcsr %#x\n", turn, got,
		       memcmp(values, after, sizeof values) == 0,
		       memcmp(&st[0], &out[0], 10) == 0 && memcmp(&st[1], &out[1], 10) == 0, sw, cw2, mxcsr2);
	}
	waitpid(pid, &st_, 0);
	printf("ticks %d\n", ticks);

	TITLE("processes computing side by side");
	for (int n = 0; n < 3; n++)
		if (!fork()) {
			double x = n + 1.5, y = 0;
			for (int i = 1; i < 300000; i++) {
				y += x / i;
				x = x * 0.999999 + y * 1e-7;
			}
			char line[100];
			int size = snprintf(line, 100, "%d %.17g %.17g\n", n, x, y);
			usleep(100000 * (n + 1));
			write(1, line, size);
			_exit(0);
		}
	while (wait(&st_) > 0)
		;
	fflush(stdout);

	TITLE("a new program, a new thread of control");
	__asm__ volatile("fninit; fldcw %0; ldmxcsr %1" : : "m"(cw), "m"(mxcsr));
	fflush(stdout);
	if (!(pid = fork())) {
		__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(cw2), "=m"(mxcsr2));
		__asm__ volatile("fninit; ldmxcsr %0" : : "m"((unsigned){0x1f80}));
		printf("fork keeps %#x %#x\n", cw2, mxcsr2);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &st_, 0);
	__asm__ volatile("fninit; ldmxcsr %0" : : "m"((unsigned){0x1f80}));

	TITLE("x87");
	volatile double one = 1, two = 2;
	volatile long double l = 1;
	for (int n = 0; n < 70; n++)
		l /= 3;
	printf("%La %a %a\n", (long double)l, sin(one), one / 3);
	printf("%d %d %ld %lld\n", (int)2.7, (int)-2.7, lrint(2.5), llrint(-3.5));
	printf("%d %d %d\n", isnan(0.0 * (1 / (one - one))), isinf(two / (one - one)), fpclassify(1e-310 * one));
	return 0;
}
