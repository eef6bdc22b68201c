"""Any argument as text, by its kind alone: what suffices for most calls.

`argument(call, place)` gives the text, `part(call, place)` says besides whether it needs what the call left
behind, `parts(call)` takes all arguments, `struct_at` shows a structure wherever it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import unpack_from

from app.strace import structs, text
from app.strace.call import Call, Part
from app.strace.names import NAMES, Flags
from app.strace.structs import files as file_structs
from app.strace.structs import numbers as number_structs
from app.strace.structs import signals as signal_structs
from app.strace.structs import sockets as socket_structs
from app.strace.style import current, descriptor, file_behind
from app.strace.text import address, hexadecimal, name
from kernel.abi import files, time
from kernel.captured import Message, Messages, Strings, Vector, count
from kernel.table import NO_SIZE, RESULT_SIZE, Kind

_Show = Callable[[Call, int], str]


# --- numbers ---


def _int(call: Call, place: int) -> str:
    return str(call.number(place))


def _uint(call: Call, place: int) -> str:
    return str(call.word(place))


def _hex(call: Call, place: int) -> str:
    return hexadecimal(call.word(place))


def _address(call: Call, place: int) -> str:
    return address(call.word(place))


def _fd(call: Call, place: int) -> str:
    return descriptor(call.number(place))


def _dirfd(call: Call, place: int) -> str:
    fd = call.number(place)
    return f"AT_FDCWD{file_behind(fd)}" if fd == files.AT_FDCWD else descriptor(fd)


def _uid(call: Call, place: int) -> str:
    """A user's or group's id; -1 means "leave it", in 16 or 32 bits."""
    value = call.word(place)
    if call.row.name in _IDS_16:
        return number_structs.uid16(value)
    return "-1" if value == 0xFFFFFFFF else str(value)


_IDS_16 = frozenset(
    ("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid")
) | {"chown", "fchown", "lchown"}


def _mode(call: Call, place: int) -> str:
    return text.mode(call.word(place) & 0xFFFF)


def _file_mode(call: Call, place: int) -> str:
    return text.file_mode(call.word(place) & 0xFFFF)


def _device(call: Call, place: int) -> str:
    return text.device(call.word(place))


def _signal(call: Call, place: int) -> str:
    return text.signal_of(call.word(place))


def _handler(call: Call, place: int) -> str:
    return signal_structs.handler(call.word(place))


def _sigmask(call: Call, place: int) -> str:
    return text.signal_set(call.word(place), 4)


def _page_offset(call: Call, place: int) -> str:
    return hexadecimal(call.word(place) * 4096)


def _wide(call: Call, place: int) -> str:
    value = call.wide(place)
    return str(value if call.arg(place).of == "unsigned" else text.signed64(value))


def _key(call: Call, place: int) -> str:
    return hexadecimal(call.word(place)) if call.word(place) else "IPC_PRIVATE"


def _flags(call: Call, place: int) -> str:
    of = call.arg(place).of
    return file_structs.open_flags(call.word(place)) if of == "open" else text.flags(call.word(place), of)


def _enum(call: Call, place: int) -> str:
    return name(call.word(place), call.arg(place).of)


def _ipc_mode(call: Call, place: int) -> str:
    value = call.word(place)
    known = text.flags(value & ~0o777, call.arg(place).of)
    return f"{known}|{text.mode(value & 0o777)}" if value & ~0o777 else text.mode(value & 0o777)


_IPC_64 = 0x100


def _ipc_command(of: str) -> _Show:
    def show(call: Call, place: int) -> str:
        value = call.word(place)
        command = name(value & ~_IPC_64, of)
        return f"IPC_64|{command}" if value & _IPC_64 else command

    return show


def _ioctl(call: Call, place: int) -> str:
    """The request's name, or its parts: direction, type, number, size (`asm-generic/ioctl.h`)."""
    request = call.word(place)
    known = NAMES["ioctl"].names.get(request)
    if known is not None:
        return known
    ways = text.flags_of(request >> 30, _IOC_WAYS)
    size, kind, number = request >> 16 & 0x3FFF, request >> 8 & 0xFF, request & 0xFF
    return f"_IOC({ways}, {hexadecimal(kind)}, {hexadecimal(number)}, {hexadecimal(size)})"


