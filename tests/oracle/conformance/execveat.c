/* execveat: programs and scripts behind descriptors, from directories, and everything it refuses. */

#include "conf.h"
#include <sys/auxv.h>

static char self[4096];
extern char **environ;

static void try(const char *what, int dir, const char *path, int flags)
{
	static char *args[] = {"zero", "one", NULL}, *env[] = {"X=1", NULL};

	CHILD(what, {
		int got = syscall(SYS_execveat, dir, path, args, env, flags);
		printf("%s: execveat = %d %s\n", what, got, error_name(errno));
	});
}

static int file(const char *name, const char *text, size_t size, int mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0777);

	write(fd, text, size);
	fchmod(fd, mode);
	return close(fd);
}

int main(int argc, char **argv)
{
	static char program[1 << 22];
	char dir[] = "/dev/shm/int80-execveat-XXXXXX", script[5000], at[4096];
	int here, fd, closing;
	ssize_t size;

	if (getenv("X")) {
		const char *name = (const char *)getauxval(AT_EXECFN);

		name = strstr(name, "/dev/fd/") ? name : strrchr(name, '/');
		printf("argc %d argv0 %s execfn %s\n", argc, *argv[0] == '/' ? strrchr(argv[0], '/') : argv[0], name);
		for (int n = 1; n < argc; n++)
			printf("<%s>", strstr(argv[n], "int80-") ? strrchr(argv[n], '/') : argv[n]);
		size = readlink("/proc/self/exe", at, sizeof at - 1);
		printf(" exe %.*s\n", 10, size > 0 ? (at[size] = 0, strrchr(at, '/') + 1) : "?");
		return 7;
	}
	size = readlink("/proc/self/exe", self, sizeof self - 1);
	fd = open(self, O_RDONLY);
	size = read(fd, program, sizeof program);
	close(fd);
	mkdir("/dev/shm", 0777);
	if (!mkdtemp(dir) || chdir(dir))
		return printf("no directory\n"), 1;
	file("prog", program, size, 0755);
	file("plain", program, size, 0644);
	file("text", "hello\n", 6, 0755);
	mkdir("sub", 0755);
	file("sub/prog", program, size, 0755);
	snprintf(script, sizeof script, "#!%s/prog arg\n", dir);
	file("script", script, strlen(script), 0755);
	symlink("prog", "link");
	here = open(".", O_RDONLY | O_DIRECTORY);

	TITLE("from a directory");
	try("name", here, "prog", 0);
	try("deeper", here, "sub/prog", 0);
	try("current", AT_FDCWD, "prog", 0);
	snprintf(at, sizeof at, "%s/prog", dir);
	try("absolute", -1, at, 0);
	try("link", here, "link", 0);
	try("link not followed", here, "link", AT_SYMLINK_NOFOLLOW);
	try("name not followed", here, "prog", AT_SYMLINK_NOFOLLOW);
	try("script", here, "script", 0);
	try("script current", AT_FDCWD, "./script", 0);

	TITLE("behind a descriptor");
	fd = open("prog", O_RDONLY);
	try("open", fd, "", AT_EMPTY_PATH);
	try("without the flag", fd, "", 0);
	try("a name with the flag", here, "prog", AT_EMPTY_PATH);
	closing = open("prog", O_RDONLY | O_CLOEXEC);
	try("closed by exec", closing, "", AT_EMPTY_PATH);
	close(closing);
	closing = open("prog", O_PATH | O_CLOEXEC);
	try("path only", closing, "", AT_EMPTY_PATH);
	close(closing);
	closing = open("script", O_RDONLY);
	try("script", closing, "", AT_EMPTY_PATH);
	fcntl(closing, F_SETFD, FD_CLOEXEC);
	try("script closed by exec", closing, "", AT_EMPTY_PATH);
	fcntl(here, F_SETFD, FD_CLOEXEC);
	try("script in a directory closed by exec", here, "script", 0);
	try("program in a directory closed by exec", here, "prog", 0);
	unlink("prog");
	try("removed", fd, "", AT_EMPTY_PATH);
	file("prog", program, size, 0755);
	closing = memfd_create("memory", MFD_CLOEXEC);
	write(closing, program, size);
	try("memory, closed by exec", closing, "", AT_EMPTY_PATH);
	close(closing);

	TITLE("refused");
	try("bad descriptor", 77, "prog", 0);
	try("bad descriptor, no path", 77, "", AT_EMPTY_PATH);
	try("not a directory", fd, "prog", 0);
	try("directory", here, "", AT_EMPTY_PATH);
	try("current directory", AT_FDCWD, "", AT_EMPTY_PATH);
	try("missing", here, "missing", 0);
	try("not executable", here, "plain", 0);
	try("no program", here, "text", 0);
	try("null", here, NULL, 0);
	try("bad flags", here, "prog", 0x1);
	try("bad flags and descriptor", 77, "prog", AT_SYMLINK_FOLLOW);
	CHILD("bad arguments", {
		errno = 0;
		result_("execveat", syscall(SYS_execveat, here, "prog", (char **)4, environ, 0));
	});

	unlink("sub/prog");
	rmdir("sub");
	unlink("prog");
	unlink("plain");
	unlink("text");
	unlink("script");
	unlink("link");
	chdir("/");
	return rmdir(dir);
}
