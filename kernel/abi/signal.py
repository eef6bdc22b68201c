"""Signals: numbers, names, default actions, `sigaction` flags, `si_code`s.

Sources: uapi `asm/signal.h` of x86, `asm-generic/siginfo.h`, `include/linux/signal.h`; `man 7 signal`,
`man 2 sigaction`, `man 2 sigaltstack`.
"""

from __future__ import annotations

from enum import Enum

# numbers; SIGRTMIN is the kernel's (a C library takes the first two or three for itself)
SIGHUP = 1
SIGINT = 2
SIGQUIT = 3
SIGILL = 4
SIGTRAP = 5
SIGABRT = 6
SIGIOT = 6
SIGBUS = 7
SIGFPE = 8
SIGKILL = 9
SIGUSR1 = 10
SIGSEGV = 11
SIGUSR2 = 12
SIGPIPE = 13
SIGALRM = 14
SIGTERM = 15
SIGSTKFLT = 16
SIGCHLD = 17
SIGCONT = 18
SIGSTOP = 19
SIGTSTP = 20
SIGTTIN = 21
SIGTTOU = 22
SIGURG = 23
SIGXCPU = 24
SIGXFSZ = 25
SIGVTALRM = 26
SIGPROF = 27
SIGWINCH = 28
SIGIO = 29
SIGPOLL = 29
SIGPWR = 30
SIGSYS = 31
SIGRTMIN = 32
SIGRTMAX = 64
_NSIG = 64

# handlers that are not addresses
SIG_DFL = 0
SIG_IGN = 1
SIG_ERR = -1

# sigaction flags
SA_NOCLDSTOP = 0x00000001
SA_NOCLDWAIT = 0x00000002
SA_SIGINFO = 0x00000004
SA_UNSUPPORTED = 0x00000400
SA_EXPOSE_TAGBITS = 0x00000800
SA_RESTORER = 0x04000000
SA_ONSTACK = 0x08000000
SA_RESTART = 0x10000000
SA_NODEFER = 0x40000000
SA_RESETHAND = 0x80000000
SA_INTERRUPT = 0x20000000

# sigprocmask "how"
SIG_BLOCK = 0
SIG_UNBLOCK = 1
SIG_SETMASK = 2

# sigaltstack
SS_ONSTACK = 1
SS_DISABLE = 2
MINSIGSTKSZ = 2048
SIGSTKSZ = 8192
SS_AUTODISARM = 0x80000000

# si_code of any signal: who sent it
SI_USER = 0
SI_KERNEL = 0x80
SI_QUEUE = -1
SI_TIMER = -2
SI_MESGQ = -3
SI_ASYNCIO = -4
SI_SIGIO = -5
SI_TKILL = -6
SI_DETHREAD = -7
SI_ASYNCNL = -60

# si_code of SIGCHLD
CLD_EXITED = 1
CLD_KILLED = 2
CLD_DUMPED = 3
CLD_TRAPPED = 4
CLD_STOPPED = 5
CLD_CONTINUED = 6

# si_code of SIGSEGV
SEGV_MAPERR = 1
SEGV_ACCERR = 2
SEGV_BNDERR = 3
SEGV_PKUERR = 4
SEGV_CPERR = 10

# si_code of SIGFPE
FPE_INTDIV = 1
FPE_INTOVF = 2
FPE_FLTDIV = 3
FPE_FLTOVF = 4
FPE_FLTUND = 5
FPE_FLTRES = 6
FPE_FLTINV = 7
FPE_FLTSUB = 8
FPE_FLTUNK = 14
FPE_CONDTRAP = 15

# si_code of SIGILL
ILL_ILLOPC = 1
ILL_ILLOPN = 2
ILL_ILLADR = 3
ILL_ILLTRP = 4
ILL_PRVOPC = 5
ILL_PRVREG = 6
ILL_COPROC = 7
ILL_BADSTK = 8
ILL_BADIADDR = 9

# si_code of SIGTRAP
TRAP_BRKPT = 1
TRAP_TRACE = 2
TRAP_BRANCH = 3
TRAP_HWBKPT = 4
TRAP_UNK = 5
TRAP_PERF = 6

# si_code of SIGBUS
BUS_ADRALN = 1
BUS_ADRERR = 2
BUS_OBJERR = 3
BUS_MCEERR_AR = 4
BUS_MCEERR_AO = 5

# si_code of SIGPOLL
POLL_IN = 1
POLL_OUT = 2
POLL_MSG = 3
POLL_ERR = 4
POLL_PRI = 5
POLL_HUP = 6

# si_code of SIGSYS
SYS_SECCOMP = 1
AUDIT_ARCH_I386 = 0x4000_0003
"""Its si_arch (uapi linux/audit.h)."""
SYS_USER_DISPATCH = 2

SIGNAL_NAMES: tuple[str, ...] = (
    *("", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS"),
    *("SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM"),
    *("SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG"),
    *("SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS"),
    *("SIGRTMIN", *(f"SIGRT_{n}" for n in range(1, 33))),
)
"""Name of each signal by number, 1 to 64, as strace spells them (`SIGRT_n` is `SIGRTMIN + n`)."""


class DefaultAction(Enum):
    """What a signal does that is neither handled nor ignored (`man 7 signal`, "Standard signals")."""

    TERM = "terminate"
    CORE = "terminate with a core dump"
    STOP = "stop"
    CONT = "continue"
    IGN = "ignore"


_CORE = (SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS)
_STOP = (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
_IGN = (SIGCHLD, SIGURG, SIGWINCH)

DEFAULT_ACTIONS: dict[int, DefaultAction] = {
    **dict.fromkeys(range(1, _NSIG + 1), DefaultAction.TERM),
    **dict.fromkeys(_CORE, DefaultAction.CORE),
    **dict.fromkeys(_STOP, DefaultAction.STOP),
    **dict.fromkeys(_IGN, DefaultAction.IGN),
    SIGCONT: DefaultAction.CONT,
}
"""Default action of each signal, real-time ones (terminate) included."""

SYNCHRONOUS_SIGNALS = frozenset((SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS))
"""`SYNCHRONOUS_MASK` of `include/linux/signal.h`'s kernel side: taken from the queue before all others."""


def signal_name(signo: int) -> str:
    """`SIGINT` for 2; the number itself where there is no such signal."""
    return SIGNAL_NAMES[signo] if 0 < signo <= _NSIG else str(signo)


def sigmask(signo: int) -> int:
    """The signal's bit in a `sigset_t`: bit 0 is signal 1."""
    return 1 << (signo - 1)
