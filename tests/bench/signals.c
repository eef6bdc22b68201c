/* argv[1] times: a signal to itself, its handler, and sigreturn. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int handled;

static void handler(int signo)
{
	handled += signo == SIGUSR1;
}

int main(int argc, char **argv)
{
	int turns = argc > 1 ? atoi(argv[1]) : 1000;
	struct sigaction action = {.sa_handler = handler};
	pid_t me = getpid();

	sigaction(SIGUSR1, &action, NULL);
	for (int n = 0; n < turns; n++)
		kill(me, SIGUSR1);
	return handled != turns;
}
