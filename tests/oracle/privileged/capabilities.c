/* Capabilities: who has which, what they allow, and what becomes of them with other ids and at exec. */

#include "conf.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#define SEEN 0x2fu | 1u << CAP_SETGID | 1u << CAP_SETUID | 1u << CAP_SETPCAP | 1u << CAP_SYS_ADMIN | 1u << CAP_MKNOD
#define BIT(cap) (1u << (cap))
static char self[] = "/tmp/int80-caps";

static void show(const char *what)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {0};
	unsigned bounding = 0, ambient = 0, ids[6];

	syscall(SYS_capget, &h, d);
	for (int n = 0; n < 32; n++) {
		bounding |= (prctl(PR_CAPBSET_READ, n) == 1) << n;
		ambient |= (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, n, 0, 0) == 1) << n;
	}
	getresuid(ids, ids + 1, ids + 2), getresgid(ids + 3, ids + 4, ids + 5);
	printf("%s: eff %x prm %x inh %x bnd %x amb %x secbits %x dump %d uid %u %u %u gid %u %u %u secure %lu\n", what,
	       d[0].effective & (SEEN), d[0].permitted & (SEEN), d[0].inheritable & (SEEN), bounding & (SEEN),
	       ambient & (SEEN), prctl(PR_GET_SECUREBITS), prctl(PR_GET_DUMPABLE), ids[0], ids[1], ids[2], ids[3], ids[4],
	       ids[5], getauxval(AT_SECURE));
}

static int set(unsigned effective, unsigned permitted, unsigned inheritable)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{effective, permitted, inheritable}};

	return syscall(SYS_capset, &h, d);
}

