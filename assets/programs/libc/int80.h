/*
 * int80.h - everything a program of ours may use, in one header.
 *
 * A C library small enough to be read in one sitting.  Names and meanings are
 * those of the manual pages; numbers and structures are those of Linux on i386
 * (asm-generic/errno-base.h, asm/signal.h, asm-generic/mman-common.h).
 */
#ifndef INT80_H
#define INT80_H

#define NULL ((void *) 0)

typedef __SIZE_TYPE__     size_t;
typedef int               ssize_t;
typedef int               pid_t;
typedef long              time_t;
typedef __builtin_va_list va_list;

#define va_start(ap, last)      __builtin_va_start(ap, last)
#define va_arg(ap, type)        __builtin_va_arg(ap, type)
#define va_end(ap)              __builtin_va_end(ap)

/* Error numbers: errno(3) */

extern int errno;

#define EPERM           1
#define ENOENT          2
#define ESRCH           3
#define EINTR           4
#define EIO             5
#define ENXIO           6
#define E2BIG           7
#define ENOEXEC         8
#define EBADF           9
#define ECHILD          10
#define EAGAIN          11
#define ENOMEM          12
#define EACCES          13
#define EFAULT          14
#define EBUSY           16
#define EEXIST          17
#define ENODEV          19
#define ENOTDIR         20
#define EISDIR          21
#define EINVAL          22
#define ENFILE          23
#define EMFILE          24
#define ENOTTY          25
#define EFBIG           27
#define ENOSPC          28
#define ESPIPE          29
#define EROFS           30
#define EPIPE           32
#define ERANGE          34
#define ENOSYS          38

/* Files: open(2), read(2), write(2), close(2), pipe(2), dup2(2) */

#define STDIN_FILENO    0
#define STDOUT_FILENO   1
#define STDERR_FILENO   2

#define O_RDONLY        0
#define O_WRONLY        1
#define O_RDWR          2
#define O_CREAT         0100
#define O_TRUNC         01000
#define O_APPEND        02000

int open(const char *path, int flags, int mode);
int close(int fd);
ssize_t read(int fd, void *buf, size_t count);
ssize_t write(int fd, const void *buf, size_t count);
int pipe(int *fd);              /* of two: fd[0] to read, fd[1] to write */
int dup2(int oldfd, int newfd);

/* Processes: fork(2), execve(2), waitpid(2), getpid(2), prctl(2) */

#define WNOHANG         1
#define WUNTRACED       2
#define WCONTINUED      8

#define WIFEXITED(status)       (((status) & 0x7f) == 0)
#define WEXITSTATUS(status)     (((status) >> 8) & 0xff)
#define WTERMSIG(status)        ((status) & 0x7f)
#define WIFSIGNALED(status)     (((status) & 0x7f) + 1 >= 2 && !WIFSTOPPED(status))
#define WCOREDUMP(status)       ((status) & 0x80)
#define WIFSTOPPED(status)      (((status) & 0xff) == 0x7f)
#define WSTOPSIG(status)        (((status) >> 8) & 0xff)
#define WIFCONTINUED(status)    ((status) == 0xffff)

#define PR_SET_NAME     15
#define PR_GET_NAME     16

struct rusage;

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};

pid_t fork(void);
int execve(const char *path, char *const argv[], char *const envp[]);
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage);
pid_t getpid(void);
pid_t getppid(void);
int prctl(int option, unsigned long arg2, unsigned long arg3,
          unsigned long arg4, unsigned long arg5);
int nanosleep(const struct timespec *request, struct timespec *remaining);
void _exit(int status) __attribute__((noreturn));
void exit(int status) __attribute__((noreturn));

/* Memory: mmap(2), munmap(2), mprotect(2), brk(2) */

#define PAGE_SIZE       4096

#define PROT_NONE       0
#define PROT_READ       1
#define PROT_WRITE      2
#define PROT_EXEC       4

#define MAP_SHARED      0x01
#define MAP_PRIVATE     0x02
#define MAP_FIXED       0x10
#define MAP_ANONYMOUS   0x20

#define MAP_FAILED      ((void *) -1)

/* What the old mmap reads from memory, since it gets one pointer only. */
struct mmap_arg_struct {
    void *addr;
    size_t len;
    unsigned long prot;
    unsigned long flags;
    long fd;
    unsigned long offset;               /* in bytes */
};

void *old_mmap(struct mmap_arg_struct *arg);
void *mmap2(void *addr, size_t len, int prot, int flags, int fd,
            unsigned long page_offset); /* in pages */
