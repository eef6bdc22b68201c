"""The system call table as data: `TABLE[number]` is a `Row`, `BY_NAME[name]` too.

One row per system call of i386 Linux says everything that is known about it apart from what it does:
dispatch, the trace's decoding, the table on the screen and the manual are read from here. What it does is a
function `sys_<name>`, found by that name elsewhere. The lines themselves are in `kernel/table_rows.py`; this
file gives the words in them their meaning. What is taken from user memory for the trace follows from the
rows, in `kernel/capture.py`.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

from kernel.table_rows import COSTS, LACKS, ROWS

DEFAULT_COST = 10_000
"""Ticks (nanoseconds of guest time) that a call costs besides its instructions."""

NO_SIZE = -1
RESULT_SIZE = -2
"""Values of `Arg.size` that are not an argument's index."""


class Category(Enum):
    """The six kinds of system calls of the textbooks."""

    PROCESS = "process"
    FILE = "file"
    DEVICE = "device"
    INFORMATION = "information"
    COMMUNICATION = "communication"
    PROTECTION = "protection"


class Kind(Enum):
    """What an argument or result is. The value is the word for it in `kernel/table_rows.py`.

    `Arg.of` narrows some: the flag set of FLAGS and ENUM, the structure of those that point to one.
    """

    # numbers
    INT = "int"
    UINT = "uint"
    HEX = "hex"
    ADDR = "addr"
    """An address that is not followed: NULL or hexadecimal."""
    FD = "fd"
    DIRFD = "dirfd"
    """A directory's descriptor or AT_FDCWD."""
    PID = "pid"
    UID = "uid"
    GID = "gid"
    MODE = "mode"
    FILE_MODE = "filemode"
    """A mode with the file's type in it (`mknod`)."""
    DEV = "dev"
    SIGNAL = "sig"
    HANDLER = "handler"
    """SIG_DFL, SIG_IGN or an address."""
    SIGMASK = "sigmask"
    """32 signals as the number itself."""
    OFFSET = "off"
    PAGE_OFFSET = "pgoff"
    """In pages of 4096 bytes; shown in bytes."""
    LOW = "lo"
    HIGH = "hi"
    """Halves of one 64-bit number, in either order."""
    KEY = "key"
    FLAGS = "flags"
    ENUM = "enum"
    IPC_MODE = "ipcmode"
    """Flags with permissions in the low nine bits (`semget`)."""
    IOCTL = "ioctl"
    SOCKET_TYPE = "socktype"
    SOCKET_OPTION = "sockopt"
    FUTEX_OP = "futexop"
    SEM_COMMAND = "semcmd"
    SHM_COMMAND = "shmcmd"
    MSG_COMMAND = "msgcmd"

    # pointers: text and bytes
    PATH = "path"
    """NUL-terminated name of a file, taken whole."""
    STRING = "str"
    """NUL-terminated, taken as far as it is shown."""
    STRING_OUT = "strout"
    """Written by the kernel, as many bytes as the result says, the NUL included."""
    BUF_IN = "in"
    BUF_OUT = "out"
    IOVEC_IN = "iovin"
    IOVEC_OUT = "iovout"
    IOVEC_ADDR = "iovaddr"
    """Vectors in another process's memory: only where and how much."""
    ARGV = "argv"
    ENVP = "envp"

    # pointers: structures, or `[n]` of them
    STRUCT_IN = "in:"
    STRUCT_OUT = "out:"
    STRUCT_INOUT = "inout"
    REMAINDER = "rem"
    """Written only when a signal ended the call early."""
    CLONE_ARGS = "cloneargs"
    MESSAGE_IN = "msgin"
    MESSAGE_OUT = "msgout"
    """A `msghdr` with what it points to."""
    MESSAGES_IN = "mmsgin"
    MESSAGES_OUT = "mmsgout"
    """Several of them (`mmsghdr`)."""

    # what it is depends on another argument
    BLOCK = "block"
    """The arguments themselves, in memory: old `mmap` and `select`."""
    SOCKETCALL = "socketcall"
    """As BLOCK; which call it is, is the argument before."""
    IOCTL_ARG = "ioctlarg"
    FCNTL_ARG = "fcntlarg"
    PRCTL_ARG = "prctlarg"
    FUTEX_ARG = "futexarg"
    """A timeout for the operations that wait, else a number."""
    SIGFRAME = "sigframe"
    """Not an argument: where the frame of a signal handler lies. `sigreturn` finds it by the user's esp,
    which is to be given as this argument."""

    # results only
    NONE = "none"
    """Never returns."""
    TIME = "time"
    SCHED = "sched"
    SIGRETURN = "sigreturn"
    """Whatever the interrupted program had in eax."""


