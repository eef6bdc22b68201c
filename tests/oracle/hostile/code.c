/* Random bytes as code, in children: nothing they do may stop the machine. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static void again(int signo, siginfo_t *info, void *context)
{
	static int times;

	if (++times > 20)
		_exit(1);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? atoi(argv[1]) : 1, turns = argc > 2 ? atoi(argv[2]) : 300;

	for (unsigned turn = 0; turn < turns; turn++) {
		int st;
		pid_t pid;

		seed = seed * 1664525 + 1013904223;
		pid = fork();
		if (!pid) {
			unsigned char *code;

			state = seed | 1;
			close(0);
			close(1);
			code = mmap(NULL, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			for (int n = 0; n < 65536; n++)
				code[n] = rnd() >> 11;
			for (int n = 0; n < 65536; n++) /* fewer jumps into nowhere, more that stay */
				if ((code[n] & 0xf0) == 0x70 || code[n] == 0xeb)
					code[n + 1] &= 0x3f;
			if (turn % 4 == 1) {
				struct sigaction act = {.sa_sigaction = again, .sa_flags = SA_SIGINFO | SA_NODEFER};

				for (int n = 1; n < 32; n++)
					sigaction(n, &act, NULL);
			}
			unsigned start = (unsigned)code + rnd() % 65000;
			if (turn % 4 == 2) /* with the trap flag */
				__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl; jmp *%0" : : "r"(start));
			if (turn % 4 == 3) /* at the very end of the mapping */
				start = (unsigned)code + 65536 - rnd() % 16;
			__asm__ volatile("mov %0, %%esi; mov %0, %%edi; mov %0, %%ebx; jmp *%0" : : "r"(start));
		}
		if (pid < 0)
			return 1;
		for (int wait = 0; waitpid(pid, &st, WNOHANG) == 0; wait++) {
			struct timespec t = {0, 1000000};

			if (wait > 10)
				kill(pid, SIGKILL);
			nanosleep(&t, NULL);
		}
		while (waitpid(-1, &st, WNOHANG) > 0)
			;
	}
	fprintf(stderr, "%u stretches of random code\n", turns);
	return 0;
}
