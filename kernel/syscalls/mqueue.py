"""The calls of POSIX message queues (man 7 mq_overview): arguments are checked in Linux's order, then
`kernel.ipc.mqueue` does it."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    NAME_MAX,
    O_ACCMODE,
    O_CREAT,
    O_EXCL,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from kernel.abi.signal import SIGRTMAX
from kernel.abi.structs import Timespec, Timespec64
from kernel.abi.time import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD
from kernel.errors import Blocked, KernelError
from kernel.events import FileFlagsSet
from kernel.fs import vfs
from kernel.fs.files import free_fds, get_file, install_fd, open_file
from kernel.fs.vfs import MAY_READ, MAY_WRITE
from kernel.ipc import mqueue
from kernel.syscalls.poll import NEVER, read_time
from kernel.tables import Mqueue, OpenFile
from kernel.uaccess import copy_from_user, copy_to_user, put_user32

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PRIO_MAX = 32768
_ATTR = Struct("<4i16x")
_SIGEVENT = Struct("<IiI")
_ACCESS = {O_RDONLY: MAY_READ, O_WRONLY: MAY_WRITE, O_RDWR: MAY_READ | MAY_WRITE}


def sys_mq_open(k: Kernel, u_name: int, oflag: int, mode: int, u_attr: int) -> int:
    attributes = _ATTR.unpack(copy_from_user(k, u_attr, _ATTR.size)) if u_attr else None
    name = _name(k, u_name)
    free_fds(k, 1)
    one = mqueue.find(k, name)
    access = oflag & O_ACCMODE
    if one is not None:
        if oflag & O_CREAT and oflag & O_EXCL:
            raise KernelError(Errno.EEXIST)
        if access not in _ACCESS:
            raise KernelError(Errno.EINVAL)
        vfs.need(k.task, k.tables.inodes[one.inode], _ACCESS[access])
    elif not oflag & O_CREAT:
        raise KernelError(Errno.ENOENT)
    else:
        room = attributes[1:3] if attributes else (mqueue.MSG_DEFAULT, mqueue.MSGSIZE_DEFAULT)
        one = mqueue.create(k, name, mode & ~k.task.umask, *room)
    flags = access | oflag & O_NONBLOCK
    return install_fd(k, open_file(k, "mqueue", flags, one.inode, one.id, f"/{name}"), cloexec=True)


def _name(k: Kernel, address: int) -> str:
    """A queue's name, which the C library gives without the slash that it begins with."""
    name = vfs.getname(k, address)
    if "/" in name or name in (".", ".."):
        raise KernelError(Errno.EACCES)
    if len(name.encode("utf-8", "surrogateescape")) > NAME_MAX:
        raise KernelError(Errno.ENAMETOOLONG)
    return name


def sys_mq_unlink(k: Kernel, u_name: int) -> int:
    mqueue.unlink(k, _name(k, u_name))
    return 0


def _queue(k: Kernel, fd: int, access: int | None = None) -> tuple[OpenFile, Mqueue]:
    """EBADF for what is no queue, or not open for that."""
    file = get_file(k, fd)
    allowed = access is None or file.flags & O_ACCMODE in (access, O_RDWR)
    if file.kind != "mqueue" or not allowed:
        raise KernelError(Errno.EBADF)
    return file, k.tables.mqueues[file.object]


def _wait(k: Kernel, file: OpenFile, one: Mqueue, end: str, until: int) -> None:
    """EAGAIN, or sleep up to `until`, a time of day in ns. ETIMEDOUT."""
    if file.flags & O_NONBLOCK:
        raise KernelError(Errno.EAGAIN)
    deadline = max(until - k.tables.epoch, 0) if until != NEVER else NEVER
    if until != NEVER and deadline <= k.now:
        raise KernelError(Errno.ETIMEDOUT)
    raise Blocked(f"mqueue:{one.id}:{end}", deadline=deadline)


Build = type[Timespec] | type[Timespec64]


def _send(k: Kernel, fd: int, address: int, length: int, priority: int, timeout: int, build: Build) -> int:
    until = read_time(k, timeout, build)
    if priority >= PRIO_MAX:
        raise KernelError(Errno.EINVAL)
    file, one = _queue(k, fd, O_WRONLY)
    if length > one.msgsize:
        raise KernelError(Errno.EMSGSIZE)
    data = copy_from_user(k, address, length)
    if mqueue.is_full(one):
        _wait(k, file, one, "write", until)
    mqueue.send(k, one, priority, data)
    return 0


def sys_mq_timedsend(k: Kernel, fd: int, address: int, length: int, priority: int, timeout: int) -> int:
    return _send(k, fd, address, length, priority, timeout, Timespec)


def sys_mq_timedsend_time64(
    k: Kernel, fd: int, address: int, length: int, priority: int, timeout: int
) -> int:
    return _send(k, fd, address, length, priority, timeout, Timespec64)


def _receive(k: Kernel, fd: int, address: int, length: int, u_prio: int, timeout: int, build: Build) -> int:
    until = read_time(k, timeout, build)
    file, one = _queue(k, fd, O_RDONLY)
    if length < one.msgsize:
        raise KernelError(Errno.EMSGSIZE)
    if not one.messages:
        _wait(k, file, one, "read", until)
    priority, data = mqueue.receive(k, one)
    if u_prio:
        put_user32(k, u_prio, priority)
    copy_to_user(k, address, data)
    return len(data)


def sys_mq_timedreceive(k: Kernel, fd: int, address: int, length: int, u_prio: int, timeout: int) -> int:
    return _receive(k, fd, address, length, u_prio, timeout, Timespec)


def sys_mq_timedreceive_time64(
    k: Kernel, fd: int, address: int, length: int, u_prio: int, timeout: int
) -> int:
    return _receive(k, fd, address, length, u_prio, timeout, Timespec64)


def sys_mq_notify(k: Kernel, fd: int, sigevent: int) -> int:
    """SIGEV_THREAD is the C library's, over a netlink socket: there is none, so EBADF."""
    signo = value = how = 0
    if sigevent:
        value, signo, how = _SIGEVENT.unpack(copy_from_user(k, sigevent, _SIGEVENT.size))
        if how not in (SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD):
            raise KernelError(Errno.EINVAL)
        if how == SIGEV_SIGNAL and not 0 <= signo <= SIGRTMAX:
            raise KernelError(Errno.EINVAL)
        if how == SIGEV_THREAD:
            raise KernelError(Errno.EBADF)
    one = _queue(k, fd)[1]
    me = k.task.tgid
    if not sigevent:
        if one.notify_task == me:
            mqueue.notify(k, one, 0)
        return 0
    if one.notify_task:
        raise KernelError(Errno.EBUSY)
    mqueue.notify(k, one, me, signo if how == SIGEV_SIGNAL else 0, value)
    return 0


def sys_mq_getsetattr(k: Kernel, fd: int, new: int, old: int) -> int:
    """Only O_NONBLOCK can be changed."""
    flags = 0
    if new:
        flags = _ATTR.unpack(copy_from_user(k, new, _ATTR.size))[0]
        if flags & ~O_NONBLOCK:
            raise KernelError(Errno.EINVAL)
    file, one = _queue(k, fd)
    before = (file.flags & O_NONBLOCK, one.maxmsg, one.msgsize, len(one.messages))
    if new:
        file.flags = file.flags & ~O_NONBLOCK | flags
        k.emit(FileFlagsSet(file.id, file.flags))
    if old:
        copy_to_user(k, old, _ATTR.pack(*before))
    return 0