class Arg(msgspec.Struct, frozen=True):
    """One argument; `size` is the index of the argument that holds its size in bytes or elements (or see
    above)."""

    name: str
    kind: Kind
    of: str = ""
    size: int = NO_SIZE


class Row(msgspec.Struct, frozen=True):
    """One system call. `win32` is '' where Windows has nothing comparable; `cost` is in ticks.

    `lacks` is what the handler does not do of what Linux's does: '' if it is whole, or if there is none.
    """

    number: int
    name: str
    args: tuple[Arg, ...]
    result: Kind
    category: Category
    win32: str
    cost: int
    note: str
    lacks: str = ""


_ARGUMENT = re.compile(r"(?P<kind>\w+)(?::(?P<of>\w+))? (?P<name>\w+)(?:\[(?P<size>\w+)\])?")


def _arg(text: str, index: dict[str, int]) -> Arg:
    """`in:pollfd fds[nfds]` as an `Arg`; `index` finds the argument that is meant by a size."""
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an argument: {text!r}")
    word, of, size = match["kind"], match["of"] or "", match["size"]
    kind = Kind(f"{word}:") if of and word in ("in", "out") else Kind(word)
    if size is None:
        return Arg(match["name"], kind, of)
    return Arg(match["name"], kind, of, RESULT_SIZE if size == "result" else index[size])


def _args(signature: str) -> tuple[Arg, ...]:
    texts = signature.split(", ") if signature else []
    index = {text.partition("[")[0].rpartition(" ")[2]: position for position, text in enumerate(texts)}
    return tuple(_arg(text, index) for text in texts)


_LACKS = {name: text for names, text in LACKS.items() for name in names.split()}


def _rows() -> dict[int, Row]:
    return {
        number: Row(
            number=number,
            name=name,
            args=_args(signature),
            result=Kind(result),
            category=Category(category),
            win32=win32,
            cost=COSTS.get(name, DEFAULT_COST),
            note=note,
            lacks=_LACKS.get(name, ""),
        )
        for number, name, signature, result, category, win32, note in ROWS
    }


_BY_NUMBER = _rows()

NR_syscalls = max(_BY_NUMBER) + 1

TABLE: tuple[Row | None, ...] = tuple(_BY_NUMBER.get(number) for number in range(NR_syscalls))
"""Rows by number; None where Linux never gave the number out."""

BY_NAME: dict[str, Row] = {row.name: row for row in _BY_NUMBER.values()}


# --- calls inside calls ---


def _part(name: str, of: str, signature: str = "") -> Row:
    """The row of a call that i386 has only inside another; apart from name and arguments it is as `of`."""
    like = BY_NAME[of]
    return msgspec.structs.replace(like, name=name, args=_args(signature) if signature else like.args)


_SENT = "fd fd, in buff[len], uint len, flags:msg flags"
_RECEIVED = "fd fd, out ubuf[result], uint size, flags:msg flags"
_ACCEPTED = "fd fd, out:sockaddr upeer_sockaddr[upeer_addrlen], inout:int upeer_addrlen"
_SEMAPHORES = "int semid, in:sembuf tsops[nsops], uint nsops"

SOCKET_CALLS: tuple[Row | None, ...] = (
    *(None, BY_NAME["socket"], BY_NAME["bind"], BY_NAME["connect"], BY_NAME["listen"]),
    *(_part("accept", "accept4", _ACCEPTED), BY_NAME["getsockname"], BY_NAME["getpeername"]),
    *(BY_NAME["socketpair"], _part("send", "sendto", _SENT), _part("recv", "recvfrom", _RECEIVED)),
    *(
        BY_NAME["sendto"],
        BY_NAME["recvfrom"],
        BY_NAME["shutdown"],
        BY_NAME["setsockopt"],
        BY_NAME["getsockopt"],
    ),
    *(BY_NAME["sendmsg"], BY_NAME["recvmsg"], BY_NAME["accept4"], BY_NAME["recvmmsg"], BY_NAME["sendmmsg"]),
)
"""The calls inside `socketcall` by their numbers (uapi linux/net.h)."""

