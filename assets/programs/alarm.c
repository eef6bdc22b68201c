/*
 * alarm.c - alarm as a time-out for a read.
 *
 * Shows a call given up after a second: SIGALRM's handler does nothing at all,
 * but that it runs interrupts the call, as there is no SA_RESTART.  (If the
 * alarm went off before read began, it would sleep for ever: the same race as
 * in lostwake.)
 *
 * Look for: the read that sleeps with nobody left to write, time jumping to
 * the alarm, and the alarm that is called off in the second half.
 */
#include "int80.h"

static void on_alrm(int sig)
{
    (void) sig;
}

static ssize_t read_in_time(int fd, char *to, size_t count, int seconds)
{
    ssize_t n;
    unsigned int left;

    alarm(seconds);
    n = read(fd, to, count);
    left = alarm(0);
    printf("read gives %d, %s the alarm\n", n, left ? "before" : "after");
    return n;
}

int main(void)
{
    struct sigaction act;
    char buf[16];
    int fd[2];

    memset(&act, 0, sizeof(act));
    act.sa_handler = on_alrm;
    sigaction(SIGALRM, &act, NULL);

    pipe(fd);
    if (read_in_time(fd[0], buf, sizeof(buf), 1) < 0)
        printf("%s\n", strerror(errno));
    write(fd[1], "hello", 5);
    read_in_time(fd[0], buf, sizeof(buf), 1);
    return 0;
}
