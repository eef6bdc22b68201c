"""Calls whose text does not follow from the kinds of their arguments: `SPECIAL` by name; and what stands in
parentheses behind a result: `NOTES`.

A special call's function gives its parts. Where an argument's meaning depends on another (`fcntl`, `futex`,
`prctl`) or strace leaves arguments out (`open` without O_CREAT), it is here.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace import structs, text
from app.strace.arguments import part, parts, struct
from app.strace.call import Call, Part
from app.strace.names import NAMES
from app.strace.text import address, flags, hexadecimal, name, signed
from kernel.abi import files, mman, process, time, tty
from kernel.abi.structs import OpenHow, UserDesc
from kernel.capture import SHOWN, count

_Special = Callable[[Call], list[Part]]
_Note = Callable[[Call], str | None]


def _numbers(call: Call, places: range) -> list[Part]:
    return [part(call, place) for place in places]


def _hexes(call: Call, first: int) -> list[Part]:
    return [Part(hexadecimal(call.word(place))) for place in range(first, len(call.row.args))]


# --- files ---


def _open(call: Call) -> list[Part]:
    """The mode is there only if a file may be made."""
    shown = parts(call)
    at = 2 if call.row.name == "openat" else 1
    making = files.O_CREAT | (files.O_TMPFILE & ~files.O_DIRECTORY)
    return shown if call.word(at) & making else shown[: at + 1]


def _mknod(call: Call) -> list[Part]:
    """A device number is there only for devices."""
    shown = parts(call)
    kind = call.word(len(shown) - 2) & files.S_IFMT
    return shown if kind in (files.S_IFCHR, files.S_IFBLK) else shown[:-1]


def _getdents(call: Call) -> list[Part]:
    shown = parts(call)
    data = call.after(1)
    if data is not None:
        entries = count(data)
        shown[1] = Part(
            f"{address(call.word(1))} /* {entries} entr{'y' if entries == 1 else 'ies'} */", late=True
        )
    return shown


_SYNC_TYPES = {0: "AT_STATX_SYNC_AS_STAT", 0x2000: "AT_STATX_FORCE_SYNC", 0x4000: "AT_STATX_DONT_SYNC"}


def _statx(call: Call) -> list[Part]:
    """The flags hold a number of two bits: how fresh the answer is to be."""
    shown = parts(call)
    value = call.word(2)
    sync, rest = value & files.AT_STATX_SYNC_TYPE, value & ~files.AT_STATX_SYNC_TYPE
    how = _SYNC_TYPES.get(sync, "AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC")
    shown[2] = Part(f"{how}|{flags(rest, 'statx_at')}" if rest else how)
    return shown


def _fcntl(call: Call) -> list[Part]:
    command = call.word(1)
    shown = [part(call, 0), part(call, 1)]
    if command in _FCNTL_ALONE:
        return shown
    if command in (files.F_SETFD,):
        return [*shown, Part(flags(call.word(2), "fd"))]
    if command == files.F_SETFL:
        return [*shown, Part(structs.open_flags(call.word(2)))]
    if command in _FCNTL_LOCKS:
        data = call.before(2)
        return [*shown, Part(structs.flock(data, pid=False) if data is not None else address(call.word(2)))]
    if command in _FCNTL_GETS:
        data = call.after(2)
        return [
            *shown,
            Part(structs.flock(data, pid=True) if data is not None else address(call.word(2)), late=True),
        ]
    if command in _FCNTL_INTS:
        return [*shown, Part(str(call.number(2)))]
    if command == files.F_ADD_SEALS:
        return [*shown, Part(flags(call.word(2), "seals"))]
    if command == files.F_SETOWN_EX:
        return [*shown, Part(_owner(call.before(2), call))]
    if command == files.F_GETOWN_EX:
        return [*shown, Part(_owner(call.after(2), call), late=True)]
    if command == files.F_SETSIG:
        return [*shown, Part(text.signal_of(call.word(2)))]
    if command == files.F_SETLEASE:
        return [*shown, Part(name(call.word(2), "lock_type"))]
    return [*shown, Part(hexadecimal(call.word(2)))]


def _owner(data: bytes | None, call: Call) -> str:
    return structs.STRUCTS["f_owner_ex"](data) if data is not None else address(call.word(2))


_FCNTL_ALONE = frozenset(
    (files.F_GETFD, files.F_GETFL, files.F_GETOWN, files.F_GETSIG, files.F_GETLEASE, files.F_GETPIPE_SZ)
) | {files.F_GET_SEALS}
_FCNTL_INTS = frozenset((files.F_DUPFD, files.F_DUPFD_CLOEXEC, files.F_SETOWN, files.F_SETPIPE_SZ))
_FCNTL_LOCKS = frozenset(
    (files.F_SETLK, files.F_SETLKW, files.F_SETLK64, files.F_SETLKW64, files.F_OFD_SETLK, files.F_OFD_SETLKW)
)
_FCNTL_GETS = frozenset((files.F_GETLK, files.F_GETLK64, files.F_OFD_GETLK))


def _fcntl_note(call: Call) -> str | None:
    """F_GETFL and F_GETFD return flags."""
    if call.word(1) == files.F_GETFL:
        return f"flags {structs.open_flags(call.value)}"
    if call.word(1) == files.F_GETFD and call.value:
        return f"flags {flags(call.value, 'fd')}"
    return None


_IOCTL_STRUCTS = {
    **dict.fromkeys((tty.TCGETS, tty.TCSETS, tty.TCSETSW, tty.TCSETSF), "termios"),
    **dict.fromkeys((tty.TCGETS2, tty.TCSETS2, tty.TCSETSW2, tty.TCSETSF2), "termios"),
    **dict.fromkeys((tty.TCGETA, tty.TCSETA, tty.TCSETAW, tty.TCSETAF), "termio"),
    **dict.fromkeys((tty.TIOCGWINSZ, tty.TIOCSWINSZ), "winsize"),
    tty.TIOCGEXCL: "int",
    **dict.fromkeys(
        (tty.TIOCGPGRP, tty.TIOCSPGRP, tty.TIOCGSID, tty.FIONREAD, tty.TIOCOUTQ, tty.FIONBIO), "int"
    ),
    **dict.fromkeys(
        (tty.FIOASYNC, tty.TIOCSPTLCK, tty.TIOCGPTN, tty.TIOCGETD, tty.TIOCSETD, tty.TIOCGPTLCK), "int"
    ),
}
_IOCTL_SETS = frozenset(
    (
        tty.TCSETS,
        tty.TCSETSW,
        tty.TCSETSF,
        tty.TIOCSWINSZ,
        tty.TIOCSPGRP,
        tty.FIONBIO,
        tty.FIOASYNC,
        tty.TIOCSPTLCK,
    )
) | {tty.TIOCSETD, tty.TCSETS2, tty.TCSETSW2, tty.TCSETSF2, tty.TCSETA, tty.TCSETAW, tty.TCSETAF}
_IOCTL_ALONE = frozenset(
    (tty.TIOCEXCL, tty.TIOCNXCL, tty.TIOCNOTTY, tty.TIOCVHANGUP, tty.FIOCLEX, tty.FIONCLEX)
)
_FLUSHES = {0: "TCIFLUSH", 1: "TCOFLUSH", 2: "TCIOFLUSH"}
_FLOWS = {0: "TCOOFF", 1: "TCOON", 2: "TCIOFF", 3: "TCION"}


def _ioctl(call: Call) -> list[Part]:
    request, value = call.word(1), call.word(2)
    shown = [part(call, 0), part(call, 1)]
    of = _IOCTL_STRUCTS.get(request)
    if of is not None:
        late = request not in _IOCTL_SETS
        data = call.after(2) if late else call.before(2)
        return [*shown, Part(structs.STRUCTS[of](data) if data is not None else address(value), late)]
    if request == tty.TIOCSTI:
        typed = call.before(2)
        return [*shown, Part(text.quote(typed) if typed is not None else address(value))]
    if request in _IOCTL_ALONE or request == tty.TIOCCONS:
        return shown
    if request == tty.TCFLSH:
        return [*shown, Part(_FLUSHES.get(value, hexadecimal(value)))]
    if request == tty.TCXONC:
        return [*shown, Part(_FLOWS.get(value, hexadecimal(value)))]
    if request in (tty.TIOCSCTTY, tty.TCSBRK, tty.TCSBRKP):
        return [*shown, Part(str(signed(value)))]
    return [*shown, Part(hexadecimal(value))]


def _openat2(call: Call) -> list[Part]:
    shown = parts(call)
    return shown if call.word(3) >= OpenHow.SIZE else [*shown[:2], Part(address(call.word(2))), shown[3]]


def _ppoll(call: Call) -> list[Part]:
    shown = parts(call)
    shown[3] = _sized_set(call, 3, 4)
    return shown


def _ready(call: Call, place: int) -> list[str]:
    data = call.after(place) or b""
    found = [data[at : at + 8] for at in range(0, len(data) - 7, 8)]
    return [structs.pollfd_ready(item) for item in found if item[6:8] != b"\0\0"]


def _poll_note(call: Call) -> str:
    if call.value == 0:
        return "Timeout"
    found = text.array(_ready(call, 0))
    left = call.after(2)
    return f"{found}, left {struct(left, call, 2)}" if left is not None else found


def _select(call: Call) -> list[Part]:
    total = max(call.number(0), 0)
    shown = [part(call, 0)]
    for place in (1, 2, 3):
        data = call.before(place) if call.number(0) >= 0 else None
        shown.append(Part(_members(data, total) if data is not None else address(call.word(place))))
    return [*shown, *_numbers(call, range(4, len(call.row.args)))]


def _members(data: bytes, total: int) -> str:
    return "[" + " ".join(str(fd) for fd in structs.descriptors(data, total)) + "]"


def _select_note(call: Call) -> str:
    if call.value == 0:
        return "Timeout"
    total = max(call.number(0), 0)
    found: list[str] = []
    for place, word in ((1, "in"), (2, "out"), (3, "except")):
        data = call.after(place)
        if data is not None and structs.descriptors(data, total):
            found.append(f"{word} {_members(data, total)}")
    left = call.after(4)
    if left is not None:
        found.append(f"left {struct(left, call, 4)}")
    return ", ".join(found)


# --- memory ---


def _mmap(call: Call) -> list[Part]:
    """The kind of mapping is a number of four bits among the flags."""
    value = call.word(3)
    kind, rest = value & mman.MAP_TYPE, value & ~mman.MAP_TYPE
    shown = name(kind, "map_type") if kind else "MAP_FILE"
    how = f"{shown}|{flags(rest, 'map')}" if rest else shown
    return [*_numbers(call, range(3)), Part(how), Part(str(call.number(4))), part(call, 5)]


def _mremap(call: Call) -> list[Part]:
    shown = parts(call)
    return shown if call.word(3) & (mman.MREMAP_FIXED | mman.MREMAP_DONTUNMAP) else shown[:4]


# --- processes ---


def _clone(call: Call) -> list[Part]:
    """Which pointers are there follows from the flags; the lowest byte is the signal that tells the
    parent."""
    value = call.word(0)
    what, signo = value & ~process.CSIGNAL, value & process.CSIGNAL
    words = [flags(what, "clone")] if what else []
    words += [text.signal_of(signo)] if signo or not what else []
    shown = [Part(f"child_stack={address(call.word(1))}"), Part(f"flags={'|'.join(words)}")]
    if value & (process.CLONE_PARENT_SETTID | process.CLONE_PIDFD):
        shown.append(_after(f"parent_tid={_word_at(call, 2)}"))
    if value & process.CLONE_SETTLS:
        shown.append(_after(f"tls={struct(call.before(3), call, 3)}"))
    if value & (process.CLONE_CHILD_SETTID | process.CLONE_CHILD_CLEARTID):
        shown.append(_after(f"child_tidptr={address(call.word(4))}"))
    return shown


def _word_at(call: Call, place: int) -> str:
    data = call.after(place)
    return f"[{unpack_from('<I', data)[0]}]" if data is not None else address(call.word(place))


def _after(shown: str) -> Part:
    """A part that strace writes with its comma when the call returns."""
    return Part(shown, late=True, joint=", ")


def _clone3(call: Call) -> list[Part]:
    data, size = call.before(0), str(call.word(1))
    if data is None or call.word(1) < process.CLONE_ARGS_SIZE_VER0:
        return [part(call, 0), Part(size)]
    shown = [Part(structs.clone_args(data))]
    words = call.after(0) or b""
    wanted = ((process.CLONE_PIDFD, "pidfd"), (process.CLONE_PARENT_SETTID, "parent_tid"))
    asked = [word for flag, word in wanted if unpack_from("<Q", data)[0] & flag]
    if not asked:
        return [*shown, Part(size)]
    if words:
        given = [f"{word}=[{unpack_from('<I', words, 4 * at)[0]}]" for at, word in enumerate(asked)]
        shown.append(Part(text.structure(given), late=True, joint=" => "))
    return [*shown, _after(size)]


_PRCTL_ALONE = frozenset(
    (
        *(
            process.PR_GET_DUMPABLE,
            process.PR_GET_KEEPCAPS,
            process.PR_GET_SECCOMP,
            process.PR_GET_TIMERSLACK,
        ),
        *(process.PR_GET_TIMING, process.PR_TASK_PERF_EVENTS_DISABLE, process.PR_TASK_PERF_EVENTS_ENABLE),
        process.PR_GET_SECUREBITS,
    )
)
_DUMPABLE = {0: "SUID_DUMP_DISABLE", 1: "SUID_DUMP_USER", 2: "SUID_DUMP_ROOT"}
_PRCTL_NUMBER = frozenset(
    (process.PR_SET_KEEPCAPS, process.PR_SET_TIMERSLACK, process.PR_SET_CHILD_SUBREAPER)
)
_PRCTL_NUMBERS = frozenset(
    (
        *(process.PR_SET_NO_NEW_PRIVS, process.PR_GET_NO_NEW_PRIVS, process.PR_SET_THP_DISABLE),
        *(process.PR_GET_THP_DISABLE, process.PR_SET_IO_FLUSHER, process.PR_GET_IO_FLUSHER),
    )
)
_PRCTL_BOXED = frozenset((process.PR_GET_CHILD_SUBREAPER, process.PR_GET_ENDIAN, process.PR_GET_TSC))
_CAPABILITIES = {value: word for word, value in vars(process).items() if word.startswith("CAP_")}


def _prctl(call: Call) -> list[Part]:
    option, value = call.word(0), call.word(1)
    shown = [part(call, 0)]
    before, after = call.before(1), call.after(1)
    if option in _PRCTL_ALONE:
        return shown
    if option == process.PR_SET_NAME:
        return [*shown, Part(_comm(before) if before is not None else address(value))]
    if option == process.PR_GET_NAME:
        return [*shown, Part(_comm(after) if after is not None else address(value), late=True)]
    if option == process.PR_SET_PDEATHSIG:
        return [*shown, Part(text.signal_of(value))]
    if option == process.PR_GET_PDEATHSIG:
        words = [text.signal_of(unpack_from("<I", after)[0])] if after is not None else []
        return [*shown, Part(text.array(words) if words else address(value), late=True)]
    if option in _PRCTL_BOXED:
        return [
            *shown,
            Part(structs.STRUCTS["uint"](after) if after is not None else address(value), late=True),
        ]
    if option == process.PR_SET_DUMPABLE:
        return [*shown, Part(_DUMPABLE.get(value) or f"{value:#x} /* SUID_DUMP_??? */")]
    if option in (process.PR_CAPBSET_READ, process.PR_CAPBSET_DROP):
        return [*shown, Part(_CAPABILITIES.get(value) or f"{value:#x} /* CAP_??? */")]
    if option in _PRCTL_NUMBER:
        return [*shown, Part(str(value))]
    if option in _PRCTL_NUMBERS:
        return [*shown, *(Part(str(call.word(place))) for place in range(1, 5))]
    if option == process.PR_SET_SECUREBITS:
        return [*shown, Part(hexadecimal(value))]
    if option == process.PR_SET_VMA and value == 0:
        return [*shown, Part("PR_SET_VMA_ANON_NAME"), *_hexes(call, 2)]
    return [*shown, *_hexes(call, 1)]


def _comm(data: bytes) -> str:
    """A task's name: 15 bytes and a NUL at most."""
    return text.quote(data[: process.TASK_COMM_LEN - 1], more=len(data) >= process.TASK_COMM_LEN)