_SEMOP = _part("semop", "semtimedop_time64", _SEMAPHORES)
_SEMTIMEDOP = _part("semtimedop", "semtimedop_time64", _SEMAPHORES + ", in:timespec timeout")

IPC_CALLS: dict[int, tuple[Row, tuple[int, ...]]] = {
    1: (_SEMOP, (1, 4, 2)),
    2: (BY_NAME["semget"], (1, 2, 3)),
    3: (_part("semctl", "semctl", "int semid, int semnum, semcmd cmd, in:addr arg"), (1, 2, 3, 4)),
    4: (_SEMTIMEDOP, (1, 4, 2, 5)),
    11: (BY_NAME["msgsnd"], (1, 4, 2, 3)),
    12: (BY_NAME["msgrcv"], (1, 4, 2, 5, 3)),
    13: (BY_NAME["msgget"], (1, 2)),
    14: (BY_NAME["msgctl"], (1, 2, 4)),
    21: (BY_NAME["shmat"], (1, 4, 2)),
    22: (BY_NAME["shmdt"], (4,)),
    23: (BY_NAME["shmget"], (1, 2, 3)),
    24: (BY_NAME["shmctl"], (1, 2, 4)),
}
"""The calls inside `ipc` by their numbers (uapi linux/ipc.h), and which of its arguments are theirs."""

_BLOCKS: dict[str, Row] = {
    "mmap": _part(
        "mmap", "mmap2", "addr addr, uint len, flags:prot prot, flags:map flags, fd fd, hex offset"
    ),
    "select": msgspec.structs.replace(BY_NAME["_newselect"], name="select"),
}

INNER_ROWS: tuple[Row, ...] = (
    *(row for row in SOCKET_CALLS if row is not None),
    *(row for row, _places in IPC_CALLS.values()),
    *_BLOCKS.values(),
)
"""All rows that `inner_call` can find; their numbers are those of the calls they resemble."""


_MSGRCV = 12
"""Of `ipc`; with 0 in the high half of the number it takes address and type of the message from memory."""


def argument_block(row: Row, args: tuple[int, ...]) -> tuple[int, int]:
    """Address and size in bytes of the block in memory that holds real arguments of this call; size 0 for
    none."""
    if row.name == "socketcall":
        inner = SOCKET_CALLS[args[0]] if args[0] < len(SOCKET_CALLS) else None
        return args[1], 4 * len(inner.args) if inner is not None else 0
    if row.name == "ipc":
        return args[4], 8 if args[0] == _MSGRCV else 0
    return args[0], 4 * len(_BLOCKS[row.name].args)


def _words(block: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(block[at : at + 4], "little") for at in range(0, len(block), 4))


def inner_call(row: Row, args: tuple[int, ...], block: bytes | None) -> tuple[Row, tuple[int, ...]] | None:
    """The call that a call with a block (old `mmap`, old `select`, `socketcall`) or `ipc` stands for, if
    any."""
    if row.name == "ipc":
        row_and_places = IPC_CALLS.get(args[0] & 0xFFFF)
        if row_and_places is None:
            return None
        inner, places = row_and_places
        words = [args[place] for place in places]
        if args[0] == _MSGRCV:
            if block is None:
                return None
            words[1], words[3] = _words(block)
        return inner, tuple(words)
    _address, size = argument_block(row, args)
    if block is None or not size or len(block) < size:
        return None
    called = SOCKET_CALLS[args[0]] if row.name == "socketcall" else _BLOCKS[row.name]
    assert called is not None
    return called, _words(block[:size])


HAS_INNER_CALL = frozenset({"mmap", "select", "socketcall", "ipc"})
"""Names of the rows for which `inner_call` may find one."""
