/* mount, umount, statfs, chroot and paths across mounts, in a mount namespace of its own. */
#include "../conformance/conf.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#define TRY(call) do { errno = 0; long r = (long)(call); \
	printf("%s = %ld %s\n", #call, r < 0 ? -1 : r > 2 ? 3 : r, r < 0 ? strerrorname_np(errno) : ""); } while (0)

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		printf("put %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	if (write(fd, text, strlen(text)) < 0)
		printf("write %s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

static void show(const char *path)
{
	char data[100];
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	int n = read(fd, data, sizeof data);
	printf("%s: %.*s\n", path, n > 0 ? n : 0, data);
	close(fd);
}

static void cwd(void)
{
	char path[300];
	printf("cwd %s\n", getcwd(path, sizeof path) ? path : strerrorname_np(errno));
}

static void same(const char *a, const char *b)
{
	struct stat one, two;
	if (stat(a, &one) || stat(b, &two)) {
		printf("%s %s: %s\n", a, b, strerrorname_np(errno));
		return;
	}
	printf("%s %s: %s\n", a, b, one.st_dev != two.st_dev ? "other device" :
	       one.st_ino == two.st_ino ? "same" : "other inode");
}

static void list(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	printf("%s:", path);
	for (int i = 0; i < n; i++)
		printf(" %s", names[i]->d_name);
	puts("");
}

static void kind(const char *path)
{
	struct statfs s;
	if (statfs(path, &s)) {
		printf("statfs %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("statfs %s: type %lx block %ld/%ld name %ld flags %lx blocks %s free %s\n", path,
	       (unsigned long)s.f_type, (long)s.f_bsize, (long)s.f_frsize, (long)s.f_namelen,
	       (unsigned long)s.f_flags & ~0x20UL, s.f_blocks ? "some" : "none", s.f_bfree ? "some" : "none");
}

static void mounted(const char *below)
{
	char line[1000];
	FILE *f = fopen("/proc/self/mounts", "r");
	while (f && fgets(line, sizeof line, f)) {
		char source[300], path[300], type[100], options[300];
		if (sscanf(line, "%299s %299s %99s %299s", source, path, type, options) == 4 &&
		    strncmp(path, below, strlen(below)) == 0) {
			char *inode = strstr(options, ",inode64"); /* depends on how the kernel was made */
			if (inode)
				memmove(inode, inode + 8, strlen(inode + 8) + 1);
			printf("%s on %s type %s (%s)\n", source, path, type, options);
		}
	}
	if (f)
		fclose(f);
}

int main(void)
{
	unshare(CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
	mkdir("/tmp/int80-m", 0755);
	if (mount("base", "/tmp/int80-m", "tmpfs", 0, "mode=755"))
		return 77;
	chdir("/tmp/int80-m");
	umask(022);
	mkdir("a", 0755), mkdir("a/in", 0755), mkdir("b", 0755), mkdir("c", 0755), mkdir("d", 0700);
	put("a/file", "under"), put("file", "base");

	puts("-- a file system in memory");
	TRY(mount("one", "a", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0750,uid=3,gid=4,size=64k"));
	struct stat st;
	stat("a", &st);
	printf("a: %o %d %d nlink %d\n", st.st_mode, st.st_uid, st.st_gid, (int)st.st_nlink);
	list("a");
	put("a/file", "over");
	show("a/file");
	same(".", "a"), same("a", "a/.."), same(".", "a/.."), same("a", "a/.");
	kind("a");
	mounted("/tmp/int80-m/a");
	chdir("a");
	cwd();
	list("..");
	TRY(umount2("/tmp/int80-m/a", 0));
	TRY(chdir(".."));
	cwd();

	puts("-- names and mounts");
	TRY(rename("a", "x"));
	TRY(rename("b", "a"));
	TRY(rmdir("a"));
	TRY(unlink("a"));
	TRY(rename("a/file", "moved"));
	TRY(link("a/file", "linked"));
	TRY(link("file", "a/linked"));
	TRY(rename("a/file", "a/renamed"));
	TRY(rename("a/.", "b"));

	puts("-- full");
	int fd = open("a/big", O_WRONLY | O_CREAT, 0600);
	static char page[4096];
	int pages = 0;
	while (write(fd, page, sizeof page) == sizeof page && pages < 1000)
		pages++;
	printf("%d pages, then %s\n", pages, strerrorname_np(errno));
	TRY(umount("a"));
	TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	close(fd);

	puts("-- read-only");
	TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	TRY(open("a/new", O_WRONLY | O_CREAT, 0600));
	TRY(open("a/renamed", O_WRONLY));
	TRY(open("a/renamed", O_RDONLY | O_TRUNC));
	TRY(open("a/renamed", O_RDONLY | O_CREAT, 0600));
	TRY(open("a/renamed", O_RDONLY | O_CREAT | O_EXCL, 0600));
	TRY(mkdir("a/dir", 0700));
	TRY(mkdir("a/renamed", 0700));
	TRY(unlink("a/none"));
	TRY(unlink("a/renamed"));
	TRY(rmdir("a/none"));
	TRY(rename("a/none", "a/more"));
	TRY(rename("a/renamed", "b/more"));
	TRY(chmod("a/renamed", 0600));
	TRY(chmod("a/none", 0600));
	TRY(truncate("a/renamed", 0));
	TRY(access("a/renamed", W_OK));
	TRY(access("a/renamed", R_OK));
	TRY(access("a", W_OK));
	TRY(symlink("x", "a/link"));
	TRY(mknod("a/fifo", S_IFIFO | 0600, 0));
	TRY(utimensat(AT_FDCWD, "a/renamed", NULL, 0));
	kind("a");
	mounted("/tmp/int80-m/a");
	TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_NOEXEC | MS_NODEV, NULL));
	put("a/renamed", "written");
	show("a/renamed");
	mounted("/tmp/int80-m/a");

	puts("-- noexec and nodev");
	mknod("a/null", S_IFCHR | 0666, 1 << 8 | 3);
	TRY(open("a/null", O_RDONLY));
	chmod("a/renamed", 0755);
	TRY(execl("a/renamed", "renamed", NULL));

	puts("-- the same elsewhere");
	mkdir("a/sub", 0755);
	put("a/sub/deep", "deep");
	TRY(mount("a/sub", "c", NULL, MS_BIND, NULL));
	show("c/deep");
	same("a/sub", "c");
	same("a", "c/.."), same(".", "c/..");
	TRY(rename("c/deep", "a/sub/deeper"));
	put("c/other", "by c");
	show("a/sub/other");
	chdir("c");
	cwd();
	chdir("..");
	TRY(mount(NULL, "c", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	TRY(unlink("c/other"));
	TRY(unlink("a/sub/other"));
	mounted("/tmp/int80-m/c");
	put("onto", "covered");
	TRY(mount("file", "onto", NULL, MS_BIND, NULL));
	show("onto");
	TRY(unlink("onto"));
	TRY(rename("onto", "x"));
	TRY(rename("file", "onto"));
	TRY(mount("a", "onto", NULL, MS_BIND, NULL));
	TRY(mount("file", "b", NULL, MS_BIND, NULL));
	TRY(umount("onto"));
	show("onto");

	puts("-- with all that is in it");
	TRY(mount("inner", "a/sub", "tmpfs", 0, ""));
	put("a/sub/inner", "inner");
	TRY(mount("a", "b", NULL, MS_BIND, NULL));
	list("b/sub");
	TRY(umount("b"));
	TRY(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	list("b/sub");
	same("a/sub", "b/sub");
	TRY(umount("b"));
	TRY(umount2("b", MNT_DETACH));
	list("b");
	list("a/sub");

	puts("-- moved");
	TRY(mount("a/sub", "d", NULL, MS_MOVE, NULL));
	list("d"), list("a/sub");
	same(".", "d/..");
	TRY(mount("a", "a/sub", NULL, MS_MOVE, NULL));
	TRY(mount("b", "d", NULL, MS_MOVE, NULL));
	TRY(mount("d", "file", NULL, MS_MOVE, NULL));
	mkdir("a/top", 0755);
	TRY(mount("d", "a/top", NULL, MS_MOVE, NULL));
	TRY(umount("a"));
	TRY(umount("a/top"));

	puts("-- one on top of the other");
	TRY(mount("two", "a", "tmpfs", 0, NULL));
	list("a");
	TRY(umount("a"));
	show("a/renamed");
	TRY(umount2("a", MNT_EXPIRE));
	TRY(umount2("a", MNT_EXPIRE));
	show("a/file");
	TRY(umount("a"));

	puts("-- removed while somebody is there");
	TRY(mount("gone", "b", "tmpfs", 0, NULL));
	put("b/kept", "kept");
	fd = open("b/kept", O_RDWR);
	TRY(umount("b"));
	TRY(umount2("b", MNT_DETACH));
	char data[10] = "";
	TRY(pread(fd, data, 4, 0));
	printf("%s\n", data);
	TRY(write(fd, "more", 4));
	list("b");
	close(fd);

	puts("-- refused");
	TRY(mount("x", "none", "tmpfs", 0, NULL));
	TRY(mount("x", "file", "tmpfs", 0, NULL));
	TRY(mount("x", "b", "nosuchfs", 0, NULL));
	TRY(mount("x", "b", NULL, 0, NULL));
	TRY(mount("x", "b", "tmpfs", 0, "nonsense"));
	TRY(mount("x", "b", "tmpfs", 0, "mode=9"));
	TRY(mount("x", "b", "tmpfs", 0, "size=abc"));
	TRY(mount(NULL, "b", NULL, MS_BIND, NULL));
	TRY(mount("none", "b", NULL, MS_BIND, NULL));
	TRY(mount("x", "b", NULL, MS_REMOUNT, NULL));
	TRY(mount("x", "b", NULL, MS_REMOUNT | MS_BIND, NULL));
	TRY(mount("b", "c", NULL, MS_MOVE, NULL));
	TRY(mount(NULL, "b", NULL, MS_PRIVATE, NULL));
	TRY(mount(NULL, "/tmp/int80-m", NULL, MS_PRIVATE | MS_SHARED, NULL));
	TRY(mount((char *)1, "b", "tmpfs", 0, NULL));
	TRY(mount("x", (char *)1, "tmpfs", 0, NULL));
	TRY(mount("x", "b", (char *)1, 0, NULL));
	TRY(mount("x", "b", "tmpfs", 0, (char *)1));
	TRY(umount("b"));
	TRY(umount("none"));
	TRY(umount2("c", 0x100));
	TRY(umount2("c", MNT_EXPIRE | MNT_FORCE));
	TRY(umount("file"));
	symlink("c", "link");
	TRY(umount2("link", UMOUNT_NOFOLLOW));
	TRY(umount("link"));
	TRY(umount("c"));
	if (fork() == 0) {
		setuid(1000);
		TRY(mount("x", "b", "tmpfs", 0, NULL));
		TRY(umount("b"));
		TRY(umount2("b", 0x100));
		TRY(mount("x", "none", "tmpfs", 0, NULL));
		TRY(chroot("b"));
		TRY(chroot("d"));
		fflush(stdout);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;

	puts("-- another root");
	mkdir("b/etc", 0755), mkdir("b/proc", 0755);
	put("b/etc/name", "in b");
	symlink("/etc/name", "b/absolute"), symlink("../../../etc/name", "b/relative");
	mount("proc", "b/proc", "proc", 0, NULL);
	chdir("d");
	fd = open("/tmp/int80-m", O_RDONLY | O_DIRECTORY);
	TRY(chroot("../file"));
	TRY(chroot("../none"));
	TRY(chroot("../b"));
	cwd();
	TRY(chdir("/"));
	cwd();
	show("absolute"), show("relative"), show("/../etc/name");
	mounted("/");
	char link[300] = "";
	TRY(readlink("/proc/self/root", link, sizeof link - 1));
	printf("%s\n", link);
	TRY(chdir("/proc/self"));
	same("/", "/proc/..");
	TRY(fchdir(fd));
	cwd();
	TRY(chdir("b"));
	cwd();
	show("/tmp/int80-m/file");
	return 0;
}