static void run(const char *what)
{
	fflush(stdout);
	if (!fork()) {
		execl(self, self, what, NULL);
		printf("%s: %s\n", what, error_name(errno));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void give(unsigned magic, unsigned permitted, unsigned inheritable, int size)
{
	unsigned words[6] = {magic, permitted, inheritable};

	R(setxattr(self, "security.capability", words, size, 0));
}

static void calls(void)
{
	struct __user_cap_header_struct h = {0, 0};
	struct __user_cap_data_struct d[2];

	TITLE("capget, capset");
	S(capget, &h, NULL);
	printf("%x\n", h.version);
	h.version = 1;
	S(capget, &h, d);
	S(capset, &h, d);
	h.version = _LINUX_CAPABILITY_VERSION_1;
	S(capget, &h, d);
	h.version = _LINUX_CAPABILITY_VERSION_2;
	S(capget, &h, d);
	h.pid = -1;
	S(capget, &h, d);
	h.pid = 999999;
	S(capget, &h, d);
	S(capset, &h, d);
	h.pid = getpid();
	S(capget, &h, d);
	S(capset, &h, d);
	S(capget, BAD, d);
	S(capget, &h, BAD);
	S(capset, &h, BAD);
	CHILD("less", R(set(BIT(CAP_KILL), BIT(CAP_KILL) | BIT(CAP_SETUID), BIT(CAP_CHOWN))); show("less");
	      R(set(BIT(CAP_CHOWN), BIT(CAP_KILL), 0)); R(set(BIT(CAP_KILL), BIT(CAP_CHOWN), 0));
	      R(set(0, BIT(CAP_SETUID), BIT(CAP_FOWNER))); R(set(0, BIT(CAP_SETUID), BIT(CAP_SETUID))); show("least"));
}

static void settings(void)
{
	TITLE("prctl");
	R(prctl(PR_CAPBSET_READ, 99));
	R(prctl(PR_CAPBSET_DROP, 99));
	R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0));
	R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
	R(prctl(PR_CAP_AMBIENT, 9, 1, 0, 0));
	R(prctl(PR_SET_SECUREBITS, 0x1000));
	R(prctl(PR_SET_KEEPCAPS, 2));
	CHILD("locks", R(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED));
	      R(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)); R(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED));
	      R(prctl(PR_SET_KEEPCAPS, 1)); R(prctl(PR_GET_SECUREBITS)); run("without root"));
	CHILD("bounded", R(prctl(PR_CAPBSET_DROP, CAP_KILL)); R(prctl(PR_CAPBSET_READ, CAP_KILL)); show("bounded");
	      R(set(0, 0, BIT(CAP_KILL))); run("bounded exec"));
	CHILD("nobody", setresuid(65534, 65534, 65534); R(prctl(PR_CAPBSET_DROP, CAP_KILL));
	      R(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)); R(prctl(PR_SET_SECUREBITS, 0)); R(set(0, 0, BIT(CAP_KILL)));
	      R(set(0, 0, 0)));
	unsigned value = 7;
	R(prctl(PR_GET_TIMERSLACK));
	R(prctl(PR_SET_TIMERSLACK, 77));
	R(prctl(PR_GET_TIMERSLACK));
	R(prctl(PR_SET_TIMERSLACK, 0));
	R(prctl(PR_GET_TIMERSLACK));
	R(prctl(PR_GET_TIMING));
	R(prctl(PR_SET_TIMING, 1));
	R(prctl(PR_GET_TSC, &value));
	printf("%u\n", value);
	R(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
	R(prctl(PR_MCE_KILL, 3, 0, 0, 0));
	R(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	R(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	R(prctl(PR_GET_SECCOMP));
	R(prctl(PR_GET_ENDIAN, &value));
	R(prctl(12345));
	R(prctl(PR_SET_CHILD_SUBREAPER, 1));
	R(prctl(PR_GET_CHILD_SUBREAPER, &value));
	printf("%u\n", value);
	CHILD("orphan maker", if (!fork()) { usleep(30000); _exit(getppid() == 1 ? 1 : 42); });
	int status;
	R(wait(&status) > 0);
	status_("orphan", status);
	R(wait(&status));
	CHILD("not inherited", R(prctl(PR_GET_CHILD_SUBREAPER, &value)); printf("%u\n", value));
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void ids(void)
{
	TITLE("ids");
	CHILD("setuid", setgid(5); setuid(1000); show("setuid"));
	CHILD("seteuid", seteuid(1000); show("away"); seteuid(0); show("back"));
	CHILD("keep", prctl(PR_SET_KEEPCAPS, 1); setresuid(1000, 1000, 1000); show("kept");
	      R(set(BIT(CAP_SETUID), BIT(CAP_SETUID), 0)); R(setuid(2000)); show("again"); run("exec after keep"));
	CHILD("no fixup", prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); setresuid(1000, 1000, 1000); show("fixed"));
	CHILD("fsuid", setfsuid(1000); show("fs"); setfsuid(0); show("fs back"));
	CHILD("ambient", set(SEEN, SEEN, BIT(CAP_KILL)); R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	      prctl(PR_SET_KEEPCAPS, 1); setresuid(1000, 1000, 1000); show("ambient gone");
	      R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	      R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0)); run("exec with ambient"));
}

static void checks(void)
{
	pid_t other;

	TITLE("what they allow");
	close(open("/tmp/int80-secret", O_CREAT | O_WRONLY, 0600));
	chown("/tmp/int80-secret", 1000, 1000);
	mkdir("/tmp/int80-dir", 0700);
	if (!(other = fork()))
		pause(), _exit(0);
	for (int n = 0; n < 7; n++) {
		static const int caps[] = {-1, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_CHOWN, CAP_FOWNER, CAP_KILL, CAP_SETUID};
		printf("with %d\n", caps[n]);
		CHILD("check", unsigned keep = caps[n] < 0 ? 0 : BIT(caps[n]);
		      prctl(PR_SET_KEEPCAPS, 1); setresgid(2000, 2000, 2000); setgroups(0, NULL);
		      setresuid(2000, 2000, 2000); set(keep, keep, 0); R(open("/tmp/int80-secret", O_RDONLY));
		      R(open("/tmp/int80-secret", O_WRONLY)); R(access("/tmp/int80-secret", R_OK));
		      R(open("/tmp/int80-dir", O_RDONLY)); R(mkdir("/tmp/int80-dir/x", 0700));
		      R(chown("/tmp/int80-secret", 1000, 1000)); R(chmod("/tmp/int80-secret", 0600));
		      R(utimensat(AT_FDCWD, "/tmp/int80-secret", NULL, 0)); R(kill(other, 0)); R(setuid(7));
		      R(setgid(7)); R(mknod("/tmp/int80-dev", S_IFCHR | 0600, 0x103)); R(chroot("/"));
		      R(sethostname("x", 1)); R(setpriority(PRIO_PROCESS, 0, -1)));
		rmdir("/tmp/int80-dir/x");
	}
	CHILD("root without", set(0, 0, 0); R(open("/tmp/int80-secret", O_RDONLY)); R(access("/tmp/int80-secret", R_OK));
	      R(chmod("/tmp/int80-secret", 0600)); R(kill(other, 0)); R(setuid(3)); R(open("/tmp/int80-dir", O_RDONLY)));
	kill(other, SIGKILL), wait(NULL);
	unlink("/tmp/int80-secret"), rmdir("/tmp/int80-dir"), R(unlink("/tmp/int80-dev"));
}

