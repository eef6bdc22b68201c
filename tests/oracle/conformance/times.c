#include "conf.h"
#include <sys/random.h>
#include <sys/times.h>

int main(void)
{
	struct timespec t, u;
	struct timeval tv;
	struct timespec zero = {0, 0}, some = {0, 10000000}, bad = {0, 1000000000}, worse = {0, -1}, past = {-1, 0};

	TITLE("clocks");
	for (int n = -3; n < 14; n++) {
		printf("%d: ", n);
		OK(clock_gettime(n, &t));
		printf("%d: ", n);
		OK(clock_getres(n, &t));
	}
	OK(clock_getres(0, NULL));
	S(clock_gettime, 0, BAD);
	S(clock_gettime64, 0, BAD);
	S(clock_getres, 1, BAD);
	OK(time(NULL));
	S(time, BAD);
	OK(gettimeofday(&tv, NULL));
	S(gettimeofday, BAD, 0);
	S(gettimeofday, 0, 0);
	S(gettimeofday, 0, BAD);
	OK(times(NULL));
	S(times, BAD);
	clock_gettime(CLOCK_MONOTONIC, &t);
	clock_gettime(CLOCK_MONOTONIC, &u);
	printf("monotonic: %d\n", u.tv_sec > t.tv_sec || (u.tv_sec == t.tv_sec && u.tv_nsec >= t.tv_nsec));
	printf("time agrees: %d\n", abs((int)(time(NULL) - (gettimeofday(&tv, NULL), tv.tv_sec))) < 2);

	TITLE("sleeping");
	R(nanosleep(&zero, NULL));
	R(nanosleep(&some, &u));
	R(nanosleep(&bad, NULL));
	R(nanosleep(&worse, NULL));
	R(nanosleep(&past, NULL));
	S(nanosleep, BAD, 0);
	S(clock_nanosleep, 99, 0, &some, 0);
	S(clock_nanosleep, CLOCK_MONOTONIC, 0, &some, 0);
	S(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &some, 0);
	S(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &past, 0);
	S(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &some, 0);
	S(clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &some, 0);
	S(clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &some, 0);
	S(clock_nanosleep, CLOCK_MONOTONIC, 0, BAD, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	nanosleep(&some, NULL);
	clock_gettime(CLOCK_MONOTONIC, &u);
	long long passed = (u.tv_sec - t.tv_sec) * 1000000000ll + u.tv_nsec - t.tv_nsec;
	printf("slept long enough: %d\n", passed >= 10000000);
	t.tv_nsec = u.tv_nsec, t.tv_sec = u.tv_sec + 0;
	t.tv_nsec += 5000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_nsec -= 1000000000, t.tv_sec++;
	R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	clock_gettime(CLOCK_MONOTONIC, &u);
	printf("reached: %d\n", u.tv_sec > t.tv_sec || u.tv_nsec >= t.tv_nsec);
	R(usleep(1000));

	TITLE("randomness");
	unsigned char a[64] = {0}, b[64] = {0};
	R(getrandom(a, 64, 0));
	R(getrandom(b, 64, GRND_NONBLOCK));
	printf("differ: %d\n", memcmp(a, b, 64) != 0);
	R(getrandom(a, 0, 0));
	R(getrandom(a, 10, GRND_RANDOM));
	R(getrandom(a, 10, 4));
	R(getrandom(a, 10, 6));
	R(getrandom(a, 10, 8));
	S(getrandom, BAD, 10, 0);
	S(getrandom, KERNEL, 0, 0);
	char *p = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p + 4096, 4096);
	R(getrandom(p + 4000, 200, 0));
	R(getrandom(p + 4096, 200, 0));
	return 0;
}