def _prctl_note(call: Call) -> str | None:
    return _DUMPABLE.get(call.value) if call.word(0) == process.PR_GET_DUMPABLE else None


_MATCH_ANY = time.FUTEX_BITSET_MATCH_ANY


def _futex(call: Call) -> list[Part]:
    shown = _numbers(call, range(3))
    timeout, second = part(call, 3), Part(str(call.word(3)))
    other, third = part(call, 4), Part(hexadecimal(call.word(5)))
    bits = Part("FUTEX_BITSET_MATCH_ANY" if call.word(5) == _MATCH_ANY else hexadecimal(call.word(5)))
    match call.word(1) & 0x7F:
        case time.FUTEX_WAIT:
            return [*shown, timeout]
        case time.FUTEX_LOCK_PI | time.FUTEX_LOCK_PI2:
            return [*shown[:2], timeout]
        case time.FUTEX_WAIT_BITSET:
            return [*shown, timeout, bits]
        case time.FUTEX_WAKE_BITSET:
            return [*shown, bits]
        case time.FUTEX_WAKE | time.FUTEX_FD:
            return shown
        case time.FUTEX_REQUEUE:
            return [*shown, second, other]
        case time.FUTEX_CMP_REQUEUE | time.FUTEX_CMP_REQUEUE_PI:
            return [*shown, second, other, Part(str(call.word(5)))]
        case time.FUTEX_WAKE_OP:
            return [*shown, second, other, Part(_wake_op(call.word(5)))]
        case time.FUTEX_WAIT_REQUEUE_PI:
            return [*shown, timeout, other]
        case time.FUTEX_UNLOCK_PI | time.FUTEX_TRYLOCK_PI:
            return shown[:2]
        case _:
            return [*shown, Part(hexadecimal(call.word(3))), other, third]


