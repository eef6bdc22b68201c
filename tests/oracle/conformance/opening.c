/* Opening by rules: openat2, O_TMPFILE, handles; renameat2; close_range; who shares what: kcmp, unshare. */

#include "conf.h"
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <sys/sysmacros.h>

static int try(int dfd, const char *path, unsigned long long flags, unsigned long long mode, unsigned long long resolve)
{
	struct open_how how = {flags, mode, resolve};
	int fd = syscall(SYS_openat2, dfd, path, &how, sizeof how);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static void rules(void)
{
	int d = open("d", O_RDONLY | O_DIRECTORY);
	struct {
		struct open_how how;
		unsigned long long more;
	} wide = {{O_RDONLY, 0, 0}, 0};

	TITLE("openat2");
	R(try(AT_FDCWD, "d/f", O_RDONLY, 0, 0));
	R(try(AT_FDCWD, "d/f", O_RDONLY, 0600, 0));
	R(try(AT_FDCWD, "d/new", O_RDWR | O_CREAT | O_EXCL, 0600, 0));
	R(try(AT_FDCWD, "d/new2", O_RDWR | O_CREAT, 010600, 0));
	R(try(AT_FDCWD, "d/f", 0x80000000, 0, 0));
	R(try(AT_FDCWD, "d/f", 1ull << 40, 0, 0));
	R(try(AT_FDCWD, "d/f", O_PATH | O_RDWR, 0, 0));
	R(try(AT_FDCWD, "d", O_PATH | O_DIRECTORY, 0, 0));
	R(try(AT_FDCWD, "d/f", 0, 0, 0x40));
	R(try(AT_FDCWD, "d/f", 0, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	R(try(AT_FDCWD, "d/f", O_RDONLY | O_TRUNC, 0, 0x20));
	R(try(99, "d/f", O_RDONLY, 0, 0));
	R(try(99, "/", O_RDONLY, 0, 0));
	R(try(99, "/", O_RDONLY, 0, RESOLVE_IN_ROOT));
	S(openat2, AT_FDCWD, "d/f", &wide, 8);
	S(openat2, AT_FDCWD, "d/f", &wide, 5000);
	S(openat2, AT_FDCWD, "d/f", BAD, 24);
	R(syscall(SYS_openat2, AT_FDCWD, "d/f", &wide, sizeof wide) > 0);
	wide.more = 1;
	S(openat2, AT_FDCWD, "d/f", &wide, sizeof wide);
	TITLE("beneath");
	R(try(d, "f", 0, 0, RESOLVE_BENEATH));
	R(try(d, "../d/f", 0, 0, RESOLVE_BENEATH));
	R(try(d, "s/../f", 0, 0, RESOLVE_BENEATH));
	R(try(d, "s/../../d/f", 0, 0, RESOLVE_BENEATH));
	R(try(d, "/etc", 0, 0, RESOLVE_BENEATH));
	R(try(d, "up", 0, 0, RESOLVE_BENEATH));
	R(try(d, "abs", 0, 0, RESOLVE_BENEATH));
	R(try(d, "here", 0, 0, RESOLVE_BENEATH));
	TITLE("in root");
	R(try(d, "/f", 0, 0, RESOLVE_IN_ROOT));
	R(try(d, "../../../f", 0, 0, RESOLVE_IN_ROOT));
	R(try(d, "up", 0, 0, RESOLVE_IN_ROOT));
	R(try(d, "root", 0, 0, RESOLVE_IN_ROOT));
	R(try(AT_FDCWD, "/d/root", 0, 0, RESOLVE_IN_ROOT));
	TITLE("no links, no crossing");
	R(try(d, "here", 0, 0, RESOLVE_NO_SYMLINKS));
	R(try(d, "here", O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	R(try(d, "here", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	R(try(d, "f", 0, 0, RESOLVE_NO_SYMLINKS));
	R(try(AT_FDCWD, "/proc/self/exe", 0, 0, RESOLVE_NO_MAGICLINKS));
	R(try(AT_FDCWD, "/proc/self/exe", 0, 0, RESOLVE_NO_SYMLINKS));
	R(try(AT_FDCWD, "/proc/self/cwd/d/f", 0, 0, RESOLVE_NO_MAGICLINKS));
	R(try(AT_FDCWD, "/proc/self/comm", 0, 0, RESOLVE_NO_MAGICLINKS));
	R(try(AT_FDCWD, "/proc/self/cwd/d/f", 0, 0, 0));
	R(try(AT_FDCWD, "/proc/version", 0, 0, RESOLVE_NO_XDEV));
	R(try(AT_FDCWD, "d/f", 0, 0, RESOLVE_NO_XDEV));
	close(d);
}

static void unnamed(void)
{
	struct stat st;
	char buf[200], link[100];

	TITLE("O_TMPFILE");
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	R(write(fd, "unnamed", 7));
	fstat(fd, &st);
	printf("%o %d %ld\n", st.st_mode, (int)st.st_nlink, (long)st.st_size);
	R(fcntl(fd, F_GETFL));
	sprintf(link, "/proc/self/fd/%d", fd);
	int n = readlink(link, buf, 200);
	buf[n] = 0;
	printf("%s\n", strstr(buf, " (deleted)") ? "deleted" : buf);
	R(linkat(AT_FDCWD, link, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	fstat(fd, &st);
	printf("%d\n", (int)st.st_nlink);
	R(linkat(AT_FDCWD, link, AT_FDCWD, "named2", AT_SYMLINK_FOLLOW));
	close(fd);
	stat("named", &st);
	printf("%o %d %ld\n", st.st_mode, (int)st.st_nlink, (long)st.st_size);
	unlink("named"), unlink("named2");
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	sprintf(link, "/proc/self/fd/%d", fd);
	R(linkat(AT_FDCWD, link, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	R(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	close(fd);
	fd = open(".", O_TMPFILE | O_WRONLY, 0600);
	R(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	R(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	R(unlink("named"));
	R(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	close(fd);
	R(open(".", O_TMPFILE | O_RDONLY, 0600));
	R(open("d/f", O_TMPFILE | O_RDWR, 0600));
	R(open("nothing", O_TMPFILE | O_RDWR, 0600));
	R(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600));
	R(open("/proc", O_TMPFILE | O_RDWR, 0600));
}

static void names(void)
{
	struct stat st;

	TITLE("renameat2");
	close(open("a", O_CREAT | O_WRONLY, 0600));
	close(open("b", O_CREAT | O_WRONLY, 0644));
	mkdir("x", 0700), mkdir("x/y", 0700);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2);
	stat("a", &st), printf("%o\n", st.st_mode);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "x", 2);
	stat("a", &st), printf("%o %d\n", st.st_mode, (int)st.st_nlink);
	S(renameat2, AT_FDCWD, "x", AT_FDCWD, "a/y", 2);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "a/y", 2);
	S(renameat2, AT_FDCWD, "a/y", AT_FDCWD, "a", 2);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "nothing", 2);
	S(renameat2, AT_FDCWD, "nothing", AT_FDCWD, "a", 2);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 3);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 6);
	S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 8);
	S(renameat2, AT_FDCWD, "x/", AT_FDCWD, "b", 2);
	S(renameat2, AT_FDCWD, "b", AT_FDCWD, "x/", 2);
	S(renameat2, AT_FDCWD, "b", AT_FDCWD, "w", 4);
	stat("b", &st), printf("%o %x\n", st.st_mode, (unsigned)st.st_rdev);
	S(renameat2, AT_FDCWD, "w", AT_FDCWD, "b", 5);
	S(renameat2, AT_FDCWD, "w", AT_FDCWD, "b", 4);
	stat("w", &st), printf("%o %x\n", st.st_mode, (unsigned)st.st_rdev);
	unlink("w"), unlink("b"), unlink("x"), unlink("a/y"), rmdir("a/y"), rmdir("a"), unlink("a"), rmdir("x/y"), rmdir("x");
}

static void ranges(void)
{
	TITLE("close_range");
	for (int n = 0; n < 5; n++)
		dup2(1, 20 + n);
	S(close_range, 21, 22, 0);
	R(fcntl(20, F_GETFD));
	R(fcntl(21, F_GETFD));
	S(close_range, 23, 100, 4);
	R(fcntl(23, F_GETFD));
	S(close_range, 5, 4, 0);
	S(close_range, 5, 6, 1);
	S(close_range, 20, ~0u, 2);
	R(fcntl(24, F_GETFD));
}

static int other(void *arg)
{
	syscall(SYS_close_range, 30, 30, arg ? 2 : 0);
	return 0;
}

static void handles(void)
{
	static char space[200], again[200];
	struct file_handle *h = (void *)space, *g = (void *)again;
	int mount, other_mount, fd;

	TITLE("handles");
	R(name_to_handle_at(AT_FDCWD, "d/f", h, &mount, 0));
	printf("%u\n", h->handle_bytes);
	R(name_to_handle_at(AT_FDCWD, "d/f", h, &mount, 0));
	h->handle_bytes = 200;
	R(name_to_handle_at(AT_FDCWD, "d/f", h, &mount, 0));
	h->handle_bytes = g->handle_bytes = 128;
	R(name_to_handle_at(AT_FDCWD, "d/f", h, &mount, 0));
	R(name_to_handle_at(AT_FDCWD, "d/../d/f", g, &other_mount, 0));
	printf("%d %d %u\n", memcmp(h, g, 12 + 8), mount == other_mount, h->handle_bytes);
	R(name_to_handle_at(AT_FDCWD, "d/f", h, BAD, 0));
	R(name_to_handle_at(AT_FDCWD, "d/f", BAD, &mount, 0));
	R(name_to_handle_at(AT_FDCWD, "d/f", h, &mount, 0x10000));
	g->handle_bytes = 128;
	R(name_to_handle_at(AT_FDCWD, "/proc/version", g, &mount, 0));
	fd = open_by_handle_at(AT_FDCWD, h, O_RDONLY);
	printf("%d\n", fd > 0);
	R(read(fd, space + 150, 10));
	printf("%.4s\n", space + 150);
	close(fd);
	h->handle_bytes = 4;
	R(open_by_handle_at(AT_FDCWD, h, O_RDONLY));
	h->handle_bytes = 0;
	R(open_by_handle_at(AT_FDCWD, h, O_RDONLY));
	R(open_by_handle_at(AT_FDCWD, BAD, O_RDONLY));
	R(open_by_handle_at(99, h, O_RDONLY));
	CHILD("nobody", setresuid(65534, 65534, 65534); R(open_by_handle_at(AT_FDCWD, h, O_RDONLY)));
}

static void sharing(void)
{
	static char stack[2][16384];
	pid_t me = getpid(), child;

	TITLE("unshare, kcmp");
	for (int n = 0; n < 2; n++) {
		dup2(1, 30);
		child = clone(other, stack[n] + 16000, CLONE_FILES | CLONE_VM | SIGCHLD, (void *)(long)n);
		waitpid(child, NULL, 0);
		R(fcntl(30, F_GETFD));
	}
	R(unshare(CLONE_FILES | CLONE_FS));
	R(unshare(0));
	R(unshare(0x10));
	R(unshare(CLONE_SIGHAND));
	R(unshare(CLONE_SYSVSEM));
	if (!(child = fork()))
		pause(), _exit(0);
	S(kcmp, me, me, KCMP_VM, 0, 0);
	S(kcmp, me, me, KCMP_FILE, 1, 30);
	R(syscall(SYS_kcmp, me, child, KCMP_VM, 0, 0) > 0);
	R(syscall(SYS_kcmp, me, child, KCMP_FILES, 0, 0) > 0);
	S(kcmp, me, child, KCMP_FILE, 1, 1);
	R(syscall(SYS_kcmp, me, child, KCMP_SIGHAND, 1, 1) > 0);
	S(kcmp, me, child, KCMP_FILE, 99, 1);
	S(kcmp, me, 0, KCMP_FILE, 99, 1);
	S(kcmp, me, me, 99, 99, 1);
	kill(child, SIGKILL);
	wait(NULL);
}

int main(void)
{
	char dir[] = "/dev/shm/openingXXXXXX", other[] = "/tmp/openingXXXXXX";
	char *here = mkdtemp(dir) ? dir : mkdtemp(other);

	chdir(here);
	mkdir("d", 0755), mkdir("d/s", 0755);
	int fd = open("d/f", O_RDWR | O_CREAT, 0644);
	write(fd, "file", 4), close(fd);
	symlink("../d/f", "d/up"), symlink("/etc", "d/abs"), symlink("f", "d/here"), symlink("/f", "d/root");
	rules();
	unnamed();
	names();
	ranges();
	handles();
	sharing();
	unlink("d/up"), unlink("d/abs"), unlink("d/here"), unlink("d/root"), unlink("d/f"), unlink("d/new"), unlink("named");
	rmdir("d/s"), rmdir("d");
	R(rmdir(here));
	return 0;
}