_IOC_WAYS = Flags(((2, "_IOC_READ"), (1, "_IOC_WRITE")), "", "_IOC_NONE")


def _socket_type(call: Call, place: int) -> str:
    value = call.word(place)
    known = NAMES["socket_type"].names.get(value & 0xF)
    if known is None:
        return text.flags(value, "sock")
    return f"{known}|{text.flags(value & ~0xF, 'sock')}" if value & ~0xF else known


def _socket_option(call: Call, place: int) -> str:
    names = {1: "socket_option", 0: "ip_option", 6: "tcp_option"}.get(call.word(place - 1))
    return name(call.word(place), names) if names is not None else hexadecimal(call.word(place))


_FUTEX_OPS = {
    getattr(time, word): word
    for word in (
        *("FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_FD", "FUTEX_REQUEUE", "FUTEX_CMP_REQUEUE", "FUTEX_WAKE_OP"),
        *("FUTEX_LOCK_PI", "FUTEX_UNLOCK_PI", "FUTEX_TRYLOCK_PI", "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET"),
        *("FUTEX_WAIT_REQUEUE_PI", "FUTEX_CMP_REQUEUE_PI", "FUTEX_LOCK_PI2"),
    )
}
_FUTEX_TIMED = (time.FUTEX_WAIT, time.FUTEX_WAIT_BITSET, time.FUTEX_WAIT_REQUEUE_PI)
"""Operations that may choose their clock."""
_FUTEX_REST = ~(0x7F | time.FUTEX_PRIVATE_FLAG | time.FUTEX_CLOCK_REALTIME)


def _futex_op(call: Call, place: int) -> str:
    value = call.word(place)
    word = _FUTEX_OPS.get(value & 0x7F)
    timed = value & 0x7F in _FUTEX_TIMED
    if word is None or value & _FUTEX_REST or (value & time.FUTEX_CLOCK_REALTIME and not timed):
        return f"{value:#x} /* FUTEX_??? */"
    shown = f"{word}_PRIVATE" if value & time.FUTEX_PRIVATE_FLAG else word
    return shown + ("|FUTEX_CLOCK_REALTIME" if value & time.FUTEX_CLOCK_REALTIME else "")


# --- text and bytes ---


def _path(call: Call, place: int) -> str:
    data = call.before(place)
    if data is None:
        return _address(call, place)
    return text.quote(data[: files.PATH_MAX - 1], more=len(data) >= files.PATH_MAX)


def _string(call: Call, place: int) -> str:
    data = call.before(place)
    return text.text_of(data) if data is not None else _address(call, place)


def _string_out(call: Call, place: int) -> str:
    data = call.after(place)
    return text.quote(data[:-1]) if data is not None else _address(call, place)


def _buffer_in(call: Call, place: int) -> str:
    data = call.before(place)
    return text.bytes_of(data, call.word(call.arg(place).size)) if data is not None else _address(call, place)


def _buffer_out(call: Call, place: int) -> str:
    data = call.after(place)
    return text.bytes_of(data, len(data)) if data is not None else _address(call, place)


def _vectors(data: bytes | None, call: Call, place: int) -> str:
    how_many = call.word(call.arg(place).size)
    return vectors_text(data, how_many, call.word(place)) if data is not None else _address(call, place)


def vectors_text(data: bytes, how_many: int, where: int) -> str:
    """`[{iov_base="abc", iov_len=3}]`: of `how_many` at `where` those that were taken."""
    vectors = [
        f"{{iov_base={address(base) if taken is None else text.text_of(taken)}, iov_len={length}}}"
        for base, length, taken in Vector.decode_all(data)
    ]
    return text.elements_of(vectors, how_many, where, _IOVEC)


_IOVEC = 8
"""sizeof(struct iovec)."""


def _vectors_in(call: Call, place: int) -> str:
    return _vectors(call.before(place), call, place)


def _vectors_out(call: Call, place: int) -> str:
    data = call.after(place)
    return _vectors(call.before(place) if data is None else data, call, place)


def _vectors_elsewhere(call: Call, place: int) -> str:
    return _vectors(call.before(place), call, place)


def _argv(call: Call, place: int) -> str:
    data = call.before(place)
    if data is None:
        return _address(call, place)
    strings = Strings.decode(data)
    shown = [address(item) if isinstance(item, int) else text.text_of(item) for item in strings.items]
    return text.array(shown, more=strings.more)


