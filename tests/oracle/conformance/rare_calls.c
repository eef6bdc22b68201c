/* Calls that the C library makes seldom or no more, their arguments of every shape. */

#include "conf.h"
#include <linux/capability.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>

static char buf[4096];

int main(void)
{
	char here[] = "/tmp/rareXXXXXX";
	long long zero[2] = {0, 0}, half[2] = {0, 500000};
	int fd, p[2];

	if (!mkdtemp(here) || chdir(here))
		return 1;

	TITLE("files");
	fd = syscall(SYS_open, "f", O_RDWR | O_CREAT | O_EXCL, 0640);
	S(fchown, fd, 0, 0);
	S(lchown, "f", -1, -1);
	S(chown, "f", 0, 0xffff);
	S(pwritev, fd, ((struct iovec[]){{"abc", 3}, {"defg", 4}}), 2, 1, 0);
	S(preadv, fd, ((struct iovec[]){{buf, 3}, {buf + 10, 100}}), 2, 2, 0);
	S(preadv2, fd, ((struct iovec[]){{buf, 3}, {buf + 10, 100}}), 2, 2, 0, 0);
	S(lseek, fd, -2, SEEK_END);
	S(lseek, fd, 2, 77);
	S(fadvise64_64, fd, 0, 0, 100, 0, POSIX_FADV_DONTNEED);
	S(fadvise64, fd, 0, 0, 100, 77);
	S(fallocate, fd, 0x40, 0, 0, 10, 0);
	S(truncate64, "f", 5, 0);
	S(ftruncate64, fd, 6, 0);
	S(fdatasync, fd);
	S(stat64, "f", buf);
	S(lstat64, "/dev/null", buf);
	S(fstat64, fd, buf);
	S(fstatat64, AT_FDCWD, "nothing", buf, AT_SYMLINK_NOFOLLOW);
	S(fstatat64, AT_FDCWD, "f", buf, 0);
	S(stat, "/dev/null", buf);
	S(lstat, "/dev/zero", buf);
	S(mknod, "pipe", S_IFIFO | 0600, 0);
	S(mknod, "device", S_IFCHR | 0600, makedev(1, 3));
	S(mknodat, AT_FDCWD, "plain", S_IFREG | 04755, 0);
	S(mkdirat, AT_FDCWD, "d", 0700);
	S(symlinkat, "f", AT_FDCWD, "s");
	S(readlinkat, AT_FDCWD, "s", buf, 10);
	S(renameat, AT_FDCWD, "s", AT_FDCWD, "t");
	S(faccessat, AT_FDCWD, "t", R_OK | X_OK);
	S(faccessat2, AT_FDCWD, "t", W_OK, AT_SYMLINK_NOFOLLOW | AT_EACCESS);
	S(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR);
	S(utimensat_time64, AT_FDCWD, "f", ((long long[]){0, UTIME_NOW, 0, UTIME_OMIT}), 0);
	S(utimensat_time64, AT_FDCWD, "f", ((long long[]){0, 5, 7, 1000000000}), AT_SYMLINK_NOFOLLOW);
	S(setxattr, "f", "user.a", "text\0more", 9, 1);
	S(getxattr, "f", "trusted.none", buf, 100);
	S(setxattr, "f", "trusted.a", "text", 4, 3);
	S(chroot, "nothing");
	S(flock, fd, 77);
	S(close_range, 77, 66, 4);
	S(dup3, fd, fd, O_CLOEXEC);
	int directory = open(".", O_RDONLY | O_DIRECTORY);
	printf("entries %d\n", syscall(SYS_getdents64, directory, buf, 4096) > 0);
	lseek(directory, 0, SEEK_SET);
	printf("entries %d\n", syscall(SYS_getdents, directory, buf, 4096) > 0);
	S(getdents, directory, buf, 4096);
	S(fchdir, directory);

	TITLE("mounts and the machine");
	S(mount, "none", "nothing", "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "size=1m");
	S(mount, "f", "nothing", NULL, MS_BIND | MS_REC, NULL);
	S(mount, NULL, "nothing", "x", MS_REMOUNT | MS_RDONLY, "y");
	S(mount, NULL, "nothing", NULL, MS_PRIVATE, NULL);
	S(umount2, "nothing", MNT_DETACH | UMOUNT_NOFOLLOW);
	S(umount, "nothing");
	S(pivot_root, "nothing", "neither");
	S(swapon, "nothing", 0x8005);
	S(swapoff, "nothing");
	S(reboot, 1, 2, 3, NULL);
	S(reboot, 0xfee1dead, 2, 0, NULL);
	S(sethostname, "name", -1);
	S(setdomainname, "a long name of a domain that is no good", 65);
	S(setns, -1, CLONE_NEWNS);
	S(setns, fd, CLONE_NEWNET | 1);
	S(clock_adjtime64, 77, buf);
	S(clock_settime64, CLOCK_MONOTONIC, zero);
	S(sched_setaffinity, 0, 4, ((unsigned[]){0}));

	TITLE("waiting");
	pipe(p);
	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	struct timeval soon = {0, 1000};
	S(_newselect, 8, &in, NULL, NULL, &soon);
	FD_SET(p[0], &in);
	S(_newselect, 8, &in, &out, NULL, NULL);
	FD_SET(p[0], &in);
	struct { unsigned n; void *in, *out, *except, *time; } old = {8, &in, NULL, NULL, &soon};
	S(select, &old);
	S(select, NULL);
	unsigned long long none = 0, some = 1ull << 9 | 1ull << 16;
	struct { void *set; unsigned size; } pack = {&some, 8};
	FD_SET(p[0], &in);
	S(pselect6_time64, 8, &in, &out, NULL, half, &pack);
	struct pollfd polls[] = {{p[0], POLLIN | POLLPRI}, {p[1], POLLOUT | POLLWRNORM}, {-1, POLLIN}, {77, POLLIN}};
	S(poll, polls, 4, 0);
	S(ppoll_time64, polls, 1, half, &some, 8);
	S(ppoll_time64, polls, 4, NULL, &none, 8);
	S(ppoll_time64, polls, 1, half, &some, 4);
	S(rt_sigtimedwait_time64, &some, NULL, zero, 8);
	S(rt_sigtimedwait_time64, &some, NULL, ((long long[]){0, 1000000000}), 8);
	S(clock_nanosleep_time64, CLOCK_MONOTONIC, 0, half, NULL);
	S(clock_nanosleep_time64, CLOCK_MONOTONIC, TIMER_ABSTIME, half, NULL);
	S(clock_nanosleep_time64, 77, 2, half, NULL);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 7};
	int timer;
	long long every[4] = {0, 0, 1000, 0};
	S(timer_create, CLOCK_MONOTONIC, &event, &timer);
	S(timer_settime64, timer, 0, every, NULL);
	S(timer_settime64, timer, 1, zero, NULL);
	S(timer_gettime64, 77, buf);
	S(timer_delete, timer);
	event.sigev_notify = SIGEV_NONE;
	S(timer_create, CLOCK_REALTIME, &event, &timer);
	event.sigev_notify = 77;
	S(timer_create, CLOCK_REALTIME, &event, &timer);
	fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	S(timerfd_settime64, fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, every, NULL);
	S(eventfd, 5);
	S(signalfd, -1, &some, 8);

	TITLE("who");
	S(setresuid, -1, -1, -1);
	S(setresgid, -1, 0xffff, -1);
	S(setregid, -1, -1);
	S(setgroups, 1, ((unsigned short[]){5}));
	S(getgroups32, 1, buf);
	S(setgroups32, 2, ((int[]){5, 7}));
	S(getgroups, 2, buf);
	S(setfsuid32, -1);
	S(setfsgid, -1);
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2] = {{1 << CAP_KILL, 1 << CAP_KILL | 1 << CAP_CHOWN, 0}, {2, 2, 0}};
	CHILD("capset", S(capset, &header, caps));
	header.version = 77;
	S(capget, &header, NULL);
	S(prctl, PR_SET_NAME, "a long name for a thread", 0, 0, 0);
	S(getpriority, 77, 0);

	TITLE("signals");
	unsigned old_mask = 1 << 9, was;
	S(sigprocmask, SIG_BLOCK, &old_mask, &was);
	S(sigpending, &was);
	S(rt_sigpending, buf, 8);
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE, .si_value.sival_int = 5};
	S(rt_tgsigqueueinfo, getpid(), 77777, SIGUSR1, &info);
	S(rt_sigqueueinfo, 77777, SIGUSR2, &info);
	S(tgkill, -1, 1, SIGTERM);
	S(sigaltstack, &((stack_t){buf, 0x10, 4096}), NULL);
	S(rt_sigprocmask, 77, &some, NULL, 8);
	S(rt_sigprocmask, SIG_SETMASK, &some, NULL, 4);
	S(waitid, 77, 1, NULL, WEXITED, NULL);
	S(wait4, -1, NULL, 0x77, NULL);
	S(waitpid, 77777, NULL, WNOHANG | WUNTRACED);

	TITLE("memory");
	S(mprotect, 0x1000, 5, PROT_READ | PROT_EXEC | 0x100);
	S(madvise, 0x1000, 4096, 77);
	S(msync, 0x1000, 4096, MS_SYNC | MS_ASYNC);
	S(mlockall, 0x77);
	S(mlock2, 0x1000, 1, 2);
	S(remap_file_pages, 0x1000, 4096, 0, 1, 0);
	S(mincore, 0x1000, 4096, buf);
	S(membarrier, 1 << 30, 0);
	S(set_robust_list, NULL, 5);

	chdir(here);
	unlink("f"), unlink("pipe"), unlink("device"), unlink("plain"), unlink("t");
	chdir("/");
	R(rmdir(here) ? -1 : 0);
	return 0;
}
