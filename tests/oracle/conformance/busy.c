/* ETXTBSY: what is open for writing is not run, what runs is not written to. */

#include "conf.h"

static char self[4096];

static void touch_myself(void)
{
	R(open("prog", O_RDWR));
	R(open("prog", O_WRONLY | O_TRUNC));
	R(open("prog", O_RDONLY | O_TRUNC));
	R(truncate("prog", 3));
	R(open("prog", O_RDONLY) > 0);
	R(open("prog", O_RDWR | O_CREAT, 0600));
	R(open("prog", O_CREAT | O_EXCL | O_RDWR, 0600));
	R(open("/proc/self/exe", O_RDWR));
	R(open("prog", O_PATH) > 0);
	R(chmod("prog", 0700));
	R(rename("prog", "other"));
	R(unlink("other"));
	R(open("prog", O_RDWR | O_CREAT, 0600) > 0);
}

int main(int argc, char **argv)
{
	static char program[1 << 22];
	char dir[] = "/dev/shm/int80-busy-XXXXXX", *args[] = {"prog", "run", NULL}, *env[] = {NULL};
	int fd;
	ssize_t size;

	if (argc > 1) {
		if (!strcmp(argv[1], "touch"))
			touch_myself();
		else
			printf("ran\n");
		return 3;
	}
	size = readlink("/proc/self/exe", self, sizeof self - 1);
	fd = open(self, O_RDONLY);
	size = read(fd, program, sizeof program);
	close(fd);
	mkdir("/dev/shm", 0777);
	if (!mkdtemp(dir) || chdir(dir))
		return printf("no directory\n"), 1;
	fd = open("prog", O_WRONLY | O_CREAT, 0755);
	write(fd, program, size);
	CHILD("open for writing", R(execve("prog", args, env)));
	CHILD("execveat", R(syscall(SYS_execveat, AT_FDCWD, "prog", args, env, 0)));
	close(fd);
	fd = open("script", O_WRONLY | O_CREAT, 0755);
	dprintf(fd, "#!%s/prog\n", dir);
	CHILD("script open for writing", R(execve("script", args, env)));
	close(fd);
	CHILD("closed", R(execve("prog", args, env)));
	fd = open("prog", O_RDWR);
	CHILD("interpreter open for writing", R(execve("script", args, env)));
	chmod("prog", 0644);
	CHILD("neither", setuid(1000); R(execve("prog", args, env)));
	chmod("prog", 0755);
	close(fd);
	fd = open("prog", O_RDONLY);
	CHILD("open for reading", R(execve("prog", args, env)));
	close(fd);
	args[1] = "touch";
	CHILD("running", R(execve("prog", args, env)));
	unlink("prog");
	unlink("script");
	chdir("/");
	return rmdir(dir);
}