_WAKE_OPS = ("FUTEX_OP_SET", "FUTEX_OP_ADD", "FUTEX_OP_OR", "FUTEX_OP_ANDN", "FUTEX_OP_XOR")
_WAKE_COMPARES = (
    *("FUTEX_OP_CMP_EQ", "FUTEX_OP_CMP_NE", "FUTEX_OP_CMP_LT", "FUTEX_OP_CMP_LE"),
    *("FUTEX_OP_CMP_GT", "FUTEX_OP_CMP_GE"),
)


def _wake_op(value: int) -> str:
    """The little program in `val3` of FUTEX_WAKE_OP (`man 2 futex`)."""
    operation, compare = value >> 28 & 0x7, value >> 24 & 0xF
    done = _WAKE_OPS[operation] if operation < len(_WAKE_OPS) else hexadecimal(operation)
    compared = _WAKE_COMPARES[compare] if compare < len(_WAKE_COMPARES) else hexadecimal(compare)
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if value >> 31 else ""
    by, against = hexadecimal(value >> 12 & 0xFFF), hexadecimal(value & 0xFFF)
    return f"{shift}{done}<<28|{by}<<12|{compared}<<24|{against}"


def _set_thread_area_note(call: Call) -> str | None:
    """The entry that the kernel chose, where it was asked to choose."""
    data = call.after(0)
    return f"entry_number={unpack_from('<i', data)[0]}" if data is not None else None


