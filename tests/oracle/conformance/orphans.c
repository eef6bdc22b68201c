/* Process groups that nobody is left to continue: who is hung up, and what a terminal does with them. */
#include "conf.h"
#include <sys/ioctl.h>
#include <sys/prctl.h>

static int heard[2];

static void say(char c)
{
	if (write(heard[1], &c, 1) != 1)
		_exit(9);
}

static void on_signal(int signo)
{
	say(signo == SIGHUP ? 'H' : signo == SIGCONT ? 'C' : '?');
}

/* Leaves a letter for SIGHUP and SIGCONT; stops, and says so when it goes on by itself. */
static void member(int own_group, int stops)
{
	if (own_group)
		setpgid(0, 0);
	signal(SIGHUP, on_signal);
	signal(SIGCONT, on_signal);
	say('r');
	if (stops)
		raise(SIGSTOP);
	for (int i = 0; i < 20; i++)
		usleep(5000);
	say('e');
	_exit(0);
}

/* A middle process makes a member, and ends when that is there (and stopped, if it stops). */
static void middle(int own_group, int stops)
{
	pid_t pid = fork();

	if (!pid)
		member(own_group, stops);
	if (stops) {
		siginfo_t info;

		waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT);
	}
	if (!stops)
		usleep(20000);
	_exit(0);
}

static void scene(const char *what, int middle_group, int own_group, int stops, int reaper)
{
	char text[32];
	int n = 0, got;

	fflush(stdout);
	if (pipe(heard))
		exit(1);
	prctl(PR_SET_CHILD_SUBREAPER, reaper);
	pid_t pid = fork();
	if (!pid) {
		if (middle_group)
			setpgid(0, 0);
		close(heard[0]);
		middle(own_group, stops);
	}
	close(heard[1]);
	waitpid(pid, NULL, 0);
	if (reaper && stops) {
		siginfo_t info = {0};

		usleep(20000);
		waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG);
		printf("  still stopped: %d\n", info.si_code == CLD_STOPPED);
		if (info.si_pid)
			kill(info.si_pid, SIGCONT);
	}
	while ((got = read(heard[0], text + n, sizeof text - 1 - n)) > 0)
		n += got;
	text[n] = 0;
	printf("%s: %s\n", what, text);
	close(heard[0]);
	while (wait(NULL) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static int terminal(char *name)
{
	int number, unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	ioctl(master, TIOCGPTN, &number);
	sprintf(name, "/dev/pts/%d", number);
	ioctl(master, TIOCSPTLCK, &unlock);
	return master;
}

/* In the background of a terminal: a group with a parent in the session is stopped, an orphaned one gets EIO. */
static void background(int orphaned)
{
	char name[32];
	int master = terminal(name);

	fflush(stdout);
	pid_t leader = fork();
	if (!leader) {
		setsid();
		int slave = open(name, O_RDWR);
		pid_t pid = fork();

		if (!pid) {
			setpgid(0, 0);
			pid_t reader = orphaned ? fork() : 0;

			if (!reader) {
				char c;
				pid_t parent = getppid();

				while (orphaned && getppid() == parent)
					usleep(1000);
				R(read(slave, &c, 1));
				signal(SIGTTOU, SIG_DFL);
				R(tcsetpgrp(slave, getpgrp()));
				_exit(3);
			}
			usleep(10000);
			_exit(4);
		}
		int status;

		waitpid(pid, &status, WUNTRACED);
		status_("the background", status);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		usleep(60000);
		_exit(0);
	}
	int status;

	waitpid(leader, &status, 0);
	status_("the leader", status);
	close(master);
}

int main(void)
{
	TITLE("a stopped group loses its last connection");
	scene("a group of its own, stopped", 0, 1, 1, 0);
	scene("the middle's group, stopped", 1, 0, 1, 0);
	scene("a group of its own, running", 0, 1, 0, 0);
	scene("our group, stopped, and we are its parent then", 0, 0, 1, 1);
	scene("a group of its own, stopped, and we are its parent then", 0, 1, 1, 1);
	TITLE("in the background of a terminal");
	background(0);
	background(1);
	return 0;
}
