/*
 * socket.c - a server and two clients, and a descriptor that is passed along.
 *
 * Shows a stream socket with a name in the file system: bind makes the file,
 * listen lets connections wait in a queue, accept takes them out of it as
 * sockets of their own.  The first client sends a line.  The second one opens
 * a pipe and sends its end to write to, as a control message with SCM_RIGHTS:
 * the server gets a descriptor for the same open file, and answers through it.
 *
 * Look for: the connections that wait before the server accepts them, a number
 * of a descriptor that differs in both processes for one open file, and the
 * pipe's reader that meets the end of file only when the server's copy of the
 * end is closed, too.
 */
#include "int80.h"
#include "syscall.h"

#define __NR_unlink     10
#define __NR_socket     359
#define __NR_bind       361
#define __NR_connect    362
#define __NR_listen     363
#define __NR_accept4    364
#define __NR_sendmsg    370
#define __NR_recvmsg    372

#define AF_UNIX         1
#define SOCK_STREAM     1
#define SOL_SOCKET      1
#define SCM_RIGHTS      1

struct sockaddr_un {
    unsigned short sun_family;
    char           sun_path[108];
};

struct iovec {
    void  *iov_base;
    size_t iov_len;
};

struct msghdr {
    void         *msg_name;
    int           msg_namelen;
    struct iovec *msg_iov;
    size_t        msg_iovlen;
    void         *msg_control;
    size_t        msg_controllen;
    int           msg_flags;
};

/* A control message, struct cmsghdr, that carries one descriptor. */
struct one_fd {
    size_t cmsg_len;
    int    cmsg_level;
    int    cmsg_type;
    int    fd;
};

_syscall1(int, unlink, const char *, path)
_syscall3(int, socket, int, family, int, type, int, protocol)
_syscall3(int, bind, int, fd, const struct sockaddr_un *, name, int, size)
_syscall3(int, connect, int, fd, const struct sockaddr_un *, name, int, size)
_syscall2(int, listen, int, fd, int, backlog)
_syscall4(int, accept4, int, fd, void *, name, int *, size, int, flags)
_syscall3(ssize_t, sendmsg, int, fd, const struct msghdr *, msg, int, flags)
_syscall3(ssize_t, recvmsg, int, fd, struct msghdr *, msg, int, flags)

static const struct sockaddr_un name = { AF_UNIX, "/tmp/socket" };

static int check(const char *what, int result)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static int connected(void)
{
    int fd = check("socket", socket(AF_UNIX, SOCK_STREAM, 0));

    check("connect", connect(fd, &name, sizeof(name)));
    return fd;
}

static void writer(void)
{
    int fd = connected();

    write(fd, "a line\n", 7);
    exit(0);
}

static void passer(void)
{
    int fd = connected();
    int ends[2];
    char buf[80];
    ssize_t n;
    struct iovec text = { "answer here\n", 12 };
    struct one_fd control = { sizeof(control), SOL_SOCKET, SCM_RIGHTS, 0 };
    struct msghdr msg = { 0, 0, &text, 1, &control, sizeof(control), 0 };

    check("pipe", pipe(ends));
    control.fd = ends[1];
    check("sendmsg", sendmsg(fd, &msg, 0));
    close(ends[1]);
    while ((n = read(ends[0], buf, sizeof(buf) - 1)) > 0) {
        buf[n] = '\0';
        printf("client: %d bytes through the pipe: %s", n, buf);
    }
    printf("client: the pipe's end of file\n");
    exit(0);
}

static void serve(int listener)
{
    char buf[80];
    ssize_t n;
    int fd = check("accept", accept4(listener, 0, 0, 0));
    struct iovec text = { buf, sizeof(buf) - 1 };
    struct one_fd control;
    struct msghdr msg = { 0, 0, &text, 1, &control, sizeof(control), 0 };

    n = check("recvmsg", recvmsg(fd, &msg, 0));
    buf[n] = '\0';
    printf("server: %d bytes: %s", n, buf);
    if (msg.msg_controllen == sizeof(control)) {
        printf("server: and descriptor %d\n", control.fd);
        write(control.fd, "hello\n", 6);
        close(control.fd);
    }
    close(fd);
}

int main(void)
{
    int listener = check("socket", socket(AF_UNIX, SOCK_STREAM, 0));
    int status;

    unlink(name.sun_path);
    check("bind", bind(listener, &name, sizeof(name)));
    check("listen", listen(listener, 2));
    if (check("fork", fork()) == 0)
        writer();
    waitpid(-1, &status, 0);    /* it has come, written and gone before it is accepted */
    serve(listener);
    if (check("fork", fork()) == 0)
        passer();
    serve(listener);
    waitpid(-1, &status, 0);
    unlink(name.sun_path);
    return 0;
}
