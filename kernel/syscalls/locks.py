"""System calls for locks: flock, and what fcntl has for locks (Linux's fs/locks.c).

Here arguments are checked in Linux's order; the locks themselves are in `kernel.fs.locks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    F_GETLK,
    F_GETLK64,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_RDLCK,
    F_SETLK,
    F_SETLK64,
    F_SETLKW,
    F_SETLKW64,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_MAND,
    LOCK_NB,
    LOCK_SH,
    LOCK_UN,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from kernel.abi.structs import Flock, Flock64
from kernel.errors import KernelError
from kernel.fs import locks, vfs
from kernel.fs.files import get_file
from kernel.fs.operations import is_readable, is_writable
from kernel.tables import FileLock, OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel

GETS = (F_GETLK, F_GETLK64, F_OFD_GETLK)
SETS = (F_SETLK, F_SETLK64, F_OFD_SETLK, F_SETLKW, F_SETLKW64, F_OFD_SETLKW)
WAITS = (F_SETLKW, F_SETLKW64, F_OFD_SETLKW)
OFD = (F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW)
NARROW = (F_GETLK, F_SETLK, F_SETLKW)
OFFSET_MAX = (1 << 63) - 1
OFF_T_MAX = 0x7FFF_FFFF
_FLOCKS = {LOCK_SH: F_RDLCK, LOCK_EX: F_WRLCK, LOCK_UN: F_UNLCK}


def sys_flock(k: Kernel, fd: int, cmd: int) -> int:
    if cmd & LOCK_MAND:
        return 0
    kind = _FLOCKS.get(cmd & ~LOCK_NB)
    if kind is None:
        raise KernelError(Errno.EINVAL)
    file = get_file(k, fd)
    if kind != F_UNLCK and not (is_readable(file) or is_writable(file)):
        raise KernelError(Errno.EBADF)
    locks.set_flock(k, file.inode, file, k.task, kind, wait=not cmd & LOCK_NB)
    return 0


def fcntl_lock(k: Kernel, fd: int, file: OpenFile, cmd: int, address: int) -> int:
    """One of GETS or SETS."""
    build: type[Flock] | type[Flock64] = Flock if cmd in NARROW else Flock64
    given = build.unpack(uaccess.copy_from_user(k, address, build.SIZE))
    if cmd in GETS:
        return _get(k, file, cmd, address, given)
    wanted = _wanted(k, file, cmd, given)
    if (wanted.type == F_RDLCK and not is_readable(file)) or (
        wanted.type == F_WRLCK and not is_writable(file)
    ):
        raise KernelError(Errno.EBADF)
    if cmd in OFD and given.l_pid:
        raise KernelError(Errno.EINVAL)
    locks.set_lock(k, file.inode, wanted, wait=cmd in WAITS)
    return 0


def _get(k: Kernel, file: OpenFile, cmd: int, address: int, given: Flock | Flock64) -> int:
    """What would be in the way, or F_UNLCK in the place of the type."""
    if given.l_type not in (F_RDLCK, F_WRLCK) and not (cmd == F_OFD_GETLK and given.l_type == F_UNLCK):
        raise KernelError(Errno.EINVAL)
    wanted = _wanted(k, file, cmd, given)
    if cmd in OFD and given.l_pid:
        raise KernelError(Errno.EINVAL)
    build = type(given)
    found = locks.conflict(k, file.inode, wanted)
    if found is None:
        answer = build(F_UNLCK, given.l_whence, given.l_start, given.l_len, given.l_pid)
    else:
        length = 0 if found.end == OFFSET_MAX else found.end - found.start + 1
        if cmd in NARROW and (found.start > OFF_T_MAX or length > OFF_T_MAX):
            raise KernelError(Errno.EOVERFLOW)
        pid = -1 if found.kind == "ofd" else found.pid
        answer = build(found.type, SEEK_SET, found.start, length, pid)
    uaccess.copy_to_user(k, address, answer.pack())
    return 0


def _wanted(k: Kernel, file: OpenFile, cmd: int, given: Flock | Flock64) -> FileLock:
    """The lock that a program's structure describes (`flock64_to_posix_lock`)."""
    if given.l_whence not in (SEEK_SET, SEEK_CUR, SEEK_END):
        raise KernelError(Errno.EINVAL)
    base = {SEEK_SET: 0, SEEK_CUR: file.pos}.get(given.l_whence)
    if base is None:
        base = vfs.get_inode(k, file.inode).size
    start = base + given.l_start
    if start > OFFSET_MAX:
        raise KernelError(Errno.EOVERFLOW)
    if start < 0:
        raise KernelError(Errno.EINVAL)
    end = OFFSET_MAX
    if given.l_len > 0:
        end = start + given.l_len - 1
        if end > OFFSET_MAX:
            raise KernelError(Errno.EOVERFLOW)
    elif given.l_len < 0:
        start, end = start + given.l_len, start - 1
        if start < 0:
            raise KernelError(Errno.EINVAL)
    if given.l_type not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise KernelError(Errno.EINVAL)
    ofd = cmd in OFD
    owner = file.id if ofd else k.task.fdtable
    return FileLock("ofd" if ofd else "posix", owner, k.task.tgid, given.l_type, start, end, file.id)
