/* Descriptors whose files have odd names, or none any more, to be seen in a trace with -y and -yy. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int fd;

	chdir("/tmp");
	mkdir("names of files", 0700);
	chdir("names of files");
	fd = open("a\nb\t<c>\"d\"\\\1" "2\377", O_RDWR | O_CREAT, 0600);
	fsync(fd);
	unlink("a\nb\t<c>\"d\"\\\1" "2\377");
	fsync(fd);
	syscall(SYS_openat, AT_FDCWD, "nothing", O_RDONLY);
	fsync(AT_FDCWD);
	fsync(-1);
	fsync(memfd_create("in memory", 0));
	fsync(open("/dev/null", O_RDWR));
	fsync(syscall(SYS_pidfd_open, getpid(), 0));
	chdir("..");
	rmdir("names of files");
	return 0;
}