def _envp(call: Call, place: int) -> str:
    data = call.before(place)
    if data is None:
        return _address(call, place)
    if current().verbose:
        return _argv(call, place)
    variables = count(data)
    return f"{_address(call, place)} /* {variables} var{'' if variables == 1 else 's'} */"


# --- structures ---


def struct_at(data: bytes | None, of: str, where: int) -> str:
    """A structure by its name; its address where it could not be read."""
    if data is None or (of == "sockaddr" and len(data) == 1):
        return address(where)
    show = structs.STRUCTS.get(of)
    return show(data) if show is not None else text.hex_of(data)


def struct(data: bytes | None, call: Call, place: int) -> str:
    """The structure or the array of them that an argument points to."""
    arg = call.arg(place)
    if data is not None and arg.of in structs.ITEMS and arg.size != NO_SIZE:
        how_many = call.value if arg.size == RESULT_SIZE else call.word(arg.size)
        return structs.items(data, arg.of, how_many, call.word(place))
    return struct_at(data, arg.of, call.word(place))


def _struct_in(call: Call, place: int) -> str:
    return struct(call.before(place), call, place)


def _struct_out(call: Call, place: int) -> str:
    return struct(call.after(place), call, place)


def _message_in(call: Call, place: int) -> str:
    data = call.before(place)
    if data is None:
        return _address(call, place)
    message = Message.decode(data)
    return _message(message, str(unpack_from("<i", message.header, 4)[0]))


def _message_out(call: Call, place: int) -> str:
    before, after = call.before(place), call.after(place)
    if before is None:
        return _address(call, place)
    room = unpack_from("<i", before, 4)[0]
    if after is None:
        return f"{{msg_namelen={room}}}"
    return _message(*_named(Message.decode(after), room))


def _named(message: Message, room: int) -> tuple[Message, str]:
    """What was received, with as much of the sender's address as there was room for, and that one's size."""
    used = unpack_from("<i", message.header, 4)[0]
    if message.name is not None:
        message = message._replace(name=message.name[: max(room, 0)])
    return message, str(used) if used == room else f"{room} => {used}"


def _message(message: Message, name_size: str) -> str:
    """A `msghdr`: whom to or from, the data, and what goes with it (`man 2 recvmsg`)."""
    name_at, _, vectors_at, how_many, control_at, control_size, how = unpack_from("<IiIIIII", message.header)
    peer = message.name
    shown = structs.STRUCTS["sockaddr"](peer) if peer and len(peer) > 1 else address(name_at)
    given = message.vectors
    data = vectors_text(given, how_many, vectors_at) if given is not None else address(vectors_at)
    fields = [f"msg_name={shown}", f"msg_namelen={name_size}", f"msg_iov={data}", f"msg_iovlen={how_many}"]
    if control_size:
        control = message.control
        at = address(control_at)
        told = socket_structs.control(control, control_at) if control is not None else at
        fields.append(f"msg_control={told}")
    return text.structure([*fields, f"msg_controllen={control_size}", f"msg_flags={text.flags(how, 'msg')}"])


_MMSGHDR = 32
"""sizeof(struct mmsghdr): a msghdr and its length."""


def _messages_in(call: Call, place: int) -> str:
    """Several messages: those that were sent with their lengths."""
    data, sent = call.before(place), call.after(place) or b""
    if data is None:
        return _address(call, place)
    lengths = [unpack_from("<I", sent, at)[0] for at in range(_MMSGHDR - 4, len(sent), _MMSGHDR)]
    shown = [
        _one_of_messages(message, str(unpack_from("<i", message.header, 4)[0]), lengths[at : at + 1])
        for at, (message, _) in enumerate(Messages.decode_all(data))
    ]
    return text.elements_of(shown, call.word(call.arg(place).size), call.word(place), _MMSGHDR)


def _messages_out(call: Call, place: int) -> str:
    before, data = call.before(place), call.after(place)
    if before is None or data is None:
        return _address(call, place)
    shown: list[str] = []
    for at, (message, length) in enumerate(Messages.decode_all(data)):
        room = unpack_from("<i", before, _MMSGHDR * at + 4)[0] if _MMSGHDR * at < len(before) else 0
        shown.append(_one_of_messages(*_named(message, room), [length]))
    return text.elements_of(shown, call.value, call.word(place), _MMSGHDR)


