"""Files: calls whose arguments depend on each other, and waiting for descriptors."""

from __future__ import annotations

from collections.abc import Callable

from app.strace import text
from app.strace.arguments import part, parts, struct, struct_at
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, numbers, sized_set
from app.strace.structs import files as file_structs
from app.strace.style import current, descriptor
from app.strace.text import address, flags, hexadecimal, name, signed
from kernel.abi import files, tty
from kernel.abi.structs import OpenHow
from kernel.captured import count
from kernel.table import Kind


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


def _mount(call: Call) -> list[Part]:
    """Old programs put a magic number above the flags; type and data count only for a new mount."""
    shown = parts(call)
    value = call.word(3)
    if value & files.MS_MGC_MSK == files.MS_MGC_VAL:
        rest = value & ~files.MS_MGC_MSK
        shown[3] = Part(f"MS_MGC_VAL|{flags(rest, 'mount')}" if rest else "MS_MGC_VAL")
    else:
        rest = value
    if rest & _NO_TYPE:
        shown[2] = Part(address(call.word(2)))
    if rest & (_NO_TYPE & ~files.MS_REMOUNT):
        shown[4] = Part(address(call.word(4)))
    return shown


_PROPAGATION = files.MS_UNBINDABLE | files.MS_PRIVATE | files.MS_SLAVE | files.MS_SHARED
_NO_TYPE = files.MS_REMOUNT | files.MS_BIND | files.MS_MOVE | _PROPAGATION


def _getdents(call: Call) -> list[Part]:
    shown = parts(call)
    data = call.after(1)
    if data is not None:
        if current().verbose:
            shown[1] = Part(file_structs.entries(data, call.row.name == "getdents64"), late=True)
            return shown
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
    """What the third argument is, or whether there is one, follows from the second."""
    command, value = call.word(1), call.word(2)
    shown = [part(call, 0), part(call, 1)]
    if command in _FCNTL_ALONE:
        return shown
    if command in _FCNTL_LOCKS_64 and call.row.name == "fcntl":
        return [*shown, Part(hexadecimal(value))]
    late = command in (files.F_GETLK, files.F_GETLK64, files.F_OFD_GETLK, files.F_GETOWN_EX)
    data = call.after(2) if late else call.before(2)
    show = _FCNTL_SHOWS.get(command)
    if show is not None:
        return [*shown, Part(show(value))]
    if command in (files.F_GETOWN_EX, files.F_SETOWN_EX):
        return [*shown, Part(struct_at(data, "f_owner_ex", value), late)]
    if late or command in _FCNTL_SETS_LOCK:
        lock = file_structs.flock(data, pid=late) if data is not None else address(value)
        return [*shown, Part(lock, late)]
    return [*shown, Part(hexadecimal(value))]


def _flags_shown(word: str) -> Callable[[int], str]:
    return lambda value: flags(value, word)


_FCNTL_ALONE = frozenset(
    (files.F_GETFD, files.F_GETFL, files.F_GETOWN, files.F_GETSIG, files.F_GETLEASE, files.F_GETPIPE_SZ)
) | {files.F_GET_SEALS}
_FCNTL_SHOWS: dict[int, Callable[[int], str]] = {
    files.F_SETFD: _flags_shown("fd"),
    files.F_SETFL: file_structs.open_flags,
    files.F_ADD_SEALS: _flags_shown("seals"),
    files.F_NOTIFY: _flags_shown("notify"),
    files.F_SETSIG: text.signal_of,
    files.F_SETLEASE: lambda value: name(value, "lock_type"),
    files.F_DUPFD: lambda value: str(signed(value)),
    files.F_DUPFD_CLOEXEC: lambda value: str(signed(value)),
    files.F_SETOWN: lambda value: str(signed(value)),
    files.F_SETPIPE_SZ: str,
}
_FCNTL_LOCKS_64 = frozenset((files.F_GETLK64, files.F_SETLK64, files.F_SETLKW64))
"""Commands that `fcntl` does not have, only `fcntl64`."""
_FCNTL_SETS_LOCK = frozenset(
    (files.F_SETLK, files.F_SETLKW, files.F_SETLK64, files.F_SETLKW64, files.F_OFD_SETLK, files.F_OFD_SETLKW)
)


