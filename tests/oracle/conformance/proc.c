/* /proc: what can be the same on two machines is printed, the rest is checked for its form. */
#include "conf.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char buf[65536];

static int slurp(const char *path)
{
    int fd = open(path, O_RDONLY), n, all = 0;
    if (fd < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return -1;
    }
    while (all < (int)sizeof buf - 1 && (n = read(fd, buf + all, sizeof buf - 1 - all)) > 0)
        all += n;
    buf[all] = 0;
    close(fd);
    return all;
}

/* digits become 9, words in hexadecimal too: the form of a text without its values */
static void form(const char *path, int lines)
{
    if (slurp(path) < 0)
        return;
    char *line = strtok(buf, "\n");
    while (line && lines--) {
        char out[400], *o = out;
        for (char *p = line; *p && o < out + 390; p++) {
            if (isdigit((unsigned char)*p)) {
                if (o == out || o[-1] != '9')
                    *o++ = '9';
            } else if (*p == ' ') {
                if (o == out || o[-1] != ' ')
                    *o++ = ' ';
            } else
                *o++ = *p;
        }
        *o = 0;
        printf("%s | %s\n", path, out);
        line = strtok(NULL, "\n");
    }
}

static const char *FIELDS[] = {"Name", "Umask", "State", "Tgid", "Ngid", "PPid", "TracerPid", "Uid", "Gid",
    "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Threads", "NoNewPrivs", "Seccomp", 0};

static void status(void)
{
    slurp("/proc/self/status");
    for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n"))
        for (const char **f = FIELDS; *f; f++) {
            size_t n = strlen(*f);
            if (!strncmp(line, *f, n) && line[n] == ':') {
                if (!strcmp(*f, "Tgid"))
                    printf("Tgid %d\n", atoi(line + n + 1) == getpid());
                else if (!strcmp(*f, "PPid"))
                    printf("PPid %d\n", atoi(line + n + 1) == getppid());
                else if (!strncmp(*f, "Uid", 3) || !strncmp(*f, "Gid", 3) || !strcmp(*f, "Groups"))
                    printf("%s:%s\n", *f, strchr(line, '\t') ? "\\t" : "");
                else
                    printf("%s\n", line);
            }
        }
}

static void maps_line(const char *name)
{
    slurp("/proc/self/maps");
    for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
        char *at = strstr(line, name);
        if (at) {
            printf("%s has rights %.4s\n", name, strchr(line, ' ') + 1);
            return;
        }
    }
    printf("%s not mapped\n", name);
}

