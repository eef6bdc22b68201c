#include "conf.h"
#include <sys/times.h>
#include <sys/timex.h>

static volatile int caught, code, number, overrun, value, thread;

static void handler(int signo, siginfo_t *info, void *context)
{
	caught++;
	code = info->si_code;
	number = info->si_timerid;
	overrun = info->si_overrun;
	value = info->si_value.sival_int;
	thread = syscall(SYS_gettid);
}

static void catch(int signo, int flags)
{
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	sigaction(signo, &act, NULL);
}

/* Processor time that costs an emulator little: long blocks of nothing. */
#define SPIN __asm__ volatile(".fill 3000, 1, 0x90")

static void burn(long ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	do {
		SPIN;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

static void show(int which)
{
	struct itimerval v;

	getitimer(which, &v);
	printf("left %d, interval %d %d\n", v.it_value.tv_sec > 0 || v.it_value.tv_usec > 0, (int)v.it_interval.tv_sec,
	       (int)v.it_interval.tv_usec);
}

/* What is set without a first time: ITIMER_REAL forgets the interval, the others keep it. */
static void only_intervals(void)
{
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		struct itimerval v = {{10, 20}, {0, 0}}, off = {0}, old;

		R(setitimer(which, &v, NULL));
		show(which);
		R(setitimer(which, &off, &old));
		printf("interval %d\n", (int)old.it_interval.tv_sec);
	}
}

int main(void)
{
	struct itimerval v = {{0, 0}, {0, 20000}}, off = {0}, old, bad = {{0, 0}, {0, 1000000}}, minus = {{-1, 0}, {0, 0}};
	struct timespec some = {0, 5000000};

	TITLE("itimers");
	only_intervals();
	catch(SIGALRM, 0);
	catch(SIGVTALRM, 0);
	catch(SIGPROF, 0);
	R(setitimer(ITIMER_REAL, &v, &old));
	show(ITIMER_REAL);
	R(pause());
	printf("caught %d, code %x\n", caught, code);
	show(ITIMER_REAL);
	S(setitimer, 3, &v, 0);
	S(getitimer, 3, &old);
	S(setitimer, 0, &bad, 0);
	S(setitimer, 0, &minus, 0);
	S(setitimer, 0, BAD, 0);
	S(getitimer, 0, BAD);
	v.it_interval.tv_usec = 30000;
	R(setitimer(ITIMER_REAL, &v, NULL));
	R(pause());
	R(pause());
	printf("caught %d\n", caught);
	S(setitimer, 0, 0, &old);
	printf("interval %d\n", (int)old.it_interval.tv_usec);
	show(ITIMER_REAL);
	caught = 0;
	R(setitimer(ITIMER_VIRTUAL, &v, NULL));
	nanosleep(&some, NULL);
	printf("caught %d\n", caught);
	while (caught < 2)
		SPIN;
	R(setitimer(ITIMER_VIRTUAL, &off, NULL));
	caught = 0;
	R(setitimer(ITIMER_PROF, &v, NULL));
	while (caught < 2) {
		SPIN;
		getppid();
	}
	R(setitimer(ITIMER_PROF, &off, NULL));
	v.it_interval.tv_usec = 0;
	v.it_value.tv_sec = 100;
	R(setitimer(ITIMER_REAL, &v, NULL));
	CHILD("a child has none", show(ITIMER_REAL));
	R(setitimer(ITIMER_REAL, &off, NULL));

	TITLE("alarm");
	S(alarm, 0);
	S(alarm, 10);
	S(alarm, 20);
	S(alarm, 0);
	S(alarm, 1);
	caught = 0;
	R(sleep(5) > 0);
	printf("caught %d\n", caught);
	signal(SIGALRM, SIG_DFL);
	CHILD("killed", alarm(1); pause());

	TITLE("timers");
	timer_t t;
	int id, ids[3];
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
	struct itimerspec i = {{0, 0}, {0, 10000000}}, got, none = {0};
	S(timer_create, CLOCK_REALTIME, &e, BAD);
	S(timer_create, 99, &e, &id);
	S(timer_create, CLOCK_MONOTONIC_RAW, &e, &id);
	S(timer_create, CLOCK_REALTIME_COARSE, &e, &id);
	S(timer_create, CLOCK_REALTIME, BAD, &id);
	S(timer_create, CLOCK_MONOTONIC, &e, &id);
	printf("%d\n", id);
	S(timer_create, CLOCK_REALTIME, NULL, &ids[0]);
	S(timer_create, CLOCK_PROCESS_CPUTIME_ID, &e, &ids[1]);
	printf("%d %d\n", ids[0], ids[1]);
	catch(SIGUSR1, 0);
	caught = 0;
	S(timer_settime, id, 0, &i, 0);
	S(timer_gettime, id, &got);
	printf("%d\n", got.it_value.tv_sec == 0 && got.it_value.tv_nsec > 0);
	R(pause());
	printf("caught %d code %d number %d overrun %d value %d\n", caught, code, number, overrun, value);
	S(timer_gettime, id, &got);
	printf("%ld %ld\n", (long)got.it_value.tv_sec, (long)got.it_value.tv_nsec);
	S(timer_getoverrun, id);
	S(timer_settime, id, 0, NULL, 0);
	S(timer_settime, id, 0, BAD, 0);
	S(timer_settime, 55, 0, &i, 0);
	S(timer_gettime, 55, &got);
	S(timer_gettime, -1, &got);
	S(timer_getoverrun, 55);
	S(timer_delete, 55);
	i.it_value.tv_nsec = 1000000000;
	S(timer_settime, id, 0, &i, 0);
	i.it_value.tv_nsec = 0;
	i.it_value.tv_sec = -1;
	S(timer_settime, id, 0, &i, 0);
	i.it_value.tv_sec = 0;
	i.it_value.tv_nsec = 4000000;
	i.it_interval.tv_nsec = 4000000;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	S(timer_settime, id, 0, &i, 0);
	usleep(60000);
	caught = 0;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("caught %d, overrun %d %d\n", caught > 0, overrun >= 10 && overrun < 1000, syscall(SYS_timer_getoverrun, id) >= 0);
	S(timer_settime, id, 0, &none, &got);
	printf("%ld\n", (long)got.it_interval.tv_nsec);
	sigprocmask(SIG_BLOCK, &set, NULL);
	i.it_interval.tv_nsec = 0;
	S(timer_settime, id, 0, &i, 0);
	siginfo_t info;
	R(sigwaitinfo(&set, &info));
	printf("%d %d %d\n", info.si_code, info.si_overrun, info.si_value.sival_int);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	i.it_value.tv_sec = 1;
	caught = 0;
	S(timer_settime, id, TIMER_ABSTIME, &i, 0);
	usleep(1000);
	printf("caught %d\n", caught);
	i.it_value.tv_sec = 0;
	i.it_value.tv_nsec = 20000000;
	caught = 0;
	S(timer_settime, ids[1], 0, &i, 0);
	nanosleep(&some, NULL);
	printf("caught %d ", caught);
	burn(60);
	printf("caught %d number %d\n", caught, number);
	e.sigev_notify = SIGEV_NONE;
	S(timer_create, CLOCK_MONOTONIC, &e, &ids[2]);
	S(timer_settime, ids[2], 0, &i, 0);
	usleep(30000);
	S(timer_gettime, ids[2], &got);
	printf("%ld\n", (long)got.it_value.tv_nsec);
	e.sigev_notify = SIGEV_THREAD_ID;
	*(int *)((char *)&e + 12) = syscall(SYS_gettid);
	S(timer_create, CLOCK_BOOTTIME, &e, &ids[2]);
	*(int *)((char *)&e + 12) = 1;
	S(timer_create, CLOCK_BOOTTIME, &e, &ids[2]);
	e.sigev_notify = 9;
	S(timer_create, CLOCK_BOOTTIME, &e, &ids[2]);
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = 65;
	S(timer_create, CLOCK_BOOTTIME, &e, &ids[2]);
	CHILD("not a child's", S(timer_gettime, id, &got));
	S(timer_delete, id);
	S(timer_delete, id);

	TITLE("times");
	struct tms before, after;
	struct rusage mine, children, one;
	struct timespec cpu, own;
	times(&before);
	burn(150); /* thrice what is asked for: hosts sample what a process used */
	times(&after);
	printf("ran %d\n", after.tms_utime + after.tms_stime - before.tms_utime - before.tms_stime >= 5);
	printf("children %d\n", (int)(after.tms_cutime));
	R(getrusage(RUSAGE_SELF, &mine));
	R(getrusage(RUSAGE_THREAD, &one));
	R(getrusage(RUSAGE_CHILDREN, &children));
	printf("%d %d %d %d\n", mine.ru_utime.tv_usec + mine.ru_stime.tv_usec + mine.ru_utime.tv_sec > 50000,
	       mine.ru_minflt > 10, mine.ru_maxrss > 50, mine.ru_nvcsw > 5);
	R(getrusage(5, &mine));
	S(getrusage, 0, BAD);
	pid_t pid = fork();
	if (!pid) {
		burn(80);
		_exit(0);
	}
	int st;
	R(wait4(pid, &st, 0, &one) == pid);
	printf("%d\n", one.ru_utime.tv_usec + one.ru_stime.tv_usec >= 60000);
	struct rusage later;
	getrusage(RUSAGE_CHILDREN, &later);
	long usec = (later.ru_utime.tv_sec - children.ru_utime.tv_sec) * 1000000 + later.ru_utime.tv_usec + later.ru_stime.tv_usec -
		    children.ru_utime.tv_usec - children.ru_stime.tv_usec;
	printf("%d\n", usec >= 60000 && usec < 2000000);
	clockid_t clock;
	clock_getcpuclockid(0, &clock);
	OK(clock_gettime(clock, &cpu));
	R(clock_getcpuclockid(getppid(), &clock));
	OK(clock_gettime(clock, &cpu));
	R(clock_getcpuclockid(999999, &clock));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
	printf("%d\n", cpu.tv_sec >= own.tv_sec - 1);
	for (int n = -16; n < 0; n++) {
		printf("%d: ", n);
		OK(syscall(SYS_clock_gettime, n, &cpu));
	}

	TITLE("limits");
	struct rlimit limit = {1, 2}, got_limit;
	CHILD("soft", {
		setrlimit(RLIMIT_CPU, &limit);
		for (;;)
			SPIN;
	});
	CHILD("hard", {
		catch(SIGXCPU, 0);
		setrlimit(RLIMIT_CPU, &limit);
		for (;;)
			SPIN;
	});
	limit.rlim_cur = 3;
	R(setrlimit(RLIMIT_CPU, &limit));
	R(setrlimit(99, &limit));
	S(setrlimit, 0, BAD);
	S(setrlimit, 99, BAD);
	S(getrlimit, 99, BAD);
	S(ugetrlimit, 0, BAD);
	struct rlimit64 wide = {5, 4};
	S(prlimit64, 0, RLIMIT_CORE, &wide, 0);
	S(prlimit64, 0, RLIMIT_CORE, BAD, 0);
	S(prlimit64, 0, RLIMIT_CORE, 0, BAD);
	S(prlimit64, 999999, RLIMIT_CORE, 0, &wide);
	S(prlimit64, 0, 77, 0, &wide);
	S(prlimit64, 0, RLIMIT_CORE, 0, &wide);
	printf("%llu\n", wide.rlim_cur);

	TITLE("setting clocks");
	CHILD("a user", {
		setresuid(1000, 1000, 1000);
		struct timespec now;
		struct timeval tv;
		struct timex x = {.modes = ADJ_TICK};
		time_t second = 5;
		x.tick = 10000;
		clock_gettime(CLOCK_REALTIME, &now);
		S(clock_settime, CLOCK_REALTIME, &now);
		S(clock_settime, CLOCK_MONOTONIC, &now);
		S(clock_settime, CLOCK_PROCESS_CPUTIME_ID, &now);
		S(clock_settime, 99, &now);
		S(clock_settime, CLOCK_REALTIME, BAD);
		S(clock_settime, CLOCK_MONOTONIC, BAD);
		now.tv_nsec = -1;
		S(clock_settime, CLOCK_REALTIME, &now);
		gettimeofday(&tv, NULL);
		S(settimeofday, &tv, 0);
		S(settimeofday, BAD, 0);
		S(settimeofday, 0, BAD);
		tv.tv_usec = 1000001;
		S(settimeofday, &tv, 0);
		S(stime, &second);
		S(stime, BAD);
		S(adjtimex, &x);
		S(adjtimex, BAD);
		x.modes = 0;
		OK(syscall(SYS_adjtimex, &x));
		printf("tick %ld, tolerance %ld\n", x.tick, x.tolerance);
		S(clock_adjtime, CLOCK_MONOTONIC, &x);
		S(clock_adjtime, 99, &x);
	});
	return 0;
}
