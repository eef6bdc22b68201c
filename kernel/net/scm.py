"""Control messages: what goes along with data (man 3 cmsg, Linux's net/core/scm.c).

Open files (SCM_RIGHTS), and who the sender is (SCM_CREDENTIALS), which the kernel checks.
"""

from __future__ import annotations

from struct import pack, unpack, unpack_from
from typing import TYPE_CHECKING

import msgspec

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.ipc import MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_RIGHTS, SO_PASSCRED, SOL_SOCKET
from kernel.abi.process import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, RLIMIT_NOFILE
from kernel.capabilities import capable
from kernel.errors import Fault, KernelError
from kernel.fs.files import get_file, install_fd
from kernel.net.socket import NOBODY
from kernel.tables import Socket

if TYPE_CHECKING:
    from kernel.kernel import Kernel

HEADER = 12
"""sizeof(struct cmsghdr) of i386; messages are aligned to 4."""
MAX_FDS = 253
MAX_CONTROL = 131_072
"""net.core.optmem_max."""


class Control(msgspec.Struct):
    """What is passed along: numbers of open files, and pid, uid, gid or nothing."""

    files: list[int] = []
    cred: list[int] = []


class Room(msgspec.Struct):
    """Where a receiver wants control messages, and what came of it."""

    address: int = 0
    size: int = 0
    used: int = 0
    flags: int = 0


def read(k: Kernel, address: int, size: int) -> Control:
    """`__scm_send`: what a sender's control messages say. EINVAL, EBADF, EPERM, ESRCH, ENOBUFS."""
    out = Control()
    if not address or not size:
        return out
    if size > MAX_CONTROL:
        raise KernelError(Errno.ENOBUFS)
    data = uaccess.copy_from_user(k, address, size)
    at = 0
    while at + HEADER <= size:
        length, level, kind = unpack_from("<Iii", data, at)
        if length < HEADER or length > size - at:
            raise KernelError(Errno.EINVAL)
        body = data[at + HEADER : at + length]
        if level == SOL_SOCKET:
            if kind == SCM_RIGHTS:
                _add_files(k, out, body)
            elif kind == SCM_CREDENTIALS:
                out.cred = _checked(k, body)
            else:
                raise KernelError(Errno.EINVAL)
        at += (length + 3) & ~3
    too_many = out.files and sum(k.tables.passed.values()) > k.rlimit(RLIMIT_NOFILE)
    if too_many and not capable(k, CAP_SYS_RESOURCE) and not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.ETOOMANYREFS)
    return out


def _add_files(k: Kernel, out: Control, body: bytes) -> None:
    fds = unpack(f"<{len(body) // 4}i", body[: len(body) // 4 * 4])
    if len(out.files) + len(fds) > MAX_FDS:
        raise KernelError(Errno.EINVAL)
    out.files = out.files + [get_file(k, fd, with_path=True).id for fd in fds]


def _checked(k: Kernel, body: bytes) -> list[int]:
    """Who one says to be, one has to be, unless one may become that."""
    if len(body) != 12:
        raise KernelError(Errno.EINVAL)
    pid, uid, gid = unpack("<iII", body)
    task = k.task
    cred = task.cred
    if (
        (pid != task.tgid and not capable(k, CAP_SYS_ADMIN))
        or (uid not in (cred.uid, cred.euid, cred.suid) and not capable(k, CAP_SETUID))
        or (gid not in (cred.gid, cred.egid, cred.sgid) and not capable(k, CAP_SETGID))
    ):
        raise KernelError(Errno.EPERM)
    if pid not in k.tables.tasks:
        raise KernelError(Errno.ESRCH)
    return [pid, uid, gid]


def give(k: Kernel, one: Socket, control: Control, room: Room | None, flags: int) -> None:
    """`scm_recv`: write what was passed along.

    Files for which there is no room or no number are not given; the receiver learns of it by MSG_CTRUNC.
    """
    passcred = bool(one.options.get(SO_PASSCRED))
    if room is None:
        return
    if not room.address:
        if passcred or control.files:
            room.flags |= MSG_CTRUNC
        return
    if passcred:
        _put(k, room, SCM_CREDENTIALS, pack("<iII", *(control.cred or (0, NOBODY, NOBODY))))
    if control.files:
        _put_files(k, room, control.files, bool(flags & MSG_CMSG_CLOEXEC))


def _put(k: Kernel, room: Room, kind: int, data: bytes) -> None:
    """`put_cmsg`: cut to the room there is."""
    left = room.size - room.used
    if left < HEADER:
        room.flags |= MSG_CTRUNC
        return
    length = HEADER + len(data)
    if length > left:
        room.flags |= MSG_CTRUNC
        length = left
    message = pack("<Iii", length, SOL_SOCKET, kind) + data
    try:
        uaccess.copy_to_user(k, room.address + room.used, message[:length])
    except (Fault, KernelError):
        return
    room.used += min((HEADER + len(data) + 3) & ~3, left)


def _put_files(k: Kernel, room: Room, numbers: list[int], cloexec: bool) -> None:
    """`scm_detach_fds`."""
    left = room.size - room.used
    most = (left - HEADER) // 4 if left > HEADER else 0
    fds: list[int] = []
    at = room.address + room.used
    for number in numbers[:most]:
        try:
            fd = install_fd(k, k.tables.files[number], cloexec)
        except KernelError:
            break
        fds.append(fd)
        if uaccess.copy_to_user_partial(k, at + HEADER + 4 * len(fds) - 4, pack("<i", fd)) != 4:
            fds.pop()
            break
    if fds:
        length = HEADER + 4 * len(fds)
        if uaccess.copy_to_user_partial(k, at, pack("<Iii", length, SOL_SOCKET, SCM_RIGHTS)) == HEADER:
            room.used += min(length, left)
    if len(fds) < len(numbers):
        room.flags |= MSG_CTRUNC
