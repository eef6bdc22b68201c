#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t barrier;
static int results[3];

static void *work(void *number)
{
	int n = (int)(long)number;

	pthread_barrier_wait(&barrier);
	results[n] = n * n;
	return number;
}

int main(void)
{
	pthread_t threads[3];

	pthread_barrier_init(&barrier, NULL, 4);
	for (long n = 0; n < 3; n++)
		pthread_create(&threads[n], NULL, work, (void *)n);
	pthread_barrier_wait(&barrier);
	for (int n = 0; n < 3; n++)
		pthread_join(threads[n], NULL);
	printf("%d %d %d\n", results[0], results[1], results[2]);
	return 0;
}
