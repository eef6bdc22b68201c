#include "conf.h"
#include <grp.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

static void ids(void)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	getresuid(&r, &e, &s);
	getresgid(&gr, &ge, &gs);
	printf("uid %d %d %d gid %d %d %d\n", r, e, s, gr, ge, gs);
}

int main(void)
{
	char name[17] = "";
	gid_t groups[70];
	struct rlimit limit;

	TITLE("ids");
	if (getuid() == 0) {
		R(setgroups(0, NULL));
		R(setresgid(0, 0, 0));
		ids();
		S(getuid32);
		S(getuid);
		S(geteuid);
		S(getresuid32, BAD, 0, 0);
		CHILD("setuid", {
			R(setuid(1000));
			ids();
			R(setuid(0));
			R(setuid(1000));
			R(setuid(1001));
			R(seteuid(0));
			R(setgid(5));
			R(setgroups(0, NULL));
			R(setreuid(1000, -1));
			R(setreuid(-1, 1001));
			R(setresuid(-1, -1, 0));
			R(kill(getppid(), 0));
			R(kill(1, 0));
			ids();
		});
		CHILD("seteuid", {
			R(seteuid(1000));
			ids();
			R(setuid(1001));
			R(seteuid(0));
			ids();
			R(setreuid(1000, 0));
			ids();
			R(setreuid(0, 1000));
			ids();
			R(setreuid(-1, 1001));
			R(setuid(0));
			ids();
		});
		CHILD("setresuid", {
			R(setresuid(1, 2, 3));
			ids();
			R(setresuid(2, 3, 1));
			ids();
			R(setreuid(1, 2));
			ids();
			R(setreuid(4, -1));
			R(setreuid(3, -1));
			R(setreuid(-1, 3));
			R(setresuid(-1, -1, -1));
			R(setresuid(5, -1, -1));
			R(setuid(1));
			ids();
			R(setfsuid(1));
			R(setfsuid(99));
			R(setfsuid(-1));
		});
		CHILD("groups", {
			R(setgid(100));
			ids();
			R(setegid(101));
			R(setregid(101, -1));
			R(setresgid(1, 2, 3));
			ids();
			gid_t some[3] = {7, 8, 9};
			R(setgroups(3, some));
			R(getgroups(0, NULL));
			R(getgroups(2, groups));
			R(getgroups(70, groups));
			R(getgroups(-1, groups));
			printf("%d %d %d\n", groups[0], groups[1], groups[2]);
			R(setgroups(70000, some));
			S(setgroups32, 2, BAD);
			S(getgroups32, 3, BAD);
			S(getgroups, 70, groups);
			R(setresuid(5, 5, 5));
			R(setregid(3, 2));
			R(setgid(9));
			R(setgid(3));
			ids();
			R(setregid(2, 3));
		});
		CHILD("large ids", {
			R(setresuid(100000, 100001, 100002));
			S(getuid);
			S(geteuid);
			S(getuid32);
			unsigned short a = 1;
			unsigned short b = 1;
			unsigned short c = 1;
			S(getresuid, &a, &b, &c);
			printf("%d %d %d\n", a, b, c);
			S(setuid, 5);
		});
		CHILD("16 bits", {
			S(setuid, 77);
			S(getuid);
			S(setreuid, -1, -1);
			S(setuid, -1);
			S(setuid32, -1);
		});
	}

	TITLE("groups and sessions");
	OK(getpgrp());
	R(getpgid(0) == getpgrp());
	R(getpgid(getpid()) == getpgrp());
	R(getpgid(999999));
	R(getpgid(-1));
	R(getsid(999999));
	R(getsid(-1));
	R(getsid(0) == getsid(getpid()));
	R(setpgid(0, -1));
	R(setpgid(-1, 0));
	R(setpgid(999999, 0));
	R(setpgid(getppid(), 0));
	R(setpgid(0, 999999));
	R(setpgid(0, 0));
	R(setsid());
	CHILD("child", {
		R(getpgrp() == getpid());
		R(setpgid(0, 0));
		R(getpgrp() == getpid());
		R(setsid());
		R(setpgid(0, getpgid(getppid())));
		R(getpgrp() == getpgid(getppid()));
		R(setsid() == getpid());
		R(getpgrp() == getpid());
		R(getsid(0) == getpid());
		R(setsid());
		R(setpgid(0, 0));
		R(setpgid(0, getpgid(getppid())));
		int done[2];
		char c;
		pipe(done);
		pid_t pid = fork();
		if (!pid) {
			R(setpgid(getppid(), 0));
			close(done[1]);
			pause();
		}
		close(done[1]);
		read(done[0], &c, 1);
		R(setpgid(pid, 0));
		R(getpgid(pid) == pid);
		R(setpgid(pid, getpid()));
		R(kill(-pid, 0));
		kill(pid, SIGKILL);
		int st;
		waitpid(pid, &st, 0);
		status_("child", st);
	});
	TITLE("names");
	R(prctl(PR_SET_NAME, "a name that is too long"));
	R(prctl(PR_GET_NAME, name));
	printf("%s\n", name);
	R(prctl(PR_SET_NAME, BAD));
	R(prctl(PR_GET_NAME, BAD));
	R(prctl(9999, 0, 0, 0, 0));
	R(prctl(PR_SET_DUMPABLE, 3));
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 0));
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 1));
	R(prctl(PR_SET_PDEATHSIG, 99));
	R(prctl(PR_SET_PDEATHSIG, SIGTERM));
	int sig = 0;
	R(prctl(PR_GET_PDEATHSIG, &sig));
	printf("%d\n", sig);
	R(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	struct utsname u;
	R(uname(&u));
	printf("%s %s %s\n", u.sysname, u.machine, u.domainname);
	S(uname, BAD);
	S(umask, 022);
	S(umask, 0777777);
	S(umask, 022);

	TITLE("limits");
	R(getrlimit(RLIMIT_STACK, &limit));
	printf("%lu %d\n", (unsigned long)limit.rlim_cur, limit.rlim_max == RLIM_INFINITY);
	R(getrlimit(RLIMIT_CORE, &limit));
	printf("%lu\n", (unsigned long)limit.rlim_cur);
	R(getrlimit(RLIMIT_NOFILE, &limit));
	printf("%lu\n", (unsigned long)limit.rlim_cur);
	R(getrlimit(RLIMIT_CPU, &limit));
	printf("%d %d\n", limit.rlim_cur == RLIM_INFINITY, limit.rlim_max == RLIM_INFINITY);
	R(getrlimit(RLIMIT_DATA, &limit));
	printf("%d %d\n", limit.rlim_cur == RLIM_INFINITY, limit.rlim_max == RLIM_INFINITY);
	R(getrlimit(99, &limit));
	limit = (struct rlimit){10, 5};
	R(setrlimit(RLIMIT_NOFILE, &limit));
	limit = (struct rlimit){100, 200};
	R(setrlimit(RLIMIT_NOFILE, &limit));
	R(getrlimit(RLIMIT_NOFILE, &limit));
	printf("%lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	unsigned long words[2] = {0, 0};
	S(ugetrlimit, RLIMIT_NOFILE, words);
	S(getrlimit, RLIMIT_CPU, words);
	printf("%#lx %#lx\n", words[0], words[1]);
	S(ugetrlimit, RLIMIT_CPU, words);
	printf("%#lx %#lx\n", words[0], words[1]);
	S(ugetrlimit, RLIMIT_CPU, BAD);
	S(setrlimit, RLIMIT_CPU, BAD);
	unsigned long long wide[2];
	S(prlimit64, 0, RLIMIT_NOFILE, 0, wide);
	printf("%llu %llu\n", wide[0], wide[1]);
	wide[0] = 50;
	S(prlimit64, 0, RLIMIT_NOFILE, wide, 0);
	S(prlimit64, 999999, RLIMIT_NOFILE, 0, wide);
	S(prlimit64, 0, 77, 0, wide);
	CHILD("inherited", {
		R(getrlimit(RLIMIT_NOFILE, &limit));
		printf("%lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	});
	return 0;
}