int munmap(void *addr, size_t len);
int mprotect(void *addr, size_t len, int prot);
int brk(void *end);
void *sbrk(int increment);
void *malloc(size_t size);
void free(void *memory);

/* Signals: signal(7), sigaction(2), sigprocmask(2), kill(2) */

#define SIGHUP          1
#define SIGINT          2
#define SIGQUIT         3
#define SIGILL          4
#define SIGTRAP         5
#define SIGABRT         6
#define SIGBUS          7
#define SIGFPE          8
#define SIGKILL         9
#define SIGUSR1         10
#define SIGSEGV         11
#define SIGUSR2         12
#define SIGPIPE         13
#define SIGALRM         14
#define SIGTERM         15
#define SIGCHLD         17
#define SIGCONT         18
#define SIGSTOP         19
#define SIGTSTP         20

#define SIGRTMIN        32              /* the first real-time signal */

#define SA_SIGINFO      0x00000004
#define SA_RESTORER     0x04000000
#define SA_ONSTACK      0x08000000
#define SA_RESTART      0x10000000
#define SA_NODEFER      0x40000000
#define SA_RESETHAND    0x80000000

#define SIG_BLOCK       0
#define SIG_UNBLOCK     1
#define SIG_SETMASK     2

typedef void (*sighandler_t)(int);

#define SIG_DFL         ((sighandler_t) 0)
#define SIG_IGN         ((sighandler_t) 1)
#define SIG_ERR         ((sighandler_t) -1)

/* 64 signals, one bit each: signal n is bit n - 1. */
typedef struct {
    unsigned long sig[2];
} sigset_t;

/* What comes with a signal; which of the fields mean something depends on it. */
typedef struct {
    int si_signo;
    int si_errno;
    int si_code;
    union {
        int pad[29];
        struct {
            pid_t si_pid;               /* who sent it, or the child */
            unsigned int si_uid;
            int si_value;               /* of sigqueue; of a child its status */
        };
        void *si_addr;                  /* of a fault */
    };
} siginfo_t;

/* Laid out as the kernel wants it, so that no copy is needed. */
struct sigaction {
    union {
        sighandler_t sa_handler;
        void (*sa_sigaction)(int, siginfo_t *, void *);
    };
    unsigned long sa_flags;
    void (*sa_restorer)(void);
    sigset_t sa_mask;
};

int kill(pid_t pid, int sig);
int rt_sigaction(int sig, const struct sigaction *act, struct sigaction *old,
                 size_t sigsetsize);
int rt_sigprocmask(int how, const sigset_t *set, sigset_t *old,
                   size_t sigsetsize);
int sigaction(int sig, const struct sigaction *act, struct sigaction *old);
sighandler_t signal(int sig, sighandler_t handler);
int sigemptyset(sigset_t *set);
int sigaddset(sigset_t *set, int sig);
int sigismember(const sigset_t *set, int sig);

/* More about signals (libc/signals/): in a program only if it uses them. */

#define SI_QUEUE        (-1)

typedef struct {
    void *ss_sp;
    int ss_flags;
    size_t ss_size;
} stack_t;

int sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sigsuspend(const sigset_t *mask);
int sigaltstack(const stack_t *stack, stack_t *old);
int sigqueue(pid_t pid, int sig, int value);
int raise(int sig);
int pause(void);
unsigned int alarm(unsigned int seconds);

#define RLIMIT_CORE     4

struct rlimit {
    unsigned long rlim_cur;
    unsigned long rlim_max;
};

int setrlimit(int resource, const struct rlimit *limit);

/* Where to go back to: setjmp(3).  The registers that a function must keep,
   its stack pointer and return address, and the signal mask if wanted. */
typedef struct {
    unsigned long registers[6];         /* ebx esi edi ebp esp eip */
    int mask_saved;
    sigset_t mask;
} sigjmp_buf[1];

int sigsetjmp(sigjmp_buf where, int save_mask) __attribute__((returns_twice));
void siglongjmp(sigjmp_buf where, int value) __attribute__((noreturn));

/* Strings: string(3), atoi(3) */

size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
char *strcpy(char *to, const char *from);
void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *a, const void *b, size_t count);
int atoi(const char *s);

/* Output: printf(3), perror(3).  Conversions: %d %u %x %s %c %p %% */

int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int dprintf(int fd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int vprintf(const char *format, va_list ap);
int vdprintf(int fd, const char *format, va_list ap);
int puts(const char *s);
char *strerror(int number);
void perror(const char *what);

#endif /* INT80_H */
