#include "conf.h"

static char self[4096];

static void file(const char *name, const char *text, size_t size, int mode)
{
	int fd;

	unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0777);
	write(fd, text, size);
	fchmod(fd, mode);
	close(fd);
}

static void try(const char *what, const char *path, char **argv)
{
	static char *env[] = {"X=1", NULL};

	CHILD(what, {
		int got = syscall(SYS_execve, path, argv, env);
		printf("%s: execve = %d %s\n", what, got, error_name(errno));
	});
}

extern char **environ;

int main(int argc, char **argv)
{
	static char *args[] = {"zero", "one", "two", NULL};
	static char *none[] = {NULL};
	char dir[100], script[5000], name[5000];

	if (getenv("X") || !*argv[0] || argc > 1) {
		printf("argc %d argv0 %s\n", argc, strrchr(argv[0], '/') ? strrchr(argv[0], '/') : argv[0]);
		for (int n = 1; n < argc; n++)
			printf("<%.60s>", strstr(argv[n], "int80-") ? strrchr(argv[n], '/') : argv[n]);
		printf("\n");
		return 0;
	}
	readlink("/proc/self/exe", self, sizeof self - 1);
	mkdir("/dev/shm", 0777);
	strcpy(dir, "/dev/shm/int80-exec-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir))
		return printf("no directory\n"), 1;

	TITLE("paths");
	try("missing", "missing", args);
	try("empty path", "", args);
	try("null path", NULL, args);
	try("kernel path", KERNEL, args);
	try("directory", ".", args);
	try("missing directory", "missing/x", args);
	memset(name, 'a', sizeof name);
	name[300] = 0;
	try("long name", name, args);
	name[300] = 'a';
	name[4999] = 0;
	try("long path", name, args);
	file("plain", "hello\n", 6, 0644);
	try("not executable", "plain", args);
	try("not a directory", "plain/x", args);
	chmod("plain", 0755);
	try("text", "plain", args);
	file("empty", "", 0, 0755);
	try("empty", "empty", args);
	file("elf", "\177ELF\1\1\1", 7, 0755);
	try("cut off ELF", "elf", args);
	memset(name, 0, 200);
	memcpy(name, "\177ELF\2\1\1", 7);
	name[16] = 2;
	name[18] = 62;
	file("elf64", name, 200, 0755);
	try("ELF of no segments", "elf64", args);
	memcpy(name, "\177ELF\1\1\1", 7);
	name[16] = 2;
	name[18] = 40;
	file("arm", name, 200, 0755);
	try("ELF of another machine", "arm", args);
	name[18] = 3;
	name[16] = 1;
	file("object", name, 200, 0755);
	try("ELF object", "object", args);
	symlink("loop", "loop");
	try("loop", "loop", args);
	try("device", "/dev/null", args);

	TITLE("arguments");
	try("null argv", self, NULL);
	try("no arguments", self, none);
	try("bad argv", self, BAD);
	static char *bad[] = {"zero", BAD, NULL};
	try("bad argument", self, bad);
	static char *big[40];
	char *text = malloc(140000);
	memset(text, 'x', 140000);
	text[131071] = 0;
	big[0] = "zero";
	big[1] = text;
	try("131071 bytes", self, big);
	text[131071] = 'x';
	text[131072] = 0;
	try("131072 bytes", self, big);
	text[131072] = 'x';
	text[100000] = 0;
	for (int n = 1; n < 30; n++)
		big[n] = text;
	try("2900000 bytes", self, big);
	struct rlimit small = {1 << 20, RLIM_INFINITY};
	CHILD("small stack", {
		setrlimit(RLIMIT_STACK, &small);
		big[4] = NULL;
		execve(self, big, environ);
		printf("%s\n", error_name(errno));
	});

	TITLE("scripts");
	snprintf(script, sizeof script, "#!%s\n", self);
	file("s1", script, strlen(script), 0755);
	try("script", "./s1", args);
	snprintf(script, sizeof script, "#! %s  arg with blanks \t\n", self);
	file("s2", script, strlen(script), 0755);
	try("script with an argument", "./s2", args);
	try("script without argv", "./s2", none);
	snprintf(script, sizeof script, "#!%s", self);
	file("s3", script, strlen(script), 0755);
	try("script without newline", "./s3", args);
	file("s4", "#!\n", 3, 0755);
	try("script of nothing", "./s4", args);
	file("s5", "#! \t \n", 6, 0755);
	try("script of blanks", "./s5", args);
	file("s6", "#!/nonexistent/x\n", 17, 0755);
	try("script of a missing interpreter", "./s6", args);
	file("s7", "#!./s1\n", 7, 0755);
	try("script of a script", "./s7", args);
	file("s8", "#!./s8\n", 7, 0755);
	try("script of itself", "./s8", args);
	file("s9", "#!./plain\n", 10, 0755);
	try("script of text", "./s9", args);
	file("s10", script, strlen(script), 0644);
	try("script not executable", "./s10", args);
	memset(script, 'y', 600);
	memcpy(script, "#!/nonexistent/", 15);
	script[400] = '\n';
	file("s11", script, 401, 0755);
	try("script of a long line", "./s11", args);
	snprintf(script, sizeof script, "#!%s %0300d\n", self, 7);
	file("s12", script, strlen(script), 0755);
	try("script of a long argument", "./s12", args);

	chdir("/");
	snprintf(script, sizeof script, "rm -r %s", dir);
	char *names[] = {"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "plain", "empty",
			 "elf", "elf64", "arm", "object", "loop"};
	for (unsigned n = 0; n < sizeof names / sizeof *names; n++) {
		snprintf(script, sizeof script, "%s/%s", dir, names[n]);
		unlink(script);
	}
	rmdir(dir);
	return 0;
}