def _one_of_messages(message: Message, name_size: str, length: Sequence[int]) -> str:
    fields = [f"msg_hdr={_message(message, name_size)}", *(f"msg_len={one}" for one in length)]
    return text.structure(fields)


def _sigframe(call: Call, place: int) -> str:
    data = call.before(place)
    return f"{{mask={signal_structs.sigset(data)}}}" if data is not None else ""


_SHOW: dict[Kind, _Show] = {
    Kind.INT: _int,
    Kind.UINT: _uint,
    Kind.HEX: _hex,
    Kind.ADDR: _address,
    Kind.FD: _fd,
    Kind.DIRFD: _dirfd,
    Kind.PID: _int,
    Kind.UID: _uid,
    Kind.GID: _uid,
    Kind.MODE: _mode,
    Kind.FILE_MODE: _file_mode,
    Kind.DEV: _device,
    Kind.SIGNAL: _signal,
    Kind.HANDLER: _handler,
    Kind.SIGMASK: _sigmask,
    Kind.OFFSET: _int,
    Kind.PAGE_OFFSET: _page_offset,
    Kind.LOW: _wide,
    Kind.HIGH: _wide,
    Kind.KEY: _key,
    Kind.FLAGS: _flags,
    Kind.ENUM: _enum,
    Kind.IPC_MODE: _ipc_mode,
    Kind.IOCTL: _ioctl,
    Kind.SOCKET_TYPE: _socket_type,
    Kind.SOCKET_OPTION: _socket_option,
    Kind.FUTEX_OP: _futex_op,
    Kind.SEM_COMMAND: _ipc_command("semctl"),
    Kind.SHM_COMMAND: _ipc_command("shmctl"),
    Kind.MSG_COMMAND: _ipc_command("msgctl"),
    Kind.PATH: _path,
    Kind.STRING: _string,
    Kind.STRING_OUT: _string_out,
    Kind.BUF_IN: _buffer_in,
    Kind.BUF_OUT: _buffer_out,
    Kind.IOVEC_IN: _vectors_in,
    Kind.IOVEC_OUT: _vectors_out,
    Kind.IOVEC_ADDR: _vectors_elsewhere,
    Kind.ARGV: _argv,
    Kind.ENVP: _envp,
    Kind.STRUCT_IN: _struct_in,
    Kind.STRUCT_OUT: _struct_out,
    Kind.STRUCT_INOUT: _struct_in,
    Kind.REMAINDER: _struct_out,
    Kind.CLONE_ARGS: _address,
    Kind.MESSAGE_IN: _message_in,
    Kind.MESSAGE_OUT: _message_out,
    Kind.MESSAGES_IN: _messages_in,
    Kind.MESSAGES_OUT: _messages_out,
    Kind.BLOCK: _address,
    Kind.SOCKETCALL: _address,
    Kind.IOCTL_ARG: _hex,
    Kind.FCNTL_ARG: _hex,
    Kind.PRCTL_ARG: _hex,
    Kind.FUTEX_ARG: _struct_in,
    Kind.SIGFRAME: _sigframe,
}
_LATE = frozenset(
    (
        *(Kind.MESSAGE_OUT, Kind.MESSAGES_IN, Kind.MESSAGES_OUT, Kind.STRING_OUT, Kind.BUF_OUT),
        *(Kind.IOVEC_OUT, Kind.STRUCT_OUT, Kind.REMAINDER),
    )
)


def argument(call: Call, place: int) -> str:
    """The text of one argument."""
    return _SHOW[call.arg(place).kind](call, place)


def part(call: Call, place: int) -> Part:
    """One argument as a part; a late one has no text before the call has returned."""
    late = call.arg(place).kind in _LATE
    return Part("" if late and not call.returned else argument(call, place), late)


def parts(call: Call) -> list[Part]:
    """All arguments, the halves of a 64-bit number as one."""
    shown: list[Part] = []
    half = False
    for place, arg in enumerate(call.row.args):
        if arg.kind in (Kind.LOW, Kind.HIGH) and not half:
            half = True
        elif half:
            half = False
            continue
        shown.append(part(call, place))
    return shown
