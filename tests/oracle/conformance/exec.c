#include "conf.h"

extern char **environ;

static char self[4096];

static void shown(int argc, char **argv)
{
	printf("argc %d", argc);
	for (int n = 1; n < argc; n++)
		printf(" <%s>", argv[n]);
	printf(" |");
	for (char **e = environ; *e; e++)
		if (strncmp(*e, "X", 1) == 0)
			printf(" %s", *e);
	printf("\n");
	for (int fd = 3; fd < 12; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd %d open\n", fd);
	struct sigaction act;
	sigset_t set;
	sigaction(SIGUSR1, NULL, &act);
	printf("USR1 %s ", act.sa_handler == SIG_DFL ? "default" : act.sa_handler == SIG_IGN ? "ignored" : "caught");
	sigaction(SIGUSR2, NULL, &act);
	printf("USR2 %s ", act.sa_handler == SIG_DFL ? "default" : act.sa_handler == SIG_IGN ? "ignored" : "caught");
	sigprocmask(SIG_SETMASK, NULL, &set);
	printf("blocked TERM %d HUP %d ", sigismember(&set, SIGTERM), sigismember(&set, SIGHUP));
	sigpending(&set);
	printf("pending TERM %d\n", sigismember(&set, SIGTERM));
	stack_t stack;
	sigaltstack(NULL, &stack);
	printf("altstack %d, umask %o\n", stack.ss_flags, umask(0));
	exit(argc);
}

static void try(const char *path, char **argv, char **envp)
{
	CHILD("child", {
		int got = syscall(SYS_execve, path, argv, envp);
		printf("execve = %d %s\n", got, error_name(errno));
	});
}

static void handler(int signo)
{
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strncmp(argv[1], "shown", 5))
		shown(argc, argv);
	readlink("/proc/self/exe", self, sizeof self - 1);
	char *args[] = {"zero", "shown", "", "a b", "\303\274", NULL};
	char *env[] = {"X=1", "XY=two words", "XEMPTY=", NULL};
	char *none[] = {NULL};

	TITLE("plain");
	try(self, args, env);
	try(self, args, NULL);
	try(self, args, none);
	TITLE("inherited");
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, handler);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	static char room[65536];
	stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
	sigaltstack(&stack, NULL);
	umask(027);
	dup2(1, 5);
	dup2(1, 7);
	fcntl(7, F_SETFD, FD_CLOEXEC);
	fcntl(1, F_DUPFD_CLOEXEC, 9);
	open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHILD("execve", {
		kill(getpid(), SIGTERM);
		execve(self, args, env);
	});
	return 0;
}