def _fcntl_note(call: Call) -> str | None:
    """What the number that it returned means."""
    command, value = call.word(1), call.value
    if command == files.F_GETFL:
        return f"flags {file_structs.open_flags(value)}"
    if command == files.F_GETLEASE:
        return text.known_name(value, "lock_type")
    if not value:
        return None
    if command == files.F_GETFD:
        return f"flags {flags(value, 'fd')}"
    if command == files.F_GET_SEALS:
        return f"seals {flags(value, 'seals')}"
    return text.signal_of(value) if command == files.F_GETSIG else None


def _fcntl_number(call: Call) -> bool:
    """Whether the result is a set of flags or the like, in hexadecimal where it has a note."""
    return call.word(1) in (files.F_GETFD, files.F_GETFL, files.F_GET_SEALS, files.F_GETLEASE)


_IOCTL_READS = {
    **dict.fromkeys((tty.TCGETS, tty.TCGETS2), "termios"),
    tty.TCGETA: "termio",
    tty.TIOCGWINSZ: "winsize",
    **dict.fromkeys((tty.TIOCGPGRP, tty.TIOCGSID, tty.FIONREAD, tty.TIOCOUTQ, tty.TIOCGPTN), "int"),
    **dict.fromkeys((tty.TIOCGETD, tty.TIOCGPTLCK, tty.TIOCGEXCL), "int"),
    tty.TIOCMGET: "modem",
}
"""Requests that answer with a structure."""
_IOCTL_WRITES = {
    **dict.fromkeys((tty.TCSETS, tty.TCSETSW, tty.TCSETSF), "termios"),
    **dict.fromkeys((tty.TCSETS2, tty.TCSETSW2, tty.TCSETSF2), "termios"),
    **dict.fromkeys((tty.TCSETA, tty.TCSETAW, tty.TCSETAF), "termio"),
    tty.TIOCSWINSZ: "winsize",
    **dict.fromkeys((tty.TIOCSPGRP, tty.FIONBIO, tty.FIOASYNC, tty.TIOCSPTLCK, tty.TIOCSETD), "int"),
    tty.TIOCPKT: "int",
    files.FICLONERANGE: "file_clone_range",
    **dict.fromkeys((tty.TIOCMBIS, tty.TIOCMBIC, tty.TIOCMSET), "modem"),
}
"""Requests that take one."""
_IOCTL_ALONE = frozenset(
    (tty.TIOCEXCL, tty.TIOCNXCL, tty.TIOCNOTTY, tty.TIOCVHANGUP, tty.TIOCCONS, tty.FIOCLEX, tty.FIONCLEX)
)
_FLUSHES = {0: "TCIFLUSH", 1: "TCOFLUSH", 2: "TCIOFLUSH"}
_FLOWS = {0: "TCOOFF", 1: "TCOON", 2: "TCIOFF", 3: "TCION"}


def _ioctl(call: Call) -> list[Part]:
    request, value = call.word(1), call.word(2)
    shown = [part(call, 0), part(call, 1)]
    if request in _IOCTL_READS:
        return [*shown, Part(struct_at(call.after(2), _IOCTL_READS[request], value), late=True)]
    if request in _IOCTL_WRITES:
        return [*shown, Part(struct_at(call.before(2), _IOCTL_WRITES[request], value))]
    if request in _IOCTL_ALONE:
        return shown
    if request == tty.TIOCSTI:
        typed = call.before(2)
        return [*shown, Part(text.quote(typed) if typed is not None else address(value))]
    if request == tty.TCFLSH:
        return [*shown, Part(_FLUSHES.get(value) or f"{value:#x} /* TC??? */")]
    if request == tty.TCXONC:
        return [*shown, Part(_FLOWS.get(value) or f"{value:#x} /* TC??? */")]
    if request == files.FICLONE:
        return [*shown, Part(descriptor(signed(value)))]
    if request in (tty.TIOCSCTTY, tty.TCSBRK, tty.TCSBRKP):
        return [*shown, Part(str(signed(value)))]
    return [*shown, Part(hexadecimal(value))]


def _openat2(call: Call) -> list[Part]:
    """A longer structure than is known has to be zero behind."""
    shown = parts(call)
    data, size = call.before(2), call.word(3)
    if size < OpenHow.SIZE:
        shown[2] = Part(address(call.word(2)))
    elif data is not None:
        behind = file_structs.open_how_behind(data, size)
        shown[2] = Part(f"{shown[2].text.removesuffix('}')}{behind}}}")
    return shown


