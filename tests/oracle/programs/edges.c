/* Calls whose arguments lie at the edge of what is mapped, or are of no sense, to be seen in a trace. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE ((char *)0x30000000)

/* `size` bytes that end where nothing is mapped. */
static void *edge(size_t size, const void *data)
{
	char *at = PAGE + 4096 - size;

	if (data)
		memcpy(at, data, size);
	return at;
}

static void times(void)
{
	long minus[4] = {-559038737, -87097619, -559038737, -87097619}, none[4] = {0, 0, -1, 0};
	int64_t wide[2] = {-3819351491602432273, -4982091772012331283};

	syscall(SYS_nanosleep, minus, 0);
	syscall(SYS_clock_settime64, 2, wide);
	syscall(SYS_utimensat, -100, "nowhere", none, 0);
	syscall(SYS_utimes, "nowhere", minus);
	syscall(SYS_setitimer, 0, minus, 0);
	syscall(SYS__newselect, 0, 0, 0, 0, minus);
}

static void arrays(void)
{
	struct iovec two[2] = {{"ab", 2}, {"c", 1}};
	unsigned groups[2] = {1, -1};

	syscall(SYS_writev, -1, edge(16, two), 2);
	syscall(SYS_writev, -1, edge(16, two), 3);
	syscall(SYS_writev, -1, PAGE + 4096, 3);
	syscall(SYS_preadv, -1, edge(16, two), 3, 0, 0);
	syscall(SYS_setgroups32, 3, edge(8, groups));
	syscall(SYS_setgroups32, 0, PAGE + 4096);
	syscall(SYS_process_vm_readv, getpid(), edge(16, two), 3, two, 2, 0);
}

static void sockets(void)
{
	char long_name[200] = {1, 0, 'l'}, name[3] = {1, 0, 'x'};
	struct sockaddr_un bound = {AF_UNIX, "edges-socket-with-a-name"};
	int pair[2], one, size, value[2] = {1, 5}, server;
	struct mmsghdr many[2] = {0};
	struct iovec vectors[2] = {{"one", 3}, {"twenty", 6}};

	memset(long_name + 3, 'l', sizeof long_name - 3);
	syscall(SYS_connect, -1, long_name, sizeof long_name);
	syscall(SYS_connect, -1, name, 2);
	syscall(SYS_connect, -1, name, 1);
	syscall(SYS_connect, -1, "\1\0\0abstract", 11);
	syscall(SYS_connect, -1, "\2\0\0\1\2\3", 6);
	syscall(SYS_connect, -1, "\12\0\0\120\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2", 28);
	server = socket(AF_UNIX, SOCK_DGRAM, 0);
	bind(server, (struct sockaddr *)&bound, sizeof bound);
	unlink(bound.sun_path);
	for (size = 0; size < 40; size += 8) {
		socklen_t room = size;

		syscall(SYS_getsockname, server, edge(size, 0), &room);
	}
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	for (size = -1; size < 14; size += size == 4 ? 3 : 1) {
		socklen_t room = size;

		syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_LINGER, edge(8, value), size);
		syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_LINGER, edge(12, 0), &room);
		room = size;
		syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_BROADCAST, edge(4, value), size);
		syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, edge(12, 0), &room);
	}
	for (one = 0; one < 2; one++)
		many[one].msg_hdr = (struct msghdr){.msg_iov = vectors + one, .msg_iovlen = 1};
	syscall(SYS_sendmmsg, pair[0], many, 2, 0);
	syscall(SYS_sendmmsg, -1, many, 2, 0);
	syscall(SYS_sendmmsg, -1, edge(sizeof *many, many), 2, 0);
	vectors[0].iov_base = edge(8, "--------");
	vectors[0].iov_len = vectors[1].iov_len = 8;
	vectors[1].iov_base = edge(16, "----------------");
	syscall(SYS_recvmmsg, pair[1], many, 2, MSG_DONTWAIT, 0);
	syscall(SYS_recvmmsg, pair[1], many, 2, MSG_DONTWAIT, 0);
}

static void sets_and_flags(void)
{
	struct flock64 lock = {F_WRLCK, SEEK_SET, 1, 2, 0};
	char name[250];
	sigset_t set;
	int size;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	for (size = 0; size < 10; size++)
		syscall(SYS_rt_sigpending, edge(8, 0), size);
	memset(name, 'n', sizeof name);
	syscall(SYS_memfd_create, edge(sizeof name, name), 0);
	syscall(SYS_memfd_create, 0, 0x7c000007);
	syscall(SYS_mount, 0, 0, 0, 0x4000200, 0);
	syscall(SYS_fcntl, 0, F_SETLK64, &lock);
	syscall(SYS_setns, -1, 0x7fffffff);
	syscall(SYS_seccomp, 1, 0xffffffff, edge(8, "\3\0\0\0\1\2\3\4"));
	syscall(SYS_seccomp, 2, 0, edge(4, "\0\0\377\177"));
	syscall(SYS_seccomp, 3, 0, edge(6, 0));
	syscall(SYS_fsetxattr, -1, "user.x", "with\0", 5, 1);
	syscall(SYS_listxattr, ".", name, 0);
	syscall(SYS_timer_create, 0, "\1\0\0\0\16\0\0\0\2\0\0\0\5\0\0\0\6\0\0\0", &size);
}

int main(void)
{
	mmap(PAGE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	times();
	arrays();
	sockets();
	sets_and_flags();
	return 0;
}
