"""What the trace needs of user memory, taken when a system call begins and when it ends.

The log must be enough to write a call down as strace does, long after the memory has changed. So
`capture_enter` takes what a call reads (names, buffers to write, structures) and `capture_exit` what it
wrote. Both know only the row and a function that reads user memory; how the bytes are shown is `app/strace`'s
business.

One item per argument: None for a number, for memory that cannot be read, and for what does not apply. Rows
without pointers, and calls that failed, give `EMPTY`. Behind the items of a call that contains another
(`socketcall`, `ipc`, the old `mmap` and `select`) follow those of the inner one.

Items are the bytes of user memory, with these exceptions:
- strings come without their NUL, and at most `Extent.text` bytes of them (of paths `PATH_MAX`);
- `argv`, `envp`, vectors, one or several messages, directories have the encodings of `kernel/captured.py`;
- structures that say themselves how long they are, or point to more, are taken by `kernel/capture_sized.py`;
- `clone3` gives its structure filled up with zeros and behind it the `user_desc` that `tls` points to; at its
  end the words that `pidfd` and `parent_tid` point to, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from kernel import capture_sized
from kernel.abi import files, process, time, tty
from kernel.abi.errno import ERESTART_RESTARTBLOCK, Errno, errno_of
from kernel.abi.mman import PAGE_SIZE
from kernel.abi.structs import SIZES, Flock, Flock64, Termios, Winsize
from kernel.capture_sized import elements_at, memory_at
from kernel.captured import PLAIN, Extent, Message, Messages, Strings, Vector
from kernel.table import (
    HAS_INNER_CALL,
    INNER_ROWS,
    NO_SIZE,
    RESULT_SIZE,
    TABLE,
    Arg,
    Kind,
    Row,
    argument_block,
    inner_call,
)

Items = tuple[bytes | None, ...]
Args = tuple[int, ...]
Reader = Callable[[int, int], bytes | None]
EMPTY: Items = ()

_Enter = Callable[[int, Args, Reader], bytes | None]
_Exit = Callable[[int, Args, int, Reader], bytes | None]
_WORD = Struct("<I")
_PAIR = Struct("<II")
_ENVP_LIMIT = 4096


# --- reading ---


def _word(address: int, read: Reader) -> int | None:
    data = read(address, 4) if address else None
    return _WORD.unpack(data)[0] if data is not None else None


def _text(address: int, limit: int, read: Reader) -> bytes | None:
    """A NUL-terminated string without its NUL, `limit` bytes of it at most; never reads on into a page too
    many."""
    if address == 0:
        return None
    parts: list[bytes] = []
    while limit > 0:
        size = min(limit, PAGE_SIZE - address % PAGE_SIZE, 256)
        data = read(address, size)
        if data is None:
            return None
        text, found, _ = data.partition(b"\0")
        parts.append(text)
        if found:
            break
        address += size
        limit -= size
    return b"".join(parts)


def _pointers(address: int, limit: int, read: Reader) -> tuple[list[int], bool]:
    """The words of a NULL-terminated array of pointers, and whether its end was found within `limit`."""
    found: list[int] = []
    while len(found) < limit:
        words = min(limit - len(found), max(1, (PAGE_SIZE - address % PAGE_SIZE) // 4), 64)
        data = read(address, 4 * words)
        if data is None:
            return found, False
        for (pointer,) in _WORD.iter_unpack(data):
            if pointer == 0:
                return found, True
            found.append(pointer)
        address += 4 * words
    return found, False


# --- at the beginning ---


def _path(value: int, args: Args, read: Reader) -> bytes | None:
    return _text(value, files.PATH_MAX, read)


def _string(arg: Arg, extent: Extent) -> _Enter:
    limit = min(extent.text, _LONGEST.get(arg.of, extent.text))

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return _text(value, limit, read)

    return take


_LONGEST = {"memfd": files.MEMFD_NAME_MAX + 1}
"""Names of which the kernel looks at no more bytes."""


def _argv(arg: Arg, extent: Extent) -> _Enter:
    def take(value: int, args: Args, read: Reader) -> bytes | None:
        if value == 0:
            return None
        pointers, ended = _pointers(value, extent.elements, read)
        if not pointers and not ended:
            return None
        texts = [(pointer, _text(pointer, extent.text, read)) for pointer in pointers[: extent.elements - 1]]
        items = tuple(pointer if text is None else text for pointer, text in texts)
        return Strings(items, not ended).encode()

    return take


def _envp(arg: Arg, extent: Extent) -> _Enter:
    def take(value: int, args: Args, read: Reader) -> bytes | None:
        if value == 0:
            return None
        pointers, ended = _pointers(value, _ENVP_LIMIT, read)
        return _WORD.pack(len(pointers)) if ended else None

    return _argv(arg, extent) if extent.whole else take


def _buffer_in(arg: Arg, extent: Extent) -> _Enter:
    place = arg.size

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return memory_at(value, min(args[place], extent.text), read)

    return take


def _vectors(value: int, how_many: int, total: int, extent: Extent, read: Reader) -> bytes | None:
    """`total` limits what the vectors hold together, which is less than their lengths after a short read."""
    array = elements_at(value, 8, min(how_many, extent.elements), read)
    if array is None:
        return None
    found: list[bytes] = []
    for base, length in _PAIR.iter_unpack(array):
        held = min(length, total)
        total -= held
        found.append(Vector(base, length, memory_at(base, min(held, extent.text), read)).encode())
    return b"".join(found)


def _vectors_in(arg: Arg, extent: Extent) -> _Enter:
    place = arg.size

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return _vectors(value, args[place], _ALL, extent, read)

    return take


_ALL = 1 << 64
"""No limit to what vectors hold together."""


def _vectors_empty(arg: Arg, extent: Extent) -> _Enter:
    """Where data will go: shown if the call fails."""
    place = arg.size

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        array = elements_at(value, 8, min(args[place], extent.elements), read)
        if array is None:
            return None
        return b"".join(Vector(base, length, None).encode() for base, length in _PAIR.iter_unpack(array))

    return take


def _bytes_of(arg: Arg, args: Args, result: int, extent: Extent) -> int:
    """Bytes of the structure or array that an argument points to, as far as they are shown."""
    size = SIZES[arg.of]
    if arg.of == "fd_set":
        return min((args[0] + 31) // 32 * 4, size)
    if arg.size == NO_SIZE:
        return size
    number = result if arg.size == RESULT_SIZE else args[arg.size]
    if arg.of == "residency":
        number = (number + PAGE_SIZE - 1) // PAGE_SIZE
    if arg.of in ("sockaddr", "cpu_set", "sched_attr"):
        return min(number, size)
    if arg.of == "msgbuf":
        return size + min(number, extent.text)
    return size * min(number, extent.elements)


def _is_array(arg: Arg) -> bool:
    """Whether `arg.size` counts elements of it."""
    return arg.size != NO_SIZE and arg.of in _ARRAYS


_ARRAYS = ("pollfd", "epoll_event", "sembuf", "futex_waitv", "gid16", "gid32")


def _struct_in(arg: Arg, extent: Extent) -> _Enter:
    if arg.of in capture_sized.ENTER:
        return capture_sized.ENTER[arg.of]
    if arg.size == NO_SIZE and arg.of != "fd_set":
        size = SIZES[arg.of]

        def take_one(value: int, args: Args, read: Reader) -> bytes | None:
            return read(value, size) if value else None

        return take_one

    if _is_array(arg):
        each = SIZES[arg.of]

        def take_elements(value: int, args: Args, read: Reader) -> bytes | None:
            return elements_at(value, each, _bytes_of(arg, args, 0, extent) // each, read)

        return take_elements

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return memory_at(value, _bytes_of(arg, args, 0, extent), read)

    return take


def _message_in(arg: Arg, extent: Extent) -> _Enter:
    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return _message(value, files.MAX_RW_COUNT, extent, read)

    return take


def _message_header(value: int, args: Args, read: Reader) -> bytes | None:
    """Before anything is received only the header counts: how much room there is for a name."""
    header = read(value, SIZES["msghdr"]) if value else None
    return Message(header, None, None, None).encode() if header is not None else None


def _message(value: int, total: int, extent: Extent, read: Reader) -> bytes | None:
    header = read(value, SIZES["msghdr"]) if value else None
    if header is None:
        return None
    name, name_size, vectors, how_many, control, control_size, _flags = _MSGHDR.unpack(header)
    return Message(
        header,
        _address(name, name_size, read),
        _vectors(vectors, how_many, total, extent, read),
        memory_at(control, min(control_size, _CONTROL_LIMIT), read),
    ).encode()


def _messages(value: int, how_many: int, extent: Extent, read: Reader, *, received: bool) -> bytes | None:
    """As many of the messages as can be read; of what was received only the bytes that have come."""
    found: list[bytes] = []
    size = SIZES["mmsghdr"]
    for at in range(value, value + size * min(how_many, extent.elements), size):
        data = read(at, size)
        if data is None:
            break
        length = _WORD.unpack_from(data, size - 4)[0]
        message = _message(at, length if received else files.MAX_RW_COUNT, extent, read)
        if message is not None:
            found.append(Messages(Message.decode(message), length).encode())
    return b"".join(found) if value and (found or not how_many) else None


def _messages_in(arg: Arg, extent: Extent) -> _Enter:
    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return _messages(value, args[arg.size], extent, read, received=False)

    return take


def _messages_headers(arg: Arg, extent: Extent) -> _Enter:
    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return elements_at(value, SIZES["mmsghdr"], min(args[arg.size], extent.elements), read)

    return take


def _messages_sent(row: Row, arg: Arg, extent: Extent) -> _Exit:
    """How long each was that has been sent; the rest was taken when the call began."""

    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return elements_at(value, SIZES["mmsghdr"], min(result, extent.elements), read)

    return take


def _messages_received(row: Row, arg: Arg, extent: Extent) -> _Exit:
    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return _messages(value, result, extent, read, received=True)

    return take


def _address(where: int, length: int, read: Reader) -> bytes | None:
    """A socket's address. The kernel may have left a part of it out, for which there was no room: what is
    behind may not be there."""
    length = min(length, SIZES["sockaddr"])
    data = memory_at(where, length, read)
    near = PAGE_SIZE - where % PAGE_SIZE
    return read(where, near) if data is None and where and near < length else data


_MSGHDR = Struct("<IIIIIII")
_CONTROL_LIMIT = 256


_FUTEX_WAITS = {
    *(time.FUTEX_WAIT, time.FUTEX_LOCK_PI, time.FUTEX_LOCK_PI2, time.FUTEX_WAIT_BITSET),
    time.FUTEX_WAIT_REQUEUE_PI,
}
_FUTEX_COMMAND = 0x7F


def _futex_in(arg: Arg, extent: Extent) -> _Enter:
    size = SIZES[arg.of]

    def take(value: int, args: Args, read: Reader) -> bytes | None:
        return memory_at(value, size, read) if args[1] & _FUTEX_COMMAND in _FUTEX_WAITS else None

    return take


_TERMIO = 18
"""`struct termio` of asm-generic/termios.h, the older one."""
_IOCTL_IN = {
    **dict.fromkeys((tty.TCSETS, tty.TCSETSW, tty.TCSETSF), Termios.SIZE),
    **dict.fromkeys((tty.TCSETS2, tty.TCSETSW2, tty.TCSETSF2), Termios.SIZE),
    **dict.fromkeys((tty.TCSETA, tty.TCSETAW, tty.TCSETAF), _TERMIO),
    **dict.fromkeys((tty.TIOCSPGRP, tty.FIONBIO, tty.FIOASYNC, tty.TIOCSPTLCK, tty.TIOCSETD), 4),
    **dict.fromkeys((tty.TIOCPKT, tty.TIOCMBIS, tty.TIOCMBIC, tty.TIOCMSET), 4),
    tty.TIOCSWINSZ: Winsize.SIZE,
    files.FICLONERANGE: 32,
    tty.TIOCSTI: 1,
}
_IOCTL_OUT = {
    **dict.fromkeys((tty.TCGETS, tty.TCGETS2), Termios.SIZE),
    tty.TCGETA: _TERMIO,
    **dict.fromkeys((tty.TIOCGPGRP, tty.TIOCGSID, tty.FIONREAD, tty.TIOCOUTQ, tty.TIOCGPTN, tty.TIOCGETD), 4),
    **dict.fromkeys((tty.TIOCGPTLCK, tty.TIOCGEXCL, tty.TIOCMGET), 4),
    tty.TIOCGWINSZ: Winsize.SIZE,
}
_FCNTL_LOCKS = {
    **dict.fromkeys((files.F_SETLK, files.F_SETLKW), Flock.SIZE),
    **dict.fromkeys((files.F_SETLK64, files.F_SETLKW64, files.F_OFD_SETLK, files.F_OFD_SETLKW), Flock64.SIZE),
    files.F_SETOWN_EX: 8,
}
_FCNTL_GETS = {
    files.F_GETLK: Flock.SIZE,
    **dict.fromkeys((files.F_GETLK64, files.F_OFD_GETLK), Flock64.SIZE),
    files.F_GETOWN_EX: 8,
}
_PRCTL_WORDS = {
    *(process.PR_GET_PDEATHSIG, process.PR_GET_CHILD_SUBREAPER, process.PR_GET_TSC, process.PR_GET_UNALIGN),
    *(process.PR_GET_FPEMU, process.PR_GET_FPEXC, process.PR_GET_ENDIAN, process.PR_GET_TID_ADDRESS),
}


def _ioctl_in(value: int, args: Args, read: Reader) -> bytes | None:
    return memory_at(value, _IOCTL_IN[args[1]], read) if args[1] in _IOCTL_IN else None


def _fcntl_in(value: int, args: Args, read: Reader) -> bytes | None:
    size = _FCNTL_LOCKS.get(args[1]) or _FCNTL_GETS.get(args[1])
    return memory_at(value, size, read) if size else None


def _prctl_in(value: int, args: Args, read: Reader) -> bytes | None:
    return _text(value, process.TASK_COMM_LEN, read) if args[0] == process.PR_SET_NAME else None


def _prctl_of(arg: Arg, extent: Extent) -> _Enter:
    """The second argument, or the last one: PR_SET_VMA's names a mapping."""

    def take_name(value: int, args: Args, read: Reader) -> bytes | None:
        return _text(value, extent.text, read) if args[0] == process.PR_SET_VMA else None

    return take_name if arg.of else _prctl_in