def _epoll_ctl(call: Call) -> list[Part]:
    """What is taken out needs no description."""
    shown = parts(call)
    return shown if call.word(1) != files.EPOLL_CTL_DEL else [*shown[:3], Part(address(call.word(3)))]


def _epoll_pwait(call: Call) -> list[Part]:
    """Timeout and signals are looked at when the call returns, and only if it succeeded."""
    shown = parts(call)
    if call.failed:
        timeout = call.row.args[3].kind is Kind.STRUCT_IN
        shown[3] = Part(address(call.word(3))) if timeout else shown[3]
        shown[4] = Part(address(call.word(4)))
    else:
        shown[4] = sized_set(call, 4, 5)
    return shown


def _readdir(call: Call) -> list[Part]:
    shown = parts(call)
    return shown if call.value else [shown[0], Part(address(call.word(1)), late=True)]


def _ppoll(call: Call) -> list[Part]:
    shown = parts(call)
    shown[3] = sized_set(call, 3, 4)
    return shown


def _ready(call: Call, place: int) -> list[str]:
    data = call.after(place) or b""
    found = [data[at : at + 8] for at in range(0, len(data) - 7, 8)]
    return [file_structs.pollfd_ready(item) for item in found if item[6:8] != b"\0\0"]


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
    return [*shown, *numbers(call, range(4, len(call.row.args)))]


def _members(data: bytes, total: int) -> str:
    return "[" + " ".join(descriptor(fd) for fd in file_structs.descriptors(data, total)) + "]"


def _select_note(call: Call) -> str:
    if call.value == 0:
        return "Timeout"
    total = max(call.number(0), 0)
    found: list[str] = []
    for place, word in ((1, "in"), (2, "out"), (3, "except")):
        data = call.after(place)
        if data is not None and file_structs.descriptors(data, total):
            found.append(f"{word} {_members(data, total)}")
    left = call.after(4)
    if left is not None:
        found.append(f"left {struct(left, call, 4)}")
    return ", ".join(found)


def _setxattr(call: Call) -> list[Part]:
    """The value without the NUL that it may end with, unless it is longer than any may be."""
    shown = parts(call)
    data, size = call.before(2), call.word(3)
    if size > files.XATTR_SIZE_MAX:
        shown[2] = Part(address(call.word(2)))
    elif data is not None and len(data) == size and data.endswith(b"\0"):
        shown[2] = Part(text.bytes_of(data[:-1], size - 1))
    return shown


def _listxattr(call: Call) -> list[Part]:
    """Without room for them the names only say how much they need."""
    shown = parts(call)
    return shown if call.word(2) else [shown[0], Part(address(call.word(1)), late=True), shown[2]]


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("open", "openat", "mq_open"), _open),
    **dict.fromkeys(("mknod", "mknodat"), _mknod),
    **dict.fromkeys(("getdents", "getdents64"), _getdents),
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl),
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr"), _setxattr),
    **dict.fromkeys(("listxattr", "llistxattr", "flistxattr"), _listxattr),
    **dict.fromkeys(("select", "_newselect", "pselect6", "pselect6_time64"), _select),
    **dict.fromkeys(("ppoll", "ppoll_time64"), _ppoll),
    "mount": _mount,
    "statx": _statx,
    "ioctl": _ioctl,
    "openat2": _openat2,
    "epoll_ctl": _epoll_ctl,
    **dict.fromkeys(("epoll_pwait", "epoll_pwait2"), _epoll_pwait),
    "readdir": _readdir,
}

_POLLS = ("poll", "ppoll", "ppoll_time64")
_SELECTS = ("select", "_newselect", "pselect6", "pselect6_time64")

NOTES: dict[str, Note] = {
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl_note),
    **dict.fromkeys(_POLLS, _poll_note),
    **dict.fromkeys(_SELECTS, _select_note),
}

WAITS = frozenset(_POLLS + _SELECTS)

HEXADECIMAL: dict[str, Callable[[Call], bool]] = dict.fromkeys(("fcntl", "fcntl64"), _fcntl_number)