def _get_thread_area(call: Call) -> list[Part]:
    before, after = call.before(0), call.after(0)
    if before is None or after is not None:
        return [Part(struct(after, call, 0), late=True)]
    return [Part(f"{{entry_number={unpack_from('<i', before)[0]}, ...}}", late=True)]


def _modify_ldt(call: Call) -> list[Part]:
    shown = parts(call)
    return shown if call.word(2) == UserDesc.SIZE else [shown[0], Part(address(call.word(1))), shown[2]]


def _arch_prctl(call: Call) -> list[Part]:
    shown = parts(call)
    return shown[:1] if call.word(0) == process.ARCH_GET_CPUID else shown


def _personality(call: Call) -> list[Part]:
    value = call.word(0)
    return [Part(hexadecimal(value) if value == 0xFFFFFFFF else _persona(value))]


def _persona(value: int) -> str:
    """Which Unix to be, a number of one byte, and what to do otherwise than usual (`man 2 personality`)."""
    kind, ways = name(value & 0xFF, "persona"), value & ~0xFF
    return f"{kind}|{flags(ways, 'persona')}" if ways else kind


_PTRACE_ALONE = frozenset(
    (process.PTRACE_ATTACH, process.PTRACE_KILL, process.PTRACE_INTERRUPT, process.PTRACE_LISTEN)
)
_PTRACE_RUNS = frozenset(
    (
        process.PTRACE_CONT,
        process.PTRACE_SYSCALL,
        process.PTRACE_SINGLESTEP,
        process.PTRACE_DETACH,
        process.PTRACE_SYSEMU,
    )
) | {process.PTRACE_SYSEMU_SINGLESTEP}
_PTRACE_SETS = frozenset((process.PTRACE_SETOPTIONS, process.PTRACE_SEIZE))
_PTRACE_REGISTERS = frozenset(
    (process.PTRACE_GETREGS, process.PTRACE_SETREGS, process.PTRACE_GETFPREGS, process.PTRACE_SETFPREGS)
) | {process.PTRACE_GETFPXREGS, process.PTRACE_SETFPXREGS}
_PTRACE_USER = frozenset((process.PTRACE_PEEKUSR, process.PTRACE_POKEUSR))
_USER_REGISTERS = (
    *(
        "EBX",
        "ECX",
        "EDX",
        "ESI",
        "EDI",
        "EBP",
        "EAX",
        "DS",
        "ES",
        "FS",
        "GS",
        "ORIG_EAX",
        "EIP",
        "CS",
        "EFL",
        "UESP",
    ),
    "SS",
)
"""Words at the beginning of `struct user` (sys/user.h)."""


