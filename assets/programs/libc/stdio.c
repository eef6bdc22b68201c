/*
 * stdio.c - a small printf, and puts.
 *
 * There are no streams: a call collects its text in a buffer on its own stack
 * and hands it to the kernel by one write (more only if the buffer is too
 * small for it).  So nothing waits in memory that fork could double or a
 * signal could tear, and each line of output is one system call to look at.
 */
#include "int80.h"

struct output {
    int fd;
    int total;                  /* characters so far, -1 after an error */
    size_t used;
    char buffer[512];
};

static void flush(struct output *out)
{
    size_t done = 0;
    ssize_t n;

    while (done < out->used) {
        n = write(out->fd, out->buffer + done, out->used - done);
        if (n < 0) {
            out->total = -1;
            break;
        }
        done += n;
    }
    out->used = 0;
}

static void put_char(struct output *out, char c)
{
    if (out->used == sizeof(out->buffer))
        flush(out);
    out->buffer[out->used++] = c;
    if (out->total >= 0)
        out->total++;
}

static void put_string(struct output *out, const char *s)
{
    if (s == NULL)
        s = "(null)";
    while (*s != '\0')
        put_char(out, *s++);
}

static void put_number(struct output *out, unsigned int value,
                       unsigned int base)
{
    char digits[10];            /* 2^32 has ten of them in base 10 */
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n > 0)
        put_char(out, digits[--n]);
}

static void put_signed(struct output *out, int value)
{
    if (value < 0) {
        put_char(out, '-');
        put_number(out, -(unsigned int) value, 10);
    } else {
        put_number(out, value, 10);
    }
}

int vdprintf(int fd, const char *format, va_list ap)
{
    struct output out;

    out.fd = fd;
    out.total = 0;
    out.used = 0;
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put_char(&out, *format);
            continue;
        }
        switch (*++format) {
        case 'd':
            put_signed(&out, va_arg(ap, int));
            break;
        case 'u':
            put_number(&out, va_arg(ap, unsigned int), 10);
            break;
        case 'x':
            put_number(&out, va_arg(ap, unsigned int), 16);
            break;
        case 'p':
            put_string(&out, "0x");
            put_number(&out, (unsigned int) va_arg(ap, void *), 16);
            break;
        case 's':
            put_string(&out, va_arg(ap, const char *));
            break;
        case 'c':
            put_char(&out, va_arg(ap, int));
            break;
        case '%':
            put_char(&out, '%');
            break;
        case '\0':              /* a lone % at the end: stop before the NUL */
            format--;
            break;
        default:                /* not one of ours: show it as it stands */
            put_char(&out, '%');
            put_char(&out, *format);
            break;
        }
    }
    flush(&out);
    return out.total;
}

int vprintf(const char *format, va_list ap)
{
    return vdprintf(STDOUT_FILENO, format, ap);
}

int printf(const char *format, ...)
{
    va_list ap;
    int total;

    va_start(ap, format);
    total = vprintf(format, ap);
    va_end(ap);
    return total;
}

int dprintf(int fd, const char *format, ...)
{
    va_list ap;
    int total;

    va_start(ap, format);
    total = vdprintf(fd, format, ap);
    va_end(ap);
    return total;
}

int puts(const char *s)
{
    return printf("%s\n", s);
}
