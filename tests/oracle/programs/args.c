#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	for (int n = 0; n < argc; n++)
		printf("argv[%d] = <%s>\n", n, n ? argv[n] : strrchr(argv[n], '/'));
	printf("argv[argc] = %s\n", argv[argc] ? argv[argc] : "null");
	for (char **e = environ; *e; e++)
		printf("%s\n", *e);
	setenv("ADDED", "later", 1);
	unsetenv("HOME");
	printf("HOME %s ADDED %s\n", getenv("HOME") ? "set" : "unset", getenv("ADDED"));
	printf("page %lu uid %lu euid %lu gid %s secure %lu clock %lu\n", getauxval(AT_PAGESZ),
	       getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID) == getgid() ? "right" : "wrong",
	       getauxval(AT_SECURE), getauxval(AT_CLKTCK));
	printf("platform %s, execfn %s\n", (char *)getauxval(AT_PLATFORM),
	       strcmp((char *)getauxval(AT_EXECFN), argv[0]) ? "differs" : "is argv[0]");
	printf("stack aligned: %d\n", ((unsigned long)(argv - 1) & 15) == 0);
	return argc;
}
