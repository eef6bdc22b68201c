/* Runs programs one after another, each in a session of its own: `batch [<TEXT] PROG ARG... -- PROG...`.
 * TEXT is what stands in the pipe that is a program's standard input. */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char **word = argv + 1, **end = argv + argc;

	while (word < end) {
		char **last = word;
		int input[2];
		pid_t child;

		while (last < end && strcmp(*last, "--"))
			last++;
		*last = NULL;
		if (pipe(input))
			return 1;
		if (**word == '<') {
			if (write(input[1], *word + 1, strlen(*word + 1)) < 0)
				return 1;
			word++;
		}
		child = fork();
		if (child == 0) {
			setsid();
			dup2(input[0], 0);
			close(input[0]);
			close(input[1]);
			execv(*word, word);
			_exit(127);
		}
		close(input[0]);
		close(input[1]);
		while (waitpid(child, NULL, 0) < 0)
			;
		word = last + 1;
	}
	return 0;
}
