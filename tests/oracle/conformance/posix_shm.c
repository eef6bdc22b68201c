/* POSIX shared memory and named semaphores, which C libraries keep as files in /dev/shm. */
#include "conf.h"
#include <semaphore.h>
#include <sys/vfs.h>

#define OBJECT "/int80-conformance-shm"
#define SEMAPHORE "/int80-conformance-sem"

static void objects(void)
{
	struct stat st;
	struct statfs fs;
	int fd, other;

	TITLE("shm_open");
	shm_unlink(OBJECT);
	R(shm_open(OBJECT, O_RDWR, 0600));
	OK(fd = shm_open(OBJECT, O_RDWR | O_CREAT | O_EXCL, 0640));
	R(shm_open(OBJECT, O_RDWR | O_CREAT | O_EXCL, 0600));
	R(fcntl(fd, F_GETFD));
	R(fstat(fd, &st));
	printf("mode %o, %ld bytes\n", st.st_mode, (long)st.st_size);
	R(fstatfs(fd, &fs));
	printf("type %lx\n", (unsigned long)fs.f_type);
	R(ftruncate(fd, 8192));
	OK(other = shm_open(OBJECT, O_RDONLY, 0));
	char *writes = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *reads = mmap(NULL, 8192, PROT_READ, MAP_SHARED, other, 0);
	R(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0) == MAP_FAILED);
	strcpy(writes + 4090, "over the edge");
	puts(reads + 4090);
	pid_t child = fork();
	if (!child) {
		strcpy(writes, "from the child");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	puts(reads);
	R(shm_unlink(OBJECT));
	R(shm_unlink(OBJECT));
	R(fstat(fd, &st));
	printf("%d links\n", (int)st.st_nlink);
	puts(reads);
	R(shm_open("/no/such", O_RDWR | O_CREAT, 0600));
	R(stat("/dev/shm", &st));
	printf("mode %o\n", st.st_mode);
}

static void semaphores(void)
{
	int value;

	TITLE("sem_open");
	sem_unlink(SEMAPHORE);
	R(sem_open(SEMAPHORE, 0) == SEM_FAILED);
	sem_t *sem = sem_open(SEMAPHORE, O_CREAT | O_EXCL, 0600, 1);
	printf("%d\n", sem != SEM_FAILED);
	R(sem_open(SEMAPHORE, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED);
	R(sem_open(SEMAPHORE, 0) == sem);
	R(sem_wait(sem));
	R(sem_trywait(sem));
	pid_t child = fork();
	if (!child) {
		sem_t *mine = sem_open(SEMAPHORE, 0);
		sem_post(mine);
		sem_post(mine);
		_exit(0);
	}
	R(sem_wait(sem));
	waitpid(child, NULL, 0);
	R(sem_getvalue(sem, &value));
	printf("value %d\n", value);
	R(sem_unlink(SEMAPHORE));
	R(sem_unlink(SEMAPHORE));
	R(sem_wait(sem));
	R(sem_trywait(sem));
	R(sem_close(sem));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	umask(022);
	objects();
	semaphores();
	return 0;
}