static void show_errno(const char *what, long got)
{
    printf("%s = %ld %s\n", what, got, got < 0 ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
    char path[256], link[256];
    struct stat st;
    setvbuf(stdout, NULL, _IONBF, 0);
    prctl(PR_SET_NAME, "conf (x) y");
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, (void (*)(int))main);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGHUP);
    status();

    /* stat: 52 fields, the name in the second */
    int n = slurp("/proc/self/stat"), fields = 0;
    char *rest = strrchr(buf, ')') + 2;
    printf("stat ends in newline %d\n", buf[n - 1] == '\n');
    printf("comm %.*s\n", (int)(rest - 2 - strchr(buf, '(')), strchr(buf, '(') + 1);
    for (char *word = strtok(rest, " \n"); word; word = strtok(NULL, " \n")) {
        fields++;
        if (fields == 1 || fields == 19 || (fields >= 29 && fields <= 32))
            printf("stat field %d: %s\n", fields + 2, word);
        if (fields == 2)
            printf("ppid %d\n", atoi(word) == getppid());
    }
    printf("stat has %d fields\n", fields + 2);

    slurp("/proc/self/comm");
    printf("comm: %s", buf);
    int fd = open("/proc/self/comm", O_WRONLY);
    show_errno("write comm", write(fd, "a-very-long-name-indeed", 23));
    close(fd);
    slurp("/proc/self/comm");
    printf("comm: %s", buf);
    fd = open("/proc/self/comm", O_WRONLY | O_TRUNC);
    show_errno("write comm", write(fd, "short", 5));
    close(fd);
    slurp("/proc/self/comm");
    printf("comm: %s", buf);

    /* links */
    n = readlink("/proc/self/exe", link, sizeof link - 1);
    link[n] = 0;
    printf("exe is argv[0]: %d\n", !strcmp(strrchr(link, '/'), strrchr(argv[0], '/')));
    chdir("/tmp");
    n = readlink("/proc/self/cwd", link, sizeof link - 1);
    link[n] = 0;
    printf("cwd %s\n", link);
    fd = open("/tmp/conf-proc", O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(fd, "0123456789", 10);
    lseek(fd, 4, SEEK_SET);
    sprintf(path, "/proc/self/fd/%d", fd);
    n = readlink(path, link, sizeof link - 1);
    link[n] = 0;
    printf("fd link %s\n", link);
    lstat(path, &st);
    printf("mode %o size %d\n", st.st_mode, (int)st.st_size);
    rename("/tmp/conf-proc", "/tmp/conf-proc2");
    n = readlink(path, link, sizeof link - 1);
    link[n] = 0;
    printf("fd link %s\n", link);
    rename("/tmp/conf-proc2", "/tmp/conf-proc");
    unlink("/tmp/conf-proc");
    n = readlink(path, link, sizeof link - 1);
    link[n] = 0;
    printf("fd link %s\n", link);
    int again = open(path, O_RDONLY);
    n = read(again, buf, 100);
    printf("reopened: %.*s\n", n, buf);
    close(again);
    sprintf(path, "/proc/self/fdinfo/%d", fd);
    slurp(path);
    printf("%.*s", (int)(strstr(buf, "mnt_id") - buf), buf);
    close(fd);
    show_errno("closed fd", readlink("/proc/self/fd/77", link, 10));
    int fds[2];
    pipe(fds);
    sprintf(path, "/proc/self/fd/%d", fds[0]);
    n = readlink(path, link, sizeof link - 1);
    link[n] = 0;
    printf("pipe link %.6s\n", link);
    lstat(path, &st);
    printf("mode %o\n", st.st_mode);

    /* memory */
    maps_line("[stack]");
    char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fd = open("/proc/self/mem", O_RDWR);
    show_errno("mem pread", pread(fd, buf, 4, (off_t)(unsigned)page));
    show_errno("mem pwrite", pwrite(fd, "abcd", 4, (off_t)(unsigned)page));
    printf("page %s\n", page);
    mprotect(page + 4096, 4096, PROT_NONE);
    show_errno("mem pread none", pread(fd, buf, 4, (off_t)(unsigned)page + 4096));
    munmap(page + 4096, 4096);
    show_errno("mem pread across", pread(fd, buf, 8192, (off_t)(unsigned)page));
    show_errno("mem pread gone", pread(fd, buf, 4, (off_t)(unsigned)page + 4096));
    show_errno("mem pwrite gone", pwrite(fd, buf, 4, (off_t)(unsigned)page + 4096));
    close(fd);
    n = slurp("/proc/self/cmdline");
    printf("cmdline ends in NUL %d, argv[0] %d\n", !buf[n - 1], !strcmp(buf, argv[0]));
    n = slurp("/proc/self/auxv");
    printf("auxv whole pairs %d, ends in null %d\n", n % 8 == 0, n >= 8 && !*(int *)(buf + n - 8));
    slurp("/proc/self/smaps");
    char *vm = strstr(buf, "Size:");
    printf("%.21s\n", vm);

    /* what cannot be done */
    show_errno("open missing", open("/proc/self/nothing", O_RDONLY));
    show_errno("creat", open("/proc/newfile", O_CREAT | O_WRONLY, 0600));
    show_errno("mkdir", mkdir("/proc/dir", 0700));
    show_errno("unlink", unlink("/proc/version"));
    show_errno("open status/x", open("/proc/self/status/x", O_RDONLY));
    show_errno("open pid 0", open("/proc/0/status", O_RDONLY));
    show_errno("open pid 00001", open("/proc/00001/status", O_RDONLY));
    show_errno("directory", open("/proc/self/task", O_WRONLY));
    fd = open("/proc/self/stat", O_RDWR);
    show_errno("write stat", write(fd, "x", 1));
    close(fd);
    show_errno("open ostype", open("/proc/sys/kernel/ostype", O_WRONLY));
    fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
    show_errno("read directory", read(fd, buf, 10));
    close(fd);
    sprintf(path, "/proc/self/task/%d/comm", getpid());
    slurp(path);
    printf("%s", buf);
    sprintf(path, "/proc/self/task/%d/task", getpid());
    show_errno("task in task", access(path, F_OK));
    n = readlink("/proc/self", link, sizeof link - 1);
    link[n] = 0;
    printf("self %d\n", atoi(link) == getpid());
    n = readlink("/proc/thread-self", link, sizeof link - 1);
    link[n] = 0;
    sprintf(path, "%d/task/%d", getpid(), getpid());
    printf("thread-self %d\n", !strcmp(link, path));
    n = readlink("/proc/mounts", link, sizeof link - 1);
    link[n] = 0;
    printf("mounts %s\n", link);

    /* seek and pread of a made file */
    fd = open("/proc/self/stat", O_RDONLY);
    n = read(fd, buf, 3);
    char one[4];
    pread(fd, one, 3, 0);
    printf("pread the same %d\n", !memcmp(buf, one, 3));
    printf("lseek %d\n", (int)lseek(fd, 0, SEEK_SET));
    read(fd, one, 3);
    printf("again the same %d\n", !memcmp(buf, one, 3));
    close(fd);
    stat("/proc/self/stat", &st);
    printf("mode %o size %d\n", st.st_mode, (int)st.st_size);
    stat("/proc/self/environ", &st);
    printf("mode %o\n", st.st_mode);

    /* a zombie, and somebody else's process */
    pid_t child = fork();
    if (!child)
        _exit(3);
    siginfo_t info;
    waitid(P_PID, child, &info, WEXITED | WNOWAIT);
    sprintf(path, "/proc/%d/stat", child);
    slurp(path);
    printf("zombie state %c\n", strrchr(buf, ')')[2]);
    sprintf(path, "/proc/%d/exe", child);
    show_errno("zombie exe", readlink(path, link, 10));
    sprintf(path, "/proc/%d/cmdline", child);
    printf("zombie cmdline %d\n", slurp(path));
    sprintf(path, "/proc/%d/stat", child);
    fd = open(path, O_RDONLY);
    waitpid(child, NULL, 0);
    show_errno("stat of the gone", read(fd, buf, 10));
    close(fd);
    show_errno("open the gone", open(path, O_RDONLY));
    if (!getuid() && !fork()) {
        pid_t parent = getppid();
        setgid(1234);
        setuid(1234);
        sprintf(path, "/proc/%d/environ", parent);
        show_errno("other's environ", open(path, O_RDONLY));
        sprintf(path, "/proc/%d/maps", parent);
        show_errno("other's maps", open(path, O_RDONLY));
        sprintf(path, "/proc/%d/fd", parent);
        show_errno("other's fd", open(path, O_RDONLY));
        sprintf(path, "/proc/%d/exe", parent);
        show_errno("other's exe", readlink(path, link, 10));
        sprintf(path, "/proc/%d/cmdline", parent);
        show_errno("other's cmdline", slurp(path) > 0);
        sprintf(path, "/proc/%d/comm", parent);
        show_errno("other's comm", open(path, O_WRONLY));
        _exit(0);
    }
    wait(NULL);

    form("/proc/uptime", 1);
    form("/proc/loadavg", 1);
    form("/proc/self/statm", 1);
    form("/proc/meminfo", 3);
    form("/proc/stat", 2);
    form("/proc/swaps", 1);
    form("/proc/sys/kernel/random/uuid", 0);
    form("/proc/sys/fs/file-nr", 1);
    form("/proc/sys/kernel/pid_max", 0);
    form("/proc/self/io", 7);
    form("/proc/self/limits", 1);
    slurp("/proc/sys/kernel/random/uuid");
    printf("uuid length %d version %c\n", (int)strlen(buf), buf[14]);
    return 0;
}
