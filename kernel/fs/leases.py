"""Leases: a file's holder is told before somebody opens or cuts it in a way that conflicts (fs/locks.c).

Who conflicts waits, on `lease:INODE`, until the holder gives the lease back or makes it a weaker one, or
until LEASE_BREAK_TIME has gone by (man 2 fcntl, "Leases").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    F_OWNER_PID,
    F_RDLCK,
    F_UNLCK,
    F_WRLCK,
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
    S_IFMT,
    S_IFREG,
)
from kernel.abi.process import CAP_LEASE
from kernel.abi.signal import POLL_MSG
from kernel.capabilities import capable
from kernel.errors import Blocked, KernelError
from kernel.fs import fasync
from kernel.tables import Inode, Lease, OpenFile
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

LEASE_BREAK_TIME = 45_000_000_000


def set_lease(k: Kernel, file: OpenFile, fd: int, kind: int) -> int:
    """F_SETLEASE. EAGAIN while the file is open otherwise, or for what is not there."""
    if kind not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise KernelError(Errno.EINVAL)
    inode = k.tables.inodes.get(file.inode)
    if inode is not None and inode.uid != k.task.cred.fsuid and not capable(k, CAP_LEASE):
        raise KernelError(Errno.EACCES)
    if file.kind != "file" or inode is None or inode.mode & S_IFMT != S_IFREG:
        raise KernelError(Errno.EINVAL)
    _time_out(k, inode.ino)
    leases = k.tables.leases.get(inode.ino, [])
    mine = next((lease for lease in leases if lease.file == file.id), None)
    if kind == F_UNLCK:
        if mine is None:
            raise KernelError(Errno.EAGAIN)
        _modify(k, inode.ino, mine, F_UNLCK)
        return 0
    others = [lease for lease in leases if lease is not mine]
    blocked = others if kind == F_WRLCK else [lease for lease in others if lease.ends >= 0]
    if blocked or _is_open_otherwise(k, file, kind):
        raise KernelError(Errno.EAGAIN)
    if mine is not None:
        mine.fd = fd
        _modify(k, inode.ino, mine, kind)
    else:
        k.tables.leases.setdefault(inode.ino, []).append(Lease(file.id, fd, kind))
        fasync.mark(k, file, True)
    fasync.own_if_nobody(k, file, F_OWNER_PID, k.task.tgid)
    return 0


def _is_open_otherwise(k: Kernel, file: OpenFile, kind: int) -> bool:
    """Whether anybody could read or write what would be leased (`check_conflicting_open`)."""
    opens = [one for one in k.tables.files.values() if one.inode == file.inode and one.kind == "file"]
    if kind == F_RDLCK:
        return any(one.flags & O_ACCMODE != O_RDONLY for one in opens)
    return any(one is not file for one in opens)


def get_lease(k: Kernel, file: OpenFile) -> int:
    """F_GETLEASE: its type; while it is to be broken, what it is to become."""
    _time_out(k, file.inode)
    for lease in k.tables.leases.get(file.inode, ()):
        if lease.file == file.id:
            return F_UNLCK if lease.ends >= 0 else F_RDLCK if lease.weakens >= 0 else lease.type
    return F_UNLCK


def _modify(k: Kernel, ino: int, lease: Lease, kind: int) -> None:
    lease.type = kind
    lease.weakens = -1
    if kind == F_UNLCK:
        lease.ends = -1
        k.tables.leases[ino].remove(lease)
        if not k.tables.leases[ino]:
            del k.tables.leases[ino]
        file = k.tables.files.get(lease.file)
        if file is not None:
            file.owner = [F_OWNER_PID, 0, 0, *file.owner[3:]] if file.owner else []  # f_delown
            fasync.mark(k, file, False)
    wake_up(k, f"lease:{ino}")


def _time_out(k: Kernel, ino: int) -> None:
    for lease in list(k.tables.leases.get(ino, ())):
        if 0 <= lease.weakens <= k.now:
            _modify(k, ino, lease, F_RDLCK)
        if 0 <= lease.ends <= k.now:
            _modify(k, ino, lease, F_UNLCK)


def break_leases(k: Kernel, inode: Inode, flags: int) -> None:
    """Somebody opens the file with these flags, or cuts it: EAGAIN or waiting if that conflicts."""
    if inode.ino not in k.tables.leases:
        return
    _time_out(k, inode.ino)
    writes = flags & O_ACCMODE != O_RDONLY
    conflicting = [lease for lease in k.tables.leases.get(inode.ino, ()) if writes or lease.type == F_WRLCK]
    if not conflicting:
        return
    for lease in conflicting:
        if lease.ends >= 0 or (not writes and lease.weakens >= 0):
            continue
        if writes:
            lease.ends = k.now + LEASE_BREAK_TIME
        else:
            lease.weakens = k.now + LEASE_BREAK_TIME
        fasync.send_sigio(k, k.tables.files[lease.file], lease.fd, POLL_MSG)
    if flags & O_NONBLOCK:
        raise KernelError(Errno.EAGAIN)
    deadline = min(max(lease.ends, lease.weakens) for lease in conflicting)
    raise Blocked(f"lease:{inode.ino}", deadline=deadline)


def break_for_truncate(k: Kernel, inode: Inode) -> None:
    break_leases(k, inode, O_WRONLY)


def release(k: Kernel, file: OpenFile) -> None:
    """It is closed: its lease is gone."""
    for lease in list(k.tables.leases.get(file.inode, ())):
        if lease.file == file.id:
            _modify(k, file.inode, lease, F_UNLCK)