# --- at the end ---


def _string_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return memory_at(value, min(result, files.PATH_MAX), read)


def _buffer_out(row: Row, arg: Arg, extent: Extent) -> _Exit:
    """As much as the call returned, and no more than there was room for: how much is the argument behind."""
    place = row.args.index(arg) + 1

    def room_of(args: Args) -> int:
        return args[place]

    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        if arg.size == RESULT_SIZE:
            return memory_at(value, min(result, room_of(args), extent.text), read)
        number = (
            _word(args[arg.size], read) if row.args[arg.size].kind is Kind.STRUCT_INOUT else args[arg.size]
        )
        return memory_at(value, min(number, extent.text), read) if number is not None else None

    return take


def _vectors_out(row: Row, arg: Arg, extent: Extent) -> _Exit:
    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return _vectors(value, args[arg.size], result, extent, read)

    return take


_DIRENT_LENGTH = {"dirents": 8, "dirents64": 16}


def _entries(arg: Arg, extent: Extent) -> _Exit:
    """Directory entries: how many there are, found by their lengths (`d_reclen`); all of them if wanted."""
    place = _DIRENT_LENGTH[arg.of]

    def take_all(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return memory_at(value, result, read)

    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        entries = at = 0
        while at < result:
            length = read(value + at + place, 2)
            if length is None or length == b"\0\0":
                return None
            at += int.from_bytes(length, "little")
            entries += 1
        return _WORD.pack(entries)

    return take_all if extent.whole else take


def _struct_out(row: Row, arg: Arg, extent: Extent) -> _Exit:
    if arg.of in _DIRENT_LENGTH:
        return _entries(arg, extent)
    if arg.of in capture_sized.LEAVE:
        return capture_sized.LEAVE[arg.of]
    if arg.of == "sockaddr":

        def take_address(value: int, args: Args, result: int, read: Reader) -> bytes | None:
            length = _word(args[arg.size], read)
            return _address(value, length, read) if length is not None else None

        return take_address
    if row.result is Kind.PID and arg.of in ("wstatus", "rusage"):
        size = SIZES[arg.of]

        def take_status(value: int, args: Args, result: int, read: Reader) -> bytes | None:
            return memory_at(value, size, read) if result > 0 else None

        return take_status

    taken = extent._replace(shown=max(extent.shown, _POLLED)) if arg.of == "pollfd" else extent

    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return memory_at(value, _bytes_of(arg, args, result, taken), read)

    return take


_POLLED = 1023
"""Of so many descriptors it is looked for those that are ready."""


def _remainder(arg: Arg) -> _Exit:
    size = SIZES[arg.of]

    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return memory_at(value, size, read)

    return take


def _message_out(row: Row, arg: Arg, extent: Extent) -> _Exit:
    def take(value: int, args: Args, result: int, read: Reader) -> bytes | None:
        return _message(value, result, extent, read)

    return take


def _ioctl_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return memory_at(value, _IOCTL_OUT[args[1]], read) if args[1] in _IOCTL_OUT else None


def _fcntl_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return memory_at(value, _FCNTL_GETS[args[1]], read) if args[1] in _FCNTL_GETS else None


def _nothing_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    return None


def _prctl_out(value: int, args: Args, result: int, read: Reader) -> bytes | None:
    if args[0] == process.PR_GET_NAME:
        return _text(value, process.TASK_COMM_LEN, read)
    return memory_at(value, 4, read) if args[0] in _PRCTL_WORDS else None


# --- per row, once ---

_ENTER_MAKERS: dict[Kind, Callable[[Arg, Extent], _Enter]] = {
    Kind.PATH: lambda arg, extent: _path,
    Kind.STRING: _string,
    Kind.ARGV: _argv,
    Kind.ENVP: _envp,
    Kind.BUF_IN: _buffer_in,
    Kind.IOVEC_IN: _vectors_in,
    Kind.IOVEC_OUT: _vectors_empty,
    Kind.IOVEC_ADDR: _vectors_empty,
    Kind.STRUCT_IN: _struct_in,
    Kind.STRUCT_INOUT: _struct_in,
    Kind.CLONE_ARGS: lambda arg, extent: capture_sized.clone_args,
    Kind.MESSAGE_IN: _message_in,
    Kind.MESSAGE_OUT: lambda arg, extent: _message_header,
    Kind.MESSAGES_IN: _messages_in,
    Kind.MESSAGES_OUT: _messages_headers,
    Kind.FUTEX_ARG: _futex_in,
    Kind.IOCTL_ARG: lambda arg, extent: _ioctl_in,
    Kind.FCNTL_ARG: lambda arg, extent: _fcntl_in,
    Kind.PRCTL_ARG: _prctl_of,
    Kind.SIGFRAME: lambda arg, extent: capture_sized.frame_mask(arg.of),
}
_EXIT_MAKERS: dict[Kind, Callable[[Row, Arg, Extent], _Exit]] = {
    Kind.STRING_OUT: lambda row, arg, extent: _string_out,
    Kind.BUF_OUT: _buffer_out,
    Kind.IOVEC_OUT: _vectors_out,
    Kind.STRUCT_OUT: _struct_out,
    Kind.STRUCT_INOUT: _struct_out,
    Kind.CLONE_ARGS: lambda row, arg, extent: capture_sized.clone_args_out,
    Kind.MESSAGE_OUT: _message_out,
    Kind.MESSAGES_IN: _messages_sent,
    Kind.MESSAGES_OUT: _messages_received,
    Kind.IOCTL_ARG: lambda row, arg, extent: _ioctl_out,
    Kind.FCNTL_ARG: lambda row, arg, extent: _fcntl_out,
    Kind.PRCTL_ARG: lambda row, arg, extent: _nothing_out if arg.of else _prctl_out,
}
_INTERRUPTED = (-Errno.EINTR, -ERESTART_RESTARTBLOCK)
"""Results after which what is left of a sleep has been written."""

_Enters = tuple[tuple[int, _Enter], ...]
_Exits = tuple[tuple[int, _Exit], ...]


class _Plan(NamedTuple):
    """What to do for a row: which arguments to follow, and how; nothing for most rows."""

    arguments: int
    enter: _Enters
    leave: _Exits
    interrupted: _Exits
    failed: tuple[tuple[int, _Exits], ...]
    """By results of calls that failed."""


def _plan(row: Row, extent: Extent) -> _Plan:
    places = list(enumerate(row.args))
    return _Plan(
        len(row.args),
        tuple(
            (place, _ENTER_MAKERS[arg.kind](arg, extent))
            for place, arg in places
            if arg.kind in _ENTER_MAKERS
        ),
        tuple(
            (place, _EXIT_MAKERS[arg.kind](row, arg, extent))
            for place, arg in places
            if arg.kind in _EXIT_MAKERS
        ),
        tuple((place, _remainder(arg)) for place, arg in places if arg.kind is Kind.REMAINDER),
        tuple(
            (result, found)
            for result, takers in capture_sized.FAILED.items()
            if (found := tuple((place, takers[arg.of]) for place, arg in places if arg.of in takers))
        ),
    )


_NOTHING = _Plan(0, (), (), (), ())


def _run_enter(plan: _Plan, args: Args, read: Reader) -> Items:
    if not plan.enter:
        return EMPTY
    items: list[bytes | None] = [None] * plan.arguments
    for place, take in plan.enter:
        items[place] = take(args[place], args, read)
    return tuple(items)


def _run_exit(plan: _Plan, args: Args, result: int, read: Reader) -> Items:
    if not errno_of(result):
        todo = plan.leave
    elif result in _INTERRUPTED:
        todo = plan.interrupted
    else:
        todo = next((takers for failed, takers in plan.failed if failed == result), ())
    if not todo:
        return EMPTY
    items: list[bytes | None] = [None] * plan.arguments
    for place, take in todo:
        items[place] = take(args[place], args, result, read)
    return tuple(items)


def _inner(row: Row, args: Args, read: Reader) -> tuple[Items, tuple[Row, Args] | None]:
    """The outer call's own items, which are its block of arguments if it has one, and the call inside."""
    address, size = argument_block(row, args)
    block = read(address, size) if size else None
    own: Items = (None,) * (len(row.args) - 1) + (block,)
    return own, inner_call(row, args, block)


class Capture:
    """Takes what calls read and write of user memory, as far as `extent` says."""

    def __init__(self, extent: Extent = PLAIN) -> None:
        self._plans = tuple(_plan(row, extent) if row is not None else _NOTHING for row in TABLE)
        self._inner_plans = {row.name: _plan(row, extent) for row in INNER_ROWS}

    def enter(self, row: Row, args: Args, read_user: Reader) -> Items:
        """What the call will read of user memory. `args` are at least the row's, as unsigned words.

        For `sigreturn` and `rt_sigreturn` the first of them is to be the user's esp, which no register
        argument holds. `read_user(address, size)` gives None unless all bytes can be read.
        """
        plan = self._plans[row.number]
        if plan.enter:
            return _run_enter(plan, args, read_user)
        if row.name not in HAS_INNER_CALL:
            return EMPTY
        block, inner = _inner(row, args, read_user)
        if inner is None:
            return block
        called, inner_args = inner
        return block + _run_enter(self._inner_plans[called.name], inner_args, read_user)

    def captures(self, row: Row) -> tuple[bool, bool]:
        """Whether `enter` and `exit` may give anything for this row at all."""
        plan = self._plans[row.number]
        inner = row.name in HAS_INNER_CALL
        return bool(plan.enter) or inner, bool(plan.leave or plan.interrupted or plan.failed) or inner

    def exit(self, row: Row, args: Args, result: int, read_user: Reader) -> Items:
        """What the call wrote to user memory, given its signed `result`: nothing unless it succeeded.

        The exception are sleeps that a signal ended (-EINTR or -ERESTART_RESTARTBLOCK), which write what is
        left, and `capture_sized.FAILED`.
        """
        plan = self._plans[row.number]
        if plan.leave or plan.interrupted:
            return _run_exit(plan, args, result, read_user)
        if row.name not in HAS_INNER_CALL:
            return EMPTY
        block, inner = _inner(row, args, read_user)
        if inner is None:
            return EMPTY
        called, inner_args = inner
        items = _run_exit(self._inner_plans[called.name], inner_args, result, read_user)
        if row.name == "ipc" and called.name == "shmat" and not errno_of(result):
            items = (*(None for _ in called.args), read_user(args[3], 4))
        return (None,) * len(block) + items if items else EMPTY


_PLAIN = Capture()
capture_enter = _PLAIN.enter
"""What the log has of a call's beginning."""
capture_exit = _PLAIN.exit
"""And of its end."""
captures = _PLAIN.captures
