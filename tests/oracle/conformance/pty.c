/* Pseudoterminals and the line discipline, seen from both ends. */
#include "conf.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static char buf[8192];

static void show(const char *what, int n)
{
	printf("%s = %d", what, n);
	if (n < 0)
		printf(" %s", error_name(errno));
	else {
		printf(" \"");
		for (int i = 0; i < n && i < 300; i++)
			if (buf[i] >= 32 && buf[i] < 127)
				putchar(buf[i]);
			else
				printf("\\%03o", (unsigned char)buf[i]);
		printf("\"");
	}
	printf("\n");
}

/* What is written at the master arrives a moment later. */
static ssize_t put(int fd, const void *data, size_t size)
{
	ssize_t n = write(fd, data, size);
	int saved = errno;

	usleep(25000);
	errno = saved;
	return n;
}

static int master, slave;
static char name[64];

static void pair(void)
{
	int number, unlock = 0;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	ioctl(master, TIOCGPTN, &number);
	sprintf(name, "/dev/pts/%d", number);
	ioctl(master, TIOCSPTLCK, &unlock);
	slave = open(name, O_RDWR | O_NOCTTY);
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
}

static void unpair(void)
{
	close(slave);
	close(master);
}

static void typed(const char *text, int size)
{
	errno = 0;
	int n = put(master, text, size);
	if (n != size)
		printf("typed %d of %d %s\n", n, size, error_name(errno));
	show("  echo", read(master, buf, sizeof buf));
	for (int i = 0; i < 3; i++) {
		int got = read(slave, buf, sizeof buf);
		show("  line", got);
		if (got <= 0)
			break;
	}
}
#define TYPED(text) (printf("%s\n", #text), typed(text, sizeof text - 1))

static void mode(int iset, int iclear, int lset, int lclear, int oset, int oclear)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_iflag = (t.c_iflag | iset) & ~iclear;
	t.c_lflag = (t.c_lflag | lset) & ~lclear;
	t.c_oflag = (t.c_oflag | oset) & ~oclear;
	tcsetattr(slave, TCSANOW, &t);
}

static void vmin(int min, int time)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_lflag &= ~(ICANON | ECHO);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	tcsetattr(slave, TCSANOW, &t);
}

static void polled(const char *what, int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};

	poll(&p, 1, 0);
	printf("%s polls %x\n", what, p.revents);
}

static volatile int signals[65];

static void caught(int number)
{
	signals[number]++;
}

static void tell_signals(void)
{
	for (int n = 1; n < 65; n++)
		if (signals[n]) {
			printf("  signal %d, %d times\n", n, signals[n]);
			signals[n] = 0;
		}
}

