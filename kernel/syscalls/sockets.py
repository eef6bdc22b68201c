"""Sockets, of which this kernel has none: no family of protocols is there to make one (man 2 socket).

What a program asks of another descriptor is answered as Linux does: it is not a socket.
"""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.ipc import SOCK_CLOEXEC, SOCK_NONBLOCK
from kernel.errors import KernelError
from kernel.fs.files import get_file
from kernel.table import SOCKET_CALLS
from kernel.uaccess import copy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_NPROTO, _SOCK_MAX, _SOCK_TYPE_MASK = 46, 11, 0xF


def _make(family: int, kind: int) -> int:
    """`__sys_socket` and `__sock_create`, as far as they come."""
    if kind & ~(_SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    if family < _NPROTO and kind & _SOCK_TYPE_MASK >= _SOCK_MAX:
        raise KernelError(Errno.EINVAL)
    raise KernelError(Errno.EAFNOSUPPORT)


def _ask(k: Kernel, fd: int) -> int:
    """`sockfd_lookup`: EBADF, else ENOTSOCK."""
    get_file(k, fd)
    raise KernelError(Errno.ENOTSOCK)


def sys_socket(k: Kernel, family: int, kind: int, _protocol: int) -> int:
    return _make(family, kind)


def sys_socketpair(k: Kernel, family: int, kind: int, _protocol: int, _pair: int) -> int:
    return _make(family, kind)


def sys_bind(k: Kernel, fd: int, *_rest: int) -> int:
    return _ask(k, fd)


sys_connect = sys_listen = sys_accept4 = sys_getsockname = sys_getpeername = sys_shutdown = sys_bind
sys_sendto = sys_recvfrom = sys_sendmsg = sys_recvmsg = sys_setsockopt = sys_getsockopt = sys_bind
sys_sendmmsg = sys_recvmmsg = sys_recvmmsg_time64 = sys_bind


def sys_socketcall(k: Kernel, number: int, address: int) -> int:
    """The same calls by number, their arguments in memory."""
    row = SOCKET_CALLS[number] if 0 < number < len(SOCKET_CALLS) else None
    if row is None:
        raise KernelError(Errno.EINVAL)
    args = unpack(f"<{len(row.args)}I", copy_from_user(k, address, 4 * len(row.args)))
    return _make(args[0], args[1]) if row.name in ("socket", "socketpair") else _ask(k, args[0])
