/* Reads a file twice, adding its bytes up, then forks: more than there is memory for goes by. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static unsigned char buffer[65536];
	int status;

	for (int turn = 0; turn < 2; turn++) {
		int fd = open(argv[1], O_RDONLY), n;
		unsigned long sum = 0, count = 0;

		while ((n = read(fd, buffer, sizeof buffer)) > 0) {
			count += n;
			for (int i = 0; i < n; i++)
				sum += buffer[i];
		}
		printf("%lu %lu\n", count, sum);
		close(fd);
	}
	fflush(stdout);
	if (!fork())
		_exit(5);
	wait(&status);
	printf("child %d\n", WEXITSTATUS(status));
	return 0;
}
