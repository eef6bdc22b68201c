"""Socket calls: what comes from user memory and goes there (Linux's net/socket.c, net/core/sock.c).

AF_UNIX is all there is; of other families this kernel knows as much as one that was built without them.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack, unpack
from typing import TYPE_CHECKING

import msgspec

from kernel import uaccess
from kernel.abi import ipc as abi
from kernel.abi.errno import Errno
from kernel.abi.files import IOV_MAX
from kernel.abi.process import CAP_NET_ADMIN
from kernel.abi.structs import Timespec, Timespec64, Timeval
from kernel.abi.time import time_bytes
from kernel.capabilities import need_capability
from kernel.errors import Blocked, Fault, KernelError
from kernel.fs.files import close_file, free_fds, get_file, install_fd
from kernel.fs.iov import IovIter, import_iovec, one_buffer
from kernel.net import af_unix, scm, socket
from kernel.signals.state import signal_pending
from kernel.syscalls.poll import read_time
from kernel.table import SOCKET_CALLS
from kernel.tables import OpenFile, Socket

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_NPROTO, _SOCK_MAX, _SOCK_TYPE_MASK = 46, 11, 0xF
_MAX_ADDRESS = 128
"""sizeof(struct sockaddr_storage)."""
_MSGHDR = 28
_UIO_MAXIOV = IOV_MAX


def _kind(family: int, kind: int, protocol: int) -> int:
    """The type of socket that is wanted (`__sys_socket`, `__sock_create`, `unix_create`)."""
    if kind & ~(_SOCK_TYPE_MASK | abi.SOCK_CLOEXEC | abi.SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    kind &= _SOCK_TYPE_MASK
    if family < _NPROTO and kind >= _SOCK_MAX:
        raise KernelError(Errno.EINVAL)
    if family != abi.AF_UNIX:
        raise KernelError(Errno.EAFNOSUPPORT)
    if protocol not in (0, abi.AF_UNIX):
        raise KernelError(Errno.EPROTONOSUPPORT)
    if kind not in (abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_RAW, abi.SOCK_SEQPACKET):
        raise KernelError(Errno.ESOCKTNOSUPPORT)
    return abi.SOCK_DGRAM if kind == abi.SOCK_RAW else kind


def _file(k: Kernel, fd: int) -> OpenFile:
    """`sockfd_lookup`: EBADF, ENOTSOCK."""
    file = get_file(k, fd)
    if file.kind != "socket":
        raise KernelError(Errno.ENOTSOCK)
    return file


def _socket(k: Kernel, fd: int) -> Socket:
    return k.tables.sockets[_file(k, fd).object]


def sys_socket(k: Kernel, family: int, kind: int, protocol: int) -> int:
    one = socket.create(k, _kind(family, kind, protocol))
    file = af_unix.new_file(k, one, kind & abi.SOCK_NONBLOCK)
    return _install(k, file, kind)


def _install(k: Kernel, file: OpenFile, kind: int) -> int:
    try:
        return install_fd(k, file, bool(kind & abi.SOCK_CLOEXEC))
    except KernelError:
        close_file(k, file)
        raise


def sys_socketpair(k: Kernel, family: int, kind: int, protocol: int, pair: int) -> int:
    """Nothing is made unless the numbers can be handed over."""
    if kind & ~(_SOCK_TYPE_MASK | abi.SOCK_CLOEXEC | abi.SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    fds = free_fds(k, 2)
    uaccess.copy_to_user(k, pair, pack("<ii", *fds))
    real = _kind(family, kind, protocol)
    ends = [socket.create(k, real) for _ in fds]
    opened = [af_unix.new_file(k, one, kind & abi.SOCK_NONBLOCK) for one in ends]
    af_unix.connect_pair(k, *ends)
    for file in opened:
        _install(k, file, kind)
    return 0


# --- addresses ----------------------------------------------------------------------------------------------


def _address(k: Kernel, at: int, length: int) -> bytes:
    """`move_addr_to_kernel`."""
    if length > _MAX_ADDRESS:
        raise KernelError(Errno.EINVAL)
    return uaccess.copy_from_user(k, at, length) if length else b""


def _give_address(k: Kernel, data: bytes, at: int, length_at: int) -> None:
    """`move_addr_to_user`: as much as there is room for, and how long it really is."""
    room = uaccess.signed(uaccess.get_user32(k, length_at))
    room = min(room, len(data))
    if room < 0:
        raise KernelError(Errno.EINVAL)
    uaccess.copy_to_user(k, at, data[:room])
    uaccess.put_user32(k, length_at, len(data))


def sys_bind(k: Kernel, fd: int, umyaddr: int, addrlen: int) -> int:
    one = _socket(k, fd)
    af_unix.bind(k, one, _address(k, umyaddr, addrlen))
    return 0


def sys_connect(k: Kernel, fd: int, uservaddr: int, addrlen: int) -> int:
    file = _file(k, fd)
    af_unix.connect(k, file, _address(k, uservaddr, addrlen))
    return 0


def sys_listen(k: Kernel, fd: int, backlog: int) -> int:
    af_unix.listen(k, _socket(k, fd), backlog)
    return 0


def sys_accept4(k: Kernel, fd: int, peer: int, peer_length: int, flags: int) -> int:
    if flags & ~(abi.SOCK_CLOEXEC | abi.SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    file = _file(k, fd)
    free_fds(k, 1)
    one = af_unix.accept(k, file)
    accepted = af_unix.new_file(k, one, flags & abi.SOCK_NONBLOCK)
    if peer:
        try:
            _give_address(k, af_unix.address_of(k.tables.sockets.get(one.peer)), peer, peer_length)
        except (KernelError, Fault):
            close_file(k, accepted)
            raise
    return _install(k, accepted, flags)


def sys_getsockname(k: Kernel, fd: int, address: int, length: int) -> int:
    _give_address(k, af_unix.address_of(_socket(k, fd)), address, length)
    return 0


def sys_getpeername(k: Kernel, fd: int, address: int, length: int) -> int:
    peer = af_unix.peer_of(k, _socket(k, fd))
    _give_address(k, af_unix.address_of(peer), address, length)
    return 0


def sys_shutdown(k: Kernel, fd: int, how: int) -> int:
    af_unix.shutdown(k, _socket(k, fd), how)
    return 0


# --- messages -----------------------------------------------------------------------------------------------


def sys_sendto(
    k: Kernel, fd: int, buff: int, length: int, flags: int, address: int, address_length: int
) -> int:
    file = _file(k, fd)
    name = _address(k, address, address_length) if address else b""
    return af_unix.send(k, file, one_buffer(buff, length), flags, scm.Control(), name)


def sys_recvfrom(
    k: Kernel, fd: int, ubuf: int, size: int, flags: int, address: int, address_length: int
) -> int:
    got = af_unix.receive(k, _file(k, fd), one_buffer(ubuf, size), flags)
    if address:
        _give_address(k, got.address or b"", address, address_length)
    return got.count


class _Header(msgspec.Struct):
    """`struct msghdr`, with what it leads to."""

    at: int
    name: int
    name_length: int
    data: IovIter
    control: int
    control_length: int


def _header(k: Kernel, at: int) -> _Header:
    """`copy_msghdr_from_user`."""
    name, length, vectors, count, control, control_length, _flags = unpack(
        "<IiIIIII", uaccess.copy_from_user(k, at, _MSGHDR)
    )
    if length < 0 and name:
        raise KernelError(Errno.EINVAL)
    if count > _UIO_MAXIOV:
        raise KernelError(Errno.EMSGSIZE)
    if control_length & 0x8000_0000:
        raise KernelError(Errno.ENOBUFS)
    data = import_iovec(k, vectors, count)
    return _Header(at, name, min(length, _MAX_ADDRESS) if name else 0, data, control, control_length)


def _send(k: Kernel, file: OpenFile, at: int, flags: int) -> int:
    header = _header(k, at)
    name = _address(k, header.name, header.name_length) if header.name else b""
    control = scm.read(k, header.control, header.control_length)
    return af_unix.send(k, file, header.data, flags, control, name)


def _receive(k: Kernel, file: OpenFile, at: int, flags: int) -> int:
    header = _header(k, at)
    room = scm.Room(header.control, header.control_length)
    got = af_unix.receive(k, file, header.data, flags, room)
    if header.name:
        _give_address(k, got.address or b"", header.name, at + 4)
    uaccess.put_user32(k, at + 24, got.flags | room.flags | flags & abi.MSG_CMSG_CLOEXEC)
    uaccess.put_user32(k, at + 20, room.used)
    return got.count


def sys_sendmsg(k: Kernel, fd: int, msg: int, flags: int) -> int:
    return _send(k, _file(k, fd), msg, flags)


def sys_recvmsg(k: Kernel, fd: int, msg: int, flags: int) -> int:
    return _receive(k, _file(k, fd), msg, flags)


def sys_sendmmsg(k: Kernel, fd: int, mmsg: int, vlen: int, flags: int) -> int:
    return _several(k, _file(k, fd), mmsg, vlen, flags, -1, sending=True)


def _several(
    k: Kernel, file: OpenFile, at: int, count: int, flags: int, deadline: int, sending: bool = False
) -> int:
    """One message after the other, as many as can be moved; an error counts if it comes with the first.

    `Task.progress` begins with how many there were and the end of the waiting; the present one's follows.
    """
    known = k.task.progress
    done = known[0] if known else 0
    if known:
        deadline = known[1]
        k.task.progress = known[2:]
    one = k.tables.sockets[file.object]
    if not done and not sending:
        socket.raise_error(one)
    while done < min(count, _UIO_MAXIOV):
        place = at + 32 * done
        try:
            move = _send if sending else _receive
            length = move(k, file, place, flags & ~abi.MSG_WAITFORONE)
            uaccess.put_user32(k, place + 28, length)
        except Blocked:
            if done and signal_pending(k, k.task):
                break
            k.task.progress = [done, deadline, *k.task.progress]
            raise
        except KernelError as error:
            if not done:
                raise
            if not sending and error.errno != Errno.EAGAIN:
                one.error = error.errno
            break
        k.task.progress = []
        done += 1
        if flags & abi.MSG_WAITFORONE:
            flags |= abi.MSG_DONTWAIT
        if 0 <= deadline <= k.now:
            break
    return done


def _receive_several(
    k: Kernel, fd: int, mmsg: int, vlen: int, flags: int, timeout: int, build: type[Timespec | Timespec64]
) -> int:
    """The time is looked at between messages only (man 2 recvmmsg, "Bugs"); what is left of it is told."""
    limit = read_time(k, timeout, build)
    file = _file(k, fd)
    end = -1 if limit < 0 else k.now + limit
    if k.task.progress:
        end = k.task.progress[1]
    done = _several(k, file, mmsg, vlen, flags, end)
    if end >= 0 and done:
        uaccess.copy_to_user(k, timeout, time_bytes(build is Timespec64, max(0, end - k.now)))
    return done


def sys_recvmmsg(k: Kernel, fd: int, mmsg: int, vlen: int, flags: int, timeout: int) -> int:
    return _receive_several(k, fd, mmsg, vlen, flags, timeout, Timespec)


def sys_recvmmsg_time64(k: Kernel, fd: int, mmsg: int, vlen: int, flags: int, timeout: int) -> int:
    return _receive_several(k, fd, mmsg, vlen, flags, timeout, Timespec64)


# --- options ------------------------------------------------------------------------------------------------

_FLAGS = (
    *(abi.SO_REUSEADDR, abi.SO_DONTROUTE, abi.SO_BROADCAST, abi.SO_KEEPALIVE, abi.SO_OOBINLINE),
    *(abi.SO_REUSEPORT, abi.SO_PASSCRED, abi.SO_TIMESTAMP_OLD, abi.SO_NO_CHECK),
)
"""On or off."""
_READ_ONLY = (abi.SO_TYPE, abi.SO_ERROR, abi.SO_DOMAIN, abi.SO_PROTOCOL, abi.SO_ACCEPTCONN)
_TIMES = {
    abi.SO_RCVTIMEO: (abi.SO_RCVTIMEO, Timeval),
    abi.SO_SNDTIMEO: (abi.SO_SNDTIMEO, Timeval),
    abi.SO_RCVTIMEO_NEW: (abi.SO_RCVTIMEO, Timespec64),
    abi.SO_SNDTIMEO_NEW: (abi.SO_SNDTIMEO, Timespec64),
}
"""Under which number a time is kept, and how it lies in memory: seconds, and millionths of them."""
_BUFFERS = {
    abi.SO_SNDBUF: (abi.SO_SNDBUF, 4608),
    abi.SO_SNDBUFFORCE: (abi.SO_SNDBUF, 4608),
    abi.SO_RCVBUF: (abi.SO_RCVBUF, 2304),
    abi.SO_RCVBUFFORCE: (abi.SO_RCVBUF, 2304),
}
"""The least there is (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF)."""


def _number(one: Socket, option: int) -> int:
    """The value of an option that is a number. ENOPROTOOPT."""
    if option in _FLAGS:
        return one.options.get(option, 0)
    known = {
        abi.SO_DEBUG: 0,
        abi.SO_TYPE: one.type,
        abi.SO_DOMAIN: abi.AF_UNIX,
        abi.SO_PROTOCOL: 0,
        abi.SO_ACCEPTCONN: int(one.state == socket.LISTENING),
        abi.SO_SNDBUF: socket.send_buffer(one),
        abi.SO_RCVBUF: socket.receive_buffer(one),
        abi.SO_RCVLOWAT: one.options.get(abi.SO_RCVLOWAT, 1),
        abi.SO_SNDLOWAT: 1,
        abi.SO_MARK: one.options.get(abi.SO_MARK, 0),
        abi.SO_PRIORITY: one.options.get(abi.SO_PRIORITY, 0),
    }
    if option == abi.SO_ERROR:
        return socket.take_error(one)
    if option not in known:
        raise KernelError(Errno.ENOPROTOOPT)
    return known[option]


def sys_getsockopt(k: Kernel, fd: int, level: int, option: int, optval: int, optlen: int) -> int:
    one = _socket(k, fd)
    if level != abi.SOL_SOCKET:
        raise KernelError(Errno.EOPNOTSUPP)
    room = uaccess.signed(uaccess.get_user32(k, optlen))
    if room < 0:
        raise KernelError(Errno.EINVAL)
    if option == abi.SO_PEERCRED:
        data = pack("<iII", *one.peer_cred)
    elif option == abi.SO_LINGER:
        data = pack("<ii", one.options.get(abi.SO_LINGER, -1) >= 0, max(0, one.options.get(abi.SO_LINGER, 0)))
    elif option in _TIMES:
        kept, build = _TIMES[option]
        seconds, part = divmod(one.options.get(kept, 0) // 1000, 1_000_000)
        data = build.LAYOUT.pack(seconds, part)
    elif option == abi.SO_PEERNAME:
        data = af_unix.address_of(af_unix.peer_of(k, one))
        if len(data) < room:
            raise KernelError(Errno.EINVAL)
    else:
        data = pack("<I", _number(one, option))
    data = data[:room]
    uaccess.copy_to_user(k, optval, data)
    uaccess.put_user32(k, optlen, len(data))
    return 0


def sys_setsockopt(k: Kernel, fd: int, level: int, option: int, optval: int, optlen: int) -> int:
    length = uaccess.signed(optlen)
    if length < 0:
        raise KernelError(Errno.EINVAL)
    one = _socket(k, fd)
    if level != abi.SOL_SOCKET:
        raise KernelError(Errno.EOPNOTSUPP)
    if length < 4:
        raise KernelError(Errno.EINVAL)
    value = unpack("<i", uaccess.copy_from_user(k, optval, 4))[0]
    if option in _FLAGS:
        one.options[option] = int(bool(value))
    elif option in _READ_ONLY or option == abi.SO_SNDLOWAT:
        raise KernelError(Errno.ENOPROTOOPT)
    elif option in _BUFFERS:
        kept, least = _BUFFERS[option]
        forced = option in (abi.SO_SNDBUFFORCE, abi.SO_RCVBUFFORCE)
        if forced:
            need_capability(k, CAP_NET_ADMIN)
            value = max(0, value)
        else:
            value = min(value & 0xFFFF_FFFF, socket.DEFAULT_BUFFER)
        one.options[kept] = max(min(value, 0x3FFF_FFFF) * 2, least)
        if kept == abi.SO_SNDBUF:
            socket.changed(k, one)
    elif option == abi.SO_RCVLOWAT:
        one.options[option] = 0x7FFF_FFFF if value < 0 else value or 1
    elif option == abi.SO_LINGER:
        if length < 8:
            raise KernelError(Errno.EINVAL)
        on, linger = unpack("<iI", uaccess.copy_from_user(k, optval, 8))
        one.options[option] = min(linger, 0x7FFF_FFFF) if on else -1
    elif option in _TIMES:
        _set_time(k, one, option, optval, length)
    elif option == abi.SO_PRIORITY:
        if not 0 <= value <= 6:
            need_capability(k, CAP_NET_ADMIN)
        one.options[option] = value & 0xFFFF_FFFF
    elif option == abi.SO_MARK:
        need_capability(k, CAP_NET_ADMIN)
        one.options[option] = value & 0xFFFF_FFFF
    elif option == abi.SO_DEBUG:
        if value:
            raise KernelError(Errno.EACCES)
    else:
        raise KernelError(Errno.ENOPROTOOPT)
    return 0


def _set_time(k: Kernel, one: Socket, option: int, address: int, length: int) -> None:
    """`sock_set_timeout`: 0 is for ever, less than 0 not at all."""
    kept, build = _TIMES[option]
    if length < build.SIZE:
        raise KernelError(Errno.EINVAL)
    seconds, part = build.LAYOUT.unpack(uaccess.copy_from_user(k, address, build.SIZE))
    if not 0 <= part < 1_000_000:
        raise KernelError(Errno.EDOM)
    one.options[kept] = 1 if seconds < 0 else min(seconds * 1_000_000_000 + part * 1000, 1 << 60)


# --- socketcall ---------------------------------------------------------------------------------------------


def _accept(k: Kernel, fd: int, peer: int, peer_length: int) -> int:
    return sys_accept4(k, fd, peer, peer_length, 0)


def _send_buffer(k: Kernel, fd: int, buff: int, length: int, flags: int) -> int:
    return sys_sendto(k, fd, buff, length, flags, 0, 0)


def _receive_buffer(k: Kernel, fd: int, ubuf: int, size: int, flags: int) -> int:
    return sys_recvfrom(k, fd, ubuf, size, flags, 0, 0)


_CALLS: dict[str, Callable[..., int]] = {
    "socket": sys_socket,
    "bind": sys_bind,
    "connect": sys_connect,
    "listen": sys_listen,
    "accept": _accept,
    "getsockname": sys_getsockname,
    "getpeername": sys_getpeername,
    "socketpair": sys_socketpair,
    "send": _send_buffer,
    "recv": _receive_buffer,
    "sendto": sys_sendto,
    "recvfrom": sys_recvfrom,
    "shutdown": sys_shutdown,
    "setsockopt": sys_setsockopt,
    "getsockopt": sys_getsockopt,
    "sendmsg": sys_sendmsg,
    "recvmsg": sys_recvmsg,
    "accept4": sys_accept4,
    "recvmmsg": sys_recvmmsg,
    "sendmmsg": sys_sendmmsg,
}


def sys_socketcall(k: Kernel, number: int, address: int) -> int:
    """The same calls by number, their arguments in memory."""
    row = SOCKET_CALLS[number] if 0 < number < len(SOCKET_CALLS) else None
    if row is None:
        raise KernelError(Errno.EINVAL)
    count = len(row.args)
    return _CALLS[row.name](k, *unpack(f"<{count}I", uaccess.copy_from_user(k, address, 4 * count)))
