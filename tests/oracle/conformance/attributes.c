#include "conf.h"
#include <dirent.h>
#include <sys/xattr.h>
#include <utime.h>

#define SYS_fchmodat2 452
#undef SYS_faccessat2
#define SYS_faccessat2 439
#define D "/tmp/int80-attributes"

static struct stat was;

/* Which times moved since the last look: only the order counts, clocks are coarse. */
static void moved(const char *what, const char *path)
{
	struct stat s;

	lstat(path, &s);
	printf("%s:%s%s%s mode %o size %ld nlink %d\n", what,
	       s.st_atim.tv_sec != was.st_atim.tv_sec || s.st_atim.tv_nsec != was.st_atim.tv_nsec ? " atime" : "",
	       s.st_mtim.tv_sec != was.st_mtim.tv_sec || s.st_mtim.tv_nsec != was.st_mtim.tv_nsec ? " mtime" : "",
	       s.st_ctim.tv_sec != was.st_ctim.tv_sec || s.st_ctim.tv_nsec != was.st_ctim.tv_nsec ? " ctime" : "",
	       s.st_mode, S_ISDIR(s.st_mode) ? 0l : (long)s.st_size, (int)s.st_nlink);
	was = s;
	usleep(11000);
}

static void times_of(const char *path)
{
	struct stat s;

	lstat(path, &s);
	printf("%ld.%09ld %ld.%09ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

static void owner(const char *path)
{
	struct stat s;

	lstat(path, &s);
	printf("%d %d %o\n", s.st_uid, s.st_gid, s.st_mode);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static void names(const char *path)
{
	char list[400], *sorted[20];
	int n = listxattr(path, list, sizeof list), count = 0;

	printf("list %d:", n);
	for (char *p = list; p < list + n; p += strlen(p) + 1)
		sorted[count++] = p;
	qsort(sorted, count, sizeof *sorted, compare);
	for (int i = 0; i < count; i++)
		printf(" %s", sorted[i]);
	printf("\n");
}

int main(void)
{
	char buf[100];
	int fd, dir;

	mkdir(D, 0755);
	chdir(D);
	TITLE("times");
	fd = open("f", O_RDWR | O_CREAT, 0644);
	lstat("f", &was);
	usleep(11000);
	write(fd, "hello", 5);
	moved("write", "f");
	pread(fd, buf, 5, 0);
	moved("read", "f");
	pread(fd, buf, 5, 0);
	moved("read again", "f");
	pread(fd, buf, 0, 0);
	moved("read nothing", "f");
	chmod("f", 0600);
	moved("chmod", "f");
	pread(fd, buf, 5, 0);
	moved("read", "f");
	link("f", "g");
	moved("link", "f");
	rename("g", "h");
	moved("rename", "f");
	unlink("h");
	moved("unlink", "f");
	ftruncate(fd, 5);
	moved("truncate to the same", "f");
	ftruncate(fd, 3);
	moved("truncate", "f");
	close(open("f", O_WRONLY | O_TRUNC));
	moved("O_TRUNC", "f");
	chown("f", -1, -1);
	moved("chown", "f");
	utimensat(AT_FDCWD, "f", NULL, 0);
	moved("utimensat", "f");
	setxattr("f", "user.a", "1", 1, 0);
	moved("setxattr", "f");
	lstat(D, &was);
	usleep(11000);
	close(creat("n", 0600));
	moved("create in a directory", D);
	unlink("n");
	moved("unlink in a directory", D);
	mkdir("d", 0700);
	moved("mkdir", D);
	rename("d", "e");
	moved("rename", D);
	rmdir("e");
	moved("rmdir", D);
	symlink("f", "l");
	lstat("l", &was);
	usleep(11000);
	utimensat(AT_FDCWD, "l", NULL, AT_SYMLINK_NOFOLLOW);
	moved("utimensat of a link", "l");
	readlink("l", buf, 10);
	moved("readlink", "l");

	TITLE("setting times");
	struct timespec t[2] = {{1000000001, 5}, {1000000002, 999999999}};
	R(utimensat(AT_FDCWD, "f", t, 0));
	times_of("f");
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 7;
	R(utimensat(AT_FDCWD, "f", t, 0));
	times_of("f");
	t[0].tv_nsec = 1000000000;
	R(utimensat(AT_FDCWD, "f", t, 0));
	t[0].tv_nsec = -1;
	R(utimensat(AT_FDCWD, "f", t, 0));
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_nsec = UTIME_OMIT;
	R(utimensat(AT_FDCWD, "nothing", t, 0));
	R(utimensat(99, NULL, t, 0));
	t[1].tv_nsec = 3;
	R(utimensat(AT_FDCWD, "nothing", t, 0));
	S(utimensat, fd, NULL, t, AT_SYMLINK_NOFOLLOW);
	S(utimensat, fd, NULL, t, 0);
	S(utimensat, AT_FDCWD, NULL, t, 0);
	S(utimensat, AT_FDCWD, "f", t, 0x4000);
	S(utimensat, AT_FDCWD, "f", BAD, 0);
	S(utimensat, fd, "", t, AT_EMPTY_PATH);
	S(utimensat, fd, "x", t, 0);
	times_of("f");
	struct utimbuf u = {11, 22};
	S(utime, "f", &u);
	times_of("f");
	S(utime, "f", BAD);
	S(utime, BAD, BAD);
	struct timeval v[2] = {{5, 999999}, {-6, 1}};
	S(utimes, "f", v);
	times_of("f");
	v[1].tv_usec = 1000000;
	S(utimes, "f", v);
	v[1].tv_usec = 0;
	S(futimesat, fd, NULL, v);
	S(futimesat, fd, "x", v);
	times_of("f");
	S(lstat, "f", buf);

	TITLE("owners");
	R(chown("f", 1000, 1001));
	owner("f");
	chmod("f", 06755);
	R(chown("f", -1, 1002));
	owner("f");
	chmod("f", 02644);
	R(chown("f", -1, -1));
	owner("f");
	R(lchown("l", 5, 6));
	owner("l");
	owner("f");
	R(fchown(fd, 7, -1));
	owner("f");
	R(fchown(99, 7, -1));
	R(fchownat(AT_FDCWD, "l", 8, 9, AT_SYMLINK_NOFOLLOW));
	owner("l");
	R(fchownat(fd, "", 8, 9, AT_EMPTY_PATH));
	R(fchownat(fd, "", 8, 9, 0));
	R(fchownat(fd, "x", 8, 9, 0));
	R(fchownat(AT_FDCWD, "f", 8, 9, 1));
	S(chown, "f", 65535, 44);
	owner("f");
	S(chown, "f", 0x12345, 44);
	owner("f");
	S(chown32, "f", 100000, 44);
	owner("f");
	struct stat old;
	S(chown, "nothing", 1, 1);
	S(chown, BAD, 1, 1);
	fd = open("mine", O_RDWR | O_CREAT, 0644);
	chown("mine", 1000, 1000);
	mkdir("sticky", 01777);
	chmod("sticky", 01777);
	CHILD("as another", {
		gid_t groups[] = {1000, 50};
		setgroups(2, groups);
		setgid(1000);
		setuid(1000);
		R(chown("f", 1000, -1));
		R(chown("mine", 1001, -1));
		R(chown("mine", -1, 50));
		R(chown("mine", -1, 51));
		R(chown("mine", 1000, 1000));
		chmod("mine", 06711);
		R(chown("mine", -1, 50));
		owner("mine");
		chmod("mine", 02711);
		owner("mine");
		R(utimensat(AT_FDCWD, "f", NULL, 0));
		R(utimensat(AT_FDCWD, "f", t, 0));
		t[0].tv_nsec = t[1].tv_nsec = UTIME_NOW;
		R(utimensat(AT_FDCWD, "f", t, 0));
		t[0].tv_nsec = UTIME_OMIT;
		R(utimensat(AT_FDCWD, "f", t, 0));
		R(utimensat(AT_FDCWD, "mine", t, 0));
		R(setxattr("f", "user.x", "1", 1, 0));
		R(getxattr("f", "user.a", buf, 10));
		R(setxattr("mine", "trusted.x", "1", 1, 0));
		R(getxattr("mine", "trusted.x", buf, 1));
		R(setxattr("sticky", "user.x", "1", 1, 0));
		R(setxattr("mine", "user.x", "1", 1, 0));
		R(chmod("f", 0777));
		R(open("f", O_RDONLY | O_NOATIME));
	});

	TITLE("modes");
	S(fchmodat, AT_FDCWD, "f", 0640, 0);
	S(fchmodat2, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW);
	S(fchmodat2, AT_FDCWD, "f", 0604, AT_SYMLINK_NOFOLLOW);
	S(fchmodat2, fd, "", 0604, AT_EMPTY_PATH);
	S(fchmodat2, AT_FDCWD, "f", 0604, 1);
	S(faccessat2, AT_FDCWD, "f", 8, 0);
	S(faccessat2, AT_FDCWD, "f", 0, 1);
	S(faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS);
	S(faccessat2, fd, "", R_OK, AT_EMPTY_PATH);
	owner("f");

	TITLE("extended attributes");
	chmod("f", 0600);
	R(setxattr("f", "user.b", "two", 3, 0));
	R(setxattr("f", "user.b", "two", 3, XATTR_CREATE));
	R(setxattr("f", "user.c", "two", 3, XATTR_REPLACE));
	R(setxattr("f", "user.b", "three", 5, XATTR_REPLACE));
	R(setxattr("f", "user.b", "three", 5, 4));
	R(setxattr("f", "user.b", "three", 5, 3));
	R(setxattr("f", "user.e", "", 0, 0));
	R(setxattr("f", "nothing.x", "", 0, 0));
	R(setxattr("f", "x", "", 0, 0));
	R(setxattr("f", "", "", 0, 0));
	R(setxattr("f", "user.", "", 0, 0));
	R(setxattr("f", BAD, "", 0, 0));
	R(setxattr("f", "user.x", BAD, 1, 0));
	R(setxattr("f", "user.x", BAD, 100000, 0));
	R(setxattr("nothing", "user.x", "1", 1, 0));
	char longname[400] = "user.";
	memset(longname + 5, 'x', 251);
	R(setxattr("f", longname, "1", 1, 0) );
	longname[255] = 0;
	R(setxattr("f", longname, "1", 1, 0) );
	R(removexattr("f", longname));
	R(setxattr("f", "trusted.t", "1", 1, 0));
	R(setxattr("f", "security.s", "1", 1, 0));
	R(getxattr("f", "user.b", buf, 100));
	printf("%.5s\n", buf);
	R(getxattr("f", "user.b", buf, 4));
	R(getxattr("f", "user.b", NULL, 0));
	R(getxattr("f", "user.b", BAD, 100));
	R(getxattr("f", "user.e", buf, 100));
	R(getxattr("f", "user.zzz", buf, 100));
	R(getxattr("f", "zzz", buf, 100));
	names("f");
	R(listxattr("f", buf, 3));
	R(listxattr("f", NULL, 0));
	R(lsetxattr("l", "user.x", "1", 1, 0));
	R(lgetxattr("l", "user.x", buf, 1));
	R(lsetxattr("l", "trusted.x", "1", 1, 0));
	R(llistxattr("l", buf, 100));
	R(setxattr("l", "user.l", "1", 1, 0));
	R(removexattr("f", "user.l"));
	R(removexattr("f", "user.l"));
	R(fsetxattr(fd, "user.f", "1", 1, 0));
	R(fgetxattr(fd, "user.f", buf, 1));
	R(flistxattr(fd, buf, 100));
	R(fremovexattr(fd, "user.f"));
	R(fsetxattr(99, "user.f", "1", 1, 0));
	R(fgetxattr(99, "user.f", buf, 1));
	R(setxattr("/dev/null", "user.x", "1", 1, 0));
	R(getxattr("/proc/self/status", "user.x", buf, 1));
	int p[2];
	pipe(p);
	R(fgetxattr(p[0], "user.x", buf, 1));

	TITLE("one entry at a time");
	dir = open("sticky", O_RDONLY);
	close(creat("sticky/only", 0600));
	struct { long ino, off; unsigned short len; char name[256]; } e;
	int seen = 0;
	while (syscall(SYS_readdir, dir, &e, 1) == 1)
		seen += e.len * 100 + (e.name[e.len] == 0);
	printf("%d\n", seen);
	S(readdir, fd, &e, 1);
	S(readdir, 99, &e, 1);
	lseek(dir, 0, SEEK_SET);
	S(readdir, dir, BAD, 1);

	TITLE("statx");
	struct statx x;
	S(statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x);
	printf("%d %o %d %d %lld\n", (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS, x.stx_mode, x.stx_uid, x.stx_gid, (long long)x.stx_size);
	S(statx, AT_FDCWD, "f", 0, STATX_BTIME, &x);
	printf("%d %d\n", !!(x.stx_mask & STATX_BTIME), x.stx_btime.tv_sec > 1000000000);
	S(statx, AT_FDCWD, "f", 0x6000, STATX_BTIME, &x);
	S(statx, AT_FDCWD, "f", 1, STATX_BTIME, &x);
	S(statx, AT_FDCWD, "f", 0, 0x80000000, &x);
	S(statx, AT_FDCWD, "f", 0, 0, BAD);
	S(statx, AT_FDCWD, "nothing", 0, 0, BAD);
	S(statx, fd, "", AT_EMPTY_PATH, 0, &x);
	S(statx, fd, "", 0, 0, &x);
	S(statx, fd, NULL, AT_EMPTY_PATH, 0, &x);

	TITLE("blocks");
	fd = open("s", O_RDWR | O_CREAT, 0600);
	pwrite(fd, "x", 1, 1 << 20);
	fstat(fd, &old);
	printf("%ld %d\n", (long)old.st_size, (int)old.st_blocks);
	R(lseek(fd, 0, SEEK_DATA));
	R(lseek(fd, 0, SEEK_HOLE));
	R(lseek(fd, 1 << 20, SEEK_HOLE));
	R(lseek(fd, (1 << 20) + 1, SEEK_HOLE));
	R(lseek(fd, -1, SEEK_DATA));
	ftruncate(fd, 2 << 20);
	R(lseek(fd, (1 << 20) + 5000, SEEK_DATA));
	R(lseek(fd, (1 << 20) + 1, SEEK_HOLE));
	for (const char **n = (const char *[]){"f", "l", "mine", "s", "sticky/only", NULL}; *n; n++)
		unlink(*n);
	rmdir("sticky");
	rmdir(D);
	return 0;
}
