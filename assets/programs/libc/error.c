/*
 * error.c - error numbers in words: strerror and perror.
 */
#include "int80.h"

static const char *const messages[] = {
    [0]         = "Success",
    [EPERM]     = "Operation not permitted",
    [ENOENT]    = "No such file or directory",
    [ESRCH]     = "No such process",
    [EINTR]     = "Interrupted system call",
    [EIO]       = "Input/output error",
    [ENXIO]     = "No such device or address",
    [E2BIG]     = "Argument list too long",
    [ENOEXEC]   = "Exec format error",
    [EBADF]     = "Bad file descriptor",
    [ECHILD]    = "No child processes",
    [EAGAIN]    = "Resource temporarily unavailable",
    [ENOMEM]    = "Cannot allocate memory",
    [EACCES]    = "Permission denied",
    [EFAULT]    = "Bad address",
    [EBUSY]     = "Device or resource busy",
    [EEXIST]    = "File exists",
    [ENODEV]    = "No such device",
    [ENOTDIR]   = "Not a directory",
    [EISDIR]    = "Is a directory",
    [EINVAL]    = "Invalid argument",
    [ENFILE]    = "Too many open files in system",
    [EMFILE]    = "Too many open files",
    [ENOTTY]    = "Inappropriate ioctl for device",
    [EFBIG]     = "File too large",
    [ENOSPC]    = "No space left on device",
    [ESPIPE]    = "Illegal seek",
    [EROFS]     = "Read-only file system",
    [EPIPE]     = "Broken pipe",
    [ERANGE]    = "Numerical result out of range",
    [ENOSYS]    = "Function not implemented",
};

char *strerror(int number)
{
    int known = sizeof(messages) / sizeof(messages[0]);

    if (number < 0 || number >= known || messages[number] == NULL)
        return "Unknown error";
    return (char *) messages[number];
}

void perror(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
}
