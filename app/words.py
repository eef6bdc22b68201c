"""What signals and states of processes are for, in a sentence each: texts for explanations.

From `man 7 signal` and POSIX's <signal.h>, told anew; numbers and default actions are `kernel.abi.signal`'s.
"""

from __future__ import annotations

from kernel.abi import signal as s

SIGNALS: dict[int, str] = {
    s.SIGHUP: "Hangup: the terminal is gone, or the process that led its session. Servers take it as a wish"
    " to read their configuration again.",
    s.SIGINT: "Interrupt from the keyboard: Ctrl+C sends it to the terminal's foreground group.",
    s.SIGQUIT: "Quit from the keyboard: Ctrl+\\ sends it. Like SIGINT, but with a core dump to look at.",
    s.SIGILL: "Illegal instruction: exception 6, or one that only ring 0 may execute. Synchronous.",
    s.SIGTRAP: "Trap: a breakpoint (int3, exception 3) or a single step (exception 1). Debuggers live on it.",
    s.SIGABRT: "Abort: abort() sends it to its own process, when an assertion has failed for example.",
    s.SIGBUS: "Bus error: there is a mapping, but nothing behind it, such as a page beyond a file's end."
    " Synchronous.",
    s.SIGFPE: "Arithmetic exception: integers too, a division by zero is exception 0. Synchronous.",
    s.SIGKILL: "Kill: ends a process whatever it does about signals. It cannot be caught, ignored or blocked,"
    " and leaves no time to tidy up.",
    s.SIGUSR1: "For the program's own use: the kernel never sends it.",
    s.SIGSEGV: "Segmentation violation: an address that is not mapped, or not for this kind of access"
    " (exception 14). Synchronous.",
    s.SIGUSR2: "For the program's own use, a second one.",
    s.SIGPIPE: "Broken pipe: written to a pipe or socket that nobody can read from any more. Who ignores it"
    " gets EPIPE from write instead.",
    s.SIGALRM: "Alarm clock: the time given to alarm() or setitimer() is over.",
    s.SIGTERM: "Termination: the polite request to end. kill sends it if nothing else is said.",
    s.SIGSTKFLT: "Stack fault of a coprocessor: a name left from old machines, never sent.",
    s.SIGCHLD: "A child has ended, stopped or goes on: the parent may wait for it now.",
    s.SIGCONT: "Continue: lets a stopped process go on, even where it is blocked or ignored, and takes back"
    " pending stop signals.",
    s.SIGSTOP: "Stop: halts a process until SIGCONT. It cannot be caught, ignored or blocked.",
    s.SIGTSTP: "Stop from the keyboard: Ctrl+Z sends it. Unlike SIGSTOP a program may catch it first.",
    s.SIGTTIN: "A background process has read from its terminal.",
    s.SIGTTOU: "A background process has written to its terminal or changed it.",
    s.SIGURG: "Urgent data have come in on a socket.",
    s.SIGXCPU: "The limit of processor time is used up (RLIMIT_CPU).",
    s.SIGXFSZ: "A file would become larger than allowed (RLIMIT_FSIZE).",
    s.SIGVTALRM: "Alarm clock that runs only while the process itself computes (setitimer).",
    s.SIGPROF: "Alarm clock of profilers: user and kernel time of the process (setitimer).",
    s.SIGWINCH: "The terminal's window has another size now: programs draw anew.",
    s.SIGIO: "Input or output is possible on a descriptor that asked for this (fcntl with O_ASYNC).",
    s.SIGPWR: "The power fails: from an uninterruptible supply to init.",
    s.SIGSYS: "A system call that is not allowed (seccomp). Synchronous.",
}
REAL_TIME = (
    "A real-time signal, for the program's own use. Unlike the first 31 these queue: sent three times it is"
    " delivered three times, lower numbers first, each with a value (sigqueue)."
)

STATES: dict[str, str] = {
    "running": "It has the processor: its registers are the ones in CPU. One task at a time can, as there is"
    " one processor.",
    "runnable": "It could run and waits only for the processor. Its registers lie on its kernel stack until"
    " the scheduler chooses it.",
    "sleeping": "It waits inside a system call for something to happen and uses no processor time. Whoever"
    " makes it happen wakes all that sleep on the same queue; each then looks again and may sleep again. A"
    " signal wakes it too.",
    "stopped": "A stop signal halted it. Only SIGCONT lets it go on (and SIGKILL ends it).",
    "traced": "Another task traces it (ptrace), and it has stopped for that one: at a signal, a system call"
    " or an event. The tracer may look at its registers and memory, change them, and lets it go on.",
    "zombie": "It has ended: memory and descriptors are given back. What is left is its pid and its exit"
    " status, until the parent takes that with wait. If the parent ends first, init does.",
}


def signal_about(signo: int) -> str:
    return SIGNALS.get(signo, REAL_TIME)


EXCEPTION_NAMES = (
    *("#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound range"),
    *("#UD invalid opcode", "#NM no coprocessor", "#DF double fault", "coprocessor overrun"),
    *("#TS invalid TSS", "#NP segment not present", "#SS stack fault", "#GP general protection"),
    *("#PF page fault", "reserved", "#MF math fault", "#AC alignment", "#MC machine check", "#XM SIMD fault"),
)
"""Of vectors 0 to 19 (Intel SDM vol. 3, 6.3.1)."""


FLAGS = {
    "OF": (11, "Overflow: a signed result did not fit."),
    "DF": (10, "Direction: string instructions go downwards. `cld` in SAVE_ALL clears it."),
    "IF": (
        9,
        "Interrupts enabled: devices may interrupt. An interrupt gate clears it, a trap gate leaves it.",
    ),
    "TF": (8, "Trap: exception 1 after each instruction. Debuggers step with it."),
    "SF": (7, "Sign: the result's highest bit."),
    "ZF": (6, "Zero: the result was 0."),
    "AF": (4, "Auxiliary carry: out of bit 3, for decimal arithmetic."),
    "PF": (2, "Parity: the result's low byte has an even number of ones."),
    "CF": (0, "Carry: an unsigned result did not fit."),
}


def flag_names(value: int) -> str:
    """The flags that are set in a value of eflags."""
    return " ".join(flag for flag, (bit, _) in FLAGS.items() if value >> bit & 1) or "none"
