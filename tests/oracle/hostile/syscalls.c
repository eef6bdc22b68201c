/* Random system calls with random arguments, in children: nothing they do may stop the machine. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned state;

static unsigned rnd(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static char *memory;

static unsigned argument(void)
{
	static const unsigned some[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 64, 128, 255, 256, 511, 4095, 4096, 65535, 0x7fffffff,
					0x80000000u, 0x80000001u, 0xc0000000u, 0xbffff000u, 0xffffffffu, 0xfffff000u, 0x12345678,
					0xffffff9cu};

	switch (rnd() % 8) {
	case 0:
		return rnd();
	case 1:
		return rnd() % 12;
	case 2:
		return (unsigned)memory + rnd() % 16384;
	case 3:
		return (unsigned)memory + (rnd() % 4 + 1) * 4096 - rnd() % 16;
	case 4:
		return 1u << rnd() % 32;
	case 5:
		return (unsigned)memory;
	default:
		return some[rnd() % (sizeof some / sizeof *some)];
	}
}

static void call(unsigned nr)
{
	unsigned a = argument(), b = argument(), c = argument(), d = argument(), e = argument(), f = argument();
	unsigned block[7] = {nr, a, b, c, d, e, f};

	__asm__ volatile("push %%ebp; push %%ebx; mov %0, %%eax; mov 4(%%eax), %%ebx; mov 8(%%eax), %%ecx\n"
			 "mov 12(%%eax), %%edx; mov 16(%%eax), %%esi; mov 20(%%eax), %%edi; mov 24(%%eax), %%ebp\n"
			 "mov (%%eax), %%eax; int $0x80; pop %%ebx; pop %%ebp"
			 : : "r"(block) : "eax", "ecx", "edx", "esi", "edi", "memory");
}

static void fill(void)
{
	for (int n = 0; n < 2048; n++)
		((unsigned *)memory)[n] = rnd() % 3 ? rnd() % 64 : argument();
	strcpy(memory, rnd() % 2 ? "/tmp/x" : "/proc/self/maps");
	strcpy(memory + 256, "/tmp/y");
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? atoi(argv[1]) : 1, turns = argc > 2 ? atoi(argv[2]) : 20000;
	unsigned made = 0, ended = 0;

	while (made < turns) {
		int st;
		unsigned chunk = 40;
		pid_t pid;

		seed = seed * 1664525 + 1013904223;
		pid = fork();
		if (!pid) {
			struct rlimit limit = {1 << 20, 1 << 20};

			state = seed | 1;
			setrlimit(RLIMIT_FSIZE, &limit);
			memory = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			mprotect(memory + 8192, 4096, PROT_READ);
			munmap(memory + 12288, 4096);
			close(0);
			dup2(2, 1);
			for (int n = 1; n < 65; n++)
				if (rnd() % 4 == 0)
					signal(n, SIG_IGN);
			alarm(1);
			for (unsigned n = 0; n < chunk; n++) {
				unsigned nr = rnd() % 470;

				if (rnd() % 16 == 0)
					fill();
				if (nr == 1 || nr == 252 || nr == 37 || nr == 238 || nr == 270) /* ends: exit, kill */
					continue;
				call(nr);
			}
			_exit(0);
		}
		if (pid < 0)
			break;
		made += chunk;
		for (int wait = 0; waitpid(pid, &st, WNOHANG) == 0; wait++) {
			struct timespec t = {0, 1000000};

			if (wait > 40)
				kill(pid, SIGKILL);
			nanosleep(&t, NULL);
		}
		ended++;
		while (waitpid(-1, &st, WNOHANG) > 0)
			;
	}
	fprintf(stderr, "made %u calls in %u children\n", made, ended);
	return made < turns;
}
