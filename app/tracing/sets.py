"""Sets of system calls, signals and results, as strace's `-e` names them (`man 1 strace`, "Filtering")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from kernel.abi import signal
from kernel.table import INNER_ROWS, TABLE, Kind, Row

ROWS: tuple[Row, ...] = tuple(row for row in TABLE if row is not None)
NAMES = frozenset(row.name for row in (*ROWS, *INNER_ROWS))
STATUSES = ("successful", "failed", "unfinished", "unavailable", "detached")


class BadSet(ValueError):
    """What stands behind `-e` means nothing; the text says what, in strace's words."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _file(row: Row) -> bool:
    """Takes a file's name."""
    return (
        any(arg.kind is Kind.PATH for arg in row.args)
        and not row.name.startswith("mq_")
        and "module" not in row.name
    )


def _descriptor(row: Row) -> bool:
    """Takes or gives descriptors."""
    return row.result is Kind.FD or any(arg.kind in (Kind.FD, Kind.DIRFD) for arg in row.args)


_NETWORK = _words(
    "socketcall socket bind connect listen accept accept4 getsockname getpeername socketpair send recv "
    "sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg recvmmsg recvmmsg_time64 sendmmsg "
    "sendfile sendfile64 getpmsg putpmsg"
)
_PROCESS = _words(
    "exit fork waitpid execve kill wait4 clone rt_sigqueueinfo vfork tkill exit_group tgkill waitid "
    "rt_tgsigqueueinfo execveat pidfd_send_signal clone3"
)
_SIGNAL = _words(
    "pause kill signal sigaction sgetmask ssetmask sigsuspend sigpending sigreturn sigprocmask "
    "rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigtimedwait_time64 "
    "rt_sigqueueinfo rt_sigsuspend sigaltstack tkill tgkill signalfd signalfd4 rt_tgsigqueueinfo "
    "pidfd_send_signal"
)
_IPC = _words(
    "ipc semget semctl semop semtimedop semtimedop_time64 shmget shmctl shmat shmdt msgget msgsnd msgrcv "
    "msgctl"
)
_MEMORY = _words(
    "break brk mmap mmap2 munmap mprotect msync mlock munlock mlockall munlockall mremap mincore madvise "
    "io_setup io_destroy remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages "
    "pkey_mprotect mlock2 set_mempolicy_home_node map_shadow_stack shmat shmdt io_uring_register mseal"
)
_CREDENTIALS = _words(
    "setuid getuid setgid getgid geteuid getegid setreuid setregid getgroups setgroups setfsuid setfsgid "
    "setresuid getresuid setresgid getresgid prctl capget capset getuid32 getgid32 geteuid32 getegid32 "
    "setreuid32 setregid32 getgroups32 setgroups32 setresuid32 getresuid32 setresgid32 getresgid32 "
    "setuid32 setgid32 setfsuid32 setfsgid32"
)
_CLOCK = _words(
    "time gettimeofday settimeofday adjtimex clock_settime clock_gettime clock_getres clock_adjtime "
    "clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64"
)
_PURE = _words(
    "getpid getuid getgid geteuid getegid getppid getpgrp getuid32 getgid32 geteuid32 getegid32 gettid"
)
_STAT = _words("oldstat stat stat64")
_LSTAT = _words("oldlstat lstat lstat64")
_FSTAT = _words("oldfstat fstat fstat64 fstatat64 statx")
_STATFS = _words("statfs statfs64")
_FSTATFS = _words("fstatfs fstatfs64")
_ALSO_FILES = _words("getcwd quotactl fsconfig")
_ALSO_DESCRIPTORS = _words(
    "pipe pipe2 poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 mq_open memfd_create "
    "bpf mmap"
)

CLASSES: dict[str, frozenset[str]] = {
    "file": frozenset(row.name for row in ROWS if _file(row)) | _ALSO_FILES,
    "desc": frozenset(row.name for row in ROWS if _descriptor(row)) - _NETWORK
    | _words("socketcall sendfile sendfile64")
    | _ALSO_DESCRIPTORS,
    "network": _NETWORK,
    "process": _PROCESS,
    "signal": _SIGNAL,
    "ipc": _IPC,
    "memory": _MEMORY,
    "creds": _CREDENTIALS,
    "clock": _CLOCK,
    "pure": _PURE,
    "stat": _STAT,
    "lstat": _LSTAT,
    "fstat": _FSTAT,
    "%stat": _STAT | _LSTAT | _FSTAT,
    "statfs": _STATFS,
    "fstatfs": _FSTATFS,
    "%statfs": _STATFS | _FSTATFS | {"ustat"},
}
CLASSES["net"] = CLASSES["network"]
_OLD_WORDS = frozenset(("file", "desc", "network", "process", "signal", "ipc", "memory"))
"""Classes that are still known without their percent sign."""


def chosen(
    text: str, of: str, everything: Iterable[str], find: Callable[[str], frozenset[str]]
) -> frozenset[str]:
    """A set such as `a,b`, `!a,b`, `all` or `none`; `find` gives what one word stands for."""
    negated = text.startswith("!")
    found: set[str] = set()
    for word in text.removeprefix("!").split(","):
        if word == "all":
            found |= set(everything)
        elif word != "none":
            optional = word.startswith("?")
            names = find(word.removeprefix("?"))
            if not names and not optional:
                raise BadSet(f"invalid {of} '{word}'")
            found |= names
    return frozenset(everything) - found if negated else frozenset(found)


def calls(text: str) -> frozenset[str]:
    """Names of system calls: `open,%process,/^get`."""
    return chosen(text, "system call", NAMES, _calls)


def _calls(word: str) -> frozenset[str]:
    if word.startswith("/"):
        try:
            pattern = re.compile(word[1:])
        except re.error as error:
            raise BadSet(f"invalid system call '{word}': {error}") from None
        return frozenset(name for name in NAMES if pattern.search(name))
    if word.startswith("%"):
        return CLASSES.get(word[1:], frozenset())
    if word in NAMES:
        return frozenset((word,))
    if word.isdecimal():
        return frozenset(row.name for row in ROWS if row.number == int(word))
    return CLASSES[word] if word in _OLD_WORDS else frozenset()


SIGNALS = tuple(name for name in signal.SIGNAL_NAMES[1:])


def signals(text: str) -> frozenset[str]:
    """Names of signals: `SIGINT,term,15`."""

    def find(word: str) -> frozenset[str]:
        if word.isdecimal() and 0 < int(word) <= len(SIGNALS):
            return frozenset((SIGNALS[int(word) - 1],))
        name = "SIG" + word.upper().removeprefix("SIG")
        return frozenset((name,)) if name in SIGNALS else frozenset()

    return chosen(text, "signal", SIGNALS, find)


def statuses(text: str) -> frozenset[str]:
    """How calls ended: `successful`, `failed`, `unfinished`."""
    return chosen(text, "status", STATUSES, lambda word: frozenset((word,)) & frozenset(STATUSES))
