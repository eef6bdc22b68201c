#include "tracing.h"

static volatile int word = 0x1234;
static const int constant[1024] = {0x4711, 2, 3};
static volatile int got, calls;

static void handler(int signo)
{
	got = signo;
}

static void code(void)
{
	__asm__ volatile(".globl step_begin, step_end, step_call\n"
			 "step_begin: mov $1, %%eax; mov $2, %%ecx; add %%ecx, %%eax; push %%eax; pop %%edx\n"
			 "mov $3, %%ecx; 1: dec %%ecx; jnz 1b; nop\n"
			 "step_call: mov $20, %%eax; int $0x80; nop; nop\n"
			 "step_end: nop" : : : "eax", "ecx", "edx", "cc");
}

extern char step_begin[], step_end[], step_call[];

static int function(int value)
{
	calls++;
	return value + 1;
}

static void errors(void)
{
	pid_t other;
	int status;

	TITLE("errors");
	T(PTRACE_PEEKDATA, 99999, 0, 0);
	T(PTRACE_CONT, 0, 0, 0);
	T(PTRACE_PEEKDATA, getpid(), &word, &status);
	T(PTRACE_ATTACH, getpid(), 0, 0);
	T(PTRACE_ATTACH, 99999, 0, 0);
	T(PTRACE_SEIZE, getpid(), 0, 0);
	other = fork();
	if (!other) {
		pause();
		_exit(0);
	}
	traced = other;
	T(PTRACE_CONT, other, 0, 0);
	T(0x5555, other, 0, 0);
	T(PTRACE_SEIZE, other, 1, 0);
	T(PTRACE_SEIZE, other, 0, 0x8000);
	T(PTRACE_SEIZE, other, 0, 0x40000000);
	T(PTRACE_ATTACH, other, 0, 0);
	T(PTRACE_ATTACH, other, 0, 0);
	T(PTRACE_SEIZE, other, 0, 0);
	WAIT("attached");
	info("attached");
	T(0x5555, other, 0, 0);
	T(PTRACE_INTERRUPT, other, 0, 0);
	T(PTRACE_LISTEN, other, 0, 0);
	T(PTRACE_CONT, other, 0, 65);
	T(PTRACE_DETACH, other, 0, 65);
	T(PTRACE_SETOPTIONS, other, 0, 0x8000);
	T(PTRACE_GETSIGINFO, other, 0, 0x10);
	T(PTRACE_GETREGS, other, 0, 0x10);
	T(PTRACE_GETEVENTMSG, other, 0, 0x10);
	T(PTRACE_DETACH, other, 0, 0);
	T(PTRACE_CONT, other, 0, 0);
	kill_it();
	T(PTRACE_ATTACH, other, 0, 0);
	other = traced = fork();
	if (!other)
		_exit(3);
	siginfo_t s;
	waitid(P_PID, other, &s, WEXITED | WNOWAIT);
	T(PTRACE_ATTACH, other, 0, 0);
	T(PTRACE_SEIZE, other, 0, 0);
	WAIT("a zombie");
	TRACED(R(TRACE(PTRACE_TRACEME, 0, 0, 0)));
	CONT(0);
	WAIT("asked twice");
	CHILD("another user", {
		pid_t root = getppid();
		setgid(1000);
		setuid(1000);
		T(PTRACE_ATTACH, root, 0, 0);
		T(PTRACE_SEIZE, root, 0, 0);
		T(PTRACE_ATTACH, 1, 0, 0);
	});
}