static void programs(void)
{
	TITLE("set-user-ID");
	chown(self, 1000, 1001), chmod(self, 06755);
	run("suid 1000");
	CHILD("as 2000", setgroups(0, NULL), setgid(2000), setuid(2000); run("suid as 2000");
	      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); run("no new privs"));
	chown(self, 0, 0), chmod(self, 04755);
	CHILD("to root", setgid(2000), setuid(2000); run("suid root"); prctl(PR_SET_PDEATHSIG, 9);
	      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); run("no new privs"));
	chmod(self, 02745);
	CHILD("not executable by group", setgid(2000), setuid(2000); run("sgid not x"));
	chmod(self, 0755);
	TITLE("file capabilities");
	give(VFS_CAP_REVISION_2 | 1, BIT(CAP_KILL), BIT(CAP_CHOWN), 20);
	CHILD("as 2000", set(SEEN, SEEN, BIT(CAP_CHOWN)); setgid(2000), setuid(2000); run("kill, chown"));
	CHILD("as root", set(SEEN, SEEN, BIT(CAP_CHOWN)); run("kill as root"));
	CHILD("bounded", prctl(PR_CAPBSET_DROP, CAP_KILL); setuid(2000); run("too much"));
	CHILD("no new privs", setuid(2000); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); run("nothing new"));
	give(VFS_CAP_REVISION_2, BIT(CAP_KILL), 0, 20);
	CHILD("permitted only", setuid(2000); run("permitted"));
	chmod(self, 04755);
	CHILD("suid root and caps", setuid(2000); run("suid and caps"));
	chmod(self, 0755);
	give(VFS_CAP_REVISION_2, BIT(CAP_KILL), 0, 12);
	give(0x07000000, BIT(CAP_KILL), 0, 20);
	give(VFS_CAP_REVISION_3 | 1, BIT(CAP_KILL), 0, 24);
	CHILD("third revision", setuid(2000); run("rev 3"));
	int fd = open(self, O_WRONLY | O_APPEND);
	R(write(fd, "x", 1)), close(fd);
	R(getxattr(self, "security.capability", NULL, 0));
	give(VFS_CAP_REVISION_2, BIT(CAP_KILL), 0, 20);
	chown(self, 0, 0);
	R(getxattr(self, "security.capability", NULL, 0));
	CHILD("not mine", setuid(2000); give(VFS_CAP_REVISION_2, BIT(CAP_KILL), 0, 20));
}

int main(int argc, char **argv)
{
	static char buf[65536];

	if (argc > 1) {
		show(argv[1]);
		return 0;
	}
	int in = open("/proc/self/exe", O_RDONLY), out = open(self, O_CREAT | O_WRONLY | O_TRUNC, 0755), n;
	while ((n = read(in, buf, sizeof buf)) > 0)
		write(out, buf, n);
	close(in), close(out);
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
	show("root");
	calls();
	settings();
	ids();
	checks();
	programs();
	unlink(self);
	return 0;
}
