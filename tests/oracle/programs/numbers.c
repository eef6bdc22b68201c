#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	volatile double x = 0.1, zero = 0.0;
	double sum = 0;
	float f = 1.0f / 3;
	long double l = 1.0L / 3;
	uint64_t big = 0xfedcba9876543210ull;

	for (int n = 1; n < 2000; n++)
		sum += x / n;
	printf("%.17g %a %.9g %.20Lg\n", sum, sum, f, l);
	printf("%g %g %g %g\n", 1 / zero, -1 / zero, fabs(zero / zero), x * 1e308 * 10);
	printf("%.15g %.15g %.15g %.15g\n", sqrt(2 + zero), floor(-2.5 + zero), fmod(10 + x, 3), ldexp(x, 20));
	printf("%.12g %.12g %.12g\n", sin(1 + zero), exp(1 + zero), pow(2.5, 3 + x));
	printf("%d %u %x %o %lld %llu %c %5s|%-5s|%05d|%+d|%#x\n", -7, 7u, 0xabcu, 8, -1234567890123ll, big, 'c',
	       "ab", "cd", 42, 42, 255);
	printf("%llu %llu %lld %lld\n", big / 1000003, big % 1000003, (int64_t)big / 12345, (int64_t)big % 12345);
	printf("%ld %lu %lld %.10g\n", strtol("-0x7f", 0, 16), strtoul("4294967295", 0, 10),
	       strtoll("-9223372036854775808", 0, 10), strtod("3.14159265358979e2", 0));
	printf("%d %d %d\n", __builtin_popcountll(big), __builtin_clzll(big), __builtin_ctz(0x100));
	return 0;
}