static void memory(void)
{
	unsigned value = 0;

	TITLE("memory");
	TRACED({
		printf("child: word %#x, constant %#x\n", word, *(volatile int *)constant);
		raise(SIGTRAP);
		printf("child: function %d\n", function(7));
	});
	T(PTRACE_PEEKDATA, traced, &word, &value);
	printf("%#x\n", value);
	T(PTRACE_PEEKTEXT, traced, (char *)&word + 1, &value);
	printf("%#x\n", value);
	T(PTRACE_PEEKDATA, traced, 16, &value);
	T(PTRACE_PEEKDATA, traced, 0xffffffff, &value);
	T(PTRACE_PEEKDATA, traced, &word, 16);
	T(PTRACE_POKEDATA, traced, &word, 0x99887766);
	T(PTRACE_POKEDATA, traced, constant, 0x5555);
	T(PTRACE_POKETEXT, traced, 16, 1);
	printf("mine: %#x %#x\n", word, constant[0]);
	CONT(0);
	WAIT("SIGTRAP");
	/* function becomes: mov $77, %eax; ret */
	T(PTRACE_POKETEXT, traced, function, 0x00004db8);
	T(PTRACE_POKETEXT, traced, (char *)function + 4, 0xc300);
	printf("mine: %d\n", function(1));
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mem", traced);
	int fd = open(path, O_RDWR);
	int back = 0;
	R(pread(fd, &back, 4, (off_t)(long)&word));
	printf("%#x\n", back);
	back = 79;
	R(pwrite(fd, &back, 4, (off_t)(long)function + 1));
	close(fd);
	struct iovec mine = {&back, 4}, its = {(void *)&word, 4};
	R(process_vm_readv(traced, &mine, 1, &its, 1, 0));
	printf("%#x\n", back);
	CONT(0);
	WAIT("ends");
}

static void signals(void)
{
	siginfo_t s[3];
	struct __ptrace_peeksiginfo_args args = {0, 0, 3};
	uint64_t mask;

	TITLE("signals");
	TRACED({
		signal(SIGUSR1, handler);
		signal(SIGUSR2, handler);
		signal(SIGWINCH, SIG_IGN);
		raise(SIGUSR1);
		printf("child: got %d\n", got);
		got = 0;
		raise(SIGUSR1);
		printf("child: got %d\n", got);
		raise(SIGUSR1);
		printf("child: got %d\n", got);
		raise(SIGWINCH);
		raise(SIGCHLD);
		raise(SIGTERM);
		printf("child: not terminated\n");
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		kill(getpid(), SIGUSR1);
		raise(SIGUSR2);
		raise(40);
		raise(40);
		raise(SIGSTOP);
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		printf("child: got %d\n", got);
		abort();
	});
	CONT(0);
	WAIT("first");
	info("first");
	CONT(SIGUSR1);
	WAIT("second");
	CONT(0);
	WAIT("third");
	CONT(SIGUSR2);
	WAIT("ignored");
	CONT(SIGWINCH);
	WAIT("SIGCHLD");
	CONT(0);
	WAIT("SIGTERM");
	printf("state %c\n", state_of(traced));
	CONT(0);
	WAIT("SIGSTOP");
	memset(s, 0, sizeof s);
	for (unsigned n = 0; n < 3; n++) {
		args.off = n;
		args.flags = 0;
		T(PTRACE_PEEKSIGINFO, traced, &args, s);
		printf("%d %d %d\n", s[0].si_signo, s[1].si_signo, s[2].si_signo);
	}
	args.off = 0;
	args.flags = PTRACE_PEEKSIGINFO_SHARED;
	T(PTRACE_PEEKSIGINFO, traced, &args, s);
	printf("%d code %d\n", s[0].si_signo, s[0].si_code);
	args.flags = 2;
	T(PTRACE_PEEKSIGINFO, traced, &args, s);
	args.flags = 0;
	args.nr = -1;
	T(PTRACE_PEEKSIGINFO, traced, &args, s);
	T(PTRACE_GETSIGMASK, traced, 4, &mask);
	T(PTRACE_GETSIGMASK, traced, 8, &mask);
	printf("%#llx\n", (unsigned long long)mask);
	mask &= ~(1ull << (SIGUSR2 - 1));
	T(PTRACE_SETSIGMASK, traced, 8, &mask);
	CONT(0);
	WAIT("unblocked by its tracer");
	memset(s, 0, sizeof s);
	TRACE(PTRACE_GETSIGINFO, traced, 0, s);
	s[0].si_errno = 5;
	T(PTRACE_SETSIGINFO, traced, 0, s);
	info("changed");
	for (int n = 0; n < 10; n++) {
		int status;

		CONT(0);
		status = WAIT("next");
		if (WSTOPSIG(status) == SIGABRT)
			break;
	}
	CONT(SIGABRT);
	WAIT("aborted");
}

