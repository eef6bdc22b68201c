#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned next = 12345;

static unsigned rnd(void)
{
	return next = next * 1103515245u + 12345u, next >> 8;
}

int main(void)
{
	unsigned char *blocks[256] = {0};
	size_t sizes[256] = {0};
	unsigned sum = 0;

	for (int turn = 0; turn < 4000; turn++) {
		int n = rnd() % 256;
		size_t size = rnd() % (turn % 97 ? 3000 : 400000);

		for (size_t i = 0; i < sizes[n]; i += 61)
			if (blocks[n][i] != (unsigned char)(n + i))
				return printf("block %d is damaged at %zu\n", n, i), 1;
		if (rnd() % 3) {
			blocks[n] = realloc(blocks[n], size + 1);
			sizes[n] = size;
			for (size_t i = 0; i < size; i++)
				blocks[n][i] = n + i;
			sum = sum * 31 + size;
		} else {
			free(blocks[n]);
			blocks[n] = NULL;
			sizes[n] = 0;
		}
	}
	printf("sum %u\n", sum);
	char *big = malloc(20u << 20);
	memset(big, 7, 20u << 20);
	printf("big %d\n", big[12345678]);
	free(big);
	printf("too big: %d\n", malloc(0xc0000000u) == NULL);
	return 0;
}