def _ptrace(call: Call) -> list[Part]:
    """Most requests leave some arguments out (`man 2 ptrace`)."""
    request = call.word(0)
    if request == process.PTRACE_TRACEME:
        return [part(call, 0)]
    shown = [part(call, 0), part(call, 1)]
    where, data = call.word(2), call.word(3)
    if request in _PTRACE_ALONE:
        return shown
    if request in _PTRACE_RUNS:
        return [
            *shown,
            Part(address(where) if where != 1 else "0x1"),
            Part(text.signal_of(data) if data else "0"),
        ]
    if request in _PTRACE_SETS:
        return [*shown, Part(address(where)), Part(flags(data, "ptrace_options"))]
    if request in _PTRACE_REGISTERS:
        return [*shown, Part(address(data))]
    if request in _PTRACE_USER:
        at = where // 4
        register = (
            f"4*{_USER_REGISTERS[at]}" if where % 4 == 0 and at < len(_USER_REGISTERS) else hexadecimal(where)
        )
        return [*shown, Part(register), Part(hexadecimal(data))]
    return [*shown, Part(address(where)), Part(hexadecimal(data))]


def _syslog(call: Call) -> list[Part]:
    kind = call.number(0)
    known = NAMES["syslog"].names.get(kind)
    shown = [Part(f"{kind} /* {known} */" if known is not None else f"{kind} /* SYSLOG_ACTION_??? */")]
    if kind in (2, 3, 4):
        return [*shown, part(call, 1), part(call, 2)]
    return [*shown, Part(address(call.word(1))), part(call, 2)] if kind == 8 else shown


