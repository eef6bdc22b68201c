/* As many messages as fit, in sockets with large buffers, in many sockets, and again when those are gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static char data[65536];

static long fill(int fd)
{
	long sent = 0, n;

	while ((n = send(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		sent += n;
	return sent;
}

int main(void)
{
	int pair[2], size = 1 << 29;
	long first = 0, sent = 0;

	for (int turn = 0; turn < 3; turn++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		sent = fill(pair[0]);
		first = first ? first : sent;
		printf("%s, %s\n", errno == ENOBUFS ? "ENOBUFS" : "?", sent == first ? "as many" : "others");
		close(pair[0]);
		close(pair[1]);
	}
	sent = 0;
	while (!socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		sent += fill(pair[0]);
		close(pair[0]);
		if (errno == ENOBUFS)
			break;
	}
	printf("%s\n", sent <= 16 << 20 ? "no more" : "more");
	return 0;
}
