"""Messages: socket addresses, control messages, socket options, semaphores, message queues."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace import text
from app.strace.structs.numbers import user_id, words
from app.strace.style import descriptor
from app.strace.text import array, flags, hexadecimal, name, signed, structure
from kernel.abi.errno import STRERROR, Errno
from kernel.abi.ipc import SO_ERROR


def _sockaddr(data: bytes) -> str:
    if len(data) < 2:
        return structure((f"sa_family={name(0, 'family')}",), more=True)
    family = unpack_from("<H", data)[0]
    rest = data[2:]
    if family == 1:
        return _unix_address(rest)
    if family == 2 and len(rest) >= 6:
        port = int.from_bytes(rest[:2], "big")
        host = ".".join(str(byte) for byte in rest[2:6])
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'
    return f"{{sa_family={name(family, 'family')}, sa_data={text.quote(rest)}}}"


def _unix_address(path: bytes) -> str:
    if not path:
        return "{sa_family=AF_UNIX}"
    if path[:1] == b"\0" and len(path) > 1:
        return f"{{sa_family=AF_UNIX, sun_path=@{text.quote(path[1:])}}}"
    return f"{{sa_family=AF_UNIX, sun_path={text.quote(text.cstring(path))}}}"


def control(data: bytes, start: int = 0) -> str:
    """Control messages at `start`: descriptors and credentials that are passed along (`man 3 cmsg`)."""
    found: list[str] = []
    at = 0
    while at + 12 <= len(data):
        size, level, kind = unpack_from("<Iii", data, at)
        shown = f"cmsg_len={size}, cmsg_level={name(level & 0xFFFFFFFF, 'sol')}"
        shown += f", cmsg_type={_control_type(level, kind)}"
        body = data[at + 12 : at + size]
        if size < 12:
            found.append(f"{{{shown}}}")
            if at + 12 < len(data):
                found.append(f"... /* {text.address(start + at + 12)} */")
            break
        inside = _control_data(level, kind, body) if body else ""
        found.append(f"{{{shown}, cmsg_data={inside}}}" if inside else f"{{{shown}}}")
        at += (size + 3) & ~3
    return array(found)


def _control_type(level: int, kind: int) -> str:
    names = {0: "ip_option", 1: "scm"}.get(level)
    return name(kind & 0xFFFFFFFF, names) if names is not None else hexadecimal(kind & 0xFFFFFFFF)


def _control_data(level: int, kind: int, body: bytes) -> str:
    if level == 1 and kind == 1:
        fds = list(words(body))
        return array(
            [descriptor(signed(fd)) for fd in fds[: text.elements()]], more=len(fds) > text.elements()
        )
    if level == 1 and kind == 2:
        return _credentials(body) if len(body) >= 12 else ""
    return text.hex_of(body)


def _credentials(data: bytes) -> str:
    pid, uid, gid = unpack_from("<iII", data)
    return f"{{pid={pid}, uid={user_id(uid)}, gid={user_id(gid)}}}"


def socket_option(data: bytes, level: int, option: int) -> str | None:
    """The value of a socket option; None for one that is just bytes."""
    if level == 1 and option == 17 and len(data) >= 12:
        return _credentials(data)
    if level == 1 and option == 13 and len(data) == 8:
        return "{{l_onoff={}, l_linger={}}}".format(*unpack_from("<ii", data))
    if level == 1 and option == SO_ERROR and len(data) == 4:
        error = unpack_from("<i", data)[0]
        return f"[{Errno(error).name if error in STRERROR else error}]"
    return f"[{unpack_from('<i', data)[0]}]" if len(data) == 4 else None


def sembuf(data: bytes) -> str:
    number, change, how = unpack_from("<HhH", data)
    return structure((f"sem_num={number}", f"sem_op={change}", f"sem_flg={flags(how, 'semop')}"))


def _mq_attr(data: bytes) -> str:
    values = unpack_from("<iiii", data)
    how, rest = flags(values[0] & 0xFFFFFFFF, "fdopen"), values[1:]
    words = zip(("mq_maxmsg", "mq_msgsize", "mq_curmsgs"), rest, strict=True)
    return structure([f"mq_flags={how}", *(f"{word}={value}" for word, value in words)])


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "sockaddr": _sockaddr,
    "mq_attr": _mq_attr,
}
"""Text of each structure by its name in the table."""