def _execve(call: Call) -> list[Part]:
    return parts(call)


def _waitid(call: Call) -> list[Part]:
    return parts(call)


def _personality_note(call: Call) -> str | None:
    return _persona(call.value)


# --- signals ---


def _sized_set(call: Call, place: int, size_place: int) -> Part:
    """A signal set is shown as far as its size says, if that is a size that a set may have."""
    shown = part(call, place)
    size = call.word(size_place)
    if size == 8:
        return shown
    data = call.after(place) if shown.late else call.before(place)
    if size != 4 or data is None:
        return Part(address(call.word(place)), shown.late)
    return Part(structs.sigset(data[:4]), shown.late)


def _with_set(place: int) -> _Special:
    """The set's size is the last argument."""

    def show(call: Call) -> list[Part]:
        shown = parts(call)
        shown[place] = _sized_set(call, place, len(call.row.args) - 1)
        return shown

    return show


def _rt_sigprocmask(call: Call) -> list[Part]:
    shown = parts(call)
    shown[1], shown[2] = _sized_set(call, 1, 3), _sized_set(call, 2, 3)
    return shown


def _sigsuspend(call: Call) -> list[Part]:
    return [part(call, 2)]


def _signal_note(call: Call) -> str | None:
    return {0: "SIG_DFL", 1: "SIG_IGN"}.get(call.value)


