"""Signals: actions, sets, stacks, and what is told about one that arrives."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace import text
from app.strace.structs.numbers import user_id
from app.strace.text import address, flags, hexadecimal, name, signed, structure
from kernel.abi.errno import Errno
from kernel.abi.sigframe import Siginfo
from kernel.abi.signal import AUDIT_ARCH_I386, SI_KERNEL
from kernel.abi.structs import OldSigaction, Sigaction, StackT
from kernel.table import TABLE


def handler(value: int) -> str:
    """SIG_DFL, SIG_IGN, SIG_ERR or where the function is."""
    return {0: "SIG_DFL", 1: "SIG_IGN", 0xFFFFFFFF: "SIG_ERR"}.get(value & 0xFFFFFFFF) or f"{value:#x}"


def _sigaction_fields(action: Sigaction | OldSigaction, mask_size: int) -> str:
    fields = [
        f"sa_handler={handler(action.sa_handler)}",
        f"sa_mask={text.signal_set(action.sa_mask, mask_size)}",
        f"sa_flags={flags(action.sa_flags, 'sigaction')}",
    ]
    if action.sa_flags & 0x04000000:
        fields.append(f"sa_restorer={address(action.sa_restorer)}")
    return structure(fields)


def _sigaction(data: bytes) -> str:
    return _sigaction_fields(Sigaction.unpack(data), 8)


def _old_sigaction(data: bytes) -> str:
    return _sigaction_fields(OldSigaction.unpack(data), 4)


def sigset(data: bytes) -> str:
    """4 or 8 bytes of signals."""
    return text.signal_set(int.from_bytes(data, "little"), len(data))


def _old_sigset(data: bytes) -> str:
    return sigset(data)


def _sigset_argpack(data: bytes) -> str:
    """`pselect6`'s last argument: where the set is and how large; the set itself was captured behind it."""
    where, size = unpack_from("<II", data)
    mask = sigset(data[8:16]) if len(data) >= 16 and size == 8 else address(where)
    return f"{{sigmask={mask}, sigsetsize={size}}}"


def _stack_t(data: bytes) -> str:
    stack = StackT.unpack(data)
    where = f"ss_sp={address(stack.ss_sp)}"
    return structure(
        (where, f"ss_flags={flags(stack.ss_flags & 0xFFFFFFFF, 'sigaltstack')}", f"ss_size={stack.ss_size}")
    )


_CODES: dict[int, dict[int, str]] = {
    4: dict(
        enumerate(
            [
                "ILL_ILLOPC",
                "ILL_ILLOPN",
                "ILL_ILLADR",
                "ILL_ILLTRP",
                "ILL_PRVOPC",
                "ILL_PRVREG",
                "ILL_COPROC",
                "ILL_BADSTK",
                "ILL_BADIADDR",
            ],
            1,
        )
    ),
    5: dict(
        enumerate(["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"], 1)
    ),
    7: dict(enumerate(["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"], 1)),
    8: dict(
        enumerate(
            [
                "FPE_INTDIV",
                "FPE_INTOVF",
                "FPE_FLTDIV",
                "FPE_FLTOVF",
                "FPE_FLTUND",
                "FPE_FLTRES",
                "FPE_FLTINV",
                "FPE_FLTSUB",
            ],
            1,
        )
    ),
    11: dict(enumerate(["SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"], 1)),
    17: dict(
        enumerate(
            ["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"], 1
        )
    ),
    29: dict(enumerate(["POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"], 1)),
    31: {1: "SYS_SECCOMP", 2: "SYS_USER_DISPATCH"},
}
_SENDERS = {
    0: "SI_USER",
    SI_KERNEL: "SI_KERNEL",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
    -6: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}


def siginfo(info: Siginfo) -> str:
    """`{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, ...}`: the fields that this signal has."""
    fields = [
        f"si_signo={text.signal_of(info.si_signo)}",
        f"si_code={code_name(info.si_signo, info.si_code)}",
    ]
    if info.si_errno:
        fields.append(f"si_errno={_errno_name(info.si_errno)}")
    return structure([*fields, *_siginfo_fields(info)])


