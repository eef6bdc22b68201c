/* argv[1] times: a byte into a pipe and out of it again. */

#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int ends[2], turns = argc > 1 ? atoi(argv[1]) : 1000;
	char byte = 'x';

	if (pipe(ends))
		return 1;
	for (int n = 0; n < turns; n++)
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			return 2;
	return 0;
}
