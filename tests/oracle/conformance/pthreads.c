/* POSIX threads as programs use them: every wait in them is a futex. */
#include "conf.h"
#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem, done;
static int counter, turn, stage[4], readers, most_readers, queue[8], in, out, cleanups, destroyed;
static __thread int own = 7;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *add(void *argument)
{
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		if (i % 100 == 0)
			sched_yield();
		pthread_mutex_unlock(&mutex);
	}
	own += (int)(long)argument;
	return (void *)(long)own;
}

static void *take_turns(void *argument)
{
	int me = (int)(long)argument;

	for (int i = 0; i < 5; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 3 != me)
			pthread_cond_wait(&cond, &mutex);
		printf("%d ", me);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *meet(void *argument)
{
	int serial = 0;

	for (int i = 0; i < 4; i++) {
		__sync_fetch_and_add(&stage[i], 1);
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		if (stage[i] != 3)
			printf("not all met\n");
	}
	return (void *)(long)serial;
}

static void *reader(void *argument)
{
	for (int i = 0; i < 20; i++) {
		pthread_rwlock_rdlock(&rwlock);
		int now = __sync_add_and_fetch(&readers, 1);
		if (now > most_readers)
			most_readers = now;
		sched_yield();
		__sync_sub_and_fetch(&readers, 1);
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

static void *writer(void *argument)
{
	for (int i = 0; i < 20; i++) {
		pthread_rwlock_wrlock(&rwlock);
		if (readers)
			printf("a reader beside a writer\n");
		counter++;
		sched_yield();
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

static void *produce(void *argument)
{
	for (int i = 1; i <= 40; i++) {
		pthread_mutex_lock(&mutex);
		while (in - out == 8)
			pthread_cond_wait(&empty, &mutex);
		queue[in++ % 8] = i;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *consume(void *argument)
{
	long sum = 0;

	for (int i = 1; i <= 40; i++) {
		pthread_mutex_lock(&mutex);
		while (in == out)
			pthread_cond_wait(&cond, &mutex);
		sum += queue[out++ % 8];
		pthread_cond_signal(&empty);
		pthread_mutex_unlock(&mutex);
	}
	return (void *)sum;
}

static void cleanup(void *argument)
{
	cleanups += (int)(long)argument;
}

static void *cancelled(void *argument)
{
	pthread_cleanup_push(cleanup, (void *)5);
	sem_post(&done);
	if (argument)
		pthread_mutex_lock(&mutex), pthread_cond_wait(&cond, &mutex);
	else
		for (;;)
			pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *busy(void *argument)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&done);
	for (;;)
		;
}

static void destroy(void *argument)
{
	destroyed += (int)(long)argument;
}

static void *specific(void *argument)
{
	pthread_setspecific(key, argument);
	return pthread_getspecific(key);
}

static void init_once(void)
{
	counter++;
}

static void *only_once(void *argument)
{
	pthread_once(&once, init_once);
	return NULL;
}

static void *locks_and_dies(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

static void *holds(void *argument)
{
	pthread_mutex_lock(argument);
	sem_post(&done);
	usleep(20000);
	pthread_mutex_unlock(argument);
	return NULL;
}

static volatile int handled;
static void handler(int signo)
{
	handled++;
}

static void *sleeps(void *argument)
{
	sem_post(&done);
	while (sem_wait(&sem) < 0 && errno == EINTR)
		handled += 10;
	return NULL;
}

static void *execs(void *argument)
{
	char *args[] = {argument, "again", NULL}, *env[] = {NULL};

	execve(argument, args, env);
	return NULL;
}

static void *waits(void *argument)
{
	for (;;)
		pause();
}

static struct timespec later(clockid_t clock, long ns)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ns;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

int main(int argc, char **argv)
{
	pthread_t t[6];
	void *got;

	if (argc > 1) {
		printf("executed: leader %d\n", getpid() == syscall(SYS_gettid));
		return 6;
	}
	TITLE("mutex");
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, add, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], &got), printf("%ld ", (long)got);
	printf("counter %d, own %d\n", counter, own);
	TITLE("condition");
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, take_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("\n");
	TITLE("barrier");
	long serial = 0;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, meet, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], &got), serial += (long)got;
	printf("serial %ld\n", serial);
	TITLE("readers and writers");
	counter = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, i % 2 ? reader : writer, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("written %d\n", counter);
	TITLE("producer and consumer");
	pthread_create(&t[0], NULL, produce, NULL);
	pthread_create(&t[1], NULL, consume, NULL);
	pthread_join(t[0], NULL);
	pthread_join(t[1], &got);
	printf("sum %ld\n", (long)got);
	TITLE("timeouts");
	sem_init(&sem, 0, 0);
	sem_init(&done, 0, 0);
	struct timespec when = later(CLOCK_REALTIME, 2000000);
	R(sem_timedwait(&sem, &when));
	pthread_mutex_lock(&mutex);
	when = later(CLOCK_REALTIME, 2000000);
	printf("%s\n", error_name(pthread_cond_timedwait(&cond, &mutex, &when)));
	when = later(CLOCK_MONOTONIC, 2000000);
	printf("%s\n", error_name(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &when)));
	when = later(CLOCK_REALTIME, 2000000);
	printf("%s %s\n", error_name(pthread_mutex_timedlock(&mutex, &when)), error_name(pthread_mutex_trylock(&mutex)));
	pthread_mutex_unlock(&mutex);
	TITLE("cancellation");
	pthread_create(&t[0], NULL, cancelled, NULL);
	pthread_create(&t[1], NULL, cancelled, (void *)1);
	pthread_create(&t[2], NULL, busy, NULL);
	for (int i = 0; i < 3; i++)
		sem_wait(&done);
	for (int i = 0; i < 3; i++)
		pthread_cancel(t[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], &got), printf("%d ", got == PTHREAD_CANCELED);
	printf("cleanups %d\n", cleanups);
	printf("%s\n", error_name(pthread_mutex_trylock(&mutex)));
	pthread_mutex_unlock(&mutex);
	TITLE("keys and once");
	pthread_key_create(&key, destroy);
	counter = 0;
	for (long i = 1; i < 4; i++) {
		pthread_create(&t[0], NULL, specific, (void *)i);
		pthread_create(&t[1], NULL, only_once, NULL);
		pthread_join(t[0], &got);
		pthread_join(t[1], NULL);
		printf("%ld ", (long)got);
	}
	printf("destroyed %d, once %d\n", destroyed, counter);
	TITLE("kinds of mutexes");
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	for (int robust = 0; robust < 2; robust++)
		for (int pi = 0; pi < 2; pi++) {
			pthread_mutexattr_init(&attr);
			pthread_mutexattr_setprotocol(&attr, pi ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
			pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
			pthread_mutexattr_setrobust(&attr, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
			printf("init %d ", pthread_mutex_init(&m, &attr));
			pthread_create(&t[0], NULL, holds, &m);
			sem_wait(&done);
			printf("%s ", error_name(pthread_mutex_trylock(&m)));
			printf("%s ", error_name(pthread_mutex_unlock(&m)));
			printf("%d ", pthread_mutex_lock(&m));
			printf("%s ", error_name(pthread_mutex_lock(&m)));
			printf("%d\n", pthread_mutex_unlock(&m));
			pthread_join(t[0], NULL);
			if (!robust)
				continue;
			pthread_create(&t[0], NULL, locks_and_dies, &m);
			pthread_join(t[0], NULL);
			printf("%s ", error_name(pthread_mutex_lock(&m)));
			printf("%d ", pthread_mutex_consistent(&m));
			printf("%d ", pthread_mutex_unlock(&m));
			pthread_create(&t[0], NULL, locks_and_dies, &m);
			pthread_create(&t[1], NULL, locks_and_dies, &m);
			pthread_join(t[0], NULL);
			pthread_join(t[1], NULL);
			printf("%s ", error_name(pthread_mutex_lock(&m)));
			printf("%d ", pthread_mutex_unlock(&m));
			printf("%s\n", error_name(pthread_mutex_lock(&m)));
		}
	TITLE("between processes");
	struct {
		pthread_mutex_t m;
		pthread_cond_t c;
		sem_t s;
		int n;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_condattr_t cattr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_condattr_init(&cattr);
	pthread_condattr_setpshared(&cattr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->m, &attr);
	pthread_cond_init(&shared->c, &cattr);
	sem_init(&shared->s, 1, 0);
	pid_t pid = fork();
	if (!pid) {
		for (int i = 0; i < 5; i++)
			sem_post(&shared->s), usleep(1000);
		pthread_mutex_lock(&shared->m);
		shared->n = 5;
		pthread_cond_signal(&shared->c);
		pthread_mutex_unlock(&shared->m);
		usleep(50000); /* the other one is to have it first */
		pthread_mutex_lock(&shared->m);
		_exit(0);
	}
	for (int i = 0; i < 5; i++)
		sem_wait(&shared->s);
	pthread_mutex_lock(&shared->m);
	while (shared->n != 5 && !pthread_cond_wait(&shared->c, &shared->m))
		;
	pthread_mutex_unlock(&shared->m);
	int st;
	waitpid(pid, &st, 0);
	status_("other", st);
	printf("%d %s\n", shared->n, error_name(pthread_mutex_lock(&shared->m)));
	TITLE("signals");
	struct sigaction act = {.sa_handler = handler};
	sigaction(SIGUSR1, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &act, NULL);
	pthread_create(&t[0], NULL, sleeps, NULL);
	sem_wait(&done);
	usleep(40000);
	pthread_kill(t[0], SIGUSR2);
	usleep(40000);
	printf("handled %d\n", handled);
	pthread_kill(t[0], SIGUSR1);
	usleep(40000);
	printf("handled %d\n", handled);
	sem_post(&sem);
	pthread_join(t[0], NULL);
	CHILD("exec by a thread", {
		pthread_create(&t[0], NULL, waits, NULL);
		pthread_create(&t[1], NULL, execs, "/proc/self/exe");
		pthread_join(t[0], NULL);
	});
	CHILD("the first thread ends first", {
		pthread_create(&t[0], NULL, execs, argv[0]);
		pthread_exit(NULL);
	});
	return 0;
}
