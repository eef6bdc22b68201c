/* Times so far away that 32 bits of seconds do not hold what is left of them. */

#include "conf.h"
#include <poll.h>
#include <sys/select.h>

struct time64 {
	long long sec, nsec;
};

int main(void)
{
	int ends[2], word[2];
	int old[4];
	long long wide[4];
	fd_set set;

	pipe(ends);
	write(ends[1], "x", 1);

	TITLE("what is left of a wait that is over at once");
	word[0] = 0x7fffffff, word[1] = 0x7fffffff;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	S(_newselect, ends[0] + 1, &set, 0, 0, word);
	printf("left %d\n", word[0]);
	word[0] = 0x7fffffff, word[1] = 999999999;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	S(pselect6, ends[0] + 1, &set, 0, 0, word, 0);
	printf("left %d\n", word[0]);
	struct time64 far = {0x80000010, 500000000};
	struct pollfd one = {.fd = ends[0], .events = POLLIN};
	S(ppoll_time64, &one, 1, &far, 0, 0);
	printf("left %lld\n", far.sec);

	TITLE("timers");
	int fd = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
	long long spec[4] = {0x80000001, 5, 0x80000010, 500000000};
	S(timerfd_settime64, fd, 0, spec, 0);
	S(timerfd_gettime64, fd, wide);
	printf("%lld %lld %lld\n", wide[0], wide[1], wide[2]);
	S(timerfd_gettime, fd, old);
	printf("%d %d %d\n", old[0], old[1], old[2]);
	int timer = -1;
	S(timer_create, CLOCK_MONOTONIC, 0, &timer);
	S(timer_settime64, timer, 0, spec, 0);
	S(timer_gettime64, timer, wide);
	printf("%lld %lld %lld\n", wide[0], wide[1], wide[2]);
	S(timer_gettime, timer, old);
	printf("%d %d %d\n", old[0], old[1], old[2]);
	int interval[4] = {0x7fffffff, 999999, 0x7fffffff, 999999};
	S(setitimer, ITIMER_REAL, interval, 0);
	S(getitimer, ITIMER_REAL, old);
	printf("%d %d %d\n", old[0], old[1], old[2]);
	return 0;
}