static void steps(void)
{
	int count = 0, status;
	siginfo_t s;

	TITLE("steps");
	TRACED({
		__asm__ volatile("int3");
		code();
		*(volatile int *)16 = 1;
	});
	CONT(0);
	WAIT("int3");
	info("int3");
	struct user_regs_struct u = registers();
	u.eip = (long)step_begin;
	u.eflags = 0x202;
	T(PTRACE_SETREGS, traced, 0, &u);
	while (count < 60) {
		TRACE(PTRACE_SINGLESTEP, traced, 0, 0);
		waitpid(traced, &status, __WALL);
		u = registers();
		memset(&s, 0, sizeof s);
		TRACE(PTRACE_GETSIGINFO, traced, 0, &s);
		printf("%#x %#x code %d at %ld eax %ld ecx %ld edx %ld flags %#lx, %d\n", status, s.si_signo, s.si_code,
		       u.eip - (long)step_begin, count < 13 ? u.eax : 0, count ? u.ecx : 0, count > 4 ? u.edx : 0, u.eflags & 0x7d5,
		       (long)s.si_addr == u.eip);
		count++;
		if (u.eip == (long)step_end)
			break;
	}
	printf("%d steps\n", count);
	long dr6 = 0;
	T(PTRACE_PEEKUSER, traced, offsetof(struct user, u_debugreg[6]), &dr6);
	printf("dr6 %#lx\n", dr6 & 0xf00f);
	TITLE("a breakpoint");
	u.eip = (long)step_begin;
	TRACE(PTRACE_SETREGS, traced, 0, &u);
	long text = 0;
	TRACE(PTRACE_PEEKTEXT, traced, step_call, &text);
	T(PTRACE_POKETEXT, traced, step_call, (text & ~0xff) | 0xcc);
	CONT(0);
	WAIT("breakpoint");
	info("breakpoint");
	u = registers();
	printf("at %ld edx %ld\n", u.eip - (long)step_call, u.edx);
	T(PTRACE_POKETEXT, traced, step_call, text);
	u.eip--;
	TRACE(PTRACE_SETREGS, traced, 0, &u);
	T(PTRACE_SINGLESTEP, traced, 0, 0);
	WAIT("over it");
	u = registers();
	printf("at %ld eax %ld\n", u.eip - (long)step_call, u.eax);
	CONT(0);
	WAIT("a fault");
	memset(&s, 0, sizeof s);
	TRACE(PTRACE_GETSIGINFO, traced, 0, &s);
	printf("signo %d code %d addr %p\n", s.si_signo, s.si_code, s.si_addr);
	CONT(SIGSEGV);
	WAIT("killed");

	TITLE("into a handler");
	TRACED({
		signal(SIGUSR1, handler);
		raise(SIGUSR1);
	});
	CONT(0);
	WAIT("SIGUSR1");
	T(PTRACE_SINGLESTEP, traced, 0, SIGUSR1);
	WAIT("stepped");
	info("stepped");
	u = registers();
	printf("in the handler: %d, TF %ld\n", u.eip == (long)handler, u.eflags & 0x100);
	CONT(0);
	WAIT("ends");
}