def _mask_note(call: Call) -> str:
    word = "old mask" if call.row.args else "mask"
    return f"{word} {text.signal_set(call.value & 0xFFFFFFFF, 4)}"


def _sigtimedwait_note(call: Call) -> str:
    return text.signal_of(call.value)


def _ssetmask(call: Call) -> list[Part]:
    return [Part(text.signal_set(call.word(0), 4))]


# --- information ---


def _time_note(call: Call) -> str:
    return text.date(call.value)


def _getrandom(call: Call) -> list[Part]:
    """Random bytes are all shown in hexadecimal."""
    shown = parts(call)
    data = call.after(0)
    if data is not None:
        shown[0] = Part(text.quote_hex(data[:SHOWN], more=len(data) > SHOWN), late=True)
    return shown


def _sched_note(call: Call) -> str:
    return name(call.value, "sched")


# --- communication ---


def _socket(call: Call) -> list[Part]:
    """What the protocol's number means depends on the family."""
    shown = parts(call)
    family, protocol = call.word(0), call.word(2)
    if family in (2, 10):
        shown[2] = Part(name(protocol, "protocol"))
    elif family == 16 and protocol == 0:
        shown[2] = Part("NETLINK_ROUTE")
    else:
        shown[2] = Part(str(call.number(2)))
    return shown


def _with_address(place: int) -> _Special:
    """A peer's address and its size: `[128 => 16]` where the kernel changed the size."""

    def show(call: Call) -> list[Part]:
        shown = parts(call)
        before, after = call.before(place + 1), call.after(place + 1)
        peer = call.after(place)
        if before is not None and peer is not None:
            peer = peer[: unpack_from("<I", before)[0]]
            shown[place] = Part(struct(peer, call, place) if peer else address(call.word(place)), late=True)
        if before is not None:
            room = unpack_from("<i", before)[0]
            used = unpack_from("<i", after)[0] if after is not None else room
            size = f"[{room}]" if used == room else f"[{room} => {used}]"
            shown[place + 1] = Part(size, late=True)
        return shown

    return show


