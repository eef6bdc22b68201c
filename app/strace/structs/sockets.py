"""Messages: socket addresses, control messages, socket options, semaphores, message queues."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from struct import unpack_from

from app.strace import text
from app.strace.structs.numbers import user_id, words
from app.strace.style import current, descriptor
from app.strace.text import array, flags, hexadecimal, name, signed, structure
from kernel.abi.errno import STRERROR, Errno
from kernel.abi.ipc import SO_ERROR, SO_LINGER, SO_PEERCRED, SOL_SOCKET


def _sockaddr(data: bytes) -> str:
    if len(data) < 2:
        return structure((f"sa_family={name(0, 'family')}",), more=True)
    family = unpack_from("<H", data)[0]
    rest = data[2:]
    if not rest:
        return structure((f"sa_family={name(family, 'family')}",))
    if family == 1:
        return _unix_address(rest[:_SUN_PATH])
    if family == 2 and len(rest) >= _INET - 2:
        port = int.from_bytes(rest[:2], "big")
        host = ".".join(str(byte) for byte in rest[2:6])
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'
    if family == 10 and len(rest) >= _INET6 - 2:
        return structure(("sa_family=AF_INET6", *_inet6(rest)))
    return f"{{sa_family={name(family, 'family')}, sa_data={text.quote(rest)}}}"


_SUN_PATH, _INET, _INET6 = 108, 16, 24
"""Bytes of `sun_path`, and the least of `struct sockaddr_in` and `sockaddr_in6` (man 7 unix, ip, ipv6)."""


def _inet6(rest: bytes) -> list[str]:
    port, flow = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:6], "big")
    host = str(IPv6Address(rest[6:22]))
    scope = rest[22:26]
    fields = [f"sin6_port=htons({port})", f"sin6_flowinfo=htonl({flow})"]
    fields.append(f'inet_pton(AF_INET6, "{host}", &sin6_addr)')
    if len(scope) == 4:
        fields.append(f"sin6_scope_id={int.from_bytes(scope, 'little')}")
    return fields


def _unix_address(path: bytes) -> str:
    if path[:1] == b"\0":
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


_INT, _LINGER = 4, 8
"""sizeof(int), and sizeof(struct linger)."""
_NUMBERS = frozenset(
    (
        *(
            1,
            2,
            5,
            6,
            7,
            8,
            9,
            10,
            11,
            12,
            14,
            15,
            16,
            18,
            19,
            27,
            29,
            30,
            32,
            33,
            34,
            35,
            36,
            37,
            40,
            41,
            42,
        ),
        *(43, 44, 45, 46, 49, 53, 56, 60, 63, 64, 65, 68, 69, 70, 73, 75),
    )
)
"""Options of SOL_SOCKET that are an int (uapi asm-generic/socket.h)."""


def option_given(data: bytes, level: int, option: int, size: int) -> str | None:
    """What `setsockopt` is given: None where that is too short, or could not be read as far as it counts."""
    if level == SOL_SOCKET and option in _NUMBERS:
        return f"[{unpack_from('<i', data)[0]}]" if min(size, len(data)) >= _INT else None
    if level == SOL_SOCKET and option == SO_LINGER:
        return _linger(data) if min(size, len(data)) >= _LINGER else None
    return _option(data, size) if len(data) >= min(size, current().limit) else None


def option_got(data: bytes, level: int, option: int, size: int) -> str:
    """What `getsockopt` gave, as far as there was room for it."""
    if level == SOL_SOCKET:
        if option == SO_PEERCRED:
            return _cut_fields(data, ("pid", "uid", "gid"), user_id)
        if option == SO_LINGER:
            return _linger(data)
        if option == SO_ERROR and size >= _INT:
            error = unpack_from("<i", data)[0]
            return f"[{Errno(error).name if error in STRERROR else error}]"
        if option == SO_ERROR or option in _NUMBERS:
            return f"[{unpack_from('<i', data)[0]}]" if size >= _INT else text.quote_hex(data)
    return _option(data, size)


def _option(data: bytes, size: int) -> str:
    return f"[{unpack_from('<i', data)[0]}]" if size == _INT else text.bytes_of(data, size)


def _linger(data: bytes) -> str:
    return _cut_fields(data[:_LINGER], ("l_onoff", "l_linger"), lambda value: str(signed(value)))


def _cut_fields(data: bytes, words: tuple[str, ...], show: Callable[[int], str]) -> str:
    """A structure of words of which the last may be there in part only."""
    fields: list[str] = []
    for at, word in enumerate(words):
        part = data[4 * at : 4 * at + 4]
        if len(part) == 4:
            fields.append(f"{word}={show(int.from_bytes(part, 'little'))}")
        elif part:
            fields.append(f"{word}={text.quote_hex(part)}")
    return structure(fields)


def sembuf(data: bytes) -> str:
    number, change, how = unpack_from("<HhH", data)
    return structure((f"sem_num={number}", f"sem_op={change}", f"sem_flg={flags(how, 'semop')}"))


def _mq_attr(data: bytes) -> str:
    values = unpack_from("<iiii", data)
    how, rest = flags(values[0] & 0xFFFFFFFF, "mq_attr"), values[1:]
    words = zip(("mq_maxmsg", "mq_msgsize", "mq_curmsgs"), rest, strict=True)
    return structure([f"mq_flags={how}", *(f"{word}={value}" for word, value in words)])


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "sockaddr": _sockaddr,
    "mq_attr": _mq_attr,
}
"""Text of each structure by its name in the table."""