int main(void)
{
	struct termios t;
	struct winsize w;
	struct stat st;
	int value, status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("-- opening\n");
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	R(ioctl(master, TIOCGPTN, &value));
	sprintf(name, "/dev/pts/%d", value);
	R(open(name, O_RDWR | O_NOCTTY));
	R(ioctl(master, TIOCGPTLCK, &value));
	printf("locked %d\n", value);
	value = 0;
	R(ioctl(master, TIOCSPTLCK, &value));
	R(open("/dev/pts/4000", O_RDWR));
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	show("read without a slave", read(master, buf, 10));
	polled("master", master);
	slave = open(name, O_RDWR | O_NOCTTY);
	fstat(slave, &st);
	printf("type %o, major %d\n", st.st_mode & S_IFMT, (int)(st.st_rdev >> 8 & 0xfff));
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	tcgetattr(slave, &t);
	printf("modes %o %o %o %o\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	for (int i = 0; i < 19; i++)
		printf("%d ", t.c_cc[i]);
	printf("\n");
	R(ioctl(slave, TIOCGWINSZ, &w));
	printf("size %d %d\n", w.ws_row, w.ws_col);
	polled("slave", slave);
	R(isatty(master));
	R(ioctl(slave, TIOCGPTN, &value));
	R(ioctl(slave, TIOCGPGRP, &value));
	R(ioctl(master, TIOCGPGRP, &value));
	printf("group %d\n", value);
	R(ioctl(slave, TIOCGSID, &value));
	R(ioctl(master, TIOCGSID, &value));
	R(ioctl(slave, TIOCNOTTY));
	R(ioctl(slave, 0x5499, 0));
	R(lseek(slave, 0, SEEK_SET));
	R(pread(slave, buf, 1, 0));

	printf("-- lines\n");
	TYPED("abc\r");
	TYPED("abc");
	TYPED("\177d\n");
	TYPED("two\nlines\n");
	TYPED("kill\025x\r");
	TYPED("one two_3\027x\r");
	TYPED("a\001\177b\r");
	TYPED("tab\tx\177\177y\r");
	TYPED("lit\026\003eral\r");
	TYPED("re\022print\r");
	TYPED("\004");
	TYPED("part\004");
	TYPED("no\004\n");
	TYPED("nul\000x\r");
	TYPED("high\377\303\244\177\r");
	mode(0, ICRNL, 0, 0, 0, 0);
	TYPED("cr\ry\n");
	mode(IGNCR, 0, 0, 0, 0, 0);
	TYPED("cr\ry\n");
	mode(INLCR | ICRNL, IGNCR, 0, 0, 0, 0);
	TYPED("nl\ny\r");
	mode(ISTRIP | ICRNL, INLCR, 0, 0, 0, 0);
	TYPED("s\341\n");
	mode(IUTF8, ISTRIP, 0, 0, 0, 0);
	TYPED("\303\244b\177\177c\n");
	mode(IUCLC, 0, 0, 0, OLCUC, 0);
	TYPED("LowerUp\n");
	mode(0, IUCLC, 0, 0, 0, OLCUC);
	mode(0, 0, 0, ECHOE, 0, 0);
	TYPED("er\177x\r");
	mode(0, 0, 0, ECHOKE, 0, 0);
	TYPED("er\025x\r");
	mode(0, 0, 0, ECHOK, 0, 0);
	TYPED("er\025x\r");
	mode(0, 0, 0, ECHOCTL, 0, 0);
	TYPED("c\001\r");
	mode(0, 0, 0, ECHO, 0, 0);
	TYPED("quiet\r");
	mode(0, 0, ECHONL, 0, 0, 0);
	TYPED("nl\r");
	mode(0, 0, ECHO | ECHOE | ECHOK | ECHOKE | ECHOCTL, IEXTEN, 0, 0);
	TYPED("a b\027c\026\003d\r");
	mode(0, 0, IEXTEN, ECHONL, 0, 0);
	tcgetattr(slave, &t);
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '!';
	tcsetattr(slave, TCSANOW, &t);
	TYPED("one;two!three\n");
	t.c_cc[VEOL] = t.c_cc[VEOL2] = 0;
	tcsetattr(slave, TCSANOW, &t);

	printf("-- short reads\n");
	put(master, "abcdef\n", 7);
	read(master, buf, sizeof buf);
	show("3", read(slave, buf, 3));
	R(ioctl(slave, FIONREAD, &value));
	printf("left %d\n", value);
	show("rest", read(slave, buf, 100));
	put(master, "abc\004", 4);
	read(master, buf, sizeof buf);
	show("exactly", read(slave, buf, 3));
	show("then", read(slave, buf, 3));

	printf("-- too long a line\n");
	memset(buf, 'x', 5000);
	R(put(master, buf, 5000));
	while (read(master, buf, sizeof buf) > 0)
		;
	put(master, "\n", 1);
	value = read(slave, buf, sizeof buf);
	printf("line of %d, ends in newline %d\n", value, buf[value - 1] == '\n');
	while (read(master, buf, sizeof buf) > 0)
		;

	printf("-- output\n");
	put(slave, "a\nb\tc\rd\n", 8);
	show("opost", read(master, buf, 100));
	mode(0, 0, 0, 0, 0, ONLCR);
	put(slave, "a\nb", 3);
	show("no onlcr", read(master, buf, 100));
	mode(0, 0, 0, 0, OCRNL | ONOCR, 0);
	put(slave, "\ra\rb", 4);
	show("ocrnl onocr", read(master, buf, 100));
	mode(0, 0, 0, 0, XTABS, OCRNL | ONOCR);
	put(slave, "\n\ra\tb", 5);
	show("xtabs", read(master, buf, 100));
	mode(0, 0, 0, 0, ONLCR, XTABS | OPOST);
	put(slave, "raw\n", 4);
	show("no opost", read(master, buf, 100));
	mode(0, 0, 0, 0, OPOST, 0);

	printf("-- stopped\n");
	put(master, "\023", 1);
	show("write", write(slave, "held", 4));
	polled("slave", slave);
	put(master, "\021", 1);
	show("write", write(slave, "go", 2) < 0 ? -1 : 0);
	usleep(25000);
	show("read", read(master, buf, 100));
	R(tcflow(slave, TCOOFF));
	show("write", write(slave, "held", 4));
	R(tcflow(slave, TCOON));
	R(tcflow(slave, TCIOFF));
	usleep(25000);
	show("read", read(master, buf, 100));
	R(tcflow(slave, 9));
	R(tcflush(slave, 9));

	printf("-- raw\n");
	vmin(1, 0);
	TYPED("x");
	TYPED("a\r\n\003");
	vmin(0, 0);
	show("nothing", read(slave, buf, 10));
	fcntl(slave, F_SETFL, O_RDWR);
	show("nothing", read(slave, buf, 10));
	vmin(0, 1);
	show("after a while", read(slave, buf, 10));
	put(master, "k", 1);
	show("at once", read(slave, buf, 10));
	vmin(3, 1);
	put(master, "ab", 2);
	show("two of three", read(slave, buf, 10));
	put(master, "abcd", 4);
	show("four", read(slave, buf, 3));
	show("rest", read(slave, buf, 3));
	vmin(3, 0);
	put(master, "ab", 2);
	show("two wanted", read(slave, buf, 2));
	polled("slave", slave);
	put(master, "ab", 2);
	polled("slave", slave);
	put(master, "c", 1);
	polled("slave", slave);
	show("three", read(slave, buf, 10));
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	put(master, "left over", 9);
	mode(0, 0, ICANON, 0, 0, 0);
	show("now a line", read(slave, buf, 20));
	put(master, "typed ahead", 11);
	show("not yet", read(slave, buf, 20));
	mode(0, 0, 0, ICANON, 0, 0);
	show("now raw", read(slave, buf, 20));
	put(master, "gone", 4);
	R(tcflush(slave, TCIFLUSH));
	vmin(0, 0);
	show("flushed", read(slave, buf, 20));
	put(slave, "unread", 6);
	R(ioctl(master, FIONREAD, &value));
	printf("waits %d\n", value);
	mode(0, 0, ICANON | ECHO, 0, 0, 0);
	read(master, buf, 100);

	printf("-- speeds\n");
	tcgetattr(slave, &t);
	cfsetspeed(&t, B9600);
	tcsetattr(slave, TCSANOW, &t);
	struct {
		unsigned flags[4];
		unsigned char line, cc[19];
		unsigned in, out;
	} two;
	R(ioctl(slave, 0x802C542A, &two));
	printf("%o %u %u\n", two.flags[2], two.in, two.out);
	two.flags[2] = (two.flags[2] & ~0x100f) | 0x1000;
	two.in = two.out = 12345;
	R(ioctl(slave, 0x402C542B, &two));
	R(ioctl(slave, 0x802C542A, &two));
	printf("%o %u %u\n", two.flags[2], two.in, two.out);
	unsigned short old[9];
	R(ioctl(slave, TCGETA, old));
	printf("%o %o %o %o\n", old[0], old[1], old[2], old[3]);
	value = 3;
	R(ioctl(slave, TIOCSETD, &value));
	R(ioctl(slave, TIOCGETD, &value));
	R(ioctl(slave, TIOCOUTQ, &value));

	printf("-- packets\n");
	value = 1;
	R(ioctl(master, TIOCPKT, &value));
	put(slave, "data", 4);
	show("data", read(master, buf, 100));
	put(master, "\023", 1);
	show("stop", read(master, buf, 100));
	put(master, "\021", 1);
	show("start", read(master, buf, 100));
	mode(0, IXON, 0, 0, 0, 0);
	polled("master", master);
	show("nostop", read(master, buf, 100));
	value = 0;
	R(ioctl(master, TIOCPKT, &value));
	mode(IXON, 0, 0, 0, 0, 0);

	printf("-- closing\n");
	put(slave, "last words", 10);
	close(slave);
	polled("master", master);
	show("rest", read(master, buf, 100));
	show("then", read(master, buf, 100));
	slave = open(name, O_RDWR | O_NOCTTY);
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	show("again", read(master, buf, 100));
	put(master, "abc\n", 4);
	close(master);
	polled("slave", slave);
	show("slave", read(slave, buf, 100));
	show("slave writes", write(slave, "x", 1));
	R(tcgetattr(slave, &t));
	R(access(name, F_OK));
	R(open(name, O_RDWR));
	close(slave);

	printf("-- session\n");
	fflush(stdout);
	if (!fork()) {
		struct sigaction sa = {0};

		sa.sa_handler = caught;
		for (int n = 1; n < 32; n++)
			if (n != SIGKILL && n != SIGSTOP && n != SIGCHLD && n != SIGSEGV)
				sigaction(n, &sa, NULL);
		setsid();
		pair();
		R(open("/dev/tty", O_RDWR));
		R(ioctl(slave, TIOCSCTTY, 0));
		value = open("/dev/tty", O_RDWR);
		printf("tty opened %d\n", value > 0);
		close(value);
		R(ioctl(slave, TIOCGPGRP, &value));
		printf("mine %d\n", value == getpgrp());
		R(ioctl(slave, TIOCGSID, &value));
		printf("mine %d\n", value == getpid());
		TYPED("abc\003");
		tell_signals();
		TYPED("\034x\032");
		tell_signals();
		mode(0, 0, NOFLSH, 0, 0, 0);
		TYPED("kept\003\n");
		tell_signals();
		mode(0, 0, 0, NOFLSH, 0, 0);
		w.ws_row = 30;
		w.ws_col = 100;
		R(ioctl(master, TIOCSWINSZ, &w));
		tell_signals();
		R(ioctl(slave, TIOCSWINSZ, &w));
		tell_signals();
		R(ioctl(slave, TIOCSTI, "q"));
		R(ioctl(master, TIOCSIG, SIGUSR1));
		R(ioctl(master, TIOCSIG, SIGINT));
		tell_signals();
		value = 99999;
		R(ioctl(slave, TIOCSPGRP, &value));
		value = -1;
		R(ioctl(slave, TIOCSPGRP, &value));
		value = getppid();
		R(ioctl(slave, TIOCSPGRP, &value));
		/* a background group */
		pid_t child = fork();
		if (!child) {
			setpgid(0, 0);
			signal(SIGTTIN, SIG_DFL);
			signal(SIGTTOU, SIG_IGN);
			show("  ignored TTOU", write(slave, "bg", 2));
			mode(0, 0, TOSTOP, 0, 0, 0);
			show("  tostop, ignored", write(slave, "bg", 2));
			signal(SIGTTIN, SIG_IGN);
			show("  TTIN ignored", read(slave, buf, 10));
			signal(SIGTTIN, SIG_DFL);
			show("  now stops", read(slave, buf, 10));
			_exit(0);
		}
		waitpid(child, &status, WUNTRACED);
		printf("stopped by %d\n", WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
		setpgid(child, child);
		R(tcsetpgrp(slave, child) == 0 ? 0 : -1);
		put(master, "fg\n", 3);
		kill(-child, SIGCONT);
		waitpid(child, &status, 0);
		printf("exit %d\n", status);
		signal(SIGTTOU, SIG_IGN);
		R(tcsetpgrp(slave, getpgrp()));
		mode(0, 0, 0, TOSTOP, 0, 0);
		R(ioctl(slave, TIOCNOTTY));
		tell_signals();
		R(open("/dev/tty", O_RDWR));
		R(ioctl(slave, TIOCSCTTY, 0));
		close(master);
		tell_signals();
		R(open("/dev/tty", O_RDWR));
		show("read", read(slave, buf, 10));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);

	printf("-- a reader that waits\n");
	fflush(stdout);
	pair();
	fcntl(slave, F_SETFL, O_RDWR);
	fcntl(master, F_SETFL, O_RDWR);
	if (!fork()) {
		close(master);
		show("got", read(slave, buf, 100));
		show("end", read(slave, buf, 100));
		fflush(stdout);
		_exit(0);
	}
	close(slave);
	usleep(1000);
	put(master, "hello\n", 6);
	usleep(100000);
	close(master);
	wait(NULL);
	pair();
	fcntl(master, F_SETFL, O_RDWR);
	if (!fork()) {
		close(master);
		put(slave, "bye", 3);
		usleep(1000);
		_exit(0);
	}
	close(slave);
	show("master", read(master, buf, 100));
	show("end", read(master, buf, 100));
	wait(NULL);
	return 0;
}