def _sockopt(call: Call) -> list[Part]:
    shown = parts(call)
    data = call.after(3) if call.row.name == "getsockopt" else call.before(3)
    value = structs.socket_option(data, call.word(1), call.word(2)) if data is not None else None
    if value is not None:
        shown[3] = Part(value, shown[3].late)
    if call.row.name == "getsockopt":
        data = call.after(4) or call.before(4)
        shown[4] = Part(struct(data, call, 4), late=True)
    return shown


def _message(call: Call) -> list[Part]:
    """A System V message: its type and its text."""
    shown = parts(call)
    received = call.row.name == "msgrcv"
    data = call.after(1) if received else call.before(1)
    if data is not None and len(data) >= 4:
        size = call.value if received else call.word(2)
        body = text.bytes_of(data[4:], size)
        shown[1] = Part(f"{{mtype={unpack_from('<i', data)[0]}, mtext={body}}}", shown[1].late)
    return shown


def _llseek(call: Call) -> list[Part]:
    return parts(call)


def _socketcall(call: Call) -> list[Part]:
    """Only if the block of arguments could not be read."""
    known = NAMES["socketcall"].names.get(call.word(0))
    return [Part(known or str(call.number(0))), Part(address(call.word(1)))]


def _restart_syscall(call: Call) -> list[Part]:
    return [Part("<... resuming interrupted system call ...>")]


SPECIAL: dict[str, _Special] = {
    **dict.fromkeys(("open", "openat", "mq_open"), _open),
    **dict.fromkeys(("mknod", "mknodat"), _mknod),
    **dict.fromkeys(("getdents", "getdents64"), _getdents),
    "statx": _statx,
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl),
    "ioctl": _ioctl,
    **dict.fromkeys(("select", "_newselect", "pselect6", "pselect6_time64"), _select),
    **dict.fromkeys(("ppoll", "ppoll_time64"), _ppoll),
    "openat2": _openat2,
    **dict.fromkeys(("mmap", "mmap2"), _mmap),
    "mremap": _mremap,
    "clone": _clone,
    "clone3": _clone3,
    "prctl": _prctl,
    **dict.fromkeys(("futex", "futex_time64"), _futex),
    "get_thread_area": _get_thread_area,
    "modify_ldt": _modify_ldt,
    "arch_prctl": _arch_prctl,
    "personality": _personality,
    "ptrace": _ptrace,
    "syslog": _syslog,
    "socketcall": _socketcall,
    "restart_syscall": _restart_syscall,
    "rt_sigprocmask": _rt_sigprocmask,
    **dict.fromkeys(
        ("rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64"), _with_set(0)
    ),
    "sigsuspend": _sigsuspend,
    "ssetmask": _ssetmask,
    "getrandom": _getrandom,
    **dict.fromkeys(("socket", "socketpair"), _socket),
    **dict.fromkeys(("accept", "accept4", "getsockname", "getpeername"), _with_address(1)),
    "recvfrom": _with_address(4),
    **dict.fromkeys(("getsockopt", "setsockopt"), _sockopt),
    **dict.fromkeys(("msgsnd", "msgrcv"), _message),
}
"""How to show calls that are not shown by the kinds of their arguments alone."""

NOTES: dict[str, _Note] = {
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl_note),
    **dict.fromkeys(("poll", "ppoll", "ppoll_time64"), _poll_note),
    **dict.fromkeys(("select", "_newselect", "pselect6", "pselect6_time64"), _select_note),
    "prctl": _prctl_note,
    "set_thread_area": _set_thread_area_note,
    "personality": _personality_note,
    "signal": _signal_note,
    **dict.fromkeys(("sgetmask", "ssetmask"), _mask_note),
    **dict.fromkeys(("rt_sigtimedwait", "rt_sigtimedwait_time64"), _sigtimedwait_note),
    "time": _time_note,
    "sched_getscheduler": _sched_note,
}
"""What stands in parentheses behind the result of a call that succeeded; None for no parentheses."""