static void user_area(void)
{
	struct user_regs_struct u;
	struct user_fpregs_struct f;
	struct user_fpxregs_struct x;
	struct iovec v;
	long value = 0;
	char buffer[2048];

	TITLE("registers");
	TRACED({
		double result;
		int out;
		__asm__ volatile("fldpi; fld1; int3; faddp; fstpl %0" : "=m"(result));
		printf("child: %f\n", result);
		__asm__ volatile("int3" : "=a"(out) : "a"(5), "b"(6), "c"(7), "d"(8), "S"(9), "D"(10));
		printf("child: eax %d\n", out);
	});
	CONT(0);
	WAIT("int3");
	T(PTRACE_GETFPREGS, traced, 0, &f);
	printf("cwd %lx twd %lx swd %lx\n", f.cwd & 0xffff, f.twd & 0xffff, f.swd & 0xffff);
	for (int n = 0; n < 20; n++)
		printf("%08lx ", f.st_space[n]);
	printf("\n");
	T(PTRACE_GETFPXREGS, traced, 0, &x);
	printf("cwd %x twd %x mxcsr %lx\n", x.cwd, x.twd, x.mxcsr);
	((unsigned char *)f.st_space)[9] = 0x40; /* 1 becomes 2 */
	((unsigned char *)f.st_space)[8] = 0x00;
	T(PTRACE_SETFPREGS, traced, 0, &f);
	x.mxcsr = 0xffffffff;
	T(PTRACE_SETFPXREGS, traced, 0, &x);
	v = (struct iovec){buffer, sizeof buffer};
	T(PTRACE_GETREGSET, traced, 1, &v);
	printf("%zu\n", v.iov_len);
	v.iov_len = 8;
	T(PTRACE_GETREGSET, traced, 1, &v);
	printf("%zu\n", v.iov_len);
	v.iov_len = 7;
	T(PTRACE_GETREGSET, traced, 1, &v);
	v.iov_len = sizeof buffer;
	T(PTRACE_GETREGSET, traced, 2, &v);
	printf("%zu\n", v.iov_len);
	v.iov_len = sizeof buffer;
	T(PTRACE_GETREGSET, traced, 0x46e62b7f, &v);
	printf("%zu\n", v.iov_len);
	v.iov_len = sizeof buffer;
	T(PTRACE_GETREGSET, traced, 0x200, &v);
	printf("%zu\n", v.iov_len);
	v.iov_len = sizeof buffer;
	T(PTRACE_GETREGSET, traced, 0x999, &v);
	T(PTRACE_GETREGSET, traced, 1, 16);
	T(PTRACE_GET_THREAD_AREA, traced, registers().xgs >> 3, buffer);
	T(PTRACE_GET_THREAD_AREA, traced, 3, buffer);
	T(PTRACE_GET_THREAD_AREA, traced, -1, buffer);
	T(PTRACE_SET_THREAD_AREA, traced, 3, buffer);
	CONT(0);
	WAIT("int3");
	u = registers();
	printf("%ld %ld %ld %ld %ld %ld\n", u.eax, u.ebx, u.ecx, u.edx, u.esi, u.edi);
	printf("orig_eax %ld cs %lx ss %lx ds %lx es %lx\n", u.orig_eax, u.xcs & 7, u.xss & 7, u.xds & 7, u.xes & 7);
	T(PTRACE_PEEKUSER, traced, 4 * 3, &value);
	printf("%ld\n", value);
	T(PTRACE_PEEKUSER, traced, 4 * 6, &value);
	printf("%ld\n", value);
	T(PTRACE_PEEKUSER, traced, 3, &value);
	T(PTRACE_PEEKUSER, traced, 4000, &value);
	T(PTRACE_PEEKUSER, traced, 280, &value);
	T(PTRACE_PEEKUSER, traced, 100, &value);
	T(PTRACE_POKEUSER, traced, 4 * 6, 99);
	T(PTRACE_POKEUSER, traced, 3, 1);
	T(PTRACE_POKEUSER, traced, 4000, 1);
	T(PTRACE_POKEUSER, traced, 100, 1);
	T(PTRACE_POKEUSER, traced, 4 * 13, 0);
	T(PTRACE_POKEUSER, traced, 4 * 13, 0x60);
	T(PTRACE_POKEUSER, traced, 4 * 7, 0x10);
	T(PTRACE_POKEUSER, traced, 4 * 14, 0xffffffff);
	u = registers();
	printf("eflags %#lx\n", u.eflags);
	T(PTRACE_POKEUSER, traced, 4 * 14, 0x202);
	T(PTRACE_POKEUSER, traced, offsetof(struct user, u_debugreg[0]), 0x1000);
	T(PTRACE_PEEKUSER, traced, offsetof(struct user, u_debugreg[0]), &value);
	printf("%#lx\n", value);
	T(PTRACE_POKEUSER, traced, offsetof(struct user, u_debugreg[0]), 0);
	T(PTRACE_POKEUSER, traced, offsetof(struct user, u_debugreg[4]), 0);
	T(PTRACE_POKEUSER, traced, offsetof(struct user, u_debugreg[7]), 0);
	T(PTRACE_PEEKUSER, traced, offsetof(struct user, u_debugreg[7]), &value);
	printf("%#lx\n", value);
	CONT(0);
	WAIT("ends");
}

int main(void)
{
	errors();
	memory();
	signals();
	steps();
	user_area();
	return 0;
}