def code_name(signo: int, code: int) -> str:
    """`SI_USER`, `CLD_EXITED`: what a si_code means with a signal."""
    return _CODES.get(signo, {}).get(code) or _SENDERS.get(code) or hexadecimal(code & 0xFFFFFFFF)


_ARCHES = {AUDIT_ARCH_I386: "AUDIT_ARCH_I386"}


def _errno_name(number: int) -> str:
    return Errno(number).name if number in Errno.__members__.values() else str(number & 0xFFFFFFFF)


def _call_name(number: int) -> str:
    row = TABLE[number] if 0 <= number < len(TABLE) else None
    return f"__NR_{row.name}" if row is not None else str(number)


def _siginfo_fields(info: Siginfo) -> list[str]:
    sender = [f"si_pid={info.si_pid}", f"si_uid={user_id(info.si_uid)}"]
    variant = info.variant
    if variant == "chld":
        ended = info.si_code == 1
        status = str(info.si_status) if ended else text.signal_of(info.si_status)
        times = [f"si_utime={_clock(info.si_utime)}", f"si_stime={_clock(info.si_stime)}"]
        return [*sender, f"si_status={status}", *times]
    if variant == "fault":
        return [f"si_addr={address(info.si_addr)}"]
    if variant == "poll":
        return [f"si_band={info.si_band}", f"si_fd={info.si_fd}"]
    if variant == "timer":
        return [
            f"si_timerid={hexadecimal(info.si_timerid)}",
            f"si_overrun={info.si_overrun}",
            _sigval(info.si_value),
        ]
    if variant == "sys":
        where, number = address(info.si_call_addr), _call_name(info.si_syscall)
        arch = _ARCHES.get(info.si_arch) or hexadecimal(info.si_arch)
        return [f"si_call_addr={where}", f"si_syscall={number}", f"si_arch={arch}"]
    if variant == "rt":
        return [*sender, _sigval(info.si_value)] if info.si_value or info.si_code == -1 else sender
    if info.si_code != SI_KERNEL or info.si_pid:
        return sender
    return [f"si_addr={address(info.si_addr)}"] if info.si_signo in _FAULTS else []


def _clock(ticks: int) -> str:
    """Hundredths of a second, and as seconds in a comment."""
    return f"{ticks} /* {ticks / 100:.2f} s */" if ticks else "0"


_FAULTS = (4, 5, 7, 8, 11)


def _sigval(value: int) -> str:
    return f"si_int={signed(value)}, si_ptr={address(value)}"


def _siginfo(data: bytes) -> str:
    return siginfo(Siginfo.unpack(data)) if data[:4] != b"\0\0\0\0" else "{}"


def _sigevent(data: bytes) -> str:
    """`struct sigevent`: what is to happen when a timer ends."""
    value, signo, how, thread, attributes = unpack_from("<IIIiI", data)
    fields = [f"sigev_value={{sival_int={signed(value)}, sival_ptr={address(value)}}}"] if value else []
    fields.append(f"sigev_signo={text.signal_of(signo) if how in (0, 2, 4) else signo}")
    fields.append(f"sigev_notify={name(how, 'sigev')}")
    if how == 2:
        where = address(thread & 0xFFFFFFFF)
        fields += [f"sigev_notify_function={where}", f"sigev_notify_attributes={address(attributes)}"]
    elif how == 4:
        fields.append(f"sigev_notify_thread_id={thread}")
    return structure(fields)


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "sigaction": _sigaction,
    "old_sigaction": _old_sigaction,
    "sigset": sigset,
    "pending_set": sigset,
    "old_sigset": _old_sigset,
    "siginfo": _siginfo,
    "stack_t": _stack_t,
    "sigset_argpack": _sigset_argpack,
    "sigevent": _sigevent,
}
"""Text of each structure by its name in the table."""
