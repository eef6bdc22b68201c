"""Files: calls whose arguments depend on each other, and waiting for descriptors."""

from __future__ import annotations

from app.strace import structs, text
from app.strace.arguments import part, parts, struct
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, numbers, sized_set
from app.strace.structs import files as file_structs
from app.strace.text import address, flags, hexadecimal, name, signed
from kernel.abi import files, tty
from kernel.abi.structs import OpenHow
from kernel.captured import count


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
        return [*shown, Part(file_structs.open_flags(call.word(2)))]
    if command in _FCNTL_LOCKS:
        data = call.before(2)
        return [
            *shown,
            Part(file_structs.flock(data, pid=False) if data is not None else address(call.word(2))),
        ]
    if command in _FCNTL_GETS:
        data = call.after(2)
        return [
            *shown,
            Part(
                file_structs.flock(data, pid=True) if data is not None else address(call.word(2)), late=True
            ),
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
        return f"flags {file_structs.open_flags(call.value)}"
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
    return "[" + " ".join(str(fd) for fd in file_structs.descriptors(data, total)) + "]"


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


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(("open", "openat", "mq_open"), _open),
    **dict.fromkeys(("mknod", "mknodat"), _mknod),
    **dict.fromkeys(("getdents", "getdents64"), _getdents),
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl),
    **dict.fromkeys(("select", "_newselect", "pselect6", "pselect6_time64"), _select),
    **dict.fromkeys(("ppoll", "ppoll_time64"), _ppoll),
    "statx": _statx,
    "ioctl": _ioctl,
    "openat2": _openat2,
}

NOTES: dict[str, Note] = {
    **dict.fromkeys(("fcntl", "fcntl64"), _fcntl_note),
    **dict.fromkeys(("poll", "ppoll", "ppoll_time64"), _poll_note),
    **dict.fromkeys(("select", "_newselect", "pselect6", "pselect6_time64"), _select_note),
}
